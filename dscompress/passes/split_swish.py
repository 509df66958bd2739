"""split_swish: Swish, ONNX's SiLU, becomes the two operators that the file has.

    before   y = Swish(x)
    after    y = Mul(x, Sigmoid(x))

Left alone: an alpha other than 1; lower refuses it.
"""

from __future__ import annotations

import onnx_ir as ir


class SplitSwish(ir.passes.InPlacePass):
    def call(self, model: ir.Model) -> ir.passes.PassResult:
        swishes = [node for node in model.graph if node.op_type == "Swish"]
        found = [node for node in swishes if node.attributes.get_float("alpha", 1.0) == 1]
        for node in found:
            x, y = node.inputs[0], node.outputs[0]
            origin = dict(node.metadata_props)
            sigmoid = ir.node("Sigmoid", [x], name=f"{node.name}_sigmoid", metadata_props=origin)
            sigmoid.outputs[0].name = f"{y.name}_sigmoid"
            product = ir.node("Mul", [x, sigmoid.outputs[0]], name=node.name, metadata_props=origin)
            product.outputs[0].name, product.outputs[0].shape, product.outputs[0].type = y.name, y.shape, y.type
            ir.convenience.replace_nodes_and_values(model.graph, node, [node], [sigmoid, product], [y], product.outputs)
        return ir.passes.PassResult(model, modified=bool(found))
