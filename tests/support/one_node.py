"""A case as the bytes of a .dsf file, written without the compiler."""

from __future__ import annotations

import numpy as np

from tests.support.dsf_files import build, shift_weight
from tests.support.onnx_models import batch_of, one_node_model, run_onnxruntime

# Which permutation puts the output channel first, by op and rank of the weight.
SHIFT_ORDERS = {
    ("conv", 4): (0, 2, 3, 1),
    ("conv", 3): (0, 2, 1),
    ("conv_transpose", 4): (1, 2, 3, 0),
    ("conv_transpose", 3): (1, 2, 0),
    ("gemm", 2): (0, 1),
    ("mat_mul", 2): (1, 0),
}


def one_node_file(op: str, case, codec: str = "raw", output_types=None) -> bytes:
    """output_types: (dtype, declared shape) each; worked out by ONNX Runtime unless given."""
    values, weights, inputs, names = [], [], [], []
    for i, array in enumerate(case.inputs):
        names.append(None if array is None else f"x{i}")
        if array is None:
            continue
        moving = i not in case.weights
        shape = [-1, *array.shape[1:]] if case.batch and moving else list(array.shape)
        values.append({"name": f"x{i}", "dtype": str(array.dtype), "shape": shape})
        if moving:
            inputs.append(f"x{i}")
        else:
            shift = codec == "shift" and i == 1
            weights.append(as_shift(op, array) if shift else {"value": f"x{i}", "array": array})
    if not inputs:
        values.append({"name": "unused", "shape": [1]})
        inputs.append("unused")
    outputs = [f"y{i}" for i in range(case.outputs)]
    for name, (dtype, shape) in zip(outputs, output_types or types_at(op, case), strict=True):
        values.append({"name": name, "dtype": dtype, "shape": list(shape)})
    node = {"op": op, "name": "node", "inputs": names, "outputs": outputs, "attributes": case.attributes}
    return build(values=values, nodes=[node], weights=weights, inputs=inputs, outputs=outputs)


def types_at(op: str, case) -> list[tuple[str, list[int]]]:
    """The declared output types: run at N and at N + 1; a dimension that moves by k is k · N."""
    batch = batch_of(case)
    one, two = (run_at(op, case, batch + more) for more in (0, 1 if case.batch else 0))
    types = []
    for a, b in zip(one, two, strict=True):
        shape = [m if m == n else m - n for m, n in zip(a.shape, b.shape, strict=True)]
        types.append((str(a.dtype), shape))
    return types


def run_at(op: str, case, batch: int):
    feeds = {}
    for i, array in enumerate(case.inputs):
        if array is not None and i not in case.weights:
            feeds[f"x{i}"] = np.concatenate([array, array[:1]])[:batch] if case.batch else array
    return run_onnxruntime(one_node_model(op, case, batch), feeds)


def is_shift(op: str, case) -> bool:
    """Is input 1 a stored weight of ±2^k, of an op that has an order for it?"""
    if 1 not in case.weights or (op, case.inputs[1].ndim) not in SHIFT_ORDERS:
        return False
    significand, exponent = np.frexp(np.abs(case.inputs[1]))
    return bool((significand == 0.5).all()) and int(np.ptp(exponent)) < 16


def as_shift(op: str, array: np.ndarray) -> dict:
    """The weight with 5 bits and one base per channel."""
    order = SHIFT_ORDERS[op, array.ndim]
    stored = array.transpose(order)
    exponent = np.frexp(np.abs(stored))[1] - 1
    base = exponent.reshape(len(stored), -1).max(1)
    levels = base.reshape(-1, *[1] * (stored.ndim - 1)) - exponent
    return shift_weight("x1", levels.reshape(-1), stored.reshape(-1) < 0, bits=5, base=base, order=order)
