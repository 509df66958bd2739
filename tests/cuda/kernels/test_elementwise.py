"""elementwise: by eights, by strides, broadcast, of either float type; tails; every function against NumPy."""

import math

import numpy as np
import pytest

from dsruntime.backends.cuda.kernels import elementwise
from tests.cuda.launching import address, poisoned, run
from tests.cuda.windows import laid_out, near, normals, of

FUNCTIONS = {
    "identity": lambda x: x,
    "abs": np.abs,
    "neg": np.negative,
    "exp": np.exp,
    "tanh": np.tanh,
    "floor": np.floor,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "reciprocal": lambda x: 1 / x,
    "erf": np.vectorize(math.erf),
    "gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "hard_swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "clip": lambda x: np.clip(x, 0.25, 0.5),
    "leaky_relu": lambda x: np.where(x >= 0, x, 0.25 * x),
    "elu": lambda x: np.where(x >= 0, x, 0.25 * np.expm1(x)),
    "hard_sigmoid": lambda x: np.clip(0.25 * x + 0.5, 0, 1),
    "log": lambda x: np.log(np.abs(x)),
    "sqrt": lambda x: np.sqrt(np.abs(x)),
}
BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "pow": lambda a, b: np.abs(a) ** b,
    "prelu": lambda a, b: np.where(a >= 0, a, a * b),
}


def test_lists_are_complete():
    assert set(FUNCTIONS) == set(elementwise.UNARY) and set(BINARY) == set(elementwise.BINARY)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("count", [8 * 33, 77])
def test_unary(name, count):
    x = normals(count)
    x = np.abs(x) if name in ("log", "sqrt") else x
    y = poisoned(count)
    run(elementwise.unary(name, *of(x), *of(y), 0.25, 0.5), y)
    near(y, FUNCTIONS[name](x.astype(np.float64)), 16)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_unary_by_strides(dtype):
    x = laid_out(normals(3, 5, 4, 6, dtype=dtype), (0, 2, 3, 1))[:, 1:, ::2]
    y = poisoned(x.shape)
    run(elementwise.unary("neg", *of(x), *of(y)), y)
    np.testing.assert_array_equal(y, -x.astype(np.float16))


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize(
    "shapes", [((16, 40), (16, 40)), ((3, 5, 7), (3, 5, 7)), ((2, 3, 4, 5), (3, 1, 5)), ((1,), (9,))]
)
def test_binary(name, shapes):
    a, b = (normals(*shape) for shape in shapes)
    a = np.abs(a) if name == "pow" else a
    shape = np.broadcast_shapes(*shapes)
    y = poisoned(shape)
    (left, left_at), (right, right_at) = of(a), of(b)
    run(elementwise.binary(name, left.broadcast(shape), left_at, right.broadcast(shape), right_at, *of(y)), y)
    near(y, BINARY[name](a.astype(np.float64), b.astype(np.float64)), 64)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(
    "shape, gate, kernel",
    [
        ((3, 24, 5, 4), (3, 24, 1, 1), "binary_rows"),
        ((2, 16, 3, 3), (16, 1, 1), "binary_rows"),
        ((1, 8, 7, 1), (1, 8, 1, 1), "binary_rows"),
        ((3, 20, 2, 2), (3, 20, 1, 1), "binary_strided"),
    ],
)
def test_gates_and_biases_by_rows(shape, gate, kernel, dtype):
    a, b = laid_out(normals(*shape), (0, 2, 3, 1)), normals(*gate, dtype=dtype)
    y = laid_out(poisoned(shape), (0, 2, 3, 1))
    (window, at) = of(b)
    launches = elementwise.binary("mul", *of(a), window.broadcast(shape), at, *of(y), low=-1.0)
    assert [launch.kernel for launch in launches] == [kernel]
    run(launches, y.base)
    near(y, np.maximum(a.astype(np.float64) * b, -1), 4)


def test_binary_clips_and_passes_nan():
    a = np.array([np.nan, -1, 0.5, 9] * 4, np.float16)
    zeros, y = np.zeros(16, np.float16), poisoned(16)
    run(elementwise.binary("add", *of(a), *of(zeros), *of(y), 0.0, 6.0), y)
    np.testing.assert_array_equal(y, np.array([np.nan, 0, 0.5, 6] * 4, np.float16))


@pytest.mark.parametrize("channels", [16, 5])
def test_scale_shift(channels):
    x, scale, shift = normals(7, channels), normals(channels, dtype=np.float32), normals(channels, dtype=np.float32)
    y = poisoned(x.shape)
    run(elementwise.scale_shift(*map(address, (x, scale, shift, y)), x.size, channels, low=0.0), y)
    near(y, np.maximum(x.astype(np.float64) * scale + shift, 0), 4)
