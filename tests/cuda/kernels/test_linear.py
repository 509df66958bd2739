"""linear: every kernel and format, tails of rows, outputs and k, splits over blocks."""

import numpy as np
import pytest

from dsruntime.backends.cuda.kernels import linear
from tests.cuda.launching import address, halves, poisoned, run
from tests.cuda.products import half_bound, packed, raw_weight, scratch_for, shift_weight

# rows, k, outputs, multiprocessors
SHAPES = [
    (1, 64, 16, 1),
    (1, 72, 17, 1),
    (8, 520, 100, 4),
    (3, 1000, 10, 132),
    (9, 128, 70, 4),
    (33, 136, 20, 1),
    (2, 1, 1, 1),
    (5, 13, 9, 4),
    (70, 72, 40, 1),
    (3, 8192, 24, 132),
]


def run_linear(x, form, value, role, bias, residual, sms, low=-np.inf, high=np.inf, overflow=None):
    rows, k = x.shape
    outputs = value.shape[0 if role == "linear" else 1]
    tiles, memory = packed(form, value.shape, role)
    shape = dict(rows=rows, k=k, outputs=outputs, sms=sms)
    scratch, y = scratch_for(*linear.scratch_bytes(tiles, **shape)), poisoned((rows, outputs))
    held = halves(x), bias, None if residual is None else halves(residual)
    at = [0 if array is None else address(array) for array in held]
    launches = linear.launches(
        at[0],
        tiles,
        at[1],
        at[2],
        address(y),
        address(scratch),
        **shape,
        low=low,
        high=high,
        overflow=0 if overflow is None else address(overflow),
        tag=7,
    )
    run(launches, y, scratch=(scratch,))
    assert memory
    return y, launches[0]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("role", ["linear", "linear_transposed"])
def test_within_bound(shape, role):
    rows, k, outputs, sms = shape
    random = np.random.default_rng(k)
    form, value = shift_weight((outputs, k) if role == "linear" else (k, outputs), role, scaled=True)
    x = random.normal(size=(rows, k)).astype(np.float16).astype(np.float64)
    bias = random.normal(size=outputs).astype(np.float32)
    residual = random.normal(size=(rows, outputs)).astype(np.float16)
    y, launch = run_linear(x, form, value, role, bias, residual, sms, low=-1)
    assert (launch.grid[2] > 1) == (k == 8192)
    matrix = value.astype(np.float64).T if role == "linear" else value.astype(np.float64)
    expected = np.maximum(x @ matrix + bias + residual, -1)
    magnitude = np.abs(x) @ np.abs(matrix) + np.abs(bias) + np.abs(residual)
    assert (np.abs(y - expected) <= half_bound(expected, magnitude, k)).all()


@pytest.mark.parametrize("rows, kernel", [(1, "linear_narrow"), (8, "linear_narrow"), (9, "conv_windows")])
@pytest.mark.parametrize(
    "bits, zero", [(5, True), (5, False), (4, True), (4, False), (3, True), (2, True), (1, False), (6, True)]
)
def test_every_format_is_exact_on_powers(rows, kernel, bits, zero):
    """One x is 1 and the others 0, so that every output is one weight: all codes come through unchanged."""
    form, value = shift_weight((48, 128), "linear", bits, zero)
    for first in range(0, 128, max(rows, 30)):
        x = np.eye(128)[first : first + rows]
        y, launch = run_linear(x, form, value, "linear", None, None, 132)
        assert launch.kernel.startswith(kernel) or len(x) < rows
        np.testing.assert_array_equal(y, halves(x @ value.T))


def test_wide_kernel_and_raw_weights():
    form, value = raw_weight(np.random.default_rng(0).integers(-7, 8, (170, 200)))
    x = np.random.default_rng(1).integers(-3, 4, (4, 200))
    y, launch = run_linear(x, form, value, "linear", None, None, 1)
    assert launch.kernel == "linear_wide_16"
    np.testing.assert_array_equal(y, x @ value.T)


@pytest.mark.parametrize("value, flagged", [(65504, 0), (65519, 0), (65520, 7), (np.inf, 0), (-70000, 7)])
def test_a_result_too_large_for_a_half_is_flagged(value, flagged):
    form, one = raw_weight(np.ones((1, 8), np.float32))
    bias = np.float32([value])
    overflow = np.zeros(1, np.uint32)
    run_linear(np.zeros((1, 8)), form, one, "linear", bias, None, 1, overflow=overflow)
    assert overflow[0] == flagged
