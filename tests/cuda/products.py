"""Weights as a file stores them, packed through the emulation, and the bound of a product of halves."""

import numpy as np

from dsruntime.backends.cuda.emulation import library
from dsruntime.backends.cuda.weights import Packed, prepare
from dsruntime.backends.reference.codecs import decode_codes
from dsruntime.forms import Codes, Raw
from tests.cuda.launching import address, poisoned
from tests.support.dsf_files import pack_planes

HALF, SINGLE = 2.0**-11, 2.0**-23  # half a step of rounding; a step, for sums that may be cut off instead of rounded
ORDERS = {
    ("conv", 4): (0, 2, 3, 1),
    ("conv", 3): (0, 2, 1),
    ("conv_transpose", 4): (1, 2, 3, 0),
    ("conv_transpose", 3): (1, 2, 0),
    ("linear", 2): (0, 1),
    ("linear_transposed", 2): (1, 0),
}


def shift_weight(shape, role, bits=5, zero=True, scaled=False, seed=0, order=None, base=0):
    """Random codes and their float32 value; scaled: base and scale for each channel."""
    random = np.random.default_rng(seed)
    order = order or ORDERS[role, len(shape)]
    stored_shape = [shape[axis] for axis in order]
    levels = random.integers(0, 1 << bits - 1, int(np.prod(shape)))
    signs = random.integers(0, 2, levels.size)
    if zero:
        signs[levels == (1 << bits - 1) - 1] = 0
    channels = stored_shape[0]
    bases = random.integers(-3, 3, channels).astype(np.int8) if scaled else np.array([base], np.int8)
    scale = random.uniform(0.5, 2, channels).astype(np.float32) if scaled else None
    codes = Codes(pack_planes(levels, signs, bits), order, bits, zero, bases, scale)
    return codes, decode_codes(codes, shape)


def raw_weight(value):
    return Raw(np.ascontiguousarray(value, "<f4").tobytes()), np.asarray(value, np.float32)


def packed(form, shape, role, group=1) -> tuple[Packed, tuple]:
    """The packed weight and the arrays that must outlive it."""
    prepared = prepare(form, tuple(shape), role, group)
    source, target = aligned(prepared.upload.size), aligned(prepared.bytes)
    source[...] = prepared.upload
    target[...] = 0xFF
    for launch in prepared.launches(address(source), address(target)):
        library(launch.source).launch(launch)
    return prepared.at(address(target)), (source, target)


def aligned(size: int) -> np.ndarray:
    """size bytes at a multiple of 16, with nothing of this process right behind them that a sanitizer would allow."""
    memory = np.empty(size + 16, np.uint8)
    start = -address(memory) % 16
    return memory[start : start + size]


def scratch_for(size: int, zeroed: int) -> np.ndarray:
    array = poisoned((max(size, 1),), np.uint8)
    array[:zeroed] = 0
    return array


def half_bound(expected, magnitude, depth, raw=False):
    """How far a kernel may be from expected: magnitude is the sum of |weight| |x|, plus |bias| and |residual|."""
    weight_rounding = HALF * magnitude if raw else 0
    return (depth + 8) * SINGLE * magnitude + weight_rounding + HALF * 1.001 * np.abs(expected) + 2.0**-24
