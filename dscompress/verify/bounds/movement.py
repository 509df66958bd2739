"""Moves and choices of data: δ makes the same move; what chooses by value may choose another entry."""

from __future__ import annotations

from math import prod

import numpy as np

from dscompress.verify.bounds.rounding import TINY, gamma, overflow
from dscompress.verify.bounds.step import Step


def carried_by_operator(step: Step) -> list:
    """Moves and choices of data: no rounding, so without a difference in the inputs the outputs are equal."""
    if not step.moved():
        return [0.0] * len(step.outputs)
    return step.apply(*step.deltas)


def average(step: Step):
    """Sums of n without weights below 0: average pools, reduce_mean, reduce_sum. The operator itself carries δ."""
    n = max(1, step.inputs[0].size // max(1, step.outputs[0].size))
    if step.node.op == "average_pool":
        n = prod(step.node.attributes["kernel_shape"])
    magnitude = step.apply(step.absolute(0) + step.deltas[0])[0]
    beyond = overflow(step.absolute(0) + step.deltas[0], n)
    return carried_by_operator(step)[0] + 2 * gamma(n + 4) * magnitude + TINY + beyond


def gather(step: Step):
    """Another index may fetch anything."""
    if step.deltas[1].any():
        return np.inf
    return step.apply(step.deltas[0], step.inputs[1])[0]


def pad(step: Step):
    if not step.moved():
        return 0.0
    return step.apply(step.deltas[0], value=0.0)[0]


def view(step: Step):
    return step.deltas[0].reshape(step.outputs[0].shape)


def expand(step: Step):
    return np.broadcast_to(step.deltas[0], step.outputs[0].shape)


def resize(step: Step):
    """linear mixes neighbours by weights that are off by the rounding of a coordinate: a few u times the size."""
    if step.attribute("mode", "nearest") == "nearest":
        return carried_by_operator(step)[0]
    size = max(step.outputs[0].shape[2:])
    magnitude = (step.absolute(0) + step.deltas[0]).max()
    return carried_by_operator(step)[0] + 2 * gamma(8 + 8 * size) * magnitude


def cast(step: Step):
    """To an integer or bool, a difference may cross a border."""
    if not step.moved():
        return 0.0
    to_float = step.outputs[0].dtype.kind == "f"
    return step.deltas[0] if to_float else np.where(step.deltas[0] > 0, np.ceil(step.deltas[0]) + 1, 0)


def arg_max(step: Step):
    """Another index is right where the inputs' differences can change which entry is the largest."""
    axis = step.attribute("axis", 0)
    x, d = step.inputs[0].astype(np.float64), step.deltas[0]
    two = -np.partition(-x, min(1, x.shape[axis] - 1), axis=axis)
    two = np.take(two, range(min(2, x.shape[axis])), axis=axis)
    gap = np.take(two, 0, axis=axis) - np.take(two, -1, axis=axis)
    free = (gap <= 2 * d.max(axis=axis)) & d.any(axis=axis)
    return np.where(free, np.inf, 0).reshape(step.outputs[0].shape)


def top_k(step: Step):
    """The i-th largest moves no further than the entries do; its index is free as soon as any entry has moved."""
    d = step.deltas[0].max(axis=step.attribute("axis", -1), keepdims=True)
    return [d, np.where(d > 0, np.inf, 0)]


def constant(step: Step):
    return 0.0
