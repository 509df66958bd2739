"""How far two right float32 runs of one node may be apart, given how far apart their inputs are.

    u = 2^-24      γ_n = n·u / (1 - n·u)      x: the one run's inputs, δ = |x' - x|: measured, not guessed

    a sum of n products    |y' - y| ≤ |w|*δ + 2·γ_n·(|w|*(|x| + δ))    conv, conv_transpose, gemm, mat_mul
    a function f           |y' - y| ≤ L·δ + rounding of both runs       L: the slope of f between x and x'
    moving, choosing       |y' - y| ≤ the same move or choice of δ      max_pool, concat, transpose, ...

A step states its arithmetic. A conv by Winograd's way has a γ_n and a magnitude of its own instead of one of the two
(winograd.py); products of bfloat16 activations, which have eight significant bits, have δ + 2^-8·(|x| + δ) for δ; where
values are float16, results are rounded once more (halves.py).

The first term is what the inputs explain, the second what float32 explains in any order of summation; |w|*x is the
node's own operator on absolute values, computed by the reference backend (conv by PyTorch, which is faster). What is
beyond the bound is a wrong computation. A table function (exp, erf, ...) is allowed the units in the last place and the
absolute error of ROUNDING, for both runs together: ONNX Runtime's sigmoid, tanh, erf and exp are such approximations.

To add an op: a function of a Step in the file of its family and its row in BOUNDS; for a function of one input that
needs no more than a slope, a row of ROUNDING (rounding.py) and of SLOPES (functions.py).
"""

from __future__ import annotations

import numpy as np

from dscompress.verify.bounds import arithmetic, functions, halves, movement, norms, products
from dscompress.verify.bounds.step import Step

SLACK = 1 + 2.0**-18  # the bound itself is computed in float32 and float64

BOUNDS = {
    "conv": products.sum_of_products,
    "conv_transpose": products.sum_of_products,
    "gemm": products.sum_of_products,
    "mat_mul": products.sum_of_products,
    "batch_normalization": norms.batch_normalization,
    "layer_normalization": norms.layer_normalization,
    "relu": functions.slope,
    "sigmoid": functions.slope,
    "tanh": functions.slope,
    "hard_swish": functions.slope,
    "hard_sigmoid": functions.hard_sigmoid,
    "abs": functions.slope,
    "neg": functions.slope,
    "erf": functions.slope,
    "leaky_relu": functions.slope,
    "clip": functions.slope,
    "elu": functions.elu,
    "gelu": functions.gelu,
    "exp": functions.exp,
    "log": functions.log,
    "floor": functions.floor,
    "sqrt": functions.sqrt,
    "reciprocal": functions.reciprocal,
    "prelu": arithmetic.prelu,
    "softmax": norms.softmax,
    "log_softmax": norms.log_softmax,
    "add": arithmetic.add,
    "sub": arithmetic.add,
    "mul": arithmetic.mul,
    "div": arithmetic.div,
    "pow": arithmetic.power,
    "max_pool": movement.carried_by_operator,
    "global_max_pool": movement.carried_by_operator,
    "reduce_max": movement.carried_by_operator,
    "average_pool": movement.average,
    "global_average_pool": movement.average,
    "reduce_mean": movement.average,
    "reduce_sum": movement.average,
    "concat": movement.carried_by_operator,
    "split": movement.carried_by_operator,
    "slice": movement.carried_by_operator,
    "transpose": movement.carried_by_operator,
    "gather": movement.gather,
    "pad": movement.pad,
    "identity": movement.view,
    "reshape": movement.view,
    "flatten": movement.view,
    "squeeze": movement.view,
    "unsqueeze": movement.view,
    "expand": movement.expand,
    "resize": movement.resize,
    "cast": movement.cast,
    "arg_max": movement.arg_max,
    "top_k": movement.top_k,
    "constant_of_shape": movement.constant,
}


def bounds(step: Step) -> list[np.ndarray | float]:
    """One bound for each output: numbers that broadcast to it. KeyError for an op that has none."""
    with np.errstate(all="ignore"):
        found = BOUNDS[step.node.op](step)
        found = found if isinstance(found, list) else [found]
        found = [np.nan_to_num(np.asarray(b * SLACK), nan=np.inf, posinf=np.inf) for b in found]
        return [halves.widened(step, i, bound) for i, bound in enumerate(found)] if halves.are_values(step) else found
