"""depthwise: convolutions whose groups have one channel: eight channels a thread, or one output."""

from __future__ import annotations

import numpy as np

from dsruntime.backends.cuda.kernels.conv_args import Pointers, Problem, conv_args
from dsruntime.backends.cuda.launch import Launch, blocks
from dsruntime.backends.cuda.weights import Packed


def launches(weight: Packed, problem: Problem, at: Pointers) -> list[Launch]:
    eight = problem.outputs == problem.channels and problem.channels % 8 == 0
    threads = problem.pixels * (problem.outputs // 8 if eight else problem.outputs)
    args = (conv_args(problem, weight, at, eighths=False), np.int32(problem.kernel[0]))
    name = "depthwise_8" if eight else "depthwise_1"
    return [Launch("depthwise", name, (blocks(threads, 128), 1, 1), (128, 1, 1), args)]
