"""Both layers against torch's own with the effective weights: every argument, names in the state_dict, errors."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from dscompress.nn import ShiftConv2d, ShiftLinear

CONVOLUTIONS = [
    dict(),
    dict(stride=2, padding=1),
    dict(stride=(2, 1), padding=(0, 2), dilation=(1, 2)),
    dict(padding="same", dilation=2),
    dict(padding="valid"),
    dict(groups=2),
    dict(groups=4, bias=False),
    dict(padding=1, padding_mode="reflect"),
    dict(padding=(2, 1), padding_mode="replicate"),
    dict(padding=(2, 1), padding_mode="circular"),
    dict(padding="same", padding_mode="circular", groups=2, bias=False),
]


@pytest.mark.parametrize("method", ["q", "ps"])
@pytest.mark.parametrize("arguments", CONVOLUTIONS, ids=str)
def test_conv_equals_torch_with_the_effective_weight(method, arguments):
    torch.manual_seed(0)
    layer = ShiftConv2d(4, 8, 3, method=method, bits=4, **arguments)
    plain = nn.Conv2d(4, 8, 3, **arguments)
    plain.weight.data = layer.effective_weight.detach()
    if layer.bias is not None:
        plain.bias.data = layer.bias.data
    x = torch.randn(2, 4, 9, 10)
    assert torch.equal(layer(x), plain(x))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding_modes_pad_as_named(mode):
    layer = ShiftConv2d(2, 3, 3, padding=(2, 1), padding_mode=mode, method="q")
    x = torch.randn(1, 2, 6, 6)
    padded = functional.pad(x, (1, 1, 2, 2), mode=mode)
    assert torch.equal(layer(x), functional.conv2d(padded, layer.effective_weight, layer.bias))


@pytest.mark.parametrize("method", ["q", "ps"])
@pytest.mark.parametrize("shape", [(8,), (3, 8), (2, 3, 8)])
def test_linear_takes_any_leading_dimensions(method, shape):
    layer = ShiftLinear(8, 5, method=method)
    x = torch.randn(shape)
    assert torch.equal(layer(x), functional.linear(x, layer.effective_weight, layer.bias))


@pytest.mark.parametrize("method, bias, names", [
    ("q", True, ["weight", "bias"]),
    ("q", False, ["weight"]),
    ("ps", True, ["shift", "sign", "bias"]),
    ("ps", False, ["shift", "sign"]),
])  # fmt: skip
def test_names_in_the_state_dict(method, bias, names):
    assert list(ShiftConv2d(2, 4, 3, bias=bias, method=method).state_dict()) == names
    assert list(ShiftLinear(2, 4, bias=bias, method=method).state_dict()) == names


def test_a_layer_used_twice_can_be_trained():
    layer = ShiftLinear(4, 4, method="ps")
    x = torch.randn(2, 4)
    (layer(layer(x)).sum() + layer.shift.square().sum()).backward()
    assert layer.shift.grad is not None


def test_device_and_dtype():
    assert ShiftConv2d(2, 4, 3, method="ps", dtype=torch.float64).shift.dtype == torch.float64
    assert ShiftLinear(2, 4, method="q", device="meta").weight.is_meta


@pytest.mark.parametrize("bits", [1, 6, 0, True, 2.5])
def test_bits_out_of_range(bits):
    with pytest.raises(ValueError, match=r"bits=.*2\.\.5"):
        ShiftLinear(2, 2, bits=bits)


def test_an_unknown_method_names_the_known():
    with pytest.raises(ValueError, match="no method 'inq': the methods are 'q', 'ps', 's3' and 'dense'"):
        ShiftConv2d(2, 2, 1, method="inq")


def test_repr_says_method_and_bits():
    assert "method='q', bits=3" in repr(ShiftLinear(2, 2, method="q", bits=3))
