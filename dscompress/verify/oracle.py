"""The oracle: ONNX Runtime on a graph as it stands.

The weights lie in a file of their own, so a part of the graph is a small file that points into it, and a part computes
no more than what it was asked for.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np


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
        self._last: tuple = (None, None)

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
