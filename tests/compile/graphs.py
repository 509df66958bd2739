"""ONNX graphs as text, and what the compiler's tests do with them."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime

from dscompress import compile_model
from dsruntime import Model

onnxruntime.set_default_logger_severity(4)


def parse(text: str, opset: int = 20, **initializers: np.ndarray) -> ir.Model:
    """text: name (inputs) => (outputs) { nodes }; initializers that are arrays come as keywords."""
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : {opset}, "com.microsoft" : 1]> {text}')
    for name, array in initializers.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return ir.from_proto(model)


def run_onnx(model: ir.Model, *inputs: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()  # optimised, it may compute in int8 where the graph holds a DequantizeLinear
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), options)
    names = [value.name for value in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


def save(model: ir.Model, folder) -> str:
    path = str(folder / "model.onnx")
    ir.save(model, path)
    return path


def compile_graph(model: ir.Model, folder, **options):
    return compile_model(save(model, folder), **options)


def run_dsf(data: bytes, *inputs: np.ndarray, backend: str = "reference") -> list[np.ndarray]:
    session = Model.open(data).session(backend)
    names = [value.name for value in session.inputs]
    result = session.run(dict(zip(names, inputs, strict=True)))
    return list(result.values()) if isinstance(result, dict) else [result]


def op_types(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
