"""verify: is the .dsf the model it was made from? ONNX Runtime on the source's graph says what the answers are.

    SOURCE ─capture, passes─→ graph ──→ ONNX Runtime, nothing fused ──→ every value
                                │                                          │
                     weights, bit for bit                     each node within its bound
                                │                                          │
    MODEL.dsf ────load──────────┴────→ a session that keeps values ──→ every value
                                └────→ the session users run ────────→ outputs, top-1

1. The graphs must match by name, and every stored weight must decode to the source's tensor, bit for bit.
2. Node after node, both sides' measured inputs and outputs are compared: bounds.py says how far apart two right
   float32 runs may be. An error cannot hide behind a later layer, and a layer is not blamed for what it was fed.
3. Outputs: fused kernels against unfused ones, and the passes' graph against the captured one, differ by no more than
   a few times what rounding does to the same graph on both sides.

Values are compared in ranges of the topological order. A range whose values need more than BUDGET bytes is halved, and
the first half decides before the second is run; a run computes no more of the graph than its range needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dscompress.bounds import BOUNDS, Step, bounds
from dscompress.errors import ModelError

BUDGET = 256 << 20  # bytes of tapped values held at once, on either side
LAYER_SAMPLES = 2  # layers are compared on this many samples, outputs on all
FUSING = 16  # a fused session may be this many times further from the unfused one than that is from ONNX Runtime
FOLDING = 64  # and the graph after the passes from the graph before: folded weights are rounded, too


@dataclass(frozen=True)
class WeightDifference:
    name: str
    elements: int
    different: int
    index: tuple[int, ...]  # the first element that differs
    found: float
    expected: float
    node: str
    op: str
    module: str


@dataclass(frozen=True)
class Layer:
    """One node: error is the largest absolute difference, ratio the largest difference in units of its bound."""

    node: str
    op: str
    module: str
    value: str
    error: float
    bound: float  # where the ratio is largest
    ratio: float
    snr: float  # dB; infinite: equal
    within: bool


@dataclass(frozen=True)
class OutputDifference:
    name: str
    error: float
    snr: float
    top1: float | None  # share of rows whose largest entry is the same; None: not a list of scores


@dataclass
class Verification:
    model: str
    source: str
    backend: str
    samples: int
    mismatch: str = ""  # the graphs are not the same: why
    weights: int = 0
    different_weights: list[WeightDifference] = field(default_factory=list)
    outputs: list[OutputDifference] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)  # nodes that could not be compared by themselves
    first_bad: Layer | None = None
    apart: str = ""  # every layer agrees, the outputs do not: why
    warnings: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        return not (self.mismatch or self.different_weights or self.first_bad or self.apart)

    def as_dict(self) -> dict:
        return {**asdict(self), "same": self.same}


def verify_model(path, source, options=None, *, samples: int = 8, inputs: np.ndarray | None = None,
                 backend: str = "cpu", threads: int | None = None, every_layer: bool = False, seed: int = 0,
                 advance: Callable[..., None] = lambda count=1, label=None: None) -> Verification:
    """Compares the .dsf with the model it was made from.

    options: capture.CaptureOptions, those of the export. inputs: the samples of a model with one input, along the first
    axis; without them, normally distributed numbers, the same ones every time. every_layer: go on after the first layer
    that is out of bounds.
    """
    from dscompress.capture import CaptureOptions, capture
    from dsruntime import Model

    advance(label="Loading")
    model = Model.open(path)
    advance(label="Capturing the source")
    captured = capture(source, options or CaptureOptions())
    with TemporaryDirectory(prefix="dscompress-verify-") as folder:
        return compare_models(str(path), str(source), model, captured, Path(folder), samples=samples, inputs=inputs,
                              backend=backend, threads=threads, every_layer=every_layer, seed=seed, advance=advance)


def compare_models(path: str, source: str, model, captured, folder: Path, *, samples, inputs, backend, threads,
                   every_layer, seed, advance) -> Verification:
    """The captured graph says what the outputs are; after the passes, what each layer is."""
    from dscompress.passes import run_pipeline

    original = Oracle(captured.model, folder / "captured")
    graph = run_pipeline(captured.model)

    found = Verification(path, source, backend, samples)
    recorded = model.metadata.get("source.sha256")
    if recorded and captured.sha256 and recorded != captured.sha256:
        found.warnings.append(f"{source} is not the file that {path} was made from: its sha256 is "
                              f"{captured.sha256[:12]}…, the .dsf records {recorded[:12]}…")
    found.mismatch = mismatch(model.graph, graph, path, source)
    if found.mismatch:
        return found

    advance(label="Comparing weights")
    found.weights = len(model.graph.weights)
    found.different_weights = list(different_weights(model, graph))

    feeds = make_feeds(model.graph, samples, inputs, seed)
    found.samples = sum(batch_of(model.graph, feed) for feed in feeds)
    comparison = Comparison(model, graph, Oracle(graph, folder / "passed"), backend, threads)
    advance(label="Comparing outputs")
    results = comparison.outputs(feeds, original)
    found.outputs = [output_difference(*result) for result in results]
    for layer in comparison.layers(few(model.graph, feeds), every_layer, advance):
        found.layers.append(layer)
        if not layer.within and found.first_bad is None:
            found.first_bad = layer
    found.unchecked = comparison.unchecked
    if not found.first_bad:
        advance(label="Comparing the parts")
        found.apart = comparison.apart(feeds, results)
    return found


# The two graphs


def mismatch(graph, source, path: str, source_name: str) -> str:
    """Why the .dsf cannot come from this source, or ""."""
    theirs = {value.name: value for value in source.graph.inputs}
    tensors = source.graph.initializers
    known = {value.name for node in source.graph for value in node.outputs} | set(theirs) | set(tensors)
    for entry in graph.inputs:
        value = graph.values[entry.value]
        if value.name not in theirs:
            return (f"{path} is another model: its input '{value.name}' is not among the inputs of {source_name} "
                    f"({', '.join(theirs)})")
        shape = [d if isinstance(d, int) else None for d in theirs[value.name].shape]
        if len(shape) != len(value.shape) or any(
                b is not None and a != b for a, b in zip(value.shape, shape, strict=True)):
            return (f"input '{value.name}' is {shown(value.shape)} in {path}, {theirs[value.name].shape} in "
                    f"{source_name}; give the --input-shape and --dynamic-batch of the export")
    for weight in graph.weights:
        value = graph.values[weight.value]
        tensor = source_tensor(graph, source, weight)
        if tensor is None:
            return f"{path} is another model: its weight '{value.name}' {shown(value.shape)} is not in {source_name}"
        if tensor.shape != value.shape:
            return (f"{path} is another model: its weight '{value.name}' is {shown(value.shape)}, in {source_name} it "
                    f"is {shown(tensor.shape)}")
    for output in graph.outputs:
        name = graph.values[output.value].name
        if name not in known:
            return f"{path} is another model: its output '{name}' is not in {source_name}"
    for node in graph.nodes:
        if not any(graph.values[i].name in known for i in node.outputs):
            return f"{path} is another model: its node '{node.name}' ({node.op}) is not in {source_name}"
    return ""


def source_tensor(graph, source, weight) -> np.ndarray | None:
    """The source's tensor behind a weight, in the dtype of the file."""
    value = graph.values[weight.value]
    for name in (value.name, weight.source):
        found = source.graph.initializers.get(name)
        if found is not None and found.const_value is not None:
            return np.asarray(found.const_value.numpy()).astype(value.dtype, copy=False)
    return None


def shown(shape) -> str:
    return "(" + ", ".join(str(d) if d >= 0 else "N" if d == -1 else f"{-d}N" for d in shape) + ")"


def different_weights(model, graph) -> Iterator[WeightDifference]:
    """Weights that do not decode to the source's tensor bit for bit; -0.0 counts as 0.0."""
    for i, weight in enumerate(model.graph.weights):
        name = model.graph.values[weight.value].name
        ours = model.decode_weight(i)
        theirs = source_tensor(model.graph, graph, weight)
        unequal = bits(ours) != bits(theirs)
        if unequal.any():
            index = tuple(int(k) for k in np.unravel_index(int(unequal.argmax()), unequal.shape))
            reader = next((node for node in model.graph.nodes if weight.value in node.inputs), None)
            yield WeightDifference(name, ours.size, int(unequal.sum()), index, ours[index].item(), theirs[index].item(),
                                   *((reader.name, reader.op, reader.module) if reader else ("", "", "")))


def bits(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "f":
        return array
    return np.where(array == 0, array.dtype.type(0), array).reshape(array.shape).view(f"u{array.dtype.itemsize}")


# What both sides are fed


def make_feeds(graph, samples: int, given: np.ndarray | None, seed: int) -> list[dict[str, np.ndarray]]:
    """Batches for both sides: as many rows as BUDGET has room for, or as a fixed batch says."""
    values = [graph.values[entry.value] for entry in graph.inputs]
    rows, fixed = rows_of(values[0].shape)
    if given is not None:
        check_given(values, given)
        samples = len(given) // rows
    at_once = 1 if fixed else max(1, min(samples, BUDGET // max(1, kept_bytes(graph))))
    numbers = np.random.default_rng(seed)
    feeds = []
    for start in range(0, samples, at_once):
        batch = min(at_once, samples - start)
        if given is not None:
            feeds.append({values[0].name: np.ascontiguousarray(given[start * rows : (start + batch) * rows])})
        else:
            feeds.append({value.name: random_array(numbers, value, batch) for value in values})
    return feeds


def rows_of(shape) -> tuple[int, bool]:
    """Rows of the first axis for one sample, and whether the batch is fixed."""
    if not shape:
        return 1, True
    return (shape[0], True) if shape[0] >= 0 else (-shape[0], False)


def check_given(values, given: np.ndarray) -> None:
    if len(values) != 1:
        raise ModelError("inputs", f"one array for a model with {len(values)} inputs", "a model with one input",
                         "leave the inputs out: random ones are made for every input")
    value = values[0]
    rows, _ = rows_of(value.shape)
    fits = given.ndim == len(value.shape) and given.shape[1:] == at_batch(value.shape, 1)[1:]
    if not fits or len(given) == 0 or len(given) % rows:
        raise ModelError("inputs", f"an array of shape {given.shape}",
                         f"{shown(value.shape)}, as input '{value.name}' has it")
    if str(given.dtype) != value.dtype:
        raise ModelError("inputs", f"an array of {given.dtype}", f"{value.dtype}, as input '{value.name}' has it")


def random_array(numbers, value, batch: int) -> np.ndarray:
    """Normally distributed floats; whole numbers 0 and 1, which are indices into anything."""
    shape = at_batch(value.shape, batch)
    if value.dtype.startswith("float"):
        return numbers.standard_normal(shape).astype(value.dtype)
    return numbers.integers(0, 2, shape).astype(value.dtype)


def at_batch(shape, batch: int) -> tuple[int, ...]:
    return tuple(d if d >= 0 else -d * batch for d in shape)


def batch_of(graph, feed) -> int:
    """How many samples a feed has."""
    value = graph.values[graph.inputs[0].value]
    rows, _ = rows_of(value.shape)
    return max(1, len(feed[value.name]) // max(1, rows)) if value.shape else 1


def few(graph, feeds):
    """The first LAYER_SAMPLES samples, or as many as a fixed batch has."""
    value = graph.values[graph.inputs[0].value]
    _, fixed = rows_of(value.shape)
    if fixed:
        return feeds[:1]
    cut = {}
    for entry in graph.inputs:
        value = graph.values[entry.value]
        rows = -value.shape[0] if value.shape and value.shape[0] < 0 else None
        array = feeds[0][value.name]
        cut[value.name] = array if rows is None else np.ascontiguousarray(array[: rows * LAYER_SAMPLES])
    return [cut]


def kept_bytes(graph) -> int:
    """Bytes of every value that is not a weight, for one sample."""
    weights = {weight.value for weight in graph.weights}
    return sum(value_bytes(value) for i, value in enumerate(graph.values) if i not in weights)


def value_bytes(value) -> int:
    return math.prod(at_batch(value.shape, 1)) * np.dtype(value.dtype).itemsize


# The two sides


class Oracle:
    """ONNX Runtime on the source's graph without graph optimisations, so that every value exists and can be read."""

    def __init__(self, model, folder: Path) -> None:
        import onnx
        import onnx_ir as ir

        folder.mkdir()
        self._folder = folder
        ir.save(model, str(folder / "model.onnx"), external_data="weights.bin")
        self._proto = onnx.load(str(folder / "model.onnx"), load_external_data=False)
        self._makers = {name: node for node in self._proto.graph.node for name in node.output}
        self._last = (None, None)

    def outputs(self, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The model's outputs in order. An output that is an input or a constant has no maker."""
        names = [value.name for value in self._proto.graph.output]
        found = {**feed, **self.run(names, feed)}
        constants = {tensor.name: tensor for tensor in self._proto.graph.initializer}
        return [found[name] if name in found else self._constant(constants[name]) for name in names]

    def _constant(self, tensor) -> np.ndarray:
        from onnx import numpy_helper

        return numpy_helper.to_array(tensor, str(self._folder))

    def run(self, names: list[str], feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The values of these names; computes nothing that they do not need."""
        names = [name for name in names if name in self._makers]
        if not names:
            return {}
        session = self._session(tuple(names))
        wanted = {entry.name for entry in session.get_inputs()}
        results = session.run(names, {name: array for name, array in feed.items() if name in wanted})
        return dict(zip(names, results, strict=True))

    def _session(self, names: tuple[str, ...]):
        if self._last[0] != names:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.log_severity_level = 3
            path = self._folder / "part.onnx"
            path.write_bytes(self._part(names).SerializeToString())
            self._last = (names, onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]))
        return self._last[1]

    def _part(self, names: tuple[str, ...]):
        """The model cut down to what these values need."""
        import onnx

        needed: set[str] = set()
        stack = list(names)
        while stack:
            name = stack.pop()
            if name and name not in needed:
                needed.add(name)
                maker = self._makers.get(name)
                stack.extend(maker.input if maker else ())
        part = onnx.ModelProto()
        part.CopyFrom(self._proto)
        del part.graph.node[:], part.graph.output[:], part.graph.initializer[:], part.graph.input[:]
        graph = self._proto.graph
        part.graph.node.extend(node for node in graph.node if any(name in needed for name in node.output))
        part.graph.initializer.extend(tensor for tensor in graph.initializer if tensor.name in needed)
        part.graph.input.extend(entry for entry in graph.input if entry.name in needed)
        known = {value.name: value for value in (*graph.value_info, *graph.output)}
        part.graph.output.extend(known.get(name) or onnx.ValueInfoProto(name=name) for name in names)
        return part


class Comparison:
    """The .dsf's sessions beside the oracle."""

    def __init__(self, model, source, oracle: Oracle, backend: str, threads: int | None) -> None:
        self._graph = model.graph
        self._source = source
        self._oracle = oracle
        self._names = [self._graph.values[output.value].name for output in self._graph.outputs]
        self._ordinary = model.session(backend, threads)
        self._keeping = model.session(backend, threads, keep_values=True)
        self._weights = {weight.value: weight for weight in self._graph.weights}
        self.unchecked: list[str] = []

    def outputs(self, feeds, original: Oracle) -> list[tuple[str, np.ndarray, np.ndarray]]:
        """Name, the ordinary session's, the captured graph's: all samples one after another."""
        ours = together([as_list(self._ordinary.run(feed), self._names) for feed in feeds])
        theirs = together([original.outputs(feed) for feed in feeds])
        return list(zip(self._names, ours, theirs, strict=True))

    def apart(self, feeds, results) -> str:
        """Fusing kernels and folding the graph may round differently, no more.

        What rounding does to the outputs is measured: the same graph, node by node, here and in ONNX Runtime.
        """
        ours = together([as_list(self._keeping.run(feed), self._names) for feed in feeds])
        theirs = together([self._oracle.outputs(feed) for feed in feeds])
        for (name, fused, captured), plain, folded in zip(results, ours, theirs, strict=True):
            if plain.dtype.kind != "f":
                continue
            noise = largest(difference(plain, folded)) + float(np.spacing(largest(np.abs(folded))))
            pairs = (("the ordinary session", fused, "one that runs node by node", plain, FUSING),
                     ("the graph after the passes", folded, "the captured one", captured, FOLDING))
            for first, a, second, b, factor in pairs:
                error = largest(difference(a, b))
                if not error <= factor * noise:
                    return (f"output '{name}' of {first} is {error:.3g} away from {second}, where rounding explains "
                            f"{factor * noise:.3g}")
        return ""

    def layers(self, feeds, every_layer: bool, advance) -> Iterator[Layer]:
        """Every node in topological order; ends after the first one out of bounds, unless every_layer."""
        for feed in feeds:
            self._keeping.run(feed)
            batch = batch_of(self._graph, feed)
            for layer in self._range(0, len(self._graph.nodes), feed, batch, advance):
                yield layer
                if not layer.within and not every_layer:
                    return

    def _range(self, start: int, end: int, feed, batch: int, advance) -> Iterator[Layer]:
        touched = self._touched(start, end)
        if end - start > 1 and batch * sum(value_bytes(self._graph.values[i]) for i in touched) > BUDGET:
            middle = (start + end) // 2
            yield from self._range(start, middle, feed, batch, advance)
            yield from self._range(middle, end, feed, batch, advance)
            return
        names = [self._graph.values[i].name for i in touched]
        theirs = {**feed, **self._oracle.run(names, feed)}
        ours = self._keeping.values()
        for position in range(start, end):
            node = self._graph.nodes[position]
            advance(label=f"Comparing layer {position + 1} of {len(self._graph.nodes)}")
            layer = self._layer(node, ours, theirs, batch)
            if layer is not None:
                yield layer

    def _touched(self, start: int, end: int) -> list[int]:
        """Values that the nodes of a range read or write, without weights."""
        nodes = self._graph.nodes[start:end]
        every = dict.fromkeys(i for node in nodes for i in (*node.inputs, *node.outputs) if i is not None)
        return [i for i in every if i not in self._weights]

    def _layer(self, node, ours, theirs, batch: int) -> Layer | None:
        values = self._graph.values
        involved = [i for i in (*node.inputs, *node.outputs) if i is not None and i not in self._weights]
        if node.op not in BOUNDS or any(values[i].name not in theirs for i in involved):
            if node.name not in self.unchecked:
                self.unchecked.append(node.name)
            return None
        inputs: list[np.ndarray | None] = []
        deltas: list[np.ndarray | None] = []
        for i in node.inputs:
            if i is None:
                inputs.append(None)
                deltas.append(None)
            elif i in self._weights:
                inputs.append(self._source_weight(i))
                deltas.append(np.zeros(inputs[-1].shape))
            else:
                inputs.append(theirs[values[i].name])
                deltas.append(difference(ours[values[i].name], inputs[-1]))
        outputs = [theirs[values[i].name] for i in node.outputs]
        step = Step(replace(node, inputs=tuple(range(len(inputs)))), inputs, deltas, outputs, batch)
        worst = None
        for i, y, bound in zip(node.outputs, outputs, bounds(step), strict=True):
            layer = compare(node, values[i].name, ours[values[i].name], y, bound)
            if worst is None or layer.ratio > worst.ratio:
                worst = layer
        return worst

    def _source_weight(self, value: int) -> np.ndarray:
        return source_tensor(self._graph, self._source, self._weights[value])


# Differences


def difference(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """|ours - theirs| in float64; 0 where both are the same infinity or both no number, infinite where only one is."""
    if ours.shape != theirs.shape:
        return np.full(theirs.shape, np.inf)
    with np.errstate(all="ignore"):
        apart = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    odd = ~np.isfinite(apart)
    if odd.any():
        same = (ours == theirs) | ((ours != ours) & (theirs != theirs))
        apart[odd] = np.where(same[odd], 0, np.inf)
    return apart


def compare(node, value: str, ours: np.ndarray, theirs: np.ndarray, bound) -> Layer:
    apart = difference(ours, theirs)
    with np.errstate(all="ignore"):
        ratio = np.where(apart == 0, 0, np.where(np.isinf(bound), 0, apart / bound))
    at = int(ratio.argmax()) if ratio.size else 0
    worst = float(ratio.reshape(-1)[at]) if ratio.size else 0.0
    allowed = float(np.broadcast_to(bound, ratio.shape).reshape(-1)[at]) if ratio.size else 0.0
    return Layer(node.name, node.op, node.module, value, largest(apart), allowed, worst, snr(apart, theirs), worst <= 1)


def output_difference(name: str, ours: np.ndarray, theirs: np.ndarray) -> OutputDifference:
    apart = difference(ours, theirs)
    top1 = None
    if ours.dtype.kind == "f" and ours.ndim >= 2 and ours.shape[-1] > 1 and ours.shape == theirs.shape and ours.size:
        top1 = float((ours.argmax(-1) == theirs.argmax(-1)).mean())
    return OutputDifference(name, largest(apart), snr(apart, theirs), top1)


def snr(apart: np.ndarray, theirs: np.ndarray) -> float:
    """Signal-to-noise ratio in dB; infinite: no noise."""
    noise = float(np.sum(np.square(apart)))
    if noise == 0:
        return math.inf
    with np.errstate(all="ignore"):
        signal = float(np.sum(np.square(theirs, dtype=np.float64)))
    return 10 * math.log10(signal / noise) if 0 < signal < math.inf and noise < math.inf else -math.inf


def largest(array: np.ndarray) -> float:
    return float(array.max()) if array.size else 0.0


def together(runs: list[list[np.ndarray]]) -> list[np.ndarray]:
    """The outputs of several runs, each output's rows one after another."""
    return [np.concatenate(parts) if len(parts) > 1 and parts[0].ndim else parts[0]
            for parts in zip(*runs, strict=True)]


def as_list(result, names: list[str]) -> list[np.ndarray]:
    """What Session.run gave, in the order of the outputs."""
    return [result[name] for name in names] if isinstance(result, dict) else [result]
