"""exported_program: a .pt2 archive of torch.export.save, or an ExportedProgram in memory; it holds graph and shapes.

A batch that the archive fixed is made free where the graph allows it, by exporting its module once more.
"""

import io
import math
from dataclasses import replace
from pathlib import Path

import torch

from dscompress.capture.archive_check import dangers, large_claims
from dscompress.capture.batch import taken_as_free
from dscompress.capture.fold_budget import LARGEST_INPUT
from dscompress.capture.input_examples import refuse_examples
from dscompress.capture.input_shape import HOW, Shape, parse_input_shapes
from dscompress.capture.one_answer import refuse_other_answers
from dscompress.capture.options import Captured, CaptureOptions
from dscompress.capture.pickled_module import WARNING
from dscompress.capture.torch_export import export_module, place_of, to_onnx
from dscompress.errors import CompileError
from dscompress.torchmodel.quiet import quiet

KIND = "exported program"
EXPORT_AGAIN = "export it again with torch.export.save(torch.export.export(model.eval(), inputs), 'model.pt2')"


def capture(path: Path, options: CaptureOptions) -> Captured:
    captured = capture_loaded(load(path, options.trust_pickle), options, str(path))
    return replace(captured, notes=[WARNING, *captured.notes]) if options.trust_pickle else captured


def capture_program(program: torch.export.ExportedProgram, options: CaptureOptions) -> Captured:
    return capture_loaded(program, options, "ExportedProgram", callers=True)


def load(path: Path, trusted: bool) -> torch.export.ExportedProgram:
    where, archive = str(path), path.read_bytes()
    try:
        found = [] if trusted else dangers(archive)
        claims = [] if trusted or found else large_claims(archive)
    except Exception as error:
        message = f"is damaged, or of a PyTorch before 2.8 ({first_line(error)})"
        raise CompileError(where, message, what_to_do=EXPORT_AGAIN) from None
    if found:
        raise CompileError(
            where,
            f"holds {', '.join(found[:3])}, and to load that can run code",
            "a graph of PyTorch's own operators and its weights",
            "export the model without custom objects and operators; or, if you made the file, add --trust-pickle",
        )
    if claims:
        expected = "weights that are in the file, and that an ONNX graph can hold"
        raise CompileError(where, f"holds {claims[0]}", expected, EXPORT_AGAIN)
    from torch.export.pt2_archive._package import load_pt2

    try:
        with quiet():
            programs = load_pt2(io.BytesIO(archive)).exported_programs
    except Exception as error:
        message = f"PyTorch {torch.__version__} cannot load it ({first_line(error)})"
        raise CompileError(where, message, what_to_do=EXPORT_AGAIN) from error
    if len(programs) != 1:
        raise CompileError(where, f"holds {len(programs)} programs", "one", EXPORT_AGAIN)
    program = next(iter(programs.values()))
    if not trusted:
        program._guards_code = []  # Python, which a module made of the program would run
    return program


def capture_loaded(
    program: torch.export.ExportedProgram, options: CaptureOptions, where: str, callers: bool = False
) -> Captured:
    """callers: the program is the caller's, and stays as it is."""
    refuse_examples(options, where)
    if in_training_mode(program):
        found = "the program was exported in training mode (batch norm or dropout as in training)"
        raise CompileError(where, found, "one of model.eval()", EXPORT_AGAIN)
    refuse_other_answers(program, where, place_of)
    notes: list[str] = []
    inputs = input_dims(program)
    shapes = concrete_shapes(inputs, wanted_shapes(inputs, options, notes), where)
    free_batch = all(not isinstance(dims[0], int) for dims in inputs)
    free_elsewhere = any(not isinstance(dim, int) for dims in inputs for dim in dims[1:])
    if free_elsewhere or free_batch != options.dynamic_batch:
        chosen = exported_again(program, shapes, options.dynamic_batch, free_elsewhere, where, notes)
    else:
        chosen = program
    if chosen is program:
        refuse_other_batch(inputs, shapes, where)
    if chosen is program and callers:
        with quiet():
            chosen = program.run_decompositions({})  # a copy; it also writes a fixed batch into every view
    return Captured(to_onnx(chosen, where, bounded=not callers), KIND, notes=notes)


def in_training_mode(program: torch.export.ExportedProgram) -> bool:
    flags = {torch.ops.aten.batch_norm.default: 5, torch.ops.aten.dropout.default: 2}  # which argument says training
    calls = [node for node in program.graph.nodes if node.target in flags]
    return bool(program.graph_signature.buffers_to_mutate) or any(node.args[flags[node.target]] for node in calls)


def exported_again(program, shapes: list[Shape], dynamic_batch: bool, must: bool, where: str, notes: list[str]):
    with quiet():
        module = program.module(check_guards=False)
    dtypes = [node.meta["val"].dtype for node in input_nodes(program)]
    refuse_large_inputs(shapes, where)
    inputs = [torch.zeros(shape, dtype=dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    fixed = [dims[0] for dims in input_dims(program) if dims and isinstance(dims[0], int)]
    try:
        again = export_module(module, inputs, dynamic_batch, where)
        if dynamic_batch and fixed:
            notes.append(taken_as_free("the program was captured with", fixed[0]))
        return again
    except CompileError:
        if not dynamic_batch:
            raise
        again = export_module(module, inputs, False, where) if must else program
    notes.append(f"the program fixes its batch at {shapes[0][0]}; to free it, export it with dynamic_shapes")
    return again


def refuse_large_inputs(shapes: list[Shape], where: str) -> None:
    """What a file says of its inputs takes memory as soon as there are some."""
    size = sum(map(math.prod, shapes))
    if size > LARGEST_INPUT:
        found = f"its inputs have {size:,} elements"
        raise CompileError(where, found, f"at most {LARGEST_INPUT:,}", "export it with smaller inputs")


def input_dims(program: torch.export.ExportedProgram) -> list[tuple]:
    """For each input its dimensions: an int, or a symbol where the dimension is free."""
    return [tuple(node.meta["val"].shape) for node in input_nodes(program)]


def input_nodes(program: torch.export.ExportedProgram) -> list[torch.fx.Node]:
    names = set(program.graph_signature.user_inputs)
    return [node for node in program.graph.nodes if node.op == "placeholder" and node.name in names]


def wanted_shapes(inputs: list[tuple], options: CaptureOptions, notes: list[str]) -> list[Shape] | None:
    wanted = parse_input_shapes(options.input_shape)
    if wanted is None and len(inputs) == 1 and any(not isinstance(dim, int) for dim in inputs[0][1:]):
        return options.implied(notes)
    return wanted


def concrete_shapes(inputs: list[tuple], wanted: list[Shape] | None, where: str) -> list[Shape]:
    if wanted is None:
        if any(not isinstance(dim, int) for dims in inputs for dim in dims[1:]):
            shown = "; ".join(map(shown_dims, inputs))
            raise CompileError(where, f"its inputs have free dimensions ({shown})", what_to_do=f"add {HOW}")
        return [tuple(dim if isinstance(dim, int) else 1 for dim in dims) for dims in inputs]
    if len(wanted) != len(inputs):
        raise CompileError(where, f"{len(wanted)} input shapes", f"{len(inputs)}", f"add {HOW}")
    for shape, dims in zip(wanted, inputs, strict=True):
        fits = len(shape) == len(dims) and all(
            not isinstance(dim, int) or dim == size for size, dim in list(zip(shape, dims, strict=False))[1:]
        )
        if not fits:
            given, expected = ",".join(map(str, shape)), f"{shown_dims(dims)}, as the program has it"
            raise CompileError(where, f"--input-shape {given}", expected, "leave it out")
    return wanted


def refuse_other_batch(inputs: list[tuple], shapes: list[Shape], where: str) -> None:
    for dims, shape in zip(inputs, shapes, strict=True):
        if dims and isinstance(dims[0], int) and dims[0] != shape[0]:
            found, expected = ",".join(map(str, shape)), f"a batch of {dims[0]}, to which the program is fixed"
            remedy = "leave it out, or export the program with dynamic_shapes"
            raise CompileError(where, f"--input-shape {found}", expected, remedy)


def shown_dims(dims: tuple) -> str:
    return ",".join(str(dim) if isinstance(dim, int) else "?" for dim in dims)


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
