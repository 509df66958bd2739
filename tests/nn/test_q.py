"""DeepShift-Q by hand: clamp in place, log-domain rounding in float32, an identity gradient."""

import pytest
import torch

from dscompress.nn import ShiftLinear
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
