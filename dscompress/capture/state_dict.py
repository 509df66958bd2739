"""state_dict: weights without a model. --model builds the module; the keys must fit it, as torchmodel/fill.py says.

A checkpoint may hold several sets of weights: weight_sets.py says which is taken, and when the user is asked. Files are
read as data, by dscompress.torchfile, or with weights_only=True: no code runs.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dscompress.capture import deepshift_checkpoint, module
from dscompress.capture.input_shape import HOW as SHAPE_HOW
from dscompress.capture.options import Captured, CaptureOptions
from dscompress.changes import Change, changes_between
from dscompress.deepshift import Imported, layout
from dscompress.errors import CompileError
from dscompress.torchfile.detect import STATE_DICT
from dscompress.torchfile.reader import UnusualTensors, check_sums, opened
from dscompress.torchfile.safetensors_file import is_safetensors
from dscompress.torchfile.weight_sets import KEYS, Choice, choose, find_sets, plain_key
from dscompress.torchmodel import factory
from dscompress.torchmodel.fill import LISTED, fill, shapes_of, tied_keys
from dscompress.torchmodel.quiet import quiet

KIND = STATE_DICT


def capture(path: Path, options: CaptureOptions) -> Captured:
    built, options = build_and_choose(path, options)
    found, checkpoint = read(path, options)
    known = None if found is None else deepshift_checkpoint.capture_known(found, options, built)
    if known is not None:
        return known
    if found is not None and found.method is not None:
        raise deepshift_checkpoint.unknown(found, options)
    if found is not None and checkpoint is None:
        return capture_checkpoint(found.latent, replace(options, weights_key=None, prefix=None), str(path), built)
    return capture_checkpoint(checkpoint, options, str(path), built)


def build_and_choose(path: Path, options: CaptureOptions) -> tuple[nn.Module | None, CaptureOptions]:
    """What --model builds, and the options with the set of weights and the prefix that fit it."""
    built = factory.build_wanted(options.model, options.model_args, str(path))
    if built is None:
        return None, options
    try:
        with opened(path) as file:
            sets = layout.shapes_of(layout.sets_of(file.root))
    except UnusualTensors:
        return built, options
    if not sets:
        return built, options
    choice = choose_for(built, sets, options, str(path))
    return built, replace(options, weights_key=choice.key, prefix=choice.prefix or options.prefix)


def choose_for(built: nn.Module | None, sets: Mapping, options: CaptureOptions, where: str) -> Choice:
    own = None if built is None else shapes_of(built.state_dict())
    tied = {} if built is None else tied_keys(built)
    return choose(sets, own, options.weights_key, options.prefix, where, tied)


def read(path: Path, options: CaptureOptions) -> tuple[Imported | None, Any]:
    """The weights as data, and the checkpoint as PyTorch loads it, which knows more types of tensors; one may be None.

    With --model, a checkpoint in which there is nothing to round is PyTorch's, if it holds tensors alone. Neither way
    runs code.
    """
    try:
        found = deepshift_checkpoint.read(path, options)
    except UnusualTensors:
        checkpoint = None if any(deepshift_checkpoint.given(options)) else load(path)
        if checkpoint is None:
            raise
        return None, checkpoint
    checkpoint = load(path) if found.as_it_is else None
    return (None if options.model and checkpoint is not None else found), checkpoint


def load(path: Path) -> Any:
    """None where it holds more than PyTorch loads without running code, or is damaged."""
    if of_safetensors(path):
        with opened(path) as file:
            return file.tensors(file.root)
    try:
        check_sums(path)
        with quiet():
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        return None


def of_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        return is_safetensors(file.read(9))


def capture_checkpoint(checkpoint: Any, options: CaptureOptions, where: str, built: nn.Module | None) -> Captured:
    """From a loaded checkpoint to the graph of the model that --model builds, with these weights."""
    notes: list[str] = []
    weights = find_state_dict(checkpoint, where, notes, built, options)
    if built is None:
        shape = "" if options.input_shape else f" {SHAPE_HOW.split(' (')[0]}"
        raise CompileError(
            where,
            f"holds weights ({len(weights)} tensors) but no model",
            what_to_do=f"say what builds it: dscompress export {where} {factory.HOW.split(' (')[0]}{shape}",
        )
    sources = fill(built, weights, options.model, where, notes, options.prefix)
    changes = changes_in(built, weights, sources)
    if options.method is None:  # the user has not said yet what they are
        note_latent_weights(built, weights, notes)
    del checkpoint, weights
    captured = module.capture(built, options, where)
    notes = list(dict.fromkeys(notes + captured.notes))
    return Captured(captured.model, KIND, notes=notes, changes=changes + captured.changes)


def changes_in(built: nn.Module, weights: Mapping, sources: Mapping[str, tuple[str, ...]]) -> list[Change]:
    """What in the filled module is not the file's own; a tensor that is put together from several counts as its own."""
    own = {name: weights[keys[0]] for name, keys in sources.items() if len(keys) == 1}
    made = {plain_key(key): value for key, value in built.state_dict().items()}
    tensors = {name: value for name, value in made.items() if isinstance(value, torch.Tensor)}
    return changes_between(own, {name: value for name, value in tensors.items() if own.get(name) is not None})


def find_state_dict(
    checkpoint: Any, where: str, notes: list[str], built: nn.Module | None, options: CaptureOptions
) -> dict[str, torch.Tensor]:
    """The set of weights that fits what --model builds or that the options name; the first one, where both say none."""
    key, weights = find_set(checkpoint, where, built, options)
    if key:
        notes.append(f"weights taken from {key!r} of the checkpoint")
    return weights


def find_set(checkpoint: Any, where: str, built: nn.Module | None, options: CaptureOptions) -> tuple[str, dict]:
    sets = find_sets(checkpoint, set_of, parts_of)
    if not sets:
        keys = list(checkpoint) if isinstance(checkpoint, Mapping) else []
        shown = ", ".join(str(key) for key in keys[:LISTED]) or "nothing"
        expected = f"one at the top or under {', '.join(KEYS[:4])}"
        raise CompileError(where, f"holds no state_dict; it has {shown}", expected, "save one")
    choice = choose_for(built, {key: shapes_of(weights) for key, weights in sets.items()}, options, where)
    return choice.key, sets[choice.key]


def set_of(value: Any) -> dict | None:
    """A state_dict, a module's, or a list of tensors by their places."""
    if isinstance(value, nn.Module):
        return value.state_dict()
    if isinstance(value, list | tuple) and len(value) > 1 and all(isinstance(item, torch.Tensor) for item in value):
        return {str(place): item for place, item in enumerate(value)}
    return dict(value) if is_state_dict(value) else None


def parts_of(value: Any) -> Mapping | None:
    """What a dict, or an object that keeps an average, has in it."""
    if isinstance(value, Mapping):
        return value
    return getattr(value, "__dict__", None) if not isinstance(value, type | torch.Tensor) else None


def is_state_dict(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and any(isinstance(item, torch.Tensor) for item in value.values())
        and all(isinstance(key, str) and (isinstance(item, torch.Tensor) or key.endswith("_extra_state"))
                for key, item in value.items())
    )  # fmt: skip


def note_latent_weights(built: torch.nn.Module, weights: dict, notes: list[str]) -> None:
    """DeepShift-Q saves what looks like a float model: say so where a float model was built for such weights."""
    from dscompress.nn.layers import ShiftLayer

    matrices = [
        value
        for value in weights.values()
        if isinstance(value, torch.Tensor) and value.dim() > 1 and value.is_floating_point()
    ]
    if any(isinstance(child, ShiftLayer) for child in built.modules()) or sum(m.numel() for m in matrices) < 1000:
        return
    rounded = all(bool(((m == 0) | (torch.frexp(m).mantissa.abs() == 0.5)).all()) for m in matrices)
    in_range = all(bool(((m == 0) | ((m.abs() >= 2.0**-15) & (m.abs() <= 1))).all()) for m in matrices)
    if in_range and not rounded:
        notes.append(
            "every weight lies in ±[2^-15, 1], as after training with method 'q'; if so, add --method q, or the latent "
            "float weights are exported"
        )
