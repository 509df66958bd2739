"""onnx_check: what is proved of an ONNX file before a library looks at it, so that no small file costs much.

    of its bytes     at most MOST_FIELDS fields, counted before anything is parsed: an empty node takes 2 bytes
    of the model     operator sets that exist; nodes counted as if every call of a function were expanded
    of each tensor   a dtype of numbers, and data that fill its dimensions exactly
    of each name     at most MOST_NAME bytes

Everything here is linear in the file. What it leaves is still to be checked by onnx.checker.
"""

from __future__ import annotations

import functools
import graphlib
import math
from collections import Counter
from collections.abc import Iterator

import onnx
import onnx_ir as ir

from dscompress.errors import CompileError

MOST_FIELDS = 1 << 20  # of protobuf, all messages together; 4,096 nodes of PyTorch's exporter have some 100,000
MOST_NODES = 1 << 16  # of all graphs, with every call of a function expanded
MOST_INLINED = 1 << 13  # nodes that come out of functions: onnx-ir's names for them take quadratic time
MOST_COPIED = 1 << 28  # bytes that come out of functions
MOST_BODIES = 1 << 11  # of If, Loop and Scan: onnx-ir copies all names known so far for each
MOST_RANK = 32
MOST_NAME = 1024
INLINE = "export it without local functions"
AGAIN = "export it again"

Proto = onnx.TensorProto
# What a tensor's entries are kept in, where they are not in raw_data, and how many entries of that field one takes.
FIELDS: dict[str, dict[int, int]] = {
    "float_data": {Proto.FLOAT: 1, Proto.COMPLEX64: 2},
    "double_data": {Proto.DOUBLE: 1, Proto.COMPLEX128: 2},
    "int64_data": {Proto.INT64: 1},
    "uint64_data": {Proto.UINT32: 1, Proto.UINT64: 1},
}


def check_bytes(data: bytes, where: str) -> None:
    """Counts the fields of a serialised model, message by message; what is no protobuf is left to the parser."""
    left = MOST_FIELDS
    waiting = [(onnx.ModelProto.DESCRIPTOR, 0, len(data))]
    try:
        while waiting:
            message, at, end = waiting.pop()
            inner = message_fields(message)
            while at < end:
                left -= 1
                if left < 0:
                    raise CompileError(where, f"has over {MOST_FIELDS:,} protobuf fields", what_to_do="simplify it")
                tag, at = varint(data, at)
                if tag & 7 == 2:
                    length, at = varint(data, at)
                    if tag >> 3 in inner:
                        waiting.append((inner[tag >> 3], at, min(at + length, end)))
                    at += length
                elif tag & 7 == 0:
                    _, at = varint(data, at)
                else:
                    at += {1: 8, 5: 4}[tag & 7]
    except (IndexError, KeyError):  # cut short, or a group, which ONNX has none of
        raise CompileError(where, "is damaged (no protobuf)", "an ONNX model", "export or copy it again") from None


@functools.cache
def message_fields(message) -> dict:
    """The fields of a message that are messages, by number."""
    return {field.number: field.message_type for field in message.fields if field.message_type is not None}


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = data[at]
    if value < 0x80:
        return value, at + 1
    value &= 0x7F
    for shift in range(7, 70, 7):
        at += 1
        value |= (data[at] & 0x7F) << shift
        if data[at] < 0x80:
            return value, at + 1
    raise IndexError


def check_model(proto: onnx.ModelProto, where: str) -> None:
    check_opsets(proto, where)
    check_functions(proto, where)
    for message in messages(proto):
        if isinstance(message, onnx.TensorProto):
            check_tensor(message, where)
        elif isinstance(message, onnx.SparseTensorProto):
            raise CompileError(where, f"weight {message.values.name!r} is a sparse tensor", "a dense one", AGAIN)
        elif isinstance(message, (onnx.TypeProto.Tensor, onnx.TypeProto.SparseTensor)):
            check_type(message, where)
        elif isinstance(message, onnx.AttributeProto):
            check_attribute(message, where)
        check_names(message, where)


def messages(proto) -> Iterator:
    """A message and all messages inside it, wherever: graphs, branches, functions, attributes, types.

    What is inside a tensor is left out: to look at it would copy its data.
    """
    waiting = [proto]
    while waiting:
        item = waiting.pop()
        yield item
        if isinstance(item, onnx.TensorProto):
            continue
        for field, value in item.ListFields():
            if field.message_type is not None:
                waiting.extend(value if field.is_repeated else [value])


def check_opsets(proto: onnx.ModelProto, where: str) -> None:
    newest = onnx.defs.onnx_opset_version()
    for holder in (proto, *proto.functions):
        versions = [entry.version for entry in holder.opset_import if entry.domain in ("", "ai.onnx")]
        if len(versions) > 1:
            raise CompileError(where, f"imports ONNX's opset {len(versions)} times", "once", AGAIN)
        if versions and not 1 <= versions[0] <= newest:
            raise CompileError(where, f"imports opset {versions[0]}", f"1 to {newest}", AGAIN + " with opset 20")


def check_functions(proto: onnx.ModelProto, where: str) -> None:
    """Counts nodes and bytes as if every call were expanded, from the functions that call no other upwards."""
    bodies = {key(function.domain, function.name, function.overload): function for function in proto.functions}
    if len(bodies) < len(proto.functions):
        raise CompileError(where, "defines a function twice", "one definition of each", AGAIN)
    calls = {name: Counter(called(function.node, bodies)) for name, function in bodies.items()}
    try:
        order = list(graphlib.TopologicalSorter({name: list(inside) for name, inside in calls.items()}).static_order())
    except graphlib.CycleError as error:
        raise CompileError(where, f"function '{error.args[1][0][1]}' calls itself", "no recursion", AGAIN) from None
    nodes: dict[tuple, int] = {}
    copied: dict[tuple, int] = {}
    for name in order:
        inside = calls[name].items()
        nodes[name] = count_nodes(bodies[name].node) + sum(count * nodes[other] for other, count in inside)
        copied[name] = bodies[name].ByteSize() + sum(count * copied[other] for other, count in inside)
    used = Counter(called(proto.graph.node, bodies)).items()
    inlined = sum(count * nodes[name] for name, count in used)
    if inlined > MOST_INLINED:
        raise CompileError(where, f"its functions expand to {inlined:,} nodes", f"at most {MOST_INLINED:,}", INLINE)
    if (size := sum(count * copied[name] for name, count in used)) > MOST_COPIED:
        raise CompileError(where, f"its functions expand to {size:,} bytes", f"at most {MOST_COPIED:,}", INLINE)
    if (total := count_nodes(proto.graph.node)) > MOST_NODES:
        raise CompileError(where, f"has {total:,} nodes", f"at most {MOST_NODES:,}", "simplify it")
    if (branches := sum(len(bodies_of(node)) for node in all_nodes(proto.graph.node))) > MOST_BODIES:
        raise CompileError(where, f"has {branches:,} branches and loops", f"at most {MOST_BODIES:,}", "simplify it")


def key(domain: str, name: str, overload: str) -> tuple[str, str, str]:
    return ("" if domain == "ai.onnx" else domain, name, overload)


def called(nodes, bodies: dict) -> Iterator[tuple]:
    """The functions that nodes call, with those in their branches, once for each call."""
    for node in all_nodes(nodes):
        if (name := key(node.domain, node.op_type, node.overload)) in bodies:
            yield name


def count_nodes(nodes) -> int:
    return sum(1 for _ in all_nodes(nodes))


def all_nodes(nodes) -> Iterator[onnx.NodeProto]:
    """Nodes and those in their branches."""
    waiting = [nodes]
    while waiting:
        for node in waiting.pop():
            yield node
            waiting += [graph.node for graph in bodies_of(node)]


def bodies_of(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    found: list[onnx.GraphProto] = []
    for attribute in node.attribute:
        found += [attribute.g] if attribute.HasField("g") else []
        found += attribute.graphs
    return found


def check_tensor(tensor: onnx.TensorProto, where: str) -> None:
    check_claim(tensor, where)
    found, expected = stored_and_claimed(tensor)
    if found != expected:
        what = f"tensor {tensor.name!r} {tuple(tensor.dims)} has {found}"
        raise CompileError(where, what, expected, "it is damaged: " + AGAIN)


def check_claim(tensor: onnx.TensorProto, where: str) -> int:
    """The dtype's bits, if dtype and dimensions are such as can be."""
    name = f"tensor {tensor.name!r}"
    if tensor.data_type == Proto.STRING:
        raise CompileError(where, f"{name} holds strings", "numbers", "take strings out of the model")
    if tensor.data_type not in Proto.DataType.values() or tensor.data_type == Proto.UNDEFINED:
        raise CompileError(where, f"{name} has the unknown element type {tensor.data_type}", "one of ONNX's", AGAIN)
    if len(tensor.dims) > MOST_RANK:
        raise CompileError(where, f"{name} has {len(tensor.dims)} dimensions", f"at most {MOST_RANK}", "reshape it")
    if min(tensor.dims, default=0) < 0:
        raise CompileError(where, f"{name} has the dimensions {list(tensor.dims)}", "none below 0", AGAIN)
    return ir.DataType(tensor.data_type).bitwidth


def stored_and_claimed(tensor: onnx.TensorProto) -> tuple[str, str]:
    """What a tensor's data are, and what its dtype and dimensions make of the field that they are in."""
    size, bits = math.prod(tensor.dims), ir.DataType(tensor.data_type).bitwidth
    packed = -(-size * bits // 8)
    if tensor.HasField("raw_data"):
        field, claimed = "raw_data", packed
    else:
        field, claimed = "int32_data", packed if bits <= 4 else size  # what has up to 4 bits shares bytes there too
        for name, entries in FIELDS.items():
            if tensor.data_type in entries:
                field, claimed = name, size * entries[tensor.data_type]
    held = {name: len(getattr(tensor, name)) for name in ("raw_data", "int32_data", "string_data", *FIELDS)}
    found = [f"{count:,} entries of {name}" for name, count in held.items() if count or name == field]
    return " and ".join(found), f"{claimed:,} entries of {field}"


def check_type(message, where: str) -> None:
    if message.elem_type not in Proto.DataType.values():
        raise CompileError(where, f"a value has the unknown element type {message.elem_type}", "one of ONNX's", AGAIN)
    if len(message.shape.dim) > MOST_RANK:
        found = f"a value has {len(message.shape.dim)} dimensions"
        raise CompileError(where, found, f"at most {MOST_RANK}", "reshape it")


def check_attribute(attribute: onnx.AttributeProto, where: str) -> None:
    for text in (attribute.s, *attribute.strings):
        try:
            text.decode()
        except UnicodeDecodeError:
            raise CompileError(where, f"attribute {attribute.name!r} is no UTF-8", "text", AGAIN) from None


def check_names(message, where: str) -> None:
    """All text is UTF-8; names and what nodes read and make are short, texts such as doc_string of any length."""
    for name, text in texts(message):
        if isinstance(text, bytes):  # which protobuf gives where it is no UTF-8
            raise CompileError(where, f"the text of {name} is no UTF-8", "text", AGAIN)
        if name in ("doc_string", "value"):
            continue
        if (longest := len(text)) > MOST_NAME:
            raise CompileError(where, f"a name has {longest:,} letters", f"at most {MOST_NAME:,}", "rename it")


def texts(message) -> Iterator[tuple[str, str]]:
    """The fields of text and what they say; of a tensor those that somebody reads."""
    if isinstance(message, onnx.TensorProto):
        yield from (("name", message.name), ("doc_string", message.doc_string))
        return
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            yield from ((field.name, text) for text in (value if field.is_repeated else [value]))
