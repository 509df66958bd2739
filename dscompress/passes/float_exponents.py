"""float_exponents: the exponent of a float Pow becomes float32, as the file's pow takes it.

    before   Pow(x float32, 2 int64)
    after    Pow(x float32, Cast(2, to=FLOAT)), which constant folding turns into 2.0

Left alone: a float32 exponent, and an x that is not float32.
"""

from __future__ import annotations

import onnx_ir as ir

INTEGERS = {ir.DataType.INT32, ir.DataType.INT64}


class FloatExponents(ir.passes.InPlacePass):
    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [node for node in model.graph if node.op_type == "Pow" and has_integer_exponent(node)]
        for node in found:
            cast = ir.node("Cast", [node.inputs[1]], {"to": int(ir.DataType.FLOAT)}, name=f"{node.name}_exponent")
            cast.outputs[0].name = f"{node.outputs[0].name}_exponent"
            cast.outputs[0].dtype = ir.DataType.FLOAT
            node.replace_input_with(1, cast.outputs[0])
            model.graph.insert_before(node, cast)
        return ir.passes.PassResult(model, modified=bool(found))


def has_integer_exponent(node: ir.Node) -> bool:
    return node.inputs[1] is not None and node.inputs[1].dtype in INTEGERS
