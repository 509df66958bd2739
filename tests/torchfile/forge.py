"""Files written by hand, opcode by opcode and header by header: what an attacker who writes every byte could write."""

import io
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
PROTOCOL = b"\x80\x02M\xe9\x03."
SYSTEM = pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}, 2)

START, STOP = b"\x80\x02", b"."
FLOATS = b"\x00\x00\x80?"  # 1.0, little-endian


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    if 0 <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def counts(*values: int) -> bytes:
    return tuple_of(*map(number, values))


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + tuple_of(*arguments) + b"R"


FLOAT_STORAGE = named("torch", "FloatStorage")


def storage(key: str = "0", elements: int = 4, kind: bytes = FLOAT_STORAGE, view: bytes = b"") -> bytes:
    return tuple_of(text("storage"), kind, text(key), text("cpu"), number(elements), view) + b"Q"


def tensor(place: bytes, offset: int = 0, shape: bytes = counts(2, 2), strides: bytes = counts(2, 1)) -> bytes:
    return call(named("torch._utils", "_rebuild_tensor_v2"), place, number(offset), shape, strides, b"\x89", b"}")


def mapping(*pairs: tuple[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in pairs) + b"u"


def weights(value: bytes = b"", **more: bytes) -> bytes:
    """A layer `fc` with shift and sign, and whatever else the checkpoint is to hold."""
    value = value or tensor(storage())
    state = mapping(("fc.shift", value), ("fc.sign", tensor(storage())))
    return START + mapping(("state_dict", state), *more.items()) + STOP


def zip_bytes(pickled: bytes, storages: dict[str, bytes] | None = None, more: dict[str, bytes] | None = None,
              compression: int = zipfile.ZIP_STORED) -> bytes:  # fmt: skip
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", "little")
        for key, data in (storages if storages is not None else {"0": FLOATS * 4}).items():
            archive.writestr(f"archive/data/{key}", data)
        for name, data in (more or {}).items():
            archive.writestr(name, data)
    return buffer.getvalue()


def legacy_bytes(pickled: bytes, storages: dict[str, bytes] | None = None, system: bytes = SYSTEM, end: bytes = b"",
                 keys: list[str] | None = None) -> bytes:  # fmt: skip
    storages = storages if storages is not None else {"0": FLOATS * 4}
    listed = pickle.dumps(list(storages) if keys is None else keys, 2)
    data = b"".join(struct.pack("<q", len(value) // 4) + value for value in storages.values())
    return MAGIC + PROTOCOL + system + pickled + listed + data + end


def write(folder: Path, data: bytes, name: str = "checkpoint.pth.tar") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def with_new_crc(archive: bytes, member: str, data: bytes) -> bytes:
    """The archive with other bytes in a member of the same length, both of its checksums right again."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        info = opened.getinfo(member)
    before = struct.pack("<I", info.CRC)
    name = member.encode()
    start = info.header_offset + 30 + len(name)
    changed = bytearray(archive)
    changed[start : start + len(data)] = data
    return bytes(changed).replace(before, struct.pack("<I", zlib.crc32(data)))
