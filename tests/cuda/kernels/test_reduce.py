"""reduce: rows side by side, columns beside each other, walks over several axes; NaN wins a maximum."""

import numpy as np
import pytest

from dsruntime.backends.cuda.kernels.reduce import reduce
from tests.cuda.launching import poisoned, run
from tests.cuda.windows import laid_out, near, normals, of


@pytest.mark.parametrize(
    "shape, order, axes",
    [
        ((3, 600), (0, 1), (1,)),
        ((3, 31), (0, 1), (1,)),
        ((40, 70), (0, 1), (0,)),
        ((2, 5, 6, 7), (0, 1, 2, 3), (1, 3)),
        ((2, 40, 5, 7), (0, 2, 3, 1), (2, 3)),
        ((4, 5), (0, 1), (0, 1)),
        ((3, 4, 5), (2, 0, 1), (-1,)),
    ],
)
@pytest.mark.parametrize("op", ["sum", "mean", "max"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_agrees(shape, order, axes, op, dtype):
    x = laid_out(normals(*shape, dtype=dtype), order)
    want = getattr(np, op)(x.astype(np.float64), axis=axes)
    y = poisoned(want.shape)
    run(reduce(op, *of(x), axes, *of(y)), y)
    near(y, want, 40)


@pytest.mark.parametrize("axis", [0, 1])
def test_nan_wins(axis):
    x = normals(50, 40)
    x[3, 7] = np.nan
    y = poisoned(x.shape[1 - axis])
    run(reduce("max", *of(x), (axis,), *of(y)), y)
    np.testing.assert_array_equal(y, x.max(axis))
