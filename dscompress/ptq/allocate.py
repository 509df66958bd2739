"""allocate: bits for every layer, so that the model's answer changes least within a number of bytes.

Effects of layers add up: a knapsack, solved exactly but for a rounding of bytes. least[s] is the least effect
of the layers so far, for s steps of bytes above the fewest that they can have:

    least'[s] = min over the layer's choices of least[s - steps(choice)] + effect(choice)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dscompress.errors import CompileError
from dscompress.ptq.sensitivity import LayerSensitivity

STEPS = 1 << 16  # that the bytes above the fewest are divided into, at most


def allocate(
    layers: Sequence[LayerSensitivity], most_bytes: float, where: str, said: str, overhead: int | None = None
) -> dict[str, int | None]:
    """Bits by layer name; the bytes of all of them sum to no more than most_bytes.

    said: the user's words for it. overhead: of a file beside these layers; None where only their weights count.
    """
    fewest = [min(choice.bytes for choice in layer.choices) for layer in layers]
    spare = most_bytes - sum(fewest) - (overhead or 0)
    if spare < 0:
        expected = smallest(layers, sum(fewest), overhead)
        raise CompileError(where, said, expected, "ask for more, or give a smaller network")
    step = max(1, -(-int(spare) // STEPS))
    least, taken = np.zeros(int(spare) // step + 1), []
    for layer, bytes_ in zip(layers, fewest, strict=True):
        costs = [-(-(choice.bytes - bytes_) // step) for choice in layer.choices]
        effects = [choice.effect for choice in layer.choices]
        options = np.stack([moved(least, cost) + effect for cost, effect in zip(costs, effects, strict=True)])
        best = options.argmin(axis=0)
        least = options.min(axis=0)
        taken.append((best, costs))
    return followed_back(layers, taken, len(least) - 1)


def moved(least: np.ndarray, cost: int) -> np.ndarray:
    """least[s - cost], infinite where there are not so many steps."""
    result = np.full_like(least, np.inf)
    if cost < len(least):
        result[cost:] = least[: len(least) - cost]
    return result


def followed_back(layers: Sequence[LayerSensitivity], taken: list, steps: int) -> dict[str, int | None]:
    plan: dict[str, int | None] = {}
    for layer, (best, costs) in zip(reversed(layers), reversed(taken), strict=True):
        choice = int(best[steps])
        plan[layer.name] = layer.choices[choice].bits
        steps -= costs[choice]
    return {layer.name: plan[layer.name] for layer in layers}


def smallest(layers: Sequence[LayerSensitivity], fewest: int, overhead: int | None) -> str:
    if overhead is not None:
        return f"at least {fewest + overhead:,} bytes, {overhead:,} of them no weights of layers that are converted"
    return f"at least {8 * fewest / sum(layer.weights for layer in layers):.2f} bits a weight, scales included"
