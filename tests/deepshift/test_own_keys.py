"""Layers known by their own keys: S3's and DenseShift's decisions become the weights that their layers compute with."""

import numpy as np
import pytest
import torch
from torch import nn

import dscompress
from dscompress import deepshift
from dscompress.capture import CaptureOptions
from dscompress.errors import CompileError
from dscompress.models import mnist
from dscompress.nn import ShiftConv2d, ShiftLinear
from dscompress.verify import verify_model
from tests.deepshift import originals


def s3_weight(state: dict, layer: str) -> np.ndarray:
    """sgn(a) * [v > 0] * 2^t, t = [c > 0] * ([d > 0] + 1), sgn(0) = 1."""
    a, v, c, d = (state[f"{layer}.weight{kind}"].numpy() for kind in ("", "_val", "_shift", "_shift2"))
    return np.where(a < 0, -1.0, 1.0) * (v > 0) * 2.0 ** ((c > 0) * ((d > 0) + 1.0))


def dense_weight(state: dict, layer: str) -> np.ndarray:
    """sgn(a) * 2^t, t = (([t1 > 0] + 1) * [t2 > 0] + 1) * [t3 > 0]."""
    a, *t = (state[f"{layer}.weight{kind}"].numpy() for kind in ("", "_t1", "_t2", "_t3"))
    b1, b2, b3 = ((each > 0).astype(float) for each in t)
    return np.where(a < 0, -1.0, 1.0) * 2.0 ** (((b1 + 1) * b2 + 1) * b3)


def dense_state(state: dict) -> dict:
    """The same layers with DenseShift's keys."""
    names = {"weight_val": "weight_t1", "weight_shift": "weight_t2", "weight_shift2": "weight_t3"}
    parts = [key.rpartition(".") for key in state]
    pairs = zip(parts, state.values(), strict=True)
    return {f"{layer}.{names.get(kind, kind)}": value for (layer, _, kind), value in pairs}


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return originals.trained(mnist.MODELS["simple_conv"](10))


@pytest.mark.parametrize("twice", [False, True], ids=["weight", "weight and weight_sign"])
def test_s3(tmp_path, network, twice):
    state = originals.decisions(network)
    state["fc1.weight"][0, :3] = 0.0  # a sign of zero is positive, a zero decision is no
    state["fc1.weight_val"][0, 0] = 0.0
    more = {f"{layer}.weight_sign": state[f"{layer}.weight"] for layer in ("conv1", "fc1") if twice}
    content = {"state_dict": originals.with_prefix({**state, **more}, "module.")}
    found = deepshift.load(originals.save(tmp_path / "checkpoint.pth.tar", content))
    assert (found.method, found.bits, found.report.bits_from) == ("s3", 3, "the keys")
    assert list(found.state) == list(network.state_dict())
    for layer in ("conv1", "conv2", "fc1", "fc2"):
        np.testing.assert_array_equal(found.state[f"{layer}.weight"].numpy(), s3_weight(state, layer))
        assert torch.equal(found.state[f"{layer}.bias"], state[f"{layer}.bias"])
    assert found.report.moved == 0 and not found.report.changes
    assert found.notes[0].startswith("S3, 3 bits (from the keys): 4 layers, 430,500 weights, all rounded already, 21")
    assert {(layer.lowest, layer.highest) for layer in found.report.layers} == {(0, 2)}


def test_dense(tmp_path, network):
    state = dense_state(originals.decisions(network))
    found = deepshift.load(originals.save(tmp_path / "x.pth", state))
    assert (found.method, found.bits, found.report.zeros) == ("dense", 3, 0)
    for layer in ("conv1", "conv2", "fc1", "fc2"):
        np.testing.assert_array_equal(found.state[f"{layer}.weight"].numpy(), dense_weight(state, layer))


@pytest.mark.parametrize("kind, bits", [("s3", 2), ("s3", 4), ("dense", 2), ("dense", 4)])
def test_other_bits_and_the_layers_of_dscompress(tmp_path, kind, bits):
    """Their state_dict has weight_sign alone, and a base, which is part of the weight."""
    torch.manual_seed(bits)
    for offset in ("none", "tensor", "channel"):
        layer = ShiftLinear(40, 6, method=kind, bits=bits, offset=offset)
        layer.load_weight(torch.randn(6, 40) * 0.1)
        found = deepshift.load(originals.save(tmp_path / "x.pth", nn.Sequential(layer).state_dict()))
        assert (found.method, found.bits) == (kind, bits)
        assert torch.equal(found.state["0.weight"], layer.effective_weight.detach())
        again = deepshift.into_model(found, nn.Sequential(nn.Linear(40, 6)))
        assert torch.equal(again[0].effective_weight, layer.effective_weight)


def test_training_goes_on_from_the_decisions(tmp_path, network):
    state = originals.decisions(network)
    model = deepshift.into_model(deepshift.load(originals.save(tmp_path / "x.pth", state)))
    assert isinstance(model.conv1, ShiftConv2d) and model.conv1.setting.offset == "none"
    assert torch.equal(model.conv2.weight_sign, state["conv2.weight"])
    np.testing.assert_array_equal(model.fc1.effective_weight.detach().numpy(), s3_weight(state, "fc1"))
    model(torch.randn(2, 1, 28, 28)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def flat() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def flat_of_shift_layers() -> nn.Module:
    return nn.Sequential(nn.Flatten(), ShiftLinear(64, 10, method="s3", bits=3, offset="none"))


@pytest.mark.parametrize("model", ["flat", "flat_of_shift_layers"])
def test_export(tmp_path, model):
    state = originals.decisions(originals.trained(flat()))
    path = originals.save(tmp_path / "checkpoint.pth.tar", {"state_dict": state, "optimizer": {}})
    options = {"model": f"tests.deepshift.test_own_keys:{model}", "input_shape": "1,1,8,8"}
    report = dscompress.compile_model(path, tmp_path / "m.dsf", **options)
    assert report.shift_weights == 1
    assert verify_model(tmp_path / "m.dsf", path, CaptureOptions(**options), samples=2).same
    weight = dscompress.capture.capture(path, CaptureOptions(**options)).model.graph.initializers["1.weight"]
    np.testing.assert_array_equal(weight.const_value.numpy(), s3_weight(state, "1"))


@pytest.mark.parametrize("change, text", [
    ({"a.weight_sign": torch.zeros(2, 2)}, "layer 'a' whose weight and weight_sign differ"),
    ({"a.weight_shift": None}, "has a layer 'a' with .*, which no S3 layer has together"),
    ({"a.weight_val": torch.ones(2, 3)}, "layer 'a' whose tensors are of several shapes"),
    ({"a.weight_val": torch.ones(2, 2).int()}, "whose weight_val is of type torch.int32"),
    ({"a.more": torch.ones(2, 2)}, "which no S3 layer has together"),
    ({"b.shift": torch.ones(2, 2), "b.sign": torch.ones(2, 2)}, "layers of DeepShift-PS and of S3"),
    ({"a.base": torch.ones(7)}, "whose base or scale does not fit its weight"),
])  # fmt: skip
def test_what_is_no_layer(tmp_path, change, text):
    state = {f"a.{name}": torch.ones(2, 2) for name in ("weight", "weight_val", "weight_shift", "weight_shift2")}
    state = {key: value for key, value in {**state, **change}.items() if value is not None}
    with pytest.raises(CompileError, match=text):
        deepshift.load(originals.save(tmp_path / "x.pth", state))


def test_options_against_the_keys(tmp_path):
    state = {f"a.{name}": torch.ones(2, 2) for name in ("weight", "weight_val", "weight_shift", "weight_shift2")}
    path = originals.save(tmp_path / "x.pth", state)
    with pytest.raises(CompileError, match="has the tensors of 3 bits in S3 layer 'a'; leave out --bits 4"):
        deepshift.load(path, bits=4)
    for method in ("q", "ps", "float"):
        with pytest.raises(CompileError, match=f"holds S3 layers .'a'.; leave out --method {method}"):
            deepshift.load(path, method=method)


def test_a_shift_that_is_no_layers_exponent(tmp_path):
    """An affine layer's scale and shift, say; without a sign it is nothing of PS."""
    state = {"norm.scale": torch.ones(3), "norm.shift": torch.randn(3), "fc.weight": torch.randn(4, 3)}
    found = deepshift.load(originals.save(tmp_path / "x.pth", state))
    assert found.method is None and torch.equal(found.state["norm.shift"], state["norm.shift"])
