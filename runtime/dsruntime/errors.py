"""The errors of the runtime: sentences to someone who can act.

ModelError is for whoever has the file or the input, BackendError for whoever has the machine, Cancelled for whoever
ended a run. All say where, what was
found, what was expected and what to do; nothing else leaves this package for bad input. Names in them may come from
anywhere: what str() gives is safe to print, the parts are as they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dsruntime.text import printable


class DsError(Exception):
    """str() is "where: found; expected ...; what to do", on one line; the parts are attributes, for programs.

    details: where one sentence has several causes, each of them: a line of its own, indented.
    """

    def __init__(
        self,
        where: str,
        found: str,
        expected: str = "",
        what_to_do: str = "",
        *,
        message: str = "",
        details: Sequence[str] = (),
    ) -> None:
        self.where = where
        self.found = found
        self.expected = expected
        self.what_to_do = what_to_do
        self.message = message
        self.details = tuple(details)
        text = printable(message) or sentence(where, found, expected, what_to_do)
        super().__init__(text + "".join(f"\n  {printable(detail)}" for detail in self.details))

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild, (type(self), self.where, self.found, self.expected, self.what_to_do, self.message, self.details)


class ModelError(DsError):
    """The file, or what was asked of it, is wrong."""


class BackendError(DsError):
    """This machine cannot: no library, no driver, no memory, no kernel."""


class Cancelled(DsError):
    """Session.cancel() ended the run: it has no answer, and the session may be run again."""


def sentence(where: str, found: str, expected: str, what_to_do: str) -> str:
    rest = [found, f"expected {expected}" if expected else "", what_to_do]
    text = "; ".join(part for part in rest if part)
    return printable(f"{where}: {text}" if where else text)


def raise_limit(name: str) -> str:
    """What to do about a file that asks for more than a limit allows: as libdsf says it."""
    return (
        f"raise the limit {name} if you trust the file: --limit {name}=NUMBER for a command, "
        f"limits=Limits({name}=NUMBER) in Python, dsf_limits in C"
    )


def rebuild(
    kind: type[DsError], where: str, found: str, expected: str, what_to_do: str, message: str, details: Sequence[str]
) -> DsError:
    return kind(where, found, expected, what_to_do, message=message, details=details)
