"""settings: what the original wrote down beside its checkpoints: method, bits, data set, architecture.

    models/cifar10/resnet18/shift_ps_all_wb_5_scratch/command_args.txt          "name: value" lines: a record
    models/cifar10/resnet18/shift_ps_all_wb_5_scratch/checkpoint.pth.tar        folders: data set, architecture, label
    cifar10_resnet18_shift_ps_wb_5_from_scratch_checkpoint.pth.tar              the same words in one file's name

The text file is what the original did. A label is what somebody called a folder: it is quoted where something has to be
asked, and changes no weight. Where the two say different bits or methods, neither is believed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from dscompress.deepshift.layout import is_name
from dscompress.errors import CompileError

ARGUMENTS = "command_args.txt"
MOST_BYTES = 1 << 16
METHODS = {"q": "q", "ps": "ps", "Q": "q", "PS": "ps"}
DATASETS = ("cifar100", "cifar10", "imagenet", "mnist")
METHOD = re.compile(r"(?<![a-z0-9])shift[_-](q|ps)(?![a-z0-9])", re.IGNORECASE)
BITS = re.compile(r"(?<![a-z0-9])wb_(\d+)(?!\d)", re.IGNORECASE)
DEPTH = re.compile(r"(?<![a-z0-9])shift_(?:q|ps)_(all|\d+)(?![a-z0-9])", re.IGNORECASE)
ALL_LAYERS = 1000


@dataclass(frozen=True)
class Label:
    """What the file's name and its folder's say. text: the name that says the method, or the bits."""

    method: str | None = None
    bits: int | None = None
    depth: int | None = None
    text: str = ""


@dataclass
class Settings:
    """What command_args.txt says; None: not said. arch and dataset: the path's, where it says nothing of them.

    depth: how many convolutions, from the last one, were converted, or layers, where linear ones are counted; 0: none.
    counts_linear: linear layers are among those that are counted, else every one of them was converted.
    """

    method: str | None = None
    bits: int | None = None
    depth: int | None = None
    counts_linear: bool = False
    arch: str | None = None
    dataset: str | None = None
    activation_bits: tuple[int, int] | None = None
    pretrained: bool | None = None
    label: Label = field(default_factory=Label)


def settings_beside(path: Path, decided: Collection[str] = ()) -> Settings:
    """decided: fields that the user has said, whatever is written."""
    path = path.absolute()
    label = label_of(path)
    file = path.parent / ARGUMENTS
    said = said_by_arguments(file) if file.is_file() else {}
    for name in {"method", "bits"} - set(decided):
        named = getattr(label, name)
        if said.get(name) is not None and named is not None and said[name] != named:
            raise CompileError(
                str(path),
                f"{ARGUMENTS} says {name} {said[name]}, the name says {named}",
                what_to_do=f"say which is right: --{name}",
            )
    known = {name: value for name, value in said.items() if value is not None}
    return Settings(**{**named_by_path(path), **known}, label=label)


def label_of(path: Path) -> Label:
    names = (path.parent.name, path.name)
    label = "/".join(names)
    method, bits, depth = METHOD.search(label), BITS.search(label), DEPTH.search(label)
    text = next((name for pattern in (METHOD, BITS) for name in names if pattern.search(name)), "")
    return Label(
        method=METHODS[method[1].lower()] if method else None,
        bits=int(bits[1]) if bits else None,
        depth=(ALL_LAYERS if depth[1] == "all" else int(depth[1])) if depth else None,
        text=text,
    )


def named_by_path(path: Path) -> dict[str, str | None]:
    words = re.split(r"[^a-z0-9]+", " ".join(reversed(path.parts[-5:])).lower())  # the nearest folder first
    return {
        "arch": path.parent.parent.name if METHOD.search(path.parent.name) or path.parent.name == "shift_0" else None,
        "dataset": next((word for word in words if word in DATASETS), None),
    }


def said_by_arguments(file: Path) -> dict:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise CompileError(str(file), f"has more than {MOST_BYTES >> 10} KiB", f"the original's {ARGUMENTS}")
        text = file.read_text("utf-8", errors="replace")
    except OSError as error:
        raise CompileError(str(file), f"cannot be read ({error.strerror})", what_to_do="remove it") from None
    lines = [line.partition(":") for line in text.splitlines()]
    said = {name.strip().replace("-", "_"): value.strip() for name, colon, value in lines if colon}
    bits = number_in(said.get("weight_bits"))
    return {
        "method": METHODS.get(said.get("shift_type", "")),
        "bits": bits[0] if len(bits) == 1 else None,
        "depth": next(iter(number_in(said.get("shift_depth"))), None),
        "counts_linear": said.get("type") == "linear",  # of mnist.py: a network of linear layers alone
        "arch": said["arch"] if is_name(said.get("arch")) else None,
        "activation_bits": activation_bits(said),
        "pretrained": {"True": True, "False": False}.get(said.get("pretrained", "")),
    }


def activation_bits(said: dict[str, str]) -> tuple[int, int] | None:
    """Integer and fraction bits: "[3, 5]" under one name, or a number under each of two."""
    numbers = number_in(said.get("activation_bits"))
    if len(numbers) != 2:
        numbers = number_in(said.get("activation_integer_bits")) + number_in(said.get("activation_fraction_bits"))
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def number_in(text: str | None) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d{1,6}", text or "")]
