"""DeepShift-Q by hand: clamp in place, log-domain rounding in float32, an identity gradient."""

import math

import mpmath
import numpy as np
import pytest
import torch

from dscompress.nn import ShiftLinear
from dscompress.nn.nearest_power import nearest_power, nearest_power_by_comparing
from dscompress.nn.q import shift_range


def layer_with(weights: list[float], bits: int) -> ShiftLinear:
    layer = ShiftLinear(len(weights), 1, bias=False, method="q", bits=bits)
    layer.weight.data = torch.tensor([weights])
    return layer


@pytest.mark.parametrize("bits, lowest", [(2, -1), (3, -3), (4, -7), (5, -15)])
def test_range(bits, lowest):
    assert shift_range(bits) == (lowest, 0)
    values = {2.0**k for k in range(lowest, 1)}
    layer = ShiftLinear(1000, 50, method="q", bits=bits)
    assert set(layer.effective_weight.abs().unique().tolist()) <= values


@pytest.mark.parametrize(
    "weight, bits, effective",
    [
        (1.0, 5, 1.0),
        (0.5, 5, 0.5),
        (-0.25, 5, -0.25),
        (0.7, 5, 0.5),  # below sqrt(1/2) = 0.7071
        (0.71, 5, 1.0),
        (0.72, 5, 1.0),  # the nearest value would be 0.5: the threshold is sqrt(2)·2^k, not 1.5·2^k
        (-0.36, 5, -0.5),
        (-0.35, 5, -0.25),
        (2**-0.5, 5, 0.5),  # ties, as float32's logarithm decides them
        (2**-1.5, 5, 0.25),
        (2**-2.5, 5, 0.25),
        (3.0, 5, 1.0),
        (-3.0, 5, -1.0),
        (1e-9, 5, 2.0**-15),
        (-1e-9, 5, -(2.0**-15)),
        (0.1, 2, 0.5),
        (0.1, 3, 0.125),
        (-0.001, 3, -0.125),
        (0.0, 2, 0.0),
        (0.0, 5, 0.0),
    ],
)
def test_effective_weight(weight, bits, effective):
    assert layer_with([weight], bits).effective_weight.item() == effective


def test_the_rule_is_float32s_logarithm_correctly_rounded():
    """Thirty floats around each threshold, by 100-bit arithmetic; tools/rounding_rule.py proves all of them."""
    with mpmath.workprec(100):
        for exponent in range(-15, 0):
            middle = int(np.float32(2.0 ** (exponent + 0.5)).view(np.int32))
            weights = np.arange(middle - 15, middle + 15, dtype=np.int32).view(np.float32)
            logarithms = [np.float32(float(mpmath.log(mpmath.mpf(float(weight))))) for weight in weights]
            expected = np.exp2(np.rint(np.float32(logarithms) / np.float32(np.log(2.0))))
            tensor = torch.from_numpy(weights)
            np.testing.assert_array_equal(nearest_power(tensor).numpy(), expected)
            np.testing.assert_array_equal(nearest_power_by_comparing(-tensor, -15).numpy(), -expected)


def test_nan_stays_nan():
    assert layer_with([math.nan, 0.5], 5).effective_weight.isnan().tolist() == [[True, False]]


@pytest.mark.parametrize("count", [1, 3, 8, 17, 64, 1000])
def test_ties_do_not_depend_on_the_tensors_length(count):
    layer = layer_with([2**-0.5, 2**-1.5, 2**-2.5] * count, 5)
    assert layer.effective_weight.tolist() == [[0.5, 0.25, 0.25] * count]


def test_training_clamps_in_place_and_evaluation_does_not():
    layer = layer_with([3.0, -3.0, 1e-9, -1e-9, 0.0, 0.3], 5)
    layer.eval()(torch.ones(1, 6))
    assert layer.weight[0, 0] == 3.0
    layer.train()(torch.ones(1, 6))
    expected = torch.tensor([[1.0, -1.0, 2.0**-15, -(2.0**-15), 0.0, 0.3]])
    assert torch.equal(layer.weight.detach(), expected)


def test_the_gradient_is_that_of_the_effective_weight():
    layer = layer_with([3.0, 0.3, 0.0, -1e-9], 5)
    x = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    layer(x).sum().backward()
    assert layer.weight.grad.tolist() == [[1.0, 2.0, 3.0, 4.0]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes_are_rounded_in_float32(dtype):
    layer = ShiftLinear(64, 4, method="q", dtype=dtype)
    expected = ShiftLinear(64, 4, method="q")
    expected.weight.data = layer.weight.data.float()
    assert layer.effective_weight.dtype == dtype
    assert torch.equal(layer.effective_weight.float(), expected.effective_weight)


def test_stochastic_rounding_while_training_only():
    """log2 0.6 = -0.737: 2^0 with probability 0.263, else 2^-1; in evaluation always 2^-1. Powers of two never move."""
    torch.manual_seed(0)
    layer = ShiftLinear(20000, 1, bias=False, method="q", bits=4, rounding="stochastic")
    layer.weight.data[:] = 0.6
    layer.weight.data[0, :3] = torch.tensor([0.25, -1.0, 0.0])
    first, second = layer.weight_for_forward(), layer.weight_for_forward()
    assert set(first[0, 3:].tolist()) == {0.5, 1.0} and not torch.equal(first, second)
    assert first[0, :3].tolist() == [0.25, -1.0, 0.0]
    assert (first[0, 3:] == 1).float().mean().item() == pytest.approx(1 + math.log2(0.6), abs=0.015)
    layer.eval()
    assert set(layer.weight_for_forward()[0, 3:].tolist()) == {0.5}
    assert torch.equal(layer.effective_weight, layer.weight_for_forward())
