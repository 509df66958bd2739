"""The block runner itself: what it takes for a block, a command, a failure."""

import os
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks_of, commands

# Some machines have a `python` in their environments alone.
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
PAGE = """# Page
```text
$ rm -rf /
```
```console
$ printf one \\
    > file
printed, not typed
$ cat file
```
```json settings.json
{}
```
```python
print(open("settings.json").read())
```
"""


def test_finds_runs_and_writes(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    blocks = blocks_of(page, tmp_path)
    assert [(block.language, block.line) for block in blocks] == [("console", 5), ("json", 11), ("python", 14)]
    assert [block.run(tmp_path, ENVIRONMENT) for block in blocks] == ["one", "", "{}\n\n"]


def test_a_command_goes_on_after_a_backslash():
    assert commands("$ a \\\n  b\nc\n$ d") == ["a \\", "  b", "d"]


@pytest.mark.parametrize("language, text", [("console", "$ false\n$ true\n"), ("python", "raise SystemExit(3)")])
def test_a_failing_block_names_its_place(tmp_path: Path, language: str, text: str):
    with pytest.raises(AssertionError, match=r"page\.md:7: exit code"):
        Block("page.md", 7, language, None, text).run(tmp_path, ENVIRONMENT)
