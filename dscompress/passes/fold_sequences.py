"""fold_sequences: sequences and branches that need not be there become plain operators.

    before   SequenceAt(SplitToSequence(x, split, axis), 1) , If(constant) {...}
    after    Split(x, split), second output                 , the branch that is taken

onnxscript's constant folder does this, together with shape arithmetic whose inputs are small constants. Left alone:
sequences and branches that depend on the input, and those that the folder stumbles over; lower refuses them by name.
"""

from __future__ import annotations

import logging

import onnx_ir as ir
from onnxscript.optimizer import fold_constants

logger = logging.getLogger(__name__)

OPS = {"If", "SplitToSequence", "SequenceAt", "SequenceConstruct", "ConcatFromSequence", "CastLike"}


class FoldSequences(ir.passes.InPlacePass):
    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if not any(node.op_type in OPS for node in model.graph):
            return ir.passes.PassResult(model, modified=False)
        try:
            modified = fold_constants(model, onnx_shape_inference=True).modified
        except Exception as error:  # it wraps what its rules raise, and what it has done by then is a graph as well
            logger.info("onnxscript's constant folder stopped: %s", error)
            modified = True
        return ir.passes.PassResult(model, modified=modified)
