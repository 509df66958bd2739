"""checkpoint: a network with all that export needs to know, in one file of plain values and tensors.

    format, version     "dscompress checkpoint", 1
    model, model_args   what builds the float network: a built-in's name, torchvision.models:resnet18, MODULE:CALLABLE
    layers              which of its layers are shift layers, and how: dscompress.nn.describe
    input_shape         [1, channels, height, width]
    image               how an image becomes the input, as the JSON of dsruntime.image, or ""
    labels              names of the classes
    state_dict          the weights, latent floats and all
    ...                 what else its writer keeps: training has the optimiser, the history and more

Read with weights_only=True: nothing in the file runs. The model it names is looked up only among the networks of this
project and of torchvision; any other is code that the user has to name again.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dscompress.atomic_file import write_atomically
from dscompress.errors import CompileError, ModelError
from dscompress.models import BUILT_IN
from dscompress.nn import describe, restore
from dscompress.torchfile import detect
from dscompress.torchfile.reader import check_sums
from dscompress.torchmodel import factory
from dscompress.torchmodel.fill import fill
from dscompress.torchmodel.quiet import quiet
from dsruntime.file import Image
from dsruntime.image import from_json, to_json

FORMAT, VERSION = "dscompress checkpoint", 1
TORCHVISION = re.compile(r"torchvision\.models:(\w+)")
OURS = re.compile(r"(dscompress\.models\.\w+):(\w+)")


@dataclass(frozen=True)
class Card:
    """What a checkpoint says about its network beside the weights."""

    model: str
    model_args: Any = None  # a dict or a list
    layers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    input_shape: tuple[int, ...] = ()
    image: Image | None = None
    labels: tuple[str, ...] = ()


def pack(card: Card, model: nn.Module, **more: Any) -> dict[str, Any]:
    """What save() writes: the card, the model's layers and weights, and `more`."""
    return {
        "format": FORMAT, "version": VERSION, "model": card.model, "model_args": card.model_args,
        "layers": describe(model), "input_shape": list(card.input_shape),
        "image": to_json(card.image) if card.image else "", "labels": list(card.labels),
        "state_dict": model.state_dict(), **more,
    }  # fmt: skip


def save(path: str | os.PathLike, values: dict[str, Any]) -> None:
    """Replaces the file in one step, or raises CompileError and leaves the old one."""
    buffer = io.BytesIO()
    torch.save(values, buffer)
    write_atomically(path, buffer.getvalue(), read_back=Path.read_bytes)


def load(path: str | os.PathLike) -> dict[str, Any]:
    """The checked values of a checkpoint; CompileError for any other file."""
    if detect.detect(Path(path)) != detect.TRAINING_CHECKPOINT:
        raise CompileError(str(path), "is no checkpoint of dscompress", "one that dscompress train wrote")
    try:
        check_sums(Path(path))
        with quiet():
            values = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CompileError(str(path), f"cannot be read ({error.strerror})") from None
    except CompileError:
        raise
    except Exception as error:
        text = str(error).splitlines()[0][:200]
        raise CompileError(str(path), f"is damaged ({text})", "", "save or copy it again") from None
    if not is_checkpoint(values):
        raise CompileError(str(path), "is damaged: its first words are not its own", "", "save or copy it again")
    return values


def is_checkpoint(values: Any) -> bool:
    return isinstance(values, Mapping) and values.get("format") == FORMAT


def card_of(values: Mapping[str, Any], where: str) -> Card:
    """Refuses what another version wrote or what has been tampered with."""
    if values.get("version") != VERSION:
        found = f"version {values.get('version')!r}"
        raise CompileError(where, found, f"version {VERSION}", "use the dscompress that wrote it, or a newer one")
    kinds = {"model": str, "layers": dict, "input_shape": list, "image": str, "labels": list, "state_dict": dict}
    wrong = [key for key, kind in kinds.items() if not isinstance(values.get(key), kind)]
    if wrong or not all(isinstance(part, int) for part in values["input_shape"]):
        raise CompileError(where, f"is damaged: {', '.join(wrong) or 'input_shape'}", "save or copy it again")
    try:
        image = from_json(values["image"], where) if values["image"] else None
    except ModelError as error:
        raise CompileError(where, error.found, error.expected) from None
    return Card(
        values["model"], values.get("model_args"), values["layers"], tuple(values["input_shape"]), image,
        tuple(map(str, values["labels"])),
    )  # fmt: skip


def build(values: Mapping[str, Any], where: str, model: str | None = None, model_args: Any = None) -> nn.Module:
    """The network with its weights. model, model_args: what the user says, which goes before what the file says."""
    card = card_of(values, where)
    name = model or trusted(card, where)
    built = build_float(name, card.model_args if model_args is None else model_args, where)
    try:
        built = restore(built, card.layers)
    except ValueError as error:
        raise CompileError(where, f"does not fit --model {name}: {error}") from None
    fill(built, dict(values["state_dict"]), name, where, [])
    return built


def build_float(name: str, model_args: Any, where: str) -> nn.Module:
    """The float network that a name stands for: a built-in's, or MODULE:CALLABLE."""
    if ":" not in name and name not in BUILT_IN:
        known = f"{', '.join(BUILT_IN)}, or {factory.HOW.removeprefix('--model ')}"
        raise CompileError(where, f"--model {name!r}", known)
    return factory.build(name, model_args, where, BUILT_IN.get(name))


def trusted(card: Card, where: str) -> str:
    """The name of a model that a file may start by itself; CompileError for any other."""
    if card.model in BUILT_IN or is_ours(card.model) or is_torchvisions(card):
        return card.model
    raise CompileError(
        where,
        f"was made with --model {card.model}, code that a file may not start by itself",
        what_to_do=f"if you trust it, say it again: --model {card.model}",
    )


def is_ours(name: str) -> bool:
    match = OURS.fullmatch(name)
    return match is not None and getattr(factory.find(name, name), "__module__", "") == match[1]


def is_torchvisions(card: Card) -> bool:
    """One of the networks that torchvision lists, and no argument that makes it download weights."""
    match = TORCHVISION.fullmatch(card.model)
    if not match:
        return False
    arguments = card.model_args or {}
    if not isinstance(arguments, dict) or any("weights" in key and arguments[key] is not None for key in arguments):
        return False
    listed = factory.find("torchvision.models:list_models", card.model)()
    return match[1] in listed
