"""A small net that knows the digits, trained once, and inputs to convert it with."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

from dscompress.training import digits


def small_net() -> nn.Module:
    """A convolution, a depthwise and a pointwise one, each with BatchNorm; a hidden linear layer and a last one."""
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False), nn.BatchNorm2d(12), nn.ReLU(inplace=True),
        nn.Conv2d(12, 24, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU(inplace=True),
        nn.Flatten(), nn.Linear(384, 32), nn.ReLU(), nn.Linear(32, 10),
    )  # fmt: skip


@pytest.fixture(scope="session")
def scans():
    """Those to train on and those held out, [count, 1, 8, 8] with their classes."""
    data = digits(held_out=0.25)
    return data.train.images, data.train.targets, data.validation.images, data.validation.targets


@pytest.fixture(scope="session")
def trained(scans):
    warnings.simplefilter("ignore", FutureWarning)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.set_num_threads(1)
        net = small_net()
        optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
        for _ in range(8):
            for batch in torch.randperm(len(scans[0])).split(32):
                optimizer.zero_grad()
                functional.cross_entropy(net(scans[0][batch]), scans[1][batch]).backward()
                optimizer.step()
    return net.eval()


@pytest.fixture(scope="session")
def inputs(scans):
    return scans[0][:160]
