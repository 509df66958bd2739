"""How commands print: data on stdout, everything else on stderr. Plain text unless stdout is a terminal.

rich is imported only where a terminal shows a table or a bar; `run` has to answer faster than rich loads.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import click

QUIET, BAR = "dscompress.quiet", "dscompress.bar"


def start(quiet: bool) -> None:
    """Before any command: quiet or not, no Python warnings, and no failure over a letter the terminal lacks."""
    if quiet:
        set_quiet(True)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if not sys.warnoptions:
        import warnings

        warnings.simplefilter("ignore")


def set_quiet(quiet: bool) -> None:
    click.get_current_context().meta[QUIET] = quiet


def is_quiet() -> bool:
    return click.get_current_context().meta.get(QUIET, False)


def is_terminal(stream) -> bool:
    return stream.isatty()


def shows_progress() -> bool:
    return not is_quiet() and is_terminal(sys.stderr)


def note(text: str) -> None:
    """For people only: stderr, above a bar that may be there, and not when quiet."""
    if is_quiet():
        return
    if bar := click.get_current_context().meta.get(BAR):
        from rich.text import Text

        bar.console.print(Text.from_ansi(text))
    else:
        click.echo(text, err=True)


def warn(text: str) -> None:
    note(click.style("warning: ", fg="yellow") + text)


def as_json(data) -> None:
    import json

    click.echo(json.dumps(finite(data), indent=2, ensure_ascii=False, allow_nan=False))


def finite(data):
    """JSON has no infinity and no NaN: they become null."""
    if isinstance(data, dict):
        return {str(key): finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    if hasattr(data, "item"):  # a NumPy scalar
        data = data.item()
    return None if isinstance(data, float) and not math.isfinite(data) else data


def title(text: str) -> None:
    click.secho(text, bold=True)


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values in two columns; pairs without a value are left out."""
    lines = [(name, str(value)) for name, value in pairs if value not in (None, "")]
    width = max((len(name) for name, _ in lines), default=0)
    for name, value in lines:
        first, *rest = value.split("\n")
        click.echo(f"  {name:<{width}}  {first}")
        for line in rest:
            click.echo(f"  {'':<{width}}  {line}")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], total: Sequence[object] | None = None) -> None:
    """Columns whose name ends in > are right-aligned. total is a last row, set apart."""
    names = [name.rstrip(">") for name in columns]
    right = [name.endswith(">") for name in columns]
    cells = [[str(cell) for cell in row] for row in rows]
    last = None if total is None else [str(cell) for cell in total]
    draw = rich_table if is_terminal(sys.stdout) and fits(names, right, cells) else plain_table
    draw(names, right, cells, last)


def fits(names, right, rows) -> bool:
    """Whether the terminal holds the numbers whole, and 10 characters of every text; else lines run over its edge."""
    from shutil import get_terminal_size

    widths = [max(len(row[i]) for row in [names, *rows]) for i in range(len(names))]
    needed = sum((width if r else min(width, 10)) + 3 for width, r in zip(widths, right, strict=True))
    return needed <= get_terminal_size().columns


def plain_table(names, right, rows, total) -> None:
    everything = [names, *rows] + ([total] if total else [])
    widths = [max(len(row[i]) for row in everything) for i in range(len(names))]
    lines = [names, ["-" * width for width in widths], *rows]
    if total:
        lines += [["-" * width for width in widths], total]
    for line in lines:
        padded = [cell.rjust(width) if r else cell.ljust(width) for cell, width, r in
                  zip(line, widths, right, strict=True)]
        click.echo("  ".join(padded).rstrip())


def rich_table(names, right, rows, total) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=SIMPLE, show_footer=total is not None, pad_edge=False)
    for i, name in enumerate(names):
        drawn.add_column(Text(name), footer=Text(total[i]) if total else "", justify="right" if right[i] else "left",
                         overflow="fold", no_wrap=right[i])
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console().print(drawn)


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A bar (or, without a total, a spinner) on stderr while the block runs; nothing unless stderr is a terminal.

    Yields advance(count=1, label=None, total=None); a total replaces the one before.
    """
    if not shows_progress():
        yield lambda count=1, label=None, total=None: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns: list = [SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()]
    if total is not None:
        columns[2:] = [BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        click.get_current_context().meta[BAR] = bar

        def advance(count: int = 1, label: str | None = None, total: int | None = None) -> None:
            bar.update(task, advance=count, description=label, **({} if total is None else {"total": total}))

        try:
            yield advance
        finally:
            del click.get_current_context().meta[BAR]


def size(count: float) -> str:
    """Bytes as people read them: 1,234 B, 12.3 kB, 7.40 MB (thousands, as disks and networks count)."""
    if count < 10_000:
        return f"{count:,.0f} B"
    for unit in ("kB", "MB"):
        count /= 1000
        if count < 1000:
            return f"{count:.2f} {unit}" if count < 10 else f"{count:.1f} {unit}"
    return f"{count / 1000:.2f} GB"


def size_beside(length: int, floats: int) -> str:
    """A file's length, and how it compares with its weights as float32."""
    if not floats:
        return size(length)
    apart = (f"{floats / length:.2f} times smaller than" if length < floats
             else "as large as" if length < 1.005 * floats else f"{length / floats:.2f} times as large as")
    return f"{size(length)}, {apart} its weights as floats ({size(floats)})"


def milliseconds(seconds: float) -> str:
    value = seconds * 1000
    return f"{value:.3f} ms" if value < 10 else f"{value:.2f} ms" if value < 100 else f"{value:.1f} ms"


def shape(dimensions: Iterable) -> str:
    """(N, 3, 224, 224): a negative dimension -k is k times the batch size."""
    return "(" + ", ".join(dimension(d) for d in dimensions) + ")"


def dimension(d) -> str:
    if not isinstance(d, str) and d < 0:
        return "N" if d == -1 else f"{-d}N"
    return str(d)


def decibels(value: float) -> str:
    return "exact" if value == math.inf else f"{value:.1f} dB"
