"""zip_file: the archive that torch.save has written since 1.6: stored members in one folder, named after the file.

    NAME/data.pkl       the pickle          NAME/data/0, NAME/data/1, ...   the storages, bytes as in memory
    NAME/byteorder      "little"            NAME/version, NAME/.data/...    of no use here

Read strictly, for readers of ZIP archives differ in what they make of a crooked one: a member is stored uncompressed,
once, under one name that both of its headers agree on; members do not overlap; nothing follows the directory.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any

from dscompress.torchfile.inert import Storage, Unreadable, shown, storage
from dscompress.torchfile.pickle_machine import MOST_BYTES

END = struct.Struct("<4sHHHHIIH")
END_64 = struct.Struct("<4sQHHIIQQQQ")
LOCATOR_64 = struct.Struct("<4sIQI")
ENTRY = struct.Struct("<4sHHHHHHIIIHHHHHII")
LOCAL = struct.Struct("<4sHHHHHIIIHH")
MOST_MEMBERS = 100_000
MOST_DIRECTORY = 32 << 20
ENCRYPTED = 1


@dataclass(frozen=True, slots=True)
class Member:
    header: int  # offset of its local header
    start: int  # offset of its bytes
    length: int
    crc: int


class ZipFile:
    """storage_bytes() gives a storage's bytes, whole and with the right CRC."""

    def __init__(self, file: BufferedIOBase, size: int) -> None:
        self.file, self.size = file, size
        self.members = within_one_folder(checked_members(file, size))
        order = self.read("byteorder") if "byteorder" in self.members else b"little"
        if order != b"little":
            raise Unreadable("was written by a big-endian machine, its numbers are the wrong way round", damage=False)
        self.pickle = self.read("data.pkl")
        self.storages: dict[str, Storage] = {}

    def read(self, name: str) -> bytes:
        if name not in self.members:
            raise Unreadable(f"holds no {name}")
        if self.members[name].length > MOST_BYTES:
            raise Unreadable(f"holds a {name} of more than {MOST_BYTES >> 20} MiB", damage=False)
        return bytes(self.bytes_of(name))

    def bytes_of(self, name: str) -> bytearray:
        member = self.members[name]
        data = bytearray(member.length)
        self.file.seek(member.start)
        if self.file.readinto(data) != member.length:
            raise Unreadable(f"ends inside of {name}")
        if zlib.crc32(data) != member.crc:
            raise Unreadable(f"is damaged: the checksum of {name} is wrong")
        return data

    def persistent(self, named: Any) -> Storage:
        if not isinstance(named, tuple) or len(named) != 5 or named[0] != "storage" or type(named[0]) is not str:
            raise Unreadable("holds a reference that is no storage", damage=False)
        _, kind, key, _, elements = named
        made = storage(kind, key, elements)
        name = f"data/{key}"
        if name not in self.members:
            raise Unreadable(f"refers to the storage {shown(key)}, which it does not hold")
        if self.members[name].length != made.bytes:
            raise Unreadable(
                f"says that storage {shown(key)} has {made.bytes:,} bytes, and holds {self.members[name].length:,}"
            )
        return one_for_each_key(self.storages, made)

    def storage_bytes(self, which: Storage) -> bytearray:
        return self.bytes_of(f"data/{which.key}")


def one_for_each_key(storages: dict[str, Storage], made: Storage) -> Storage:
    known = storages.setdefault(made.key, made)
    if (known.dtype, known.elements) != (made.dtype, made.elements):
        raise Unreadable(f"describes the storage {shown(made.key)} in two ways")
    return known


def within_one_folder(members: dict[str, Member]) -> dict[str, Member]:
    folders = {name.partition("/")[0] for name in members}
    if len(folders) != 1 or not all("/" in name for name in members):
        raise Unreadable("is a ZIP archive that PyTorch did not write (not all of it is in one folder)", damage=False)
    return {name.partition("/")[2]: member for name, member in members.items()}


def checked_members(file: BufferedIOBase, size: int) -> dict[str, Member]:
    count, length, start, end = directory(file, size)
    file.seek(start)
    data = file.read(length)
    members: dict[str, Member] = {}
    at = 0
    for _ in range(count):
        name, header, bytes_, crc, at = entry(data, at)
        if name in members:
            raise Unreadable(f"is a ZIP archive with two members called {shown(name)}", damage=False)
        members[name] = located(file, name, header, bytes_, crc, start)
    if at != length or start + length != end:
        raise Unreadable("is a damaged ZIP archive (its directory has another size than it says)")
    refuse_overlap(members)
    return members


def directory(file: BufferedIOBase, size: int) -> tuple[int, int, int, int]:
    """Number of members, bytes and offset of the directory, and where it must end."""
    tail = read_at(file, max(0, size - END.size - 0xFFFF), min(size, END.size + 0xFFFF))
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < END.size:
        raise Unreadable("is a damaged or truncated ZIP archive")
    _, disk, first_disk, here, count, length, start, comment = END.unpack_from(tail, at)
    end = size - len(tail) + at
    if comment != len(tail) - at - END.size or disk or first_disk or here != count:
        raise Unreadable("is a damaged ZIP archive, or something was appended to it")
    locator = read_at(file, max(0, end - LOCATOR_64.size), LOCATOR_64.size)
    if locator[:4] == b"PK\x06\x07" and len(locator) == LOCATOR_64.size:
        offset = LOCATOR_64.unpack(locator)[2]
        record = read_at(file, offset, END_64.size) if offset <= size else b""
        if len(record) != END_64.size or record[:4] != b"PK\x06\x06" or offset + END_64.size > end - LOCATOR_64.size:
            raise Unreadable("is a damaged ZIP archive (its 64-bit directory record is not where it says)")
        count, length, start = END_64.unpack(record)[7:]
        end = offset
    if count > MOST_MEMBERS or length > MOST_DIRECTORY:
        raise Unreadable(f"is a ZIP archive of {count:,} members, more than {MOST_MEMBERS:,}", damage=False)
    if start + length > end:
        raise Unreadable("is a damaged ZIP archive (its directory is not where it says)")
    return count, length, start, end


def read_at(file: BufferedIOBase, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def entry(data: bytes, at: int) -> tuple[str, int, int, int, int]:
    """Name, local header's offset, bytes, CRC, and where the next entry begins."""
    if at + ENTRY.size > len(data):
        raise Unreadable("is a damaged ZIP archive (its directory is cut short)")
    fields = ENTRY.unpack_from(data, at)
    signature, flags, method, crc, packed, length = fields[0], fields[3], fields[4], *fields[7:10]
    name_length, extra_length, comment_length, header = *fields[10:13], fields[16]
    names = at + ENTRY.size
    extras, end = names + name_length, names + name_length + extra_length + comment_length
    if signature != b"PK\x01\x02" or end > len(data):
        raise Unreadable("is a damaged ZIP archive (its directory is cut short)")
    name = data[names:extras].decode("utf-8", errors="replace")
    length, packed, header = large_values(data[extras : extras + extra_length], length, packed, header)
    if flags & ENCRYPTED or method or packed != length:
        raise Unreadable(f"is a ZIP archive whose member {shown(name)} is compressed or encrypted", damage=False)
    return name, header, length, crc, end


def large_values(extra: bytes, *values: int) -> list[int]:
    """Sizes and offsets of more than 32 bits stand in an extra field, in this order, for those that are all ones."""
    found, at = list(values), 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            wide = [index for index, value in enumerate(found) if value == 0xFFFFFFFF]
            if length < 8 * len(wide) or at + 4 + 8 * len(wide) > len(extra):
                raise Unreadable("is a damaged ZIP archive (a 64-bit size is missing)")
            for place, index in enumerate(wide):
                found[index] = struct.unpack_from("<Q", extra, at + 4 + 8 * place)[0]
            return found
        at += 4 + length
    return found


def located(file: BufferedIOBase, name: str, header: int, length: int, crc: int, most: int) -> Member:
    local = read_at(file, header, LOCAL.size) if header < most else b""
    if len(local) != LOCAL.size or local[:4] != b"PK\x03\x04":
        raise Unreadable(f"is a damaged ZIP archive (member {shown(name)} is not where it says)")
    name_length, extra_length = LOCAL.unpack(local)[9:]
    start = header + LOCAL.size + name_length + extra_length
    if file.read(name_length).decode("utf-8", errors="replace") != name:
        raise Unreadable(f"is a ZIP archive whose member {shown(name)} has two names", damage=False)
    if start + length > most:
        raise Unreadable(f"is a damaged ZIP archive (member {shown(name)} reaches beyond its end)")
    return Member(header, start, length, crc)


def refuse_overlap(members: dict[str, Member]) -> None:
    end = 0
    for name, member in sorted(members.items(), key=lambda item: item[1].header):
        if member.header < end:
            raise Unreadable(f"is a ZIP archive whose member {shown(name)} lies inside another", damage=False)
        end = member.start + member.length
