"""Runs a captured graph in ONNX Runtime."""

import numpy as np
import onnx_ir as ir
import onnxruntime


def run(model: ir.Model, *arrays: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    names = [value.name for value in session.get_inputs()]
    return session.run(None, dict(zip(names, arrays, strict=True)))[0]


def first_dims(model: ir.Model) -> list:
    return [str(value.shape[0]) for value in model.graph.inputs]
