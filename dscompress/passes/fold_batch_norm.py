"""fold_batch_norm: a BatchNormalization after a convolution or a Gemm moves into its weight and bias.

    before   BatchNormalization(Conv(x, w, b), scale, bias, mean, var)
    after    Conv(x, w * f, (b - mean) * f + bias)          f = scale / sqrt(var + epsilon), one a channel

The weight of a shift layer stays a shift weight: a float32 product with +-2^k scales exactly, so all weights of a
channel keep one significand, f's, which the encoder recognises by value.

The rules are onnxscript's (Conv, ConvTranspose, Gemm). Left alone: a convolution whose output or whose weight somebody
else reads, parameters that are not constants.
"""

from __future__ import annotations

import onnx_ir as ir
from onnxscript.rewriter.rules.common import (
    fuse_batchnorm_into_conv_rule,
    fuse_batchnorm_into_conv_transpose_rule,
    fuse_batchnorm_into_gemm_rule,
)

RULES = [fuse_batchnorm_into_conv_rule, fuse_batchnorm_into_conv_transpose_rule, fuse_batchnorm_into_gemm_rule]


class FoldBatchNorm(ir.passes.InPlacePass):
    def call(self, model: ir.Model) -> ir.passes.PassResult:
        count = sum(rule.apply_to_model(model) for rule in RULES)
        return ir.passes.PassResult(model, modified=count > 0)
