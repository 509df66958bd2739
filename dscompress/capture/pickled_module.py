"""pickled_module: a whole nn.Module from torch.save(model), or a checkpoint of Python objects. Loading one runs code.

Only --trust-pickle loads it; `load_trusted` is the one place that does. Without it, the weights are read as data where
the network is known or --model builds it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dscompress.capture import deepshift_checkpoint, factory, module, state_dict
from dscompress.capture.options import Captured, CaptureOptions
from dscompress.capture.quiet import quiet
from dscompress.capture.torchvision_models import with_torchvision
from dscompress.errors import CompileError

KIND = "pickled module"
WARNING = "loaded with --trust-pickle: code that the file names was run"


def capture(path: Path, options: CaptureOptions) -> Captured:
    where = str(path)
    if options.trust_pickle:
        return capture_trusted(path, options)
    known = deepshift_checkpoint.capture_known(deepshift_checkpoint.read(path, options), options)
    if known is None:
        raise CompileError(
            where,
            "is a pickled module of no known network, and to load it is to run code that the file names",
            what_to_do="say what builds the network, --model package.module:factory, and its weights are read without "
            "running anything, as those of torch.save(model.state_dict(), 'weights.pt') are; or, if you made the file, "
            "add --trust-pickle",
        )
    return known


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
