"""Lowering: each ONNX node that carries data becomes a node of the file; what only computes shapes is left behind.

The graph is walked from its outputs backwards. A lowering keeps the inputs that are data; what fed only a shape, an
axis or a size has become an attribute, so the nodes that computed it are never reached. Everything that cannot be
stored is collected and reported at once.

To add an operator: write its lowering into the file of this folder that it belongs to, and its row into LOWERINGS.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import onnx_ir as ir

from dscompress.compile.lower import compute, movement, resize, windows
from dscompress.compile.lower.source import (
    DTYPES,
    Lowered,
    Source,
    Unknown,
    Unsupported,
    check_fits,
    dtype_name,
    shape_of,
)
from dscompress.errors import CompileError
from dscompress.passes.source import describe, module_path

LOWERINGS: dict[str, Callable[[Source], Lowered]] = {
    "Abs": compute.unary("abs"),
    "Add": compute.binary("add"),
    "ArgMax": compute.arg_max,
    "AveragePool": windows.average_pool,
    "BatchNormalization": compute.batch_normalization,
    "Cast": compute.cast,
    "Clip": compute.clip,
    "Concat": movement.concat,
    "ConstantOfShape": movement.constant_of_shape,
    "Conv": windows.conv,
    "ConvTranspose": windows.conv_transpose,
    "Div": compute.binary("div"),
    "Dropout": movement.dropout,
    "Elu": compute.with_alpha("elu", 1.0),
    "Erf": compute.unary("erf"),
    "Exp": compute.unary("exp"),
    "Expand": movement.to_shape("expand"),
    "Flatten": movement.flatten,
    "Floor": compute.unary("floor"),
    "Gather": movement.gather,
    "Gelu": compute.gelu,
    "Gemm": compute.gemm,
    "GlobalAveragePool": windows.global_pool("global_average_pool"),
    "GlobalMaxPool": windows.global_pool("global_max_pool"),
    "HardSigmoid": compute.hard_sigmoid,
    "HardSwish": compute.unary("hard_swish"),
    "Identity": movement.identity,
    "LayerNormalization": compute.layer_normalization,
    "LeakyRelu": compute.with_alpha("leaky_relu", 0.01),
    "Log": compute.unary("log"),
    "LogSoftmax": compute.softmax("log_softmax"),
    "MatMul": compute.binary("mat_mul"),
    "MaxPool": windows.max_pool,
    "Mul": compute.binary("mul"),
    "Neg": compute.unary("neg"),
    "PRelu": compute.binary("prelu"),
    "Pad": movement.pad,
    "Pow": compute.binary("pow"),
    "Reciprocal": compute.unary("reciprocal"),
    "ReduceMax": compute.reduce("reduce_max"),
    "ReduceMean": compute.reduce("reduce_mean"),
    "ReduceSum": compute.reduce("reduce_sum"),
    "Relu": compute.unary("relu"),
    "Reshape": movement.to_shape("reshape"),
    "Resize": resize.resize,
    "Sigmoid": compute.unary("sigmoid"),
    "Slice": movement.slice_,
    "Softmax": compute.softmax("softmax"),
    "Split": movement.split,
    "Sqrt": compute.unary("sqrt"),
    "Squeeze": movement.squeeze,
    "Sub": compute.binary("sub"),
    "Sum": compute.total,
    "Tanh": compute.unary("tanh"),
    "TopK": compute.top_k,
    "Transpose": movement.transpose,
    "Unsqueeze": movement.unsqueeze,
    "Upsample": resize.upsample,
}

# What a pass of the pipeline turns into operators above.
BY_PASSES = {"Constant": "constants", "Swish": "sigmoid and mul"}

RECURRENT = "recurrent layers cannot be exported: use convolutions or linear layers over the time axis"
MASK = "multiply with masks of 0 and 1 that are constants or inputs, or use clamp and relu"
POWERS = "write it with x * x, sum, sqrt and a division"
NORMS = "use BatchNorm2d, which is folded into the convolution before it, or LayerNorm"
SHUFFLE = "write it with reshape, permute and reshape"
QUANTISED = "export the model in float32, before quantisation"
BRANCH = "a file has no branches: export with the condition a constant; if it asks for the batch, --no-dynamic-batch"
LOOP = "a file has no loops: unroll it; torch.export unrolls a Python loop over a fixed count"
ADVICE = {
    "Ceil": "write it as -floor(-x)",
    "Celu": "use ELU, or write it with exp and relu",
    "CumSum": "multiply with a triangle of ones",
    "DepthToSpace": SHUFFLE,
    "DequantizeLinear": QUANTISED,
    "Einsum": "write it with matmul and transpose",
    "Equal": MASK,
    "GRU": RECURRENT,
    "Greater": MASK,
    "GreaterOrEqual": MASK,
    "GroupNormalization": NORMS,
    "If": BRANCH,
    "InstanceNormalization": NORMS,
    "LSTM": RECURRENT,
    "Less": MASK,
    "LessOrEqual": MASK,
    "Loop": LOOP,
    "LpNormalization": POWERS,
    "Max": "of x and a number, use clamp; of two tensors, write b + relu(a - b)",
    "Min": "of x and a number, use clamp; of two tensors, write a - relu(a - b)",
    "Mish": "write it with exp, log and tanh",
    "QuantizeLinear": QUANTISED,
    "RNN": RECURRENT,
    "ReduceL1": "write it with abs and sum",
    "ReduceL2": POWERS,
    "ReduceMin": "write it as -(-x).amax()",
    "ReduceSumSquare": "write it with x * x and sum",
    "Scan": LOOP,
    "SequenceMap": LOOP,
    "Softplus": "write it with exp and log",
    "SpaceToDepth": SHUFFLE,
    "Tile": "use expand where one entry is repeated, or cat",
    "Where": MASK,
}


@dataclass(frozen=True)
class LoweredNode:
    """A node of the file, still with the graph's values."""

    op: str
    name: str
    module: str
    inputs: list[ir.Value | None]
    outputs: list[ir.Value]
    attributes: dict


def supported_ops() -> dict[str, str]:
    """ONNX operators that export takes, and what stands in the file for each."""
    names = {name: lowering_name(name) for name in LOWERINGS if name != "Dropout"}
    return dict(sorted({**names, **BY_PASSES, "Dropout": "nothing, it is removed"}.items()))


def lowering_name(op_type: str) -> str:
    snake = "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(op_type))
    return {"p_relu": "prelu", "sum": "add", "upsample": "resize"}.get(snake, snake)


def lower(model: ir.Model) -> list[LoweredNode]:
    """The nodes of the file in topological order, or one CompileError that names everything in the way."""
    for ends, what in ((model.graph.inputs, "input"), (model.graph.outputs, "output")):
        if not ends:
            raise CompileError(model_name(model), f"has no {what}", "a model that computes outputs from inputs")
    opset = model.graph.opset_imports.get("", 20)
    problems: dict[ir.Node, Unsupported] = {}
    needed = set(model.graph.outputs)
    nodes: list[LoweredNode] = []
    for node in reversed(model.graph):
        if needed.isdisjoint(node.outputs):
            continue
        try:
            lowered = lower_node(node, opset)
        except Unsupported as reason:
            problems[node] = reason
            needed.update(value for value in node.inputs if value is not None and not is_known(value))
            continue
        nodes.append(lowered)
        needed.update(value for value in lowered.inputs if value is not None)
    if problems:
        roots = {node: reason for node, reason in problems.items() if not follows_another(node, reason, problems)}
        count = "1 node cannot be stored" if len(roots) == 1 else f"{len(roots)} nodes cannot be stored"
        raise CompileError(model_name(model), count, details=one_line_a_kind(roots))
    return nodes[::-1]


def follows_another(node: ir.Node, reason: Unsupported, problems: dict[ir.Node, Unsupported]) -> bool:
    """A shape or a type is unknown because a node before this one cannot be stored."""
    if not isinstance(reason, Unknown):
        return False
    seen: set[ir.Node] = set()
    waiting = [value.producer() for value in node.inputs if value is not None]
    while waiting:
        earlier = waiting.pop()
        if earlier is None or earlier in seen:
            continue
        if earlier in problems:
            return True
        seen.add(earlier)
        waiting.extend(value.producer() for value in earlier.inputs if value is not None)
    return False


def one_line_a_kind(problems: dict[ir.Node, Unsupported]) -> list[str]:
    """From the first node on; problems of one operator that differ in names and numbers alone share a line."""
    kinds: dict[tuple[str, str], list[ir.Node]] = {}
    for node in reversed(problems):
        kind = node.op_type, re.sub(r"'[^']*'|[-\d, ]+", "", problems[node].why)
        kinds.setdefault(kind, []).append(node)
    lines = []
    for first, *others in kinds.values():
        reason, more = problems[first], f" and {len(others)} more" if others else ""
        lines.append("; ".join(filter(None, [f"{describe(first)}{more}: {reason.why}", reason.suggestion])))
    return lines


def lower_node(node: ir.Node, opset: int) -> LoweredNode:
    if node.domain not in ("", "ai.onnx"):
        raise Unsupported(f"the domain '{node.domain}' is not supported", "export with standard ONNX operators")
    if node.op_type not in LOWERINGS:
        raise Unsupported(*unknown(node))
    for refusal in filter(None, (value.meta.get("refusal") for value in node.outputs)):
        raise Unsupported(f"ONNX's shape inference refuses it: {refusal}", "correct the model and export it again")
    lowered = LOWERINGS[node.op_type](Source(node, node.version or opset))
    outputs = list(node.outputs[: lowered.outputs])
    for index, value in enumerate(outputs):
        value.name = value.name or f"{node.name}_{index}"
        check_output(value)
    return LoweredNode(lowered.op, node.name or "", module_path(node), lowered.inputs, outputs, lowered.attributes)


def unknown(node: ir.Node) -> tuple[str, str]:
    if any("per_batch" in value.meta for value in node.outputs):
        return (
            "it computes data that depends on the batch size in a way the file cannot hold",
            "export with a fixed batch size: --no-dynamic-batch",
        )
    return "the operator is not supported", ADVICE.get(node.op_type, "`dscompress ops` lists what is")


def check_output(value: ir.Value) -> None:
    check_fits(shape_of(value), "its result")
    if value.dtype not in DTYPES:
        raise Unsupported(f"its result is {dtype_name(value.dtype)}", "export the model in float32: model.float()")


def is_known(value: ir.Value) -> bool:
    return value.is_initializer() or "constant" in value.meta or "per_batch" in value.meta


def model_name(model: ir.Model) -> str:
    return model.graph.name or "model"
