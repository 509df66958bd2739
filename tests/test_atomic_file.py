"""atomic_file: a target is replaced whole or not at all."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dscompress.atomic_file import write_atomically
from dscompress.errors import CompileError

DATA = bytes(range(256)) * 40


def test_writes_a_new_file(tmp_path):
    write_atomically(tmp_path / "model.dsf", DATA, Path.read_bytes)
    assert (tmp_path / "model.dsf").read_bytes() == DATA
    assert os.listdir(tmp_path) == ["model.dsf"]


def test_replaces_a_file_and_keeps_its_mode(tmp_path):
    target = tmp_path / "model.dsf"
    target.write_bytes(b"old")
    target.chmod(0o640)
    write_atomically(target, DATA, Path.read_bytes)
    assert target.read_bytes() == DATA
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def refused(target, match):
    with pytest.raises(CompileError, match=match):
        write_atomically(target, DATA, Path.read_bytes)


def test_refuses_a_missing_folder(tmp_path):
    refused(tmp_path / "missing" / "model.dsf", "the folder .*missing does not exist; create it")


def test_refuses_a_file_as_folder(tmp_path):
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file" / "model.dsf", "file is not a folder")


def test_refuses_a_folder(tmp_path):
    refused(tmp_path, "it is a folder; give a file name inside it")


def test_refuses_a_symbolic_link_and_leaves_its_target(tmp_path):
    (tmp_path / "real.dsf").write_bytes(b"old")
    (tmp_path / "model.dsf").symlink_to("real.dsf")
    refused(tmp_path / "model.dsf", "it is a symbolic link to real.dsf; give the path of the file itself")
    assert (tmp_path / "real.dsf").read_bytes() == b"old"


def test_refuses_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "it is a device, pipe or socket")


def test_refuses_a_device():
    refused("/dev/null", "it is a device, pipe or socket")


def test_refuses_a_read_only_file(tmp_path):
    target = tmp_path / "model.dsf"
    target.write_bytes(b"old")
    target.chmod(0o444)
    refused(target, "it is read-only; make it writable")
    assert target.read_bytes() == b"old"


def test_refuses_a_read_only_folder(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write into a read-only folder")
    tmp_path.chmod(0o555)
    try:
        refused(tmp_path / "model.dsf", "the folder .* is read-only")
    finally:
        tmp_path.chmod(0o755)


def test_refuses_a_name_that_is_too_long(tmp_path):
    refused(tmp_path / ("x" * 300), "file name too long")


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "model.dsf", DATA, Path.read_bytes)
    assert os.listdir(tmp_path) == []


def test_a_write_that_lies_is_caught(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(len(data))))
    (tmp_path / "model.dsf").write_bytes(b"old")
    with pytest.raises(Exception, match="part|read back"):
        write_atomically(tmp_path / "model.dsf", DATA, Path.read_bytes)
    assert (tmp_path / "model.dsf").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.dsf"]


def test_sweeps_the_part_of_a_dead_writer_alone(tmp_path):
    dead = tmp_path / ".model.dsf.0123abcd.dsf-part"
    dead.write_bytes(b"half")
    others = [".other.dsf.0123abcd.dsf-part", ".model.dsf.mine.dsf-part", ".model.dsf.txt"]
    for name in others:
        (tmp_path / name).write_bytes(b"")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / ".model.dsf.76543210.dsf-part")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        write_atomically(tmp_path / "model.dsf", DATA, Path.read_bytes)
        assert sorted(os.listdir(tmp_path)) == sorted([*others, ".model.dsf.76543210.dsf-part", "model.dsf"])
    finally:
        holder.communicate()


HOLDER = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
