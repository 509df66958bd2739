"""What a conversion tells: each layer's bits and errors, what stayed float and why, how close the answers are."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field

from dscompress.ptq.network import Left
from dsruntime.text import printable


@dataclass(frozen=True)
class ConvertedLayer:
    """error: noise over signal that rounding this layer adds to its output; total: all that its output has so far.

    bits None: the layer was left float by the plan, not because it could not be converted.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    bits: int | None
    zero: bool
    weights: int
    bytes: int
    error: float
    total: float

    @property
    def bits_per_weight(self) -> float:
        return 8 * self.bytes / self.weights


@dataclass(frozen=True)
class Agreement:
    """The quantised network's answers beside the float one's, on inputs of one kind. top1: None without classes."""

    inputs: int
    error: float  # noise over signal of the outputs
    top1: float | None


@dataclass
class ConversionReport:
    """seen: on the inputs that the conversion looked at; held_out: on those it did not."""

    ingredients: tuple[str, ...]
    layers: list[ConvertedLayer] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    seen: Agreement | None = None
    held_out: Agreement | None = None
    warnings: list[str] = field(default_factory=list)
    file_bytes: int | None = None  # of the .dsf, where it was measured

    @property
    def bits_per_weight(self) -> float | None:
        weights = sum(layer.weights for layer in self.layers)
        return 8 * self.weight_bytes / weights if weights else None

    @property
    def weight_bytes(self) -> int:
        """What the weights of these layers take in a .dsf, scales included."""
        return sum(layer.bytes for layer in self.layers)

    def as_dict(self) -> dict:
        plain = {**asdict(self), "bits_per_weight": self.bits_per_weight, "weight_bytes": self.weight_bytes}
        plain["layers"] = [
            {**asdict(layer), "bits_per_weight": layer.bits_per_weight, "error_db": decibels(layer.error),
             "total_db": decibels(layer.total)} for layer in self.layers
        ]  # fmt: skip
        return plain

    def __str__(self) -> str:
        converted = [layer for layer in self.layers if layer.bits is not None]
        bits = "" if self.bits_per_weight is None else f", {self.bits_per_weight:.2f} bits a weight"
        lines = [f"{len(converted)} layers converted{bits}"]
        for text, found in (("inputs seen", self.seen), ("inputs held out", self.held_out)):
            if found:
                top1 = "" if found.top1 is None else f", the same answer for {found.top1:.2%}"
                lines.append(f"  {found.inputs} {text}: signal to noise {-decibels(found.error):.1f} dB{top1}")
        lines += [f"  left {entry.name} ({entry.kind}): {entry.reason}" for entry in self.left]
        lines += [f"  {text}" for text in self.warnings]
        return "\n".join(map(printable, lines))


def decibels(ratio: float) -> float:
    """Of a ratio of powers; -inf for none."""
    return 10 * math.log10(ratio) if ratio > 0 else -math.inf
