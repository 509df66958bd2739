"""Cubins: from the wheel, the cache, a compiler; what is damaged, foreign or stale is not used."""

import hashlib
import json
import os
import stat

import pytest

from dsruntime import BackendError
from dsruntime.backends.cuda import cache, compile, state


@pytest.fixture(autouse=True)
def private_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DSCOMPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(compile, "PREBUILT", tmp_path / "none")  # this checkout may have cubins of its own
    return tmp_path / "cache" / "kernels"


@pytest.fixture
def compiled(monkeypatch):
    """What a compiler was asked for; it makes the text of the request."""
    asked = []

    def compile_it(source, architecture):
        asked.append((source, architecture))
        return f"{source} for {architecture}".encode()

    monkeypatch.setattr(compile, "compiler", lambda: ("some compiler 1.0", compile_it))
    return asked


@pytest.fixture
def prebuilt(tmp_path, monkeypatch):
    """Cubins of every source for sm_80, as tools/build_cubins.py leaves them."""
    folder = tmp_path / "cubins"
    monkeypatch.setattr(compile, "PREBUILT", folder)
    (folder / "sm_80").mkdir(parents=True)
    listed = {}
    for source in compile.sources():
        data = f"{source}, ready".encode()
        (folder / "sm_80" / f"{source}.cubin").write_bytes(data)
        listed[source] = {"sources": compile.fingerprint(source), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "sm_80" / "list.json").write_text(json.dumps(listed))
    return folder / "sm_80"


def test_compiles_once_for_each_architecture(compiled, private_cache):
    for _ in range(2):
        assert compile.cubin("pool", "sm_90") == b"pool for sm_90"
    assert compile.cubin("pool", "sm_89") == b"pool for sm_89"
    assert compiled == [("pool", "sm_90"), ("pool", "sm_89")]
    assert cache.entries()[0] == 2 and stat.S_IMODE(private_cache.stat().st_mode) == 0o700
    assert [path.suffix for path in private_cache.iterdir()] == [".cubin", ".cubin"]


def test_another_compiler_source_or_option_is_another_entry(compiled, monkeypatch):
    compile.cubin("pool", "sm_90")
    monkeypatch.setattr(compile, "OPTIONS", ("--std=c++20",))
    compile.cubin("pool", "sm_90")
    monkeypatch.setattr(compile, "texts", lambda source: {"pool.cu": b"changed"})
    compile.cubin("pool", "sm_90")
    assert len(compiled) == 3


@pytest.mark.parametrize("damage", [b"", b"x", None])
def test_a_damaged_entry_is_compiled_again(compiled, private_cache, damage):
    compile.cubin("pool", "sm_90")
    (entry,) = private_cache.iterdir()
    data = entry.read_bytes()
    entry.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if damage is None else damage)
    assert compile.cubin("pool", "sm_90") == b"pool for sm_90" and len(compiled) == 2
    assert compile.cubin("pool", "sm_90") == b"pool for sm_90" and len(compiled) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: folder.chmod(0o770),
        lambda folder: (folder.rmdir(), folder.symlink_to(folder.parent)),
        lambda folder: (folder.rmdir(), folder.write_text("a file")),
    ],
)
def test_a_folder_that_others_may_write_is_not_used(compiled, private_cache, spoil):
    assert cache.folder() is not None
    spoil(private_cache)
    assert cache.folder() is None
    for _ in range(2):
        assert compile.cubin("pool", "sm_90") == b"pool for sm_90"
    assert len(compiled) == 2 and not state.examine()["cache"]["usable"]


def test_an_entry_that_is_a_link_is_not_followed(compiled, private_cache, tmp_path):
    compile.cubin("pool", "sm_90")
    (entry,) = private_cache.iterdir()
    os.rename(entry, tmp_path / "elsewhere")
    entry.symlink_to(tmp_path / "elsewhere")
    compile.cubin("pool", "sm_90")
    assert len(compiled) == 2


def test_a_full_disk_is_no_error(compiled, private_cache, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert compile.cubin("pool", "sm_90") == b"pool for sm_90"
    assert list(private_cache.iterdir()) == []


def test_cubins_of_the_wheel_come_first(compiled, prebuilt):
    assert compile.cubin("pool", "sm_80") == compile.cubin("pool", "sm_87") == b"pool, ready"
    assert compiled == [] and compile.prebuilt_architectures() == ["sm_80"]
    for other in ("sm_75", "sm_90"):
        assert compile.cubin("pool", other) == f"pool for {other}".encode()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda place: (place / "pool.cubin").write_bytes(b"pool, readY"),
        lambda place: (place / "pool.cubin").unlink(),
        lambda place: (place / "list.json").write_text("{}"),
        lambda place: (place / "list.json").write_text("not json"),
    ],
)
def test_stale_or_damaged_cubins_of_the_wheel_are_not_used(compiled, prebuilt, spoil):
    spoil(prebuilt)
    assert compile.cubin("pool", "sm_80") == b"pool for sm_80"


def test_sources_that_changed_make_cubins_stale(compiled, prebuilt, monkeypatch):
    monkeypatch.setattr(compile, "OPTIONS", ("--std=c++20",))
    assert compile.cubin("pool", "sm_80") == b"pool for sm_80" and compile.prebuilt_architectures() == []


def test_without_cubins_and_compiler_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr(compile, "has_nvrtc", lambda: False)
    monkeypatch.setattr(compile, "nvcc_path", lambda: None)
    with pytest.raises(BackendError, match=r"no compiler; expected NVRTC or nvcc.*dsruntime\[cuda\]"):
        compile.cubin("pool", "sm_90")
    assert "no compiler" in state.examine()["kernels"]["missing"]


@pytest.mark.skipif(compile.nvcc_path() is None, reason="nvcc is not installed")
def test_nvcc_compiles_and_reports_its_errors(monkeypatch, tmp_path):
    assert compile.compile_by_nvcc("reduce", "sm_90")[:4] == b"\x7fELF"
    with pytest.raises(BackendError, match="nvcc does not compile reduce.cu for sm_11"):
        compile.compile_by_nvcc("reduce", "sm_11")


def test_the_tool_makes_what_the_runtime_takes(compiled, tmp_path, monkeypatch):
    from tools import build_cubins

    monkeypatch.setattr(compile, "PREBUILT", tmp_path / "made")
    assert build_cubins.main(["sm_90", "--folder", str(tmp_path / "made")]) == 0
    compiled.clear()
    assert compile.cubin("copy", "sm_90") == b"copy for sm_90" and compiled == []
