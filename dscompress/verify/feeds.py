"""What both sides are fed: random numbers or the user's, in batches that fit in memory."""

from __future__ import annotations

import math

import numpy as np

from dscompress.errors import ModelError
from dscompress.verify.matching import shown
from dsruntime.file import at_batch

BUDGET = 256 << 20  # bytes of a model's values held at once, on either side
SAMPLES = 8  # random ones, unless said otherwise
LAYER_SAMPLES = 2  # layers are compared on this many samples, outputs on all


def make_feeds(graph, samples: int | None, given: np.ndarray | None, seed: int) -> list[dict[str, np.ndarray]]:
    """Batches for both sides: as many rows as BUDGET has room for, or as a fixed batch says."""
    values = [graph.values[entry.value] for entry in graph.inputs]
    rows, fixed = rows_of(values[0].shape)
    if given is not None:
        check_given(values, given)
        given = evenly(given, rows, samples)
        samples = len(given) // rows
    samples = samples or SAMPLES
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


def evenly(given: np.ndarray, rows: int, samples: int | None) -> np.ndarray:
    """So many of the samples, each of which has `rows` rows, from all over the array."""
    count = len(given) // rows
    if samples is None or samples >= count:
        return given
    chosen = np.arange(samples) * count // samples
    return given[(chosen[:, None] * rows + np.arange(rows)).reshape(-1)]


def rows_of(shape) -> tuple[int, bool]:
    """Rows of the first axis for one sample, and whether the batch is fixed."""
    if not shape:
        return 1, True
    return (shape[0], True) if shape[0] >= 0 else (-shape[0], False)


def check_given(values, given: np.ndarray) -> None:
    if len(values) != 1:
        raise ModelError(
            "inputs",
            f"one array for a model with {len(values)} inputs",
            "a model with one input",
            "leave the inputs out: random ones are made for every input",
        )
    value = values[0]
    rows, _ = rows_of(value.shape)
    fits = given.ndim == len(value.shape) and given.shape[1:] == at_batch(value.shape, 1)[1:]
    if not fits or len(given) == 0 or len(given) % rows:
        raise ModelError(
            "inputs", f"an array of shape {given.shape}", f"{shown(value.shape)}, as input '{value.name}' has it"
        )
    if str(given.dtype) != value.dtype:
        raise ModelError("inputs", f"an array of {given.dtype}", f"{value.dtype}, as input '{value.name}' has it")


def random_array(numbers, value, batch: int) -> np.ndarray:
    """Normally distributed floats; whole numbers 0 and 1, which are indices into anything."""
    shape = at_batch(value.shape, batch)
    if value.dtype.startswith("float"):
        return numbers.standard_normal(shape).astype(value.dtype)
    return numbers.integers(0, 2, shape).astype(value.dtype)


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
