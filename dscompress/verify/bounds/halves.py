"""What backend cuda's float16 values add to the bounds: computed from sizes and magnitudes, nothing tuned.

    h = 2^-11: rounding to a half moves x by at most h·|x| + 2^-25, half a subnormal step

Sums are float32 on the GPU, too; a half is what goes from node to node. So a node's result may be one rounding further
away, and a weight that is no shift weight is rounded where tensor cores multiply by it. Results beyond 65504 are
infinite there, which is a difference.
"""

from __future__ import annotations

import numpy as np

from dsruntime.backends.runner import Arithmetic

H, TINY, LARGEST = 2.0**-11, 2.0**-25, 65504.0
PRODUCTS = ("conv", "conv_transpose", "gemm", "mat_mul")
VALUES = Arithmetic("float16", "float32")  # what steps state whose inputs and results are halves


def are_values(step) -> bool:
    return step.arithmetic == VALUES


def rounding(x) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.nan_to_num(H * np.abs(x, dtype=np.float64) + TINY, nan=0.0, posinf=0.0)


def weight_delta(op: str, position: int, weight: np.ndarray, is_shift: bool) -> np.ndarray:
    """How far input `position` of a node is from the stored weight: only what tensor cores read is rounded."""
    if op not in PRODUCTS or position > 1 or is_shift or weight.dtype != np.float32:
        return np.zeros(weight.shape)
    return rounding(weight) + TINY * float(np.abs(weight).max(initial=0))  # rows are scaled by their largest


def widened(step, position: int, bound) -> np.ndarray:
    """The bound of output `position`, rounded to a half once, or twice where a gemm is a product and then a sum."""
    y = step.outputs[position]
    if y.dtype.kind != "f":
        return bound
    bound = bound + rounding(np.abs(y, dtype=np.float64) + bound)
    if step.node.op == "gemm" and len(step.inputs) > 2:
        alpha = abs(step.attribute("alpha", 1.0))
        product = step.apply(step.absolute(0) + step.deltas[0], step.absolute(1) + step.deltas[1], alpha=1.0)[0]
        bound = bound + alpha * rounding(product)
    return bound
