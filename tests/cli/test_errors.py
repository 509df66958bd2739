"""Errors: one place decides the exit code, the message says what to do, nothing is a traceback."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dscompress import cli as entry
from dsruntime import BackendError, ModelError
from tests.cli.conftest import ROOT
from tests.support.signals import heed_interrupts


@pytest.mark.parametrize(
    "error, code, text",
    [
        (ModelError("m.dsf", "4 bytes", "64 or more", "export it again"), 3, "m.dsf: 4 bytes; expected 64 or more"),
        (BackendError("cuda", "no driver", "", "use --backend cpu"), 4, "cuda: no driver"),
        (entry.MissingExtra("export needs PyTorch"), 4, "export needs PyTorch"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "gone"), 3, "gone: no such file or directory"),
        (OSError(errno.ENOSPC, "No space left on device", "out"), 4, "out: no space left on device"),
        (MemoryError(), 4, "not enough memory"),
        (KeyError("x"), 70, "internal error: KeyError: 'x'"),
    ],
)
def test_exit_codes(error, code, text):
    assert entry.explain(error)[:2] == (code, text)


def test_an_error_has_its_remedy_on_a_line_of_its_own(call, tmp_path):
    path = tmp_path / "m.dsf"
    path.write_text("this is a text file, not a model")
    result = call("inspect", path)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {path}: ")
    assert "Traceback" not in result.stderr


def test_an_internal_error_is_one_message_and_a_traceback_on_request(process, files, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import sys, types\nmodule = types.ModuleType('dsruntime.ledger')\nsys.modules['dsruntime.ledger'] = module\n"
    )
    environment = {"PYTHONPATH": f"{broken}:{ROOT}:{ROOT}/runtime"}
    done = process("inspect", files.dsf, environment=environment)
    assert done.returncode == 70
    assert "internal error: ImportError" in done.stderr and "DSCOMPRESS_TRACEBACK=1" in done.stderr
    assert "Traceback" not in done.stderr
    done = process("inspect", files.dsf, environment={**environment, "DSCOMPRESS_TRACEBACK": "1"})
    assert "Traceback" in done.stderr


def test_a_command_whose_extra_is_missing_says_which(process, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")
    done = process("export", "m.pt", environment={"PYTHONPATH": f"{tmp_path}:{ROOT}:{ROOT}/runtime"})
    assert done.returncode == 4
    assert done.stderr == 'error: export needs PyTorch: pip install "dscompress[compiler]"\n'


@pytest.mark.parametrize("found", ["not installed", "0.0.9"])
@pytest.mark.parametrize("arguments", [["ops"], ["run", "--no-such-option"]])
def test_a_runtime_of_another_release_is_refused_with_what_to_install(process, tmp_path, found, arguments):
    other = "None" if found == "not installed" else f"types.ModuleType('dsruntime'); module.__version__ = '{found}'"
    text = f"import sys, types\nmodule = {other}\nsys.modules['dsruntime'] = module\n"
    (tmp_path / "sitecustomize.py").write_text(text)
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = process(*arguments, environment=environment)
    assert done.returncode == 4
    assert f"which is {found} here: pip install" in done.stderr and len(done.stderr.splitlines()) == 1
    assert process("--help", environment=environment).returncode == 0
    code = "import dscompress; dscompress.compile_model"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | environment, text=True, capture_output=True)
    assert done.returncode == 1 and f"which is {found} here: pip install" in done.stderr


@pytest.mark.parametrize("arguments", ["ops | head -n 1", "run {dsf} {image} | true"])
def test_a_closed_pipe_is_quiet(files, arguments):
    command = f"PYTHONUNBUFFERED=1 {sys.executable} -m dscompress {arguments.format(dsf=files.dsf, image=files.image)}"
    command += "; exit ${PIPESTATUS[0]}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr == ""
    assert done.returncode in (0, entry.PIPE_CLOSED)


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_interrupt_is_130_and_no_traceback(files):
    command = [sys.executable, "-m", "dscompress", "bench", str(files.dsf), "--runs", "100000000"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, preexec_fn=heed_interrupts, **pipes) as running:
        wait_until(lambda: "libdsf" in Path(f"/proc/{running.pid}/maps").read_text())
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        try:
            _, stderr = running.communicate(timeout=20)
        finally:
            running.kill()
    assert running.returncode == 130
    assert stderr.strip().endswith("interrupted") and "Traceback" not in stderr


@pytest.mark.parametrize("asked", ["", "1"])
def test_no_color_is_heeded(asked, capsys, monkeypatch):
    from dscompress.cli import report

    monkeypatch.setenv("NO_COLOR", asked)
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda stream=None, color=None: color is False)
    report(FileNotFoundError(2, "No such file or directory", "none.dsf"))
    assert ("\x1b[" in capsys.readouterr().err) is not bool(asked)


@pytest.mark.parametrize(
    "arguments, redirection, code, says",
    [
        ("inspect {dsf}", ">/dev/full", 4, "error: standard output: no space left on device"),
        ("inspect {dsf} --json", ">/dev/full", 4, "error: standard output: no space left on device"),
        ("check {dsf}", ">/dev/full", 4, "error: standard output: no space left on device"),
        ("inspect --help", ">/dev/full", 4, "error: standard output: no space left on device"),
        ("--help", ">/dev/full", 4, "error: standard output: no space left on device"),
        ("inspect {dsf}", ">&-", 3, "error: standard output: is closed"),
        ("run {dsf} {image}", ">/dev/full", 4, "error: standard output: no space left on device"),
        ("run {dsf} {image}", ">&-", 3, "error: standard output: is closed"),
        ("run {dsf} {array}", ">/dev/full", 4, "error: standard output: no space left on device"),
        ("inspect nowhere.dsf", "2>/dev/full", 3, ""),
        ("inspect nowhere.dsf", "2>&-", 3, ""),
        ("run {dsf} {array}", "<&- 2>&-", 0, ""),
    ],
)
def test_standard_files_that_cannot_be_written(files, arguments, redirection, code, says):
    command = arguments.format(dsf=files.dsf, array=files.array, image=files.image)
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m dscompress {command} {redirection}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == code
    assert done.stderr.strip() == says
