"""INGREDIENTS: what makes a converted layer close to the float one. Each can be left out; without any of them a weight
becomes 2^round(log2|w|) within DeepShift's range for the bits, the naive conversion.

To see what one is worth: convert(model, inputs, bits=4, ingredients=INGREDIENTS.keys() - {"compensate"}).
"""

from collections.abc import Iterable

from dscompress.errors import CompileError

INGREDIENTS = {
    "scale": "a float scale for each output channel, the one with the least output error",
    "nearest": "thresholds in the middle between two powers, not between their logarithms",
    "compensate": "the rounding error of an input is made up for by the inputs not rounded yet, as in GPTQ",
    "drift": "each layer aims at the float network's output, not only at what its own inputs give",
    "bias": "the mean error of each channel goes into the bias",
    "batch_norm": "BatchNorm's statistics are estimated again, as the quantised network has them",
}


def check_ingredients(names: Iterable[str] | None) -> frozenset[str]:
    """All of them for None."""
    chosen = frozenset(INGREDIENTS if names is None else names)
    unknown = sorted(chosen - INGREDIENTS.keys())
    if unknown:
        raise CompileError("ingredients", repr(unknown[0]), f"some of {', '.join(INGREDIENTS)}")
    return chosen
