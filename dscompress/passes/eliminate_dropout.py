"""eliminate_dropout: a Dropout of a trained model does nothing.

    before   y = Dropout(x, ratio)
    after    y = Identity(x), which identity elimination removes

Left alone: a Dropout whose mask is used, or whose training_mode is on or unknown; lower refuses it.
"""

from __future__ import annotations

import onnx_ir as ir


class EliminateDropout(ir.passes.InPlacePass):
    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [node for node in model.graph if node.op_type == "Dropout" and node.domain == "" and is_idle(node)]
        for node in found:
            y = node.outputs[0]
            identity = ir.node("Identity", [node.inputs[0]], name=node.name, metadata_props=dict(node.metadata_props))
            identity.outputs[0].name, identity.outputs[0].shape, identity.outputs[0].type = y.name, y.shape, y.type
            ir.convenience.replace_nodes_and_values(model.graph, node, [node], [identity], [y], identity.outputs)
        return ir.passes.PassResult(model, modified=bool(found))


def is_idle(node: ir.Node) -> bool:
    if any(value.uses() or value.is_graph_output() for value in node.outputs[1:]):
        return False
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return True
    training = ir.convenience.get_const_tensor(node.inputs[2])
    return training is not None and not training.numpy().any()
