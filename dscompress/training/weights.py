"""weights: a file of trained weights → a float network that has them, whichever of its kinds the file is.

a checkpoint of dscompress train    float as it is; shift layers by their effective weights, as bake() gives them
a state_dict, or a dict with one    the keys have to fit
a file of the original DeepShift    PS: the weights that its layers compute with; Q: what training left, not rounded
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dscompress import checkpoint, deepshift
from dscompress.capture.options import CaptureOptions
from dscompress.capture.state_dict import find_state_dict, load
from dscompress.errors import CompileError, TrainingError
from dscompress.nn import bake
from dscompress.torchfile import detect
from dscompress.torchfile.weight_sets import choose, full_prefix, refuse_choice
from dscompress.torchmodel.fill import fill, shapes_of, tied_keys, under_prefix


def read_weights(path: str, weights_key: str | None = None, prefix: str | None = None) -> dict[str, Any]:
    """A checkpoint's values, or {"state_dict": ...}: which set of weights, and what its keys begin with."""
    kind = detect.detect(Path(path))
    if kind == detect.TRAINING_CHECKPOINT:
        refuse_choice(weights_key, prefix, path, "a checkpoint of dscompress train, which holds one network")
        return checkpoint.load(path)
    if kind != detect.STATE_DICT:
        raise TrainingError(path, f"is a file of kind {kind}", "a checkpoint of dscompress train, or a state_dict",
                            "save the weights: torch.save(model.state_dict(), 'weights.pt')")  # fmt: skip
    loaded, options = load(Path(path)), CaptureOptions(weights_key=weights_key, prefix=prefix)
    weights = {} if loaded is None else find_state_dict(loaded, path, [], None, options)
    if not weights or any(key.endswith((".shift", ".weight_val", ".weight_t1")) for key in weights):
        found = deepshift.load(path, weights_key=weights_key, prefix=prefix, ask=False)
        weights = found.state if found.is_composed else found.latent
    elif prefix is not None:
        sources = under_prefix(weights, full_prefix(prefix, [weights], path), [])
        weights = {key: weights[source] for key, (source,) in sources.items()}
    return {"state_dict": weights}


def float_weights(values: dict[str, Any], path: str, model: str | None, model_args: Any) -> dict[str, torch.Tensor]:
    """By the keys of the float network."""
    if not checkpoint.is_checkpoint(values) or not values["layers"]:
        return dict(values["state_dict"])
    return bake(checkpoint.build(values, path, model, model_args)).state_dict()


def without_prefix(built: nn.Module, weights: dict, path: str) -> dict:
    """By the keys that the network has, whatever it is that those of the file begin with besides."""
    chosen = choose({"": shapes_of(weights)}, shapes_of(built.state_dict()), None, None, path, tied_keys(built))
    return {key: weights[source] for key, (source,) in under_prefix(weights, chosen.prefix, []).items()}


def take_weights(built: nn.Module, weights: dict, fresh: Sequence[str], name: str, path: str) -> None:
    """Puts the weights into the network; keys that match one of `fresh` keep the network's own."""
    own = built.state_dict()
    if fresh:
        weights = without_prefix(built, weights, path)
    kept = {key for key in own if any(fnmatch.fnmatchcase(key, text) or key.startswith(f"{text}.") for text in fresh)}
    for text in fresh:
        if not any(fnmatch.fnmatchcase(key, text) or key.startswith(f"{text}.") for key in own):
            raise TrainingError(f"--fresh {text}", "no layer of the model is called so", "a layer's name or a pattern")
    merged = {key: value for key, value in weights.items() if key not in kept} | {key: own[key] for key in kept}
    try:
        fill(built, merged, name, path, [])
    except CompileError as error:
        remedy = error.what_to_do
        if "of another shape" in error.found:
            remedy = f"{remedy}, or let the layers that differ start from scratch: --fresh NAME"
        raise TrainingError(path, error.found, error.expected, remedy) from None
