"""one_answer: what a file can hold gives one answer to one input, at every run, in a batch of 1 as in one of 2.

torch.export and torch.onnx let three kinds pass, each with another network than the module's as the result: operators
that draw random numbers, batch norm that counts on the images of the batch although it has running statistics, and
buffers that a run changes. And PyTorch captures a free batch as 2 or more, so that what asks for a batch of 1 is gone;
that shows when both are run.
"""

from typing import Any

import torch
from torch.export.graph_signature import InputKind

from dscompress.capture.input_examples import Examples
from dscompress.errors import CompileError
from dscompress.torchmodel.quiet import quiet

SWITCHES = ("train", "training")  # parameters of operators that draw only in training
CHANCES = ("dropout_p", "dropout")  # and that draw only where this is not 0
MOST_APART = 1e-3  # of the largest number: both sides are PyTorch, with the same operators


def refuse_other_answers(program: torch.export.ExportedProgram, where: str, place_of) -> None:
    """place_of(node) is "'layer1' (Block), net.py line 5: ..."."""
    if (changed := changed_buffer(program)) is not None:
        found = f"its buffer '{changed}' changes when it runs, so no run is like the one before"
        raise CompileError(where, found, "a model that leaves its buffers alone", "export the model after model.eval()")
    for node in program.graph.nodes:
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        name = str(node.target).rpartition(".")[0]
        if draws(node):
            raise CompileError(
                where,
                f"{name} draws random numbers, called in {place_of(node)}",
                "a model that gives one answer to one input",
                "export the model after model.eval(), or take it out of forward()",
            )
        if argument(node, "training") and argument(node, "running_mean") is not None:  # of every kind of batch norm
            raise CompileError(
                where,
                f"batch norm in training mode, called in {place_of(node)}",
                "one that uses its running statistics",
                "export the model after model.eval(), and pass training=self.training",
            )


def changed_buffer(program: torch.export.ExportedProgram) -> str | None:
    signature = program.graph_signature
    buffers = {spec.arg.name: spec.target for spec in signature.input_specs if spec.kind == InputKind.BUFFER}
    for target in signature.buffers_to_mutate.values():
        return target
    for node in program.graph.nodes:
        if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload):
            for place, each in enumerate(node.target._schema.arguments[: len(node.args)]):
                if each.alias_info is not None and each.alias_info.is_write:
                    name = owner_of(node.args[place])
                    if name in buffers:
                        return buffers[name]
    return None


def owner_of(node) -> str:
    """The value whose memory it is: of a view, what is viewed."""
    while isinstance(node, torch.fx.Node) and node.op == "call_function" and is_view(node):
        node = node.args[0]
    return getattr(node, "name", "")


def is_view(node: torch.fx.Node) -> bool:
    returns = node.target._schema.returns if isinstance(node.target, torch._ops.OpOverload) else []
    return bool(node.args and returns and returns[0].alias_info is not None)


def draws(node: torch.fx.Node) -> bool:
    """Whether an operator makes random numbers as it is called here."""
    operator: Any = node.target
    if torch.Tag.nondeterministic_seeded not in operator.tags:
        return False
    names = {each.name for each in operator._schema.arguments}
    on = [bool(argument(node, name)) for name in (*SWITCHES, *CHANCES) if name in names]
    return all(on)


def argument(node: torch.fx.Node, name: str):
    """What an operator is called with, its default included."""
    operator: Any = node.target
    for place, each in enumerate(operator._schema.arguments):
        if each.name == name:
            given = node.args[place] if place < len(node.args) else each.default_value
            return node.kwargs.get(name, given)
    return None


def refuse_another_batch_of_one(
    program: torch.export.ExportedProgram,
    module: torch.nn.Module,
    inputs: Examples | list,
    where: str,
    notes: list[str],
) -> None:
    """inputs: tensors or shapes, as export_module() takes them; what has as many rows as the first is cut to one."""
    ones = one_row(module, inputs)

    def run(what: torch.nn.Module) -> list[torch.Tensor]:
        own = {name: each.clone() for name, each in ones.items()}  # which it may change
        return tensors(what(**own) if isinstance(inputs, dict) else what(*own.values()))

    with quiet(), torch.no_grad():
        try:
            theirs = run(module)
        except Exception:  # a module that takes no batch of 1
            return
        ours = run(program.module(check_guards=False))
    if len(ours) != len(theirs) or not all(map(alike, ours, theirs)):
        found = "a batch of 1 gives other numbers than PyTorch captured, which is what a batch of 2 and more gives"
        remedy = "take what asks for the batch size out of forward(), or export one size: --no-dynamic-batch"
        raise CompileError(where, found, "a model that treats all batches alike", remedy)
    for captured, own in zip(results_of(program), theirs, strict=False):
        if captured.dim() != own.dim():
            notes.append(
                f"of a batch of 1 the model itself gives {tuple(own.shape)}; the file keeps the dimension of "
                "the batch, as for all others"
            )


def results_of(program: torch.export.ExportedProgram) -> list[torch.Tensor]:
    """What PyTorch knows of the results, with a free batch."""
    (last,) = (node for node in program.graph.nodes if node.op == "output")
    return tensors([node.meta["val"] if isinstance(node, torch.fx.Node) else node for node in last.args[0]])


def one_row(module: torch.nn.Module, inputs: Examples | list) -> dict:
    """By place or name: the first row of examples, and normally distributed numbers for shapes and zeros."""
    named = inputs if isinstance(inputs, dict) else dict(enumerate(inputs))
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    given = {name: each if isinstance(each, torch.Tensor) else torch.zeros(each) for name, each in named.items()}
    rows = next((each.shape[0] for each in given.values() if each.dim()), 0)
    ones = {}
    for name, each in given.items():
        row = each[:1] if each.dim() and each.shape[0] == rows else each
        if row.is_floating_point() and not row.any():
            row = torch.randn(row.shape, generator=generator)
        ones[name] = row.to(device)
    return ones


def tensors(results) -> list[torch.Tensor]:
    return [leaf for leaf in torch.utils._pytree.tree_leaves(results) if isinstance(leaf, torch.Tensor)]


def alike(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    """But for rounding, and for dimensions of 1."""
    if ours.numel() != theirs.numel():
        return False
    a, b = ours.detach().reshape(-1).double(), theirs.detach().reshape(-1).double()
    finite = b[b.isfinite()]
    largest = float(finite.abs().max()) if finite.numel() else 0.0
    return torch.allclose(a, b, rtol=0, atol=MOST_APART * largest, equal_nan=True)
