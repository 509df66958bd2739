"""printable: what a terminal would obey becomes visible; what it would show stays."""

import sys
import unicodedata

import pytest

from dsruntime.text import printable


@pytest.mark.parametrize(
    "text, shown",
    [
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b2J\x90\x9c\x7f", r"\x9b2J\x90\x9c\x7f"),
        ("a\r\nsame: b\tc\x08", r"a\r\nsame: b\tc\x08"),
        ("photo\u202egnp.exe\u2069", r"photo\u202egnp.exe\u2069"),
        ("\u200e\u200f\u061c\u2028\u2029", r"\u200e\u200f\u061c\u2028\u2029"),
        ("caf\udce9.dsf", r"caf\udce9.dsf"),
        ("Größe 大小 \u0928\u200d 👩‍🔬 C:\\n", "Größe 大小 \u0928\u200d 👩‍🔬 C:\\n"),
    ],
)
def test_shows(text, shown):
    assert printable(text) == shown == printable(shown)


def test_exactly_controls_bidi_controls_separators_and_surrogates_are_escaped():
    points = range(sys.maxunicode + 1)
    escaped = {point for point in points if printable(chr(point)) != chr(point)}
    bidi = {0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
    kinds = {point for point in points if unicodedata.category(chr(point)) in ("Cc", "Cs", "Zl", "Zp")}
    assert escaped == bidi | kinds
