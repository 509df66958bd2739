"""Pipes and devices in the place of files: refused with a sentence before they are read, which would never end."""

import contextlib
import os
import signal

import numpy as np
import pytest

from dscompress.npy import load_npy, load_npz
from dsruntime import ModelError


@pytest.fixture(autouse=True)
def an_end():
    """Whatever waits is ended, and the test fails."""
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits for a pipe, or reads a device"))
    signal.alarm(60)
    yield
    signal.alarm(0)


@pytest.fixture
def pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


COMMANDS = {
    "run input": ["run", "{dsf}", "{bad}"],
    "run model": ["run", "{bad}", "{array}"],
    "verify model": ["verify", "{bad}", "{onnx}"],
    "verify source": ["verify", "{dsf}", "{bad}"],
    "verify inputs": ["verify", "{dsf}", "{onnx}", "--inputs", "{bad}"],
    "inspect": ["inspect", "{bad}"],
    "check": ["check", "{bad}"],
    "bench": ["bench", "{bad}"],
    "export source": ["export", "{bad}", "-o", "{folder}/new.dsf"],
    "export labels": ["export", "{onnx}", "-o", "{folder}/new.dsf", "--labels", "{bad}"],
    "export recipe": ["export", "{onnx}", "-o", "{folder}/new.dsf", "--preprocess", "{bad}"],
    "convert source": ["convert", "{bad}", "--inputs", "{array}", "-o", "{folder}/new.pt"],
    "convert recipe": ["convert", "{onnx}", "--inputs", "{array}", "-o", "{folder}/new.pt", "--preprocess", "{bad}"],
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("kind", ["pipe", "/dev/zero"])
def test_what_is_no_file_is_refused_before_it_is_read(call, files, pipe, tmp_path, name, kind):
    bad = pipe if kind == "pipe" else kind
    places = {"dsf": files.dsf, "onnx": files.onnx, "array": files.array, "folder": tmp_path, "bad": bad}
    result = call(*(argument.format(**places) for argument in COMMANDS[name]))
    assert result.exit_code == 3, result.stderr
    assert str(bad) in result.stderr and "copy its bytes to a file first" in result.stderr
    assert not (tmp_path / "new.dsf").exists()


@pytest.mark.parametrize("kind", ["pipe", "/dev/zero"])
def test_calibration_inputs_from_no_file(pipe, kind):
    from dscompress import CompileError
    from dscompress.ptq.calibration import load_inputs

    with pytest.raises(CompileError, match="not a regular file but a"):
        load_inputs(str(pipe if kind == "pipe" else kind), [(1, 1, 8, 8)], ["x"], None, 8)


# .npy and .npz files


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype="f4").reshape(2, 3, 4),
        np.arange(24, dtype=">i2").reshape(4, 6),
        np.eye(3, 2).T,
        np.array(7.5),
        np.zeros((0, 3), "f4"),
        np.array([True, False]),
        np.arange(6.0).reshape(3, 2, order="F"),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_are_read_as_numpy_saved_them(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    np.savez_compressed(tmp_path / "x.npz", first=array, second=array)
    for found in (load_npy(tmp_path / "x.npy"), *dict(load_npz(tmp_path / "x.npz")).values()):
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype.newbyteorder("=") and found.shape == array.shape
        assert found.flags.c_contiguous and found.flags.writeable


def test_a_file_that_is_cut_short_later_changes_nothing(tmp_path):
    """A map of the file would end the process here."""
    np.save(tmp_path / "x.npy", np.ones(1 << 20, "f4"))
    array = load_npy(tmp_path / "x.npy")
    os.truncate(tmp_path / "x.npy", 128)
    assert array.sum() == 1 << 20


def test_more_than_is_allowed_is_refused_by_its_header(tmp_path):
    np.save(tmp_path / "x.npy", np.ones(1000, "f4"))
    np.savez(tmp_path / "x.npz", a=np.ones(600, "f4"), b=np.ones(600, "f4"))
    with pytest.raises(ModelError, match="4,000 bytes; expected at most 3,999"):
        load_npy(tmp_path / "x.npy", 3999)
    with pytest.raises(ModelError, match="2,400 bytes; expected at most 2,399"):
        dict(load_npz(tmp_path / "x.npz", 4799))


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda data: data[:-1], "by its header"),
        (lambda data: data.replace(b"(1000,)", b"(9999,)"), "by its header"),
        (lambda data: data.replace(b"(1000,)", b"(-100,)"), "damaged"),
        (lambda data: data.replace(b"(1000,)", b"(True,)"), "damaged"),
        (lambda data: data.replace(b"<f4", b"|O8"), "damaged"),
        (lambda data: data.replace(b"<f4", b"<U1"), "an array of <U1"),
        (lambda data: data[:6] + b"\x02\x00\xff\xff\xff\xff" + data[8:], "damaged"),
        (lambda data: data[:6] + b"\x09\x00" + data[8:], "damaged"),
        (lambda data: data[:8] + b"\xff\xff" + data[10:], "too long"),
        (lambda data: b"RIFF" + data, "magic string"),
        (lambda data: b"", "an empty file"),
    ],
)
def test_damaged_files_are_refused(tmp_path, change, says):
    np.save(tmp_path / "x.npy", np.ones(1000, "f4"))
    (tmp_path / "x.npy").write_bytes(change((tmp_path / "x.npy").read_bytes()))
    with pytest.raises(ModelError, match=says):
        load_npy(tmp_path / "x.npy")


def test_every_damage_to_an_archive_is_a_model_error(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", a=np.arange(50))
    data = (tmp_path / "x.npz").read_bytes()
    for position in range(0, len(data), 3):
        damaged = bytearray(data)
        damaged[position] ^= 0xFF
        (tmp_path / "x.npz").write_bytes(damaged)
        with contextlib.suppress(ModelError):
            dict(load_npz(tmp_path / "x.npz"))
