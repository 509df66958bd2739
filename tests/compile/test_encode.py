"""encode: what is recognised as a shift tensor, the smallest form of it, exact bytes, and the way back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dscompress.compile.encode import Encoded, decode, encode
from dsruntime.planes import planes


def powers(shape, least, most, *, zeros=0.0, seed=0):
    """Random +-2^k with least <= k <= most, some of them zero."""
    numbers = np.random.default_rng(seed)
    values = np.ldexp(np.float32(1), numbers.integers(least, most + 1, shape)) * numbers.choice([-1, 1], shape)
    return (values * (numbers.random(shape) >= zeros)).astype(np.float32)


def round_trip(tensor, order=(0, 1)) -> Encoded:
    stored = encode(tensor, order)
    back = decode(stored, tensor.shape, tensor.dtype)
    np.testing.assert_array_equal(back, tensor)
    assert not np.signbit(back[back == 0]).any() or stored.codec == "raw"
    return stored


@pytest.mark.parametrize(
    "least, zeros, bits, zero_code",
    [
        (0, 0.0, 1, False),
        (0, 0.3, 2, True),
        (-1, 0.0, 2, False),
        (-2, 0.3, 3, True),
        (-3, 0.0, 3, False),
        (-6, 0.3, 4, True),
        (-7, 0.0, 4, False),
        (-14, 0.3, 5, True),
        (-15, 0.0, 5, False),
        (-15, 0.3, 6, True),
        (-30, 0.3, 6, True),
        (-31, 0.0, 6, False),
    ],
)
def test_takes_the_fewest_bits(least, zeros, bits, zero_code):
    shift = round_trip(powers((32, 64), least, 0, zeros=zeros)).shift
    assert (shift.bits, shift.zero, shift.base.tolist(), shift.scale) == (bits, zero_code, [0], None)


def test_known_bytes_of_three_bits_with_zero():
    stored = round_trip(np.float32([[1.0, -0.5, 0.25, 0.0, -1.0]]))
    sign, levels = bytes(stored.data[:1]), bytes(stored.data[64:])
    assert sign == bytes([0b10010])
    assert levels == bytes([0b11_10_01_00, 0b00])  # level 0 1 2, 3 is zero, 0
    assert len(stored.data) == 66
    assert bytes(stored.data[1:64]) == bytes(63)


def test_known_bytes_of_six_bits_without_zero():
    stored = round_trip(np.ldexp(np.float32(1), -np.arange(32))[None])
    assert stored.shift.bits == 6
    assert bytes(stored.data[0:4]) == bytes(4)
    assert bytes(stored.data[64:80]).hex() == "1032547698badcfe" * 2
    assert bytes(stored.data[128:]) == bytes([0, 0, 255, 255])


@pytest.mark.parametrize("bits", range(1, 7))
@pytest.mark.parametrize("size", [1, 7, 8, 9, 63, 64, 65, 1000])
def test_planes_are_aligned_and_dense(bits, size):
    found = planes(size, bits)
    assert sum(width for _, _, width in found) == bits
    assert all(offset % 64 == 0 and length == -(-size * width // 8) for offset, length, width in found)


def test_stores_in_the_order_asked_for():
    tensor = powers((4, 3, 2, 5), -14, 0, zeros=0.2)
    stored = round_trip(tensor, (0, 2, 3, 1))
    signs = np.unpackbits(np.frombuffer(stored.data, np.uint8, 15), bitorder="little")
    np.testing.assert_array_equal(signs[: tensor.size], (tensor.transpose(0, 2, 3, 1) < 0).reshape(-1))


def test_a_scale_per_channel_survives_a_folded_batch_norm():
    scale = np.random.default_rng(1).random((16, 1, 1, 1)).astype(np.float32) + 0.01
    stored = round_trip(powers((16, 8, 3, 3), -14, 0, zeros=0.2) * scale, (0, 2, 3, 1))
    assert stored.shift.bits == 5 and len(stored.shift.base) == 1 and stored.shift.scale.shape == (16,)


def test_one_scale_where_all_channels_share_it():
    shift = round_trip(powers((16, 8), -7, 0) * np.float32(0.3)).shift
    assert shift.scale.shape == (1,) and shift.bits == 4


def test_bases_per_channel_where_that_is_smaller():
    tensor = powers((4, 4000), -6, 0, zeros=0.1) * np.ldexp(np.float32(1), [[0], [5], [-9], [12]]).astype(np.float32)
    shift = round_trip(tensor).shift
    assert (shift.bits, shift.base.tolist(), shift.scale) == (4, [0, 5, -9, 12], None)


def test_one_base_where_that_is_smaller():
    tensor = powers((1000, 2), -6, 0) * np.where(np.arange(1000) % 2, 1, 2).astype(np.float32)[:, None]
    assert round_trip(tensor).shift.base.shape == (1,)


def test_zeros():
    assert round_trip(np.zeros((3, 5), np.float32)).shift.bits == 2
    minus = encode(-np.zeros((3, 5), np.float32), (0, 1))
    assert not np.signbit(decode(minus, (3, 5), np.float32)).any()
    tensor = powers((3, 50), -4, 0) * np.float32(0.7)
    tensor[1] = 0
    assert round_trip(tensor).codec == "shift"


def test_a_channel_of_one_weight_is_a_shift_channel():
    assert round_trip(np.random.default_rng(0).standard_normal((50, 1)).astype(np.float32)).codec == "shift"


@pytest.mark.parametrize(
    "tensor, reason",
    [
        (
            np.float32([[1, 1, 1, 0], [0.5, -0.75, 0.25, 0]]),
            "channel 1 holds 3 magnitudes that are not one number times powers of two",
        ),
        (np.ldexp(np.float32(1), np.arange(40))[None], "channel 0 needs 40 exponent levels, a code holds 32"),
        (np.ldexp(np.float32(1), np.arange(33))[None] % 2**32, "needs 32 exponent levels, a code holds 31"),
        (np.float32([[1, np.inf]]), "it holds inf or nan"),
        (np.float32([[1, np.nan]]), "it holds inf or nan"),
        (np.float64([[1, 2]]), "its dtype is float64, shift holds float32"),
        (np.zeros((2, 0), np.float32), "it has no elements"),
        (np.float32([[3e-45], [3e38]]), "its values leave the range"),
    ],
)
def test_what_is_not_a_shift_tensor_stays_raw_and_says_why(tensor, reason):
    stored = encode(tensor, (0, 1))
    assert stored.codec == "raw" and reason in stored.note
    np.testing.assert_array_equal(decode(stored, tensor.shape, tensor.dtype), tensor)


def test_the_edges_of_float32_are_exact():
    for values in ([2.0**-149, 2.0**-130], [2.0**127, -(2.0**100)], [3.0 * 2.0**126, 3.0 * 2.0**100]):
        assert round_trip(np.float32([values])).codec == "shift"


def test_without_an_order_a_tensor_is_raw_whatever_its_values():
    for dtype in (np.float32, np.float16, np.int64, np.int32, np.int8, np.uint8, np.bool_):
        tensor = np.ones((2, 3), dtype)
        stored = encode(tensor)
        assert (stored.codec, stored.note, stored.order) == ("raw", "", None)
        assert bytes(stored.data) == tensor.tobytes()


def test_chunks_join_seamlessly(monkeypatch):
    tensor = powers((37, 11), -14, 0, zeros=0.2)
    whole = encode(tensor, (0, 1))
    monkeypatch.setattr("dscompress.compile.codecs.shift.CHUNK", 16)
    assert bytes(encode(tensor, (0, 1)).data) == bytes(whole.data)
    np.testing.assert_array_equal(decode(whole, tensor.shape, tensor.dtype), tensor)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_every_shift_tensor_comes_back(data):
    rank = data.draw(st.integers(1, 5))
    shape = data.draw(st.tuples(*[st.integers(1, 7)] * rank))
    order = tuple(data.draw(st.permutations(range(rank))))
    span = data.draw(st.integers(0, 31))
    least = data.draw(st.integers(-100, 90))
    zeros = data.draw(st.sampled_from([0.0, 0.5])) if span < 31 else 0.0
    turned = tuple(shape[axis] for axis in order)
    stored = powers(turned, least, least + span, zeros=zeros, seed=data.draw(st.integers(0, 1000)))
    if data.draw(st.booleans()):
        scale = np.random.default_rng(span).uniform(0.5, 2, (len(stored),) + (1,) * (rank - 1))
        stored = stored * scale.astype(np.float32)
    tensor = stored.transpose(np.argsort(order))
    assert round_trip(tensor, order).codec == "shift"
