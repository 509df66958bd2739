"""What the built library shows to the process that loads it, and how it is hardened: read from its own ELF tables."""

import re
import struct
from pathlib import Path

import pytest

from dsruntime import library

ROOT = Path(__file__).parents[2]
SYMBOLS, DYNAMIC, RELRO = 11, 2, 0x6474E552  # a section of dynamic symbols; segments
UNIQUE, SHN_UNDEF = 10, 0
DT_FLAGS, DF_BIND_NOW = 30, 8


class Elf:
    """The tables of a 64-bit little-endian shared library."""

    def __init__(self, data: bytes) -> None:
        assert data[:6] == b"\x7fELF\x02\x01"
        self.data = data
        segments, sections = struct.unpack_from("<QQ", data, 32)
        self.segments = self.rows(segments, *struct.unpack_from("<HH", data, 54), "<IIQQQQQQ")
        self.sections = self.rows(sections, *struct.unpack_from("<HH", data, 58), "<IIQQQQIIQQ")

    def rows(self, offset: int, size: int, count: int, fields: str) -> list[tuple]:
        return [struct.unpack_from(fields, self.data, offset + i * size) for i in range(count)]

    def symbols(self) -> list[tuple[str, int, bool]]:
        """Name, binding, defined here: of every dynamic symbol."""
        table = next(section for section in self.sections if section[1] == SYMBOLS)
        names = self.sections[table[6]][4]
        rows = self.rows(table[4], 24, table[5] // 24, "<IBBHQQ")[1:]
        return [(self.text(names + row[0]), row[1] >> 4, row[3] != SHN_UNDEF) for row in rows]

    def text(self, offset: int) -> str:
        return self.data[offset : self.data.index(b"\0", offset)].decode()

    def flags(self) -> int:
        segment = next(row for row in self.segments if row[0] == DYNAMIC)
        return dict(self.rows(segment[2], 16, segment[5] // 16, "<QQ")).get(DT_FLAGS, 0)


@pytest.fixture(scope="module")
def elf() -> Elf:
    return Elf(Path(library.find()).read_bytes())


def test_it_exports_the_functions_of_the_header_and_nothing_else(elf):
    header = (ROOT / "runtime" / "libdsf" / "include" / "dsf.h").read_text()
    declared = set(re.findall(r"^DSF_API [\w ]+?\*? ?(dsf_\w+)\(", header, re.MULTILINE))
    assert len(declared) > 30
    assert {name for name, _, defined in elf.symbols() if defined} == declared


def test_no_symbol_is_unique_in_the_process(elf):
    """Such a symbol keeps a library from being unloaded, and shares its state with whoever else defines it."""
    assert [name for name, binding, _ in elf.symbols() if binding == UNIQUE] == []


def test_its_addresses_are_read_only_once_it_is_loaded(elf):
    assert elf.flags() & DF_BIND_NOW
    assert any(segment[0] == RELRO for segment in elf.segments)


@pytest.mark.parametrize("function", ["__stack_chk_fail", "__memcpy_chk"])
def test_overflows_are_noticed(elf, function):
    """-fstack-protector and _FORTIFY_SOURCE leave calls of these."""
    assert function in {name for name, _, defined in elf.symbols() if not defined}
