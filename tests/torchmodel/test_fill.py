"""A module gets all the weights of a file and nothing else, in whichever form the file has them."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from dscompress.errors import CompileError
from dscompress.torchmodel.fill import fill
from tests.capture import models


class Tied(nn.Module):
    def __init__(self, tied=True):
        super().__init__()
        self.embedding, self.head = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
        if tied:
            self.head.weight = self.embedding.weight


@pytest.mark.parametrize("wrap", [parametrizations.weight_norm, nn.utils.weight_norm])
@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm(wrap, dim):
    torch.manual_seed(0)
    net = nn.Sequential(wrap(nn.Conv1d(4, 8, 3), dim=dim), nn.ReLU(), nn.Conv1d(8, 2, 1))
    x, plain = torch.randn(2, 4, 9), nn.Sequential(nn.Conv1d(4, 8, 3), nn.ReLU(), nn.Conv1d(8, 2, 1))
    notes = []
    fill(plain, net.state_dict(), "net", "c.pt", notes)
    torch.testing.assert_close(plain(x), net(x))
    assert notes == ["weight norm: 1 tensors are computed from their length and direction"]
    newer = nn.Sequential(parametrizations.weight_norm(nn.Conv1d(4, 8, 3), dim=dim), nn.ReLU(), nn.Conv1d(8, 2, 1))
    fill(newer, net.state_dict(), "net", "c.pt", [])
    torch.testing.assert_close(newer(x), net(x))


def test_tied_weights():
    whole = Tied().state_dict()
    for key in whole:
        built = Tied()
        fill(built, {key: whole[key]}, "net", "c.pt", [])
        assert torch.equal(built.head.weight, whole[key]) and built.head.weight is built.embedding.weight
    fill(Tied(), {"model.head.weight": whole["head.weight"]}, "net", "c.pt", [])
    with pytest.raises(CompileError, match="two different tensors, 'embedding.weight' and 'head.weight'"):
        fill(Tied(), Tied(tied=False).state_dict(), "net", "c.pt", [])
    with pytest.raises(CompileError, match="1 missing .head.weight."):
        fill(Tied(tied=False), {"embedding.weight": whole["head.weight"]}, "net", "c.pt", [])


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.bool])
def test_whole_numbers_are_no_weights(dtype):
    """They would be taken as floats without the scale that makes them weights."""
    weights = models.float_net().state_dict()
    with pytest.raises(CompileError, match="4.weight: .* in the file, float32 in the model.*save the float weights"):
        fill(models.float_net(), {**weights, "4.weight": weights["4.weight"].to(dtype)}, "net", "c.pt", [])
