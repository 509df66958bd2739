"""dscompress check: a line a file, on to the next after a bad one, and the largest of the exit codes."""

import json

import pytest

from dsruntime import BackendError


@pytest.fixture
def bad(files, tmp_path):
    whole = files.dsf.read_bytes()
    (tmp_path / "bad.dsf").write_bytes(whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    return tmp_path / "bad.dsf"


def test_a_right_file_is_one_line(call, files):
    result = call("check", files.dsf)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{files.dsf}: ok, {files.dsf.stat().st_size:,} B, 7 nodes, 5 weights\n"


def test_it_goes_on_after_a_bad_file(call, files, bad):
    result = call("check", bad, files.dsf, bad, files.dsf)
    assert result.exit_code == 3
    assert result.stdout.splitlines() == [call("check", files.dsf).stdout.strip()] * 2
    assert result.stderr.count(f"error: {bad}: ") == 2 and "damaged" in result.stderr


def test_json_has_every_file_in_order(call, files, bad, tmp_path):
    result = call("check", bad, files.dsf, tmp_path / "gone.dsf", "--json")
    assert result.exit_code == 3
    wrong, right, gone = json.loads(result.stdout)["files"]
    assert right == {
        "path": str(files.dsf),
        "code": 0,
        "bytes": files.dsf.stat().st_size,
        "nodes": 7,
        "weights": 5,
        "error": None,
    }
    assert (wrong["path"], wrong["code"], wrong["bytes"], wrong["nodes"], wrong["weights"]) == (
        (str(bad), 3, None, None, None)
    )
    assert (
        wrong["error"].startswith(f"{bad}: ") and gone["error"] == f"{tmp_path / 'gone.dsf'}: no such file or directory"
    )


def test_the_largest_code_counts(call, files, bad, monkeypatch):
    def no_memory(path, **_):
        raise BackendError(path, "no memory for 64 bytes", "that much free memory")

    monkeypatch.setattr("dsruntime.check", no_memory)
    assert call("check", files.dsf, bad.parent / "gone.dsf").exit_code == 4


def test_a_limit_allows_a_larger_file(call, files):
    length = files.dsf.stat().st_size
    assert call("check", files.dsf, "--limit", f"file_bytes={length}").exit_code == 0
    result = call("check", files.dsf, "--limit", f"file_bytes={length - 1}")
    assert result.exit_code == 3 and "--limit file_bytes=NUMBER" in result.stderr


def test_without_libdsf_it_says_so_once(process, files):
    done = process("check", files.dsf, files.dsf, environment={"DSF_LIBRARY": "/nowhere/libdsf.so"})
    assert done.returncode == 4 and done.stderr.count("error: ") == 1 and "DSF_LIBRARY" in done.stderr


def test_it_needs_neither_numpy_nor_the_compiler(process, files, tmp_path):
    names = ("numpy", "flatbuffers", "torch", "onnx", "onnx_ir", "onnxscript", "onnxruntime", "PIL", "rich")
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nfor name in {names}: sys.modules[name] = None\n")
    from tests.cli.conftest import ROOT

    done = process("check", files.dsf, environment={"PYTHONPATH": f"{tmp_path}:{ROOT}:{ROOT}/runtime"})
    assert (done.returncode, done.stderr) == (0, "") and ": ok, " in done.stdout
