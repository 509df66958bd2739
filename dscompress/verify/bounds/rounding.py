"""What float32 does to one result and to a sum: the constants, and what two right runs may round apart."""

from __future__ import annotations

import numpy as np

U = 2.0**-24
SAFE = 2.0**115  # sums of larger numbers may overflow on their way, by another order, by Winograd's or in scaled units
TINY = 2.0**-125  # what both sides may flush to zero

# op: (units in the last place of the result, absolute), both runs together
ROUNDING = {
    "relu": (0, 0),
    "abs": (0, 0),
    "neg": (0, 0),
    "clip": (0, 0),
    "leaky_relu": (1, 0),
    "prelu": (1, 0),
    "sigmoid": (8, 4 * U),
    "tanh": (8, 4 * U),
    "erf": (8, 8 * U),
    "exp": (16, 0),
    "log": (8, 4 * U),
    "sqrt": (2, 0),
    "reciprocal": (2, 0),
    "elu": (8, 8 * U),
    "hard_sigmoid": (4, 4 * U),
    "hard_swish": (6, 4 * U),
    "add": (2, 0),
    "sub": (2, 0),
    "mul": (2, 0),
    "div": (2, 0),
    "pow": (16, 0),
}


def gamma(n: int) -> float:
    return n * U / (1 - n * U)


def rounding(op: str, y: np.ndarray) -> np.ndarray:
    units, absolute = ROUNDING[op]
    return units * 2 * U * np.abs(y, dtype=np.float64) + absolute + (TINY if units else 0)


def finite_largest(x: np.ndarray) -> float:
    return float(np.max(x, initial=0.0, where=np.isfinite(x)))


def overflow(x: np.ndarray, times: float) -> float:
    """Infinite where a sum so many times as large as |x| may not fit into float32; else 0."""
    return np.inf if finite_largest(x) * times > SAFE else 0.0
