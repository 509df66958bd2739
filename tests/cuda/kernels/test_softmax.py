"""softmax: rows of every length and stride; layer_norm over one axis and several, with and without bias."""

import numpy as np
import pytest

from dsruntime.backends.cuda.kernels.softmax import layer_norm, softmax
from tests.cuda.launching import address, poisoned, run
from tests.cuda.windows import laid_out, near, normals, of


@pytest.mark.parametrize(
    "shape, order, axis",
    [
        ((3, 5), (0, 1), 1),
        ((2, 1000), (0, 1), 1),
        ((3, 40, 4), (0, 1, 2), 1),
        ((2, 6, 3, 3), (0, 2, 3, 1), 1),
        ((7,), (0,), 0),
        ((5, 16), (0, 1), 1),
        ((2, 3, 2048), (0, 1, 2), 2),
        ((2, 16, 3), (0, 1, 2), 1),
    ],
)
@pytest.mark.parametrize("logarithm", [False, True])
def test_softmax(shape, order, axis, logarithm):
    x = laid_out(normals(*shape) * 4, order)
    x.reshape(-1)[0] = -np.inf
    y = poisoned(shape)
    run(softmax(logarithm, *of(x), axis, *of(y)), y)
    wide = x.astype(np.float64)
    with np.errstate(divide="ignore"):
        want = np.exp(wide - wide.max(axis, keepdims=True))
        want = want / want.sum(axis, keepdims=True)
        want = np.log(want) if logarithm else want
    finite = np.isfinite(want)
    near(y[finite], want[finite], 16)
    np.testing.assert_array_equal(y[~finite], want[~finite])


@pytest.mark.parametrize(
    "shape, order, axis",
    [
        ((3, 40), (0, 1), 1),
        ((2, 3, 5, 7), (0, 1, 2, 3), 2),
        ((2, 4, 3, 50), (0, 2, 3, 1), 3),
        ((1, 1000), (0, 1), 1),
        ((3, 5, 36), (0, 1, 2), 2),
        ((2, 2, 4, 6), (0, 1, 2, 3), 1),
    ],
)
@pytest.mark.parametrize("with_bias", [True, False])
def test_layer_norm(shape, order, axis, with_bias):
    x = laid_out(normals(*shape), order)
    scale, bias = (normals(*shape[axis:], dtype=np.float32) for _ in range(2))
    y = poisoned(shape)
    run(layer_norm(*of(x), axis, address(scale), address(bias) if with_bias else 0, 1e-5, *of(y)), y)
    axes, wide = tuple(range(axis, len(shape))), x.astype(np.float64)
    want = (wide - wide.mean(axes, keepdims=True)) / np.sqrt(wide.var(axes, keepdims=True) + 1e-5) * scale
    near(y, want + bias if with_bias else want, 16)
