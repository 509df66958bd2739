"""DeepShift-PS by hand: clamped shifts, a strict sign, and gradients in closed form."""

import math

import pytest
import torch

from dscompress.nn import Setting, ShiftConv2d, ShiftLinear
from dscompress.nn.ps import shift_range


def layer_with(shifts: list[float], signs: list[float], bits: int = 5) -> ShiftLinear:
    layer = ShiftLinear(len(shifts), 1, bias=False, method="ps", bits=bits)
    layer.shift.data, layer.sign.data = torch.tensor([shifts]), torch.tensor([signs])
    return layer


@pytest.mark.parametrize("bits, lowest", [(2, 0), (3, -2), (4, -6), (5, -14)])
def test_range(bits, lowest):
    assert shift_range(bits) == (lowest, 0)
    values = {0.0} | {2.0**k for k in range(lowest, 1)}
    layer = ShiftLinear(1000, 50, method="ps", bits=bits)
    assert set(layer.effective_weight.abs().unique().tolist()) == values


@pytest.mark.parametrize(
    "shift, sign, bits, effective",
    [
        (0.0, 1.0, 5, 1.0),
        (-3.0, -0.7, 5, -0.125),
        (-0.5, 1.0, 5, 1.0),  # half to even
        (-1.5, 1.0, 5, 0.25),
        (-2.5, 1.0, 5, 0.25),
        (-3.5, 1.0, 5, 0.0625),
        (-2.0, 0.5, 5, 0.0),  # |S| > 0.5 is strict
        (-2.0, -0.5, 5, 0.0),
        (-2.0, 0.50001, 5, 0.25),
        (-2.0, -0.50001, 5, -0.25),
        (-2.0, 7.0, 5, 0.25),
        (-2.0, 0.0, 5, 0.0),
        (3.0, 1.0, 5, 1.0),
        (-40.0, 1.0, 5, 2.0**-14),
        (-40.0, 1.0, 3, 0.25),
        (-40.0, -1.0, 2, -1.0),
        (-math.inf, 1.0, 4, 2.0**-6),
    ],
)
def test_effective_weight(shift, sign, bits, effective):
    assert layer_with([shift], [sign], bits).effective_weight.item() == effective


def test_training_clamps_the_shift_in_place_and_never_the_sign():
    layer = layer_with([-40.0, 3.0, -1.2], [5.0, -9.0, 0.1])
    layer.eval()(torch.ones(1, 3))
    assert layer.shift[0, 0] == -40.0
    layer.train()(torch.ones(1, 3))
    assert torch.equal(layer.shift.detach(), torch.tensor([[-14.0, 0.0, -1.2]]))
    assert layer.sign.tolist() == [[5.0, -9.0, pytest.approx(0.1)]]


def test_gradients_in_closed_form():
    """dL/dP = dW·W·ln2 (none for a zero), dL/dS = dW without 2^P."""
    layer = layer_with([-1.2, -3.0, -2.0, -40.0], [1.0, -0.8, 0.3, 1.0])
    x = torch.tensor([[3.0, 5.0, 7.0, 2.0]])
    layer(x).sum().backward()
    effective = torch.tensor([[0.5, -0.125, 0.0, 2.0**-14]])
    torch.testing.assert_close(layer.shift.grad, x * effective * math.log(2))
    assert torch.equal(layer.sign.grad, x)


def test_the_shift_gradient_is_the_derivative_of_two_to_the_shift():
    """At integer shifts rounding changes nothing: autograd of 2^P in float64 is the oracle."""
    torch.manual_seed(1)
    shift, sign = -torch.randint(0, 14, (6, 8)).double(), torch.randint(-1, 2, (6, 8)).double()
    layer = ShiftLinear(8, 6, bias=False, method="ps", dtype=torch.float64)
    layer.shift.data, layer.sign.data = shift.clone(), sign.clone()
    x = torch.randn(5, 8, dtype=torch.float64)
    layer(x).square().sum().backward()
    exponent = shift.clone().requires_grad_()
    torch.nn.functional.linear(x, sign * 2**exponent).square().sum().backward()
    torch.testing.assert_close(layer.shift.grad, exponent.grad, rtol=1e-12, atol=0)


def test_start_from_scratch():
    conv = ShiftConv2d(64, 64, 3, method="ps", bits=5)
    assert -10 <= conv.shift.min() < -9.9 and -1.1 < conv.shift.max() <= -1
    linear = ShiftLinear(256, 256, method="ps", bits=5)
    assert -14 <= linear.shift.min() < -13.9 and -0.1 < linear.shift.max() <= 0
    for layer, fan_in in ((conv, 576), (linear, 256)):
        assert 0.49 < (layer.effective_weight == 0).float().mean() < 0.51
        assert layer.bias.abs().max() <= fan_in**-0.5
    assert ShiftConv2d(8, 8, 3, method="ps", bits=3).shift.min() >= -2


@pytest.mark.parametrize("threshold, expected", [(0.0, [0.5, -0.5, 0.5, 0]), (0.3, [0, -0.5, 0.5, 0]),
                                                 (0.5, [0, 0, 0.5, 0]), (0.9, [0, 0, 0, 0])])  # fmt: skip
def test_sign_threshold_is_strict_and_configurable(threshold, expected):
    layer = ShiftLinear(4, 1, bias=False, method="ps", sign_threshold=threshold)
    layer.shift.data[:], layer.sign.data = -1.0, torch.tensor([[0.3, -0.4, 0.6, 0.0]])
    if threshold == 0.3:
        layer.sign.data[0, 0] = torch.tensor(0.3)  # float32(0.3) > 0.3: compared in float32, as the parameter is
    assert layer.effective_weight.tolist() == [expected]


def test_from_a_weight_as_published():
    """P = RNE(log2|w|) in the range, S = sgn(w): a small weight keeps its sign, only 0.0 becomes zero."""
    layer = ShiftLinear(5, 1, bias=False, method="ps", bits=3)
    layer.load_weight(torch.tensor([[0.75, -0.3, 1e-6, 0.0, -9.0]]))
    assert layer.shift.tolist() == [[0.0, -2.0, -2.0, -2.0, 0.0]]
    assert layer.sign.tolist() == [[1.0, -1.0, 1.0, 0.0, -1.0]]


def test_stochastic_rounding_while_training_only():
    torch.manual_seed(0)
    layer = layer_with([-1.25] * 20000, [1.0] * 20000)
    layer.setting = Setting("ps", 5, rounding="stochastic")
    first, second = layer.weight_for_forward(), layer.weight_for_forward()
    assert set(first[0].tolist()) == {0.25, 0.5} and not torch.equal(first, second)
    assert (first == 0.25).float().mean().item() == pytest.approx(0.25, abs=0.015)
    assert set(layer.eval().weight_for_forward()[0].tolist()) == {0.5}


def test_frozen_signs_do_not_move():
    layer = ShiftLinear(8, 4, method="ps", freeze_sign=True)
    before, optimizer = layer.sign.clone(), torch.optim.SGD(layer.parameters(), 1.0)
    layer(torch.randn(3, 8)).square().sum().backward()
    optimizer.step()
    assert layer.sign.grad is None and torch.equal(layer.sign, before)
    assert layer.shift.grad is not None
