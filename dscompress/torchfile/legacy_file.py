"""legacy_file: the stream that torch.save wrote before 1.6.

    pickle    0x1950a86a20f9469cfc6c        pickle    the object, with ('storage', ...) and ('module', ...) references
    pickle    1001                          pickle    the storages' keys, a list
    pickle    sizes and byte order          then for each key: the number of elements (int64), the elements

Every byte is accounted for: a stream that ends early or goes on is refused.
"""

from __future__ import annotations

import struct
from io import BufferedIOBase
from typing import Any

from dscompress.torchfile.inert import Global, Storage, Unreadable, shown, storage
from dscompress.torchfile.pickle_machine import MOST_BYTES, Machine
from dscompress.torchfile.zip_file import one_for_each_key

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
SMALL = 1 << 16


class LegacyFile:
    """storage_bytes() gives a storage's bytes. This form has no checksums."""

    def __init__(self, file: BufferedIOBase, size: int) -> None:
        self.file, self.size = file, size
        self.storages: dict[str, Storage] = {}
        self.places: dict[str, int] = {}
        self.names: list[str] = []
        self.at = 0
        if self.small_pickle() != MAGIC or self.small_pickle() != PROTOCOL:
            raise Unreadable("is no torch.save file of a known version", damage=False)
        system = self.small_pickle()
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise Unreadable("was written by a big-endian machine, its numbers are the wrong way round", damage=False)

    def small_pickle(self) -> Any:
        return self.run(SMALL, refuse_reference)

    def run(self, most: int, persistent: Any) -> Any:
        self.file.seek(self.at)
        machine = Machine(self.file.read(most), persistent)
        value, used = machine.run()
        self.at += used
        self.names = list(machine.names)
        return value

    def root(self) -> tuple[Any, list[str]]:
        """The object and the names in it; then come the places of its storages, which follow it."""
        value, names = self.run(MOST_BYTES, self.persistent), self.names
        keys = self.run(MOST_BYTES, refuse_reference)
        if not isinstance(keys, list) or not all(type(key) is str for key in keys) or len(set(keys)) != len(keys):
            raise Unreadable("is a damaged torch.save file (its list of storages is none)")
        if set(keys) != set(self.storages):
            raise Unreadable("is a damaged torch.save file (it lists other storages than it uses)")
        for key in keys:
            self.locate(self.storages[key])
        if self.at != self.size:
            raise Unreadable(f"goes on for {self.size - self.at:,} bytes after its last storage")
        return value, names

    def locate(self, which: Storage) -> None:
        self.file.seek(self.at)
        header = self.file.read(8)
        if len(header) < 8 or self.at + 8 + which.bytes > self.size:
            raise Unreadable(f"ends inside of storage {shown(which.key)}: it is truncated")
        (elements,) = struct.unpack("<q", header)
        if elements != which.elements:
            claim = f"{which.elements:,} elements, and holds {elements:,}"
            raise Unreadable(f"says that storage {shown(which.key)} has {claim}")
        self.places[which.key] = self.at + 8
        self.at += 8 + which.bytes

    def persistent(self, named: Any) -> Any:
        """A storage; or a class whose source text came with it, which is dropped."""
        if isinstance(named, tuple) and named[:1] == ("module",) and len(named) == 4 and isinstance(named[1], Global):
            return named[1]
        if not isinstance(named, tuple) or named[:1] != ("storage",) or len(named) not in (5, 6):
            raise Unreadable("holds a reference that is neither storage nor class", damage=False)
        if named[5:] not in ((), (None,)):
            raise Unreadable("holds a view of a storage as PyTorch before 0.4 wrote it", damage=False)
        return one_for_each_key(self.storages, storage(named[1], named[2], named[4]))

    def storage_bytes(self, which: Storage) -> bytearray:
        data = bytearray(which.bytes)
        self.file.seek(self.places[which.key])
        if self.file.readinto(data) != which.bytes:
            raise Unreadable(f"ends inside of storage {shown(which.key)}: it is truncated")
        return data


def refuse_reference(named: Any) -> Any:
    raise Unreadable("holds a reference where there can be none")
