"""compile_model(): capture, passes, lower, assemble and encode, build, prove, write; each step has its own file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dscompress.atomic_file import check_target
from dscompress.capture import Captured, CaptureOptions, capture
from dscompress.compile.assemble import Assembled, Labelling, assemble
from dscompress.compile.caps import refuse_what_no_file_holds
from dscompress.compile.labelling import implied_input, read_labels, read_recipe
from dscompress.compile.lower import lower
from dscompress.compile.meaning import read_meanings, unknown_meaning
from dscompress.compile.prove import prove
from dscompress.compile.report import Report, float_weights, make_report
from dscompress.compile.write import build, write_file
from dscompress.errors import CompileError
from dscompress.metadata import KIND, RESERVED, SHA256
from dscompress.names import refuse_controls, storable
from dscompress.passes import run_pipeline

FIXED_BATCH = "fixes its batch"  # in the notes of every capture that kept one


def compile_model(
    source,
    output: str | os.PathLike | None = None,
    input_shape=None,
    *,
    model: str | None = None,
    model_args=None,
    dynamic_batch: bool = True,
    preprocess=None,
    labels=None,
    meaning: str | Sequence[str] | None = None,
    name: str | None = None,
    metadata: dict[str, str] | None = None,
    trust_pickle: bool = False,
    bits: int | None = None,
    method: str | None = None,
    sign_threshold: float | None = None,
    activations: str | None = None,
    weights_key: str | None = None,
    prefix: str | None = None,
    input_dtype=(),
    inputs=None,
    require_shift: bool = False,
    on_step: Callable[[str], None] = lambda step: None,
) -> Report:
    """Turns a model into a .dsf file, or into its bytes where no output is given (Report.data).

    source: an nn.Module, an ExportedProgram, or the path of a .pt2, .pt, .pth or .onnx file; its content says which.
    input_shape: "1,3,224,224" or a tuple, batch first. model, model_args: what makes the module that a state_dict fits.
    input_dtype: "int64", or one for each input; float32 unless said. inputs: instead of shapes and dtypes example
    arrays, in a tuple or in a dict by the names of forward()'s parameters.
    preprocess: "imagenet", "digits", a JSON file or a dsruntime.file.Image. labels: a text file, one a line, or a list.
    meaning: "logits", "probabilities", "scores" or "embedding", of the first output, or a list of them, one an output:
    what its numbers are, where the graph's last operator or the source does not say it.
    weights_key ("ema.module"): which set of weights, where a checkpoint holds several; prefix ("net."): what their keys
    begin with, beside the model's own. A checkpoint of `dscompress train` says all of these itself; what is given here
    goes before it. bits, method, sign_threshold, activations ("float" or "deepshift:3.5"): of a DeepShift checkpoint,
    where its folder does not say them or is wrong. require_shift: refuse if the weight of a conv or linear layer stays
    float. on_step: called with each step's name as it begins: capture, passes, encode, prove, write.
    """
    if output is not None:
        check_target(output)
    image, names, meanings = read_recipe(preprocess), read_labels(labels), read_meanings(meaning)
    refuse_controls("name", name or "")
    on_step("capture")
    options = CaptureOptions(
        input_shape, dynamic_batch, model, model_args, trust_pickle, bits, method, sign_threshold, activations,
        weights_key, prefix, input_dtype, inputs, implied_input(image),
    )  # fmt: skip
    captured = capture(source, options)
    title = name or storable(captured.name or name_of(source))
    names = names or tuple(map(storable, captured.labels))
    labelling = Labelling(
        title, image or captured.preprocess, names, meanings, captured.meaning, all_metadata(metadata, captured)
    )
    try:
        assembled, data, proof = translate(captured, labelling, on_step)
    except CompileError:
        if not captured.freed:
            raise
        captured = capture(source, replace(options, dynamic_batch=False))
        assembled, data, proof = translate(captured, labelling, on_step)
    if dynamic_batch:
        note_a_fixed_batch(assembled, captured.notes)
    if unknown := unknown_meaning(assembled.description, meanings):
        captured.notes.append(unknown)
    if require_shift:
        refuse_float_weights(assembled)
    path = None if output is None else os.fspath(output)
    report = make_report(data, path, assembled, proof, captured)
    if path is not None:
        on_step("write")
        write_file(path, data)
    return report


def translate(captured: Captured, labelling: Labelling, on_step: Callable[[str], None]):
    """The graph as it goes into the file, the file's bytes, and the model that libdsf read from them."""
    on_step("passes")
    captured.model.graph.name = labelling.name  # PyTorch calls every graph main_graph; errors say this name
    graph = run_pipeline(captured.model)
    nodes = lower(graph)
    on_step("encode")
    assembled = assemble(graph, nodes, labelling)
    refuse_what_no_file_holds(assembled.description)
    data = build(assembled.description)
    on_step("prove")
    return assembled, data, prove(data, assembled)


def note_a_fixed_batch(assembled: Assembled, notes: list[str]) -> None:
    """Whatever the source: a free batch was asked for, and no input has one. A capture may have said why already."""
    shapes = [assembled.description.values[entry.value].shape for entry in assembled.description.inputs]
    batches = sorted({shape[0] for shape in shapes if shape})
    if batches and batches[0] >= 0 and not any(FIXED_BATCH in text for text in notes):
        found = " and ".join(map(str, batches))
        notes.append(f"the graph {FIXED_BATCH} at {found}; to free it, export it with a dynamic batch")


def name_of(source) -> str:
    return Path(source).stem if isinstance(source, (str, os.PathLike)) else type(source).__name__


def all_metadata(given: dict[str, str] | None, captured) -> dict[str, str]:
    taken = [key for key in given or {} if key.startswith(RESERVED)]
    if taken:
        raise CompileError("metadata", f"the key '{taken[0]}'", f"keys that do not start with '{RESERVED}'")
    for key, value in (given or {}).items():
        refuse_controls("metadata", str(key))
        refuse_controls(f"metadata '{key}'", str(value), lines=True)
    own = {KIND: captured.kind, SHA256: captured.sha256}
    return {**{str(k): str(v) for k, v in (given or {}).items()}, **{k: v for k, v in own.items() if v}}


def refuse_float_weights(assembled: Assembled) -> None:
    found = float_weights(assembled)
    if found:
        count = "1 weight is no shift weight" if len(found) == 1 else f"{len(found)} weights are no shift weights"
        raise CompileError(
            assembled.description.name,
            count,
            what_to_do="train or convert these layers as shift layers, or export without --require-shift",
            details=[f"'{w.name}' {w.shape}, {w.op} in module '{w.module}': {w.reason}" for w in found],
        )
