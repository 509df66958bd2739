"""A tensor of a plan: a strided window into a buffer, so that transpose, slice, split and most reshapes are no work.

    element (i, j, ...) lies at  offset + i * strides[0] + j * strides[1] + ...   of its buffer, counted in elements

A dense order lists the axes from the slowest to the fastest: (0, 1, 2, 3) is NCHW as it is said, (0, 2, 3, 1) is NHWC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

SIZES = {"float16": 2, "float32": 4, "int8": 1, "uint8": 1, "int32": 4, "int64": 8, "bool": 1}


@dataclass(frozen=True)
class Tensor:
    """buffer: a number of the plan's; dtype: how the elements lie there, which may be narrower than the file's."""

    buffer: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str

    @property
    def count(self) -> int:
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.count * SIZES[self.dtype]

    def is_dense(self, order: tuple[int, ...] | None = None) -> bool:
        """Whether the elements lie side by side in this order; the strides of axes of one entry do not matter."""
        wanted = dense_strides(self.shape, order or tuple(range(len(self.shape))))
        return all(n == 1 or a == b for n, a, b in zip(self.shape, self.strides, wanted, strict=True))

    def order(self) -> tuple[int, ...]:
        """The axes from the largest stride to the smallest, those of one entry where they stand."""
        axes = range(len(self.shape))
        return tuple(sorted(axes, key=lambda a: (-self.strides[a] if self.shape[a] > 1 else -self.span(a), a)))

    def span(self, axis: int) -> int:
        """For an axis of one entry: as if it were dense, just outside its next longer axis."""
        later = [self.strides[a] * self.shape[a] for a in range(axis + 1, len(self.shape)) if self.shape[a] > 1]
        return max(later, default=1)

    def is_packed(self) -> bool:
        """Whether it is dense in some order."""
        return self.is_dense(self.order())

    def transposed(self, perm: Sequence[int]) -> Tensor:
        return replace(self, shape=tuple(self.shape[p] for p in perm), strides=tuple(self.strides[p] for p in perm))

    def reshaped(self, shape: Sequence[int]) -> Tensor | None:
        """The same elements in row order under another shape, or None where that needs a copy."""
        shape = tuple(shape)
        strides = reshaped_strides(self.shape, self.strides, shape)
        return None if strides is None else replace(self, shape=shape, strides=strides)

    def viewed(self, shape: Sequence[int]) -> Tensor:
        """reshaped(), where it is known to need no copy."""
        tensor = self.reshaped(shape)
        assert tensor is not None, (self, shape)
        return tensor

    def sliced(self, axis: int, start: int, count: int, step: int = 1) -> Tensor:
        shape, strides = list(self.shape), list(self.strides)
        shape[axis], strides[axis] = count, strides[axis] * step
        offset = self.offset + (start * self.strides[axis] if count else 0)
        return replace(self, shape=tuple(shape), strides=tuple(strides), offset=offset)

    def broadcast(self, shape: Sequence[int]) -> Tensor:
        """NumPy's rule: axes of one entry, and new ones in front, repeat with stride 0."""
        shape = tuple(shape)
        extra = len(shape) - len(self.shape)
        strides = [0] * extra + [
            0 if n == 1 != m else s for n, m, s in zip(self.shape, shape[extra:], self.strides, strict=True)
        ]
        return replace(self, shape=shape, strides=tuple(strides))


def dense_strides(shape: Sequence[int], order: Sequence[int]) -> tuple[int, ...]:
    """
    >>> dense_strides((2, 3, 4, 5), (0, 2, 3, 1))
    (60, 1, 15, 3)
    """
    strides, step = [0] * len(shape), 1
    for axis in reversed(order):
        strides[axis] = step
        step *= shape[axis]
    return tuple(strides)


def channels_last(rank: int) -> tuple[int, ...]:
    """NHWC for rank 4, NLC for rank 3; other ranks as they are said."""
    return (0, *range(2, rank), 1) if rank in (3, 4) else tuple(range(rank))


def reshaped_strides(old: Sequence[int], strides: Sequence[int], new: Sequence[int]) -> tuple[int, ...] | None:
    """Axes of several entries go together in groups of equal product, in which the old ones must run on densely.

    >>> reshaped_strides((2, 3, 4), (12, 4, 1), (6, 2, 2)), reshaped_strides((2, 3), (1, 2), (6,))
    ((4, 2, 1), None)
    """
    if prod(old) == 0:
        return dense_strides(new, range(len(new)))
    before = [(n, s) for n, s in zip(old, strides, strict=True) if n > 1]
    after = [n for n in new if n > 1]
    found: list[int] = []
    i = 0
    while i < len(before):
        start, (left, _), right = i, before[i], after[len(found)]
        group = [right]
        while left != right:
            if left < right:
                i += 1
                left *= before[i][0]
            else:
                group.append(after[len(found) + len(group)])
                right *= group[-1]
        i += 1
        if any(a[1] != b[0] * b[1] for a, b in zip(before[start:i], before[start + 1 : i], strict=False)):
            return None
        found += [before[i - 1][1] * step for step in dense_strides(group, range(len(group)))]
    rest = iter(found)
    return tuple(next(rest) if n > 1 else 1 for n in new)
