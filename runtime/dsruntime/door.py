"""door: how a file that somebody named is opened for reading.

A regular file and nothing else: reading a pipe may never end, reading /dev/zero never does. What it is, is looked at
before it is opened (to open a device may do something) and again afterwards (it may have been replaced in between).
"""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from dsruntime.errors import DsError, ModelError

KINDS = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"))


def open_regular(
    path: str | os.PathLike[str], where: str, expected: str, most: int | None = None, error: type[DsError] = ModelError
) -> BinaryIO:
    """The file, open for reading. Raises `error` for what is none, is empty, or has more than `most` bytes."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        check(os.stat(path), where, expected, most, error)
        file = open(path, "rb", opener=lambda name, _: os.open(name, flags))  # noqa: SIM115 (the caller closes it)
    except (OSError, ValueError, TypeError) as problem:
        reason = (getattr(problem, "strerror", None) or str(problem)).lower()
        raise error(where, reason, expected) from None
    try:
        check(os.fstat(file.fileno()), where, expected, most, error)
    except DsError:
        file.close()
        raise
    return file


def check(status: os.stat_result, where: str, expected: str, most: int | None, error: type[DsError]) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise error(where, "a folder", expected)
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for test, name in KINDS if test(status.st_mode)), "something else")
        raise error(where, f"not a regular file but {kind}", expected, "copy its bytes to a file first")
    if status.st_size == 0:
        raise error(where, "an empty file", expected)
    if most is not None and status.st_size > most:
        raise error(where, f"a file of {status.st_size:,} bytes", f"{expected} of at most {most:,} bytes")
