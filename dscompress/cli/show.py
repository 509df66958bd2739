"""How commands print: results on stdout, everything else on stderr; one style of text for terminals and pipes.

Whatever is printed goes through here, and so through printable(): names come out of files that anyone may have made. A
terminal gets lines that fit its width; a pipe gets them whole. Where TERM is dumb a terminal gets neither colours nor
bars. rich is imported only where a terminal shows a progress bar; `run` has to answer faster than rich loads.
"""

from __future__ import annotations

import errno
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

import click

QUIET, BAR = "dscompress.quiet", "dscompress.bar"
STDOUT = "standard output"
EIGHTHS = " ▏▎▍▌▋▊▉"
GAP = 2  # blanks between two columns
LINE_EVERY = 10.0  # seconds
NARROWEST = 12  # what is left of a column of text that does not fit


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


def is_dumb() -> bool:
    """Whether the terminal knows nothing but letters."""
    return os.environ.get("TERM") == "dumb"


def is_terminal(stream) -> bool:
    return stream is not None and stream.isatty()


def draws(stream) -> bool:
    """Whether bars can be drawn there."""
    return is_terminal(stream) and not is_dumb()


def color() -> bool | None:
    """False where NO_COLOR (no-color.org) or TERM=dumb asks for plain text; None leaves it to the terminal."""
    return False if os.environ.get("NO_COLOR") or is_dumb() else None


def room() -> int | None:
    """Columns of the terminal that stdout is; None where it is none."""
    from shutil import get_terminal_size

    return get_terminal_size().columns if is_terminal(sys.stdout) else None


def room_of_stderr() -> int | None:
    """The same of stderr, which may be a terminal where stdout is a pipe."""
    with suppress(OSError, ValueError):  # it is a terminal that has no size, or is closed
        return os.get_terminal_size(sys.stderr.fileno()).columns or None if is_terminal(sys.stderr) else None
    return None


def in_stderr(text: str, lead: str) -> str:
    """text, which comes after lead, broken between words where stderr is a terminal."""
    columns = room_of_stderr()
    return text if columns is None else "\n  ".join(broken(text, columns - max(len(lead), 2)))


@contextmanager
def writing_stdout() -> Iterator[None]:
    """What goes wrong with stdout itself names it; a pipe that nobody reads any more stays what it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, STDOUT) from None


def line(text: str = "", *, bold: bool = False, lead: str = "", fg: str | None = None) -> None:
    """One line of the result. lead: what stands before the text, in bold and in colour."""
    from dsruntime.text import printable

    text = printable(text)
    if lead and (columns := room()):
        text = f"\n{' ' * len(lead)}".join(broken(text, columns - len(lead)))
    styled = click.style(lead, fg=fg, bold=True) if lead else ""
    to_stdout(styled + (click.style(text, bold=True) if bold else text))


def to_stdout(text: str) -> None:
    """text is safe to print."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "is closed", STDOUT)
    with writing_stdout():
        click.echo(text, color=color())


def note(*lines: str, lead: str = "", fg: str | None = None) -> None:
    """For people only: stderr, above a bar that may be there, and not when quiet."""
    from dsruntime.text import printable

    if is_quiet():
        return
    text = (click.style(lead, fg=fg) if lead else "") + "\n".join(in_stderr(printable(each), lead) for each in lines)
    if bar := click.get_current_context().meta.get(BAR):
        from rich.text import Text

        bar.console.print(Text.from_ansi(text))
    else:
        to_stderr(text)


@contextmanager
def warnings_as_notes():
    """What dsruntime warns of, a large JPEG that is decoded smaller, as notes."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("default", category=UserWarning, module=r"dsruntime\.")
        warnings.showwarning = lambda message, *_, **__: note(str(message), lead="note: ")
        yield


def warn(text: str) -> None:
    note(text, lead="warning: ", fg="yellow")


def error(text: str, what_to_do: str = "") -> None:
    """text and what_to_do are safe to print: they are what explain() gives. A remedy stays one line, to be copied."""
    to_stderr(click.style("error: ", fg="red", bold=True) + in_stderr(text, "error: "))
    if what_to_do:
        to_stderr(f"  → {what_to_do}")


def to_stderr(text: str) -> None:
    with suppress(OSError):  # there is nowhere left to say so
        click.echo(text, err=True, color=color())


def as_json(data) -> None:
    """The document, with every character that a terminal might obey as \\uXXXX."""
    import json

    from dsruntime.text import UNSAFE

    text = json.dumps(finite(data), indent=2, ensure_ascii=False, allow_nan=False)
    to_stdout(UNSAFE.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text))


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
    line(text, bold=True)


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values in two columns; a value is a text or a list of them; pairs without a value are left out."""
    from dsruntime.text import printable

    lines = [
        (printable(name), value if isinstance(value, list) else [value])
        for name, value in pairs
        if value not in (None, "", [])
    ]
    width = max((columns_of(name) for name, _ in lines), default=0)
    columns = room()
    for name, values in lines:
        for value in values:
            text = printable(str(value))
            for part in [text] if columns is None else in_field(text, columns - width - 2 * GAP):
                line(f"  {padded(name, width)}  {part}".rstrip())
                name = ""


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], total: Sequence[object] | None = None) -> None:
    """A column whose name ends in > is right-aligned, one in ? is left out where the terminal has no room for it.

    A column of texts is narrowed until the table fits: texts of several words go over several lines, others lose their
    middle. total is a last row, set apart. A column without name and cells is left out.
    """
    from dsruntime.text import printable

    optional = [name.endswith("?") for name in columns]
    plain = [name.removesuffix("?") for name in columns]
    right = [name.endswith(">") for name in plain]
    lines = [[name.removesuffix(">") for name in plain], *rows] + ([total] if total else [])
    cells = [[printable(str(cell)) for cell in row] for row in lines]
    kept, widths = fitting(cells, right, optional, room())
    rule = "  ".join("-" * widths[i] for i in kept)
    for number, row in enumerate(cells):
        if total and number == len(cells) - 1:
            line(rule)
        print_row([(row[i], widths[i], right[i]) for i in kept])
        if number == 0:
            line(rule)


def fitting(cells, right, optional, columns: int | None) -> tuple[list[int], dict[int, int]]:
    """The columns to show and their widths; without `columns` all there are, as wide as they come."""
    kept = [i for i in range(len(right)) if any(row[i] for row in cells)]
    widths = {i: max(columns_of(row[i]) for row in cells) for i in kept}

    if columns is None:
        return kept, widths

    def excess() -> int:
        return sum(widths[i] + GAP for i in kept) - GAP - columns

    for i in reversed(range(len(right))):
        if optional[i] and i in kept and excess() > 0:
            kept.remove(i)
    texts = [i for i in kept if not right[i]]
    while texts and excess() > 0 and (widest := max(widths[i] for i in texts)) > NARROWEST:
        widths[next(i for i in reversed(texts) if widths[i] == widest)] -= 1
    return kept, widths


def print_row(cells: list[tuple[str, int, bool]]) -> None:
    """Each cell with its width and whether it is right-aligned."""
    folded = [[text] if right else wrapped(text, width) for text, width, right in cells]
    for part in range(max(map(len, folded), default=0)):
        texts = [
            padded(parts[part] if part < len(parts) else "", width, right)
            for parts, (_, width, right) in zip(folded, cells, strict=True)
        ]
        line("  ".join(texts).rstrip())


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most so many columns, broken between words; a word that is longer loses its middle."""
    return [shortened(part, max(width, NARROWEST)) for part in broken(text, width)]


def in_field(text: str, width: int) -> list[str]:
    """As wrapped, but paths and addresses stay whole, to be copied."""
    return [part if "/" in part else shortened(part, max(width, NARROWEST)) for part in broken(text, width)]


def broken(text: str, width: int) -> list[str]:
    """Lines of at most so many columns, broken between words; a longer word is a line of its own."""
    if columns_of(text) <= width:
        return [text]
    from textwrap import wrap

    return wrap(text, max(width, NARROWEST), break_long_words=False, break_on_hyphens=False)


def shortened(word: str, width: int) -> str:
    """
    >>> shortened("layer4.0.downsample.0.weight", 16)
    'layer4.0….weight'
    """
    if len(word) <= width:
        return word
    return f"{word[: width // 2]}…{word[len(word) - (width - width // 2 - 1) :]}"


def columns_of(text: str) -> int:
    """How wide a terminal shows it: letters of East Asia take two columns, marks on other letters none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def padded(text: str, width: int, right: bool = False) -> str:
    blanks = " " * (width - columns_of(text))
    return blanks + text if right else text + blanks


def bar(share: float, length: int = 10) -> str:
    """A bar of at most so many letters, empty where none can be drawn.

    >>> eighths(0.5, 4)
    '██'
    """
    if not draws(sys.stdout):
        return ""
    return eighths(share, length) if "utf" in (sys.stdout.encoding or "").lower() else "#" * round(share * length)


def eighths(share: float, length: int) -> str:
    count = round(share * length * 8)
    return "█" * (count // 8) + EIGHTHS[count % 8].strip()


def shows_progress() -> bool:
    return not is_quiet() and draws(sys.stderr)


class Lines:
    """Progress for a file or a pipe: a line whenever LINE_EVERY seconds have passed since the one before."""

    def __init__(self, label: str, total: int | None) -> None:
        self.label, self.total, self.done, self.told = label, total, 0, time.monotonic()

    def advance(self, count: int = 1, label: str | None = None, total: int | None = None) -> None:
        self.done += count
        self.label, self.total = label or self.label, total or self.total
        if time.monotonic() - self.told >= LINE_EVERY:
            self.told = time.monotonic()
            note(self.label if self.total is None else f"{self.label}: {self.done:,} of {self.total:,}")


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A bar (or, without a total, a spinner) on stderr while the block runs; where none can be drawn, lines.

    Yields advance(count=1, label=None, total=None); a total replaces the one before.
    """
    if not shows_progress():
        yield Lines(label, total).advance
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from dsruntime.text import printable

    columns: list = [SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()]
    if total is not None:
        columns[2:] = [BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        task = drawn.add_task(printable(label), total=total)
        click.get_current_context().meta[BAR] = drawn

        def advance(count: int = 1, label: str | None = None, total: int | None = None) -> None:
            told = None if label is None else printable(label)
            drawn.update(task, advance=count, description=told, total=total)

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
    apart = (
        f"{floats / length:.2f} times smaller than"
        if length < floats
        else "as large as"
        if length < 1.005 * floats
        else f"{length / floats:.2f} times as large as"
    )
    return f"{size(length)}, {apart} its weights as floats ({size(floats)})"


def milliseconds(seconds: float) -> str:
    value = seconds * 1000
    digits = next((digits for limit, digits in ((0.1, 4), (10, 3), (100, 2)) if value < limit), 1)
    return f"{value:.{digits}f} ms"


def shape(dimensions: Iterable) -> str:
    """(N, 3, 224, 224): a negative dimension -k is k times the batch size."""
    return "(" + ", ".join(dimension(d) for d in dimensions) + ")"


def dimension(d) -> str:
    if not isinstance(d, str) and d < 0:
        return "N" if d == -1 else f"{-d}N"
    return str(d)


def decibels(value: float) -> str:
    return "exact" if value == math.inf else f"{value:.1f} dB"
