"""Shift layers as a trainer uses them: mixed precision, DistributedDataParallel, a loss that falls for every method."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from dscompress.nn import convert, parameter_groups, regularization

SETTINGS = [("q", 5, {}), ("ps", 5, {}), ("s3", 3, {}), ("dense", 3, {}), ("q", 3, dict(scale="trained"))]


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 16), nn.ReLU(),
        nn.Linear(16, 4),
    )  # fmt: skip


def data() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    labels = torch.randint(4, (64,))
    return torch.randn(4, 1, 6, 6)[labels] + 0.5 * torch.randn(64, 1, 6, 6), labels


@pytest.mark.parametrize("mixed", [False, True], ids=["float32", "autocast"])
@pytest.mark.parametrize("method, bits, setting", SETTINGS, ids=str)
def test_learns(method, bits, setting, mixed):
    model, _ = convert(net(), method, bits, **setting)
    optimizer = torch.optim.Adam(parameter_groups(model, 1e-4), 0.05)
    x, labels = data()
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = nn.functional.cross_entropy(model(x), labels)
        losses.append(loss.item())
        (loss + regularization(model, 1e-4)).backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_autocast_computes_with_the_effective_weight_in_bfloat16():
    layer, _ = convert(nn.Linear(16, 4), "ps", 4)
    x = torch.randn(3, 16)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x)
    expected = nn.functional.linear(x.bfloat16(), layer.effective_weight.bfloat16(), layer.bias.bfloat16())
    assert found.dtype == torch.bfloat16 and torch.equal(found, expected)


def test_distributed_data_parallel_takes_the_same_step(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        model, _ = convert(net(), "ps", 4, override={"4": {"method": "q", "scale": "trained"}})
        alone = copy.deepcopy(model)
        x, labels = data()
        for one in (DistributedDataParallel(model), alone):
            optimizer = torch.optim.SGD(one.parameters(), 0.1)
            nn.functional.cross_entropy(one(x), labels).backward()
            optimizer.step()
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), alone.parameters(), strict=True))
    finally:
        torch.distributed.destroy_process_group()
