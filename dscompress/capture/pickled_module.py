"""pickled_module: a whole nn.Module from torch.save(model), or a checkpoint of Python objects. Loading one runs code.

Only --trust-pickle loads it; `load_trusted` is the one place that does. Without it, the weights are read as data where
the network is known or --model builds it.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dscompress.capture import deepshift_checkpoint, module, state_dict
from dscompress.capture.options import Captured, CaptureOptions
from dscompress.errors import CompileError
from dscompress.torchfile.weight_sets import find_sets, refuse_choice
from dscompress.torchmodel import factory
from dscompress.torchmodel.quiet import quiet
from dscompress.torchmodel.torchvision_models import with_torchvision

KIND = "pickled module"
WARNING = "loaded with --trust-pickle: code that the file names was run"


def capture(path: Path, options: CaptureOptions) -> Captured:
    where = str(path)
    if options.trust_pickle:
        return capture_trusted(path, options)
    built, options = state_dict.build_and_choose(path, options)
    known = deepshift_checkpoint.capture_known(deepshift_checkpoint.read(path, options), options, built)
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
    found, notes = module_in(loaded, where, options)
    if found is not None:
        captured = module.capture(found, options, where)
    else:
        built = factory.build_wanted(options.model, options.model_args, where)
        captured = state_dict.capture_checkpoint(loaded, options, where, built)
    notes = [WARNING, *notes, *captured.notes]
    return Captured(captured.model, KIND if found is not None else captured.kind, notes=notes)


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


def module_in(loaded: Any, where: str, options: CaptureOptions) -> tuple[torch.nn.Module | None, list[str]]:
    """The module in a checkpoint, and notes; None where there is none. Of several the user says which."""
    if isinstance(loaded, torch.nn.Module):
        refuse_choice(options.weights_key, options.prefix, where, "one module")
        factory.refuse_factory(options.model, options.model_args, where, "one module")
        return loaded, []
    a_module = lambda value: value if isinstance(value, torch.nn.Module) else None  # noqa: E731
    modules = find_sets(loaded, a_module, state_dict.parts_of)
    if not modules:
        return None, []
    key, _ = state_dict.find_set(loaded, where, None, replace(options, prefix=None))
    if key in modules:
        refuse_choice(None, options.prefix, where, "a checkpoint of modules")
        factory.refuse_factory(options.model, options.model_args, where, "a checkpoint of modules")
    return modules.get(key), [f"module taken from {key!r} of the checkpoint"] if key in modules else []
