"""Changes numbers of a file and repairs its checksum, so that it stays a file that may be accepted."""

from __future__ import annotations

import random
import struct

from dsruntime import Model, ModelError
from tests.support.dsf_files import repair_crc

PREFIX = 64
INTEGERS = (
    0,
    1,
    -1,
    2,
    -2,
    3,
    4,
    5,
    7,
    8,
    16,
    63,
    64,
    127,
    -128,
    128,
    255,
    256,
    1 << 20,
    (1 << 31) - 1,
    -(1 << 31),
    1 << 31,
    (1 << 63) - 1,
    -(1 << 63),
)
FLOATS = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.0,
    -7.0,
    127.0,
    128.0,
    -128.0,
    -129.0,
    255.0,
    256.0,
    300.5,
    2.0**31,
    -(2.0**31),
    2.0**63,
    1e-30,
    1e-45,
    1e30,
    3.4e38,
    float("inf"),
    float("-inf"),
    float("nan"),
)


def mutated(data: bytes, choices: random.Random) -> bytes:
    """One to three changes: of an attribute's value, of an aligned number in the graph, or of a byte of the weights."""
    changed = bytearray(data)
    attributes = values_of_attributes(data)
    graph = struct.unpack_from("<I", data, 28)[0]
    for _ in range(choices.choice((1, 1, 2, 3))):
        way = choices.random()
        if attributes and way < 0.75:
            change_attribute(changed, choices.choice(attributes), choices)
        elif way < 0.9 or len(data) <= PREFIX + graph:
            width = choices.choice((1, 2, 4, 4, 8))
            at = PREFIX + choices.randrange(max(1, graph // width)) * width
            changed[at : at + width] = number(width, choices)
        else:
            changed[choices.randrange(PREFIX + graph, len(data))] = choices.randrange(256)
    return repair_crc(changed[: len(data)])


def values_of_attributes(data: bytes) -> list[int | float]:
    try:
        nodes = Model.open(data).graph.nodes
    except ModelError:
        return []
    found = []
    for node in nodes:
        for value in node.attributes.values():
            entries = value if isinstance(value, (list, tuple)) else [value]
            found += [entry for entry in entries if not isinstance(entry, str)]
    return found


def change_attribute(data: bytearray, value: int | float, choices: random.Random) -> None:
    """Wherever its bytes are in the graph: one of the places becomes another number."""
    old = struct.pack("<f", value) if isinstance(value, float) else struct.pack("<q", value)
    graph = struct.unpack_from("<I", data, 28)[0]
    places = [at for at in range(PREFIX, PREFIX + graph - len(old) + 1, 4) if data[at : at + len(old)] == old]
    if places:
        at = choices.choice(places)
        data[at : at + len(old)] = other_value(value, choices)


def other_value(value: int | float, choices: random.Random) -> bytes:
    """Half of the whole numbers are near the one that was there: most others are refused."""
    if isinstance(value, float):
        return struct.pack("<f", choices.choice(FLOATS))
    near = value + choices.choice((-3, -2, -1, 1, 2, 3))
    return struct.pack("<q", near) if choices.random() < 0.5 and abs(near) < 1 << 62 else number(8, choices)


def number(width: int, choices: random.Random) -> bytes:
    if width == 4 and choices.random() < 0.3:
        return struct.pack("<f", choices.choice(FLOATS))
    return (choices.choice(INTEGERS) % (1 << 8 * width)).to_bytes(width, "little")
