"""capture: any source of a model → an ONNX graph, held as onnx_ir.Model.

One file a kind of source. To add a kind: write its file with KIND and capture(path, options), tell it apart in
torchfile/detect.py, and add it to KINDS in files.py.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from dscompress.capture.options import Captured, CaptureOptions
from dscompress.names import make_storable

__all__ = ["CaptureOptions", "Captured", "capture"]


def capture(source: Any, options: CaptureOptions | None = None) -> Captured:
    """source: an nn.Module, a torch.export.ExportedProgram, or the path of a file of any known kind."""
    from dscompress.capture.raise_floats import raise_floats

    captured = capture_any(source, options or CaptureOptions())
    captured = replace(captured, model=raise_floats(captured.model, captured.notes, captured.changes))
    captured.notes.extend(make_storable(captured.model))
    return captured


def capture_any(source: Any, options: CaptureOptions) -> Captured:
    import torch

    if isinstance(source, torch.nn.Module | torch.export.ExportedProgram):
        refuse_file_options(options, type(source).__name__)
    if isinstance(source, torch.nn.Module):
        from dscompress.capture import module

        return module.capture(source, options)
    if isinstance(source, torch.export.ExportedProgram):
        from dscompress.capture import exported_program

        return exported_program.capture_program(source, options)
    from dscompress.capture.files import capture_file

    return capture_file(Path(source), options)


def refuse_file_options(options: CaptureOptions, where: str) -> None:
    """What is said of a file, of a network in memory."""
    from dscompress.capture import deepshift_checkpoint
    from dscompress.torchfile.weight_sets import refuse_choice
    from dscompress.torchmodel import factory

    what = "a network in memory"
    factory.refuse_factory(options.model, options.model_args, where, what)
    refuse_choice(options.weights_key, options.prefix, where, what)
    deepshift_checkpoint.refuse_wishes(options, where, what)
