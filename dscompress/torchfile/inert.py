"""What a checkpoint's pickle becomes: plain dicts, lists, tuples, numbers and text, and the four records below.

None of them can do anything. A class or function that the file names is a Global, what calling it would have made is a
Stub; neither is looked up, imported or called. A tensor is where its bytes are, checked against its storage.

    ('storage', torch.FloatStorage, '7', 'cpu', 1728)                       Storage
    torch._utils._rebuild_tensor_v2(storage, offset, size, strides, ...)    Tensor
    torch.nn.modules.conv.Conv2d                                            Global
    Conv2d.__new__(Conv2d), then its state                                  Stub
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MOST_ELEMENTS = 1 << 40
MOST_DIMENSIONS = 8

# dtype and bytes an element, by the name of the storage's class
STORAGES = {
    "DoubleStorage": ("float64", 8),
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
}


class Unreadable(Exception):
    """Why the file is refused; str() continues a sentence that begins with its name.

    damage: another copy may be whole. unusual: the file is sound, but its tensors are of types that are not read here.
    remedy: what to do, where neither another copy nor another file is the way out.
    """

    def __init__(self, found: str, damage: bool = True, unusual: bool = False, remedy: str = "") -> None:
        super().__init__(found)
        self.damage, self.unusual, self.remedy = damage, unusual, remedy


@dataclass(eq=False, slots=True)
class Global:
    name: str  # "module name", as pickles have it


@dataclass(eq=False, slots=True)
class Stub:
    """An object that was not made: what was named, its arguments, its state, and what was appended or set in it."""

    name: str
    arguments: tuple
    state: Any = None


@dataclass(eq=False, slots=True)
class Storage:
    key: str
    dtype: str
    elements: int
    item_bytes: int

    @property
    def bytes(self) -> int:
        return self.elements * self.item_bytes


@dataclass(eq=False, slots=True)
class Tensor:
    """Element [i, j, ...] is the storage's offset + i * strides[0] + j * strides[1] + ..."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def elements(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count


def storage(kind: Any, key: Any, elements: Any) -> Storage:
    module, _, name = kind.name.rpartition(" ") if isinstance(kind, Global) else ("", "", "")
    if module not in ("torch", "torch.cuda") or name not in STORAGES:
        what = shown(kind.name) if isinstance(kind, Global) else "something that is no class"
        raise Unreadable(f"holds a storage of {what}, which is no plain tensor type", damage=False, unusual=True)
    if type(key) is not str or not is_count(elements) or elements > MOST_ELEMENTS:
        raise Unreadable("holds a storage without a proper name and size")
    return Storage(key, STORAGES[name][0], elements, STORAGES[name][1])


def tensor(place: Any, offset: Any, shape: Any, strides: Any) -> Tensor:
    """Every element within the storage, and not more elements than it has: a view that repeats itself is refused."""
    if not isinstance(place, Storage):
        raise Unreadable("holds a tensor without a storage")
    sound = is_count(offset) and all(
        isinstance(numbers, tuple) and len(numbers) <= MOST_DIMENSIONS and all(map(is_count, numbers))
        for numbers in (shape, strides)
    )
    if not sound or len(shape) != len(strides):
        raise Unreadable(f"holds a tensor in storage {shown(place.key)} whose size or strides are no lists of counts")
    made = Tensor(place, offset, shape, strides)
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if made.elements and (last >= place.elements or made.elements > place.elements):
        raise Unreadable(
            f"holds a tensor {shape} at offset {offset} with strides {strides}, which its storage of "
            f"{place.elements:,} elements does not hold"
        )
    return made


def is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MOST_ELEMENTS


def shown(text: str) -> str:
    """A name from the file, fit for a terminal: short, printable, without what would move a cursor."""
    text = text if len(text) <= 80 else text[:77] + "..."
    return text if text.isascii() and text.isprintable() else ascii(text)
