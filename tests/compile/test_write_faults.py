"""Faults while a file is replaced: whatever happens, the old file or the new one is there, whole."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dsruntime import Model
from tests.compile.test_write import DATA, description
from tests.support.signals import heed_interrupts

OLD = DATA
NEW_SOURCE = "from tests.compile.test_write import description; from dscompress.compile.write import build, write_file"
ROOT = Path(__file__).parents[2]

WRITER = f"""
import sys
{NEW_SOURCE}
data = build(description("new"))
print("ready", flush=True)
while True:
    write_file(sys.argv[1], data)
"""

ONCE = f"""
import os, sys
from dscompress.errors import DsError
{NEW_SOURCE}
data = build(description("new"))
import dsruntime.model
dsruntime.model.Model.open(data)
try:
    write_file(sys.argv[1], data)
except DsError as error:
    print(error)
    sys.exit(3)
"""


def python(script: str, *arguments, prefix=(), **options) -> subprocess.Popen:
    path = os.pathsep.join([str(ROOT), str(ROOT / "runtime"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}  # no calls but the writer's
    command = [*prefix, sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, **options)


def is_whole(target: Path) -> bool:
    return Model.open(target.read_bytes()).name in ("tiny", "new")


def test_killed_at_random_instants(tmp_path):
    target = tmp_path / "model.dsf"
    target.write_bytes(OLD)
    pause = random.Random(0)
    for _ in range(25):
        writer = python(WRITER, target)
        assert writer.stdout.readline() == "ready\n"
        time.sleep(pause.random() * 0.02)
        writer.kill()
        writer.communicate()
        assert is_whole(target)
    assert python(ONCE, target).wait() == 0
    assert os.listdir(tmp_path) == ["model.dsf"]


def test_interrupted(tmp_path):
    target = tmp_path / "model.dsf"
    target.write_bytes(OLD)
    writer = python(WRITER, target, stderr=subprocess.DEVNULL, preexec_fn=heed_interrupts)
    assert writer.stdout.readline() == "ready\n"
    time.sleep(0.05)
    writer.send_signal(signal.SIGINT)
    try:
        writer.communicate(timeout=20)
    finally:
        writer.kill()
    assert is_whole(target)
    assert os.listdir(tmp_path) == ["model.dsf"]


def test_file_size_limit(tmp_path):
    target = tmp_path / "model.dsf"
    target.write_bytes(OLD)
    script = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + ONCE.replace(
        "try:", "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\ntry:", 1
    )
    writer = python(script, target)
    message, _ = writer.communicate()
    assert writer.returncode == 3 and "file too large" in message
    assert target.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["model.dsf"]


def test_disk_full(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        target = folder / "model.dsf"
        target.write_bytes(OLD)
        (folder / "filler").write_bytes(bytes(4096))
        writer = python(ONCE, target)
        message, _ = writer.communicate()
        assert writer.returncode == 3 and "no space left on device; free some space" in message
        assert target.read_bytes() == OLD
        assert sorted(os.listdir(folder)) == ["filler", "model.dsf"]
    finally:
        subprocess.run(["umount", folder], check=True)


def strace() -> str:
    """The path of a strace that works here, or the test is skipped."""
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not installed")
    probe = subprocess.run([found, "-f", "-o", "/dev/null", "true"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"strace cannot trace here: {probe.stderr.strip()}")
    return found


CALLS = {"write": "write", "fsync": "fsync", "rename": "rename,renameat,renameat2", "chmod": "fchmod"}


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"])
@pytest.mark.parametrize("call", CALLS)
def test_a_system_call_fails(tmp_path, call, error):
    target = tmp_path / "model.dsf"
    target.write_bytes(OLD)
    rule = f"inject={CALLS[call]}:error={error}:when=1+"
    tracer = [strace(), "-f", "-o", "/dev/null", "-e", rule]
    writer = python(faulty(call), target, prefix=tracer, stderr=subprocess.PIPE)
    _, errors = writer.communicate()
    assert writer.returncode == 3, errors
    assert target.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["model.dsf"]


def test_killed_at_each_system_call(tmp_path):
    tracer = strace()
    target = tmp_path / "model.dsf"
    for call in CALLS.values():
        for when in (1, 2):
            target.write_bytes(OLD)
            rule = f"inject={call}:signal=KILL:when={when}"
            python(ONCE, target, prefix=[tracer, "-f", "-o", "/dev/null", "-e", rule]).communicate()
            assert is_whole(target)
    assert python(ONCE, target).wait() == 0
    assert os.listdir(tmp_path) == ["model.dsf"]


def faulty(call: str) -> str:
    """ONCE, silent where write() itself fails."""
    return ONCE.replace("    print(error)\n", "") if call == "write" else ONCE


def test_the_old_file_of_these_tests_is_another_than_the_new():
    from dscompress.compile.write import build

    assert build(description("new")) != OLD
