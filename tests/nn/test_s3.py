"""S3 by hand: every code of 3 bits, gradients of the nested decisions in closed form, starts."""

import math

import pytest
import torch

from dscompress.nn import ShiftConv2d, ShiftLinear, zero_regularization


def layer_with(bits: int = 3, **latents: list[float]) -> ShiftLinear:
    layer = ShiftLinear(len(latents["a"]), 1, bias=False, method="s3", bits=bits, offset="none")
    names = {"a": "weight_sign", "v": "weight_val", "c": "weight_shift", "d": "weight_shift2"}
    for letter, values in latents.items():
        getattr(layer, names[letter]).data = torch.tensor([values])
    return layer


@pytest.mark.parametrize("a, v, c, d, effective", [
    (0.1, 0.1, -1.0, -1.0, 1.0),
    (0.1, 0.1, -1.0, 1.0, 1.0),   # d counts only where c is 1
    (-0.1, 0.1, 1.0, -1.0, -2.0),
    (0.1, 0.1, 0.01, 0.01, 4.0),
    (-0.1, 0.1, 5.0, 5.0, -4.0),
    (0.1, -0.1, 1.0, 1.0, 0.0),
    (0.1, 0.0, 1.0, 1.0, 0.0),    # [v > 0] is strict
    (0.0, 0.1, 0.0, 1.0, 1.0),    # sgn(0) = 1, [c > 0] is strict
    (0.0, 0.1, 1.0, 0.0, 2.0),
])  # fmt: skip
def test_effective_weight(a, v, c, d, effective):
    assert layer_with(a=[a], v=[v], c=[c], d=[d]).effective_weight.item() == effective


@pytest.mark.parametrize("bits, values", [(2, {0, 1}), (3, {0, 1, 2, 4}), (4, {0, 1, 2, 4, 8, 16, 32, 64})])
def test_codes(bits, values):
    torch.manual_seed(0)
    layer = ShiftLinear(1000, 50, method="s3", bits=bits, offset="none")
    assert set(layer.effective_weight.abs().unique().tolist()) == values
    assert 0.49 < (layer.effective_weight == 0).float().mean() < 0.51


def test_gradients_in_closed_form():
    """W = 4: t = c (d + 1); dt/dc = d + 1 = 2, dt/dd = c = 1. A zero gets gradients for a (none) and v (yes)."""
    layer = layer_with(a=[-0.3, 0.2], v=[0.4, -0.1], c=[0.5, 0.5], d=[0.6, -0.6])
    x = torch.tensor([[3.0, 5.0]])
    layer(x).sum().backward()
    assert layer.weight_sign.grad.tolist() == [[3 * 4, 0]]
    assert layer.weight_val.grad.tolist() == [[3 * -4, 5 * 2]]
    level = 3 * -4 * math.log(2)
    torch.testing.assert_close(layer.weight_shift.grad, torch.tensor([[2 * level, 0]]))
    torch.testing.assert_close(layer.weight_shift2.grad, torch.tensor([[level, 0]]))


def test_regulariser():
    layer = layer_with(a=[1.0] * 4, v=[-2.0, 3.0, -0.5, 0.0], c=[1.0] * 4, d=[1.0] * 4)
    penalty = zero_regularization(layer)
    penalty.backward()
    assert penalty.item() == 2.5 and layer.weight_val.grad.tolist() == [[-1, 0, -1, 0]]


def test_from_a_weight_in_its_own_base():
    """Largest 0.9: the codes 1, 2, 4 in units of 2^-2 are 0.25, 0.5, 1; below half a unit a weight is zero."""
    layer = ShiftLinear(6, 1, bias=False, method="s3", bits=3)
    layer.load_weight(torch.tensor([[0.9, -0.55, 0.26, 0.1, 0.0, -0.24]]))
    assert layer.base.tolist() == [-2]
    assert layer.effective_weight.tolist() == [[1.0, -0.5, 0.25, 0.0, 0.0, -0.25]]


def test_names_in_the_state_dict():
    names = ["weight_sign", "weight_val", "weight_shift", "weight_shift2", "bias", "base"]
    assert list(ShiftConv2d(2, 4, 3, method="s3", bits=3).state_dict()) == names
