"""Gradients of every method against float64 autograd of the straight-through formulas, written with detach()."""

import math

import pytest
import torch
from torch.nn import functional

from dscompress.nn import Setting, ShiftConv2d, ShiftLinear, regularization, shift_regularization


def through(latent: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """`value`, with the gradient of `latent`."""
    return latent + (value - latent).detach()


def oracle_q(p: dict, unit, bits: int) -> torch.Tensor:
    relative = p["weight"] / unit
    clamped = relative.abs().clamp(2.0 ** -(2 ** (bits - 1) - 1), 1)
    return unit * through(relative, torch.sign(relative) * 2 ** torch.round(torch.log2(clamped)))


def oracle_ps(p: dict, unit, bits: int) -> torch.Tensor:
    exponent = through(p["shift"], torch.round(p["shift"].clamp(-(2 ** (bits - 1) - 2), 0)))
    sign = torch.sign(p["sign"]) * (p["sign"].abs() > 0.5)
    return unit * (through(p["sign"] - p["sign"].detach(), sign * 0) + sign.detach() * 2**exponent)


def decide(latent: torch.Tensor) -> torch.Tensor:
    return through(latent, (latent > 0).double())


def oracle_s3(p: dict, unit, bits: int) -> torch.Tensor:
    sign = through(p["weight_sign"], torch.where(p["weight_sign"] >= 0, 1.0, -1.0).double())
    level = decide(p["weight_shift"]) * (decide(p["weight_shift2"]) + 1)
    return unit * sign * decide(p["weight_val"]) * 2**level


def oracle_dense(p: dict, unit, bits: int) -> torch.Tensor:
    sign = through(p["weight_sign"], torch.where(p["weight_sign"] >= 0, 1.0, -1.0).double())
    level = ((decide(p["weight_t1"]) + 1) * decide(p["weight_t2"]) + 1) * decide(p["weight_t3"])
    return unit * sign * 2**level


ORACLES = {"q": oracle_q, "ps": oracle_ps, "s3": oracle_s3, "dense": oracle_dense}
UNITS = [dict(offset="none"), dict(offset="tensor"), dict(offset="channel"), dict(scale="fixed"), dict(scale="trained")]


@pytest.mark.parametrize("unit", UNITS, ids=str)
@pytest.mark.parametrize("method, bits", [("q", 5), ("q", 2), ("ps", 4), ("ps", 2), ("s3", 3), ("dense", 3)])
def test_every_parameter_and_the_input(method, bits, unit):
    torch.manual_seed(1)
    setting = Setting(method, bits, **unit)
    layer = ShiftConv2d(4, 6, 3, stride=2, padding=1, groups=2, dtype=torch.float64, setting=setting)
    for name in layer.parameter_names():
        getattr(layer, name).data += 0.3 * torch.randn_like(getattr(layer, name))
    x = torch.randn(3, 4, 7, 7, dtype=torch.float64, requires_grad=True)
    layer(x).square().sum().backward()

    free = {name: parameter.detach().clone().requires_grad_() for name, parameter in layer.named_parameters()}
    if unit.get("scale") == "trained":
        units = free["scale"].reshape(-1, 1, 1, 1)
    else:
        units = torch.ones((), dtype=torch.float64) if layer.unit is None else layer.unit.detach()
    weight = ORACLES[method](free, units, bits)
    assert torch.equal(weight.float(), layer.effective_weight.float())
    y = x.detach().clone().requires_grad_()
    functional.conv2d(y, weight, free["bias"], 2, 1, groups=2).square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-10, atol=1e-12)
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(parameter.grad, free[name].grad, rtol=1e-10, atol=1e-12, msg=name)


def test_the_input_is_rounded_in_the_weights_gradient_too():
    """Q: dL/dw is dL/dy times the fixed-point input."""
    layer = ShiftLinear(2, 1, bias=False, method="q", bits=5, activation=(3, 5))
    layer(torch.tensor([[-0.01, 3.5]])).sum().backward()
    assert layer.weight.grad.tolist() == [[-0.03125, 3.0]]


def test_shift_regularization():
    """0.5 * sum of 4^P: unrounded, zeros too; its gradient is 4^P ln 2; a layer in a unit counts unit * 2^P."""
    layer = ShiftLinear(3, 1, bias=False, method="ps")
    layer.shift.data, layer.sign.data = torch.tensor([[-0.5, -1.0, -2.2]]), torch.tensor([[1.0, 0.0, -1.0]])
    value = shift_regularization(layer)
    value.backward()
    powers = torch.tensor([[0.5, 0.25, 2**-4.4]])
    torch.testing.assert_close(value, 0.5 * powers.sum())
    torch.testing.assert_close(layer.shift.grad, powers * math.log(2))
    torch.testing.assert_close(regularization(layer, 1e-2), 1e-2 * value)

    based = ShiftLinear(3, 1, bias=False, method="ps", offset="tensor")
    based.shift.data, based.base[:] = layer.shift.data.clone(), -3
    torch.testing.assert_close(shift_regularization(based), value * 2**-6)


def test_models_without_such_layers_have_no_regulariser():
    assert regularization(torch.nn.Linear(2, 2), 1.0).item() == 0
    assert regularization(ShiftLinear(2, 2, method="q"), 1.0).item() == 0
