"""Evaluates one node whose inputs are all known, with ONNX's own reference implementation in NumPy."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}


def can_evaluate(node: ir.Node) -> bool:
    """False for what is random, has a body of its own, or is no standard operator."""
    if node.domain not in ("", "ai.onnx") or node.op_type in RANDOM:
        return False
    return not any(attr.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for attr in node.attributes.values())


def evaluate(node: ir.Node, inputs: list[np.ndarray | None], opset: int) -> list[np.ndarray] | None:
    """The outputs, or None where the reference implementation has no answer."""
    from onnx.reference.ops import load_op

    values = {name: plain(attr.value) for name, attr in node.attributes.items()}
    try:
        with np.errstate(all="ignore"):
            results = load_op("", node.op_type, opset).eval(*inputs, n_outputs=len(node.outputs), **values)
    except Exception:  # an operator it lacks, or inputs it refuses: the node simply stays
        return None
    results = results if isinstance(results, tuple) else (results,)
    if not all(isinstance(result, (np.ndarray, np.generic)) for result in results):
        return None
    return [np.asarray(result) for result in results]


def plain(value):
    """An attribute's value as the reference implementation takes it."""
    if isinstance(value, ir.TensorProtocol):
        return value.numpy()
    return list(value) if isinstance(value, tuple) else value
