"""Columns: the matrix product over them is the layer itself."""

import pytest
import torch
from torch import nn

from dscompress.capture.torch_export import export_module
from dscompress.ptq.network import network_of

LAYERS = {
    "grouped": (nn.Conv2d(6, 8, 3, 2, (1, 2), groups=2, bias=False), (6, 9, 11)),
    "depthwise": (nn.Conv2d(6, 12, 3, padding=1, groups=6, bias=False), (6, 5, 5)),
    "same": (nn.Conv2d(6, 4, (3, 2), padding="same", dilation=2, bias=False), (6, 9, 11)),
    "valid": (nn.Conv2d(3, 4, 2, padding="valid", bias=False), (3, 6, 6)),
    "one dimension": (nn.Conv1d(4, 8, 3, stride=2, padding=1, bias=False), (4, 9)),
    "circular": (nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular", bias=False), (3, 6, 6)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_convolutions(name):
    module, shape = LAYERS[name]
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    network = network_of(export_module(nn.Sequential(module, nn.ReLU()).eval(), [(2, *shape)], True, "test"))
    layer = next(iter(network.layers.values()))
    entering = nn.functional.pad(x, (1, 1, 1, 1), mode="circular") if name == "circular" else x
    columns = layer.columns(entering, 10**6, torch.Generator())(entering)
    seen = columns @ layer.as_matrix(module.weight.detach()).mT  # [groups, images * positions, outputs]
    expected = module(x).detach().flatten(2)  # [images, groups * outputs, positions]
    expected = expected.unflatten(1, (layer.groups, -1)).permute(1, 0, 3, 2).flatten(1, 2)
    torch.testing.assert_close(seen, expected, rtol=1e-5, atol=1e-5)


def test_linear_takes_any_number_of_dimensions():
    module = nn.Linear(5, 7, bias=False)
    x = torch.randn(2, 3, 4, 5)
    network = network_of(export_module(module.eval(), [(2, 3, 4, 5)], True, "test"))
    layer = next(iter(network.layers.values()))
    columns = layer.columns(x, 10**6, torch.Generator())(x)
    expected = module(x).detach().reshape(1, 24, 7)
    torch.testing.assert_close(columns @ layer.as_matrix(module.weight.detach()).mT, expected, rtol=1e-5, atol=1e-5)


def test_fewer_rows_are_a_selection():
    x = torch.arange(24.0)[:, None].expand(24, 4)
    network = network_of(export_module(nn.Linear(4, 1).eval(), [(2, 4)], True, "test"))
    layer = next(iter(network.layers.values()))
    some = layer.columns(x, 10, torch.Generator().manual_seed(1))(x)[0, :, 0].tolist()
    assert len(set(some)) == 10 and set(some) <= set(range(24))
