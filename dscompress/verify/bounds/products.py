"""Sums of products: conv, conv_transpose, gemm, mat_mul, by every algorithm that a step may state."""

from __future__ import annotations

from math import prod

import numpy as np

from dscompress.verify.bounds import winograd
from dscompress.verify.bounds.rounding import TINY, finite_largest, gamma, overflow
from dscompress.verify.bounds.step import Step

ROUNDED = {"bfloat16": 2.0**-8}  # what products round their activations to: how far that moves one, relatively


def terms(step: Step) -> int:
    """How many products one output sums."""
    a, w = step.inputs[0], step.inputs[1]
    match step.node.op:
        case "conv":
            return prod(w.shape[1:])
        case "conv_transpose":
            return w.shape[0] * prod(w.shape[2:]) // step.attribute("group", 1)
        case "gemm":
            return a.shape[0] if step.attribute("trans_a", 0) else a.shape[1]
    return a.shape[-1]


def sum_of_products(step: Step):
    """conv, conv_transpose, gemm, mat_mul: bilinear in the first two inputs, the third is added."""
    x, w = step.absolute(0), step.absolute(1)
    dx, dw = step.deltas[0], step.deltas[1]
    dx = dx + ROUNDED.get(step.arithmetic.activation_type, 0.0) * (x + dx)
    added = len(step.inputs) > 2 and step.inputs[2] is not None
    c, dc = (step.absolute(2), step.deltas[2]) if added else (None, None)
    signs = {name: abs(step.attribute(name, 1.0)) for name in ("alpha", "beta")} if step.node.op == "gemm" else {}

    carried: np.ndarray | float = 0.0
    if dx.any() or (dc is not None and dc.any()):
        carried = step.apply(dx, w + dw, dc, **signs)[0]
    if dw.any():
        carried = carried + step.apply(x, dw, None, **signs)[0]
    n = terms(step) + 5  # bias, alpha, beta
    largest = (x + dx, w + dw, None if c is None else c + dc)
    once = gamma(n) * step.apply(*largest, **signs)[0]
    rounded = once + ALGORITHMS[step.arithmetic.algorithm](step, once, *largest)
    beyond = overflow(largest[0], n * max(1.0, finite_largest(largest[1])))
    return (carried + rounded) * (1 + 2 * gamma(n)) + n * TINY + beyond


def winograd_4x4(step: Step, once, x, w, c):
    inside = winograd.magnitude(x, w, step.attribute("pads", None))
    inside = inside if c is None else inside + c.reshape(-1, 1, 1)
    return gamma(w.shape[1] + winograd.STEPS) * inside


# What rounding does to a sum of products; once: what it does to one that is computed as it is defined.
ALGORITHMS = {"direct": lambda step, once, x, w, c: once, "winograd_4x4": winograd_4x4}
