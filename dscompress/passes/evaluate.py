"""Evaluates one node whose inputs are all known, with ONNX's own reference implementation in NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

# What exporters compute shapes, indices, masks and weights with. Each is known to take time and memory in proportion to
# its inputs and its output; LOOPS are those that the reference implementation computes entry by entry in Python.
EVALUATED = {
    "Abs", "Acos", "Add", "And", "ArgMax", "ArgMin", "Asin", "Atan", "BitShift", "BitwiseAnd", "BitwiseNot",
    "BitwiseOr", "BitwiseXor", "Cast", "CastLike", "Ceil", "Clip", "Compress", "Concat", "Constant", "ConstantOfShape",
    "Cos", "Cosh", "CumSum", "DequantizeLinear", "Div", "Equal", "Erf", "Exp", "Expand", "EyeLike", "Flatten", "Floor",
    "Gather", "GatherElements", "GatherND", "Greater", "GreaterOrEqual", "HardSigmoid", "Identity", "IsInf", "IsNaN",
    "LeakyRelu", "Less", "LessOrEqual", "Log", "MatMul", "Max", "Mean", "Min", "Mod", "Mul", "Neg", "NonZero", "Not",
    "OneHot", "Or", "PRelu", "Pad", "Pow", "QuantizeLinear", "Range", "Reciprocal", "ReduceL1", "ReduceL2",
    "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Round",
    "ScatterElements", "ScatterND", "Shape", "Sigmoid", "Sign", "Sin", "Sinh", "Size", "Slice", "Softmax", "Softplus",
    "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tan", "Tanh", "Tile", "TopK", "Transpose", "Trilu", "Unsqueeze", "Where",
    "Xor",
}  # fmt: skip
LOOPS = {"Erf", "GatherElements", "GatherND", "ScatterElements", "ScatterND"}
LOOP_STEPS = 64
NO_LARGER = {"Compress", "NonZero"}  # the size of their output is in their input, but it has a bound
MOST_MADE = 1 << 24  # elements that constants may grow to in one walk of a graph, beside 4 times its weights
MOST_STEPS = 1 << 30  # operations, beside 16 times its weights


@dataclass
class Budget:
    """What may still be evaluated in one walk of a graph: no node is large, but there may be many."""

    made: int = MOST_MADE
    steps: int = MOST_STEPS

    @classmethod
    def of(cls, graph: ir.Graph) -> Budget:
        held = sum(math.prod(value.const_value.shape.numpy()) for value in graph.initializers.values()
                   if value.const_value is not None)  # fmt: skip
        return cls(MOST_MADE + 4 * held, MOST_STEPS + 16 * held)

    def allows(self, node: ir.Node, inputs: list[np.ndarray | None], shapes: list, most: int) -> bool:
        """Whether to evaluate a node whose outputs have these shapes, `most` elements at most; then it is counted."""
        given = sum(array.size for array in inputs if array is not None)
        if node.op_type in NO_LARGER:
            shapes = [(given * 8,)]
        if any(shape is None or min(shape, default=0) < 0 for shape in shapes):
            return False
        made = sum(map(math.prod, shapes))
        steps = (given + made) * (LOOP_STEPS if node.op_type in LOOPS else 1)
        if node.op_type == "MatMul" and inputs[0] is not None:
            steps += made * inputs[0].shape[-1] if inputs[0].ndim else 0
        if made > min(most, self.made) or steps > self.steps:
            return False
        self.made, self.steps = self.made - made, self.steps - steps
        return True


def can_evaluate(node: ir.Node) -> bool:
    return node.domain in ("", "ai.onnx") and node.op_type in EVALUATED


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
        return ir.serde.serialize_tensor(value)
    return list(value) if isinstance(value, tuple) else value
