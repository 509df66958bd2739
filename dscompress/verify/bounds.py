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

To add an op: a function of a Step in BOUNDS, or a row of ROUNDING and SLOPES.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from dscompress.verify import halves, winograd
from dsruntime.backends.reference.executor import run_node
from dsruntime.backends.runner import Arithmetic
from dsruntime.file import Node

U = 2.0**-24
ROUNDED = {"bfloat16": 2.0**-8}  # what products round their activations to: how far that moves one, relatively
SAFE = 2.0**115  # sums of larger numbers may overflow on their way, by another order, by Winograd's or in scaled units
TINY = 2.0**-125  # what both sides may flush to zero
SLACK = 1 + 2.0**-18  # the bound itself is computed in float32 and float64

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


@dataclass(frozen=True)
class Step:
    """One node with what one run fed to it and got from it, and how far the other run's inputs were.

    deltas are float64 arrays of the inputs' shapes; None: absent. batch is N, for attributes that hold dimensions.
    arithmetic: what the other run's step states.
    """

    node: Node
    inputs: list
    deltas: list
    outputs: list
    batch: int
    arithmetic: Arithmetic = Arithmetic()

    def apply(self, *inputs, **attributes) -> list[np.ndarray]:
        """The node's own operator on other inputs; more than it has are left out."""
        inputs = inputs[: len(self.inputs)]
        if self.node.op == "conv":
            return [conv(*inputs, **self.node.attributes)]
        node = self.node._replace(
            inputs=tuple(None if x is None else i for i, x in enumerate(inputs)),
            attributes={**self.node.attributes, **attributes},
        )
        arrays = [None if x is None else np.asarray(x, np.float32 if x.dtype.kind == "f" else x.dtype) for x in inputs]
        with np.errstate(all="ignore"):
            return [np.asarray(y, np.float64) for y in run_node(node, arrays, self.batch)]

    def attribute(self, name, absent):
        return self.node.attributes.get(name, absent)

    def absolute(self, i: int) -> np.ndarray:
        return np.abs(self.inputs[i], dtype=np.float64)

    def moved(self) -> bool:
        """Whether the two runs' inputs differ at all."""
        return any(d is not None and d.any() for d in self.deltas)


def bounds(step: Step) -> list[np.ndarray | float]:
    """One bound for each output: numbers that broadcast to it. KeyError for an op that has none."""
    with np.errstate(all="ignore"):
        found = BOUNDS[step.node.op](step)
        found = found if isinstance(found, list) else [found]
        found = [np.nan_to_num(np.asarray(b * SLACK), nan=np.inf, posinf=np.inf) for b in found]
        return [halves.widened(step, i, bound) for i, bound in enumerate(found)] if halves.are_values(step) else found


def conv(x, w, b=None, *, strides=None, pads=None, dilations=None, group=1) -> np.ndarray:
    """ONNX's Conv by PyTorch in float32: of numbers that are not negative, so within γ_n of itself."""
    import torch

    rank = w.ndim - 2
    begins, ends = (pads or [0] * 2 * rank)[:rank], (pads or [0] * 2 * rank)[rank:]
    x, w, b = (None if a is None else torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in (x, w, b))
    x = torch.nn.functional.pad(x, [p for axis in reversed(range(rank)) for p in (begins[axis], ends[axis])])
    function = torch.conv1d if rank == 1 else torch.conv2d
    return function(x, w, b, strides or [1] * rank, 0, dilations or [1] * rank, group).numpy().astype(np.float64)


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


def average(step: Step):
    """Sums of n without weights below 0: average pools, reduce_mean, reduce_sum. The operator itself carries δ."""
    n = max(1, step.inputs[0].size // max(1, step.outputs[0].size))
    if step.node.op == "average_pool":
        n = prod(step.node.attributes["kernel_shape"])
    magnitude = step.apply(step.absolute(0) + step.deltas[0])[0]
    beyond = overflow(step.absolute(0) + step.deltas[0], n)
    return carried_by_operator(step)[0] + 2 * gamma(n + 4) * magnitude + TINY + beyond


def carried_by_operator(step: Step) -> list:
    """Moves and choices of data: no rounding, so without a difference in the inputs the outputs are equal."""
    if not step.moved():
        return [0.0] * len(step.outputs)
    return step.apply(*step.deltas)


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


BOUNDS = {
    "conv": sum_of_products,
    "conv_transpose": sum_of_products,
    "gemm": sum_of_products,
    "mat_mul": sum_of_products,
    "batch_normalization": batch_normalization,
    "layer_normalization": layer_normalization,
    "relu": slope,
    "sigmoid": slope,
    "tanh": slope,
    "hard_swish": slope,
    "hard_sigmoid": hard_sigmoid,
    "abs": slope,
    "neg": slope,
    "erf": slope,
    "leaky_relu": slope,
    "clip": slope,
    "elu": elu,
    "gelu": gelu,
    "exp": exp,
    "log": log,
    "floor": floor,
    "sqrt": sqrt,
    "reciprocal": reciprocal,
    "prelu": prelu,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "add": add,
    "sub": add,
    "mul": mul,
    "div": div,
    "pow": power,
    "max_pool": carried_by_operator,
    "global_max_pool": carried_by_operator,
    "reduce_max": carried_by_operator,
    "average_pool": average,
    "global_average_pool": average,
    "reduce_mean": average,
    "reduce_sum": average,
    "concat": carried_by_operator,
    "split": carried_by_operator,
    "slice": carried_by_operator,
    "transpose": carried_by_operator,
    "gather": gather,
    "pad": pad,
    "identity": view,
    "reshape": view,
    "flatten": view,
    "squeeze": view,
    "unsqueeze": view,
    "expand": expand,
    "resize": resize,
    "cast": cast,
    "arg_max": arg_max,
    "top_k": top_k,
    "constant_of_shape": constant,
}
