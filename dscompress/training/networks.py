"""networks: the network to train, and the one that teaches it, from what the user says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from dscompress import checkpoint
from dscompress.errors import CompileError, TrainingError
from dscompress.models import BUILT_IN
from dscompress.nn import ConversionReport, convert
from dscompress.nn.copied import copied
from dscompress.training import chances
from dscompress.training.data import Data
from dscompress.training.weights import float_weights, read_weights, take_weights

OF_WEIGHTS = ("--weights-key", "--prefix", "--fresh")  # which are for --weights, and say nothing of a teacher's
TEACHERS_OWN = (
    "save the state_dict of the teacher alone, with the names of the network that is trained: "
    "torch.save(teacher.state_dict(), 'teacher.pt')"
)
LARGEST_FOR_BUILT_IN = 96  # pixels: what the built-in networks are meant for


@dataclass(frozen=True)
class Wanted:
    """model, model_args: as in a checkpoint. weights_key, prefix: which set in `weights`, and what its keys begin with.

    method: "float", or one of dscompress.nn.METHODS. bits, setting: those of dscompress.nn.convert.
    """

    model: str | None = None
    model_args: Any = None
    weights: str | None = None
    weights_key: str | None = None
    prefix: str | None = None
    fresh: Sequence[str] = ()
    method: str = "ps"
    bits: Any = 5
    setting: dict[str, Any] = field(default_factory=dict)
    teacher: str | None = None


@dataclass(frozen=True)
class Networks:
    name: str
    arguments: Any
    model: nn.Module
    teacher: nn.Module | None
    report: ConversionReport | None


def build_networks(wanted: Wanted, data: Data, seed: int, distill: bool) -> Networks:
    torch.manual_seed(chances.number(seed, 0xB111))
    values = read_weights(wanted.weights, wanted.weights_key, wanted.prefix) if wanted.weights else None
    name, arguments = named(wanted, values, data)
    model = checkpoint.build_float(name, arguments, name)
    if values is not None:
        path = str(wanted.weights)
        take_weights(model, float_weights(values, path, wanted.model, wanted.model_args), wanted.fresh, name, path)
    if wanted.teacher is not None and not distill:
        raise TrainingError(f"--teacher {wanted.teacher}", "nothing is to be learned from it", "a share of the loss",
                            "add --distill 0.5, or leave --teacher out")  # fmt: skip
    teacher = teacher_of(wanted, model, name, arguments) if distill else None
    report = None
    if wanted.method != "float":
        try:
            model, report = convert(model, wanted.method, wanted.bits, **wanted.setting)
        except (ValueError, TypeError) as error:
            raise TrainingError(f"method '{wanted.method}'", str(error)) from None
        if not report.converted:
            raise TrainingError(name, "no layer of it can become a shift layer", "nn.Conv2d or nn.Linear", str(report))
    return Networks(name, arguments, model, teacher, report)


def named(wanted: Wanted, values: dict | None, data: Data) -> tuple[str, Any]:
    """The model's name and arguments: the user's, the weights' own, or the small built-in for small images."""
    name, arguments = wanted.model, wanted.model_args
    if name is None and values is not None and checkpoint.is_checkpoint(values):
        card = checkpoint.card_of(values, str(wanted.weights))
        name = checkpoint.trusted(card, str(wanted.weights))
        arguments = card.model_args if arguments is None else arguments
    if name is None:
        if max(data.input_shape[2:]) > LARGEST_FOR_BUILT_IN:
            found = f"images of {data.input_shape[2]} x {data.input_shape[3]} and no --model"
            raise TrainingError(data.name, found, what_to_do="say which: --model torchvision.models:resnet18")
        name = "small_resnet"
    return name, filled_in(name, arguments, data)


def filled_in(name: str, arguments: Any, data: Data) -> Any:
    """The number of classes and channels, where the model takes them and nobody said them."""
    if isinstance(arguments, list):
        return arguments
    given = dict(arguments or {})
    if name in BUILT_IN:
        channels = {"channels": data.input_shape[1]} if name.startswith("small_") else {}
        return {"classes": len(data.classes), **channels, **given}
    if name.startswith("torchvision.models:") and not any("weights" in key for key in given):
        return {"num_classes": len(data.classes), **given}
    return given or None


def teacher_of(wanted: Wanted, model: nn.Module, name: str, arguments: Any) -> nn.Module:
    """The float network of --teacher, or a copy of the one that the shift network starts from."""
    if wanted.teacher is None:
        if wanted.weights is None:
            raise TrainingError("distill", "there is no trained float network to learn from", "",
                                "give one: --teacher FILE, or --weights FILE")  # fmt: skip
        return copied(model)
    try:
        values = read_weights(wanted.teacher)
        if checkpoint.is_checkpoint(values):
            return checkpoint.build(values, wanted.teacher)
        teacher = checkpoint.build_float(name, arguments, name)
        take_weights(teacher, values["state_dict"], (), name, wanted.teacher)
    except (CompileError, TrainingError) as error:
        if not any(option in error.what_to_do for option in OF_WEIGHTS):
            raise
        raise type(error)(error.where, error.found, error.expected, TEACHERS_OWN) from None
    return teacher
