"""Tensors as windows into a buffer, against NumPy's views."""

import doctest
import random

import numpy as np

from dsruntime.plan import tensor
from dsruntime.plan.tensor import Tensor


def test_examples():
    assert doctest.testmod(tensor).failed == 0


def test_windows_are_numpys_views():
    """reshape, transpose, slice, broadcast of a window against NumPy's: a view exactly where NumPy has one."""
    choose = random.Random(0)
    for _ in range(3000):
        shape = [choose.choice([1, 1, 2, 3, 4, 6]) for _ in range(choose.randint(0, 5))]
        array = np.arange(int(np.prod(shape))).reshape(shape)
        array = array.transpose(choose.sample(range(len(shape)), len(shape)))
        t = Tensor(0, 0, array.shape, tuple(step // 8 for step in array.strides), "int64")
        assert t.is_packed()
        wanted = factors(choose, array.size)
        reshaped, by_numpy = t.reshaped(wanted), array.reshape(wanted)
        assert (reshaped is not None) == np.shares_memory(array, by_numpy) or array.size == 1
        if reshaped is not None:
            np.testing.assert_array_equal(elements(reshaped), by_numpy)
        for axis, size in enumerate(array.shape):
            start, step = choose.randrange(size), choose.choice([1, 2, -1])
            count = len(range(start, size if step > 0 else -1, step))
            cut = np.take(array, range(start, start + count * step, step), axis)
            np.testing.assert_array_equal(elements(t.sliced(axis, start, count, step)), cut)


def factors(choose, size: int) -> list[int]:
    found = []
    while size > 1:
        found.append(choose.choice([n for n in range(2, size + 1) if size % n == 0]))
        size //= found[-1]
    for _ in range(choose.randint(0, 2)):
        found.insert(choose.randint(0, len(found)), 1)
    return found


def elements(t: Tensor) -> np.ndarray:
    """What the window shows of a buffer that holds 0, 1, 2, ..."""
    places = np.full(t.shape, t.offset)
    for axis, step in enumerate(t.strides):
        places += (np.arange(t.shape[axis]) * step).reshape(-1, *[1] * (len(t.shape) - axis - 1))
    return places
