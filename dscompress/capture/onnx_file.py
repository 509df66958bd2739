"""onnx_file: an .onnx file. It is read without touching any other file, checked, and brought to a current opset.

External data is refused before anything looks at it: such a tensor names another file, by a path.
"""

from collections.abc import Iterator
from pathlib import Path

import onnx
import onnx_ir as ir

from dscompress.capture.batch import BATCH, name_the_batch
from dscompress.capture.input_shape import HOW, parse_input_shapes
from dscompress.capture.options import Captured, CaptureOptions
from dscompress.capture.quiet import quiet
from dscompress.errors import CompileError

KIND = "ONNX"
LARGEST = 2**31 - 1  # protobuf's own limit
OLDEST_OPSET, OPSET = 18, 20
EMBED = "save it in one file: onnx.save(onnx.load('model.onnx'), 'one.onnx', save_as_external_data=False)"


def capture(path: Path, options: CaptureOptions) -> Captured:
    where = str(path)
    size = path.stat().st_size
    if size > LARGEST:
        raise CompileError(where, f"has {size:,} bytes", f"at most {LARGEST:,}", "export a smaller model")
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(path.read_bytes())
    except Exception as error:
        raise CompileError(where, f"is damaged ({error})", "an ONNX model", "export or copy it again") from None
    return from_proto(proto, options, where)


def from_proto(proto: onnx.ModelProto, options: CaptureOptions, where: str) -> Captured:
    notes: list[str] = []
    refuse_external_data(proto, where)
    try:
        onnx.checker.check_model(proto)
    except Exception as error:
        found = f"onnx.checker refuses it: {first_line(error)}"
        raise CompileError(where, found, what_to_do="export it again") from None
    proto = current_opset(proto, where, notes)
    set_input_shapes(proto, options, where)
    freed = options.dynamic_batch and free_the_batch(proto, notes)
    model = ir.from_proto(proto)
    for value in list(model.graph.inputs):  # old files list their weights among the inputs
        if value.name in model.graph.initializers:
            model.graph.inputs.remove(value)
    name_the_batch(model)
    return Captured(model, KIND, notes=notes, freed=freed)


def refuse_external_data(proto: onnx.ModelProto, where: str) -> None:
    for tensor in tensors(proto):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise CompileError(where, f"weight {tensor.name!r} is kept in another file", "one file", EMBED)


def tensors(message) -> Iterator[onnx.TensorProto]:
    """Every tensor in a model, wherever: initializers, attributes, subgraphs, functions, sparse tensors."""
    waiting = [message]
    while waiting:
        item = waiting.pop()
        if isinstance(item, onnx.TensorProto):
            yield item
            continue
        for field, value in item.ListFields():
            if field.message_type is not None:
                waiting.extend(value if field.is_repeated else [value])


def current_opset(proto: onnx.ModelProto, where: str, notes: list[str]) -> onnx.ModelProto:
    version = next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), None)
    if version is None:
        raise CompileError(where, "imports no ONNX opset", f"opset {OLDEST_OPSET} or newer", "export it again")
    if version >= OLDEST_OPSET:
        return proto
    try:
        with quiet():
            converted = onnx.version_converter.convert_version(proto, OPSET)
    except Exception as error:
        raise CompileError(
            where, f"opset {version} could not be brought to {OPSET}: {first_line(error)}",
            f"opset {OLDEST_OPSET} or newer", f"export it again with opset_version={OPSET}",
        ) from None  # fmt: skip
    notes.append(f"converted from opset {version} to {OPSET}")
    return converted


def real_inputs(proto: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    initializers = {tensor.name for tensor in proto.graph.initializer}
    return [value for value in proto.graph.input if value.name not in initializers]


def set_input_shapes(proto: onnx.ModelProto, options: CaptureOptions, where: str) -> None:
    """Gives --input-shape to the free dimensions; after this only the batch is free."""
    inputs = real_inputs(proto)
    wanted = parse_input_shapes(options.input_shape)
    if wanted is not None and len(wanted) != len(inputs):
        raise CompileError(where, f"{len(wanted)} input shapes", f"{len(inputs)}, one for each input", f"write {HOW}")
    if wanted is not None:
        forget_inferred_shapes(proto)
    for index, value in enumerate(inputs):
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


def free_the_batch(proto: onnx.ModelProto, notes: list[str]) -> bool:
    """Dimension 0 of every input becomes N, unless the graph then no longer fits together. Whether it did.

    ONNX's inference overlooks some misfits, such as a Reshape to a fixed size: compile_model() then goes back.
    """
    fixed = {dim.dim_value for dim in first_dimensions(proto)} - {0}
    if not fixed:
        return False
    batch = fixed.pop()
    if not fixed and works_with_batch(proto, batch + 1):
        for dim in first_dimensions(proto):
            dim.dim_param = BATCH
        forget_inferred_shapes(proto)
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
        inferred = onnx.shape_inference.infer_shapes(trial, strict_mode=True, data_prop=True)
    except Exception:
        return False
    return all(
        value.type.tensor_type.shape.dim and value.type.tensor_type.shape.dim[0].dim_value == batch
        for value in inferred.graph.output
    )


def forget_inferred_shapes(proto: onnx.ModelProto) -> None:
    """So that they are inferred again from the inputs as they now are; of the outputs only the rank stays."""
    del proto.graph.value_info[:]
    for value in proto.graph.output:
        for dim in value.type.tensor_type.shape.dim:
            dim.Clear()


def first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
