"""reference as a backend: decodes the weights in NumPy, then executes. One thread, no limits, no haste."""

from __future__ import annotations

from dsruntime.backends import refuse_precision
from dsruntime.backends.reference.codecs import decode
from dsruntime.backends.reference.executor import execute
from dsruntime.session import Arithmetic, Step


def availability() -> tuple[bool, str]:
    return True, "NumPy, every op"


def open_runner(model, threads, options):
    refuse_precision("reference", options)
    return Runner(model, options.keep_values)


class Runner:
    threads = 1

    def __init__(self, model, keep_values) -> None:
        self.graph = model.graph
        self.weights = [decode(model.graph, weight) for weight in model.graph.weights]
        self.keep_values = keep_values
        self.last: list = []
        self.seconds: list[float] = []

    def run(self, arrays, batch):
        self.seconds = []
        arrays = [array.copy() for array in arrays]  # an output may be an input; the caller's array stays the caller's
        values = execute(self.graph, self.weights, arrays, batch, self.keep_values, self.seconds)
        self.last = values if self.keep_values else []
        return [values[output.value].copy() for output in self.graph.outputs]

    def values(self):
        weights = {weight.value for weight in self.graph.weights}
        return {v.name: self.last[i] for i, v in enumerate(self.graph.values) if i not in weights}

    def profile(self):
        timed = zip(self.graph.nodes, self.seconds, strict=True)
        return [Step(node.op, node.name, node.module, "numpy", seconds, self.arithmetic(node))
                for node, seconds in timed]

    def arithmetic(self, node) -> Arithmetic:
        given = next(index for index in (*node.inputs[:1], *node.outputs) if index is not None)
        dtype = self.graph.values[given].dtype
        return Arithmetic(dtype, dtype)

    def arena_bytes(self):
        return None

    def close(self) -> None:
        self.last, self.weights = [], []
