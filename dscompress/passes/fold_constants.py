"""fold_constants: a node whose inputs are all constants becomes one.

    before   Reshape(x, Concat([2], [-1])) , MatMul(x, Transpose(w))
    after    Reshape(x, [2, -1])           , MatMul(x, w')

What goes in may have any size, so that a transposed or dequantised weight becomes a weight again. What infer_shapes
found to be constant for every batch size is folded as well.

Left alone: what evaluate.py does not list; an output that is larger than its inputs and than a million elements (an
Expand of a weight is cheaper to run than to store); what a graph of this size cannot need.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from dscompress.passes.evaluate import Budget, can_evaluate, evaluate
from dscompress.passes.infer_shapes import MOST_ELEMENTS, Facts, infer_node


class FoldConstants(ir.passes.InPlacePass):
    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        facts = Facts(graph.opset_imports.get("", 20), Budget.of(graph))
        folded = 0
        for node in list(graph):
            known = [value.meta["constant"] for value in node.outputs if "constant" in value.meta]
            outputs = known if len(known) == len(node.outputs) else evaluate_constants(facts, node)
            if outputs is None or len(outputs) != len(node.outputs):
                continue
            replace(graph, node, outputs)
            folded += 1
        return ir.passes.PassResult(model, modified=folded > 0)


def evaluate_constants(facts: Facts, node: ir.Node) -> list | None:
    if node.op_type == "Constant" and "value" in node.attributes:  # an output of the graph: others are initializers
        return [node.attributes["value"].as_tensor().numpy()]
    inputs = [value for value in node.inputs if value is not None]
    if not inputs or not all(value.is_initializer() and value.const_value is not None for value in inputs):
        return None
    if any(value.is_graph_input() for value in inputs) or not can_evaluate(node):
        return None
    arrays = [None if value is None else value.const_value.numpy() for value in node.inputs]  # type: ignore[union-attr]
    infer_node(facts, node, arrays)
    limit = max(MOST_ELEMENTS, sum(array.size for array in arrays if array is not None))
    shapes = [facts.shapes.get(value) for value in node.outputs]
    if not facts.budget.allows(node, arrays, shapes, limit):
        return None
    return evaluate(node, arrays, node.version or facts.opset)


def replace(graph: ir.Graph, node: ir.Node, outputs: list[np.ndarray]) -> None:
    for value, array in zip(node.outputs, outputs, strict=True):
        constant = ir.Value(
            name=value.name,
            type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
            shape=ir.Shape(array.shape),
            const_value=ir.Tensor(array, name=value.name),
        )
        value.replace_all_uses_with(constant, replace_graph_outputs=True)
        value.name = None
        graph.register_initializer(constant)
    read = {value for value in node.inputs if value is not None}
    graph.remove(node, safe=True)
    for value in read:  # what nobody reads any more need not be held
        if value.is_initializer() and not value.uses() and not value.is_graph_output():
            graph.initializers.pop(value.name)  # type: ignore[arg-type]
