"""What divides by a sum, a size or a spread: softmax and the normalisations."""

from __future__ import annotations

from math import prod

import numpy as np

from dscompress.verify.bounds.rounding import TINY, U, gamma, overflow
from dscompress.verify.bounds.step import Step


def softmax(step: Step):
    """Moving every entry by at most d moves y by at most y·(e^2d - 1). x - max is at most 104 before exp gives 0."""
    axis = step.attribute("axis", -1)
    y = step.outputs[0].astype(np.float64)
    d = step.deltas[0].max(axis=axis, keepdims=True)
    n = step.inputs[0].shape[axis]
    return y * np.expm1(2 * d) + 2 * np.exp(2 * d) * (gamma(n + 16) + 104 * U) * y + TINY


def log_softmax(step: Step):
    axis = step.attribute("axis", -1)
    x = step.absolute(0).max(axis=axis, keepdims=True)
    d = step.deltas[0].max(axis=axis, keepdims=True)
    n = step.inputs[0].shape[axis]
    return 2 * d + 2 * (gamma(n + 16) + 8 * U * np.abs(step.outputs[0]) + 4 * U * (x + d))


def batch_normalization(step: Step):
    """(x - mean) · scale / sqrt(var + epsilon) + bias, or folded into x·a + b: eight roundings either way."""
    x, dx = step.absolute(0), step.deltas[0]
    channels = (1, -1) + (1,) * (x.ndim - 2)
    scale, bias, mean, variance = (np.asarray(a, np.float64).reshape(channels) for a in step.inputs[1:5])
    dscale, dbias, dmean, dvariance = (d.reshape(channels) for d in step.deltas[1:5])
    epsilon = step.attribute("epsilon", 1e-5)
    factor = np.abs(scale) / np.sqrt(variance + epsilon)
    largest = (np.abs(scale) + dscale) / np.sqrt(np.maximum(variance - dvariance, 0) + epsilon)
    distance = x + dx + np.abs(mean) + dmean
    # 1 / sqrt is convex: no factor is further below this one than the largest is above it.
    carried = largest * (dx + dmean) + distance * (largest - factor) + dbias
    return carried + 2 * gamma(8) * (distance * largest + np.abs(bias) + dbias) + TINY


def layer_normalization(step: Step):
    """y = s·(x - μ)/σ + b. μ moves by at most mean δ, σ by at most rms of δ - mean δ: both are measured.

    Rounding: μ and σ² are sums of n; σ² may be taken as Σx²/n - μ², which keeps γ_n·Σx²/n.
    """
    x, d = step.inputs[0].astype(np.float64), step.deltas[0]
    axis = step.attribute("axis", -1)
    axes = tuple(range(axis % x.ndim, x.ndim))
    n = prod(x.shape[a] for a in axes)
    scale = step.absolute(1)
    bias = step.absolute(2) if len(step.inputs) > 2 and step.inputs[2] is not None else 0.0
    mean = x.mean(axes, keepdims=True)
    sigma = np.sqrt(x.var(axes, keepdims=True) + step.attribute("epsilon", 1e-5))
    distance = np.abs(x - mean) / sigma

    of_mean = d.mean(axes, keepdims=True)
    of_sigma = np.sqrt((d * d).mean(axes, keepdims=True))
    smallest = np.maximum(sigma - of_sigma, 0)
    carried = np.where(of_sigma > 0, (d + of_mean + distance * of_sigma) / smallest, 0)

    size = np.abs(x) + d
    mean_error = gamma(n + 4) * size.mean(axes, keepdims=True) + U * (size + np.abs(mean))
    sigma_error = gamma(n + 8) * (size * size).mean(axes, keepdims=True) / (sigma * sigma)
    once = mean_error / sigma + distance * (sigma_error + 8 * U)
    beyond = overflow(size * size, n)
    return scale * (carried + 2 * once * (1 + of_sigma / sigma)) + 4 * U * (np.abs(step.outputs[0]) + bias) + beyond
