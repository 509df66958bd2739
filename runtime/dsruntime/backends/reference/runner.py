"""reference as a backend: decodes the weights in NumPy, then executes. One thread, no haste.

The limits that the model was opened with hold for the decoded weights and for the values that are held at a time; what
NumPy takes besides while it computes one node is not counted.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from dsruntime.backends import runner
from dsruntime.backends.reference.codecs import decode
from dsruntime.backends.reference.executor import bytes_at_a_time, execute
from dsruntime.backends.runner import Arithmetic, Options, Step, refuse_precision
from dsruntime.caps import DEFAULT_ACTIVATION_BYTES, DEFAULT_WEIGHT_BYTES
from dsruntime.errors import ModelError, raise_limit
from dsruntime.file import Node
from dsruntime.model import Model


def availability() -> tuple[bool, str]:
    return True, "NumPy, every op"


def open_runner(model: Model, threads: int | None, options: Options) -> Runner:
    refuse_precision("reference", options)
    return Runner(model, options.keep_values)


def check_bytes(where: str, what: str, found: int, allowed: int, what_to_do: str) -> None:
    if found > allowed:
        raise ModelError(where, f"its {what} need {found} bytes", f"at most {allowed}", what_to_do)


class Runner(runner.Runner):
    threads = 1
    delays_signals = False

    def __init__(self, model: Model, keep_values: bool) -> None:
        self.graph = model.graph
        self.where = model.path or "model in memory"
        self.activation_bytes = model.limits.activation_bytes or DEFAULT_ACTIVATION_BYTES
        values = [model.graph.values[weight.value] for weight in model.graph.weights]
        size = sum(math.prod(value.shape) * np.dtype(value.dtype).itemsize for value in values)
        check_bytes(
            self.where,
            "decoded weights",
            size,
            model.limits.weight_bytes or DEFAULT_WEIGHT_BYTES,
            "use backend cpu with memory low, or " + raise_limit("weight_bytes"),
        )
        self.weights = [decode(model.graph, weight) for weight in model.graph.weights]
        self.keep_values = keep_values
        self.last: list[Any] = []
        self.seconds: list[float] = []
        self.cancelled = threading.Event()

    def run(self, arrays: Sequence[np.ndarray], batch: int) -> list[np.ndarray]:
        self.seconds = []
        self.cancelled.clear()
        check_bytes(
            f"{self.where}: batch size {batch}",
            "activations",
            bytes_at_a_time(self.graph, batch, self.keep_values),
            self.activation_bytes,
            "run smaller batches, or " + raise_limit("activation_bytes"),
        )
        arrays = [array.copy() for array in arrays]  # an output may be an input; the caller's array stays the caller's
        values = execute(self.graph, self.weights, arrays, batch, self.keep_values, self.seconds, self.cancelled.is_set)
        self.last = values if self.keep_values else []
        return [values[output.value].copy() for output in self.graph.outputs]

    def values(self) -> dict[str, np.ndarray]:
        weights = {weight.value for weight in self.graph.weights}
        return {v.name: self.last[i] for i, v in enumerate(self.graph.values) if i not in weights}

    def profile(self) -> list[Step]:
        timed = zip(self.graph.nodes, self.seconds, strict=True)
        return [
            Step(node.op, node.name, node.module, "numpy", seconds, self.arithmetic(node)) for node, seconds in timed
        ]

    def arithmetic(self, node: Node) -> Arithmetic:
        given = next(index for index in (*node.inputs[:1], *node.outputs) if index is not None)
        dtype = self.graph.values[given].dtype
        return Arithmetic(dtype, dtype)

    def arena_bytes(self) -> None:
        return None

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        self.last, self.weights = [], []
