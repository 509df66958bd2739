"""linear: y = clip(x W^T + bias + residual): its rows are a convolution's pixels. The first row of KERNELS that fits.

For up to 8 rows, reading the weights takes the time: kernels of their own. More rows are a convolution by one tap.
"""

from __future__ import annotations

import math

from dsruntime.backends.cuda.kernels.conv import KERNELS as CONV_KERNELS
from dsruntime.backends.cuda.kernels.conv import Kernel, choose, launch
from dsruntime.backends.cuda.kernels.conv_args import SMS, Pointers, Problem
from dsruntime.backends.cuda.launch import Launch
from dsruntime.backends.cuda.weights import Packed


def narrow(problem: Problem, sms: int) -> bool:
    """So few outputs that blocks of 64 would leave most multiprocessors without one, even after splitting k."""
    return problem.depth % 8 == 0 and problem.pixels <= 8 and problem.outputs * problem.depth < 64 * 64 * 8 * sms


def few_rows(problem: Problem, sms: int) -> bool:
    return problem.depth % 8 == 0 and problem.pixels <= 8


KERNELS = [
    Kernel("linear", "linear_narrow", 16, 8, narrow),
    Kernel("linear", "linear_wide", 64, 8, few_rows),
    *CONV_KERNELS,
]


def problem_of(rows: int, k: int, outputs: int) -> Problem:
    return Problem(rows, 1, 1, k, outputs, 1, 1)


def launches(
    x: int,
    weight: Packed,
    bias: int,
    residual: int,
    y: int,
    scratch: int,
    *,
    rows: int,
    k: int,
    outputs: int,
    low: float = -math.inf,
    high: float = math.inf,
    overflow: int = 0,
    tag: int = 0,
    sms: int = SMS,
) -> list[Launch]:
    """x: [rows][k] halves; y and residual: [rows][outputs]; the rest as conv.launches has it."""
    problem = problem_of(rows, k, outputs)
    at = Pointers(x, bias, residual, y, low, high, overflow, tag)
    return launch(choose(KERNELS, weight, problem, sms), weight, problem, at, scratch) if rows * outputs else []


def scratch_bytes(weight: Packed, *, rows: int, k: int, outputs: int, sms: int = SMS) -> tuple[int, int]:
    if rows * outputs == 0:
        return 0, 0
    choice = choose(KERNELS, weight, problem_of(rows, k, outputs), sms)
    return choice.scratch_bytes, choice.counter_bytes
