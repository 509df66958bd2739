"""Offsets and scales: values by hand, fits that nothing beats, exact weights taken exactly."""

import pytest
import torch
from torch import nn

from dscompress.compile.encode import encode
from dscompress.nn import METHODS, Setting, ShiftConv2d, ShiftLinear, convert

BITS = {"q": 4, "ps": 4, "s3": 3, "dense": 3}
UNITS = [dict(offset="tensor"), dict(offset="channel"), dict(scale="fixed"), dict(scale="trained")]


def test_weights_above_one():
    """4-bit Q without an offset ends at 1; with base 2 its codes are 4, 2, 1, ... 2^-5."""
    weight = torch.tensor([[3.0, -5.0, 0.7, 0.001]])
    layer = ShiftLinear(4, 1, bias=False, method="q", bits=4)
    layer.load_weight(weight)
    assert layer.effective_weight.tolist() == [[1.0, -1.0, 0.5, 2**-7]]
    layer = ShiftLinear(4, 1, bias=False, method="q", bits=4, offset="tensor")
    layer.load_weight(weight)
    assert layer.base.tolist() == [2] and layer.base.dtype == torch.int32
    assert layer.effective_weight.tolist() == [[4.0, -4.0, 0.5, 2**-5]]


def test_a_base_for_each_channel():
    layer = ShiftLinear(3, 3, bias=False, method="ps", bits=3, offset="channel")
    layer.load_weight(torch.tensor([[8.0, 2.0, 4.0], [0.008, 0.03, 0.016], [0.0, 0.0, 0.0]]))
    assert layer.base.tolist()[:2] == [3, -5]
    assert layer.effective_weight.tolist() == [[8.0, 2.0, 4.0], [2**-7, 2**-5, 2**-6], [0.0, 0.0, 0.0]]


def test_a_scale_for_each_channel_finds_the_weights_own():
    torch.manual_seed(0)
    codes = torch.sign(torch.randn(5, 40)) * 2.0 ** -torch.randint(0, 5, (5, 40))
    weight = codes * torch.tensor([0.3, 1.7, 12.0, 1e-3, 0.9])[:, None]
    for method in ("q", "ps"):
        layer = ShiftLinear(40, 5, bias=False, method=method, bits=4, scale="fixed")
        layer.load_weight(weight)
        torch.testing.assert_close(layer.effective_weight, weight, rtol=1e-6, atol=0)


@pytest.mark.parametrize("unit", UNITS, ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_weights_made_of_codes_are_taken_exactly(method, unit):
    torch.manual_seed(2)
    layer = ShiftConv2d(4, 8, 3, method=method, bits=BITS[method], **unit)
    weight = layer.effective_weight.detach()
    twin = ShiftConv2d(4, 8, 3, method=method, bits=BITS[method], **unit)
    twin.load_weight(weight, layer.unit.detach().reshape(-1))
    assert torch.equal(twin.effective_weight, weight)


@pytest.mark.parametrize("unit", UNITS, ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_no_other_unit_near_it_is_better(method, unit):
    torch.manual_seed(3)
    weight = torch.randn(6, 300) * torch.tensor([0.01, 0.1, 1.0, 3.0, 10.0, 0.2])[:, None]
    layer = ShiftLinear(300, 6, bias=False, method=method, bits=BITS[method], **unit)
    layer.load_weight(weight)
    fitted = layer.unit.detach().reshape(-1)

    def error(units: torch.Tensor) -> torch.Tensor:
        layer.load_weight(weight, units)
        errors = (layer.effective_weight - weight).square().sum(1)
        return errors.sum()[None] if len(units) == 1 else errors

    least = error(fitted)
    factors = (0.5, 2.0, 4.0) if "offset" in unit else (0.5, 0.98, 1.02, 2.0)
    for factor in factors:
        assert (error(fitted * factor) >= least * 0.97).all()


@pytest.mark.parametrize("unit", UNITS, ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_every_unit_exports_as_shift_codes(method, unit):
    torch.manual_seed(0)
    layer, _ = convert(nn.Conv2d(8, 16, 3), method, BITS[method], **unit)
    stored = encode(layer.effective_weight.detach().numpy(), (0, 1, 2, 3))
    assert stored.codec == "shift" and stored.shift.bits <= BITS[method] + (method == "ps")


def test_training_keeps_a_scale_positive():
    layer = ShiftLinear(4, 2, method="q", scale="trained")
    layer.scale.data[:] = torch.tensor([-1.0, 0.5])
    layer(torch.randn(3, 4)).sum().backward()
    assert layer.scale.data[0] > 0 and torch.isfinite(layer.weight.grad).all() and layer.scale.grad is not None


def test_units_that_do_not_fit():
    with pytest.raises(ValueError, match="neither an offset nor a scale"):
        ShiftLinear(2, 2, method="q").load_weight(torch.ones(2, 2), torch.ones(1))
    with pytest.raises(ValueError, match="a scale holds any offset"):
        Setting("q", 4, offset="tensor", scale="fixed")
    assert Setting("s3", 3).offset == "tensor" and Setting("s3", 3, scale="fixed").offset == "none"
