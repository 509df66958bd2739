"""top_k: order, ties, NaN and infinities, any axis and type; arg_max is its first round."""

import numpy as np
import pytest

from dsruntime.backends.cuda.kernels.top_k import first_k
from dsruntime.backends.reference.ops.top_k import top_k
from tests.cuda.launching import poisoned, run
from tests.cuda.windows import RANDOM, normals, of


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize(
    "x",
    [
        normals(3, 70),
        RANDOM.integers(-2, 3, (2, 40)).astype(np.float16),
        RANDOM.integers(-(2**40), 2**40, (2, 9)),
        np.array([[1, np.nan, np.inf, -np.inf, np.nan, 0, -0.0]], np.float16),
        normals(4, 130),
    ],
    ids=["normal", "ties", "int64", "odd", "long"],
)
def test_agrees(x, largest):
    for k in (1, x.shape[1] // 2, x.shape[1]):
        values, indices = top_k(x, k=k, largest=int(largest))
        y, z = poisoned(values.shape, x.dtype), poisoned(indices.shape, np.int64)
        run(first_k(*of(x), 1, k, of(y)[0], y.ctypes.data, z.ctypes.data, largest=largest), y, z)
        np.testing.assert_array_equal(z, indices)
        np.testing.assert_array_equal(y, values)


def test_another_axis_and_the_last_of_equals():
    x = RANDOM.integers(0, 3, (5, 6)).astype(np.float16)
    z = poisoned((1, 6), np.int64)
    run(first_k(*of(x), 0, 1, of(z)[0], 0, z.ctypes.data, last=True), z)
    np.testing.assert_array_equal(z[0], 4 - x[::-1].argmax(0))
