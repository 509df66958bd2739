"""describe gives plain values; restore makes the same layers from them, or says why it cannot."""

import copy
import json
import re

import pytest
import torch
from torch import nn

from dscompress.nn import Setting, ShiftLinear, convert, describe, restore


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(16, 6), nn.Linear(6, 3))


def test_a_model_comes_back_from_plain_values_and_its_state_dict(tmp_path):
    model, _ = convert(
        net(), "ps", bits={"0": 4, "3": 3}, sign_threshold=0.4, activation=(8, 8), rounding="stochastic",
        override={"3": {"method": "s3", "rounding": "nearest", "freeze_sign": True, "scale": "trained"}}, skip="4",
    )  # fmt: skip
    model.eval()
    torch.save({"layers": describe(model), "state_dict": model.state_dict()}, tmp_path / "net.pt")
    checkpoint = torch.load(tmp_path / "net.pt", weights_only=True)
    again = json.loads(json.dumps(checkpoint["layers"]))
    twin = restore(net(), again).eval()
    twin.load_state_dict(checkpoint["state_dict"])
    x = torch.randn(5, 2, 4, 4)
    assert torch.equal(twin(x), model(x)) and describe(twin) == describe(model)
    assert type(twin[4]) is nn.Linear and not twin[3].weight_sign.requires_grad
    assert twin[0].setting == Setting("ps", 4, sign_threshold=0.4, activation=(8, 8), rounding="stochastic")


def test_restoring_twice_changes_nothing():
    model, _ = convert(net(), "dense", 3)
    layers = list(model)
    assert list(restore(model, describe(model))) == layers


def test_a_single_layer_comes_back_new():
    layer, _ = convert(nn.Linear(2, 2), "q")
    assert isinstance(restore(nn.Linear(2, 2), describe(layer)), ShiftLinear)


@pytest.mark.parametrize("description, found", [
    ({"9": Setting().plain()}, "a shift layer '9', the model no such module"),
    ({"1": Setting().plain()}, "layer '1' is a ReLU in the model"),
    ({"0": {"method": "q", "bits": 9}}, "layer '0' of the description: bits=9"),
    ({"0": {"method": "inq"}}, "layer '0' of the description: no method 'inq'"),
    ({"0": {"method": "q", "colour": 1}}, "has 'colour'; it takes method, bits"),
    ({"0": Setting("q").plain(), "3": {"method": 3}}, "layer '3' of the description"),
])  # fmt: skip
def test_descriptions_that_do_not_fit_change_nothing(description, found):
    model = net()
    before = list(model)
    with pytest.raises(ValueError, match=re.escape(found)):
        restore(model, description)
    assert list(model) == before


def test_another_setting_is_named():
    model, _ = convert(net(), "q", 4)
    with pytest.raises(ValueError, match="bits=4.*in the model and.*bits=5"):
        restore(model, {"0": Setting("q", 5).plain()})


def test_deepcopy_is_a_copy():
    model, _ = convert(net(), "s3", 3)
    twin = copy.deepcopy(model)
    x = torch.randn(2, 2, 4, 4)
    assert torch.equal(twin(x), model(x)) and describe(twin) == describe(model)
    twin[0].weight_sign.data.neg_()
    assert not torch.equal(twin(x), model(x))
