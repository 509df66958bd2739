"""A trained-looking PS model, an input for it, and what the model answers."""

import pytest
import torch

from tests.capture.models import ps_net


@pytest.fixture(scope="session")
def net():
    torch.manual_seed(0)
    return ps_net().eval()


@pytest.fixture(scope="session")
def x():
    torch.manual_seed(1)
    return torch.randn(5, 1, 8, 8)


@pytest.fixture(scope="session")
def answer(net, x):
    with torch.no_grad():
        return net(x).numpy()
