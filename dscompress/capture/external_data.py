"""external_data: the second file of an ONNX model, as PyTorch writes it: m.onnx and m.onnx.data beside it.

    m.onnx        weight 'conv.weight' [64, 3, 7, 7] float32: location m.onnx.data, offset 4096, length 37632
    m.onnx.data   the bytes of the weights, one after another, gaps allowed

A model can name any path, so little is taken: weights of the graph itself, all in one file, in the model's own folder
by its plain name, a regular file with no second name; each of exactly the bytes that its dimensions take, inside the
file, none shared. All of this is known before the file is opened. Anything else is refused.
"""

from __future__ import annotations

import itertools
import math
import os
import stat
from pathlib import Path

import onnx

from dscompress.capture.onnx_check import check_claim
from dscompress.errors import CompileError

EMBED = "save it in one file: onnx.save(onnx.load('model.onnx'), 'one.onnx', save_as_external_data=False)"
KEYS = {"location", "offset", "length", "checksum"}


def embed(proto: onnx.ModelProto, path: Path, most: int) -> None:
    """Reads the weights that are kept beside the model into it; most: bytes that they may take."""
    outside = [tensor for tensor in proto.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    if not outside:
        return
    name = the_one_file(outside, str(path))
    data = path.parent / name
    status = regular_file(data, path)
    ranges = sorted(((*span(tensor, status.st_size, str(path)), tensor) for tensor in outside), key=lambda r: r[:2])
    for (_, end, first), (start, _, second) in itertools.pairwise(ranges):
        if start < end:
            found = f"weights {first.name!r} and {second.name!r} share bytes of {name!r}"
            raise CompileError(str(path), found, "bytes of its own for each", EMBED)
    if (total := sum(end - start for start, end, _ in ranges)) > most:
        raise CompileError(str(path), f"has {total:,} bytes of weights", f"at most {most:,}", "export a smaller model")
    read(data, status, ranges, str(path))


def the_one_file(tensors: list[onnx.TensorProto], where: str) -> str:
    """The name that all tensors give; a CompileError where it is more than a name."""
    locations = {tensor.name: entries(tensor, where).get("location", "") for tensor in tensors}
    for name, location in locations.items():
        if location in ("", ".", "..") or any(letter in location for letter in "/\\:\0"):
            raise CompileError(where, f"weight {name!r}, at {location!r}, is kept in another file", "one file", EMBED)
    if len(set(locations.values())) > 1:
        raise CompileError(where, f"its weights are kept in {len(set(locations.values()))} files", "one", EMBED)
    return locations.popitem()[1]


def entries(tensor: onnx.TensorProto, where: str) -> dict[str, str]:
    found = {entry.key: entry.value for entry in tensor.external_data}
    no_text = any(isinstance(text, bytes) for entry in found.items() for text in entry)  # it is no UTF-8
    if len(found) < len(tensor.external_data) or found.keys() - KEYS or no_text:
        raise CompileError(where, f"weight {tensor.name!r} says twice or wrongly where it is kept", "once", EMBED)
    return found


def regular_file(data: Path, path: Path) -> os.stat_result:
    where, expected = str(path), f"the weights' file {data.name!r} beside the model"
    try:
        status = data.lstat()
    except (OSError, ValueError) as error:
        found = f"its weights' file {data.name!r} cannot be read ({getattr(error, 'strerror', None) or error})"
        raise CompileError(where, found, expected, "copy both files into one folder") from None
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or os.path.samestat(status, path.stat()):
        found = f"its weights' file {data.name!r} is a link, a folder, a device or the model itself"
        raise CompileError(where, found, "a regular file", "copy both files into one folder")
    return status


def span(tensor: onnx.TensorProto, size: int, where: str) -> tuple[int, int]:
    """Where a tensor's bytes begin and end in a file of `size` bytes."""
    bits = check_claim(tensor, where)
    given = entries(tensor, where)
    length = -(-math.prod(tensor.dims) * bits // 8)
    start = whole(given.get("offset", "0"))
    if start is None or whole(given.get("length", str(length))) != length or start + length > size:
        said = ", ".join(f"{key} {given[key][:20]!r}" for key in ("offset", "length") if key in given)
        found = f"weight {tensor.name!r} {tuple(tensor.dims)} takes {length:,} bytes, at {said or 'the beginning'}"
        raise CompileError(where, found, f"them inside the {size:,} of its file", "copy both files again, or " + EMBED)
    if tensor.HasField("raw_data"):
        raise CompileError(where, f"weight {tensor.name!r} is kept in both files", "in one", EMBED)
    return start, start + length


def whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def read(data: Path, status: os.stat_result, ranges: list[tuple[int, int, onnx.TensorProto]], where: str) -> None:
    """Puts the bytes in, if the file that opens is the one that was looked at."""
    try:
        descriptor = os.open(data, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            opened = os.fstat(file.fileno())
            same = os.path.samestat(opened, status) and opened.st_size == status.st_size
            for start, end, tensor in ranges if same else ():
                file.seek(start)
                tensor.raw_data = file.read(end - start)
                same = same and len(tensor.raw_data) == end - start
                del tensor.external_data[:]
                tensor.ClearField("data_location")
    except OSError as error:
        raise CompileError(where, f"its weights' file {data.name!r} cannot be read ({error.strerror})") from None
    if not same:
        raise CompileError(where, f"its weights' file {data.name!r} changed while it was read", what_to_do="try again")
