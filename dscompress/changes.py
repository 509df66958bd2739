"""changes: what an import made of the source's own numbers, counted by comparing them.

The source's own numbers are the tensors as PyTorch loads them; where a weight is put together from several tensors,
what the layer's own forward makes of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Change:
    """A tensor that is not the source's own: its name, how many numbers it has and how many of them differ."""

    name: str
    elements: int
    different: int


def changes_between(own: Mapping[str, torch.Tensor], made: Mapping[str, torch.Tensor]) -> list[Change]:
    """The tensors of `made` that differ from those of the same name in `own`; a zero's sign counts for nothing."""
    counted = [(key, made[key].numel(), different(own[key], made[key])) for key in made if key in own]
    return [Change(key, elements, count) for key, elements, count in counted if count]


def note_dtypes(found: Iterable[str], notes: list[str]) -> None:
    """found: the float types of the weights, "float64"; one note for all that are not float32, said once."""
    others = sorted(set(found) - {"float32"})
    text = f"found {' and '.join(others)} weights, stored as float32"
    if others and text not in notes:
        notes.append(text)


def different(own: torch.Tensor, made: torch.Tensor) -> int:
    if own is made:
        return 0
    own = own.dequantize() if own.is_quantized else own.to_dense()
    wide = torch.float64 if torch.float64 in (own.dtype, made.dtype) else made.dtype
    own, made = own.to(wide), made.to(wide)  # in float64 if one is: what float32 does not hold is another number
    return int(((own != made) & ~(own.isnan() & made.isnan())).sum())
