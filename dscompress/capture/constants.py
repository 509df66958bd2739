"""constants: what a program computes from parameters alone becomes a parameter.

    before   weight → abs → log → div → round → exp2 → mul → conv2d(x, ·)
    after    conv2d(x, <module>.weight)

PyTorch computes it, so the graph holds the very bits that the module computed with: a layer that rounds its weights to
powers of two when it is used, or one with weight norm, becomes a plain layer. Left alone: random ops, and constants
that no parameter stands behind (the ONNX optimiser folds those).
"""

import operator
from typing import Any

import torch
from torch.export.graph_signature import InputKind, InputSpec, TensorArgument

from dscompress.capture.fold_budget import Budget

CONSTANT_INPUTS = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


def fold_constants(program: torch.export.ExportedProgram, bounded: bool = False) -> int:
    """Changes the program; returns how many values were folded. bounded: within fold_budget.py's budget."""
    graph, signature = program.graph_module.graph, program.graph_signature
    values = constant_values(program, bounded)
    for node in list(graph.nodes):  # checks on what is now known
        if node.target is torch.ops.aten._assert_tensor_metadata.default and node.args[0] in values:
            graph.erase_node(node)
    computed = {node for node in values if node.op == "call_function"}
    folded = [node for node in graph.nodes if node in computed and any(user not in values for user in node.users)]
    folded = [node for node in folded if isinstance(values[node], torch.Tensor)]
    if not folded:
        return 0

    first = next(node for node in graph.nodes if node.op == "placeholder")
    new = []
    for node in folded:
        with graph.inserting_before(first):
            placeholder = graph.placeholder(f"p_{node.name}")
        placeholder.meta = {"val": node.meta["val"]}
        node.replace_all_uses_with(placeholder, delete_user_cb=lambda user: user not in computed)
        new.append((placeholder, node, values[node]))
    for node in reversed(list(graph.nodes)):
        if node in computed and not node.users:
            graph.erase_node(node)

    drop_unused_parameters(program)
    taken = {spec.target for spec in signature.input_specs}
    specs = []
    for placeholder, node, value in new:
        target = free_name(node, taken)
        taken.add(target)
        program.state_dict[target] = torch.nn.Parameter(value, requires_grad=False)
        specs.append(InputSpec(InputKind.PARAMETER, TensorArgument(placeholder.name), target))
    signature.input_specs[:0] = specs
    program.graph_module.recompile()
    return len(folded)


def constant_values(program: torch.export.ExportedProgram, bounded: bool) -> dict[torch.fx.Node, Any]:
    """The nodes that depend on parameters alone, and what they are."""
    signature = program.graph_signature
    mutated = set(signature.buffers_to_mutate.values())
    by_name = {
        spec.arg.name: spec.target
        for spec in signature.input_specs
        if spec.kind in CONSTANT_INPUTS and spec.target not in mutated
    }
    held = {**program.constants, **program.state_dict}
    budget = Budget.of([held[name] for name in by_name.values() if isinstance(held[name], torch.Tensor)])
    values: dict[torch.fx.Node, Any] = {}
    for node in program.graph_module.graph.nodes:
        if node.op == "placeholder" and node.name in by_name:
            values[node] = held[by_name[node.name]]
        elif node.op == "call_function" and foldable(node, values):
            arguments, keywords = torch.fx.map_arg((node.args, node.kwargs), values.__getitem__)
            if not bounded or node.target is operator.getitem or budget.allows(node.target, arguments, keywords):
                values[node] = detached(node.target(*arguments, **keywords))
    return values


def foldable(node: torch.fx.Node, values: dict) -> bool:
    if not node.all_input_nodes or any(source not in values for source in node.all_input_nodes):
        return False
    if node.target is operator.getitem:
        return True
    if not isinstance(node.target, torch._ops.OpOverload) or not node.target._schema.returns:
        return False
    return not node.target._schema.is_mutable and torch.Tag.nondeterministic_seeded not in node.target.tags


def detached(value: object) -> object:
    return value.detach().contiguous() if isinstance(value, torch.Tensor) else value


def drop_unused_parameters(program: torch.export.ExportedProgram) -> None:
    graph, signature = program.graph_module.graph, program.graph_signature
    unused = {node.name: node for node in graph.nodes if node.op == "placeholder" and not node.users}
    for spec in list(signature.input_specs):
        if spec.kind == InputKind.PARAMETER and spec.arg.name in unused:
            graph.erase_node(unused[spec.arg.name])
            signature.input_specs.remove(spec)
            if not any(other.target == spec.target for other in signature.input_specs):
                program.state_dict.pop(spec.target, None)


def free_name(node: torch.fx.Node, taken: set) -> str:
    """<module path>.weight, or .weight_1 and so on where a module computes several."""
    modules = node.meta.get("nn_module_stack") or {}
    path = list(modules.values())[-1][0] if modules else ""
    name = f"{path}.weight" if path else "weight"
    if name not in taken:
        return name
    return next(f"{name}_{count}" for count in range(1, len(taken) + 2) if f"{name}_{count}" not in taken)
