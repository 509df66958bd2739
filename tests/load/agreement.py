"""Whatever file is accepted, cpu computes what the reference does, node by node, or both refuse alike.

Floats may be apart by verify's bounds, given how far apart a node's inputs were; what is no float, and what is moved or
chosen, is equal. Where a node's inputs are equal, infinities and NaN of its results are where the reference has them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dscompress.verify.layers import Comparison, as_list
from dsruntime import BackendError, Model, ModelError
from tests.load.damage import LIMITS, sized

MOST_INPUT = 1 << 12  # elements
MOST_WORK = 1 << 24  # of loops and products that the reference takes one by one
# Sums, in which infinities may meet in another order, and Winograd's tiles, over which they spread.
SUMS = {
    "conv",
    "conv_transpose",
    "gemm",
    "mat_mul",
    "average_pool",
    "global_average_pool",
    "reduce_mean",
    "reduce_sum",
    "batch_normalization",
    "layer_normalization",
    "resize",
}
ALMOST_TOO_LARGE, ALMOST_NOTHING = 1e37, 1e-36  # the one side may be infinite, or 0, and its reciprocal infinite
SPECIALS = np.float32([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-40, 3e38, -3e38, 88.8, -103.5, 1e10, -20.0])


def check_agreement(
    data: bytes, numbers: np.random.Generator | None = None, options: dict[str, Any] | None = None
) -> str:
    """Returns "refused", "large", "refused to run" or "agreed"; raises AssertionError where the backends differ."""
    numbers = numbers or np.random.default_rng(1)
    try:
        model = Model.open(data, limits=LIMITS)
    except ModelError:
        return "refused"
    outcome = "agreed"
    for batch in (1, 2):
        if is_large(model, batch):
            return "large"
        feed = {info.name: made_up([sized(d, batch) for d in info.shape], info.dtype, numbers) for info in model.inputs}
        ours, theirs = (refusal(model, backend, feed, options or {}) for backend in ("cpu", "reference"))
        assert bool(ours) == bool(theirs), f"one backend refuses to run, the other does not: {ours or theirs}"
        if ours:
            outcome = "refused to run"
        else:
            compare(model, feed, batch, options or {})
    return outcome


def is_large(model: Model, batch: int) -> bool:
    """More elements than MOST_INPUT, or a node with more work than is worth its time."""
    graph = model.graph
    counts = [float(np.prod([float(d if d >= 0 else -d * batch) for d in value.shape])) for value in graph.values]
    if sum(counts[entry.value] for entry in graph.inputs) > MOST_INPUT:
        return True
    for node in graph.nodes:
        taps = float(np.prod([float(k) for k in node.attributes.get("kernel_shape", ())]))
        reads = counts[node.inputs[1]] if len(node.inputs) > 1 and node.inputs[1] is not None else 1.0
        if counts[node.outputs[0]] * max(taps, reads) > MOST_WORK:
            return True
    return False


def made_up(shape: list[int], dtype: str, numbers: np.random.Generator) -> np.ndarray:
    """Small numbers; half of the time with some that functions treat apart."""
    if not dtype.startswith("float"):
        lowest, highest = ((0, 2), (0, 2), (-3, 9))[numbers.integers(3)] if dtype != "bool" else (0, 2)
        return numbers.integers(lowest, highest, shape).astype(dtype)
    array = np.asarray(numbers.standard_normal(shape) * 3).astype(dtype)
    if numbers.integers(2):
        places = numbers.random(shape) < 0.2
        array = np.where(places, numbers.choice(SPECIALS, shape), array).astype(dtype)
    return array


def refusal(model: Model, backend: str, feed: dict, options: dict) -> str:
    """Why a backend does not run it; "" if it does."""
    try:
        with model.session(backend, 1, **(options if backend == "cpu" else {})) as session:
            session.run(feed)
    except (ModelError, BackendError) as error:
        return str(error)
    return ""


class Reference:
    """The reference backend in the place of verify's oracle."""

    def __init__(self, model: Model) -> None:
        self.session = model.session("reference", keep_values=True)

    def run(self, names: list[str], feed: dict) -> dict[str, np.ndarray]:
        self.session.run(feed)
        values = self.session.values()
        return {name: values[name] for name in names}

    def outputs(self, feed: dict) -> list[np.ndarray]:
        return as_list(self.session.run(feed), [info.name for info in self.session.outputs])


class Agreement(Comparison):
    """verify's comparison, with the file's own weights."""

    def __init__(self, model: Model, reference: Reference, options: dict) -> None:
        super().__init__(model, None, reference, {"backend": "cpu", **options})  # type: ignore[arg-type]
        self.decoded = {weight.value: model.decode_weight(i) for i, weight in enumerate(model.graph.weights)}

    def _source_weight(self, value: int) -> np.ndarray:
        return self.decoded[value]


def compare(model: Model, feed: dict, batch: int, options: dict) -> None:
    graph, reference = model.graph, Reference(model)
    comparison = Agreement(model, reference, {"threads": 1, **options})
    comparison._keeping.run(feed)
    with np.errstate(all="ignore"):
        for layer in comparison._range(0, len(graph.nodes), feed, batch, lambda **_: None):
            assert layer.within, (
                f"batch {batch}, {options}: '{layer.value}' of {layer.op} is {layer.error:.3g} away, "
                f"{layer.ratio:.3g} × its bound"
            )
        ours, theirs = comparison._keeping.values(), reference.run([v.name for v in values_of(graph)], feed)
        for node in graph.nodes:
            check_specials(graph, node, ours, theirs)
        apart = comparison.apart([feed], comparison.outputs([feed], reference))
        assert not apart, f"batch {batch}, {options}: {apart}"


def values_of(graph) -> list:
    weights = {weight.value for weight in graph.weights}
    return [value for i, value in enumerate(graph.values) if i not in weights]


def check_specials(graph, node, ours: dict, theirs: dict) -> None:
    names = [graph.values[i].name for i in node.inputs if i is not None]
    if node.op in SUMS or any(name in theirs and not same(ours[name], theirs[name]) for name in names):
        return
    for name in (graph.values[i].name for i in node.outputs):
        have, want = ours[name], theirs[name]
        if want.dtype.kind != "f":
            continue
        size = np.abs(want.astype(np.float64))
        sure = np.isnan(want) | (size < ALMOST_TOO_LARGE) | np.isinf(want) & (np.abs(have) < ALMOST_TOO_LARGE)
        odd = sure & (
            (np.isnan(have) != np.isnan(want)) | (np.isinf(have) != np.isinf(want)) | np.isinf(want) & (have != want)
        )
        assert not odd.any(), f"'{name}' of {node.op} is {have[odd][0]}, and {want[odd][0]} of the reference"


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(((a == b) | ((a != a) & (b != b))).all())
