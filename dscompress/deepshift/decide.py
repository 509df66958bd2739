"""decide: which layers of a checkpoint are shift layers, of which method, with how many bits.

    PS    a layer with `shift` and `sign`: nothing to decide
    Q     looks like a float layer. The user's word, a whole module's classes, or what is written beside the file say
          which layers; without them, if every weight matrix keeps to Q's range, as only training with Q makes it
    bits  the user's word; a whole module's shift_range; what is written beside the file; else the fewest that hold
          every shift. More bits than that would give the same weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dscompress.deepshift.inert import Unreadable
from dscompress.deepshift.layout import Layout
from dscompress.deepshift.rounding import BITS, bits_for, lowest_shift, q_shifts
from dscompress.deepshift.settings import ALL_LAYERS, Settings

USUAL_BITS = 5
# A float network has about 1 in 32 of the weights below 2^-10 also below 2^-15; if none of so many is, it is no chance.
PS_KEYS = ("shift", "sign", "bias")
PILE = 20
NEAR_ZERO, NEAR_ZERO_COUNT = 2.0**-10, 400


@dataclass(frozen=True)
class Wish:
    """What the user said; None: decide."""

    bits: int | None = None
    method: str | None = None
    sign_threshold: float | None = None
    activations: str | None = None  # "float", or "deepshift:3.5"


@dataclass(frozen=True)
class Decision:
    """layers: path → bits, in the file's order. Without layers, method is None: a float checkpoint."""

    method: str | None
    layers: dict[str, int]
    method_from: str = ""
    bits_from: str = ""


def decide(tensors: dict[str, torch.Tensor], layout: Layout, said: Settings, wish: Wish) -> Decision:
    ps = ps_layers(tensors)
    if ps:
        if wish.method == "q":
            raise Unreadable(f"holds PS layers ('{ps[0]}.shift'); leave out --method q", damage=False)
        method, layers, where = "ps", ps, "the keys"
    elif wish.method == "ps":
        raise Unreadable("holds no PS layers (no keys end in .shift and .sign); leave out --method ps", damage=False)
    else:
        method, layers, where = "q", *q_layers(tensors, layout, said, wish)
    if not layers:
        return Decision(None, {})
    bits, bits_from = bits_of(method, layers, tensors, layout, said, wish)
    return Decision(method, bits, where, bits_from)


def ps_layers(tensors: dict[str, torch.Tensor]) -> list[str]:
    kinds: dict[str, set[str]] = {}
    for key in tensors:
        path, _, kind = key.rpartition(".")
        kinds.setdefault(path, set()).add(kind)
    paths = [path for path, found in kinds.items() if found & {"shift", "sign"}]
    for path in paths:
        prefix = f"{path}." if path else ""
        shift, sign = tensors.get(f"{prefix}shift"), tensors.get(f"{prefix}sign")
        if not path or shift is None or sign is None or shift.shape != sign.shape:
            raise Unreadable(f"has a layer '{path}' whose shift and sign do not make a pair", damage=False)
        others = sorted(kinds[path] - set(PS_KEYS))
        if others:
            raise Unreadable(f"has '{path}.{others[0]}' beside the shift and sign of layer '{path}'", damage=False)
        if not (shift.is_floating_point() and sign.is_floating_point()):
            raise Unreadable(f"has a layer '{path}' whose shift or sign is of type {shift.dtype}", damage=False)
    return paths


def q_layers(
    tensors: dict[str, torch.Tensor], layout: Layout, said: Settings, wish: Wish
) -> tuple[list[str], str]:
    """The paths, and where it is from that they are Q layers."""
    matrices = [
        key.removesuffix(".weight")
        for key, tensor in tensors.items()
        if key.endswith(".weight") and tensor.dim() >= 2 and tensor.is_floating_point()
    ]
    known = set(matrices)
    named = [path for path, (method, _) in layout.layers.items() if method == "q" and path in known]
    if named:
        return named, "the classes of its layers"
    if wish.method == "q" or said.method == "q":
        where = "--method" if wish.method == "q" else said.sources["method"]
        paths = converted(matrices, tensors, said.depth) if said.depth else None
        if paths is None:
            lowest = lowest_shift("q", wish.bits or said.bits or USUAL_BITS)
            paths = [path for path in matrices if keeps_to_range(tensors[f"{path}.weight"], lowest)]
            if not paths:
                found = f"holds no layer whose weights keep to Q's range, ±2^{lowest} to ±1 and 0"
                raise Unreadable(f"{found}; say how it was trained: --bits, or leave out --method q", damage=False)
        return paths, where
    weights = [tensors[f"{path}.weight"] for path in matrices]
    lowest = lowest_shift("q", USUAL_BITS)
    kept = bool(weights) and all(keeps_to_range(weight, lowest) for weight in weights)
    latent = kept and trained_with_q(weights) and not any(map(has_scales, weights))
    if kept and (all(map(is_rounded, weights)) or latent):
        return matrices, "the weights, all of which keep to Q's range"
    return [], ""


def converted(matrices: list[str], tensors: dict[str, torch.Tensor], depth: int) -> list[str]:
    """The original converts every linear layer, and `depth` convolutions counted from the last."""
    convolutions = [path for path in matrices if tensors[f"{path}.weight"].dim() > 2]
    chosen = set(convolutions if depth >= ALL_LAYERS else convolutions[max(0, len(convolutions) - depth) :])
    return [path for path in matrices if path in chosen or tensors[f"{path}.weight"].dim() == 2]


def keeps_to_range(weight: torch.Tensor, lowest: int) -> bool:
    magnitude = weight.float().abs()
    return bool(((magnitude == 0) | ((magnitude >= 2.0**lowest) & (magnitude <= 1))).all())


def is_rounded(weight: torch.Tensor) -> bool:
    return bool(((weight == 0) | (torch.frexp(weight.float()).mantissa.abs() == 0.5)).all())


def has_scales(weight: torch.Tensor) -> bool:
    """Whether each channel holds one float times powers of two, as conversion after training leaves it."""
    rows = torch.frexp(weight.float().flatten(1)).mantissa.abs()
    one = bool(((rows == rows.amax(1, keepdim=True)) | (rows == 0)).all())
    return one and rows.shape[1] > 1 and not is_rounded(weight)


def trained_with_q(weights: list[torch.Tensor]) -> bool:
    """Training with Q keeps weights off zero: they pile up on a power of two, or are missing where many should be."""
    magnitudes = torch.cat([weight.float().abs().flatten() for weight in weights])
    magnitudes = magnitudes[magnitudes > 0]
    if not magnitudes.numel():
        return False
    least = magnitudes.min()
    pile = int((magnitudes == least).sum()) if float(torch.frexp(least).mantissa) == 0.5 else 0
    return pile > max(PILE, 0.001 * len(magnitudes)) or int((magnitudes < NEAR_ZERO).sum()) >= NEAR_ZERO_COUNT


def bits_of(
    method: str, layers: list[str], tensors: dict[str, torch.Tensor], layout: Layout, said: Settings, wish: Wish
) -> tuple[dict[str, int], str]:
    if wish.bits is not None:
        return dict.fromkeys(layers, wish.bits), "--bits"
    lowest = {path: lowest_of(method, path, tensors) for path in layers}
    ranges = {path: layout.layers[path][1] for path in layers if path in layout.layers}
    if len(ranges) == len(layers) and None not in ranges.values():
        bits, where = {path: bits_for(method, ranges[path]) for path in layers}, "the ranges of its layers"
    elif said.bits is not None:
        bits, where = dict.fromkeys(layers, said.bits), said.sources["bits"]
    else:
        fewest = bits_for(method, min(lowest.values()))
        bits, where = dict.fromkeys(layers, fewest), "the weights: the fewest that hold every shift"
    for path in layers:
        check_bits(method, path, bits[path], lowest[path], where)
    return bits, where


def check_bits(method: str, path: str, bits: int | None, lowest: int, where: str) -> None:
    if bits not in BITS:
        found = f"has shifts down to {lowest} in layer '{path}'; say how many bits: --bits 2 to 8"
        raise Unreadable(found if bits is None else f"has {bits} bits (from {where}); {found}", damage=False)
    if lowest < lowest_shift(method, bits):
        raise Unreadable(
            f"has shifts down to {lowest} in layer '{path}', which {bits} bits (from {where}) cannot hold; "
            f"say how many bits: --bits {bits_for(method, lowest) or 5}",
            damage=False,
        )


def lowest_of(method: str, path: str, tensors: dict[str, torch.Tensor]) -> int:
    """The lowest shift after rounding and before any clamp; of what is finite."""
    shifts = q_shifts(tensors[f"{path}.weight"]) if method == "q" else torch.round(tensors[f"{path}.shift"].float())
    finite = shifts[torch.isfinite(shifts)]
    return min(0, int(finite.min())) if finite.numel() else 0
