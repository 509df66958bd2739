"""resolve_auto_pad: SAME_UPPER, SAME_LOWER, VALID and a ConvTranspose's output_shape become explicit pads.

    before   Conv(x [N, 3, 224, 224], w [64, 3, 7, 7]) auto_pad=SAME_UPPER strides=[2, 2]
    after    Conv(x, w) pads=[2, 2, 3, 3] strides=[2, 2]

Runs after infer_shapes: the pads follow from the input's size. Left alone: auto_pad=NOTSET without output_shape, and a
node whose input or weight has no known shape; lower refuses it.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

Sizes = Sequence[int]
OPS = {"Conv", "ConvTranspose", "MaxPool", "AveragePool"}


class ResolveAutoPad(ir.passes.InPlacePass):
    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [node for node in model.graph if node.op_type in OPS and needs_pads(node)]
        for node in found:
            sizes, kernel = data_sizes(node) or (), kernel_shape(node) or ()
            if node.op_type == "ConvTranspose":
                pads, extra = transposed_pads(node, sizes, kernel)
                set_ints(node, "output_padding", extra)
            else:
                pads = window_pads(node, sizes, kernel)
            set_ints(node, "pads", pads)
            for name in ("auto_pad", "output_shape"):
                node.attributes.pop(name, None)
        return ir.passes.PassResult(model, modified=bool(found))


def needs_pads(node: ir.Node) -> bool:
    return says_size(node) and is_whole(node, data_sizes(node), kernel_shape(node))


def is_whole(node: ir.Node, sizes: Sizes | None, kernel: Sizes | None) -> bool:
    """Sizes and kernel are known, and whatever the node says, it says for as many dimensions; lower refuses others."""
    if sizes is None or kernel is None or len(kernel) != len(sizes):
        return False
    said = [ints(node, name, [1] * len(sizes)) for name in ("strides", "dilations", "output_padding")]
    target = ints(node, "output_shape", [1] * len(sizes))
    return all(len(each) == len(sizes) for each in (*said, target[-len(sizes) :])) and min(said[0], default=1) > 0


def says_size(node: ir.Node) -> bool:
    """The node says how large its result is, or VALID, and no pads."""
    return node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in node.attributes


def window_pads(node: ir.Node, sizes: Sizes, kernel: Sizes) -> list[int]:
    mode = node.attributes.get_string("auto_pad", "NOTSET")
    if mode == "VALID":
        return [0] * 2 * len(sizes)
    strides, reach = strides_and_reach(node, kernel)
    outputs = [-(-size // stride) for size, stride in zip(sizes, strides, strict=True)]
    parts = zip(outputs, strides, reach, sizes, strict=True)
    totals = [max((out - 1) * stride + k - size, 0) for out, stride, k, size in parts]
    return shared_out(totals, mode == "SAME_LOWER")


def transposed_pads(node: ir.Node, sizes: Sizes, kernel: Sizes) -> tuple[list[int], list[int]]:
    """Pads and output_padding of a ConvTranspose, as ONNX Runtime has them.

    An output_shape beyond what the inputs reach is filled up at the end, which output_padding says. SAME pads down to
    size * stride; where the kernel is smaller than its stride the result stays smaller than that.
    """
    mode = node.attributes.get_string("auto_pad", "NOTSET")
    strides, reach = strides_and_reach(node, kernel)
    extra = ints(node, "output_padding", [0] * len(sizes))
    full = [(size - 1) * s + k + e for size, s, k, e in zip(sizes, strides, reach, extra, strict=True)]
    if "output_shape" in node.attributes:
        target = list(node.attributes["output_shape"].as_ints())[-len(sizes) :]
        extra = [e + max(t - f, 0) for e, t, f in zip(extra, target, full, strict=True)]
    elif mode == "VALID":
        target = full
    else:
        target = [size * stride for size, stride in zip(sizes, strides, strict=True)]
    totals = [max(f - t, 0) for f, t in zip(full, target, strict=True)]
    return shared_out(totals, mode != "SAME_UPPER"), extra  # as ONNX has it, NOTSET with an output_shape included


def transposed_sizes(node: ir.Node, sizes: Sizes, kernel: Sizes) -> tuple[int, ...]:
    """The spatial sizes of a ConvTranspose that says_size()."""
    pads, extra = transposed_pads(node, sizes, kernel)
    strides, reach = strides_and_reach(node, kernel)
    cut = [first + last for first, last in zip(pads[: len(sizes)], pads[len(sizes) :], strict=True)]
    each = zip(sizes, strides, reach, extra, cut, strict=True)
    return tuple((size - 1) * s + k + e - c for size, s, k, e, c in each)


def strides_and_reach(node: ir.Node, kernel: Sizes) -> tuple[list[int], list[int]]:
    """reach: how many pixels a kernel with its dilation spans."""
    dilations = ints(node, "dilations", [1] * len(kernel))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    return ints(node, "strides", [1] * len(kernel)), reach


def shared_out(totals: list[int], more_first: bool) -> list[int]:
    """Half of each total on either side, the odd one first or last."""
    first = [(total + 1) // 2 if more_first else total // 2 for total in totals]
    return first + [total - begin for total, begin in zip(totals, first, strict=True)]


def data_sizes(node: ir.Node) -> Sizes | None:
    return spatial(node.inputs[0])


def kernel_shape(node: ir.Node) -> Sizes | None:
    if "kernel_shape" in node.attributes:
        return list(node.attributes["kernel_shape"].as_ints())
    return spatial(node.inputs[1] if len(node.inputs) > 1 else None)


def spatial(value: ir.Value | None) -> list[int] | None:
    """The dimensions after the first two, where all of them are known and none follows the batch."""
    sizes = [None] if value is None or value.shape is None else list(value.shape)[2:]
    return sizes if all(isinstance(size, int) for size in sizes) else None  # type: ignore[return-value]


def ints(node: ir.Node, name: str, absent: list[int]) -> list[int]:
    return list(node.attributes[name].as_ints()) if name in node.attributes else absent


def set_ints(node: ir.Node, name: str, values: list[int]) -> None:
    node.attributes.add(ir.AttrInt64s(name, values))
