"""launch: one kernel launch as data: what a launcher returns, a driver runs and a CUDA graph records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Launch:
    """kernel of kernels/<source>.cu over grid (x, y, z) blocks of block (x, y, z) threads.

    A source elsewhere is named by its absolute path, without the .cu.
    shared: bytes of dynamic shared memory. args: NumPy scalars (pointer() for addresses) or ctypes structures, in the
    order and of the sizes of the kernel's parameters.
    """

    source: str
    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    args: tuple[Any, ...]
    shared: int = 0


def pointer(address: int) -> np.uint64:
    return np.uint64(address)


def argument_bytes(args: Sequence[Any]) -> list[bytes]:
    """Each argument as the kernel sees it, little-endian."""
    return [arg.tobytes() if isinstance(arg, np.generic) else bytes(arg) for arg in args]


def blocks(count: int, size: int) -> int:
    """How many groups of size hold count.

    >>> blocks(9, 4)
    3
    """
    return -(-count // size)
