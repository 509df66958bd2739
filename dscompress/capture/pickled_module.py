"""pickled_module: a whole nn.Module from torch.save(model), or a checkpoint of Python objects. Loading one runs code.

Only --trust-pickle loads it; `load_trusted` is the one place that does.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dscompress.capture import factory, module, state_dict
from dscompress.capture.options import Captured, CaptureOptions
from dscompress.capture.quiet import quiet
from dscompress.capture.torchvision_models import with_torchvision
from dscompress.errors import CompileError

KIND = "pickled module"
WARNING = "loaded with --trust-pickle: code that the file names was run"


def capture(path: Path, options: CaptureOptions) -> Captured:
    where = str(path)
    if not options.trust_pickle:
        raise CompileError(
            where,
            "is a pickled module, and to load it is to run code that the file names",
            what_to_do="save the weights alone, torch.save(model.state_dict(), 'weights.pt'), and export them with "
            "--model package.module:factory; or, if you made the file, add --trust-pickle",
        )
    return capture_trusted(path, options)


def capture_trusted(path: Path, options: CaptureOptions) -> Captured:
    where = str(path)
    loaded = load_trusted(path)
    found = loaded if isinstance(loaded, torch.nn.Module) else module_in(loaded)
    if found is not None:
        captured = module.capture(found, options, where)
    else:
        captured = state_dict.capture_checkpoint(loaded, options, where)
    return Captured(captured.model, KIND if found is not None else captured.kind, notes=[WARNING, *captured.notes])


def load_trusted(path: Path) -> Any:
    factory.make_current_directory_importable()
    try:
        with quiet():
            return with_torchvision(lambda: torch.load(path, map_location="cpu", weights_only=False))
    except Exception as error:
        raise CompileError(
            str(path),
            f"does not load: {type(error).__name__}: {error}",
            what_to_do="run from the folder that holds the model's code, with the packages it needs installed",
        ) from error


def module_in(checkpoint: Any) -> torch.nn.Module | None:
    values = checkpoint.values() if isinstance(checkpoint, Mapping) else ()
    return next((value for value in values if isinstance(value, torch.nn.Module)), None)
