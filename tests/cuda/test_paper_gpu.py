"""The paper's kernels, rebuilt: shifts give the very integers, products the sums, and no GPU is one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dsruntime.backends.cuda.emulated_driver import EmulatedDriver
from dsruntime.backends.reference.ops.conv import conv
from tests.cuda.launching import address, poisoned, run
from tools.bench import paper_gpu
from tools.bench.paper_gpu import Layer, launches, pack_codes

LAYERS = [Layer(3, 9, 18, 7, 2), Layer(5, 6, 16), Layer(20, 5, 3, 1, 2), Layer(40, 1, 33, 1)]


def convolved(layer, kind, x, weight):
    columns = poisoned((layer.pixels, layer.depth), x.dtype)
    product = poisoned((layer.pixels, layer.outputs), x.dtype)
    y = poisoned((layer.outputs, layer.out_size, layer.out_size), x.dtype)
    run(
        launches(layer, kind, *(address(array) for array in (x, weight, columns, product, y))),
        y,
        scratch=(columns, product),
    )
    return y


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_shifts_are_floored_and_summed_as_integers(layer):
    random = np.random.default_rng(0)
    x = random.integers(-(1 << 20), 1 << 20, (layer.channels, layer.size, layer.size)).astype(np.int32)
    shape = (layer.outputs, layer.channels, layer.kernel, layer.kernel)
    signs, shifts = random.integers(0, 2, shape), random.integers(0, 16, shape)
    packed = pack_codes(signs.reshape(layer.outputs, -1), shifts.reshape(layer.outputs, -1))
    expected = np.zeros((layer.outputs, layer.out_size, layer.out_size), np.int64)
    for shift in range(16):  # every term floored: convolve what each shift leaves of x with the signs of its weights
        ones = np.where(shifts == shift, np.where(signs, -1, 1), 0).astype(np.float32)
        shifted = (x >> shift)[None].astype(np.float64)
        attributes = {"strides": [layer.stride] * 2, "pads": [layer.pad] * 4}
        expected += exact_conv(shifted, ones, attributes)
    np.testing.assert_array_equal(convolved(layer, "shift", x, packed), expected.astype(np.int32))


def exact_conv(x, w, attributes):
    """The reference rounds to float32; whole numbers go through it in two parts that it holds."""
    high, low = np.divmod(x, 1024)
    parts = (conv(part, w, **attributes)[0].astype(np.int64) for part in (high, low))
    return next(parts) * 1024 + next(parts)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_multiplications(layer):
    random = np.random.default_rng(1)
    x = random.integers(-4, 5, (layer.channels, layer.size, layer.size)).astype(np.float32)
    weight = random.integers(-4, 5, (layer.outputs, layer.channels, layer.kernel, layer.kernel)).astype(np.float32)
    expected = conv(x[None], weight, strides=[layer.stride] * 2, pads=[layer.pad] * 4)[0]
    np.testing.assert_array_equal(convolved(layer, "multiply", x, weight), expected)


def test_the_layers_are_those_of_resnet18():
    macs = sum(layer.times * layer.pixels * layer.outputs * layer.depth for layer in paper_gpu.RESNET18)
    assert sum(layer.times for layer in paper_gpu.RESNET18) == 21
    assert macs == 1_814_073_344


def test_report_prints_both_ways_of_allocating(capsys):
    driver = EmulatedDriver()
    paper_gpu.report(driver, 1, 2, [Layer(3, 8, 4)])
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 3 and "allocating in every call" in printed[1] and "keeping the buffers" in printed[2]
    assert driver.memory()[0] == driver.memory()[1]  # everything was freed


def test_no_gpu_is_one_sentence():
    script = Path(paper_gpu.__file__)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("DSRUNTIME_CUDA_EMULATION", None)
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert done.returncode == 4 and done.stderr.startswith("paper_gpu: not measured: cuda: ")
    assert len(done.stderr.splitlines()) == 1
