"""Paths that are no good file, each refused with a sentence, and none with a hang."""

import os

import numpy as np
import pytest

from dsruntime import BackendError, DsError, Model, ModelError
from tests.support.dsf_files import build

GOOD = build(
    values=[{"name": "x", "shape": [-1, 3]}, {"name": "y", "shape": [-1, 3]}],
    nodes=[{"op": "relu", "inputs": ["x"], "outputs": ["y"]}],
    inputs=["x"],
    outputs=["y"],
)


def refusal(path) -> DsError:
    with pytest.raises(DsError) as caught:
        Model.open(path)
    assert str(path) in str(caught.value)
    return caught.value


def refuses(path, kind, *words):
    error = refusal(path)
    assert isinstance(error, kind)
    for word in words:
        assert word in str(error)


def test_missing(tmp_path):
    refuses(tmp_path / "no.dsf", BackendError, "cannot be opened", "No such file")


def test_directory(tmp_path):
    refuses(tmp_path, ModelError, "directory")


def test_fifo(tmp_path):
    os.mkfifo(tmp_path / "pipe.dsf")
    refuses(tmp_path / "pipe.dsf", ModelError, "no regular file")


def test_device():
    refuses("/dev/zero", ModelError, "no regular file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path):
    path = tmp_path / "secret.dsf"
    path.write_bytes(GOOD)
    path.chmod(0)
    refuses(path, BackendError, "Permission denied")


def test_a_loop_of_links(tmp_path):
    (tmp_path / "a.dsf").symlink_to(tmp_path / "b.dsf")
    (tmp_path / "b.dsf").symlink_to(tmp_path / "a.dsf")
    refuses(tmp_path / "a.dsf", BackendError, "cannot be opened")


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", ["empty"]),
        (b"hello, I am a text\n", ["is not a .dsf file", "starts with 'hello, I am"]),
        (b"PK\x03\x04" + bytes(100), ["is not a .dsf file", r"PK\x03\x04"]),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), ["is not a .dsf file"]),
        (GOOD[:5], ["cut short", "5 bytes", "64"]),
        (GOOD[:63], ["cut short", "63 bytes"]),
        (GOOD[:100], ["cut short", "100 bytes", str(len(GOOD))]),
        (GOOD + b"\0", ["after its end", str(len(GOOD) + 1), str(len(GOOD))]),
        (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), ["checksum"]),
    ],
    ids=["empty", "text", "zip", "png", "5 bytes", "63 bytes", "100 bytes", "one more", "flipped"],
)
def test_wrong_bytes(tmp_path, data, words):
    path = tmp_path / "model.dsf"
    path.write_bytes(data)
    refuses(path, ModelError, *words)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"major": 2}, ["format version 2.0", "install a newer dscompress"]),
        ({"major": 0, "minor": 9}, ["format version 0.9", "export the model again"]),
        ({"flags": 0b1010}, ["flag bits 1, 3", "install a newer dscompress"]),
    ],
)
def test_other_versions(tmp_path, changes, words):
    path = tmp_path / "model.dsf"
    path.write_bytes(build(values=[{"name": "x", "shape": [-1]}], inputs=["x"], outputs=["x"], **changes))
    refuses(path, ModelError, *words)


def test_a_newer_minor_version_without_flags_is_read(tmp_path):
    data = build(values=[{"name": "x", "shape": [-1]}], inputs=["x"], outputs=["x"], minor=3)
    assert Model.open(data).format_version == (1, 3)


def test_a_file_may_vanish_once_it_is_open(tmp_path):
    path = tmp_path / "model.dsf"
    path.write_bytes(GOOD)
    model = Model.open(path)
    path.write_bytes(b"")
    path.unlink()
    assert model.session("cpu", 1).run(np.array([[1, -1, 2]], "f4")).tolist() == [[1.0, 0.0, 2.0]]
