"""The code blocks of a Markdown page, and how each kind is run.

    ```console          lines with "$ " are commands of bash, run together, stopping at the first that fails;
                        a command goes on over lines that end in a backslash; other lines are what it prints
    ```python           run by Python
    ```LANGUAGE NAME    written to the file NAME, for a later block to use (net.py, predict.c, recipe.json)

Blocks of other kinds (text, diagrams, what needs a network or root) are not run. A page's blocks share one folder and
run in the order in which they stand.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(?P<language>\w+)(?: (?P<name>[\w./-]+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 300


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    name: str | None
    text: str

    def run(self, folder: Path, environment: dict[str, str]) -> str:
        """What it printed. Raises AssertionError with page, line and output if it failed."""
        if self.name:
            (folder / self.name).write_text(self.text)
            return ""
        if self.language == "console":
            command = ["bash", "-e", "-o", "pipefail", "-c", "\n".join(commands(self.text))]
        else:
            command = ["env", "python", "-c", self.text]  # the one that the environment's PATH finds first
        done = subprocess.run(
            command, cwd=folder, env=environment, text=True, timeout=SECONDS,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        place = f"{self.page}:{self.line}: exit code {done.returncode}\n{self.text}"
        assert done.returncode == 0, f"{place}--- printed ---\n{done.stdout}"
        return done.stdout


def blocks_of(page: Path, root: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(
            page=str(page.relative_to(root)),
            line=text.count("\n", 0, match.start()) + 1,
            language=match["language"],
            name=match["name"],
            text=match["text"],
        )
        for match in FENCE.finditer(text)
        if match["name"] or match["language"] in ("console", "python")
    ]


def commands(text: str) -> list[str]:
    found, goes_on = [], False
    for line in text.splitlines():
        if line.startswith("$ ") or goes_on:
            found.append(line if goes_on else line.removeprefix("$ "))
            goes_on = line.endswith("\\")
    return found
