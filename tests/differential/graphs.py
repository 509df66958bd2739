"""Random small graphs as ONNX models, with what float32 promises about their answers.

    graph = random_graph(Choices(seed), exact=True)      # 3 to 12 nodes, one input x (N, ...), one or more outputs

exact    inputs are small integers and weights ±2^k; every value is a multiple of `unit` and at most `most`, and a node
         is added only if most / unit stays below 2^24: float32 is then exact in any order, and answers are equal.
bounded  weights and inputs are any numbers, and more operators take part. Each value has a rule that gives its error
         from those of its inputs and from the largest values that a run has seen: γ_n · Σ|w||x| for both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

import numpy as np
import onnx
from onnx import helper

from tests.support.bounds import U, gamma
from tests.support.onnx_models import graph_model

EXACT = 2**24
MOST_ELEMENTS = 4096
ROUNDING = "rounding"  # among the errors, by names of values: of what weights multiply, relative


class Choices:
    """Where the randomness comes from: here NumPy; a test gives hypothesis, which then shrinks what fails."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def integer(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high + 1))

    def pick(self, options):
        return options[self.integer(0, len(options) - 1)]


@dataclass(frozen=True)
class Tensor:
    """shape is without the batch; error(errors, largest) is the bound, by name of what is already bounded."""

    name: str
    shape: tuple[int, ...]
    most: float
    unit: float
    error: Callable[[dict[str, float], dict[str, float]], float]


@dataclass
class Graph:
    choices: Choices
    exact: bool
    nodes: list = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    tensors: list[Tensor] = field(default_factory=list)
    read: set[str] = field(default_factory=set)

    def constant(self, array) -> str:
        name = f"w{len(self.constants)}"
        self.constants[name] = array
        return name

    def numbers(self, shape, levels: int = 3) -> np.ndarray:
        """Weights: ±2^k, with zeros for one codebook in two; when bounded also scaled per channel, or any numbers."""
        random = np.random.default_rng(self.choices.integer(0, 2**20))
        kind = self.choices.pick(["powers", "zeros"] if self.exact else ["powers", "zeros", "scaled", "any"])
        if kind == "any":
            return random.standard_normal(shape).astype(np.float32)
        lowest = 0 if self.exact else -levels
        array = random.choice([-1.0, 1.0], shape) * 2.0 ** random.integers(lowest, lowest + levels + 1, shape)
        if kind == "zeros":
            array *= random.random(shape) < 0.7
        if kind == "scaled":
            array *= (random.random(shape[0]) + 0.5).reshape(-1, *[1] * (len(shape) - 1)).astype(np.float32)
        return array.astype(np.float32)

    def add(self, op: str, inputs: list, shape, most, unit, error, **attributes) -> Tensor | None:
        """The new value, or None if float32 could not hold it exactly or it is large."""
        if prod(shape) > MOST_ELEMENTS or (self.exact and not most / unit < EXACT):
            return None
        tensor = Tensor(f"t{len(self.tensors)}", tuple(shape), most, unit, error)
        names = [i.name if isinstance(i, Tensor) else i for i in inputs]
        self.read.update(names)
        self.nodes.append(helper.make_node(op, names, [tensor.name], name=f"{op}_{len(self.nodes)}", **attributes))
        self.tensors.append(tensor)
        return tensor

    def linear(self, op, x: Tensor, weight, bias, shape, terms: int, sums: float, **attributes):
        """A sum of `terms` products; `sums` is the largest Σ|w| of an output."""
        extra = 0.0 if bias is None else float(np.abs(bias).max())

        def error(errors, largest):
            off = errors[x.name] + errors[ROUNDING] * (largest[x.name] + errors[x.name])
            reach = sums * (largest[x.name] + off) + extra
            return sums * off + 2 * gamma(terms + 3) * reach

        inputs = [x, self.constant(weight), *([] if bias is None else [self.constant(bias)])]
        return self.add(op, inputs, shape, sums * x.most + extra, min(x.unit, 1.0), error, **attributes)

    def moved(self, op, x: Tensor, shape, inputs=(), **attributes):
        """An op that only moves values, picks among them, or is exact and does not widen differences."""
        return self.add(op, [x, *inputs], shape, x.most, x.unit, lambda e, a: e[x.name], **attributes)

    def bias(self, count: int):
        return self.numbers((count,)) if self.choices.integer(0, 1) else None


# Each takes (graph, x) and returns the new tensor, or None where it does not fit x.


def conv(g: Graph, x: Tensor):
    if len(x.shape) not in (2, 3):
        return None
    channels, *size = x.shape
    group = g.choices.pick([d for d in (1, 1, 2, channels) if channels % d == 0])
    outputs = group * g.choices.integer(1, 3)
    kernel = [g.choices.pick([1, 1, 2, 3]) for _ in size]
    strides = [g.choices.integer(1, 2) for _ in size]
    dilations = [g.choices.integer(1, 2) for _ in size]
    pads = [g.choices.integer(0, 2) for _ in range(2 * len(size))]
    reach = [
        s + pads[i] + pads[i + len(size)] - d * (k - 1) - 1
        for i, (s, k, d) in enumerate(zip(size, kernel, dilations, strict=True))
    ]
    if min(reach) < 0:
        return None
    weight = g.numbers((outputs, channels // group, *kernel))
    shape = (outputs, *[r // s + 1 for r, s in zip(reach, strides, strict=True)])
    return g.linear(
        "Conv",
        x,
        weight,
        g.bias(outputs),
        shape,
        weight[0].size,
        float(np.abs(weight).reshape(outputs, -1).sum(1).max()),
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        pads=pads,
        group=group,
    )


def conv_transpose(g: Graph, x: Tensor):
    if len(x.shape) != 3:
        return None
    channels, *size = x.shape
    outputs, kernel, stride = g.choices.integer(1, 3), g.choices.integer(1, 3), g.choices.integer(1, 2)
    weight = g.numbers((channels, outputs, kernel, kernel))
    shape = (outputs, *[(s - 1) * stride + kernel for s in size])
    return g.linear(
        "ConvTranspose",
        x,
        weight,
        g.bias(outputs),
        shape,
        channels * kernel * kernel,
        float(np.abs(weight).sum((0, 2, 3)).max()),
        strides=[stride, stride],
        kernel_shape=[kernel, kernel],
    )


def gemm(g: Graph, x: Tensor):
    if len(x.shape) != 1:
        return None
    outputs, transposed = g.choices.integer(1, 9), g.choices.integer(0, 1)
    weight = g.numbers((outputs, x.shape[0]))
    sums = float(np.abs(weight).sum(1).max())
    stored = weight if transposed else np.ascontiguousarray(weight.T)
    return g.linear("Gemm", x, stored, g.bias(outputs), (outputs,), x.shape[0], sums, transB=transposed)


def mat_mul(g: Graph, x: Tensor):
    if not x.shape:
        return None
    weight = g.numbers((x.shape[-1], g.choices.integer(1, 9)))
    sums = float(np.abs(weight).sum(0).max())
    return g.linear("MatMul", x, weight, None, (*x.shape[:-1], weight.shape[1]), x.shape[-1], sums)


def relu(g: Graph, x: Tensor):
    return g.moved("Relu", x, x.shape)


def absolute(g: Graph, x: Tensor):
    return g.moved(g.choices.pick(["Abs", "Neg", "Identity"]), x, x.shape)


def leaky_relu(g: Graph, x: Tensor):
    return g.add("LeakyRelu", [x], x.shape, x.most, x.unit / 4, lambda e, a: e[x.name], alpha=0.25)


def clip(g: Graph, x: Tensor):
    low, high = g.constant(np.float32(g.choices.integer(-9, 0))), g.constant(np.float32(g.choices.integer(1, 9)))
    return g.add("Clip", [x, low, high], x.shape, 9, min(x.unit, 1.0), lambda e, a: e[x.name])


def max_pool(g: Graph, x: Tensor):
    if len(x.shape) not in (2, 3) or min(x.shape[1:]) < 3:
        return None
    kernel, stride = g.choices.integer(1, 3), g.choices.integer(1, 3)
    pad, ceil = g.choices.integer(0, kernel // 2), g.choices.integer(0, 1)
    size = [pooled(s, kernel, stride, pad, ceil) for s in x.shape[1:]]
    if any(
        (s + 2 * pad - kernel + ceil * (stride - 1)) // stride + 1 != n for s, n in zip(x.shape[1:], size, strict=True)
    ):
        return None  # ONNX's own inference, which makes the test's model, counts a window too many
    rank = len(size)
    return g.moved(
        "MaxPool",
        x,
        (x.shape[0], *size),
        kernel_shape=[kernel] * rank,
        strides=[stride] * rank,
        pads=[pad] * 2 * rank,
        ceil_mode=ceil,
    )


def pooled(size: int, kernel: int, stride: int, pad: int, ceil: int) -> int:
    reach = size + 2 * pad - kernel
    count = (reach + (stride - 1 if ceil else 0)) // stride + 1
    return count - 1 if ceil and (count - 1) * stride >= size + pad else count


def average_pool(g: Graph, x: Tensor):
    """When exact, windows of 1, 2 or 4 that never meet the border."""
    if len(x.shape) != 3 or min(x.shape[1:]) < 3:
        return None
    kernel = g.choices.integer(1, 2 if g.exact else 3)
    stride, pad = g.choices.integer(1, 2), 0 if g.exact else g.choices.integer(0, kernel // 2)
    counted = g.choices.integer(0, 1)
    size = [pooled(s, kernel, stride, pad, 0) for s in x.shape[1:]]

    def error(errors, largest):
        return errors[x.name] + 2 * gamma(kernel * kernel + 2) * (largest[x.name] + errors[x.name])

    return g.add(
        "AveragePool",
        [x],
        (x.shape[0], *size),
        x.most,
        x.unit / kernel**2,
        error,
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        pads=[pad] * 4,
        count_include_pad=counted,
    )


def global_pool(g: Graph, x: Tensor):
    if len(x.shape) not in (2, 3):
        return None
    shape, count = (x.shape[0], *[1] * (len(x.shape) - 1)), prod(x.shape[1:])
    if g.choices.integer(0, 1):
        return g.moved("GlobalMaxPool", x, shape)
    return mean(g, "GlobalAveragePool", x, shape, count)


def mean(g: Graph, op: str, x: Tensor, shape, count: int, inputs=(), **attributes):
    if g.exact and count & (count - 1):
        return None

    def error(errors, largest):
        return errors[x.name] + 2 * gamma(count + 2) * (largest[x.name] + errors[x.name])

    if g.exact and not count * x.most / x.unit < EXACT:  # the sum comes before the division
        return None
    return g.add(op, [x, *inputs], shape, x.most, x.unit / count, error, **attributes)


def reduce(g: Graph, x: Tensor):
    if not x.shape:
        return None
    axis, keep = g.choices.integer(0, len(x.shape) - 1), g.choices.integer(0, 1)
    shape = [*x.shape[:axis], *[1] * keep, *x.shape[axis + 1 :]]
    count, axes = x.shape[axis], g.constant(np.array([axis + 1 if g.choices.integer(0, 1) else axis - len(x.shape)]))
    kind = g.choices.pick(["ReduceMax", "ReduceMean", "ReduceSum"])
    if kind == "ReduceMax":
        return g.moved(kind, x, shape, [axes], keepdims=keep)
    if kind == "ReduceMean":
        return mean(g, kind, x, shape, count, [axes], keepdims=keep)

    def error(errors, largest):
        return count * (errors[x.name] + 2 * gamma(count) * (largest[x.name] + errors[x.name]))

    return g.add(kind, [x, axes], shape, count * x.most, x.unit, error, keepdims=keep)


def residual(g: Graph, x: Tensor):
    """x and an earlier value of the same shape, or one that broadcasts to it."""
    others = [
        t
        for t in g.tensors
        if len(t.shape) == len(x.shape) and all(a in (1, b) for a, b in zip(t.shape, x.shape, strict=True))
    ]
    y = g.choices.pick(others)
    op = g.choices.pick(["Add", "Sub", "Mul"])
    if op == "Mul":

        def error(e, a):
            cross = a[x.name] * e[y.name] + a[y.name] * e[x.name] + e[x.name] * e[y.name]
            return cross * (1 + 4 * U) + 2 * U * a[x.name] * a[y.name]

        return g.add(op, [x, y], x.shape, x.most * y.most, x.unit * y.unit, error)

    def error(e, a):
        return (e[x.name] + e[y.name]) * (1 + 4 * U) + 2 * U * (a[x.name] + a[y.name])

    return g.add(op, [x, y], x.shape, x.most + y.most, min(x.unit, y.unit), error)


def scale(g: Graph, x: Tensor):
    """A constant per channel, multiplied or added: what batch norms become."""
    if not x.shape:
        return None
    weight = g.numbers((x.shape[0], *[1] * (len(x.shape) - 1)))
    size = float(np.abs(weight).max())
    if g.choices.integer(0, 1):
        return g.add(
            "Mul",
            [x, g.constant(weight)],
            x.shape,
            size * x.most,
            x.unit,
            lambda e, a: size * (e[x.name] + 2 * U * (a[x.name] + e[x.name])),
        )
    return g.add(
        "Add",
        [x, g.constant(weight)],
        x.shape,
        size + x.most,
        min(x.unit, 1.0),
        lambda e, a: e[x.name] + 2 * U * (a[x.name] + e[x.name] + size),
    )


def concat(g: Graph, x: Tensor):
    if not x.shape:
        return None
    axis = g.choices.integer(0, len(x.shape) - 1)
    others = [
        t
        for t in g.tensors
        if len(t.shape) == len(x.shape)
        and t.shape[:axis] == x.shape[:axis]
        and t.shape[axis + 1 :] == x.shape[axis + 1 :]
    ]
    parts = [x, *[g.choices.pick(others) for _ in range(g.choices.integer(1, 2))]]
    shape = [*x.shape[:axis], sum(t.shape[axis] for t in parts), *x.shape[axis + 1 :]]
    return g.add(
        "Concat",
        parts,
        shape,
        max(t.most for t in parts),
        min(t.unit for t in parts),
        lambda e, a: max(e[t.name] for t in parts),
        axis=axis + 1,
    )


def split(g: Graph, x: Tensor):
    if not x.shape or max(x.shape) < 2:
        return None
    axis = int(np.argmax(x.shape))
    first = g.choices.integer(1, x.shape[axis] - 1)
    tensors = []
    for i, count in enumerate((first, x.shape[axis] - first)):
        shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
        tensors.append(Tensor(f"t{len(g.tensors) + i}", shape, x.most, x.unit, lambda e, a: e[x.name]))
    sizes = g.constant(np.array([first, x.shape[axis] - first]))
    g.nodes.append(
        helper.make_node(
            "Split", [x.name, sizes], [t.name for t in tensors], axis=axis + 1, name=f"Split_{len(g.nodes)}"
        )
    )
    g.tensors += tensors
    g.read.add(x.name)
    return tensors[1]


def cut(g: Graph, x: Tensor):
    """Slice, forwards or backwards."""
    if not x.shape:
        return None
    axis = g.choices.integer(0, len(x.shape) - 1)
    size, step = x.shape[axis], g.choices.pick([1, 2, -1, -2])
    start = g.choices.integer(0, size - 1)
    end = size if step > 0 else -size - 1
    count = len(range(size)[start::step])
    constants = [g.constant(np.array([v])) for v in (start, end, axis + 1, step)]
    return g.moved("Slice", x, (*x.shape[:axis], count, *x.shape[axis + 1 :]), constants)


def pad(g: Graph, x: Tensor):
    if not x.shape:
        return None
    mode = g.choices.pick(["constant", "edge", "reflect"])
    before, after = ([g.choices.integer(0, min(2, s - 1)) for s in x.shape] for _ in range(2))
    pads = g.constant(np.array([0, *before, 0, *after]))
    return g.moved("Pad", x, [b + s + a for b, s, a in zip(before, x.shape, after, strict=True)], [pads], mode=mode)


def reshape(g: Graph, x: Tensor):
    count = prod(x.shape)
    first = g.choices.pick([d for d in range(1, min(count, 8) + 1) if count % d == 0])
    shape = g.choices.pick([(count,), (first, count // first), (count // first, 1, first)])
    return g.moved("Reshape", x, shape, [g.constant(np.array([-1, *shape]))])


def flatten(g: Graph, x: Tensor):
    return g.moved("Flatten", x, (prod(x.shape),), axis=1)


def transpose(g: Graph, x: Tensor):
    if len(x.shape) < 2:
        return None
    order = g.choices.pick(
        [(0, 2, 1), (0, 1, 2)][:1] if len(x.shape) == 2 else [(0, 2, 3, 1), (0, 3, 1, 2), (0, 1, 3, 2)]
    )
    if len(order) != len(x.shape) + 1:
        return None
    return g.moved("Transpose", x, [x.shape[i - 1] for i in order[1:]], perm=order)


def gather(g: Graph, x: Tensor):
    if not x.shape:
        return None
    axis = g.choices.integer(0, len(x.shape) - 1)
    size = x.shape[axis]
    picks = np.array([g.choices.integer(-size, size - 1) for _ in range(g.choices.integer(1, 4))])
    return g.moved("Gather", x, (*x.shape[:axis], len(picks), *x.shape[axis + 1 :]), [g.constant(picks)], axis=axis + 1)


def unsqueeze(g: Graph, x: Tensor):
    if len(x.shape) > 3:
        return None
    ones = [i for i, size in enumerate(x.shape) if size == 1]
    if ones and g.choices.integer(0, 1):
        axes = g.constant(np.array([ones[0] + 1]))
        return g.moved("Squeeze", x, (*x.shape[: ones[0]], *x.shape[ones[0] + 1 :]), [axes])
    axis = g.choices.integer(0, len(x.shape))
    return g.moved("Unsqueeze", x, (*x.shape[:axis], 1, *x.shape[axis:]), [g.constant(np.array([axis + 1]))])


def resize(g: Graph, x: Tensor):
    if len(x.shape) != 3:
        return None
    scales = g.constant(np.array([1, 1, 2, 2], np.float32))
    return g.moved(
        "Resize",
        x,
        (x.shape[0], 2 * x.shape[1], 2 * x.shape[2]),
        ["", scales],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def curve(g: Graph, x: Tensor):
    """A function with a table behind it: how much it widens a difference, and its own error."""
    if g.exact:
        return None
    op, slope = g.choices.pick(
        [("Sigmoid", 0.25), ("Tanh", 1.0), ("HardSwish", 1.5), ("Gelu", 1.13), ("Elu", 1.0), ("HardSigmoid", 0.2)]
    )
    return g.add(
        op, [x], x.shape, max(1.0, x.most), 1.0, lambda e, a: slope * e[x.name] + 1e-6 * (1 + a[x.name] + e[x.name])
    )


def softmax(g: Graph, x: Tensor):
    if g.exact or not x.shape:
        return None
    return g.add("Softmax", [x], x.shape, 1.0, 1.0, lambda e, a: e[x.name] + 2 * gamma(x.shape[-1] + 110), axis=-1)


def batch_normalization(g: Graph, x: Tensor):
    if g.exact or not x.shape:
        return None
    random, c = np.random.default_rng(g.choices.integer(0, 2**20)), x.shape[0]
    scales, bias, average = (random.standard_normal(c).astype(np.float32) for _ in range(3))
    variance = (random.random(c) + 0.1).astype(np.float32)
    factor = float((np.abs(scales) / np.sqrt(variance)).max())
    shift, centre = float(np.abs(bias).max()), float(np.abs(average).max())

    def error(e, a):
        return factor * e[x.name] + 2 * gamma(12) * (factor * (a[x.name] + e[x.name] + centre) + shift)

    constants = [g.constant(v) for v in (scales, bias, average, variance)]
    return g.add("BatchNormalization", [x, *constants], x.shape, factor * (x.most + centre) + shift, 1.0, error)


OPS = (
    conv,
    conv,
    conv,
    conv_transpose,
    gemm,
    gemm,
    mat_mul,
    relu,
    absolute,
    leaky_relu,
    clip,
    max_pool,
    average_pool,
    global_pool,
    reduce,
    residual,
    residual,
    scale,
    concat,
    split,
    cut,
    pad,
    reshape,
    flatten,
    transpose,
    gather,
    unsqueeze,
    resize,
    curve,
    softmax,
    batch_normalization,
)


@dataclass(frozen=True)
class RandomGraph:
    model: onnx.ModelProto  # outputs: what nobody reads
    watched: onnx.ModelProto  # the same, every value an output
    shape: tuple[int, ...]  # of x, without the batch
    exact: bool
    tensors: tuple[Tensor, ...]
    seed: int

    def input(self, batch: int) -> np.ndarray:
        random = np.random.default_rng(self.seed)
        if self.exact:
            return random.integers(-4, 5, (batch, *self.shape)).astype(np.float32)
        return np.clip(random.standard_normal((batch, *self.shape)), -4, 4).astype(np.float32)

    def bounds(self, values: dict[str, np.ndarray], rounding: float = 0.0) -> dict[str, float]:
        """How far each value may be from ONNX Runtime's, given all of those; rounding: of what weights multiply."""
        if self.exact and not rounding:
            return dict.fromkeys(values, 0.0)
        largest = {name: float(np.abs(array.astype(np.float64)).max()) for name, array in values.items()}
        errors = {ROUNDING: rounding}
        for tensor in self.tensors:
            errors[tensor.name] = tensor.error(errors, largest)
        return errors


def random_graph(choices, exact: bool) -> RandomGraph:
    shape = choices.pick([(3, 6, 6), (2, 5, 7), (4, 8, 8), (1, 4, 4), (3, 9), (2, 16), (6,), (5, 4)])
    g = Graph(choices, exact)
    g.tensors.append(Tensor("x", shape, 4.0, 1.0, lambda e, a: 0.0))
    wanted = choices.integer(3, 12)
    for _ in range(4 * wanted):
        if len(g.nodes) == wanted:
            break
        recent = g.tensors[-choices.integer(1, min(3, len(g.tensors)))]
        choices.pick(OPS)(g, recent)
    if not g.nodes:
        relu(g, g.tensors[0])
    made = [t.name for t in g.tensors[1:]]
    outputs = [name for name in made if name not in g.read]
    used = {name for node in g.nodes for name in node.input}
    constants = {name: array for name, array in g.constants.items() if name in used}
    inputs = [("x", np.float32, ("N", *shape))]
    model, watched = (graph_model(g.nodes, inputs, names, constants) for names in (outputs, made))
    return RandomGraph(model, watched, shape, exact, tuple(g.tensors), choices.integer(0, 2**20))
