"""NumPy arrays as the tensors of a plan, for launchers that take both a Tensor and its address."""

import numpy as np

from dsruntime.plan.tensor import Tensor

RANDOM = np.random.default_rng(0)


def of(array) -> tuple[Tensor, int]:
    """(window, address), to be spread into a launcher's arguments."""
    strides = tuple(step // array.itemsize for step in array.strides)
    return Tensor(0, 0, array.shape, strides, array.dtype.name), array.ctypes.data


def normals(*shape, dtype=np.float16):
    return RANDOM.standard_normal(shape).astype(dtype)


def laid_out(array, order):
    """The same elements, the axes in memory from slowest to fastest as order says."""
    return np.ascontiguousarray(array.transpose(order)).transpose(np.argsort(order))


def near(have, want, steps=1.0):
    """Within a rounding to float16, and `steps` of float32's."""
    want = np.asarray(want, np.float64)
    bound = 2.0**-11 * np.abs(want) + 2.0**-25 + steps * 2.0**-20 * (1 + np.abs(want))
    assert (np.abs(have.astype(np.float64) - want) <= bound).all(), np.abs(have - want).max()
