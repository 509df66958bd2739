"""RECIPES: how a network of each kind is trained, as presets in a table. Every value can be overridden.

    recipe_named("ps-cifar-pretrained", epochs=30)

To add one, add an entry. `source` says where its numbers come from. [DS] is the DeepShift code's README and scripts
(Elhoushi et al., CVPRW 2021, arXiv 1905.13298), [S3] Li et al., NeurIPS 2021, [DenseShift] Li et al., ICCV 2023.
A field that its source does not state follows [DS], and `source` says so.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from dataclasses import dataclass
from typing import Any

from dscompress.errors import TrainingError

OPTIMIZERS = ("sgd", "radam", "adam", "adamw")
SCHEDULES = ("constant", "steps", "cosine")


@dataclass(frozen=True)
class Recipe:
    epochs: int
    batch: int  # images of one step, over all processes
    optimizer: str  # one of OPTIMIZERS
    rate: float  # the learning rate at the start, after the warm-up
    schedule: str = "constant"  # steps: times `factor` at each of `milestones`; cosine: to zero, step by step
    milestones: tuple[float, ...] = ()  # in epochs
    factor: float = 0.1
    warmup: float = 0.0  # epochs over which the rate rises from zero
    momentum: float = 0.9  # of sgd
    weight_decay: float = 1e-4  # of all but signs and shifts; radam, adamw: decoupled, else L2 (nn.parameter_groups)
    shift_decay: float = 1e-4  # the loss gets 0.5 · shift_decay · Σ (2^P)² over PS layers: dscompress.nn.regularization
    sign_rate: float | None = None  # the learning rate of the signs of PS layers; 0 freezes them; None: rate
    clip: float = 0.0  # the largest norm of all gradients together; 0: any
    label_smoothing: float = 0.0
    distill: float = 0.0  # share of the loss that follows the float model's answers
    temperature: float = 4.0  # of both sides' softmax in that share
    shift: float = 0.0  # augmentation: moved by up to this part of the side, each way
    rotate: float = 0.0  # degrees, each way
    zoom: float = 0.0  # 0.1: 0.9 to 1.1 times the size
    flip: bool = False  # left and right
    crop: float = 1.0  # random crop of at least this part of the area, resized; 1: none
    source: str = ""


CIFAR: dict[str, Any] = {
    "epochs": 200, "batch": 128, "schedule": "steps", "milestones": (80, 120, 160, 180), "shift": 0.125, "flip": True
}  # fmt: skip
CIFAR_TUNING: dict[str, Any] = {**CIFAR, "epochs": 15, "milestones": (5, 10)}
IMAGENET: dict[str, Any] = {
    "epochs": 90,
    "batch": 256,
    "schedule": "steps",
    "milestones": (30, 60),
    "crop": 0.08,
    "flip": True,
}
IMAGENET_TUNING: dict[str, Any] = {**IMAGENET, "epochs": 15, "milestones": (5, 10)}
DIGITS: dict[str, Any] = {
    "epochs": 30, "batch": 64, "schedule": "cosine", "warmup": 1, "weight_decay": 5e-4, "shift": 0.1,
    "rotate": 8.0, "zoom": 0.08,
}  # fmt: skip
DIGITS_TUNING: dict[str, Any] = {**DIGITS, "epochs": 12}

HE = "He et al. 2016, as in [DS]"
SCRATCH = "[DS]: rate 0.01, momentum 0.9, decay 1e-4; steps of its scripts"
TUNED = "[DS]: rate 1e-3, a tenth every 5 epochs, 15 epochs"
OURS = "measured on the digits by tools/bench/accuracy.py"
S3_SOURCE = "[S3]: 200 epochs from scratch; the rest as for Q in [DS]"
DENSE_SOURCE = "[DenseShift]: from scratch, length as [S3]; the rest as for Q in [DS]"

REFERENCES = {
    "[DS]": "DeepShift, its code's README and scripts: Elhoushi et al., CVPRW 2021",
    "[S3]": "Li et al., NeurIPS 2021",
    "[DenseShift]": "Li et al., ICCV 2023",
}

RECIPES: dict[str, Recipe] = {
    "float-cifar-scratch": Recipe(**CIFAR, optimizer="sgd", rate=0.1, source=HE),
    "float-imagenet-scratch": Recipe(**IMAGENET, optimizer="sgd", rate=0.1, source=HE),
    "q-cifar-scratch": Recipe(**CIFAR, optimizer="sgd", rate=0.01, source=SCRATCH),
    "q-cifar-pretrained": Recipe(**CIFAR_TUNING, optimizer="sgd", rate=1e-3, source=TUNED),
    "q-imagenet-scratch": Recipe(**IMAGENET, optimizer="sgd", rate=0.01, source=SCRATCH),
    "q-imagenet-pretrained": Recipe(**IMAGENET_TUNING, optimizer="sgd", rate=1e-3, source=TUNED),
    "ps-cifar-scratch": Recipe(**CIFAR, optimizer="radam", rate=0.01, source=SCRATCH),
    "ps-cifar-pretrained": Recipe(**CIFAR_TUNING, optimizer="radam", rate=1e-3, source=TUNED),
    "ps-imagenet-scratch": Recipe(**IMAGENET, optimizer="radam", rate=0.01, source=SCRATCH),
    "ps-imagenet-pretrained": Recipe(**IMAGENET_TUNING, optimizer="radam", rate=1e-3, source=TUNED),
    "s3-cifar-scratch": Recipe(**CIFAR, optimizer="sgd", rate=0.01, source=S3_SOURCE),
    "s3-cifar-pretrained": Recipe(**CIFAR_TUNING, optimizer="sgd", rate=1e-3, source=TUNED + ", for Q"),
    "s3-imagenet-scratch": Recipe(
        **{**IMAGENET, "epochs": 200, "milestones": (60, 120, 160)}, optimizer="sgd", rate=0.01, source=S3_SOURCE
    ),
    "s3-imagenet-pretrained": Recipe(**IMAGENET_TUNING, optimizer="sgd", rate=1e-3, source=TUNED + ", for Q"),
    "dense-cifar-scratch": Recipe(**CIFAR, optimizer="sgd", rate=0.01, source=DENSE_SOURCE),
    "dense-cifar-pretrained": Recipe(**CIFAR_TUNING, optimizer="sgd", rate=1e-3, source=TUNED + ", for Q"),
    "dense-imagenet-scratch": Recipe(
        **{**IMAGENET, "epochs": 200, "milestones": (60, 120, 160)}, optimizer="sgd", rate=0.01, source=DENSE_SOURCE
    ),
    "dense-imagenet-pretrained": Recipe(**IMAGENET_TUNING, optimizer="sgd", rate=1e-3, source=TUNED + ", for Q"),
    "float-digits-scratch": Recipe(**DIGITS, optimizer="sgd", rate=0.05, source=OURS),
    "q-digits-scratch": Recipe(**DIGITS, optimizer="sgd", rate=0.05, source=OURS),
    "q-digits-pretrained": Recipe(**DIGITS_TUNING, optimizer="sgd", rate=0.02, source=OURS),
    "ps-digits-scratch": Recipe(**DIGITS, optimizer="radam", rate=0.1, source=OURS),
    "ps-digits-pretrained": Recipe(**DIGITS_TUNING, optimizer="radam", rate=0.04, source=OURS),
    "s3-digits-scratch": Recipe(**DIGITS, optimizer="adam", rate=0.03, source=OURS),
    "s3-digits-pretrained": Recipe(**DIGITS_TUNING, optimizer="adam", rate=0.003, source=OURS),
    "dense-digits-scratch": Recipe(**DIGITS, optimizer="adam", rate=0.03, source=OURS),
    "dense-digits-pretrained": Recipe(**DIGITS_TUNING, optimizer="adam", rate=0.005, source=OURS),
}


def recipe_named(name: str, **overrides) -> Recipe:
    """The preset, with fields replaced by those of `overrides` that are not None."""
    if name not in RECIPES:
        close = difflib.get_close_matches(name, RECIPES, n=1)
        raise TrainingError(
            f"recipe '{name}'",
            "no recipe has this name",
            "one of those that dscompress train --recipes lists",
            f"did you mean {close[0]}?" if close else "",
        )
    given = {field: value for field, value in overrides.items() if value is not None}
    return check_recipe(dataclasses.replace(RECIPES[name], **given))


def usual_recipe(method: str, data: str, side: int, pretrained: bool) -> str:
    """The name of the preset for a method ("float" or a shift method), a data set and an image's side in pixels."""
    kind = "digits" if data == "digits" else "cifar" if side <= 96 else "imagenet"
    start = "pretrained" if pretrained else "scratch"
    return f"float-{kind}-scratch" if method == "float" else f"{method}-{kind}-{start}"


# field: lowest, highest, is the lowest itself allowed
RANGES = {
    "epochs": (1, 100_000, True),
    "batch": (1, 1 << 20, True),
    "rate": (0, 1e3, False),
    "factor": (0, 1, False),
    "warmup": (0, 100_000, True),
    "momentum": (0, 0.9999, True),
    "weight_decay": (0, 1, True),
    "shift_decay": (0, 1, True),
    "sign_rate": (0, 1e3, True),
    "clip": (0, 1e9, True),
    "label_smoothing": (0, 0.99, True),
    "distill": (0, 1, True),
    "temperature": (0, 1e3, False),
    "shift": (0, 0.5, True),
    "rotate": (0, 180, True),
    "zoom": (0, 0.9, True),
    "crop": (0, 1, False),
}


def in_range(name: str, value: float) -> bool:
    low, high, closed = RANGES[name]
    return math.isfinite(value) and low <= value <= high and (closed or value > low)


def allowed(name: str) -> str:
    """ "1 to 100000"."""
    low, high, closed = RANGES[name]
    return f"{low} to {high}" if closed else f"above {low}, up to {high}"


def check_recipe(recipe: Recipe) -> Recipe:
    """Refuses a value that no training can use, naming the field; returns the recipe."""
    for name in RANGES:
        value = getattr(recipe, name)
        if name == "sign_rate" and value is None:
            continue
        if not in_range(name, value):
            raise TrainingError("recipe", f"{name} is {value}", allowed(name))
    for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
        if getattr(recipe, name) not in known:
            raise TrainingError("recipe", f"{name} is {getattr(recipe, name)!r}", ", ".join(known))
    if list(recipe.milestones) != sorted(recipe.milestones) or any(epoch <= 0 for epoch in recipe.milestones):
        raise TrainingError("recipe", f"milestones are {list(recipe.milestones)}", "epochs above 0, in order")
    if recipe.schedule == "steps" and not recipe.milestones:
        raise TrainingError("recipe", "schedule 'steps' without milestones", "at least one epoch in milestones")
    return recipe


def rate_factor(recipe: Recipe, epoch: float) -> float:
    """What the learning rate is multiplied by at a moment counted in epochs: 2.5 is the middle of the third."""
    rise = min(1.0, epoch / recipe.warmup) if recipe.warmup else 1.0
    if recipe.schedule == "steps":
        return rise * recipe.factor ** sum(milestone <= epoch for milestone in recipe.milestones)
    if recipe.schedule == "cosine":
        return rise * (1 + math.cos(math.pi * min(epoch / recipe.epochs, 1))) / 2
    return rise
