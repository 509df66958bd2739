"""Every command and snippet of the documentation runs; the README names every command; generated pages are current."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dscompress.cli import COMMANDS
from tests.docs.blocks import blocks_of
from tests.support import warm

ROOT = Path(__file__).resolve().parents[2]
PAGES = [page for page in sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("*/*.md")) if blocks_of(page, ROOT)]


@pytest.fixture
def workplace() -> Path:
    """An empty folder that looks like the checkout's root, always the same one: what CMake built there is kept."""
    folder = ROOT / "build" / "docs"
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.name != "build":
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    for name in ("runtime", "schema", "tools", "examples"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module")
def warm_path(tmp_path_factory):
    with warm.commands(tmp_path_factory.mktemp("warm")) as path:
        yield path


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_runs(page: Path, workplace: Path, warm_path: str):
    """The README's commands start as a user's do, those of other pages warm."""
    cold_path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {
        "PATH": cold_path if page.name == "README.md" else warm_path,
        "COLUMNS": "110",
        "CMAKE_BUILD_TYPE": "None",  # compiled quickly rather than well
        "CMAKE_BUILD_PARALLEL_LEVEL": "2",
    }
    for block in blocks_of(page, ROOT):
        block.run(workplace, environment)


@pytest.mark.parametrize(
    "command",
    [
        ["dscompress", "inspect", "nowhere.dsf"],
        ["python", "-c", "import os, sys; print(os.getcwd(), sys.argv, input(), os.environ['X']); sys.exit(3)", "a"],
        ["python", "-c", "raise SystemExit('a sentence')"],
        ["python", "-c", "import os; os.kill(os.getpid(), 9)"],
    ],
    ids=["refused", "surroundings", "sentence", "killed"],
)
def test_a_warm_command_is_a_command(command, warm_path, tmp_path):
    def outcome(path):
        environment = {**os.environ, "PATH": path, "X": "set"}
        in_bash = ["bash", "-c", '"$@"; exit $?', "bash", *command]
        done = subprocess.run(in_bash, env=environment, cwd=tmp_path, text=True, input="typed\n", capture_output=True)
        return done.returncode, done.stdout, done.stderr.partition("bash: line")[0]

    assert outcome(warm_path) == outcome(f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def test_the_readme_names_every_command():
    readme = (ROOT / "README.md").read_text()
    assert [command for command in COMMANDS if f"dscompress {command}" not in readme] == []


def test_the_tables_of_operators_are_current(tmp_path: Path):
    page, names = tmp_path / "ops.md", tmp_path / "names.py"
    subprocess.run([sys.executable, ROOT / "tools/ops_table.py", page, names], check=True)
    for fresh, kept in ((page, "docs/ops.md"), (names, "dscompress/onnx_names.py")):
        assert fresh.read_text() == (ROOT / kept).read_text(), "run: python tools/ops_table.py"


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in [*ROOT.glob("*.md"), *ROOT.glob("*/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_paths_that_pages_name_exist():
    """Of the pages for contributors: whatever stands in backticks and looks like a path. Sketches are blocks."""
    missing = []
    for page in ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"):
        text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
        for name in re.findall(r"`((?:runtime|dscompress|schema|tests|tools|docs)/[\w./-]*)`", text):
            if not (ROOT / name).exists():
                missing.append(f"{page}: {name}")
    assert missing == []
