"""Kernels through the emulation: arrays in, launches run forwards and backwards, the same bytes demanded of both."""

import numpy as np

from dsruntime.backends.cuda.emulation import library


def address(array):
    return array.ctypes.data


def halves(array):
    return np.ascontiguousarray(array, np.float16)


def poisoned(shape, dtype=np.float16):
    """An output that nothing has written: all NaN (or -1)."""
    return np.frombuffer(bytearray(b"\xff" * int(np.prod(shape)) * np.dtype(dtype).itemsize), dtype).reshape(shape)


def run(launches, *outputs, scratch=()):
    """Runs the launches twice from the same state, blocks and threads forwards and backwards; outputs must not differ.

    scratch: arrays that the launches also write and that must be as they are when each run starts.
    """
    written = (*outputs, *scratch)
    before = [array.copy() for array in written]
    results = []
    for reverse in (False, True):
        for array, start in zip(written, before, strict=True):
            array[...] = start
        for launch in launches:
            library(launch.source).launch(launch, reverse)
        results.append([output.tobytes() for output in outputs])
    assert results[0] == results[1], "the order of blocks or threads changes the result"
