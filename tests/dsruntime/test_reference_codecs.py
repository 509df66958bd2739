"""The NumPy decoder of stored weights, on bytes worked out by hand and on every legal code."""

import numpy as np
import pytest

from dsruntime.backends.reference.codecs import decode_codes
from dsruntime.forms import Codes
from dsruntime.planes import MAX_BITS
from tests.support.dsf_files import pack_planes


def decoded(stored: bytes, shape, **shift):
    base = np.array(shift["base"], np.int8)
    return decode_codes(Codes(stored, None, shift["bits"], shift.get("zero", False), base, shift.get("scale")), shape)


def test_planes_of_a_known_weight():
    # 5 bits: signs + - + in bits 0..2, levels 1, 2, 14 in nibbles of bytes 64 and 65
    stored = bytes([0b010]) + bytes(63) + bytes([0x21, 0x0E])
    np.testing.assert_array_equal(decoded(stored, (3, 1), bits=5, base=[0]), [[0.5], [-0.25], [2.0**-14]])


def test_six_bits_take_the_high_bit_from_the_last_plane():
    stored = bytes(64) + bytes([0x10]) + bytes(63) + bytes([0b10])  # levels 0 and 1 + 16
    np.testing.assert_array_equal(decoded(stored, (1, 2), bits=6, base=[3]), [[8, 2.0**-14]])


def test_the_highest_level_is_zero_with_zero_and_a_power_without():
    stored = pack_planes([0, 3], [1, 0], 3)
    np.testing.assert_array_equal(decoded(stored, (1, 2), bits=3, zero=True, base=[1]), [[-2, 0]])
    np.testing.assert_array_equal(decoded(stored, (1, 2), bits=3, base=[1]), [[-2, 0.25]])


def test_base_and_scale_per_channel():
    stored = pack_planes([0, 1, 0, 1], [0, 0, 1, 0], 2)
    y = decoded(stored, (2, 2), bits=2, base=[0, 2], scale=np.array([3, 0.7], np.float32))
    np.testing.assert_array_equal(y, np.float32([[3, 1.5], [np.float32(-0.7) * 4, np.float32(0.7) * 2]]))


def test_powers_below_the_normal_range_are_exact():
    y = decoded(pack_planes([0, 15], [0, 1], 5), (1, 2), bits=5, base=[-126])
    np.testing.assert_array_equal(y, np.float32([[2.0**-126, -(2.0**-141)]]))


@pytest.mark.parametrize("bits", range(1, MAX_BITS + 1))
@pytest.mark.parametrize("count", [1, 7, 8, 9, 129])
def test_every_level_comes_back(bits, count):
    random = np.random.default_rng(bits * 1000 + count)
    levels = random.integers(0, 1 << bits - 1, count)
    signs = random.integers(0, 2, count)
    stored = pack_planes(levels, signs, bits)
    expected = np.where(signs, -1.0, 1.0) * 2.0**-levels
    np.testing.assert_array_equal(decoded(stored, (count,), bits=bits, base=[0]), expected)
