"""The only writer of .dsf files: a description of the graph becomes bytes, bytes become a file, whole or not at all.

    0    prefix: magic, version 1.0, no flags, file length, CRC-32, FlatBuffer length, data offset and length
    64   FlatBuffer (schema/dsf.fbs), zeros to a multiple of 64
    ...  weight after weight, each at a multiple of 64, zeros between

The same description gives the same bytes. write_atomically() leaves the old file or the new one, whatever happens:

    create .NAME.XXXXXXXX.dsf-part beside the target, write, fsync, read back, check, compare, rename, fsync the folder

The writer holds a lock on its part file; a part file that nobody holds is a dead writer's, and is removed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np

from dscompress.encode import Encoded
from dscompress.errors import MACHINE_ERRNOS, BackendError, CompileError
from dsruntime import dsf_generated as fb
from dsruntime.file import DTYPES, PREFIX, Image, Input, Node, Output, Value
from dsruntime.planes import ALIGNMENT

MAGIC = b"\x89DSF\r\n\x1a\n"
MAJOR, MINOR = 1, 0
CRC_AT = 24  # the CRC covers every byte of the file but these four
PART = ".dsf-part"
DTYPE_CODES = {name: code for code, name in DTYPES.items()}


@dataclass(frozen=True)
class Stored:
    """A weight as it goes into the file: the value it is, the tensor's name in the source, its bytes."""

    value: int
    source: str
    encoded: Encoded


@dataclass(frozen=True)
class Description:
    """Everything a file says; values are referred to by index. build() writes it as it stands, libdsf judges it."""

    name: str
    producer: str
    values: list[Value]
    nodes: list[Node]
    weights: list[Stored]
    inputs: list[Input]
    outputs: list[Output]
    metadata: dict[str, str] = field(default_factory=dict)


def build(description: Description) -> bytes:
    """The bytes of the file."""
    offsets, data_length = lay_out(description.weights)
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model_table(description, offsets).Pack(builder), b"DSF1")
    graph = builder.Output()
    data_offset = round_up(PREFIX.size + len(graph))

    fields = (len(graph), data_offset, data_length, bytes(16))
    prefix = PREFIX.pack(MAGIC, MAJOR, MINOR, 0, data_offset + data_length, 0, *fields)

    parts = [graph, bytes(data_offset - PREFIX.size - len(graph))]
    end = 0
    for offset, weight in zip(offsets, description.weights, strict=True):
        parts += [bytes(offset - end), weight.encoded.data]
        end = offset + len(weight.encoded.data)
    crc = zlib.crc32(prefix[CRC_AT + 4 :], zlib.crc32(prefix[:CRC_AT]))
    for part in parts:
        crc = zlib.crc32(part, crc)
    return b"".join([PREFIX.pack(MAGIC, MAJOR, MINOR, 0, data_offset + data_length, crc, *fields), *parts])


def lay_out(weights: list[Stored]) -> tuple[list[int], int]:
    """Each weight's offset in the data section, and the section's length."""
    offsets, end = [], 0
    for weight in weights:
        offsets.append(round_up(end))
        end = offsets[-1] + len(weight.encoded.data)
    return offsets, end


def round_up(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


def model_table(description: Description, offsets: list[int]) -> fb.ModelT:
    model: Any = fb.ModelT()
    model.name, model.producer, model.mode = description.name, description.producer, "float"
    model.values = [value_table(value) for value in description.values]
    model.nodes = [node_table(node) for node in description.nodes]
    model.weights = [weight_table(*pair) for pair in zip(description.weights, offsets, strict=True)]
    model.inputs = [input_table(entry) for entry in description.inputs]
    model.outputs = [output_table(entry) for entry in description.outputs]
    model.metadata = [key_value(*pair) for pair in sorted(description.metadata.items())] or None
    return model


def value_table(value: Value) -> fb.ValueT:
    table: Any = fb.ValueT()
    table.name, table.dtype, table.shape = value.name, DTYPE_CODES[value.dtype], list(value.shape)
    return table


def node_table(node: Node) -> fb.NodeT:
    table: Any = fb.NodeT()
    table.op, table.name, table.module = node.op, node.name, node.module
    table.inputs = [-1 if index is None else index for index in node.inputs]
    table.outputs = list(node.outputs)
    table.attributes = [attribute_table(*pair) for pair in sorted(node.attributes.items())] or None
    return table


def attribute_table(name: str, value) -> fb.AttributeT:
    """The kind follows the Python type: int, float, str, list of int (an empty one too), list of float."""
    table: Any = fb.AttributeT()
    table.name = name
    match value:
        case int():
            table.kind, table.i = fb.AttributeKind.Int, int(value)
        case float():
            table.kind, table.f = fb.AttributeKind.Float, value
        case str():
            table.kind, table.s = fb.AttributeKind.String, value
        case [float(), *_]:
            table.kind, table.floats = fb.AttributeKind.Floats, list(value)
        case _:
            table.kind, table.ints = fb.AttributeKind.Ints, list(value)
    return table


def weight_table(weight: Stored, offset: int) -> fb.WeightT:
    encoded = weight.encoded
    table: Any = fb.WeightT()
    table.value, table.source, table.codec, table.note = weight.value, weight.source, encoded.codec, encoded.note
    table.offset, table.length = offset, len(encoded.data)
    table.order = None if encoded.order is None else list(encoded.order)
    if encoded.shift is not None:
        table.shift = fb.ShiftT()
        table.shift.bits, table.shift.zero = encoded.shift.bits, encoded.shift.zero
        table.shift.base = np.asarray(encoded.shift.base, np.int8)
        table.shift.scale = None if encoded.shift.scale is None else np.asarray(encoded.shift.scale, np.float32)
    return table


def input_table(entry: Input) -> fb.InputT:
    table: Any = fb.InputT()
    table.value, table.layout = entry.value, entry.layout
    table.image = None if entry.image is None else image_table(entry.image)
    return table


def image_table(image: Image) -> fb.ImageT:
    table: Any = fb.ImageT()
    table.color, table.resize, table.filter = image.color, image.resize, image.filter
    table.size = list(image.size) or None
    table.crop = None if image.crop is None else list(image.crop)
    table.mean, table.std = list(image.mean), list(image.std)
    table.pad = None if image.pad is None else list(image.pad)
    return table


def output_table(entry: Output) -> fb.OutputT:
    table: Any = fb.OutputT()
    table.value, table.meaning, table.labels = entry.value, entry.meaning, list(entry.labels) or None
    return table


def key_value(key: str, value: str) -> fb.KeyValueT:
    table: Any = fb.KeyValueT()
    table.key, table.value = key, value
    return table


def check_target(path: str | os.PathLike) -> Path:
    """Refuses a target that cannot or should not be replaced: before the work starts, and again before writing."""
    target = Path(path)
    folder = target.parent
    if not target.name:
        raise cannot_write(target, "it is not a file name", "give a path such as model.dsf")
    try:
        if not stat.S_ISDIR(os.stat(folder).st_mode):
            raise cannot_write(target, f"{folder} is not a folder", "give another path")
    except FileNotFoundError:
        raise cannot_write(target, f"the folder {folder} does not exist", "create it or give another path") from None
    except OSError as error:
        raise cannot_write(target, f"{folder}: {reason(error)}", "give another path") from None
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        mode = None
    except OSError as error:
        raise cannot_write(target, reason(error), "give another path") from None
    if mode is not None:
        if stat.S_ISLNK(mode):
            link = os.readlink(target)
            raise cannot_write(target, f"it is a symbolic link to {link}", "give the path of the file itself")
        if stat.S_ISDIR(mode):
            raise cannot_write(target, "it is a folder", f"give a file name inside it, such as {target / 'model.dsf'}")
        if not stat.S_ISREG(mode):
            raise cannot_write(target, "it is a device, pipe or socket", "give the path of an ordinary file")
        if not mode & 0o222:
            raise cannot_write(target, "it is read-only", "make it writable (chmod u+w) or give another path")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise cannot_write(target, f"the folder {folder} is read-only", "give a path in a folder you can write to")
    return target


def write_atomically(
    path: str | os.PathLike, data: bytes, read_back: Callable[[Path], bytes | memoryview] | None = None
) -> None:
    """Replaces the file by `data`, or leaves all as it was: CompileError, or BackendError where the disk is full.

    read_back: how the written bytes are read again to be compared; unless given, through libdsf, as a .dsf.
    """
    target = check_target(path)
    parts: list[Path] = []  # what is to be removed, noted before it is made: an interrupt may come at any instant
    try:
        sweep(target)
        descriptor = create_part(target, parts)
        try:
            write_part(descriptor, parts[0], target, data, read_back or read_checked)
        finally:
            os.close(descriptor)
        sync_folder(target.parent)
    except OSError as error:
        remove(parts)
        remedy = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "give another path"
        kind = BackendError if error.errno in MACHINE_ERRNOS else CompileError
        raise kind(str(target), f"cannot be written: {reason(error)}", what_to_do=remedy) from None
    except BaseException:
        remove(parts)
        raise


def write_part(descriptor: int, part: Path, target: Path, data: bytes, read_back) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.fchmod(descriptor, stat.S_IMODE(os.stat(target).st_mode))
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
    os.fsync(descriptor)
    if not np.array_equal(np.frombuffer(read_back(part), np.uint8), np.frombuffer(data, np.uint8)):
        raise cannot_write(target, "what was read back is not what was written", "check the disk and write again")
    os.rename(part, target)


def remove(parts: list[Path]) -> None:
    for part in parts:
        with contextlib.suppress(OSError):
            os.unlink(part)


def read_checked(part: Path) -> bytes | memoryview:
    """The bytes of the file, as libdsf read and checked them; without libdsf, as the system reads them."""
    from dsruntime.model import Model

    try:
        return Model.open(part).bytes
    except BackendError:
        return part.read_bytes()


def create_part(target: Path, parts: list[Path]) -> int:
    """A new, locked, empty file beside the target, whose path is put into `parts`."""
    while True:
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}{PART}")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        parts[:] = [part]
        try:
            descriptor = os.open(part, flags, 0o666)
        except FileExistsError:
            parts.clear()  # it is another writer's
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = True
        except BlockingIOError:
            locked = False
        except OSError:
            locked = True  # a file system without locks: no sweep can take one either
        if locked and os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # another writer's sweep was quicker than the lock and removes it


def sweep(target: Path) -> None:
    """Removes part files of this target that no living writer holds."""
    prefix = f".{target.name}."
    for name in os.listdir(target.parent):
        token = name[len(prefix) : -len(PART)]
        if not (name.startswith(prefix) and name.endswith(PART) and len(token) == 8):
            continue
        part = target.with_name(name)
        with contextlib.suppress(OSError):
            descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(part)
            finally:
                os.close(descriptor)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def cannot_write(target: Path, found: str, what_to_do: str) -> CompileError:
    return CompileError(str(target), f"cannot be written: {found}", what_to_do=what_to_do)
