"""corrected_shapes: output shapes where ONNX's own inference differs from what ONNX Runtime computes.

    pool with ceil_mode   a last window that would start in the padding after the image does not count
    transposed conv       with auto_pad=SAME_UPPER or SAME_LOWER, output_padding is part of size * stride, not beside it
    resize by scales      floor(size * scale) in float32, as the scales are: 6 * float32(7 / 6) is 7, not 6.9999998
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from dscompress.passes.resolve_auto_pad import kernel_shape, says_size, transposed_sizes

POOLS = ("MaxPool", "AveragePool", "LpPool")


def corrected(node: ir.Node, before: tuple[int, ...] | None, after: tuple[int, ...], inputs: list) -> tuple[int, ...]:
    """before and after: shapes of input 0 and of the output as inferred; inputs: arrays where they are known."""
    if before is None or len(before) != len(after):
        return after
    if node.op_type in POOLS and node.attributes.get_int("ceil_mode", 0):
        return (*after[:2], *windows(node, before[2:], after[2:]))
    if node.op_type == "ConvTranspose" and says_size(node) and (kernel := kernel_shape(node)) is not None:
        return (*after[:2], *transposed_sizes(node, before[2:], kernel))
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
    starts_outside = [
        (count - 1) * stride >= size + pad
        for size, count, stride, pad in zip(before, after, strides, pads, strict=False)
    ]
    return tuple(count - outside for count, outside in zip(after, starts_outside, strict=True))


def scaled(node: ir.Node, before: tuple[int, ...], after: tuple[int, ...], scales) -> tuple[int, ...]:
    if scales is None or np.size(scales) == 0:
        return after
    axes = node.attributes.get_ints("axes", list(range(len(before))))
    result = list(after)
    for axis, scale in zip(axes, np.asarray(scales, np.float32), strict=False):
        result[axis] = int(np.float32(before[axis]) * scale)
    return tuple(result)
