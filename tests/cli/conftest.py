"""A small model, and two ways to call a command: in this process, and as a user does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from dscompress.cli import cli
from tests.support.small_model import write_files

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("small"))


@pytest.fixture
def call():
    """call("run", path, ...) → click's result; an error that is no message fails the test."""

    def invoke(*arguments):
        result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
        assert "internal error" not in result.stderr, result.stderr
        return result

    return invoke


@pytest.fixture
def process():
    """process("run", path, ...) → CompletedProcess of `python -m dscompress`; environment adds variables."""

    def run(*arguments, environment=None, **settings):
        paths = os.pathsep.join([str(ROOT), str(ROOT / "runtime"), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-m", "dscompress", *map(str, arguments)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PYTHONPATH": paths, **(environment or {})},
            **settings,
        )

    return run
