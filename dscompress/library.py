"""library: what ONNX's libraries raise becomes a CompileError at the place where they are called.

What is called inside `with refusals_of(...)` is theirs alone, so that an error of our own stays what it is. The error
that they raised stays behind ours as its cause.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dscompress.errors import CompileError, DsError


@contextmanager
def refusals_of(library: str, where: str, what_to_do: str = "export it again") -> Iterator[None]:
    """library: "onnx.checker"; where and what_to_do: those of the CompileError."""
    try:
        yield
    except (DsError, MemoryError):
        raise
    except Exception as error:
        raise CompileError(where, f"{library} refuses it: {first_line(error)}", what_to_do=what_to_do) from error


def first_line(error: BaseException) -> str:
    """Of the error at the root, the first line that says something, with the kind where its text says little alone."""
    while error.__cause__ is not None:
        error = error.__cause__
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")[:300]
    kind = type(error).__name__
    if isinstance(error, (ValueError, RuntimeError)) or type(error).__module__ != "builtins":
        return line or kind
    return f"{kind}: {line}".removesuffix(": ")
