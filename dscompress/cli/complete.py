"""What a shell offers for the words of a command: models, recipes, layers. Set up as docs/completion.md says."""

from __future__ import annotations

import os
from collections.abc import Iterable

from click.shell_completion import CompletionItem

BITS = ("2", "3", "4", "5", "float")
BUILT_IN_DATA = ("digits",)


def models(context, parameter, incomplete: str) -> list[CompletionItem]:
    """The .dsf files there; where there is none, whatever the shell finds, folders above all."""
    return files_ending(".dsf", incomplete) or shell_files(incomplete)


def image_recipes(context, parameter, incomplete: str) -> list[CompletionItem]:
    from dsruntime.image import RECIPES

    return [*beginning(incomplete, sorted(RECIPES)), *files_ending(".json", incomplete)] or shell_files(incomplete)


def training_recipes(context, parameter, incomplete: str) -> list[CompletionItem]:
    from dscompress.recipes import RECIPES

    return beginning(incomplete, RECIPES)


def data(context, parameter, incomplete: str) -> list[CompletionItem]:
    return beginning(incomplete, BUILT_IN_DATA) or [CompletionItem(incomplete, type="dir")]


def layers(context, parameter, incomplete: str) -> list[CompletionItem]:
    """LAYER=BITS: the layers of the file that the command reads, then their bits."""
    layer, equals, _ = incomplete.partition("=")
    if equals:
        return beginning(incomplete, [f"{layer}={bits}" for bits in BITS])
    # Before an option without its value click leaves arguments aside: they are in context.args.
    source = context.params.get("source") or context.params.get("weights") or next(iter(context.args), None)
    return beginning(incomplete, [f"{name}=" for name in layers_of(source)]) if source else []


def layers_of(path) -> list[str]:
    """Names of what has a matrix of weights, read as data; none where that cannot be told without running code."""
    import torch

    try:
        loaded = torch.load(path, map_location="meta", weights_only=True)
    except Exception:  # a shell that completes has nowhere to say why
        return []
    while isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict):
        return []
    keys = [str(key).rpartition(".") for key, tensor in loaded.items() if getattr(tensor, "ndim", 0) > 1]
    return [layer for layer, _, name in keys if name in ("weight", "shift")]  # shift: of a PS layer


def beginning(incomplete: str, words: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def files_ending(ending: str, incomplete: str) -> list[CompletionItem]:
    folder = os.path.dirname(incomplete)
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError:
        return []
    return beginning(incomplete, [os.path.join(folder, name) for name in names if name.endswith(ending)])


def shell_files(incomplete: str) -> list[CompletionItem]:
    """Leaves it to the shell, which also goes into folders."""
    return [CompletionItem(incomplete, type="file")]
