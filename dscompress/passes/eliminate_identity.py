"""eliminate_identity: an Identity goes, and every output of the graph stays a value of its own, under its own name.

    before   a → Identity → y, a → Identity → z      y and z are outputs
    after    a, now called y → Identity → z

A file lists each output once, and outputs are known by name. onnx-ir's pass removes the Identities; where it leaves one
value as two outputs, or the graph came like that, the later one gets its Identity back.
"""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import IdentityEliminationPass

from dscompress.library import refusals_of


class EliminateIdentity(ir.passes.InPlacePass):
    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = [value.name for value in model.graph.outputs]
        with refusals_of("onnx-ir's IdentityEliminationPass", model.graph.name or "model"):
            result = IdentityEliminationPass()(model)
        separated = separate_outputs(model.graph, names)
        return ir.passes.PassResult(model, modified=result.modified or separated)


def separate_outputs(graph: ir.Graph, names: list[str | None]) -> bool:
    """The outputs get these names back; what stands there twice is copied, a second copy of one name is numbered."""
    taken, copies = set(names), 0
    for place, (value, name) in enumerate(zip(list(graph.outputs), names, strict=True)):
        if value not in graph.outputs[:place]:
            if value.name != name:
                value.name = name
            continue
        if name in names[:place]:
            name = next(f"{name}_{count}" for count in range(1, len(taken) + 2) if f"{name}_{count}" not in taken)
            taken.add(name)
        copy = ir.node("Identity", [value]).outputs[0]
        copy.name, copy.shape, copy.type = name, value.shape, value.type
        graph.append(copy.producer())  # type: ignore[arg-type]
        graph.outputs[place] = copy
        copies += 1
    return copies > 0
