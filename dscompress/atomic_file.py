"""write_atomically(): a file is replaced whole or not at all; it leaves the old file or the new one, whatever happens.

    create .NAME.XXXXXXXX.dsf-part beside the target, write, fsync, read back, check, compare, rename, fsync the folder

The writer holds a lock on its part file; a part file that nobody holds is a dead writer's, and is removed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dscompress.errors import MACHINE_ERRNOS, BackendError, CompileError

PART = ".dsf-part"


def check_target(path: str | os.PathLike) -> Path:
    """Refuses a target that cannot or should not be replaced: before the work starts, and again before writing."""
    target = Path(path)
    folder = target.parent
    if not target.name:
        raise cannot_write(target, "it is not a file name", "give a path such as model.dsf")
    try:
        if not stat.S_ISDIR(os.stat(folder).st_mode):
            raise cannot_write(target, f"{folder} is not a folder", "give another path")
    except FileNotFoundError:
        raise cannot_write(target, f"the folder {folder} does not exist", "create it or give another path") from None
    except OSError as error:
        raise cannot_write(target, f"{folder}: {reason(error)}", "give another path") from None
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        mode = None
    except OSError as error:
        raise cannot_write(target, reason(error), "give another path") from None
    if mode is not None:
        if stat.S_ISLNK(mode):
            link = os.readlink(target)
            raise cannot_write(target, f"it is a symbolic link to {link}", "give the path of the file itself")
        if stat.S_ISDIR(mode):
            raise cannot_write(target, "it is a folder", f"give a file name inside it, such as {target / 'model.dsf'}")
        if not stat.S_ISREG(mode):
            raise cannot_write(target, "it is a device, pipe or socket", "give the path of an ordinary file")
        if not mode & 0o222:
            raise cannot_write(target, "it is read-only", "make it writable (chmod u+w) or give another path")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise cannot_write(target, f"the folder {folder} is read-only", "give a path in a folder you can write to")
    return target


def write_atomically(path: str | os.PathLike, data: bytes, read_back: Callable[[Path], bytes | memoryview]) -> None:
    """Replaces the file by `data`, or leaves all as it was: CompileError, or BackendError where the disk is full.

    read_back: how the written bytes are read again to be compared.
    """
    target = check_target(path)
    parts: list[Path] = []  # what is to be removed, noted before it is made: an interrupt may come at any instant
    try:
        sweep(target)
        descriptor = create_part(target, parts)
        try:
            write_part(descriptor, parts[0], target, data, read_back)
        finally:
            os.close(descriptor)
        sync_folder(target.parent)
    except OSError as error:
        remove(parts)
        remedy = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "give another path"
        kind = BackendError if error.errno in MACHINE_ERRNOS else CompileError
        raise kind(str(target), f"cannot be written: {reason(error)}", what_to_do=remedy) from None
    except BaseException:
        remove(parts)
        raise


def write_part(descriptor: int, part: Path, target: Path, data: bytes, read_back: Callable) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.fchmod(descriptor, stat.S_IMODE(os.stat(target).st_mode))
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
    os.fsync(descriptor)
    if not np.array_equal(np.frombuffer(read_back(part), np.uint8), np.frombuffer(data, np.uint8)):
        raise cannot_write(target, "what was read back is not what was written", "check the disk and write again")
    os.rename(part, target)


def remove(parts: list[Path]) -> None:
    for part in parts:
        with contextlib.suppress(OSError):
            os.unlink(part)


def create_part(target: Path, parts: list[Path]) -> int:
    """A new, locked, empty file beside the target, whose path is put into `parts`."""
    while True:
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}{PART}")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        parts[:] = [part]
        try:
            descriptor = os.open(part, flags, 0o666)
        except FileExistsError:
            parts.clear()  # it is another writer's
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = True
        except BlockingIOError:
            locked = False
        except OSError:
            locked = True  # a file system without locks: no sweep can take one either
        if locked and os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # another writer's sweep was quicker than the lock and removes it


def sweep(target: Path) -> None:
    """Removes part files of this target that no living writer holds."""
    prefix = f".{target.name}."
    for name in os.listdir(target.parent):
        token = name[len(prefix) : -len(PART)]
        if not (name.startswith(prefix) and name.endswith(PART) and len(token) == 8):
            continue
        part = target.with_name(name)
        with contextlib.suppress(OSError):
            descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(part)
            finally:
                os.close(descriptor)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def cannot_write(target: Path, found: str, what_to_do: str) -> CompileError:
    return CompileError(str(target), f"cannot be written: {found}", what_to_do=what_to_do)
