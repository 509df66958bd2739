"""The findings as docs/gpu_results/<date>-<gpu>.json and as a page."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path


def write(found: dict, folder: Path) -> Path:
    """Both files, each written beside its name and then moved there."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = found["machine"]
    name = f"{machine['date']}-{re.sub(r'[^a-z0-9]+', '-', machine['gpu'].lower()).strip('-')}"
    for path, text in (
        (folder / f"{name}.json", json.dumps(found, indent=1) + "\n"),
        (folder / f"{name}.md", markdown(found)),
    ):
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.write_text(text)
        os.replace(new, path)
    return folder / f"{name}.json"


def markdown(found: dict) -> str:
    machine = found["machine"]
    lines = [
        f"# {machine['gpu']}, {machine['date']}",
        "",
        "<!-- written by tools/gpu_check.py -->",
        "",
        (
            f"{machine['architecture']}, {machine['multiprocessors']} multiprocessors, driver "
            f"{machine['nvidia-smi'].get('driver_version', 'unknown')}. "
            f"Everything checked was {'correct' if found['correct'] else 'NOT correct'}."
        ),
        "",
    ]
    for name, part in found["parts"].items():
        lines += [f"## {name}", "", *rows_of(part), ""]
    return "\n".join(lines)


def rows_of(part: dict) -> list[str]:
    """A table for "rows", sentences for the rest."""
    lines = [f"- {key}: {text(value)}" for key, value in part.items() if key != "rows"]
    rows = part.get("rows") or []
    if not rows:
        return lines
    keys = list(dict.fromkeys(key for row in rows for key in row))
    table = [f"| {' | '.join(keys)} |", f"|{'---|' * len(keys)}"]
    table += [f"| {' | '.join(text(row.get(key, '')) for key in keys)} |" for row in rows]
    return [*lines, "", *table] if lines else table


def text(value) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {text(one)}" for key, one in value.items())
    if isinstance(value, list):
        return "; ".join(map(text, value)) or "none"
    return str(value).replace("|", "\\|").replace("\n", " ")
