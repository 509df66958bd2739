"""The passes between capture and lowering: what they leave is a graph of plain operators with known shapes.

To add one: write a file with a before and an after, an onnx-ir pass or an onnxscript rewrite rule, and put it in
PIPELINE. Values keep their names and weights are never copied without need. The runner checks the graph after each
pass and logs what changed, so no pass does.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext

import onnx_ir as ir
from onnx_ir.passes.common import (
    InlinePass,
    LiftConstantsToInitializersPass,
    LiftSubgraphInitializersToMainGraphPass,
    NameFixPass,
    RemoveInitializersFromInputsPass,
    RemoveUnusedFunctionsPass,
    RemoveUnusedNodesPass,
    TopologicalSortPass,
)

from dscompress.errors import CompileError
from dscompress.library import refusals_of
from dscompress.passes.eliminate_dropout import EliminateDropout
from dscompress.passes.eliminate_identity import EliminateIdentity
from dscompress.passes.float_exponents import FloatExponents
from dscompress.passes.fold_batch_norm import FoldBatchNorm
from dscompress.passes.fold_constants import FoldConstants
from dscompress.passes.fold_sequences import FoldSequences
from dscompress.passes.gather_in_order import GatherInOrder
from dscompress.passes.infer_shapes import InferShapes
from dscompress.passes.resolve_auto_pad import ResolveAutoPad
from dscompress.passes.restore_outputs import RestoreOutputs
from dscompress.passes.split_swish import SplitSwish
from dscompress.passes.widen_indices import WidenIndices

logger = logging.getLogger(__name__)

NORMALISE = [
    RestoreOutputs(),
    InlinePass(),
    RemoveUnusedFunctionsPass(),
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
    LiftSubgraphInitializersToMainGraphPass(),
    RemoveInitializersFromInputsPass(),
    TopologicalSortPass(),
    NameFixPass(),
    FoldSequences(),
]
PIPELINE = [
    *NORMALISE,
    EliminateDropout(),
    EliminateIdentity(),
    SplitSwish(),
    WidenIndices(),
    FloatExponents(),
    FoldConstants(),
    FoldBatchNorm(),
    RestoreOutputs(),
    InferShapes(),
    FoldConstants(),
    GatherInOrder(),
    ResolveAutoPad(),
    RemoveUnusedNodesPass(),
]


def run_pipeline(model: ir.Model) -> ir.Model:
    """Runs PIPELINE in place. Afterwards every shape is static but for the batch, and what is constant is folded."""
    return run_passes(model, PIPELINE)


def normalise(model: ir.Model) -> ir.Model:
    """The first part of PIPELINE: one graph of plain operators in order, its constants initializers."""
    return run_passes(model, NORMALISE)


def run_passes(model: ir.Model, passes: list) -> ir.Model:
    for step in passes:
        name = type(step).__name__
        before = len(model.graph)
        with nullcontext() if is_ours(step) else refusals_of(f"onnx-ir's {name}", model.graph.name or "model"):
            result = step(model)
        check(result.model, name)
        if result.modified:
            logger.info("%s: %d nodes, were %d", name, len(result.model.graph), before)
        model = result.model
    return model


def is_ours(step: ir.passes.PassBase) -> bool:
    return type(step).__module__.startswith(__name__)


def check(model: ir.Model, name: str) -> None:
    """Every input of a node is a graph input, an initializer, or made by an earlier node."""
    known = {*model.graph.inputs, *model.graph.initializers.values(), None}
    for node in model.graph:
        for value in node.inputs:
            if value not in known:
                raise CompileError(
                    "internal error",
                    f"the pass {name} left '{value.name}', read by '{node.name}', without a producer",  # type: ignore[union-attr]
                    what_to_do="report this model",
                )
        known.update(node.outputs)
