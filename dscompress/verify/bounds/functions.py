"""Functions of one input, element by element: their slope times δ, and the rounding of both runs."""

from __future__ import annotations

import numpy as np

from dscompress.verify.bounds.rounding import ROUNDING, TINY, U, rounding
from dscompress.verify.bounds.step import Step

# op: the largest slope of the function
SLOPES = {
    "relu": lambda a: 1,
    "abs": lambda a: 1,
    "neg": lambda a: 1,
    "clip": lambda a: 1,
    "sigmoid": lambda a: 0.25,
    "tanh": lambda a: 1,
    "erf": lambda a: 1.12838,  # 2 / sqrt(pi)
    "hard_swish": lambda a: 1.5,
    "hard_sigmoid": lambda a: abs(a.get("alpha", 0.2)),
    "leaky_relu": lambda a: max(1, abs(a.get("alpha", 0.01))),
    "elu": lambda a: max(1, abs(a.get("alpha", 1.0))),
}


def slope(step: Step):
    largest = SLOPES[step.node.op](step.node.attributes)
    return largest * step.deltas[0] + rounding(step.node.op, step.outputs[0])


def elu(step: Step):
    """alpha · (e^x - 1): what e^x is off by is multiplied, too."""
    factor = max(1.0, abs(step.attribute("alpha", 1.0)))
    return slope(step) + (factor - 1) * ROUNDING["elu"][1]


def hard_sigmoid(step: Step):
    """alpha · x + beta: where that is between 0 and 1, alpha · x is as large as beta."""
    return slope(step) + 4 * U * abs(step.attribute("beta", 0.5))


def exp(step: Step):
    y = step.outputs[0].astype(np.float64)
    return y * np.expm1(step.deltas[0]) + rounding("exp", y * np.exp(step.deltas[0]))


def log(step: Step):
    x, d = step.inputs[0].astype(np.float64), step.deltas[0]
    carried = np.where(d > 0, -np.log1p(-np.minimum(d / x, 1)), 0)
    return carried + rounding("log", step.outputs[0])


def floor(step: Step):
    """Inputs that differ at all may have a whole number between them."""
    return np.where(step.deltas[0] > 0, step.deltas[0] + 1, 0)


def sqrt(step: Step):
    """(x' - x) / (√x' + √x); below 0 there is no number."""
    y, x, d = step.outputs[0].astype(np.float64), step.inputs[0], step.deltas[0]
    carried = np.where(d > 0, np.fmin(d / y, np.sqrt(d)), 0)
    return np.where((d > 0) & (d > x), np.inf, carried) + rounding("sqrt", y)


def reciprocal(step: Step):
    x, d = step.absolute(0), step.deltas[0]
    carried = np.where(d > 0, d / (x * np.maximum(x - d, 0)), 0)
    return carried + rounding("reciprocal", step.outputs[0])


def gelu(step: Step):
    """x · (1 + erf) / 2 cancels for negative x: an absolute error of the bracket, times |x|. Slope below 1.13."""
    x, d = step.absolute(0), step.deltas[0]
    return 1.13 * d + 16 * U * (x + d) + 16 * U * np.abs(step.outputs[0]) + TINY
