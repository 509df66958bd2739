"""DenseShift by hand: every code of 3 bits, gradients of the nested decisions in closed form, starts."""

import math

import pytest
import torch

from dscompress.nn import ShiftConv2d, ShiftLinear


def layer_with(a: list[float], t1: list[float], t2: list[float], t3: list[float]) -> ShiftLinear:
    layer = ShiftLinear(len(a), 1, bias=False, method="dense", bits=3, offset="none")
    for name, values in (("weight_sign", a), ("weight_t1", t1), ("weight_t2", t2), ("weight_t3", t3)):
        getattr(layer, name).data = torch.tensor([values])
    return layer


@pytest.mark.parametrize("a, t1, t2, t3, effective", [
    (0.1, -1.0, -1.0, -1.0, 1.0),
    (0.1, 1.0, 1.0, -1.0, 1.0),   # t3 is outermost: without it nothing counts
    (-0.1, 1.0, -1.0, 1.0, -2.0),
    (-0.1, -1.0, 1.0, 1.0, -4.0),
    (0.1, 0.01, 0.01, 0.01, 8.0),
    (0.0, 0.0, 0.0, 0.0, 1.0),    # sgn(0) = 1, decisions are strict: never zero
])  # fmt: skip
def test_effective_weight(a, t1, t2, t3, effective):
    assert layer_with([a], [t1], [t2], [t3]).effective_weight.item() == effective


@pytest.mark.parametrize("bits, values", [(2, {1, 2}), (3, {1, 2, 4, 8}), (4, {2**t for t in range(8)})])
def test_codes(bits, values):
    torch.manual_seed(0)
    layer = ShiftLinear(1000, 50, method="dense", bits=bits, offset="none")
    assert set(layer.effective_weight.abs().unique().tolist()) == values


def test_gradients_in_closed_form():
    """b = (1, 0, 1), so t = 1, W = 2: dt/db3 = (b1 + 1) b2 + 1 = 1, dt/db2 = (b1 + 1) b3 = 2, dt/db1 = b2 b3 = 0."""
    layer = layer_with([0.2], [0.3], [-0.3], [0.3])
    layer(torch.tensor([[3.0]])).sum().backward()
    assert layer.weight_sign.grad.item() == 3 * 2
    level = 3 * 2 * math.log(2)
    found = [getattr(layer, f"weight_t{n}").grad.item() for n in (1, 2, 3)]
    assert found == pytest.approx([0, 2 * level, level])


def test_from_a_weight_in_its_own_base():
    layer = ShiftLinear(6, 1, bias=False, method="dense", bits=3)
    layer.load_weight(torch.tensor([[0.9, -0.55, 0.26, 0.1, 0.0, -0.12]]))
    assert layer.base.tolist() == [-3]
    assert layer.effective_weight.tolist() == [[1.0, -0.5, 0.25, 0.125, 0.125, -0.125]]


def test_names_in_the_state_dict():
    names = ["weight_sign", "weight_t1", "weight_t2", "weight_t3", "bias", "base"]
    assert list(ShiftConv2d(2, 4, 3, method="dense", bits=3).state_dict()) == names
