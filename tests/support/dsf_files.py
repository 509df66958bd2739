"""Builds the bytes of .dsf files from plain dicts, for tests: a second writer that shares nothing with the compiler's.

    data = build(
        values=[
            {"name": "x", "shape": [-1, 3]},                                 # -1 is N; dtype defaults to "float32"
            {"name": "w", "shape": [2, 3]},
            {"name": "y", "shape": [-1, 2]},
        ],
        nodes=[{"op": "gemm", "inputs": ["x", "w"], "outputs": ["y"], "attributes": {"trans_b": 1}}],
        weights=[{"value": "w", "array": np.ones((2, 3), "f4")}],  # raw; for shift see shift_weight()
        inputs=["x"],                             # or {"value": "x", "layout": "NCHW", "image": {...}}
        outputs=[{"value": "y", "meaning": "logits", "labels": ["a", "b"]}],  # or "y"
        metadata={"source.kind": "test"},
    )

Values are referred to by name; None is an absent optional input; an integer is taken as the index itself, so that a
test can write one that is wrong. An attribute's kind follows its Python type: int, float, str, list of int, list of
float; a dict {"kind": ..., "i": ...} is written as it stands.

Tampering, all optional, applied before the CRC is computed unless said otherwise:

    magic=b"..."  major=2  minor=1  flags=1  file_length=…  flatbuffer_length=…  data_offset=…  data_length=…
    reserved=b"16 bytes"                fields of the prefix
    identifier=b"DSF2"                  the FlatBuffer's file identifier
    data=b"..."                         the data section, instead of the one laid out from the weights
    append=b"..."                       bytes after the end
    edit_model=function(ModelT)         changes the object before it is packed
    edit_bytes=function(bytearray)      changes the whole file
    crc=…                               this CRC instead of the right one

A weight dict may hold "offset", "length", "order", "codec", "source", "note" and "shift" ("bits", "zero", "base",
"scale"); "data" are its stored bytes. What is not given is worked out.
"""

import struct
import zlib

import flatbuffers
import numpy as np

from dsruntime import dsf_generated as fb
from dsruntime.planes import HIGH_WIDTH, LOW_WIDTH

MAGIC = b"\x89DSF\r\n\x1a\n"
PREFIX = struct.Struct("<8sHHIQIIQQ16s")
CRC_AT = 24
DTYPES = {"float32": 1, "float16": 2, "int8": 3, "uint8": 4, "int32": 5, "int64": 6, "bool": 7}


def build(
    values,
    nodes=(),
    weights=(),
    inputs=(),
    outputs=(),
    metadata=None,
    *,
    name="test",
    producer="tests",
    mode="float",
    magic=MAGIC,
    major=1,
    minor=0,
    flags=0,
    file_length=None,
    flatbuffer_length=None,
    data_offset=None,
    data_length=None,
    reserved=bytes(16),
    identifier=b"DSF1",
    data=None,
    append=b"",
    edit_model=None,
    edit_bytes=None,
    crc=None,
) -> bytes:
    index = {value["name"]: i for i, value in enumerate(values)}
    model = fb.ModelT()
    model.name, model.producer, model.mode = name, producer, mode
    model.values = [value_table(value) for value in values]
    model.nodes = [node_table(node, i, index) for i, node in enumerate(nodes)]
    model.weights, section = lay_out(weights, index)
    model.inputs = [input_table(entry, index) for entry in inputs]
    model.outputs = [output_table(entry, index) for entry in outputs]
    model.metadata = [key_value(key, text) for key, text in sorted(metadata.items())] if metadata else None
    if edit_model:
        edit_model(model)

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), identifier)
    graph = bytes(builder.Output())
    section = section if data is None else data
    start = round_up(64 + len(graph))
    total = start + len(section)
    prefix = PREFIX.pack(
        magic,
        major,
        minor,
        flags,
        total if file_length is None else file_length,
        0,
        len(graph) if flatbuffer_length is None else flatbuffer_length,
        start if data_offset is None else data_offset,
        len(section) if data_length is None else data_length,
        reserved,
    )
    out = bytearray(prefix + graph + bytes(start - 64 - len(graph)) + section + append)
    if edit_bytes:
        edit_bytes(out)
    if crc is None:
        return repair_crc(out)
    struct.pack_into("<I", out, CRC_AT, crc)
    return bytes(out)


def repair_crc(data) -> bytes:
    """The same file with the right CRC: of every byte but the CRC's own four."""
    data = bytearray(data)
    if len(data) >= 28:
        struct.pack_into("<I", data, CRC_AT, zlib.crc32(data[28:], zlib.crc32(data[:CRC_AT])))
    return bytes(data)


def shift_weight(value: str, levels, signs, *, bits, zero=False, base=0, scale=None, order=None, **more) -> dict:
    """A weight dict of codec shift from level codes and signs (True is negative) in *stored* order."""
    base = np.atleast_1d(np.asarray(base, np.int8))
    scale = None if scale is None else np.atleast_1d(np.asarray(scale, np.float32))
    shift = {"bits": bits, "zero": zero, "base": base, "scale": scale}
    return {
        "value": value,
        "codec": "shift",
        "data": pack_planes(levels, signs, bits),
        "order": order,
        "shift": shift,
        **more,
    }


def pack_planes(levels, signs, bits: int) -> bytes:
    """Sign plane, then level planes, each at a multiple of 64 bytes.

    >>> pack_planes([2, 1, 0], [1, 0, 0], 3).hex(" ", 64)[:2], pack_planes([2, 1, 0], [1, 0, 0], 3)[64:].hex()
    ('01', '06')
    """
    out = bytearray(pack_plane(np.asarray(signs, np.int64), 1))
    levels, low = np.asarray(levels, np.int64), 0
    for width in filter(None, (LOW_WIDTH[bits], HIGH_WIDTH[bits])):
        out += bytes(round_up(len(out)) - len(out))
        out += pack_plane(levels >> low & (1 << width) - 1, width)
        low += width
    return bytes(out)


def pack_plane(codes, width: int) -> bytes:
    bits = codes.reshape(-1, 1) >> np.arange(width) & 1
    return np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()


def round_up(length: int) -> int:
    return (length + 63) // 64 * 64


def lay_out(weights, index):
    """The weight tables, and the data section with each weight at the next multiple of 64."""
    tables, section = [], bytearray()
    for weight in weights:
        stored = weight["data"] if "data" in weight else stored_bytes(weight["array"])
        section += bytes(round_up(len(section)) - len(section))
        table = fb.WeightT()
        table.value = reference(weight["value"], index)
        table.codec = weight.get("codec", "raw")
        table.source = weight.get("source", str(weight["value"]))
        table.note = weight.get("note", "")
        table.offset = weight.get("offset", len(section))
        table.length = weight.get("length", len(stored))
        table.order = None if weight.get("order") is None else list(weight["order"])
        table.shift = shift_table(weight.get("shift"))
        section += stored
        tables.append(table)
    return tables, bytes(section)


def stored_bytes(array) -> bytes:
    array = np.asarray(array)
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def shift_table(shift):
    if shift is None:
        return None
    table = fb.ShiftT()
    table.bits, table.zero = shift["bits"], shift.get("zero", False)
    table.base = np.atleast_1d(np.asarray(shift["base"], np.int8))
    scale = shift.get("scale")
    table.scale = None if scale is None else np.atleast_1d(np.asarray(scale, np.float32))
    return table


def value_table(value):
    table = fb.ValueT()
    dtype = value.get("dtype", "float32")
    table.name, table.shape = value["name"], list(value["shape"])
    table.dtype = DTYPES[dtype] if isinstance(dtype, str) else dtype
    return table


def node_table(node, position, index):
    table = fb.NodeT()
    table.op = node["op"]
    table.name = node.get("name", f"{node['op']}_{position}")
    table.module = node.get("module", "")
    table.inputs = [reference(entry, index) for entry in node["inputs"]]
    table.outputs = [reference(entry, index) for entry in node["outputs"]]
    attributes = node.get("attributes", {})
    pairs = attributes.items() if isinstance(attributes, dict) else attributes  # pairs may repeat a name
    table.attributes = [attribute_table(key, value) for key, value in pairs] or None
    return table


def attribute_table(name, value):
    table = fb.AttributeT()
    table.name = name
    if isinstance(value, dict):
        for field, content in value.items():
            setattr(table, field, content)
    elif isinstance(value, str):
        table.kind, table.s = fb.AttributeKind.String, value
    elif isinstance(value, (float, np.floating)):
        table.kind, table.f = fb.AttributeKind.Float, float(value)
    elif isinstance(value, (int, np.integer)):
        table.kind, table.i = fb.AttributeKind.Int, int(value)
    elif len(value) and all(isinstance(entry, (float, np.floating)) for entry in value):
        table.kind, table.floats = fb.AttributeKind.Floats, [float(entry) for entry in value]
    else:
        table.kind, table.ints = fb.AttributeKind.Ints, [int(entry) for entry in value]
    return table


def input_table(entry, index):
    entry = entry if isinstance(entry, dict) else {"value": entry}
    table = fb.InputT()
    table.value, table.layout = reference(entry["value"], index), entry.get("layout", "")
    if entry.get("image"):
        table.image = fb.ImageT()
        for field in ("color", "resize", "size", "filter", "crop", "mean", "std", "pad"):
            setattr(table.image, field, entry["image"].get(field))
    return table


def output_table(entry, index):
    entry = entry if isinstance(entry, dict) else {"value": entry}
    table = fb.OutputT()
    table.value, table.meaning = reference(entry["value"], index), entry.get("meaning", "")
    table.labels = entry.get("labels") or None
    return table


def key_value(key, value):
    table = fb.KeyValueT()
    table.key, table.value = key, value
    return table


def reference(value, index) -> int:
    if value is None:
        return -1
    return index[value] if isinstance(value, str) else value
