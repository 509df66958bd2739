"""fold_batch_norm: a BatchNormalization after a convolution or a Gemm moves into its weight and bias.

    before   BatchNormalization(Conv(x, w, b), scale, bias, mean, var)
    after    Conv(x, w * f, (b - mean) * f + bias)          f = scale / sqrt(var + epsilon), one a channel

The weight of a shift layer stays a shift weight: a float32 product with +-2^k scales exactly, so all weights of a
channel keep one significand, f's, which the encoder recognises by value.

The rules are onnxscript's (Conv, ConvTranspose, Gemm). Left alone: a convolution whose output or whose weight somebody
else reads, parameters that are not constants; all, where the parameters of one do not fit or it is in training mode.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import onnx_ir as ir
from onnxscript.rewriter.rules.common import (
    fuse_batchnorm_into_conv_rule,
    fuse_batchnorm_into_conv_transpose_rule,
    fuse_batchnorm_into_gemm_rule,
)

from dscompress.library import refusals_of

RULES = [fuse_batchnorm_into_conv_rule, fuse_batchnorm_into_conv_transpose_rule, fuse_batchnorm_into_gemm_rule]


class FoldBatchNorm(ir.passes.InPlacePass):
    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if not all(fits(node) for node in model.graph if node.op_type == "BatchNormalization"):
            return ir.passes.PassResult(model, modified=False)
        with refusals_of("onnxscript's fusion of a BatchNormalization", model.graph.name or "model"):
            count = sum(rule.apply_to_model(model) for rule in RULES)
        return ir.passes.PassResult(model, modified=count > 0)


def fits(node: ir.Node) -> bool:
    """Vectors of one length, that of the weight's output channels: the rules would broadcast others to any size."""
    shapes = {shape for value in node.inputs[1:5] if (shape := shape_of(value)) is not None}
    if node.attributes.get_int("training_mode", 0) or len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        return False
    before = node.inputs[0].producer() if node.inputs[0] is not None else None
    if not shapes or before is None or before.op_type not in CHANNELS:
        return True
    length, weight = shapes.pop()[0], shape_of(before.inputs[1])
    bias = shape_of(before.inputs[2]) if len(before.inputs) > 2 else None
    if bias and bias[-1] != length and math.prod(bias) > 1:
        return False
    return weight is None or (len(weight) > 1 and CHANNELS[before.op_type](before, weight) == length)


def shape_of(value: ir.Value | None) -> tuple[int, ...] | None:
    """Of a constant."""
    return None if value is None or value.const_value is None else tuple(value.const_value.shape.numpy())


# The output channels of a weight.
CHANNELS: dict[str, Callable[[ir.Node, tuple[int, ...]], int]] = {
    "Conv": lambda node, weight: weight[0],
    "ConvTranspose": lambda node, weight: weight[1] * node.attributes.get_int("group", 1),
    "Gemm": lambda node, weight: weight[0 if node.attributes.get_int("transB", 0) else 1],
}
