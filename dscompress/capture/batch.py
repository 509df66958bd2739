"""batch: in a captured graph the free batch is called N, whatever its name was before; 2·N is "2*N"."""

import re

import onnx_ir as ir

BATCH = "N"


def name_the_batch(model: ir.Model) -> None:
    """Renames the symbol in dimension 0 of the inputs, wherever it stands; other symbols stay."""
    names = {str(value.shape[0]) for value in model.graph.inputs if value.shape is not None and is_free(value, 0)}
    names = {name for name in names if re.fullmatch(r"\w+", name)} - {BATCH}
    if not names:
        return
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, sorted(names))) + r")\b")
    for value in all_values(model.graph):
        if value.shape is not None:
            value.shape = ir.Shape([renamed(dim, pattern) for dim in value.shape])


def taken_as_free(what: str, size: int) -> str:
    """The note on a source that fixes its batch, though no shape in it needs that."""
    return (
        f"{what} a batch of {size}, which is taken as free; where it computes with that number, answers to other "
        "batches are wrong: --no-dynamic-batch keeps it"
    )


def is_free(value: ir.Value, axis: int) -> bool:
    return value.shape is not None and len(value.shape) > axis and not isinstance(value.shape[axis], int)


def renamed(dim: int | ir.SymbolicDim, pattern: re.Pattern) -> int | ir.SymbolicDim:
    if isinstance(dim, int) or dim.value is None:
        return dim
    return ir.SymbolicDim(pattern.sub(BATCH, dim.value))


def all_values(graph: ir.Graph) -> list[ir.Value]:
    values = [*graph.inputs, *graph.initializers.values()]
    for node in graph.all_nodes():
        values.extend(node.outputs)
    return values
