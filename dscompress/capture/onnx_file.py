"""onnx_file: an .onnx file. It is checked, and brought to a current opset.

It may have its weights in a second file beside it, see external_data.py; no other file is touched.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import RemoveInitializersFromInputsPass

from dscompress.capture.batch import BATCH, name_the_batch, taken_as_free
from dscompress.capture.external_data import EMBED, embed
from dscompress.capture.input_shape import HOW, parse_input_shapes
from dscompress.capture.old_slopes import LAST_BY_CHANNEL, spread_slopes
from dscompress.capture.onnx_check import MOST_RANK, check_bytes, check_model, messages
from dscompress.capture.options import Captured, CaptureOptions
from dscompress.capture.shapeless import as_if_shaped
from dscompress.changes import note_dtypes
from dscompress.errors import CompileError
from dscompress.library import refusals_of
from dscompress.torchmodel.quiet import quiet

KIND = "ONNX"
LARGEST = 2**31 - 1  # protobuf's own limit
OLDEST_OPSET, OPSET = 18, 20
LAST_PLAIN_RESIZE = 10  # the last opset whose Resize does not say how it maps coordinates
OTHER_FLOATS: dict[int, str] = {
    onnx.TensorProto.DOUBLE: "float64",
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.BFLOAT16: "bfloat16",
}
MOST_PROPAGATED = 1 << 12  # entries of a shape that a graph computes
PROPAGATING = {
    "Add", "Cast", "Concat", "Constant", "Gather", "Mul", "Shape", "Size", "Slice", "Squeeze", "Sub", "Unsqueeze",
}  # fmt: skip


def capture(path: Path, options: CaptureOptions) -> Captured:
    where = str(path)
    size = path.stat().st_size
    if size > LARGEST:
        raise CompileError(where, f"has {size:,} bytes", f"at most {LARGEST:,}", "export a smaller model")
    data = path.read_bytes()
    check_bytes(data, where)
    proto = onnx.ModelProto()
    with refusals_of("protobuf", where, "export or copy it again"):
        proto.ParseFromString(data)
    embed(proto, path, LARGEST - size)
    return from_proto(proto, options, where)


def from_proto(proto: onnx.ModelProto, options: CaptureOptions, where: str) -> Captured:
    notes: list[str] = []
    refuse_external_data(proto, where)
    check_model(proto, where)
    with refusals_of("onnx.checker", where), as_if_shaped(proto):
        onnx.checker.check_model(proto)
    weights = [tensor for tensor in tensors(proto) if math.prod(tensor.dims) > 1]  # a scalar is a setting, not a weight
    note_dtypes((OTHER_FLOATS.get(tensor.data_type, "float32") for tensor in weights), notes)
    proto = current_opset(proto, where, notes)
    set_input_shapes(proto, options, where, notes)
    freed = options.dynamic_batch and free_the_batch(proto, notes)
    if not freed:
        refuse_other_batch(proto, options, where)
    with refusals_of("onnx-ir", where):
        model = ir.from_proto(proto)
        RemoveInitializersFromInputsPass()(model)  # old files list their weights among the inputs
    name_the_batch(model)
    return Captured(model, KIND, notes=notes, freed=freed)


def refuse_external_data(proto: onnx.ModelProto, where: str) -> None:
    for tensor in tensors(proto):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise CompileError(where, f"weight {tensor.name!r} is kept in another file", "one file", EMBED)


def tensors(proto) -> Iterator[onnx.TensorProto]:
    """Every tensor in a model, wherever: initializers, attributes, subgraphs, functions, sparse tensors."""
    return (message for message in messages(proto) if isinstance(message, onnx.TensorProto))


def current_opset(proto: onnx.ModelProto, where: str, notes: list[str]) -> onnx.ModelProto:
    version = next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), None)
    if version is None:
        domains = ", ".join(f"'{entry.domain}'" for entry in proto.opset_import)
        found = f"imports no ONNX opset, but {domains} alone" if domains else "imports no ONNX opset"
        raise CompileError(where, found, f"opset {OLDEST_OPSET} or newer", "export it with standard ONNX operators")
    if version >= OLDEST_OPSET:
        return proto
    converter = f"onnx.version_converter, which brings opset {version} to {OPSET},"
    with refusals_of(converter, where, f"export it again with opset_version={OPSET}"), quiet():
        converted = onnx.version_converter.convert_version(proto, OPSET)
    if version <= LAST_PLAIN_RESIZE:
        keep_plain_resizes(proto, converted, where)
    if version <= LAST_BY_CHANNEL:
        spread_slopes(converted, where)
    notes.append(f"converted from opset {version} to {OPSET}")
    return converted


def keep_plain_resizes(old: onnx.ModelProto, converted: onnx.ModelProto, where: str) -> None:
    """Upsample, and Resize of opset 10, read pixel out / scale; the converter makes them half_pixel, today's default.

    As ONNX Runtime has it, nearest rounds down where the image grows and up where it shrinks.
    """
    rounding = {}
    for graph in graphs(old):
        constants = {tensor.name: tensor for tensor in graph.initializer}
        made = ((node, attribute) for node in graph.node if node.op_type == "Constant" for attribute in node.attribute)
        constants |= {node.output[0]: attribute.t for node, attribute in made if attribute.name == "value"}
        for node in graph.node:
            if node.op_type in ("Upsample", "Resize"):
                rounding[node.output[0]] = nearest_mode(node, constants, where)
    for graph in graphs(converted):
        for node in graph.node:
            if node.op_type == "Resize":
                mode = rounding.get(node.output[0], "floor")
                node.attribute.append(onnx.helper.make_attribute("coordinate_transformation_mode", "asymmetric"))
                node.attribute.append(onnx.helper.make_attribute("nearest_mode", mode))


def nearest_mode(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto], where: str) -> str:
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type == "Upsample" or attributes.get("mode", b"nearest") != b"nearest":
        return "floor"
    scales = constants.get(node.input[1])
    values = None if scales is None or not math.prod(scales.dims) else onnx.numpy_helper.to_array(scales)
    if values is None or (values.min() < 1 < values.max()):
        found = "scales that are not constant" if values is None else "scales that grow one side and shrink another"
        raise CompileError(
            where, f"node '{node.name or node.output[0]}' (Resize of opset 10) has {found}",
            what_to_do="export it again with opset_version=18 or newer",
        )  # fmt: skip
    return "ceil" if values.min() < 1 else "floor"


def graphs(message) -> Iterator[onnx.GraphProto]:
    """Every graph in a model: its own, and those of its nodes' branches."""
    waiting = [message.graph]
    while waiting:
        graph = waiting.pop()
        yield graph
        waiting.extend(attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g"))


def real_inputs(proto: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    initializers = {tensor.name for tensor in proto.graph.initializer}
    return [value for value in proto.graph.input if value.name not in initializers]


def set_input_shapes(proto: onnx.ModelProto, options: CaptureOptions, where: str, notes: list[str]) -> None:
    """Gives --input-shape, or the implied one, to the free dimensions; after this only the batch is free."""
    inputs = real_inputs(proto)
    forget_negative_dimensions(inputs)
    wanted = parse_input_shapes(options.input_shape)
    if wanted is None and len(inputs) == 1 and leaves_sides_open(inputs[0]):
        wanted = options.implied(notes)
    if wanted is not None and len(wanted) != len(inputs):
        raise CompileError(where, f"{len(wanted)} input shapes", f"{len(inputs)}, one for each input", f"write {HOW}")
    if wanted is not None:
        forget_inferred_shapes(proto)
    for index, value in enumerate(inputs):
        if value.type.WhichOneof("value") != "tensor_type":
            raise CompileError(where, f"input {value.name!r} is no tensor", "tensors", "export it with tensors alone")
        dims = value.type.tensor_type.shape.dim
        if wanted is not None and not value.type.tensor_type.HasField("shape"):
            for _ in wanted[index]:
                dims.add()
        shown = ",".join(str(dim.dim_value) if dim.HasField("dim_value") else "?" for dim in dims)
        for axis, dim in enumerate(dims):
            fixed = dim.dim_value if dim.HasField("dim_value") else None
            size = wanted[index][axis] if wanted is not None and len(wanted[index]) == len(dims) else None
            if wanted is not None and (size is None or (fixed not in (None, size) and axis > 0)):
                given = ",".join(map(str, wanted[index]))
                raise CompileError(where, f"--input-shape {given} for input {value.name!r}", shown, "leave it out")
            if axis == 0 and fixed is None and options.dynamic_batch:
                dim.dim_param = dim.dim_param or BATCH
            elif fixed is None and (size is not None or axis == 0):
                dim.dim_value = size or 1
            elif fixed is None:
                raise CompileError(where, f"input {value.name!r} has shape {shown}", what_to_do=f"add {HOW}")
        if not value.type.tensor_type.HasField("shape"):
            raise CompileError(where, f"input {value.name!r} has no shape", what_to_do=f"add {HOW}")


def refuse_other_batch(proto: onnx.ModelProto, options: CaptureOptions, where: str) -> None:
    for value, wanted in zip(real_inputs(proto), parse_input_shapes(options.input_shape) or (), strict=False):
        dims = value.type.tensor_type.shape.dim
        if dims and dims[0].HasField("dim_value") and dims[0].dim_value != wanted[0]:
            found = f"--input-shape {','.join(map(str, wanted))} for input {value.name!r}"
            raise CompileError(
                where,
                found,
                f"a batch of {dims[0].dim_value}, to which the graph is fixed",
                "leave it out, or export the source with a dynamic batch",
            )


def leaves_sides_open(value: onnx.ValueInfoProto) -> bool:
    """Whether more than the batch is free."""
    kind = value.type.tensor_type
    return not kind.HasField("shape") or any(not dim.HasField("dim_value") for dim in kind.shape.dim[1:])


def forget_negative_dimensions(values: list[onnx.ValueInfoProto]) -> None:
    """Some exporters write -1 where a size is free."""
    for value in values:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_value < 0:
                dim.Clear()


def free_the_batch(proto: onnx.ModelProto, notes: list[str]) -> bool:
    """Dimension 0 of every input becomes N if all are fixed, unless the graph then no longer fits. Whether it did.

    ONNX's inference overlooks some misfits, such as a Reshape to a fixed size: compile_model() then goes back.
    """
    fixed = {dim.dim_value for dim in first_dimensions(proto)}
    if not fixed or 0 in fixed:  # the author freed the batch: what is fixed beside it is no batch
        return False
    batch = fixed.pop()
    if not fixed and works_with_batch(proto, batch + 1):
        for dim in first_dimensions(proto):
            dim.dim_param = BATCH
        forget_inferred_shapes(proto)
        notes.append(taken_as_free("the graph has", batch))
        return True
    notes.append(f"the graph fixes its batch at {batch}; to free it, export it with a dynamic batch")
    return False


def first_dimensions(proto: onnx.ModelProto) -> list[onnx.TensorShapeProto.Dimension]:
    shapes = (value.type.tensor_type.shape.dim for value in real_inputs(proto))
    return [dims[0] for dims in shapes if dims]


def works_with_batch(proto: onnx.ModelProto, batch: int) -> bool:
    trial = onnx.ModelProto()
    trial.CopyFrom(proto)
    for dim in first_dimensions(trial):
        dim.dim_value = batch
    forget_inferred_shapes(trial)
    try:
        inferred = onnx.shape_inference.infer_shapes(trial, strict_mode=True, data_prop=shapes_are_small(trial))
    except Exception:
        return False
    return all(
        value.type.tensor_type.shape.dim and value.type.tensor_type.shape.dim[0].dim_value == batch
        for value in inferred.graph.output
    )


def shapes_are_small(proto: onnx.ModelProto) -> bool:
    """Whether ONNX may propagate the shapes that the graph computes: a Concat of a shape with itself doubles it."""
    lengths: dict[str, int] = {}
    for graph in graphs(proto):
        lengths |= {tensor.name: math.prod(tensor.dims) for tensor in graph.initializer if len(tensor.dims) < 2}
        for node in graph.node:
            known = [lengths[name] for name in node.input if name in lengths]
            if node.op_type in ("Shape", "Size", "Constant"):
                known = [MOST_RANK]
            if node.op_type not in PROPAGATING or not known:
                continue
            length = sum(known) if node.op_type == "Concat" else max(known)
            if length > MOST_PROPAGATED:
                return False
            lengths |= dict.fromkeys(node.output, length)
    return not proto.functions


def forget_inferred_shapes(proto: onnx.ModelProto) -> None:
    """So that they are inferred again from the inputs as they now are; of the outputs only the rank stays."""
    del proto.graph.value_info[:]
    for value in proto.graph.output:
        for dim in value.type.tensor_type.shape.dim:
            dim.Clear()
