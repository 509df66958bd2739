"""npy: arrays from .npy and .npz files that may be anything. Nothing is unpickled, and a header alone is not believed.

The header says how many bytes follow; memory is taken for them only if they are few enough and the file has them. The
file is read, not mapped: one that is cut short meanwhile is damaged, where a map would end the process.
"""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsruntime.door import open_regular
from dsruntime.errors import ModelError

if TYPE_CHECKING:
    import numpy as np

LARGEST = 1 << 30  # bytes of one array
MAGIC = b"\x93NUMPY"
AT_ONCE = 1 << 24  # bytes
LONGEST_HEADER = 1 << 14
ZIP = b"PK\x03\x04"
AGAIN = "save it again with numpy.save"


def first_bytes(path, expected: str = "an array saved with numpy.save") -> bytes:
    with open_regular(path, os.fsdecode(path), expected) as file:
        return file.read(len(MAGIC))


def load_npy(path, largest: int = LARGEST) -> np.ndarray:
    """The array of a .npy file: numbers or truth values, C-contiguous, in this machine's byte order."""
    where = os.fsdecode(path)
    with open_regular(path, where, "an array saved with numpy.save") as file:
        return read_array(file, os.fstat(file.fileno()).st_size, where, largest)


def load_npz(path, largest: int = LARGEST) -> Iterator[tuple[str, np.ndarray]]:
    """(name, array) of each array of an .npz file, one after another; `largest` is for all of them together."""
    where = os.fsdecode(path)
    with open_regular(path, where, "arrays saved with numpy.savez") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                for member in archive.infolist():
                    name = member.filename.removesuffix(".npy")
                    with archive.open(member) as part:
                        array = read_array(part, member.file_size, f"{where}, array '{name}'", largest)
                    largest -= array.nbytes
                    yield name, array
        except (
            ValueError,
            OSError,
            EOFError,
            NotImplementedError,
            RuntimeError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise ModelError(
                where, f"a damaged .npz file ({short(error)})", "arrays of numbers", "save it again with numpy.savez"
            ) from None


def read_array(file, length: int, where: str, largest: int) -> np.ndarray:
    """The array in `file`, which has `length` bytes."""
    import numpy as np

    array: np.ndarray

    dtype, shape, in_columns, begin = header_of(file, where)
    if dtype.kind not in "fiub":
        raise ModelError(where, f"an array of {dtype}", "numbers")
    expected = dtype.itemsize * math.prod(shape)
    if expected > largest:
        raise ModelError(
            where, f"an array of {expected:,} bytes", f"at most {largest:,}", "split it into smaller files"
        )
    if length < begin + expected:
        raise ModelError(
            where, f"a damaged .npy file ({length:,} bytes, {begin + expected:,} by its header)", "a whole array", AGAIN
        )
    array = np.empty(expected, np.uint8)
    if read_into(file, array.data) < expected:
        raise ModelError(where, "a damaged .npy file (it ends before its array does)", "a whole array", AGAIN)
    array = array.view(dtype) if array.size else np.empty(0, dtype)
    array = array.reshape(shape, order="F" if in_columns else "C")
    return np.ascontiguousarray(array, dtype.newbyteorder("=")).reshape(shape)


def header_of(file, where: str):
    """(dtype, shape, whether columns lie together, where the numbers begin)."""
    from numpy.lib import format as npy

    head = Head(file)
    try:
        version = npy.read_magic(head)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, in_columns, dtype = read(head)
        if version > (2, 0) or dtype.hasobject or any(isinstance(d, bool) or d < 0 for d in shape):
            raise ValueError("objects, or a shape that is none")
    except Exception as error:  # whatever Python's parser raises for a header that is none
        raise ModelError(where, f"a damaged .npy file ({short(error)})", "an array of numbers", AGAIN) from None
    return dtype, shape, in_columns, head.taken


class Head:
    """The beginning of a file, for as long as a header may be."""

    def __init__(self, file) -> None:
        self.file, self.taken = file, 0

    def read(self, count: int = 0, /) -> bytes:
        self.taken += count
        if self.taken > LONGEST_HEADER:
            raise ValueError("its header is too long")
        return self.file.read(count)


def read_into(file, memory: memoryview) -> int:
    """Bytes read: fewer than there is room for only at the end of the file."""
    done = 0
    while done < len(memory) and (count := file.readinto(memory[done : done + AT_ONCE])):
        done += count
    return done


def short(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
