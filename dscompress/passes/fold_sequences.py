"""fold_sequences: sequences and branches that need not be there become plain operators.

    before   SequenceAt(SplitToSequence(x, split, axis), 1) , If(constant) {...}
    after    Split(x, split), second output                 , the branch that is taken

onnxscript's constant folder does this, together with shape arithmetic whose inputs are small constants. Left alone:
sequences and branches that depend on the input; lower refuses them.
"""

from __future__ import annotations

import onnx_ir as ir
from onnxscript.optimizer import fold_constants

OPS = {"If", "SplitToSequence", "SequenceAt", "SequenceConstruct", "ConcatFromSequence", "CastLike"}


class FoldSequences(ir.passes.InPlacePass):
    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if not any(node.op_type in OPS for node in model.graph):
            return ir.passes.PassResult(model, modified=False)
        return ir.passes.PassResult(model, modified=fold_constants(model, onnx_shape_inference=True).modified)
