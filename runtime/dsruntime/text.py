r"""text: what a file, a path or a user named, made fit to be printed.

Names come out of files that anyone may have made. On a terminal a control character in one is a command: it moves the
cursor, overwrites lines, renames the window; a bidi control shows the letters after it in another order, and a line
break forges a line of output. Here each of them becomes the escape that Python writes for it:

    C0 and C1, U+0000-001F and U+007F-009F                   \t \n \r \x1b \x9b
    bidi controls, U+061C 200E 200F 202A-202E 2066-2069      \u202e
    line and paragraph separator, U+2028 2029                \u2028
    lone surrogates, U+D800-DFFF                             \udcff, for the byte ff of a name that is no UTF-8

Everything else stays, letters of every script and the joiners that some need included. What is printable already is
left as it is, so it does no harm to ask twice.
"""

from __future__ import annotations

import re

UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""
    >>> print(printable("conv1\x1b[2J\u202e"))
    conv1\x1b[2J\u202e
    """
    return UNSAFE.sub(lambda found: repr(found[0])[1:-1], text)
