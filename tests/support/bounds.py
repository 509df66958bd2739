"""How far two right answers may be apart in float32: computed from the sizes and magnitudes, one function an op.

    u = 2^-24, γ_n = n·u / (1 - n·u): a sum of n products, in any order, is within γ_n · Σ|w||x| of the exact sum.

Both sides, ours and ONNX Runtime's, may be that far from the truth, hence the factor 2. A function with a table
behind it (exp, erf, ...) is allowed some units in the last place (ULPS) and, where the other side saturates
early, an absolute part; both are stated per op and hold for both sides together.
"""

from __future__ import annotations

from math import prod

import numpy as np

U = 2.0**-24

# op: (units in the last place of the result, absolute)
ULPS = {
    "sigmoid": (8, 1e-7),  # ONNX Runtime: a rational approximation, x clamped at ±18
    "tanh": (8, 1e-7),  # the same approximation
    "exp": (6, 0),
    "log": (6, 1e-7),
    "sqrt": (1, 0),
    "reciprocal": (1, 0),
    "erf": (8, 2e-7),
    "elu": (8, 2e-7),  # exp(x) - 1 cancels near 0
    "gelu": (8, 1e-6),  # x · (1 + erf) cancels for negative x
    "hard_sigmoid": (3, 1e-7),
    "hard_swish": (4, 1e-7),
    "pow": (8, 0),
    "leaky_relu": (1, 0),
    "prelu": (1, 0),
    "add": (0, 0),
    "sub": (0, 0),
    "mul": (0, 0),
    "div": (0, 0),
}


def gamma(n: int) -> float:
    return n * U / (1 - n * U)


def ulps_bound(op: str, want: np.ndarray) -> np.ndarray:
    units, absolute = ULPS[op]
    with np.errstate(invalid="ignore"):
        return units * np.spacing(np.abs(want)).astype(np.float64) + absolute


def bound_of(op: str, case, want: np.ndarray) -> np.ndarray:
    """The bound for an op's first output, broadcastable to it."""
    if op in ULPS:
        return ulps_bound(op, want)
    return BOUNDS[op](case, want)


def magnitude(op: str, case) -> np.ndarray:
    """The op on absolute values: Σ|w||x|."""
    from dataclasses import replace

    from tests.support.onnx_models import one_node_model, run_onnxruntime

    absolute = tuple(None if a is None else np.abs(a) for a in case.inputs)
    case = replace(case, inputs=absolute)
    feeds = {f"x{i}": a for i, a in enumerate(absolute) if a is not None and i not in case.weights}
    return run_onnxruntime(one_node_model(op, case), feeds)[0].astype(np.float64)


def conv(case, want):
    return 2 * gamma(prod(case.inputs[1].shape[1:]) + 2) * magnitude("conv", case)


def conv_transpose(case, want):
    terms = case.inputs[1].shape[0] * prod(case.inputs[1].shape[2:])
    return 2 * gamma(terms + 2) * magnitude("conv_transpose", case)


def gemm(case, want):
    a = case.inputs[0]
    terms = a.shape[0] if case.attributes.get("trans_a") else a.shape[1]
    return 2 * gamma(terms + 5) * magnitude("gemm", case)


def mat_mul(case, want):
    return 2 * gamma(case.inputs[0].shape[-1] + 1) * magnitude("mat_mul", case)


def average_pool(case, want):
    return 2 * gamma(prod(case.attributes["kernel_shape"]) + 2) * magnitude("average_pool", case)


def global_average_pool(case, want):
    return 2 * gamma(prod(case.inputs[0].shape[2:]) + 2) * magnitude("global_average_pool", case)


def reduce_sum(case, want):
    return 2 * gamma(prod(case.inputs[0].shape[a] for a in case.attributes["axes"])) * magnitude("reduce_sum", case)


def reduce_mean(case, want):
    terms = prod(case.inputs[0].shape[a] for a in case.attributes["axes"])
    return 2 * gamma(terms + 2) * magnitude("reduce_mean", case)


def batch_normalization(case, want):
    """(x - mean) · scale / sqrt(var + eps) + bias, or folded to x·a + b: six roundings either way."""
    x, scale, bias, mean, variance = (np.asarray(a, np.float64) for a in case.inputs)
    channels = (1, -1) + (1,) * (x.ndim - 2)
    scale, bias, mean, variance = (a.reshape(channels) for a in (scale, bias, mean, variance))
    factor = np.abs(scale) / np.sqrt(variance + case.attributes.get("epsilon", 1e-5))
    return 2 * gamma(6) * ((np.abs(x) + np.abs(mean)) * factor + np.abs(bias))


def layer_normalization(case, want):
    """mean and variance are sums of n; the variance may be taken as Σx²/n - mean², which keeps γ_n · Σx²/n."""
    x = case.inputs[0].astype(np.float64)
    axis = case.attributes.get("axis", -1)
    axes = tuple(range(axis % x.ndim, x.ndim))
    n = prod(x.shape[a] for a in axes)
    scale = np.abs(case.inputs[1].astype(np.float64))
    bias = 0 if len(case.inputs) < 3 or case.inputs[2] is None else np.abs(case.inputs[2].astype(np.float64))
    mean, square = x.mean(axes, keepdims=True), (x * x).mean(axes, keepdims=True)
    variance = x.var(axes, keepdims=True) + case.attributes.get("epsilon", 1e-5)
    of_mean = gamma(n + 2) * np.abs(x).mean(axes, keepdims=True)
    of_deviation = of_mean + U * (np.abs(x) + np.abs(mean))
    of_variance = gamma(n + 5) * 2 * square / variance
    deviation = np.abs(x - mean) / np.sqrt(variance)
    return 2 * (scale * (of_deviation / np.sqrt(variance) + deviation * (of_variance / 2 + 6 * U)) + 2 * U * bias)


def softmax(case, want):
    """exp of a rounded difference: its error grows with the distance d to the maximum, at most 104 before 0."""
    n = case.inputs[0].shape[case.attributes.get("axis", -1)]
    return 2 * (gamma(n + 8) + 104 * U) * want.astype(np.float64) + 2.0**-126


def log_softmax(case, want):
    x = case.inputs[0].astype(np.float64)
    n = x.shape[case.attributes.get("axis", -1)]
    return 2 * (gamma(n + 8) + 4 * U * np.abs(want.astype(np.float64)) + 2 * U * np.abs(x))


def resize(case, want):
    """Four products of weights that are off by the coordinate's rounding: a few u times the size, times |x|."""
    return 2 * gamma(8 + 8 * max(case.attributes["sizes"])) * np.abs(case.inputs[0]).max()


BOUNDS = {
    "conv": conv,
    "conv_transpose": conv_transpose,
    "gemm": gemm,
    "mat_mul": mat_mul,
    "average_pool": average_pool,
    "global_average_pool": global_average_pool,
    "reduce_sum": reduce_sum,
    "reduce_mean": reduce_mean,
    "batch_normalization": batch_normalization,
    "layer_normalization": layer_normalization,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "resize": resize,
}
