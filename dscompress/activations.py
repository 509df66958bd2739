"""activations: how the inputs of shift layers are rounded, as options and keywords say it.

float            not at all
deepshift:3.5    as DeepShift does: 3 integer bits, the sign among them, and 5 fraction bits
"""

from __future__ import annotations

import re

FORMS = "float, or deepshift:I.F such as deepshift:3.5, with I integer bits (the sign is one) and F fraction bits"


def fixed_point(text: str) -> tuple[int, int] | None:
    """(integer bits, fraction bits), None for float. ValueError: what is wrong, and what there is.

    >>> fixed_point("deepshift:3.5")
    (3, 5)
    """
    if text == "float":
        return None
    found = re.fullmatch(r"deepshift:(\d{1,2})\.(\d{1,2})", text, re.ASCII) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{text!r} is not {FORMS}")
    integer, fraction = int(found[1]), int(found[2])
    if integer < 2 or integer + fraction > 32:
        raise ValueError(f"{text!r} is out of range: 2 or more integer bits (the sign is one), at most 32 together")
    return integer, fraction
