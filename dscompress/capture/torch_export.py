"""torch_export: nn.Module → ExportedProgram → onnx_ir.Model, and one sentence where PyTorch prints pages."""

import inspect
import linecache
import re
import traceback
from collections.abc import Sequence
from typing import Any

import onnx_ir as ir
import torch

from dscompress.capture.batch import name_the_batch
from dscompress.capture.constants import fold_constants
from dscompress.capture.input_examples import Examples
from dscompress.capture.input_shape import Shape
from dscompress.capture.one_answer import refuse_other_answers
from dscompress.errors import CompileError
from dscompress.torchmodel.quiet import quiet

OPSET = 20


def export_module(module: torch.nn.Module, examples: Sequence[torch.Tensor | Shape] | Examples, dynamic_batch: bool,
                  where: str):  # fmt: skip
    """An ExportedProgram for inputs like these, by position or by name; a shape stands for float32.

    If asked, the first dimension of each is free that has as many rows as the first input.
    """
    named = examples if isinstance(examples, dict) else {str(place): each for place, each in enumerate(examples)}
    # Weights that PyTorch made are on its device.
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    inputs = {name: (each if isinstance(each, torch.Tensor) else torch.zeros(each)).to(device)
              for name, each in named.items()}  # fmt: skip
    dynamic_shapes: Any = None
    if dynamic_batch:
        rows = next((each.shape[0] for each in inputs.values() if each.dim()), 0)
        has_batch = {name: bool(each.dim()) and each.shape[0] == rows for name, each in inputs.items()}
        if rows == 1:  # would be taken for a constant
            inputs = {name: torch.cat([each, each]) if has_batch[name] else each for name, each in inputs.items()}
        batch = torch.export.Dim("batch")
        free: dict[str, dict] = {name: {0: batch} if has_batch[name] else {} for name in inputs}
        dynamic_shapes = free if isinstance(examples, dict) else by_parameter(module, list(free.values()))
    arguments, keywords = ((), inputs) if isinstance(examples, dict) else (tuple(inputs.values()), None)
    try:
        with quiet(), torch.no_grad():
            # Non-strict export runs the module's own Python, so that a failure has a traceback into the user's code.
            program = torch.export.export(module, arguments, keywords, dynamic_shapes=dynamic_shapes, strict=False)
    except Exception as error:
        raise capture_error(error, module, where, dynamic_batch) from error
    refuse_other_answers(program, where, place_of)
    return program


def by_parameter(module: torch.nn.Module, dims: list[dict]) -> tuple:
    """One entry for each parameter of forward(); those that *args takes make one tuple."""
    parameters = list(inspect.signature(module.forward).parameters.values())
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if not any(p.kind is p.VAR_POSITIONAL for p in parameters) or len(dims) <= len(plain):
        return tuple(dims)
    return (*dims[: len(plain)], tuple(dims[len(plain) :]))


def to_onnx(program: torch.export.ExportedProgram, where: str, bounded: bool = False) -> ir.Model:
    """The ONNX graph of a program; what depends on parameters alone is computed by PyTorch, bit for bit.

    bounded: the program is out of a file that is not trusted, so that this may not take any time and memory.
    """
    refuse_divisors(program, where)
    try:
        with quiet(), torch.no_grad():
            fold_constants(program, bounded)
            exported = torch.onnx.export(program, (), dynamo=True, opset_version=OPSET, verbose=False)
            assert exported is not None  # with dynamo
            model = exported.model
    except Exception as error:
        raise translation_error(error, program, where) from error
    name_the_batch(model)
    return model


def refuse_divisors(program: torch.export.ExportedProgram, where: str) -> None:
    """torch.onnx drops the divisor of an average pool without a word."""
    for node in program.graph.nodes:
        if node.target not in (torch.ops.aten.avg_pool2d.default, torch.ops.aten.avg_pool3d.default):
            continue
        if node.kwargs.get("divisor_override", (*node.args, *[None] * 7)[6]) is not None:
            found = f"ONNX has no average pool with divisor_override, called in {place_of(node)}"
            raise CompileError(where, found, what_to_do="pool without it and multiply by a constant")


def capture_error(error: Exception, module: torch.nn.Module, where: str, dynamic_batch: bool) -> CompileError:
    place = place_in_module(error, module)
    if dynamic_batch and "specialized it to be a constant" in str(error):
        found = f"{place} takes its batch size for a constant"
        remedy = "look for a size written as a number (view, reshape, expand, zeros), or pass --no-dynamic-batch"
        return CompileError(where, found, "a model that works for any batch", remedy)
    if "data-dependent" in str(error):
        remedy = "replace the Python branch on tensor values by torch.where, or take it out of forward()"
    else:
        remedy = "check --input-shape and --input-dtype, and that model(torch.zeros(shape)) runs in PyTorch"
    return CompileError(where, f"PyTorch could not capture {place}: {first_lines(error)}", what_to_do=remedy)


def translation_error(error: Exception, program: torch.export.ExportedProgram, where: str) -> CompileError:
    message = "\n".join(str(cause) for cause in chain(error))
    for found in re.finditer(r"OpOverload\(op='([\w.]+)'|torch\.ops\.([\w.]+)", message):
        operator = found[1] or found[2]
        place = place_in_program(program, operator)
        if place:
            text = f"torch.onnx has no translation of {operator}, called in {place}"
            return CompileError(where, text, what_to_do="write that line with other torch functions")
    text = f"torch.onnx could not translate the model: {first_lines(chain(error)[-1])}"
    return CompileError(where, text, what_to_do="export it to .onnx yourself and give that file")


def place_in_module(error: BaseException, module: torch.nn.Module) -> str:
    """ "'layer1.0' (BasicBlock), resnet.py line 92: out = self.conv1(x)": the innermost module and line."""
    names = {id(child): name for name, child in module.named_modules()}
    name, line, owner = "", "", type(module).__name__
    for link in reversed(chain(error)):
        for frame, number in traceback.walk_tb(link.__traceback__):
            code = frame.f_code
            path = code.co_filename
            child = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
            if id(child) in names and code.co_name == "forward":
                name, owner = names[id(child)], type(child).__name__
                line = source_line(path, number) if "/torch/nn/" not in path else line
            elif line and "/torch/" not in path:
                line = source_line(path, number)
        if line or name:
            break
    return f"{repr(name) if name else 'the model'} ({owner})" + (f", {line}" if line else "")


def place_in_program(program: torch.export.ExportedProgram, operator: str) -> str | None:
    wanted = operator.split(".")[1]
    for node in program.graph.nodes:
        # a decomposition may have renamed it: aten.special_bessel_j0 becomes prims.bessel_j0
        if node.op == "call_function" and wanted in ([*str(node.target).split("."), ""])[1]:
            return place_of(node)
    return None


def place_of(node: torch.fx.Node) -> str:
    modules = node.meta.get("nn_module_stack") or {}
    path, owner = list(modules.values())[-1][:2] if modules else ("", "")
    # The lines' text as recorded: a program out of a file may name any path, which is not opened.
    lines = re.findall(r'File "([^"]+)", line (\d+)[^\n]*\n? *([^\n]*)', node.meta.get("stack_trace") or "")
    own = [entry for entry in lines if "/torch/" not in entry[0]] or lines
    line = ", {} line {}: {}".format(*own[-1]).rstrip(": ") if own else ""
    return f"{repr(path) if path else 'the model'} ({getattr(owner, '__name__', owner)}){line}"


def source_line(path: str, number: int) -> str:
    return f"{path} line {number}: {linecache.getline(path, number).strip()}".rstrip(": ")


def chain(error: BaseException) -> list[BaseException]:
    errors = [error]
    while (cause := errors[-1].__cause__ or errors[-1].__context__) is not None and cause not in errors:
        errors.append(cause)
    return errors


def first_lines(error: BaseException) -> str:
    """What the error says, without the pages of advice that follow it."""
    lines = [line.strip() for line in str(error).splitlines()]
    text = " ".join(line for line in lines[: lines.index("")] if line) if "" in lines[1:] and lines[0] else ""
    text = text or next((line for line in lines if line), type(error).__name__)
    return text[:300].rstrip(".;: ")
