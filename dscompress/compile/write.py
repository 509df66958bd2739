"""The only writer of .dsf files: a description of the graph becomes bytes, bytes become a file, whole or not at all.

    0    prefix: magic, version 1.0, no flags, file length, CRC-32, FlatBuffer length, data offset and length
    64   FlatBuffer (schema/dsf.fbs), zeros to a multiple of 64
    ...  weight after weight, each at a multiple of 64, zeros between

The same description gives the same bytes.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np

from dscompress.atomic_file import write_atomically
from dscompress.compile.encode import Encoded
from dscompress.errors import BackendError, CompileError
from dsruntime import dsf_generated as fb
from dsruntime.caps import MAX_FLATBUFFER_BYTES
from dsruntime.file import PREFIX, Image, Input, Node, Output, Value
from dsruntime.library import DTYPE_CODES
from dsruntime.planes import ALIGNMENT

MAGIC = b"\x89DSF\r\n\x1a\n"
MAJOR, MINOR = 1, 0
CRC_AT = 24  # the CRC covers every byte of the file but these four


@dataclass(frozen=True)
class Stored:
    """A weight as it goes into the file: the value it is, the tensor's name in the source, its bytes."""

    value: int
    source: str
    encoded: Encoded


@dataclass(frozen=True)
class Description:
    """Everything a file says; values are referred to by index. build() writes it as it stands, libdsf judges it."""

    name: str
    producer: str
    values: list[Value]
    nodes: list[Node]
    weights: list[Stored]
    inputs: list[Input]
    outputs: list[Output]
    metadata: dict[str, str] = field(default_factory=dict)


def build(description: Description) -> bytes:
    """The bytes of the file."""
    offsets, data_length = lay_out(description.weights)
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model_table(description, offsets).Pack(builder), b"DSF1")
    graph = builder.Output()
    if len(graph) > MAX_FLATBUFFER_BYTES:
        found = f"all but its weights, names, labels and metadata among it, takes {len(graph):,} bytes"
        raise CompileError(description.name, found, f"at most {MAX_FLATBUFFER_BYTES:,}", "leave out what is long")
    data_offset = round_up(PREFIX.size + len(graph))

    fields = (len(graph), data_offset, data_length, bytes(16))
    prefix = PREFIX.pack(MAGIC, MAJOR, MINOR, 0, data_offset + data_length, 0, *fields)

    parts = [graph, bytes(data_offset - PREFIX.size - len(graph))]
    end = 0
    for offset, weight in zip(offsets, description.weights, strict=True):
        parts += [bytes(offset - end), weight.encoded.data]
        end = offset + len(weight.encoded.data)
    crc = zlib.crc32(prefix[CRC_AT + 4 :], zlib.crc32(prefix[:CRC_AT]))
    for part in parts:
        crc = zlib.crc32(part, crc)
    return b"".join([PREFIX.pack(MAGIC, MAJOR, MINOR, 0, data_offset + data_length, crc, *fields), *parts])


def lay_out(weights: list[Stored]) -> tuple[list[int], int]:
    """Each weight's offset in the data section, and the section's length."""
    offsets, end = [], 0
    for weight in weights:
        offsets.append(round_up(end))
        end = offsets[-1] + len(weight.encoded.data)
    return offsets, end


def round_up(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


def model_table(description: Description, offsets: list[int]) -> fb.ModelT:
    model: Any = fb.ModelT()
    model.name, model.producer, model.mode = description.name, description.producer, "float"
    model.values = [value_table(value) for value in description.values]
    model.nodes = [node_table(node) for node in description.nodes]
    model.weights = [weight_table(*pair) for pair in zip(description.weights, offsets, strict=True)]
    model.inputs = [input_table(entry) for entry in description.inputs]
    model.outputs = [output_table(entry) for entry in description.outputs]
    model.metadata = [key_value(*pair) for pair in sorted(description.metadata.items())] or None
    return model


def value_table(value: Value) -> fb.ValueT:
    table: Any = fb.ValueT()
    table.name, table.dtype, table.shape = value.name, DTYPE_CODES[value.dtype], list(value.shape)
    return table


def node_table(node: Node) -> fb.NodeT:
    table: Any = fb.NodeT()
    table.op, table.name, table.module = node.op, node.name, node.module
    table.inputs = [-1 if index is None else index for index in node.inputs]
    table.outputs = list(node.outputs)
    table.attributes = [attribute_table(*pair) for pair in sorted(node.attributes.items())] or None
    return table


def attribute_table(name: str, value) -> fb.AttributeT:
    """The kind follows the Python type: int, float, str, list of int (an empty one too), list of float."""
    table: Any = fb.AttributeT()
    table.name = name
    match value:
        case int():
            table.kind, table.i = fb.AttributeKind.Int, int(value)
        case float():
            table.kind, table.f = fb.AttributeKind.Float, value
        case str():
            table.kind, table.s = fb.AttributeKind.String, value
        case [float(), *_]:
            table.kind, table.floats = fb.AttributeKind.Floats, list(value)
        case _:
            table.kind, table.ints = fb.AttributeKind.Ints, list(value)
    return table


def weight_table(weight: Stored, offset: int) -> fb.WeightT:
    encoded = weight.encoded
    table: Any = fb.WeightT()
    table.value, table.source, table.codec, table.note = weight.value, weight.source, encoded.codec, encoded.note
    table.offset, table.length = offset, len(encoded.data)
    table.order = None if encoded.order is None else list(encoded.order)
    if encoded.shift is not None:
        table.shift = fb.ShiftT()
        table.shift.bits, table.shift.zero = encoded.shift.bits, encoded.shift.zero
        table.shift.base = np.asarray(encoded.shift.base, np.int8)
        table.shift.scale = None if encoded.shift.scale is None else np.asarray(encoded.shift.scale, np.float32)
    return table


def input_table(entry: Input) -> fb.InputT:
    table: Any = fb.InputT()
    table.value, table.layout = entry.value, entry.layout
    table.image = None if entry.image is None else image_table(entry.image)
    return table


def image_table(image: Image) -> fb.ImageT:
    table: Any = fb.ImageT()
    table.color, table.resize, table.filter = image.color, image.resize, image.filter
    table.size = list(image.size) or None
    table.crop = None if image.crop is None else list(image.crop)
    table.mean, table.std = list(image.mean), list(image.std)
    table.pad = None if image.pad is None else list(image.pad)
    return table


def output_table(entry: Output) -> fb.OutputT:
    table: Any = fb.OutputT()
    table.value, table.meaning, table.labels = entry.value, entry.meaning, list(entry.labels) or None
    return table


def key_value(key: str, value: str) -> fb.KeyValueT:
    table: Any = fb.KeyValueT()
    table.key, table.value = key, value
    return table


def write_file(path: str | os.PathLike, data: bytes) -> None:
    """Replaces the file by these bytes where libdsf reads them back as a model; else leaves all as it was."""
    write_atomically(path, data, read_checked)


def read_checked(part: Path) -> bytes | memoryview:
    """The bytes of the file, as libdsf read and checked them; without libdsf, as the system reads them."""
    from dsruntime.model import Model

    try:
        return Model.open(part).bytes
    except BackendError:
        return part.read_bytes()
