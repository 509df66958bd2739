"""restore_outputs: a weight that is an output of the graph stays a weight of the graph.

    before   y = BatchNormalization(Conv(x, w), ...), w      y and w are outputs
    folded   y = Conv(x, w_1), w                             and w no longer among the weights
    after    y = Conv(x, w_1), w                             w a weight again

onnxscript's rules, here and inside torch.onnx.export, remove a weight that no node reads, though it is an output.
"""

from __future__ import annotations

import onnx_ir as ir


class RestoreOutputs(ir.passes.InPlacePass):
    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        lost = [value for value in graph.outputs if is_lost(value, graph)]
        for value in dict.fromkeys(lost):
            namesake = graph.initializers.get(value.name or "")
            if namesake is not None:
                taken = graph.initializers.keys()
                namesake.name = next(
                    name for count in range(1, len(taken) + 2) if (name := f"{value.name}_{count}") not in taken
                )
            graph.register_initializer(value)
        return ir.passes.PassResult(model, modified=bool(lost))


def is_lost(value: ir.Value, graph: ir.Graph) -> bool:
    made = value.producer() is not None or value.is_graph_input() or value.is_initializer()
    return not made and value.const_value is not None
