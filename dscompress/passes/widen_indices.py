"""widen_indices: the indices of a Gather become int64, the only kind the file has.

    before   Gather(x, indices int32)
    after    Gather(x, Cast(indices, to=INT64)); constant indices are folded later

Left alone: int64 indices.
"""

from __future__ import annotations

import onnx_ir as ir


class WidenIndices(ir.passes.InPlacePass):
    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [node for node in model.graph if node.op_type == "Gather" and is_narrow(node.inputs[1])]
        for node in found:
            cast = ir.node("Cast", [node.inputs[1]], {"to": int(ir.DataType.INT64)}, name=f"{node.name}_indices")
            cast.outputs[0].name = f"{node.outputs[0].name}_indices"
            cast.outputs[0].dtype = ir.DataType.INT64
            node.replace_input_with(1, cast.outputs[0])
            model.graph.insert_before(node, cast)
        return ir.passes.PassResult(model, modified=bool(found))


def is_narrow(indices: ir.Value | None) -> bool:
    return indices is not None and indices.dtype == ir.DataType.INT32
