"""allocate: bits for every layer, so that the model's answer changes least within a number of bytes.

Every layer starts with the fewest bits. Then, again and again, the step that takes most of the effect away for each
byte is taken, wherever it fits: more bits, or float where that pays. Steps of one layer are those of the lower convex
hull of effect over bytes, so none is passed over for a smaller one.
"""

from __future__ import annotations

from collections.abc import Sequence

from dscompress.errors import CompileError
from dscompress.ptq.sensitivity import Choice, LayerSensitivity


def allocate(
    layers: Sequence[LayerSensitivity], most_bytes: float, where: str, said: str, overhead: int | None = None
) -> dict[str, int | None]:
    """Bits by layer name; the bytes of all of them sum to no more than most_bytes.

    said: the user's words for it. overhead: of a file beside these layers; None where only their weights count.
    """
    paths = {layer.name: hull(layer.choices) for layer in layers}
    chosen = {name: path[0] for name, path in paths.items()}
    spent = sum(choice.bytes for choice in chosen.values()) + (overhead or 0)
    if spent > most_bytes:
        raise CompileError(where, said, smallest(layers, spent, overhead), "ask for more, or give a smaller network")
    steps = [(gain_of(a, b), name, i + 1) for name, path in paths.items()
             for i, (a, b) in enumerate(zip(path, path[1:], strict=False))]  # fmt: skip
    taken = dict.fromkeys(paths, 0)
    for _, name, to in sorted(steps, key=lambda step: (-step[0], step[1], step[2])):
        extra = paths[name][to].bytes - chosen[name].bytes
        if to == taken[name] + 1 and spent + extra <= most_bytes:
            chosen[name], taken[name], spent = paths[name][to], to, spent + extra
    return {name: choice.bits for name, choice in chosen.items()}


def smallest(layers: Sequence[LayerSensitivity], spent: int, overhead: int | None) -> str:
    if overhead is not None:
        return f"at least {spent:,} bytes, of which {overhead:,} are no weights of layers that are converted"
    return f"at least {8 * spent / sum(layer.weights for layer in layers):.2f} bits a weight, scales included"


def gain_of(a: Choice, b: Choice) -> float:
    return (a.effect - b.effect) / (b.bytes - a.bytes)


def hull(choices: Sequence[Choice]) -> list[Choice]:
    """From the smallest choice on, those on the lower convex hull: each step gains less than the one before."""
    kept: list[Choice] = []
    for choice in sorted(choices, key=lambda choice: (choice.bytes, choice.effect)):
        if kept and choice.effect >= kept[-1].effect:
            continue
        while len(kept) > 1 and gain_of(kept[-1], choice) >= gain_of(kept[-2], kept[-1]):
            kept.pop()
        kept.append(choice)
    return kept
