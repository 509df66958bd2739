"""Functions of two inputs, element by element."""

from __future__ import annotations

import numpy as np

from dscompress.verify.bounds.rounding import rounding
from dscompress.verify.bounds.step import Step


def add(step: Step):
    return step.deltas[0] + step.deltas[1] + rounding("add", step.outputs[0])


def mul(step: Step):
    a, b, da, db = step.absolute(0), step.absolute(1), step.deltas[0], step.deltas[1]
    return product_of_zero(a, db) + product_of_zero(b, da) + da * db + rounding("mul", step.outputs[0])


def product_of_zero(a, d):
    """a · d where d = 0 is 0, for an infinite a too."""
    return np.where(d > 0, a * d, 0)


def div(step: Step):
    y, b, da, db = np.abs(step.outputs[0], dtype=np.float64), step.absolute(1), step.deltas[0], step.deltas[1]
    carried = np.where((da > 0) | (db > 0), (da + y * db) / np.maximum(b - db, 0), 0)
    return carried + rounding("div", y + carried)


def power(step: Step):
    """ln y = b · ln a moves by |b|·(δ of ln a) + (|ln a| + δ of ln a)·δb.

    Any y is explained where a may be 0 or change its sign, or where the exponent of a negative a has moved.
    """
    a, b, y = step.absolute(0), step.absolute(1), np.abs(step.outputs[0], dtype=np.float64)
    da, db = step.deltas[0], step.deltas[1]
    of_log = -np.log1p(-np.minimum(da / a, 1))
    carried = y * np.expm1(b * of_log + (np.abs(np.log(a)) + of_log) * db)
    carried = np.where((a <= da) | ((step.inputs[0] < 0) & (db > 0)), np.inf, carried)
    carried = np.where((da > 0) | (db > 0), carried, 0)
    return carried + rounding("pow", y + carried)


def prelu(step: Step):
    x, w, dx, dw = step.absolute(0), step.absolute(1), step.deltas[0], step.deltas[1]
    return np.maximum(1, w + dw) * dx + product_of_zero(x, dw) + rounding("prelu", step.outputs[0])
