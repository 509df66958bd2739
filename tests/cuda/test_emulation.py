"""The emulation: runs kernels as CUDA would, and finds the mistakes that it promises to find."""

import numpy as np
import pytest

from dsruntime.backends.cuda.emulation import Library
from dsruntime.backends.cuda.kernels.reduce_sum import reduce_sum
from dsruntime.backends.cuda.kernels.relu import relu
from dsruntime.backends.cuda.launch import Launch, pointer
from dsruntime.errors import BackendError
from tests.cuda.launching import address, halves, poisoned, run

MISTAKES = """
#include "dsc_prim.h"
KERNEL(half_a_warp, 64, u32* y) {
    if (threadIdx.x < 16) y[threadIdx.x] = shfl(threadIdx.x, 0);
}
KERNEL(two_collectives, 64, u32* y) {
    if (threadIdx.x < 16) y[threadIdx.x] = shfl(threadIdx.x, 0);
    else y[threadIdx.x] = vote(true);
}
KERNEL(barrier_and_shuffle, 64, u32* y) {
    if (threadIdx.x < 32 + 8) __syncthreads();
    else y[threadIdx.x] = shfl(threadIdx.x, 0);
}
KERNEL(unaligned, 64, u32* y) {
    y[threadIdx.x] = ldg(reinterpret_cast<const u32x4*>(y + 1)).x;
}
KERNEL(no_barrier, 64, u32* y) {
    SHARED(u32, s, 64);
    s[threadIdx.x] = threadIdx.x;
    y[threadIdx.x] = s[63 - threadIdx.x];
}
KERNEL(no_wait, 32, const u32x4* x, u32* y) {
    SHARED(u32x4, s, 32);
    cp_async16(s + threadIdx.x, x + threadIdx.x, threadIdx.x < 31);
    cp_async_commit();
    y[threadIdx.x] = s[threadIdx.x].y;
    cp_async_wait<0>();
    y[32 + threadIdx.x] = s[threadIdx.x].y;
}
"""


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "mistakes.cu").write_text(MISTAKES)
    return Library("mistakes", folder=folder)


def launch(kernel, *arrays, threads=64):
    return Launch("mistakes", kernel, (1, 1, 1), (threads, 1, 1), tuple(pointer(address(array)) for array in arrays))


def test_relu():
    x = halves([-1, 0, 2, np.nan, -np.inf, np.inf] * 100)
    y = poisoned(x.shape)
    run(relu(address(x), address(y), x.size), y)
    np.testing.assert_array_equal(y, np.maximum(x, 0))


@pytest.mark.parametrize("columns", [1, 31, 32, 255, 257, 1000])
def test_reduce_sum(columns):
    x = halves(np.random.default_rng(0).integers(-2, 3, (3, columns)))
    y = poisoned(3)
    run(reduce_sum(address(x), address(y), 3, columns), y)
    np.testing.assert_array_equal(y, x.astype(np.float64).sum(1))


@pytest.mark.parametrize(
    "kernel, sentence",
    [
        ("half_a_warp", "warp 0 is at shfl with lanes 0000ffff only"),
        ("two_collectives", "at another collective"),
        ("barrier_and_shuffle", "cannot go on: 40 of 64 living threads at __syncthreads()"),
        ("unaligned", "not a multiple"),
    ],
)
def test_finds_mistake(mistakes, kernel, sentence):
    with pytest.raises(BackendError, match="emulated mistakes.cu") as caught:
        mistakes.launch(launch(kernel, np.zeros(256, np.uint32)))
    assert sentence in str(caught.value)


def test_a_missing_barrier_shows(mistakes):
    y = np.zeros(64, np.uint32)
    mistakes.launch(launch("no_barrier", y))
    assert 0xFFFFFFFF in y


def test_an_asynchronous_copy_lands_when_waited_for(mistakes):
    x, y = np.arange(128, dtype=np.uint32), np.zeros(64, np.uint32)
    mistakes.launch(launch("no_wait", x, y, threads=32))
    np.testing.assert_array_equal(y[:32], 0xFFFFFFFF)
    np.testing.assert_array_equal(y[32:63], x[1:124:4])
    assert y[63] == 0


@pytest.mark.parametrize(
    "args, sentence",
    [
        ((np.uint64(0),), "number of arguments is 1, expected 3"),
        ((np.uint64(0), np.uint64(0), np.int32(1)), "size of argument 2 is 4, expected 8"),
    ],
)
def test_wrong_arguments_are_refused(args, sentence):
    with pytest.raises(BackendError, match=sentence):
        Library("relu").launch(Launch("relu", "relu", (1, 1, 1), (256, 1, 1), args))


def test_too_many_threads_are_refused():
    args = relu(0, 0, 1)[0].args
    with pytest.raises(BackendError, match="threads, at most is 512, expected 256"):
        Library("relu").launch(Launch("relu", "relu", (1, 1, 1), (512, 1, 1), args))
