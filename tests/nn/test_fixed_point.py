"""Fixed-point activations and biases: floor, the published clamp, which layer rounds what."""

import pytest
import torch
from torch.nn import functional

from dscompress.nn import Setting, ShiftConv2d, ShiftLinear, round_in_place
from dscompress.nn.fixed_point import fixed_point


@pytest.mark.parametrize("x, form, expected", [
    (-0.01, (3, 5), -0.03125),        # floor, not nearest
    (0.031, (3, 5), 0.0),
    (0.03125, (3, 5), 0.03125),
    (1.999, (3, 5), 1.96875),
    (3.5, (3, 5), 3.0),               # the upper bound is a whole number
    (2.99, (3, 5), 2.96875),
    (-3.99, (3, 5), -4.0),
    (-100.0, (3, 5), -4.0),
    (7.9, (2, 0), 1.0),
    (-1.5, (2, 0), -2.0),
    (1.0 / 3, (16, 16), 21845 / 65536),
    (-1.0 / 3, (16, 16), -21846 / 65536),
    (1e9, (16, 16), 32767.0),
    (-1e9, (16, 16), -32768.0),
])  # fmt: skip
def test_values(x, form, expected):
    assert fixed_point(torch.tensor(x), form).item() == expected


def test_the_gradient_passes_everywhere():
    x = torch.tensor([-100.0, -0.01, 0.4, 9.0], requires_grad=True)
    (fixed_point(x, (3, 5)) * torch.tensor([1.0, 2, 3, 4])).sum().backward()
    assert x.grad.tolist() == [1, 2, 3, 4]


def test_half_precision_is_rounded_in_float32():
    x = torch.tensor([0.1], dtype=torch.bfloat16)
    assert fixed_point(x, (3, 5)).item() == 3 / 32 and fixed_point(x, (3, 5)).dtype == torch.bfloat16


@pytest.mark.parametrize("form", [(1, 7), (0, 8), (3, -1), (20, 13), (3,), "3,5", (3.0, 5)])
def test_formats_that_make_no_sense(form):
    with pytest.raises(ValueError, match="activation="):
        Setting(activation=form)


@pytest.mark.parametrize("kind, method, input_rounded, bias_rounded", [
    ("conv", "ps", True, True),
    ("conv", "q", True, True),
    ("linear", "ps", False, False),
    ("linear", "q", True, False),
])  # fmt: skip
def test_which_layer_rounds_what(kind, method, input_rounded, bias_rounded):
    torch.manual_seed(0)
    setting = Setting(method, 5, activation=(3, 5))
    layer = ShiftConv2d(2, 3, 1, setting=setting) if kind == "conv" else ShiftLinear(2, 3, setting=setting)
    x = torch.randn(4, 2, 5, 5) if kind == "conv" else torch.randn(4, 2)
    given = fixed_point(x, (3, 5)) if input_rounded else x
    bias = fixed_point(layer.bias, (3, 5)) if bias_rounded else layer.bias
    run = functional.conv2d if kind == "conv" else functional.linear
    assert torch.equal(layer(x), run(given, layer.effective_weight, bias))
    assert not torch.equal(layer.bias, fixed_point(layer.bias, (3, 5)))


@pytest.mark.parametrize("method", ["q", "ps"])
def test_round_in_place_rounds_parameters_and_every_bias(method):
    layer = ShiftLinear(64, 16, method=method, bits=3)
    effective, bias = layer.effective_weight.clone(), layer.bias.detach().clone()
    round_in_place(layer)
    assert torch.equal(layer.effective_weight, effective)
    assert torch.equal(layer.bias, torch.floor(bias * 65536) / 65536)
    if method == "q":
        assert torch.equal(layer.weight, effective)
    else:
        assert set(layer.sign.unique().tolist()) == {-1, 0, 1} and torch.equal(layer.shift, layer.shift.round())
    again = {name: value.clone() for name, value in layer.state_dict().items()}
    round_in_place(layer, bias_format=None)
    assert all(torch.equal(again[name], value) for name, value in layer.state_dict().items())
