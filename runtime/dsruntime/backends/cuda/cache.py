"""A private folder of compiled kernels: named by the SHA-256 of all that went in, written whole or not at all.

    ~/.cache/dscompress/kernels/<sha256>.cubin            DSCOMPRESS_CACHE, then XDG_CACHE_HOME, move the folder

Compiled code runs with this user's rights, so a folder that others own or may write into is not used: then kernels are
compiled in every process. No cache is no error.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path


def key(parts: Iterable[bytes]) -> str:
    """Of sources, options, compiler version and architecture; lengths go in too, so that no two lists look alike."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def folder_path() -> Path:
    root = os.environ.get("DSCOMPRESS_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "dscompress"
    )
    return Path(root) / "kernels"


def folder() -> Path | None:
    """The folder, made if need be; None where there is none that is this user's alone."""
    path = folder_path()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = os.lstat(path)
    except OSError:
        return None
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    return path if private else None


def read(name: str) -> bytes | None:
    """An entry, which must be this user's file and end with the checksum that write() put there."""
    place = folder()
    if place is None:
        return None
    try:
        with open(os.open(place / f"{name}.cubin", os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return None
            data = file.read()
    except OSError:
        return None
    return data[:-32] if hashlib.sha256(data[:-32]).digest() == data[-32:] else None


def write(name: str, data: bytes) -> None:
    place = folder()
    if place is None:
        return
    new = None
    try:
        handle, new = tempfile.mkstemp(dir=place, suffix=".new")
        with open(handle, "wb") as file:
            file.write(data + hashlib.sha256(data).digest())
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, place / f"{name}.cubin")
    except OSError:  # a full disk: the next process compiles again
        if new is not None and os.path.exists(new):
            os.unlink(new)


def entries() -> tuple[int, int]:
    """How many files there are, and their bytes."""
    place = folder()
    sizes = [path.stat().st_size for path in place.glob("*.cubin")] if place else []
    return len(sizes), sum(sizes)
