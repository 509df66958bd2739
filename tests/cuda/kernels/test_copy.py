"""copy: layouts and types, tiles and their tails, tables of indices, gathered and out-of-range indices, pixels."""

import itertools

import numpy as np
import pytest

from dsruntime.backends.cuda.kernels import copy
from tests.cuda.launching import address, poisoned, run
from tests.cuda.windows import laid_out, near, normals, of

NUMBERS = np.array([0, 1, -1, 2.5, -2.5, 127, 300, -300, 70000, np.nan, np.inf, -np.inf], np.float32)


@pytest.mark.parametrize(
    "shape, kernel",
    [
        ((2, 33, 5, 9), "copy_transposed"),
        ((2, 17, 40), "copy_transposed"),
        ((2, 3, 5, 4), "copy_strided"),
        ((1,), "copy_strided"),
    ],
)
@pytest.mark.parametrize("types", [(np.float32, np.float16), (np.float16, np.float32)])
def test_channels_last_and_back(shape, kernel, types):
    order = (0, *range(2, len(shape)), 1) if len(shape) > 1 else (0,)
    x = normals(*shape, dtype=types[0])
    plain = poisoned(shape, types[1])
    for source, target in ((x, laid_out(plain, order)), (laid_out(x, order), plain)):
        memory = target.base if target.base is not None else target
        launches = copy.copy(*of(source), *of(target))
        assert [launch.kernel for launch in launches] == [kernel]
        run(launches, memory)
        np.testing.assert_array_equal(target, x.astype(types[1]))


@pytest.mark.parametrize(
    "one, other", itertools.permutations(["float32", "float16", "int32", "int64", "int8", "uint8", "bool"], 2)
)
def test_casts(one, other):
    from dsruntime.backends.reference.ops.cast import cast

    with np.errstate(all="ignore"):
        x = cast(NUMBERS, to=one) if one != "float16" else NUMBERS.astype(one)
        y = poisoned(x.shape, other) if other != "bool" else np.ones(x.shape, bool)
        run(copy.copy(*of(x), *of(y)), y)
        np.testing.assert_array_equal(y, cast(x, to=other))


def test_slices_and_broadcasts():
    x = normals(4, 6, 5)
    y = poisoned((3, 4, 3, 5))
    (window, at) = of(x[:, ::-2])
    run(copy.copy(window.broadcast((3, 4, 3, 5)), at, *of(y)), y)
    np.testing.assert_array_equal(y, np.broadcast_to(x[:, ::-2], (3, 4, 3, 5)))


def test_take_by_tables_with_a_constant():
    x = normals(3, 4)
    tables = np.array([2, 0, -1, 0, 1, 3, -1, 3, 2], np.int32)  # four rows, then five columns
    y = poisoned((4, 5))
    run(copy.take(*of(x), address(tables), 7.0, *of(y)), y)
    want = np.pad(x, ((0, 1), (0, 1)), constant_values=7)[np.ix_([2, 0, 3, 0], [1, 3, 4, 3, 2])]
    np.testing.assert_array_equal(y, want)


def test_gather_checks_its_indices():
    x, indices = normals(2, 5, 3), np.array([4, -5, 0, 5], np.int64)
    y, fault = poisoned((2, 4, 3)), np.zeros(2, np.int64)
    run(copy.gather(*of(x), 1, address(indices), 4, address(y), address(fault)), y, fault)
    np.testing.assert_array_equal(y[:, :3], x[:, [4, 0, 0]])
    assert fault.tolist() == [1, 5]


@pytest.mark.parametrize("last", [True, False])
def test_pixels(last):
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5)).astype(np.uint8)
    x = laid_out(x, (0, 2, 3, 1)) if last else x
    scale, shift = np.array([1, 0.5, 0.25], np.float32), np.array([0, -1, 2], np.float32)
    y = poisoned((2, 4, 5, 3))
    run(copy.pixels(*of(x), address(scale), address(shift), address(y)), y)
    near(y, x.transpose(0, 2, 3, 1) * scale + shift)
