"""The lists of README's "Add something" name the files that have to be touched, and no others."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_lists_name_what_has_to_be_touched():
    subprocess.run([sys.executable, ROOT / "tools" / "add_something.py", "--dry"], check=True)
