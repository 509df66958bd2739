"""conv_args: what a convolution or a linear layer is told: conv_args.h's ConvArgs, and the sizes it comes from."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass

from dsruntime.backends.cuda.weights import Packed
from dsruntime.errors import BackendError

SMS = 132  # of an H200; what a launcher aims at when nobody says how many multiprocessors there are


def pair(values: Sequence[int]) -> tuple[int, int]:
    """(height, width), the first two."""
    return values[0], values[1]


@dataclass(frozen=True)
class Problem:
    """Sizes of images, windows and outputs; up is 1, or the stride of a transposed convolution (conv_args.h)."""

    images: int
    height: int
    width: int
    channels: int
    outputs: int
    out_height: int
    out_width: int
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int] = (0, 0)  # above and to the left; what lies below and to the right follows from the output
    dilations: tuple[int, int] = (1, 1)
    ups: tuple[int, int] = (1, 1)
    group: int = 1

    @property
    def pixels(self) -> int:
        return self.images * self.out_height * self.out_width

    @property
    def depth(self) -> int:
        return self.kernel[0] * self.kernel[1] * self.channels // self.group


@dataclass(frozen=True)
class Pointers:
    """Addresses on the device, 0: absent. overflow: a u32 that gets `tag` if a result does not fit a half."""

    x: int
    bias: int
    residual: int
    y: int
    low: float = -math.inf
    high: float = math.inf
    overflow: int = 0
    tag: int = 0


class Divider(ctypes.Structure):
    _fields_ = [("magic", ctypes.c_uint32), ("one", ctypes.c_uint32)]


class ConvArgs(ctypes.Structure):
    _fields_ = [
        *(
            (name, ctypes.c_uint64)
            for name in ("x", "weight", "scale", "bias", "residual", "y", "partial", "arrived", "overflow")
        ),
        ("tag", ctypes.c_uint32),
        ("fill", ctypes.c_uint32),
        *(
            (name, ctypes.c_int32)
            for name in (
                "images",
                "height",
                "width",
                "channels",
                "group_channels",
                "group_outputs",
                "outputs",
                "out_height",
                "out_width",
                "kernel_w",
                "depth",
                "stride_y",
                "stride_x",
                "pad_y",
                "pad_x",
                "dilation_y",
                "dilation_x",
                "up_y",
                "up_x",
                "panels",
                "tiles",
                "splits",
            )
        ),
        *((name, Divider) for name in ("by_channels", "by_kernel_w", "by_up_y", "by_up_x")),
        ("low", ctypes.c_float),
        ("high", ctypes.c_float),
    ]


def conv_args(
    problem: Problem, weight: Packed, at: Pointers, eighths: bool, splits: int = 1, partial: int = 0, arrived: int = 0
) -> ConvArgs:
    """eighths: the kernel counts k in eights (columns.h, Windows)."""
    prepared, source = weight.prepared, weight.prepared.source
    in_group = problem.channels // problem.group
    taps = problem.kernel[0] * problem.kernel[1]
    step = 8 if eighths else 1
    reach = 64 * source.tiles // step
    (stride_y, stride_x), (pad_y, pad_x), (dilation_y, dilation_x) = problem.strides, problem.pads, problem.dilations
    up_y, up_x = problem.ups
    return ConvArgs(
        at.x,
        weight.address,
        weight.address + prepared.scale_bytes_at,
        at.bias,
        at.residual,
        at.y,
        partial,
        arrived,
        at.overflow,
        at.tag,
        prepared.fill,
        problem.images,
        problem.height,
        problem.width,
        problem.channels,
        in_group,
        problem.outputs // problem.group,
        problem.outputs,
        problem.out_height,
        problem.out_width,
        problem.kernel[1],
        problem.depth,
        stride_y,
        stride_x,
        pad_y,
        pad_x,
        dilation_y,
        dilation_x,
        up_y,
        up_x,
        source.panels,
        source.tiles,
        splits,
        always_zero() if taps == 1 else divider(in_group // step, reach),
        always_zero() if problem.kernel[1] == taps else divider(problem.kernel[1], taps + 1),
        divider(up_y, 2**21),
        divider(up_x, 2**21),
        at.low,
        at.high,
    )


def divider(by: int, below: int) -> Divider:
    """For n < below: n // by is the upper half of n * magic, plus n * one.

    >>> d = divider(7, 1000)
    >>> all((n * d.magic >> 32) + n * d.one == n // 7 for n in range(1000))
    True
    """
    if by * below >= 2**32:
        raise BackendError(
            "cuda", f"a convolution that divides {below} by {by}", "products below 2^32", "use backend cpu"
        )
    return Divider(0, 1) if by == 1 else Divider(2**32 // by + 1, 0)


def always_zero() -> Divider:
    return Divider(0, 0)
