"""module: an nn.Module in memory. A copy of it in eval mode is exported, its shift layers as plain layers."""

import torch
from torch import nn

from dscompress.capture.input_examples import Examples, examples_of, zeros
from dscompress.capture.input_shape import HOW, Shape, parse_input_shapes
from dscompress.capture.one_answer import refuse_another_batch_of_one
from dscompress.capture.options import Captured, CaptureOptions
from dscompress.capture.torch_export import export_module, to_onnx
from dscompress.changes import Change, changes_between, note_dtypes
from dscompress.errors import CompileError
from dscompress.nn.bake import bake
from dscompress.nn.copied import copied

KIND = "nn.Module"


def capture(module: nn.Module, options: CaptureOptions, where: str = "") -> Captured:
    where = where or type(module).__name__
    notes: list[str] = []
    inputs = examples(module, options, where, notes)
    changes: list[Change] = []
    plain = evaluation_copy(module, where, notes, changes)
    program = export_module(plain, inputs, options.dynamic_batch, where)
    if options.dynamic_batch:
        refuse_another_batch_of_one(program, plain, inputs, where, notes)
    model = to_onnx(program, where)
    return Captured(model, KIND, notes=notes, changes=changes)


def evaluation_copy(module: nn.Module, where: str, notes: list[str], changes: list[Change] | None = None) -> nn.Module:
    """Shares its parameters with the module, unless they have to become float32; changes: get what that rounded."""
    try:
        plain = bake(module).eval()
        dtypes = {p.dtype for p in [*plain.parameters(), *plain.buffers()] if p.is_floating_point()}
        if dtypes - {torch.float32}:
            own, plain = plain.state_dict(), copied(plain).float()
            if changes is not None:
                changes.extend(changes_between(own, plain.state_dict()))
    except Exception as error:
        found, expected = f"the module cannot be copied ({error})", "a module that copy.deepcopy takes"
        raise CompileError(where, found, expected) from error
    note_dtypes((str(dtype).removeprefix("torch.") for dtype in dtypes), notes)
    return plain


def examples(module: nn.Module, options: CaptureOptions, where: str, notes: list[str]) -> Examples:
    if options.inputs is None:
        shapes = input_shapes(module, options, where, notes)
        return zeros(shapes, options.dtypes(len(shapes)), where)
    if options.input_shape or options.input_dtype:
        raise CompileError(where, "inputs, and their shapes or dtypes beside", "either", "leave input_shape out")
    return examples_of(options.inputs, where)


def input_shapes(module: nn.Module, options: CaptureOptions, where: str, notes: list[str]) -> list[Shape]:
    """The option, else the module's own `input_shape`, else the implied one.

    A missing batch is put before an image's (3, 224, 224).
    """
    shapes = parse_input_shapes(options.input_shape or getattr(module, "input_shape", None)) or options.implied(notes)
    if shapes is None:
        raise CompileError(where, "the model does not say its input's shape", what_to_do=f"add {HOW}")
    if len(shapes) == 1 and len(shapes[0]) == 3 and starts_with_conv2d(module):
        shapes = [(1, *shapes[0])]
        notes.append(f"input shape {','.join(map(str, shapes[0][1:]))} taken as one image, batch 1")
    return shapes


def starts_with_conv2d(module: nn.Module) -> bool:
    weighted = (child for child in module.modules() if isinstance(child, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear))
    return isinstance(next(weighted, None), nn.Conv2d)
