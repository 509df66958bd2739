"""Where a node comes from: its module path and source line, as the exporter left them in the node's metadata."""

from __future__ import annotations

import ast
import re

import onnx_ir as ir

SCOPES = "pkg.torch.onnx.name_scopes"
STACK = "pkg.torch.onnx.stack_trace"
RULES = "pkg.onnxscript.rewriter.rule_name"
MOST_SCOPES = 1 << 14  # letters
FRAME = re.compile(r'File "([^"]+)", line (\d+)')
LIBRARY = re.compile(r"(^|/)torch/")


def module_path(node: ir.Node) -> str:
    """ "layer1.0.conv1", or "" where unknown. A node that took a BatchNorm in is named after its own weight."""
    if "FuseBatchNorm" in node.metadata_props.get(RULES, "") and len(node.inputs) > 1 and node.inputs[1] is not None:
        return (node.inputs[1].name or "").removesuffix(".weight")
    try:
        scopes = ast.literal_eval(node.metadata_props.get(SCOPES, "[]")[:MOST_SCOPES])
    except (ValueError, SyntaxError, RecursionError, MemoryError):  # the last two: of brackets inside brackets
        return ""
    path = scopes[-2] if isinstance(scopes, list) and len(scopes) > 1 else ""
    return "" if not isinstance(path, str) or path.startswith("_empty_nn_module") else path


def source_line(node: ir.Node) -> str:
    """ "resnet.py:285": the innermost frame outside torch itself, or "" where unknown."""
    frames = FRAME.findall(node.metadata_props.get(STACK, ""))
    own = [frame for frame in frames if not LIBRARY.search(frame[0])] or frames
    return f"{own[-1][0]}:{own[-1][1]}" if own else ""


def describe(node: ir.Node) -> str:
    """ "node 'node_Range_86' (Range) in module 'features', model.py:12": how errors name a node."""
    text = f"node '{node.name}' ({node.op_type})"
    if module := module_path(node):
        text += f" in module '{module}'"
    if line := source_line(node):
        text += f", {line}"
    return text
