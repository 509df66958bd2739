"""The tile layout: every code through packing and decoding, fragment maps through a product, the generated header."""

import numpy as np
import pytest

from dsruntime.backends.cuda.emulation import KERNELS
from dsruntime.backends.cuda.tiles import DEPTH, FORMATS, LANES, ROWS, decode, encode, header, owner, pack

NARROW = [layout for layout in FORMATS.values() if layout.name != "16"]


def halves_of(layout):
    """Every code of the format as a half: sign and exponent bits."""
    signs, exponents = np.meshgrid([0, 1], np.arange(1 << layout.exponent_bits), indexing="ij")
    return (signs << 15 | exponents << 10).astype(np.uint32).ravel()


def unpacked(packed, layout, rows, k, fill=0):
    """Packed tiles back to uint16 [rows][k], decoded."""
    words = packed.view("<u4").reshape(*packed.shape[:2], -1)
    ends = np.cumsum(layout.chunks) * LANES
    chunks = zip(ends, layout.chunks, strict=True)
    parts = [words[..., end - size * LANES : end].reshape(*words.shape[:2], LANES, size) for end, size in chunks]
    pairs = decode(np.concatenate(parts, -1), layout, fill)
    row, column = owner()
    tiles = np.zeros((*packed.shape[:2], ROWS, DEPTH), np.uint16)
    tiles[:, :, row[..., 0], column[..., 0]] = pairs & 0xFFFF
    tiles[:, :, row[..., 1], column[..., 1]] = pairs >> 16
    return tiles.swapaxes(1, 2).reshape(packed.shape[0] * ROWS, -1)[:rows, :k]


def test_owner_is_a_partition():
    row, k = owner()
    assert sorted((row * DEPTH + k).ravel()) == list(range(ROWS * DEPTH))


@pytest.mark.parametrize("layout", FORMATS.values(), ids=FORMATS)
def test_words_hold_each_bit_once(layout):
    seen = np.zeros((layout.words, 32), int)
    for pieces in layout.pairs:
        for word, rotate, mask in pieces:
            for bit in range(32):
                seen[word, (bit - rotate) % 32] += mask >> bit & 1
    assert seen.max() == 1 and seen.sum() == 32 * layout.words  # every bit of the words is used


@pytest.mark.parametrize("layout", NARROW, ids=lambda layout: layout.name)
def test_every_code_in_every_place(layout):
    codes = halves_of(layout)
    for place in range(16):
        low, high = np.meshgrid(codes, codes)
        pairs = np.random.default_rng(place).choice(codes, (low.size, 16))
        pairs |= np.random.default_rng(place + 16).choice(codes, (low.size, 16)) << np.uint32(16)
        pairs[:, place] = low.ravel() | high.ravel() << 16
        np.testing.assert_array_equal(decode(encode(pairs, layout), layout), pairs + np.uint32(layout.add))


@pytest.mark.parametrize(
    "layout, value",
    [
        ("5", lambda e: np.where(e, 2.0 ** (e - 15), 0)),
        ("5q", lambda e: 2.0 ** (e - 14)),
        ("4", lambda e: np.where(e, 2.0 ** (e - 15), 0)),
        ("3", lambda e: np.where(e, 2.0 ** (e - 15), 0)),
        ("2", lambda e: np.where(e, 2.0 ** (e - 15), 0)),
    ],
)
def test_codes_are_values(layout, value):
    layout = FORMATS[layout]
    codes = halves_of(layout)
    pairs = decode(encode(np.tile(codes[:, None], 16), layout), layout).astype(np.uint16).view(np.float16)
    exponent, sign = (codes >> 10 & 15).astype(float), np.where(codes >> 15, -1, 1)
    np.testing.assert_array_equal(pairs, np.tile((sign * value(exponent))[:, None], 16))


@pytest.mark.parametrize("layout", ["4", "3", "2"])
def test_fill_makes_zero_a_power(layout):
    layout = FORMATS[layout]
    fill = 1 << 10 + layout.exponent_bits
    codes = halves_of(layout)
    pairs = decode(encode(np.tile(codes[:, None], 16), layout), layout, fill | fill << 16)
    expected = np.where(codes >> 15, -1, 1) * 2.0 ** ((codes >> 10 & 15) + (1 << layout.exponent_bits) - 15.0)
    np.testing.assert_array_equal(pairs.astype(np.uint16).view(np.float16)[:, 0], expected)


@pytest.mark.parametrize("layout", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("rows, k", [(1, 1), (16, 64), (17, 65), (50, 200)])
def test_pack_and_unpack(layout, rows, k):
    codes = np.arange(0x10000, dtype=np.uint32) if layout.name == "16" else halves_of(layout)
    halves = np.random.default_rng(rows).choice(codes, (rows, k)).astype(np.uint16)
    packed = pack(halves, layout)
    assert packed.shape == (-(-rows // 16), -(-k // 64), layout.tile_bytes)
    np.testing.assert_array_equal(unpacked(packed, layout, rows, k), halves + np.uint16(layout.add & 0xFFFF))


def test_fragments_give_the_product():
    """W times x through the register maps of mma.m16n8k16 (PTX ISA), one tile and eight columns."""
    random = np.random.default_rng(1)
    w, x = random.normal(size=(ROWS, DEPTH)), random.normal(size=(DEPTH, 8))
    row, k = owner()
    d = np.zeros((ROWS, 8))
    for step in range(4):
        a, b = np.zeros((16, 16)), np.zeros((16, 8))
        for lane in range(LANES):
            g, t = divmod(lane, 4)
            for register in range(4):
                owned = row[lane, 4 * step + register], k[lane, 4 * step + register]
                columns = 2 * t + 8 * (register // 2) + np.arange(2)
                a[g + 8 * (register % 2), columns] = w[owned]
                if register % 2 == 0:  # the activations of a lane: the k of its registers 0 and 2, column g
                    b[columns, g] = x[owned[1], g]
        d += a @ b
    np.testing.assert_allclose(d, w @ x, rtol=1e-12)


def test_header_is_current():
    assert (KERNELS / "tile_decode.h").read_text() == header(), "run python tools/cuda_header.py"
