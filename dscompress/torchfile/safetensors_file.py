"""safetensors_file: named tensors, and nothing that could run.

    8 bytes     the header's length, little-endian
    header      JSON: {"conv.weight": {"dtype": "F32", "shape": [8, 3, 3, 3], "data_offsets": [0, 864]}, ...}
    the rest    the tensors' bytes, row by row, little-endian; data_offsets count from here

Read strictly, as the format has it: no name twice, every number in its bounds, and the tensors lie one after another
from the first byte of the rest to the last, without a hole and without overlap. __metadata__, text for text, may stand
in the header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BufferedIOBase
from math import prod
from typing import Any

import torch

from dscompress.torchfile.inert import Storage, Tensor, Unreadable, is_count, shown

# dtype as torch calls it, and bytes an element
DTYPES = {
    "BOOL": ("bool", 1), "U8": ("uint8", 1), "I8": ("int8", 1), "I16": ("int16", 2), "U16": ("uint16", 2),
    "F16": ("float16", 2), "BF16": ("bfloat16", 2), "I32": ("int32", 4), "U32": ("uint32", 4), "F32": ("float32", 4),
    "I64": ("int64", 8), "U64": ("uint64", 8), "F64": ("float64", 8),
}  # fmt: skip
METADATA = "__metadata__"
MOST_HEADER = 16 << 20
MOST_DIMENSIONS = 16
DAMAGED = "is a damaged or truncated safetensors file"


def is_safetensors(head: bytes) -> bool:
    """From the first nine bytes of a file, or more."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100 << 20


class SafetensorsFile:
    """root: name → where its bytes are. metadata: text for text, which the file says beside them."""

    def __init__(self, file: BufferedIOBase, size: int) -> None:
        self.file = file
        length = int.from_bytes(file.read(8), "little")
        if length > MOST_HEADER:
            raise Unreadable(f"has a header of {length:,} bytes, more than {MOST_HEADER:,}", damage=False)
        if 8 + length > size:
            raise Unreadable(f"{DAMAGED} (its header has {length:,} bytes, the file {size:,})")
        entries = parsed(file.read(length))
        self.metadata = checked_metadata(entries.pop(METADATA, {}))
        self.start = 8 + length
        self.offsets: dict[str, int] = {}
        self.root = {name: self.checked(name, entry, size - self.start) for name, entry in entries.items()}
        self.refuse_holes(size - self.start)

    def checked(self, name: str, entry: Any, size: int) -> Tensor:
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise Unreadable(f"{DAMAGED} (what it says of {shown(name)} is not a dtype, a shape and data_offsets)")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise Unreadable(f"holds {shown(name)} of dtype {shown(str(dtype))}, which is not read here", damage=False)
        if not is_counts(shape) or len(shape) > MOST_DIMENSIONS:
            raise Unreadable(f"{DAMAGED} (the shape of {shown(name)} is no list of counts)")
        torch_dtype, item_bytes = DTYPES[dtype]
        count = prod(shape)
        if not is_counts(offsets) or len(offsets) != 2 or not offsets[0] <= offsets[1] <= size:
            raise Unreadable(f"{DAMAGED} ({shown(name)} is not within the file)")
        if offsets[1] - offsets[0] != count * item_bytes:
            taken = f"{offsets[1] - offsets[0]:,} bytes, {tuple(shape)} of {dtype} are {count * item_bytes:,}"
            raise Unreadable(f"{DAMAGED} ({shown(name)} has {taken})")
        self.offsets[name] = offsets[0]
        strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
        return Tensor(Storage(name, torch_dtype, count, item_bytes), 0, tuple(shape), tuple(strides))

    def refuse_holes(self, size: int) -> None:
        end = 0
        for name in sorted(self.root, key=lambda name: (self.offsets[name], self.root[name].storage.bytes)):
            if self.offsets[name] != end:
                what = "overlaps another tensor" if self.offsets[name] < end else "begins behind bytes of no tensor"
                raise Unreadable(f"{DAMAGED} ({shown(name)} {what})")
            end += self.root[name].storage.bytes
        if end != size:
            raise Unreadable(f"{DAMAGED} ({size - end:,} bytes at its end are no tensor's)")

    def storage_bytes(self, which: Storage) -> bytearray:
        data = bytearray(which.bytes)
        self.file.seek(self.start + self.offsets[which.key])
        if self.file.readinto(data) != which.bytes:
            raise Unreadable(f"ends inside of {shown(which.key)}")
        return data


def is_counts(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_count, value))


def parsed(header: bytes) -> dict:
    def once(pairs):
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Unreadable(f"{DAMAGED} (its header says something twice)")
        return found

    try:
        entries = json.loads(header.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise Unreadable(f"{DAMAGED} (its header is no JSON)") from None
    if not isinstance(entries, dict):
        raise Unreadable(f"{DAMAGED} (its header is no JSON object)")
    return entries


def checked_metadata(metadata: Any) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise Unreadable(f"{DAMAGED} (its {METADATA} is not text for text)")
    return metadata


def as_bytes(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> bytes:
    """A file of these tensors, in their order; one tensor under several names is written once for each."""
    names = {torch_dtype: name for name, (torch_dtype, _) in DTYPES.items()}
    entries: dict[str, Any] = {METADATA: dict(metadata)} if metadata else {}
    parts, end = [], 0
    for name, tensor in tensors.items():
        data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        entries[name] = {
            "dtype": names[str(tensor.dtype).removeprefix("torch.")], "shape": list(tensor.shape),
            "data_offsets": [end, end + len(data)],
        }  # fmt: skip
        parts.append(data)
        end += len(data)
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + b"".join(parts)
