r"""names: text that a .dsf can hold, which is text without control characters (schema/README.md).

What the user says, a label or a name, is refused with a sentence if it holds one. Names that come out of a source are
replaced, by what printable() makes of them: "a\x1b[2J" becomes the text of that escape.
"""

from __future__ import annotations

import re

import onnx_ir as ir

from dscompress.errors import CompileError
from dsruntime.text import printable

CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
SEVERAL_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # tabs and line feeds are fine


def storable(name: str) -> str:
    r"""
    >>> storable("conv1.weight"), storable("a\x1b[2J")
    ('conv1.weight', 'a\\x1b[2J')
    """
    return printable(name) if CONTROLS.search(name) else name


def refuse_controls(where: str, text: str, lines: bool = False) -> str:
    """The text; a CompileError if it holds a control character. lines: it may have tabs and several lines."""
    found = (SEVERAL_LINES if lines else CONTROLS).search(text)
    if found:
        allowed = "text without control characters" + (", but tabs and line feeds" if lines else ", on one line")
        raise CompileError(where, f"the control character {found[0]!r} in it, '{text}'", allowed, "take it out")
    return text


def make_storable(model: ir.Model) -> list[str]:
    """Renames every value whose name a .dsf cannot hold; returns what the user should know."""
    graphs = [model.graph, *(function.graph for function in model.functions.values())]
    values = dict.fromkeys(value for graph in graphs for value in values_of(graph))
    taken = {value.name for value in values}
    wrong = [value for value in values if value.name and CONTROLS.search(value.name)]
    examples = [printable(value.name or "") for value in wrong[:3]]
    for value in wrong:
        value.name = unused(storable(value.name or ""), taken)
        taken.add(value.name)
    if not wrong:
        return []
    count = (
        "1 name holds control characters, which are"
        if len(wrong) == 1
        else f"{len(wrong)} names hold control characters, which are"
    )
    return [f"{count} written as escapes in the file: {', '.join(examples)}{', ...' if len(wrong) > 3 else ''}"]


def values_of(graph: ir.Graph) -> list[ir.Value]:
    nodes = ir.traversal.RecursiveGraphIterator(graph)
    return [*graph.inputs, *graph.initializers.values(), *(value for node in nodes for value in node.outputs)]


def unused(name: str, taken: set) -> str:
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found
