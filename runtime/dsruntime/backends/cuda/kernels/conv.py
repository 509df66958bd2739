"""conv: picks kernel, grid and splits for a convolution. The first row of KERNELS that fits is taken.

conv_tiled_*    many pixels: a block multiplies 64 or 128 rows by 128 or 64 pixels, staged in shared memory
conv_windows    few pixels: the warps of a block share out k
conv_gather     channels of a group that are no multiple of 8 (a first layer); weights as halves
depthwise       one channel a group (depthwise.py)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dsruntime.backends.cuda.kernels import depthwise
from dsruntime.backends.cuda.kernels.conv_args import SMS, Pointers, Problem, conv_args, pair
from dsruntime.backends.cuda.launch import Launch, blocks
from dsruntime.backends.cuda.weights import Packed
from dsruntime.errors import BackendError

MOST_WARPS = 8  # a skinny block's
MOST_SPLITS = 32
MOST_BLOCKS_Y = 65535

# What choosing splits assumes, in microseconds; not measured yet. A warp waits ROUND_TRIP for its next tile of weights;
# two blocks on a multiprocessor keep its share of the memory busy, more take turns. Adding up splits costs SPLITTING,
# and a bit for each.
ROUND_TRIP, FULL, SPLITTING, EACH_SPLIT = 0.7, 2, 1.5, 0.1


@dataclass(frozen=True)
class Kernel:
    """A block does `rows` outputs by `columns` pixels; skinny ones split k over warps and blocks.

    warp_bytes: shared memory of each warp of a skinny kernel (columns.h); threads, shared: of the others.
    """

    source: str
    name: str
    rows: int
    columns: int
    fits: Callable[[Problem, int], bool]
    skinny: bool = True
    warp_bytes: int = 0
    threads: int = 0
    shared: int = 0


def vectors(problem: Problem, sms: int) -> bool:
    return problem.channels // problem.group % 8 == 0


def anything(problem: Problem, sms: int) -> bool:
    return True


def many_pixels(rows: int, columns: int) -> Callable[[Problem, int], bool]:
    """Blocks of this size leave few multiprocessors without one, and coordinates fit 16 bits (conv_tiled.cu)."""

    def fits(problem: Problem, sms: int) -> bool:
        in_group = problem.outputs // problem.group
        count = problem.group * blocks(in_group, rows) * blocks(problem.pixels, columns)
        used = in_group / (blocks(in_group, rows) * rows)
        window = [d * k for d, k in zip(problem.dilations, problem.kernel, strict=True)]
        return (
            vectors(problem, sms)
            and problem.ups == (1, 1)
            and count >= sms
            and used > 0.5
            and max(problem.height, problem.width, *problem.pads, *window) < 2**13
        )

    return fits


KERNELS = [
    Kernel("conv_tiled", "conv_tiled_128x64", 128, 64, many_pixels(128, 64), False, threads=128, shared=4 * 64 * 132),
    Kernel("conv_tiled", "conv_tiled_64x128", 64, 128, many_pixels(64, 128), False, threads=128, shared=3 * 128 * 128),
    Kernel("conv", "conv_windows", 64, 32, vectors),
    Kernel("conv", "conv_gather", 64, 32, anything, warp_bytes=4096),
]


@dataclass(frozen=True)
class Choice:
    kernel: Kernel
    grid: tuple[int, int, int]  # the last is the number of splits
    warps: int

    @property
    def split_blocks(self) -> int:
        return self.grid[0] * self.grid[1] if self.grid[2] > 1 else 0

    @property
    def counter_bytes(self) -> int:
        return blocks(4 * self.split_blocks, 256) * 256

    @property
    def scratch_bytes(self) -> int:
        return self.counter_bytes + 4 * self.split_blocks * self.grid[2] * self.kernel.rows * self.kernel.columns

    @property
    def shared(self) -> int:
        if not self.kernel.skinny:
            return self.kernel.shared
        slab = 4 * self.kernel.columns * (self.kernel.rows + 4)
        return max(self.warps * self.kernel.warp_bytes, blocks(self.warps, 2) * slab)


def choose(kernels: list[Kernel], weight: Packed, problem: Problem, sms: int) -> Choice:
    source = weight.prepared.source
    kernel = next(kernel for kernel in kernels if kernel.fits(problem, sms))
    across = blocks(problem.pixels, kernel.columns)
    down = source.groups * blocks(source.panels * 16, kernel.rows)
    if down > MOST_BLOCKS_Y:
        raise BackendError(
            "cuda",
            f"a convolution of {source.groups} groups and {problem.outputs} outputs",
            f"at most {MOST_BLOCKS_Y} blocks of {kernel.rows} outputs",
            "use backend cpu",
        )
    if not kernel.skinny:
        return Choice(kernel, (across, down, 1), kernel.threads // 32)
    warps = min(MOST_WARPS, source.tiles)
    candidates = range(1, max(1, min(source.tiles // warps, MOST_SPLITS)) + 1)
    splits = min(candidates, key=lambda count: guess(across * down, source.tiles, warps, count, sms))
    return Choice(kernel, (across, down, splits), warps)


def guess(count: int, tiles: int, warps: int, splits: int, sms: int) -> float:
    """Microseconds of a skinny kernel of `count` blocks without splits; only good for comparing."""
    rounds = blocks(blocks(tiles, splits), warps)
    crowded = max(1.0, blocks(count * splits, sms) / FULL)
    return rounds * ROUND_TRIP * crowded + (SPLITTING + EACH_SPLIT * splits if splits > 1 else 0)


def launch(choice: Choice, weight: Packed, problem: Problem, at: Pointers, scratch: int) -> list[Launch]:
    eighths = choice.kernel.name != "conv_gather"
    args = conv_args(problem, weight, at, eighths, choice.grid[2], scratch + choice.counter_bytes, scratch)
    name = f"{choice.kernel.name}_{weight.prepared.format}"
    return [Launch(choice.kernel.source, name, choice.grid, (32 * choice.warps, 1, 1), (args,), choice.shared)]


def run(weight: Packed, problem: Problem, at: Pointers, scratch: int, sms: int) -> list[Launch]:
    if problem.pixels * problem.outputs == 0:
        return []
    if weight.prepared.format == "taps":
        return depthwise.launches(weight, problem, at)
    return launch(choose(KERNELS, weight, problem, sms), weight, problem, at, scratch)


def scratch(weight: Packed, problem: Problem, sms: int) -> tuple[int, int]:
    if weight.prepared.format == "taps" or problem.pixels * problem.outputs == 0:
        return 0, 0
    choice = choose(KERNELS, weight, problem, sms)
    return choice.scratch_bytes, choice.counter_bytes


def problem_of(
    *,
    n: int,
    h: int,
    w: int,
    c: int,
    outputs: int,
    out_h: int,
    out_w: int,
    kernel: Sequence[int],
    strides: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    dilations: Sequence[int] = (1, 1),
    group: int = 1,
) -> Problem:
    return Problem(
        n, h, w, c, outputs, out_h, out_w, pair(kernel), pair(strides), pair(pads), pair(dilations), group=group
    )


def launches(
    x: int,
    weight: Packed,
    bias: int,
    residual: int,
    y: int,
    scratch: int,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    overflow: int = 0,
    tag: int = 0,
    sms: int = SMS,
    **shape: Any,
) -> list[Launch]:
    """y = clip(conv(x) + bias + residual, low, high), a NaN passing.

    x: [n][h][w][c] halves, y and residual [n][out_h][out_w][outputs]; bias: float32[outputs]; 0 where absent.
    shape: n, h, w, c, outputs, out_h, out_w, kernel, strides, pads (top, left, bottom, right), dilations, group.
    scratch: an address with scratch_bytes() of room, a multiple of 256; its first part must be zero before the first
    launch and is left so.
    """
    return run(weight, problem_of(**shape), Pointers(x, bias, residual, y, low, high, overflow, tag), scratch, sms)


def scratch_bytes(weight: Packed, *, sms: int = SMS, **shape: Any) -> tuple[int, int]:
    """How much scratch launches() wants, and how much of its start must be zero."""
    return scratch(weight, problem_of(**shape), sms)
