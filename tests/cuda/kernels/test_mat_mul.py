"""mat_mul: broadcast batches, every way of loading, tails of m, n and k."""

import numpy as np
import pytest

from dsruntime.backends.cuda.kernels import mat_mul
from tests.cuda.launching import address, halves, poisoned, run
from tests.cuda.products import half_bound

# shapes of a and b as NumPy multiplies them, and how they lie in memory: axes from slowest to fastest
CASES = [
    ((5, 7), (7, 3), (0, 1), (0, 1)),
    ((70, 40), (40, 66), (0, 1), (0, 1)),
    ((70, 40), (40, 72), (0, 1), (0, 1)),
    ((70, 40), (40, 66), (0, 1), (1, 0)),
    ((72, 40), (40, 66), (1, 0), (1, 0)),
    ((70, 33), (33, 66), (1, 0), (1, 0)),
    ((2, 3, 9, 16), (2, 3, 16, 9), (0, 2, 1, 3), (0, 2, 1, 3)),
    ((2, 3, 16, 16), (1, 3, 16, 8), (0, 1, 2, 3), (0, 1, 2, 3)),
    ((1, 1), (4, 1, 5), (0, 1), (0, 1, 2)),
    ((2, 1, 2, 1, 3, 4), (2, 3, 1, 4, 4, 2), (0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 4, 5)),
]


def laid_out(x, order):
    """The array's elements in memory in that order of axes, and its strides in elements."""
    memory = halves(np.transpose(x, order))
    strides = np.transpose(memory, np.argsort(order)).strides
    return memory, [stride // 2 for stride in strides]


def strides_of(strides, shape, batch):
    """With the batch dimensions broadcast."""
    missing = len(batch) + 2 - len(shape)
    kept = [0 if size == 1 else stride for size, stride in zip(shape[:-2], strides[:-2], strict=True)]
    return (*[0] * missing, *kept, *strides[-2:])


def multiply(a, b, a_order, b_order, **more):
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    m, k, n = a.shape[-2], a.shape[-1], b.shape[-1]
    (a_memory, a_strides), (b_memory, b_strides) = laid_out(a, a_order), laid_out(b, b_order)
    y = poisoned((*batch, m, n))
    run(
        mat_mul.launches(
            address(a_memory),
            address(b_memory),
            address(y),
            batch=batch,
            m=m,
            n=n,
            k=k,
            a_strides=strides_of(a_strides, a.shape, batch),
            b_strides=strides_of(b_strides, b.shape, batch),
            **more,
        ),
        y,
    )
    return y.astype(np.float64)


@pytest.mark.parametrize("a_shape, b_shape, a_order, b_order", CASES, ids=str)
def test_product(a_shape, b_shape, a_order, b_order):
    random = np.random.default_rng(0)
    a, b = random.normal(size=a_shape).astype(np.float16), random.normal(size=b_shape).astype(np.float16)
    got = multiply(a, b, a_order, b_order)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    magnitude = np.abs(a.astype(np.float64)) @ np.abs(b.astype(np.float64))
    assert (np.abs(got - expected) <= half_bound(expected, magnitude, a_shape[-1])).all()
    a, b = random.integers(-3, 4, a_shape), random.integers(-3, 4, b_shape)
    np.testing.assert_array_equal(multiply(a, b, a_order, b_order), a @ b)


def test_alpha_and_clip():
    a, b = np.full((3, 8), 2.0), np.full((8, 5), 1.0)
    a[0] = -1
    got = multiply(a, b, (0, 1), (0, 1), alpha=0.5, low=-3, high=6)
    np.testing.assert_array_equal(got, [[-3] * 5, [6] * 5, [6] * 5])


def test_no_sum_is_zero():
    np.testing.assert_array_equal(multiply(np.zeros((3, 0)), np.zeros((0, 5)), (0, 1), (0, 1)), np.zeros((3, 5)))
