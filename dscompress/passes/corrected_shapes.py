"""corrected_shapes: output shapes where ONNX's own inference differs from what ONNX Runtime computes.

pool with ceil_mode   a last window that would start in the padding after the image does not count
transposed conv       with auto_pad=SAME_UPPER or SAME_LOWER, output_padding is part of size * stride, not beside it
resize by scales      floor(size * scale) in float32, as the scales are: 6 * float32(7 / 6) is 7, not 6.9999998
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from dscompress.passes.resolve_auto_pad import is_whole, kernel_shape, says_size, transposed_sizes

MOST_SIZE = 1 << 31
POOLS = ("MaxPool", "AveragePool", "LpPool")


def corrected(node: ir.Node, before: tuple[int, ...] | None, after: tuple[int, ...], inputs: list) -> tuple[int, ...]:
    """before and after: shapes of input 0 and of the output as inferred; inputs: arrays where they are known."""
    if before is None or len(before) != len(after):
        return after
    if node.op_type in POOLS and node.attributes.get_int("ceil_mode", 0) != 0:
        return (*after[:2], *windows(node, before[2:], after[2:]))
    if node.op_type == "ConvTranspose" and says_size(node) and is_whole(node, before[2:], kernel_shape(node)):
        return (*after[:2], *transposed_sizes(node, before[2:], kernel_shape(node) or ()))
    if node.op_type == "Resize" and len(inputs) > 2:
        return scaled(node, before, after, inputs[2])
    if node.op_type == "Upsample" and len(inputs) > 1:
        return scaled(node, before, after, inputs[1])
    return after


def windows(node: ir.Node, before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    if node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return after
    strides = node.attributes.get_ints("strides", [1] * len(before))
    pads = node.attributes.get_ints("pads", [0] * 2 * len(before))
    if len(strides) != len(before) or len(pads) < len(before):
        return after
    starts_outside = [
        (count - 1) * stride >= size + pad
        for size, count, stride, pad in zip(before, after, strides, pads, strict=False)
    ]
    return tuple(count - outside for count, outside in zip(after, starts_outside, strict=True))


def scaled(node: ir.Node, before: tuple[int, ...], after: tuple[int, ...], scales) -> tuple[int, ...]:
    axes = node.attributes.get_ints("axes", list(range(len(before))))
    if scales is None or np.size(scales) != len(axes) or any(not -len(before) <= axis < len(before) for axis in axes):
        return after
    result = list(after)
    for axis, scale in zip(axes, np.asarray(scales, np.float32).reshape(-1), strict=True):
        with np.errstate(over="ignore", invalid="ignore"):
            size = np.float32(before[axis]) * scale
        if not 0 <= size < MOST_SIZE:  # NaN among them
            return after
        result[axis] = int(size)
    return tuple(result)
