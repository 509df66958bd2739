"""architectures: the network that a checkpoint's keys and shapes belong to, and what its images look like.

The name that the checkpoint or its folder gives is tried first, in the data set that the path names; but keys and
shapes decide. No key may be missing or left over, except the counters that nothing reads after training.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import nn

from dscompress.deepshift.imported import Imported
from dscompress.deepshift.settings import ARGUMENTS
from dscompress.errors import CompileError
from dscompress.models import cifar, imagenet, mnist
from dsruntime.file import Image
from dsruntime.image import RECIPES

TABLES: dict[str, dict[str, Callable[[int], nn.Module]]] = {
    "mnist": mnist.MODELS,
    "cifar": cifar.MODELS,
    "imagenet": imagenet.MODELS,
}
MANY_KEYS = {"resnet1202": 5000}  # it takes seconds to build, so files with fewer keys than this are not tried with it
COUNTER = "num_batches_tracked"
TRAINING_HEADS = ("aux1.", "aux2.")  # googlenet's
SHOWN = 3

CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck".split()


@dataclass(frozen=True)
class Dataset:
    """What a network's input is, as far as the data set says."""

    table: str
    classes: int
    input_shape: tuple[int, ...]
    recipe: Image
    labels: tuple[str, ...] = ()
    name: str = ""

    def why(self, named: str | None) -> str:
        """Why it is taken for this one: the name that the path gives, or the number of classes."""
        return "which the path names" if DATASETS.get(named or "") is self else f"for it has {self.classes} classes"


DATASETS = {
    "cifar10": Dataset("cifar", 10, (1, 3, 32, 32), RECIPES["cifar"], tuple(CIFAR10), "CIFAR-10"),
    "cifar100": Dataset("cifar", 100, (1, 3, 32, 32), RECIPES["cifar"], name="CIFAR-100"),
    "mnist": Dataset("mnist", 10, (1, 1, 28, 28), RECIPES["mnist"], tuple("0123456789"), "MNIST"),
    "imagenet": Dataset("imagenet", 1000, (1, 3, 224, 224), RECIPES["imagenet"], name="ImageNet"),
}


@dataclass(frozen=True)
class Network:
    """network: on the meta device, without weights. dataset: None where only the user knows the images."""

    table: str
    name: str
    network: nn.Module
    dataset: Dataset | None

    def __str__(self) -> str:
        return f"{self.name} ({self.table})"


def recognise(found: Imported) -> Network | None:
    """The first architecture that fits, or None."""
    classes = number_of_classes(found.state)
    shapes = shapes_of(found.state)
    for table, name in candidates(found):
        own = keys_of(table, name, classes)
        if own is not None and not mismatch(own, without_heads(shapes, name)):
            return Network(table, name, on_meta(table, name, classes), dataset_of(found, table, classes))
    return None


def refusal(found: Imported, how: str) -> CompileError:
    """Why no architecture fits: against the one that the file or its path names, if there is one by that name."""
    where, classes = str(found.path), number_of_classes(found.state)
    for table, name in candidates(found):
        own = keys_of(table, name, classes) if name == normal(found.arch) else None
        if own is not None:
            wrong = mismatch(own, without_heads(shapes_of(found.state), name))
            remedy = f"it is a checkpoint of another network: say what builds it, {how}"
            return CompileError(where, f"its keys do not fit {name} ({table}): {wrong}", what_to_do=remedy)
    named = f"calls its network '{found.arch}'" if found.arch else "does not name its network"
    keys = ", ".join(list(found.state)[:SHOWN])
    return CompileError(
        where, f"{named}, and no known one has its keys ({keys}, ...)", what_to_do=f"say what builds it: {how}"
    )


def build(found: Imported, network: Network) -> nn.Module:
    """The float model with the exact weights, in eval mode."""
    built = network.network
    counters = {key: torch.tensor(0) for key in built.state_dict() if key.endswith(COUNTER)}
    state = {key: found.state[key] for key in without_heads(found.state, network.name)}
    built.load_state_dict({**counters, **state}, assign=True)
    take_transform(built, found, network)
    return built.eval()


def take_transform(built: nn.Module, found: Imported, network: Network) -> None:
    if hasattr(built, "transform_input"):
        built.transform_input = transforms_input(found, network)  # type: ignore[assignment]  # a plain bool


def transforms_input(found: Imported, network: Network) -> bool:
    """Whether googlenet normalises its input once more, as torchvision's pretrained one does: no key says it."""
    if found.layout.transform_input is not None:
        return found.layout.transform_input
    if found.said.pretrained is not None:
        return found.said.pretrained
    heads = any(key.startswith(TRAINING_HEADS) for key in found.state)
    arguments = {"aux_logits": heads, "init_weights": False, "num_classes": number_of_classes(found.state)}
    raise CompileError(
        str(found.path),
        f"is a {network}, and nothing says whether it normalises its input once more (transform_input), as "
        "torchvision's pretrained one does",
        what_to_do=f"write 'pretrained: True' or 'pretrained: False' into a {ARGUMENTS} beside it, or say it: --model "
        f"torchvision.models:googlenet --model-args '{json.dumps({**arguments, 'transform_input': True})}'",
    )


def candidates(found: Imported) -> Iterator[tuple[str, str]]:
    """(table, name), the likeliest first; torchvision's are many and come last."""
    dataset = DATASETS.get(found.dataset or "")
    tables = sorted(TABLES, key=lambda table: dataset is None or table != dataset.table)
    arch = normal(found.arch)
    yield from ((table, arch) for table in tables if arch in TABLES[table])
    others = [(table, name) for table in tables for name in TABLES[table] if name != arch]
    yield from ((table, name) for table, name in others if len(found.latent) > MANY_KEYS.get(name, 0))


def normal(arch: str | None) -> str:
    return (arch or "").lower().replace("-", "_")


@cache
def keys_of(table: str, name: str, classes: int) -> dict[str, tuple[int, ...]] | None:
    """The network's keys and shapes; None where torchvision is not installed."""
    try:
        return shapes_of(on_meta(table, name, classes).state_dict())
    except ModuleNotFoundError:
        return None


def on_meta(table: str, name: str, classes: int) -> nn.Module:
    with torch.device("meta"):
        return TABLES[table][name](classes)


def number_of_classes(state: dict[str, torch.Tensor]) -> int:
    """Of the last layer with a weight matrix."""
    last = [tensor for key, tensor in state.items() if key.endswith("weight") and tensor.dim() > 1]
    return min(int(last[-1].shape[0]), 1 << 20) if last else 0


def shapes_of(state: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in state.items()}


def without_heads(entries: dict[str, Any], name: str) -> dict[str, Any]:
    if name != "googlenet":
        return entries
    return {key: entry for key, entry in entries.items() if not key.startswith(TRAINING_HEADS)}


def mismatch(own: dict[str, tuple], theirs: dict[str, tuple]) -> str:
    """What is missing, left over and of another shape, the first few of each; "" where all fits."""
    missing = [key for key in own if key not in theirs and not key.endswith(COUNTER)]
    unexpected = [key for key in theirs if key not in own]
    shapes = [
        f"{key}: {theirs[key]} in the file, {own[key]} in the network"
        for key in own
        if key in theirs and theirs[key] != own[key]
    ]
    lists = [listed("missing", missing), listed("unexpected", unexpected), listed("of another shape", shapes)]
    return "; ".join(text for text in lists if text)


def listed(what: str, keys: list[str]) -> str:
    more = f", and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return f"{len(keys)} {what} ({', '.join(keys[:SHOWN])}{more})" if keys else ""


def dataset_of(found: Imported, table: str, classes: int) -> Dataset | None:
    """The one that the path names, else the one of the architecture's table with so many classes."""
    named = DATASETS.get(found.dataset or "")
    if named is not None and named.classes == classes:
        return named
    return next((known for known in DATASETS.values() if known.table == table and known.classes == classes), None)
