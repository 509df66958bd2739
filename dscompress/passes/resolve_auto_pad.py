"""resolve_auto_pad: SAME_UPPER, SAME_LOWER, VALID and a ConvTranspose's output_shape become explicit pads.

    before   Conv(x [N, 3, 224, 224], w [64, 3, 7, 7]) auto_pad=SAME_UPPER strides=[2, 2]
    after    Conv(x, w) pads=[2, 2, 3, 3] strides=[2, 2]

Runs after infer_shapes: the pads follow from the input's size. Left alone: auto_pad=NOTSET without output_shape, and a
node whose input or weight has no known shape; lower refuses it.
"""

from __future__ import annotations

import onnx_ir as ir

from dscompress.passes import batch

OPS = {"Conv", "ConvTranspose", "MaxPool", "AveragePool"}


class ResolveAutoPad(ir.passes.InPlacePass):
    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [node for node in model.graph if node.op_type in OPS and needs_pads(node)]
        for node in found:
            set_ints(node, "pads", explicit_pads(node))
            for name in ("auto_pad", "output_shape"):
                node.attributes.pop(name, None)
        return ir.passes.PassResult(model, modified=bool(found))


def needs_pads(node: ir.Node) -> bool:
    given = node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in node.attributes
    return given and data_shape(node) is not None and kernel_shape(node) is not None


def explicit_pads(node: ir.Node) -> list[int]:
    mode = node.attributes.get_string("auto_pad", "NOTSET")
    sizes = (data_shape(node) or ())[2:]
    kernel = kernel_shape(node) or []
    rank = len(sizes)
    strides = ints(node, "strides", [1] * rank)
    dilations = ints(node, "dilations", [1] * rank)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    if mode == "VALID" and "output_shape" not in node.attributes:
        return [0] * 2 * rank
    if node.op_type == "ConvTranspose":
        extra = ints(node, "output_padding", [0] * rank)
        target = ints(node, "output_shape", [size * stride for size, stride in zip(sizes, strides, strict=True)])
        full = [(size - 1) * s + k for size, s, k in zip(sizes, strides, reach, strict=True)]
        totals = [max(f + e - t, 0) for f, e, t in zip(full, extra, target[-rank:], strict=True)]
        more_first = mode != "SAME_UPPER"  # as ONNX has it, NOTSET with an output_shape included
    else:
        outputs = [-(-size // stride) for size, stride in zip(sizes, strides, strict=True)]
        parts = zip(outputs, strides, reach, sizes, strict=True)
        totals = [max((out - 1) * stride + k - size, 0) for out, stride, k, size in parts]
        more_first = mode == "SAME_LOWER"
    first = [(total + 1) // 2 if more_first else total // 2 for total in totals]
    return first + [total - begin for total, begin in zip(totals, first, strict=True)]


def data_shape(node: ir.Node) -> tuple[int, ...] | None:
    data = node.inputs[0]
    return batch.dimensions(data) if data is not None and data.shape is not None else None


def kernel_shape(node: ir.Node) -> list[int] | None:
    if "kernel_shape" in node.attributes:
        return list(node.attributes["kernel_shape"].as_ints())
    weight = node.inputs[1] if len(node.inputs) > 1 else None
    return list(batch.dimensions(weight)[2:]) if weight is not None and weight.shape is not None else None


def ints(node: ir.Node, name: str, absent: list[int]) -> list[int]:
    return list(node.attributes[name].as_ints()) if name in node.attributes else absent


def set_ints(node: ir.Node, name: str, values: list[int]) -> None:
    node.attributes.add(ir.AttrInt64s(name, values))
