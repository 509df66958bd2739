"""pack: tiles made by the kernel are those of the NumPy twin; taps are the very float32 weights."""

import numpy as np
import pytest

from dsruntime.backends.cuda.tiles import FORMATS, ROWS, pack
from tests.cuda.products import packed, raw_weight, shift_weight

CODEBOOKS = [(bits, zero) for bits in range(1, 7) for zero in (True, False) if bits > 1 or not zero]


def as_matrices(value, role, group):
    """The weight's value as [group][rows][k], by NumPy alone."""
    if role == "conv":
        rows = value.reshape(group, -1, *value.shape[1:])
        return np.moveaxis(rows, 2, -1).reshape(group, rows.shape[1], -1)
    if role == "conv_transpose":
        inputs = (
            value.reshape(group, -1, *value.shape[1:])[..., ::-1, ::-1]
            if value.ndim == 4
            else value.reshape(group, -1, *value.shape[1:])[..., ::-1]
        )
        rows = np.moveaxis(np.swapaxes(inputs, 1, 2), 2, -1)
        return rows.reshape(group, rows.shape[1], -1)
    return (value if role == "linear" else value.T)[None]


def check(form, value, role, group=1):
    tiles, memory = packed(form, value.shape, role, group)
    prepared = tiles.prepared
    layout = FORMATS[prepared.format]
    matrices = as_matrices(value, role, group).astype(np.float64)
    scales = memory[1][prepared.scale_bytes_at :].view("<f4").reshape(group, -1)
    assert scales.shape[1] % ROWS == 0
    for matrix, scale, got in zip(matrices, scales, by_group(memory[1], prepared, group), strict=True):
        halves = (matrix / np.where(scale, scale, 1)[: len(matrix), None]).astype(np.float16).view(np.uint16)
        halves = halves - np.uint16(layout.add & 0xFFFF)
        if prepared.fill:
            halves ^= np.uint16(prepared.fill & 0xFFFF)
            halves = np.where(matrix == 0, 0, halves)
        halves = np.where(matrix == 0, 0, halves).astype(np.uint16)
        expected = pack(halves, layout)
        np.testing.assert_array_equal(got, expected.reshape(-1))


def by_group(memory, prepared, group):
    return memory[: prepared.scale_bytes_at].reshape(group, -1)


@pytest.mark.parametrize("bits, zero", CODEBOOKS)
def test_every_codebook(bits, zero):
    check(*shift_weight((20, 72), "linear", bits, zero, scaled=True, seed=bits), "linear")


@pytest.mark.parametrize(
    "shape, role, group",
    [
        ((33, 24, 3, 3), "conv", 1),
        ((6, 3, 2, 5), "conv", 3),
        ((20, 8, 7), "conv", 2),
        ((5, 7, 3, 2), "conv_transpose", 1),
        ((8, 5, 2, 3), "conv_transpose", 2),
        ((8, 5, 3), "conv_transpose", 4),
        ((70, 20), "linear_transposed", 1),
    ],
)
def test_every_role(shape, role, group):
    check(*shift_weight(shape, role, scaled=True), role, group)


def test_any_order():
    check(*shift_weight((9, 8, 3, 2), "conv", order=(3, 1, 0, 2)), "conv")


def test_a_scale_for_each_input_channel_becomes_halves():
    form, value = shift_weight((9, 8, 3, 2), "conv", scaled=True, order=(1, 0, 2, 3))
    tiles, _ = packed(form, value.shape, "conv")
    assert tiles.prepared.format == "16"


@pytest.mark.parametrize("role, group", [("conv", 1), ("conv", 2), ("conv_transpose", 1), ("conv_transpose", 2)])
def test_raw_weights_are_rounded_to_halves(role, group):
    value = np.random.default_rng(0).normal(size=(6, 4, 3, 3)).astype(np.float32) * 1e-3
    form, value = raw_weight(value)
    tiles, memory = packed(form, value.shape, role, group)
    check(form, value, role, group)
    scales = memory[1][tiles.prepared.scale_bytes_at :].view("<f4")
    assert set(np.frexp(scales[scales > 0])[0]) == {0.5}


@pytest.mark.parametrize("role, shape", [("conv", (12, 1, 3, 2)), ("conv_transpose", (6, 2, 3, 2))])
@pytest.mark.parametrize("raw", [False, True])
def test_depthwise_weights_are_taps(role, shape, raw):
    form, value = shift_weight(shape, role, scaled=True)
    if raw:
        form, value = raw_weight(value)
    tiles, memory = packed(form, shape, role, 6)
    found = memory[1].view("<f4")
    expected = as_matrices(value, role, 6).reshape(12, 6).T
    assert tiles.prepared.scale_bytes_at == 6 * 12 * 4
    np.testing.assert_array_equal(found[:72].reshape(6, 12) * found[72:], expected)
