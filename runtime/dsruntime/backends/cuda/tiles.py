"""tiles: how packed weights lie in GPU memory, as data that drive packing, the decoding in kernels, and the tests.

A weight matrix [rows][k] is cut into tiles of 16 rows x 64 k: the left operand of four m16n8k16 tensor-core products.
Panels of 16 rows follow one another; inside a panel the tiles follow k. Rows and k are padded.

    lane 4g + t of a warp owns rows g and g + 8, and k = 8t .. 8t + 7 and 32 + 8t .. 32 + 8t + 7: 32 weights.
    They are 16 pairs, pair 4 * step + register, of step 0 .. 3 and register 0 .. 3 of the product:

        row = g + 8 * (register % 2)        k = 32 * (step / 2) + 8t + 4 * (step % 2) + 2 * (register / 2) + half

    (the activations' side of a lane is then two runs of 8 neighbouring k: two 16-byte loads).

A code of b bits is a sign s and an exponent code e of E = b - 1 bits. Put at bits 15 and 10 .. 10 + E - 1 of a half, it
is the half (-1)^s * 2^(e - 15), and 0 where e is 0; nothing is computed. A codebook without zero adds a constant to e.
So a lane's pairs are b words, and each pair is masked out of rotations of the words: PAIRS says which.

    tile = for each chunk of words (5 bits: 4 and 1), for each lane, its words of that chunk: loads of 16, 8 or 4 bytes
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

ROWS, DEPTH, LANES = 16, 64, 32

# For each pair: (word, rotate left by, mask) pieces, or-ed together.
Piece = tuple[int, int, int]
SIGN = 0x80008000


def five() -> list[list[Piece]]:
    """Bits 15, 13..10 | 9, 7..4 | 14, 3..0 of each half word hold three codes; bits 8 of the five words the last."""
    pairs: list[list[Piece]] = []
    for w in range(5):
        pairs += [[(w, 0, 0xBC00BC00)], [(w, 6, 0xBC00BC00)], [(w, 10, 0x3C003C00), (w, 1, SIGN)]]
    return [*pairs, [(0, 7, SIGN), (1, 5, 0x20002000), (2, 4, 0x10001000), (3, 3, 0x08000800), (4, 2, 0x04000400)]]


def four() -> list[list[Piece]]:
    """Bits 15, 12..10 | 9, 6..4 | 14, 2..0 | 13, 8, 7, 3."""
    pairs: list[list[Piece]] = []
    for w in range(4):
        pairs += [
            [(w, 0, 0x9C009C00)],
            [(w, 6, 0x9C009C00)],
            [(w, 10, 0x1C001C00), (w, 1, SIGN)],
            [(w, 2, SIGN), (w, 4, 0x18001800), (w, 7, 0x04000400)],
        ]
    return pairs


def three() -> list[list[Piece]]:
    """Bits 15, 11, 10 | 13, 9, 8 | 7, 3, 2 | 5, 1, 0 | 14, 6, 4; the bits 12 of the three words hold the last code."""
    pairs: list[list[Piece]] = []
    for w in range(3):
        pairs += [[(w, r, 0x8C008C00)] for r in (0, 2, 8, 10)]
        pairs += [[(w, 1, SIGN), (w, 5, 0x08000800), (w, 6, 0x04000400)]]
    return [*pairs, [(0, 3, SIGN), (1, 31, 0x08000800), (2, 30, 0x04000400)]]


def two() -> list[list[Piece]]:
    """Bits 15, 10, rotated by 2 seven times: signs on odd bits, exponents on even ones."""
    return [[(w, 2 * i, 0x84008400)] for w in range(2) for i in range(8)]


def sixteen() -> list[list[Piece]]:
    return [[(w, 0, 0xFFFFFFFF)] for w in range(16)]


@dataclass(frozen=True)
class Format:
    """exponent_bits: E; add: added to every decoded pair; chunks: words of a lane that lie together."""

    name: str
    exponent_bits: int
    pairs: list[list[Piece]]
    chunks: tuple[int, ...]
    add: int = 0

    @cached_property
    def words(self) -> int:
        return sum(self.chunks)

    @cached_property
    def tile_bytes(self) -> int:
        return self.words * 4 * LANES


FORMATS = {
    "5": Format("5", 4, five(), (4, 1)),
    "5q": Format("5q", 4, five(), (4, 1), add=0x04000400),  # 16 magnitudes, no zero
    "4": Format("4", 3, four(), (4,)),
    "3": Format("3", 2, three(), (2, 1)),
    "2": Format("2", 1, two(), (2,)),
    "16": Format("16", 5, sixteen(), (4, 4, 4, 4)),  # halves: raw weights, and 6-bit codes
}


def owner() -> tuple[np.ndarray, np.ndarray]:
    """Row and k in its tile of each weight of each lane: two arrays [32 lanes][16 pairs][2 halves]."""
    lane, pair, half = np.ogrid[:LANES, :16, :2]
    step, register = pair // 4, pair % 4
    row = lane // 4 + 8 * (register % 2) + 0 * half
    k = 32 * (step // 2) + 8 * (lane % 4) + 4 * (step % 2) + 2 * (register // 2) + half
    return row, k


def encode(pairs: np.ndarray, layout: Format) -> np.ndarray:
    """Halves as bits, uint32 [..., 16 pairs], low half first, before `fill` and `add`, to words [..., words]."""
    words = np.zeros((*pairs.shape[:-1], layout.words), np.uint32)
    for i, pieces in enumerate(layout.pairs):
        for word, rotate, mask in pieces:
            words[..., word] |= rotated(pairs[..., i] & np.uint32(mask), 32 - rotate)
    return words


def decode(words: np.ndarray, layout: Format, fill: int = 0) -> np.ndarray:
    """Words to pairs: what the kernels do in registers."""
    pairs = np.zeros((*words.shape[:-1], 16), np.uint32)
    for i, pieces in enumerate(layout.pairs):
        for word, rotate, mask in pieces:
            pairs[..., i] |= rotated(words[..., word], rotate) & np.uint32(mask)
    return (pairs | np.uint32(fill)) + np.uint32(layout.add)


def rotated(words: np.ndarray, by: int) -> np.ndarray:
    return words << np.uint32(by) | words >> np.uint32(32 - by) if by % 32 else words


def pack(halves: np.ndarray, layout: Format) -> np.ndarray:
    """The plain twin of tile.cu. halves: uint16 [rows][k] as the kernel decodes them, before fill and add.

    To uint8 [panels][tiles][tile_bytes]; rows and k are padded with 0.
    """
    rows, depth = (-(-n // size) for n, size in zip(halves.shape, (ROWS, DEPTH), strict=True))
    padded = np.zeros((rows * ROWS, depth * DEPTH), np.uint32)
    padded[: halves.shape[0], : halves.shape[1]] = halves
    tiles = padded.reshape(rows, ROWS, depth, DEPTH).swapaxes(1, 2)
    row, k = owner()
    owned = tiles[:, :, row, k]
    words = encode(owned[..., 0] | owned[..., 1] << np.uint32(16), layout)
    return in_chunks(words, layout).view(np.uint8).reshape(rows, depth, layout.tile_bytes)


def in_chunks(words: np.ndarray, layout: Format) -> np.ndarray:
    """[..., 32 lanes][words] to [...][words * 32] in the order of memory."""
    ends = np.cumsum(layout.chunks)
    parts = [words[..., end - size : end] for end, size in zip(ends, layout.chunks, strict=True)]
    return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in parts], -1).astype("<u4")


def header() -> str:
    """kernels/tile_decode.h: loading, decoding and encoding of every format."""
    return HEADER + "\n".join(struct_of(layout) for layout in FORMATS.values())


HEADER = """\
// Written by tools/cuda_header.py from dsruntime/backends/cuda/tiles.py, which explains it. Do not edit.
//
// struct Codes<format>: a lane's 32 weights of a tile of 16 rows x 64 k.
//   load     its words from the tile in memory
//   decode   words to pairs of halves: pair[4 * step + register] is register `register` of the left operand in `step`
//   encode   pairs back to words
#pragma once
#include "dsc_prim.h"

enum Format { FORMAT_5, FORMAT_5Q, FORMAT_4, FORMAT_3, FORMAT_2, FORMAT_16 };

template <int format>
struct Codes;

"""

STRUCT = """\
template <>
struct Codes<FORMAT_{name}> {{
    static const i32 words = {words}, tile_bytes = {tile_bytes};
    DEVICE void load(const u8* tile, i32 lane, u32* w) {{
{load}
    }}
    DEVICE void decode(const u32* w, u32* pair, u32 fill) {{
{decode}
    }}
    DEVICE void encode(const u32* pair, u32* w) {{
{encode}
    }}
    DEVICE void store(u8* tile, i32 lane, const u32* w) {{
{store}
    }}
}};
"""


def struct_of(layout: Format) -> str:
    lines = {"load": loads(layout), "decode": decodes(layout), "encode": encodes(layout), "store": stores(layout)}
    text = {name: "\n".join(f"        {line}" for line in part) for name, part in lines.items()}
    return STRUCT.format(name=layout.name.upper(), words=layout.words, tile_bytes=layout.tile_bytes, **text)


NO_FILL = ("5", "5q", "16")  # their exponent codes leave no bit for it, or need none
VECTORS = {4: ("u32x4", "xyzw"), 2: ("u32x2", "xy"), 1: ("u32", "")}


def each_chunk(layout: Format) -> Iterator[tuple[str, int, int, str, str, int]]:
    word, start = 0, 0
    for i, size in enumerate(layout.chunks):
        yield f"v{i}", word, start, *VECTORS[size], size
        word, start = word + size, start + size * 4 * LANES


def loads(layout: Format) -> list[str]:
    lines = []
    for name, word, start, kind, fields, size in each_chunk(layout):
        lines.append(f"{kind} {name} = ldg_stream(reinterpret_cast<const {kind}*>(tile + {start}) + lane);")
        parts = [f"{name}.{field}" for field in fields] or [name]
        lines.append(" ".join(f"w[{word + i}] = {parts[i]};" for i in range(size)))
    return lines


def stores(layout: Format) -> list[str]:
    return [
        f"reinterpret_cast<{kind}*>(tile + {start})[lane] = {kind}{{"
        f"{', '.join(f'w[{word + i}]' for i in range(size))}}};"
        for _, word, start, kind, _, size in each_chunk(layout)
    ]


def decodes(layout: Format) -> list[str]:
    """(x & mask) | fill is one LOP3 instruction, so is (x & mask) | y: as many as pieces."""
    lines = ["(void)fill;"] if layout.name in NO_FILL else []
    for i, pieces in enumerate(layout.pairs):
        terms = " | ".join(piece_text(piece) for piece in pieces) + ("" if layout.name in NO_FILL else " | fill")
        lines.append(f"pair[{i}] = ({terms}) + 0x{layout.add:08x}u;" if layout.add else f"pair[{i}] = {terms};")
    return lines


def piece_text(piece: Piece) -> str:
    word, rotate, mask = piece
    if mask == 0xFFFFFFFF:
        return f"w[{word}]"
    return f"({turned(f'w[{word}]', rotate, mask)} & 0x{mask:08x}u)"


def turned(word: str, by: int, mask: int) -> str:
    """A plain shift where no bit under the mask comes around."""
    if by == 0:
        return word
    if all(bit >= by for bit in range(32) if mask >> bit & 1):
        return f"(({word}) << {by})"
    if all(bit < by for bit in range(32) if mask >> bit & 1):
        return f"(({word}) >> {32 - by})"
    return f"rotate_left({word}, {by})"


def encodes(layout: Format) -> list[str]:
    parts: dict[int, list[str]] = {w: [] for w in range(layout.words)}
    for i, pieces in enumerate(layout.pairs):
        for word, rotate, mask in pieces:
            bits = f"pair[{i}] & 0x{mask:08x}u"
            parts[word].append(f"rotate_left({bits}, {32 - rotate})" if rotate else f"({bits})")
    return [f"w[{word}] = {' | '.join(pieces)};" for word, pieces in parts.items()]
