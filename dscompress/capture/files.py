"""files: a file of any kind → its own capture."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dscompress.capture import (
    deepshift_checkpoint,
    exported_program,
    onnx_file,
    pickled_module,
    state_dict,
    torchscript,
    training_checkpoint,
)
from dscompress.capture.input_examples import refuse_examples
from dscompress.capture.options import Captured, CaptureOptions
from dscompress.torchfile import detect
from dscompress.torchfile.weight_sets import refuse_choice
from dscompress.torchmodel import factory

KINDS: dict[str, Callable[[Path, CaptureOptions], Captured]] = {
    detect.EXPORTED_PROGRAM: exported_program.capture,
    detect.STATE_DICT: state_dict.capture,
    detect.TRAINING_CHECKPOINT: training_checkpoint.capture,
    detect.PICKLED_MODULE: pickled_module.capture,
    detect.ONNX: onnx_file.capture,
    detect.TORCHSCRIPT: torchscript.capture,
}


def capture_file(path: Path, options: CaptureOptions) -> Captured:
    kind = detect.detect(path)
    if kind not in (detect.STATE_DICT, detect.PICKLED_MODULE) or options.trust_pickle:
        deepshift_checkpoint.refuse_wishes(options, str(path), f"a file of another kind ({kind})")
    refuse_choices(kind, options, str(path))
    if kind == detect.ONNX:
        refuse_examples(options, str(path))
    if kind == detect.STATE_DICT and options.trust_pickle and not state_dict.of_safetensors(path):
        kind = detect.PICKLED_MODULE  # what --trust-pickle loads may hold a module as well
    captured = KINDS[kind](path, options)
    return replace(captured, sha256=sha256_of(path))


def refuse_choices(kind: str, options: CaptureOptions, where: str) -> None:
    """Options that say which weights, and of which network, where a file of this kind leaves no choice."""
    what = f"a file of another kind ({kind})"
    if kind not in (detect.STATE_DICT, detect.PICKLED_MODULE):
        refuse_choice(options.weights_key, options.prefix, where, what)
    if kind in (detect.EXPORTED_PROGRAM, detect.ONNX, detect.TORCHSCRIPT):
        factory.refuse_factory(options.model, options.model_args, where, what)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
