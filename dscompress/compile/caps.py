"""caps: what no file can hold is refused here, with a sentence of its own; dsruntime.caps has the numbers.

libdsf would refuse the bytes, too, as it refuses what nobody can make sense of: that is for files of others, and says
nothing of what to do about a model.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dscompress.compile.write import Description, lay_out
from dscompress.errors import CompileError
from dsruntime import caps
from dsruntime.file import Node, Value

SPLIT = "split the model into several"
SMALLER = "give a smaller input with --input-shape, or fix the batch with --no-dynamic-batch"


def refuse_what_no_file_holds(description: Description) -> None:
    counts(description)
    for node in description.nodes:
        ends_and_lists(node)
    for value in description.values:
        size(value)
    for what, text in texts(description):
        length = len(text.encode())
        if length > caps.MAX_STRING_BYTES:
            expected = f"at most {caps.MAX_STRING_BYTES:,}, as a text of a file may have"
            raise CompileError(f"{what} '{text[:40]}...'", f"it has {length:,} bytes", expected, "shorten it")
    length = lay_out(description.weights)[1]
    if length > caps.DEFAULT_FILE_BYTES:
        expected = f"at most {caps.DEFAULT_FILE_BYTES:,} bytes in a file"
        raise CompileError(description.name, f"its weights take {length:,} bytes", expected, SPLIT)


def counts(description: Description) -> None:
    ends = sum(len(node.inputs) + len(node.outputs) for node in description.nodes)
    for what, count, most, what_to_do in (
        ("values", len(description.values), caps.MAX_VALUES, SPLIT),
        ("nodes", len(description.nodes), caps.MAX_NODES, SPLIT),
        ("inputs", len(description.inputs), caps.MAX_ENDS, "give what belongs together as one input"),
        ("outputs", len(description.outputs), caps.MAX_ENDS, "give what belongs together as one output"),
        ("inputs and outputs of nodes", ends, caps.MAX_ALL_ENDS, SPLIT),
        ("entries of metadata", len(description.metadata), caps.MAX_METADATA, "leave some out"),
    ):
        if count > most:
            expected = f"at most {most:,} in a file"
            raise CompileError(description.name, f"it has {count:,} {what}", expected, what_to_do)


def ends_and_lists(node: Node) -> None:
    where = f"node '{node.name}' ({node.op})"
    for what, count in (("inputs", len(node.inputs)), ("outputs", len(node.outputs))):
        if count > caps.MAX_NODE_ENDS:
            expected = f"at most {caps.MAX_NODE_ENDS:,}"
            raise CompileError(where, f"it has {count:,} {what}", expected, "do it in several steps")
    for name, value in node.attributes.items():
        if isinstance(value, (list, tuple)) and len(value) > caps.MAX_LIST:
            found = f"its attribute '{name}' has {len(value):,} entries"
            raise CompileError(where, found, f"at most {caps.MAX_LIST:,}", "do it in several steps")


def size(value: Value) -> None:
    """libdsf proves the shapes of a file whose batch is free at batch sizes up to MAX_PROVED_BATCH."""
    batch = caps.MAX_PROVED_BATCH
    shape = [dim if dim >= 0 else -dim * batch for dim in value.shape]
    at = f" at batch size {batch}, at which a file is checked" if any(dim < 0 for dim in value.shape) else ""
    if shape and max(shape) > caps.MAX_DIM:
        found = f"it has a dimension of {max(shape):,}{at}"
        raise CompileError(f"'{value.name}'", found, f"at most {caps.MAX_DIM:,}", "reshape it into more dimensions")
    length = np.dtype(value.dtype).itemsize * int(np.prod(shape, dtype=object))
    if length > caps.MAX_TENSOR_BYTES:
        expected = f"at most {caps.MAX_TENSOR_BYTES:,} of one tensor"
        raise CompileError(f"'{value.name}'", f"it takes {length:,} bytes{at}", expected, SMALLER if at else SPLIT)


def texts(description: Description) -> Iterator[tuple[str, str]]:
    yield "the model's name", description.name
    for value in description.values:
        yield "the name", value.name
    for node in description.nodes:
        yield from (("the name", node.name), ("the module's name", node.module))
    for weight in description.weights:
        yield "the name", weight.source
    for output in description.outputs:
        for label in output.labels:
            yield "the label", label
    for key, text in description.metadata.items():
        yield from (("the metadata's key", key), (f"metadata '{key[:40]}'", text))
