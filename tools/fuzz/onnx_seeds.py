"""Small ONNX models of every form that the door knows, and random changes of them."""

from __future__ import annotations

import random

import numpy as np
import onnx

HEAD = '<ir_version: 8, opset_import: ["" : {opset}, "own" : 1]> net '
GRAPHS = {
    20: [
        """(float[N,3,8,8] x) => (float[N,5] y)
        <float[4,3,3,3] w = {WEIGHTS}, float[4] s = {1,2,3,4}, int64[2] t = {0,-1}>
        { a = Conv(x, w) b = BatchNormalization(a, s, s, s, s) c = Relu(b) d = MaxPool<kernel_shape = [2, 2]>(c)
          e = Reshape(d, t) f = ReduceMean<keepdims = 1>(e) y = Concat<axis = 1>(f, f, f, f, f) }""",
        """(float[N,4] x) => (float[N,4] y) <int64[1] zero = {0}, int64[1] minus = {-1}>
        { s = Shape(x) n = Gather<axis = 0>(s, zero) m = Concat<axis = 0>(n, minus) r = Reshape(x, m) y = Relu(r) }""",
        """(float[N,4] x) => (float[N,4] y) <int64 last = {1}, int64 four = {4}>
        { s = Shape(x) w = Gather(s, last) c = Equal(w, four) a = Neg(x) y = If(c) <
          then_branch = p () => (float[N,4] t) { k = Constant<value_floats = [1.0, 2.0, 3.0, 4.0]>() t = Add(a, k) },
          else_branch = q () => (float[N,4] e) { e = Identity(a) }> }""",
        """(float[N,4] x) => (float[N,4] y) <int64 three = {3}, bool on = {1}>
        { y = Loop(three, on, x) <
          body = b (int64 i, bool c, float[N,4] v) => (bool d, float[N,4] u) { d = Identity(c) u = Relu(v) }> }""",
        """(float[N,8] x) => (float[N,8] y) <int64 k = {3}, int64 one = {1}>
        { s = SplitToSequence<axis = 1>(x, k) a = SequenceAt(s, one) i = SequenceInsert(s, a)
          y = ConcatFromSequence<axis = 1>(i) }""",
        """(float[N,2,6,6] x) => (float[N,2,12,12] y) <float[4] s = {1,1,2,2}, float[2,1,1] p = {0.1,0.2}>
        { a = Resize<mode = "nearest">(x, , s) b = PRelu(a, p) y = Sigmoid(b) }""",
        """(float[N,4] x, float[N,4] z) => (float[N,3] y, float[N,4] u)
        <int8[3,4] q = {1,2,3,4,5,6,7,-8,1,2,3,4}, float s = {0.5}>
        { w = DequantizeLinear(q, s) y = Gemm<transB = 1>(x, w) u = Pow(x, z) }""",
        """(float[N,6] x) => (float[N,3] y)
        <int64[1] from = {1}, int64[1] to = {4}, int64[1] axis = {1}, float[3] g = {1,2,3}>
        { a = Slice(x, from, to, axis) b = Transpose<perm = [1, 0]>(a) c = Transpose(b) d = Unsqueeze(c, axis)
          e = Squeeze(d, axis) y = LayerNormalization(e, g) }""",
    ],
    13: [
        """(float[N,3,8] x) => (float[N,3,4] y) <float[8,4] w = {WEIGHTS32}, float lo = {0}, float hi = {1}>
        { a = MatMul(x, w) b = Softmax<axis = -1>(a) c = Clip(b, lo, hi) y = Dropout(c) }"""
    ],
    11: [
        """(float[1,3,8,8] x) => (float[1,12] y) <float[4,3,3,3] w = {WEIGHTS}, int64[2] t = {1,-1}>
        { a = Conv<auto_pad = "SAME_UPPER", strides = [2, 2]>(x, w) b = LeakyRelu(a) c = GlobalAveragePool(b)
          d = Concat<axis = 1>(c, c, c) y = Reshape(d, t) }"""
    ],
    9: [
        """(float[N,2,5,7] x) => (float[N,2,10,14] y) <float[4] s = {1,1,2,2}>
        { y = Upsample<mode = "nearest">(x, s) }"""
    ],
}
FUNCTION = """
<ir_version: 8, opset_import: ["" : 18, "own" : 1]> net (float[N,4] x) => (float[N,4] y)
{ a = own.twice <alpha = 0.5>(x) y = own.twice <alpha = 0.1>(a) }
<domain: "own", opset_import: ["" : 18]> twice <alpha> (a) => (c)
{ b = Elu <alpha: float = @alpha>(a) c = Add(b, b) }"""
NUMBERS = (0, 1, -1, 2, 3, 4, 7, 13, 63, 255, 1 << 16, 1 << 20, 1 << 31, -(1 << 31), 1 << 40, (1 << 63) - 1, -(1 << 63))
REALS = (0.0, 1.0, -1.0, 1e-30, 1e30, float("inf"), float("nan"))


def seeds() -> list[bytes]:
    """Serialised models: the ones above, then ONNX's node tests of up to 4 KiB, always in one order."""
    from onnx.backend.test.case.node import collect_testcases

    own = [parsed(text, opset) for opset, texts in GRAPHS.items() for text in texts]
    own += [onnx.parser.parse_model(FUNCTION).SerializeToString()]
    models = sorted(case.model.SerializeToString(deterministic=True) for case in collect_testcases(None) if case.model)
    tests = [model for model in models if len(model) <= 4096]
    return own * (len(tests) // len(own)) + tests


def parsed(text: str, opset: int) -> bytes:
    for name, count in (("WEIGHTS32", 32), ("WEIGHTS", 108)):
        text = text.replace("{" + name + "}", "{" + ",".join(str(i % 7 - 3) for i in range(count)) + "}")
    return onnx.parser.parse_model(HEAD.format(opset=opset) + text).SerializeToString()


def changed(models: list[bytes], generator: random.Random) -> bytes:
    data = generator.choice(models)
    if generator.random() < 0.1:
        return changed_bytes(data, generator)
    proto, other = onnx.ModelProto.FromString(data), onnx.ModelProto.FromString(generator.choice(models))
    for _ in range(generator.choice((1, 1, 1, 1, 2, 2, 3, 5))):
        generator.choice(CHANGES)(proto, other, generator)
    data = proto.SerializeToString()
    return changed_bytes(data, generator) if generator.random() < 0.05 else data


def changed_bytes(data: bytes, generator: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(generator.choice((1, 1, 2, 4, 8))):
        at = generator.randrange(len(found) + 1)
        match generator.randrange(5):
            case 0 if at < len(found):
                found[at] ^= 1 << generator.randrange(8)
            case 1 if at < len(found):
                found[at] = generator.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del found[at : at + generator.randrange(1, 9)]
            case 3:
                found[at:at] = generator.randbytes(generator.randrange(1, 9))
            case 4:
                found[at:at] = found[at : at + generator.randrange(1, 64)]
    return bytes(found)


def inside(proto) -> list:
    waiting, found = [proto], []
    while waiting:
        item = waiting.pop()
        found.append(item)
        for field, value in item.ListFields():
            if field.message_type is not None:
                waiting.extend(value if field.is_repeated else [value])
    return found


def pick(proto, generator: random.Random, kinds: tuple):
    """A field of some message, of one of these protobuf types: (message, field)."""
    places = [(item, field) for item in inside(proto) for field, _ in item.ListFields() if field.type in kinds]
    return generator.choice(places) if places else (None, None)


def change_number(proto, other, generator: random.Random) -> None:
    kinds = range(1, 19)
    item, field = pick(proto, generator, tuple(kind for kind in kinds if kind not in (9, 10, 11, 12, 14)))
    if item is None:
        return
    real = field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE)
    try:
        put(item, field, generator.choice(REALS if real else generator.choice((NUMBERS, range(-4, 12)))), generator)
    except (ValueError, OverflowError):  # beyond an int32
        put(item, field, generator.randrange(-2, 40), generator)


def change_attribute(proto, other, generator: random.Random) -> None:
    """A number in an attribute, most often a small one."""
    attributes = [item for item in inside(proto) if isinstance(item, onnx.AttributeProto)]
    if not attributes:
        return
    attribute = generator.choice(attributes)
    number = generator.choice(NUMBERS) if generator.random() < 0.2 else generator.randrange(-3, 9)
    match attribute.type:
        case onnx.AttributeProto.INT:
            attribute.i = number
        case onnx.AttributeProto.INTS if len(attribute.ints):
            put(attribute, attribute.DESCRIPTOR.fields_by_name["ints"], number, generator)
        case onnx.AttributeProto.FLOAT:
            attribute.f = generator.choice(REALS)
        case onnx.AttributeProto.STRING:
            attribute.s = generator.choice((b"SAME_LOWER", b"VALID", b"linear", b"nearest", b"floor", b"none", b"tanh"))


def change_weight(proto, other, generator: random.Random) -> None:
    """A number in a weight: as a rule a shape, an axis, a size or a scale."""
    tensors = [tensor for tensor in proto.graph.initializer if len(tensor.dims) < 2]
    if not tensors:
        return
    tensor = generator.choice(tensors)
    try:
        array = onnx.numpy_helper.to_array(tensor).copy()
    except Exception:  # an earlier change damaged it
        return
    if array.size and array.dtype.kind in "if":
        choices = REALS if array.dtype.kind == "f" else generator.choice((range(-3, 9), NUMBERS))
        array.flat[generator.randrange(array.size)] = np.array(generator.choice(choices)).astype(array.dtype)
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))


def change_dimension(proto, other, generator: random.Random) -> None:
    dims = [dim for value in proto.graph.input for dim in value.type.tensor_type.shape.dim]
    if dims:
        generator.choice(dims).dim_value = generator.choice((1, 1, 2, 3, 4, 5, 8, 13, 0, -1, 1 << 20, 1 << 40))


def change_enum(proto, other, generator: random.Random) -> None:
    item, field = pick(proto, generator, (14,))
    if item is not None:
        put(item, field, generator.choice(list(field.enum_type.values_by_number)), generator)


def change_text(proto, other, generator: random.Random) -> None:
    item, field = pick(proto, generator, (9,))
    names = [text for found in (proto, other) for node in all_nodes(found) for text in
             (node.op_type, node.name, node.domain, *node.input, *node.output)]  # fmt: skip
    if item is not None:
        put(item, field, generator.choice([*names, "", "x", "y", "N", "\x1b[31m", "w" * 2000]), generator)


def change_data(proto, other, generator: random.Random) -> None:
    item, field = pick(proto, generator, (12,))
    if item is None:
        return
    old = getattr(item, field.name)
    if field.is_repeated:
        put(item, field, generator.randbytes(4), generator)
        return
    choices = (old[:-1], old + b"\0", b"", generator.randbytes(len(old)), b"\xff" * len(old))
    setattr(item, field.name, generator.choice(choices))


def put(item, field, value, generator: random.Random) -> None:
    if not field.is_repeated:
        setattr(item, field.name, value)
        return
    held = getattr(item, field.name)
    match generator.randrange(4):
        case 0:
            held.append(value)
        case 1:
            del held[generator.randrange(len(held))]
        case _:
            held[generator.randrange(len(held))] = value


def drop_or_double(proto, other, generator: random.Random) -> None:
    """A message goes, comes twice or moves."""
    item, field = pick(proto, generator, (11,))
    if item is None:
        return
    if not field.is_repeated:
        item.ClearField(field.name)
        return
    held = getattr(item, field.name)
    at = generator.randrange(len(held))
    match generator.randrange(3):
        case 0:
            del held[at]
        case 1:
            held.add().CopyFrom(held[at])
        case 2:
            moved = type(held[at])()
            moved.CopyFrom(held[at])
            del held[at]
            held.insert(generator.randrange(len(held) + 1), moved)


def take_from_another(proto, other, generator: random.Random) -> None:
    """A message of the other model replaces one of its kind, or joins it."""
    places = inside(proto)[1:]
    given = {type(item): item for item in generator.sample(inside(other), len(inside(other)))}
    places = [item for item in places if type(item) in given]
    if places:
        place = generator.choice(places)
        if generator.random() < 0.3:
            place.MergeFrom(given[type(place)])
        else:
            place.CopyFrom(given[type(place)])


def add_nodes(proto, other, generator: random.Random) -> None:
    """Nodes and weights of the other model read and make names of this one."""
    graph = proto.graph
    names = [name for node in all_nodes(proto) for name in (*node.input, *node.output)] or ["x"]
    for node in list(all_nodes(other))[:3]:
        new = graph.node.add()
        new.CopyFrom(node)
        for held in (new.input, new.output):
            for index in range(len(held)):
                held[index] = generator.choice(names) if generator.random() < 0.6 else held[index]
    graph.initializer.extend(other.graph.initializer)
    if generator.random() < 0.5 and graph.output and graph.node and graph.node[-1].output:
        graph.output[0].name = graph.node[-1].output[0]


def wrap(proto, other, generator: random.Random) -> None:
    """A node moves into a branch, or is called as a function."""
    if not proto.graph.node:
        return
    at = generator.randrange(len(proto.graph.node))
    node = onnx.NodeProto()
    node.CopyFrom(proto.graph.node[at])
    outputs = list(node.output)
    if generator.random() < 0.5:
        infos = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs]
        branch = onnx.helper.make_graph([node], "b", [], infos)
        condition = generator.choice([tensor.name for tensor in proto.graph.initializer] or ["x"])
        new = onnx.helper.make_node("If", [condition], outputs, then_branch=branch, else_branch=branch)
    else:
        imports = [onnx.helper.make_opsetid("", 18), onnx.helper.make_opsetid("own", 1)]
        read = list(dict.fromkeys(filter(None, node.input)))
        proto.functions.append(onnx.helper.make_function("own", "f", read, outputs, [node], imports))
        new = onnx.helper.make_node("f", read, outputs, domain="own")
    proto.graph.node[at].CopyFrom(new)


def change_opset(proto, other, generator: random.Random) -> None:
    for entry in proto.opset_import:
        entry.version = generator.choice((1, 6, 7, 9, 10, 11, 12, 13, 17, 18, 19, 20, 21, 22, 23, 24, 28))


def all_nodes(proto):
    return (item for item in inside(proto) if isinstance(item, onnx.NodeProto))


CHANGES = (
    change_attribute, change_attribute, change_attribute, change_weight, change_weight, change_weight,
    change_dimension, change_dimension, change_number, change_enum, change_text, change_data,
    drop_or_double, take_from_another, add_nodes, wrap, wrap, change_opset,
)  # fmt: skip
