"""parameter_groups: what decays, what does not, and the signs' own rate."""

import torch
from torch import nn

from dscompress.nn import convert, parameter_groups


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(4, 3))


def names_in(model: nn.Module, group: dict) -> set[str]:
    return {name for name, parameter in model.named_parameters() if any(parameter is p for p in group["params"])}


def test_ps():
    model, _ = convert(net(), "ps")
    groups = parameter_groups(model, 1e-4, sign_lr=0.5)
    assert [group["name"] for group in groups] == ["others", "sign", "shift"]
    assert [group["weight_decay"] for group in groups] == [1e-4, 0, 0]
    assert names_in(model, groups[0]) == {"0.bias", "1.weight", "1.bias", "2.bias"}
    assert names_in(model, groups[1]) == {"0.sign", "2.sign"}
    assert names_in(model, groups[2]) == {"0.shift", "2.shift"}
    optimizer = torch.optim.SGD(groups, lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5, 0.1]


def test_q_decays_like_a_float_layer():
    model, _ = convert(net(), "q")
    (group,) = parameter_groups(model, 1e-4)
    assert names_in(model, group) == {name for name, _ in model.named_parameters()}


def test_decisions_and_scales_do_not_decay():
    model, _ = convert(net(), "s3", 3, scale="trained", skip="0")
    groups = {group["name"]: names_in(model, group) for group in parameter_groups(model, 1e-4)}
    assert groups["sign"] == {"2.weight_sign"}
    assert groups["shift"] == {"2.weight_val", "2.weight_shift", "2.weight_shift2", "2.scale"}
    assert groups["others"] == {"0.weight", "0.bias", "1.weight", "1.bias", "2.bias"}


def test_what_is_frozen_is_left_out():
    model, _ = convert(net(), "ps", freeze_sign=True)
    assert [group["name"] for group in parameter_groups(model, 0.0)] == ["others", "shift"]
