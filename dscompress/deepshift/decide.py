"""decide: which layers of a checkpoint are shift layers, of which method, with how many bits.

    PS, S3, DenseShift   layers with the method's own keys: nothing to decide
    Q                    looks like a float layer. Known from the user's word, a whole module's classes, or
                         command_args.txt; without any of them nothing is rounded
    bits                 the user's word; a whole module's shift_range; command_args.txt; else the fewest that hold
                         every shift, which give the same weights as any larger number

What the values look like and what somebody called a folder proves nothing: weights in fixed point, k/128, look like
Q's. Both are quoted in a question, and change no weight.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

import torch

from dscompress.deepshift.layout import Layout
from dscompress.deepshift.own_keys import NAMES, own_layers
from dscompress.deepshift.rounding import BITS, bits_for, lowest_shift, q_shifts, round_q
from dscompress.deepshift.settings import ALL_LAYERS, ARGUMENTS, Settings
from dscompress.torchfile.inert import Unreadable

USUAL_BITS = 5
FLOAT = "float"  # the user's word that nothing is to be rounded
PILE = 20
# A float network has about 1 in 32 of the weights below 2^-10 also below 2^-15; if none of so many is, it is no chance.
NEAR_ZERO, NEAR_ZERO_COUNT = 2.0**-10, 400


@dataclass(frozen=True)
class Wish:
    """What the user said; None: decide. method: "q", "ps", or "float", if nothing is to be rounded."""

    bits: int | None = None
    method: str | None = None
    sign_threshold: float | None = None
    activations: str | None = None  # "float", or "deepshift:3.5"


@dataclass(frozen=True)
class Decision:
    """layers: path → bits, in the file's order. Without layers, method is None: nothing is rounded or put together.

    own_bits: the same by what is recorded, where the user says other bits. is_deepshifts: known to be the work of the
    original's scripts, which do more than to round weights before they evaluate.
    """

    method: str | None
    layers: dict[str, int]
    method_from: str = ""
    bits_from: str = ""
    own_bits: dict[str, int] = field(default_factory=dict)
    is_deepshifts: bool = False


def decide(tensors: dict[str, torch.Tensor], layout: Layout, said: Settings, wish: Wish, ask: bool = True) -> Decision:
    """ask: raise a question where a file looks like Q and nothing says so; else it is taken for what it holds."""
    method, own = own_layers(tensors)
    if method is not None:
        refuse_other_method(method, next(iter(own)), wish)
        paths, where = list(own), "the keys"
    elif wish.method == "ps":
        raise Unreadable("holds no PS layers (no keys end in .shift and .sign)", remedy="leave out --method ps")
    else:
        method = "q"
        paths, where = q_layers(tensors, layout, said, wish, ask)
    if not paths:
        refuse_for_nothing(wish)
        return Decision(None, {})
    if method in ("q", "ps"):
        bits, bits_from, own_bits = bits_of(method, paths, tensors, layout, said, wish)
    else:
        bits, bits_from = {path: number for path, number in own.items() if number is not None}, "the keys"
        own_bits = bits
        refuse_other_bits(method, bits, wish)
    known = layout.layers or said.method or said.bits or wish.method or (method == "ps" and layout.arch)
    is_deepshifts = method in ("q", "ps") and bool(known)
    return Decision(method, bits, where, bits_from, own_bits, is_deepshifts)


def refuse_other_method(method: str, path: str, wish: Wish) -> None:
    if wish.method not in (None, method):
        name = {"ps": "PS"}.get(method, NAMES[method])
        key = f"{path}.shift" if method == "ps" else path
        raise Unreadable(f"holds {name} layers ('{key}')", remedy=f"leave out --method {wish.method}")


def refuse_other_bits(method: str, layers: dict[str, int], wish: Wish) -> None:
    for path, bits in layers.items():
        if wish.bits not in (None, bits):
            found = f"has the tensors of {bits} bits in {NAMES[method]} layer '{path}'"
            raise Unreadable(found, remedy=f"leave out --bits {wish.bits}")


def refuse_for_nothing(wish: Wish) -> None:
    """An option for shift layers where none is known would be dropped without a word."""
    for name in ("bits", "activations"):
        if getattr(wish, name) not in (None, FLOAT):
            option = f"--{name}"
            remedy = f"leave out {option}" if wish.method == FLOAT else f"add --method q, or leave out {option}"
            raise Unreadable("holds no layers that are known to be shift layers", remedy=remedy)


def q_layers(
    tensors: dict[str, torch.Tensor], layout: Layout, said: Settings, wish: Wish, ask: bool
) -> tuple[list[str], str]:
    """The paths, and where it is from that they are Q layers."""
    matrices = [
        key.removesuffix(".weight")
        for key, tensor in tensors.items()
        if key.endswith(".weight") and tensor.dim() in (2, 4) and tensor.is_floating_point()
    ]
    if wish.method == FLOAT:
        return [], ""
    named = [path for path in matrices if layout.layers.get(path, ("", None))[0] == "q"]
    if named:
        return named, "the classes of its layers"
    if layout.class_name is not None and wish.method is None:
        return [], ""  # a whole module, none of whose classes is a shift layer's
    if said.method == "q" and (said.depth != 0 or wish.method is None):
        paths = converted(matrices, tensors, said.depth, said.counts_linear)
        return paths, "--method" if wish.method == "q" else ARGUMENTS
    if wish.method == "q":
        refuse_unknown_layers(matrices, tensors, said, wish)
        return matrices, "--method"
    if ask and said.depth != 0:
        refuse_to_guess(matrices, tensors, said)
    return [], ""


def converted(
    matrices: list[str], tensors: dict[str, torch.Tensor], depth: int | None, counts_linear: bool = False
) -> list[str]:
    """The layers that the original converts: the last `depth` convolutions, and every linear layer, uncounted.

    Where linear layers are counted, the last `depth` of both. Without a depth: all; with depth 0: none.
    """
    if depth is None or depth >= ALL_LAYERS:
        return matrices
    if depth == 0:
        return []
    counted = [path for path in matrices if counts_linear or tensors[f"{path}.weight"].dim() > 2]
    left = set(counted[: max(0, len(counted) - depth)])
    return [path for path in matrices if path not in left]


def refuse_unknown_layers(matrices: list[str], tensors: dict[str, torch.Tensor], said: Settings, wish: Wish) -> None:
    """--method q says nothing of the layers: all of them, unless something makes that doubtful."""
    if not matrices:
        raise Unreadable("holds no convolution and no linear layer", remedy="leave out --method q")
    convolutions = [path for path in matrices if tensors[f"{path}.weight"].dim() > 2]
    lowest = lowest_shift("q", wish.bits or said.bits or USUAL_BITS)
    beyond = [path for path in matrices if not keeps_to_range(tensors[f"{path}.weight"], lowest)]
    depth = said.label.depth
    if depth is not None and depth < len(convolutions or matrices):
        doubt = f"is called '{said.label.text}', which says that not all of its layers were converted"
    elif beyond and len(beyond) < len(matrices):
        doubt = (f"holds {len(beyond)} of {len(matrices)} layers, '{beyond[0]}' among them, whose weights go beyond "
                 f"Q's range, ±2^{lowest} to ±1 and 0, as those of a layer that was not converted")  # fmt: skip
    elif beyond and wish.bits is None and said.bits is None:
        found = f"holds no layer whose weights keep to Q's range, ±2^{lowest} to ±1 and 0"
        raise Unreadable(found, remedy="say how many bits clamp them: --bits 5, or leave out --method q")
    else:
        return
    remedy = (f"write beside it, into {ARGUMENTS}, how many convolutions were converted, counted from the last: "
              "'shift_type: Q' and 'shift_depth: 3'; all of them: 'shift_depth: 1000'")  # fmt: skip
    raise Unreadable(doubt, remedy=remedy)


def refuse_to_guess(matrices: list[str], tensors: dict[str, torch.Tensor], said: Settings) -> None:
    """Where a name or the values look like Q and rounding would move a weight, only the user knows."""
    label, evidence = said.label, []
    moved = {path: weights_moved(tensors[f"{path}.weight"], label.bits) for path in matrices}
    if label.method == "q" and any(moved[path] for path in converted(matrices, tensors, label.depth)):
        evidence.append(f"is called '{label.text}'")
    weights = [tensors[f"{path}.weight"] for path in matrices]
    if any(moved.values()) and looks_trained_with_q(weights):
        lowest = lowest_shift("q", USUAL_BITS)
        evidence.append(f"has weights that all keep to ±2^{lowest} to ±1 and pile up at the smallest or avoid zero")
    if evidence:
        total = sum(weight.numel() for weight in weights)
        found = (
            f"{' and '.join(evidence)}, as after training with DeepShift-Q, but weights in fixed point look the "
            f"same and a name proves nothing; rounding would change {sum(moved.values()):,} of {total:,} weights"
        )
        raise Unreadable(found, remedy="say what it is: --method q to round its weights to powers of two, or --method "
                         "float to keep them as they are")  # fmt: skip


def weights_moved(weight: torch.Tensor, bits: int | None) -> int:
    """How many weights rounding would change; none where all are powers of two, whatever a name says of their range."""
    if is_rounded(weight):
        return 0
    return int((round_q(weight, bits if bits is not None and bits in BITS else USUAL_BITS) != weight.float()).sum())


def looks_trained_with_q(weights: list[torch.Tensor]) -> bool:
    """Fit to be quoted, no more: other weights look the same."""
    lowest = lowest_shift("q", USUAL_BITS)
    kept = bool(weights) and all(keeps_to_range(weight, lowest) for weight in weights)
    return kept and trained_with_q(weights) and not any(map(has_scales, weights))


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
    method: str, paths: list[str], tensors: dict[str, torch.Tensor], layout: Layout, said: Settings, wish: Wish
) -> tuple[dict[str, int], str, dict[str, int]]:
    """Each layer's bits, where they are from, and what they are by what is recorded, else the same.

    Bits that are known hold whatever the weights are: what lies beyond their range is clamped, as the layers do before
    they compute. Bits from a name count only where every shift fits, for then they change no weight.
    """
    known, known_from = known_bits(method, paths, layout, said)
    lowest = {path: lowest_of(method, path, tensors) for path in paths}
    deepest = min(paths, key=lambda path: lowest[path])
    fewest = bits_for(method, lowest[deepest])
    if wish.bits is not None:
        bits, bits_from = dict.fromkeys(paths, wish.bits), "--bits"
    elif known is not None:
        for number in known.values():
            if number not in BITS:
                ask_for_bits(f"has {number or 'an unknown number of'} bits (from {known_from})")
        bits, bits_from = {path: number for path, number in known.items() if number is not None}, known_from
    elif said.label.bits is not None:
        if said.label.bits not in BITS:
            ask_for_bits(f"is called '{said.label.text}', which is no number of bits")
        if lowest[deepest] < lowest_shift(method, said.label.bits):
            found = f"has shifts down to {lowest[deepest]} in layer '{deepest}', which {said.label.bits} bits"
            ask_for_bits(f"{found} (from the file's path) cannot hold", said.label.bits)
        bits, bits_from = dict.fromkeys(paths, said.label.bits), "the file's path"
    else:
        if fewest is None or (method == "q" and fewest > USUAL_BITS):
            ask_for_bits(f"has shifts down to {lowest[deepest]} in layer '{deepest}'")
        bits, bits_from = dict.fromkeys(paths, fewest), "the weights: the fewest that hold every shift"
    recorded = {path: number for path, number in (known or {}).items() if number is not None}
    return bits, bits_from, {**bits, **recorded}


def known_bits(
    method: str, paths: list[str], layout: Layout, said: Settings
) -> tuple[dict[str, int | None] | None, str]:
    ranges = {path: layout.layers[path][1] for path in paths if path in layout.layers}
    known = {path: lowest for path, lowest in ranges.items() if lowest is not None}
    if len(known) == len(paths):
        return {path: bits_for(method, known[path]) for path in paths}, "the ranges of its layers"
    if said.bits is not None:
        return dict.fromkeys(paths, said.bits), ARGUMENTS
    return None, ""


def ask_for_bits(found: str, bits: int = USUAL_BITS) -> NoReturn:
    clamps = f"--bits {bits} clamps its weights as layers of {bits} bits do"
    remedy = f"say how many bits: --bits {BITS[0]} to {BITS[-1]}, those that it was trained with; {clamps}"
    raise Unreadable(found, remedy=remedy)


def lowest_of(method: str, path: str, tensors: dict[str, torch.Tensor]) -> int:
    """The lowest shift after rounding and before any clamp; of what is finite."""
    shifts = q_shifts(tensors[f"{path}.weight"]) if method == "q" else torch.round(tensors[f"{path}.shift"].float())
    finite = shifts[torch.isfinite(shifts)]
    return min(0, int(finite.min())) if finite.numel() else 0
