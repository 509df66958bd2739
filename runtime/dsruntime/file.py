"""What a .dsf file says, as named tuples, read from bytes that libdsf has checked.

    0   prefix       64 bytes: magic, version, flags, lengths, CRC
    64  FlatBuffer   values, nodes, weights, inputs, outputs, metadata: this file reads it
        zeros        to a multiple of 64
        data         one weight after another: dsruntime.ledger and the reference backend read it

Nothing here checks anything: never call it with bytes that did not come from a Model.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import cached_property
from typing import Any, NamedTuple

from dsruntime.forms import Codes, Raw, Shift, form_of
from dsruntime.library import DTYPES

PREFIX = struct.Struct("<8sHHIQIIQQ16s")


class Value(NamedTuple):
    """A tensor of the graph. shape: a dimension -k is k * N, N the batch size of a run."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Node(NamedTuple):
    """inputs and outputs are indices into Graph.values; None is an absent optional input."""

    op: str
    name: str
    module: str
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    attributes: dict[str, Any]


class Weight(NamedTuple):
    """offset is from the start of the data section; stored tensor = transpose(value, order)."""

    value: int
    codec: str
    source: str
    note: str
    offset: int
    length: int
    order: tuple[int, ...] | None
    shift: Shift | None


class Image(NamedTuple):
    """How an image becomes an input; dsruntime.image applies it."""

    color: str
    resize: str
    size: tuple[int, ...]
    filter: str
    crop: tuple[int, ...] | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pad: tuple[int, ...] | None = None


class Input(NamedTuple):
    value: int
    layout: str
    image: Image | None


class Output(NamedTuple):
    value: int
    meaning: str
    labels: tuple[str, ...]


class Graph:
    """The FlatBuffer of a checked file; each part is read when it is first asked for."""

    def __init__(self, data: memoryview) -> None:
        from dsruntime import dsf_generated

        (
            _,
            self.major,
            self.minor,
            _,
            self.file_length,
            _,
            self.flatbuffer_length,
            self.data_offset,
            self.data_length,
            _,
        ) = PREFIX.unpack_from(data)
        self._bytes = data
        self._model = dsf_generated.Model.GetRootAs(data[64 : 64 + self.flatbuffer_length])

    @cached_property
    def name(self) -> str:
        return text(self._model.Name())

    @cached_property
    def producer(self) -> str:
        return text(self._model.Producer())

    @cached_property
    def mode(self) -> str:
        return text(self._model.Mode())

    @cached_property
    def values(self) -> tuple[Value, ...]:
        return tuple(self.value(i) for i in range(self._model.ValuesLength()))

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(read_node(self._model.Nodes(i)) for i in range(self._model.NodesLength()))

    @cached_property
    def weights(self) -> tuple[Weight, ...]:
        return tuple(read_weight(self._model.Weights(i)) for i in range(self._model.WeightsLength()))

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        return tuple(read_input(self._model.Inputs(i)) for i in range(self._model.InputsLength()))

    @cached_property
    def outputs(self) -> tuple[Output, ...]:
        return tuple(read_output(self._model.Outputs(i)) for i in range(self._model.OutputsLength()))

    @cached_property
    def metadata(self) -> dict[str, str]:
        pairs = (self._model.Metadata(i) for i in range(self._model.MetadataLength()))
        return {text(pair.Key()): text(pair.Value()) for pair in pairs}

    def value(self, index: int) -> Value:
        """One value, without reading the others."""
        table = self._model.Values(index)
        return Value(text(table.Name()), DTYPES[table.Dtype()], numbers(table, "Shape"))

    def stored(self, weight: Weight) -> memoryview:
        """The stored bytes of a weight."""
        start = self.data_offset + weight.offset
        return self._bytes[start : start + weight.length]

    def form(self, weight: Weight) -> Raw | Codes:
        return form_of(weight, self.stored(weight))


def at_batch(shape: Iterable[int], batch: int) -> tuple[int, ...]:
    """Dimensions of the file at a batch size.

    >>> at_batch((-1, 3, -2), 4)
    (4, 3, 8)
    """
    return tuple(d if d >= 0 else -d * batch for d in shape)


def read_node(table: Any) -> Node:
    attributes = (table.Attributes(i) for i in range(table.AttributesLength()))
    return Node(
        op=text(table.Op()),
        name=text(table.Name()),
        module=text(table.Module()),
        inputs=tuple(None if i < 0 else i for i in numbers(table, "Inputs")),
        outputs=numbers(table, "Outputs"),
        attributes={text(attribute.Name()): read_attribute(attribute) for attribute in attributes},
    )


def read_attribute(table: Any) -> Any:
    """An int, a float, a string, a list of ints or a list of floats, after the attribute's kind."""
    from dsruntime.dsf_generated import AttributeKind

    match table.Kind():
        case AttributeKind.Int:
            return table.I()
        case AttributeKind.Float:
            return table.F()
        case AttributeKind.String:
            return text(table.S())
        case AttributeKind.Ints:
            return list(numbers(table, "Ints"))
        case AttributeKind.Floats:
            return list(numbers(table, "Floats"))


def read_weight(table: Any) -> Weight:
    return Weight(
        value=table.Value(),
        codec=text(table.Codec()),
        source=text(table.Source()),
        note=text(table.Note()),
        offset=table.Offset(),
        length=table.Length(),
        order=None if table.OrderIsNone() else numbers(table, "Order"),
        shift=read_shift(table.Shift()),
    )


def read_shift(table: Any) -> Shift | None:
    if table is None:
        return None
    scale = None if table.ScaleIsNone() else table.ScaleAsNumpy()
    return Shift(table.Bits(), bool(table.Zero()), table.BaseAsNumpy(), scale)


def read_input(table: Any) -> Input:
    return Input(table.Value(), text(table.Layout()), read_image(table.Image()))


def read_image(table: Any) -> Image | None:
    if table is None:
        return None
    return Image(
        color=text(table.Color()),
        resize=text(table.Resize()),
        size=numbers(table, "Size"),
        filter=text(table.Filter()),
        crop=None if table.CropIsNone() else numbers(table, "Crop"),
        mean=numbers(table, "Mean"),
        std=numbers(table, "Std"),
        pad=None if table.PadIsNone() else numbers(table, "Pad"),
    )


def read_output(table: Any) -> Output:
    labels = tuple(text(table.Labels(i)) for i in range(table.LabelsLength()))
    return Output(table.Value(), text(table.Meaning()), labels)


def text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")


def numbers(table: Any, field: str) -> tuple[Any, ...]:
    """A vector of numbers; NumPy reads it in one step, element by element takes far longer."""
    if getattr(table, field + "IsNone")():
        return ()
    return tuple(getattr(table, field + "AsNumpy")().tolist())
