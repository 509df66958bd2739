"""convert keeps what a layer has, and says what it left and why; bake gives plain layers with equal answers."""

import copy

import pytest
import torch
from torch import nn

from dscompress.nn import ShiftConv2d, ShiftLinear, bake, convert


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect", bias=False),
        nn.BatchNorm2d(4),
        nn.Sequential(nn.Conv2d(4, 4, 3, groups=2, dilation=2), nn.ReLU()),
        nn.Conv1d(16, 3, 1),
        nn.Linear(3, 5),
    )


@pytest.mark.parametrize("method", ["q", "ps"])
def test_converts_in_place_in_order(method):
    model = net()
    returned, report = convert(model, method, bits=4)
    assert returned is model
    assert [layer.name for layer in report.converted] == ["0", "2.0", "4"]
    assert [(layer.name, layer.reason) for layer in report.left] == [
        ("3", "only exactly nn.Conv2d and nn.Linear are converted")
    ]
    assert str(report).startswith(f"3 layers, 159 weights: 4-bit {method}")
    assert isinstance(model[0], ShiftConv2d) and isinstance(model[4], ShiftLinear)
    assert model[0].padding_mode == "reflect" and model[0].bias is None
    assert (model[2][0].groups, model[2][0].dilation, model[2][0].bits) == (2, (2, 2), 4)


@pytest.mark.parametrize("bits", [2, 3, 4, 5])
def test_starts_from_the_weights(bits):
    weight = torch.tensor([[0.9, -0.3, 0.0, 1e-9, -5.0, 0.7]])
    for method in ("q", "ps"):
        layer = nn.Linear(6, 1)
        layer.weight.data = weight.clone()
        new, _ = convert(layer, method, bits)
        lowest = {"q": -(2 ** (bits - 1) - 1), "ps": -(2 ** (bits - 1) - 2)}[method]
        rounded = [max(k, lowest) for k in (0, -2, -30, 0, -1)]
        expected = [2.0 ** rounded[0], -(2.0 ** rounded[1]), 0, 2.0 ** rounded[2], -(2.0 ** rounded[3]),
                    2.0 ** rounded[4]]  # fmt: skip
        assert new.effective_weight.tolist() == [expected]


def test_keeps_bias_dtype_training_flag_and_requires_grad():
    model = nn.Sequential(nn.Linear(2, 3, dtype=torch.float64), nn.Linear(3, 4)).eval()
    model[0].weight.requires_grad_(False)
    bias = model[1].bias
    convert(model, "ps")
    assert model[0].shift.dtype == torch.float64 and not model[0].sign.requires_grad
    assert model[1].bias is bias and model[1].shift.requires_grad and not model[1].training


@pytest.mark.parametrize("skip, left", [
    ("0", ["0"]),
    (["2"], ["2.0"]),
    (("2.*", nn.Linear), ["2.0", "4"]),
    (nn.Conv2d, ["0", "2.0"]),
])  # fmt: skip
def test_skip_by_name_pattern_and_type(skip, left):
    _, report = convert(net(), "q", skip=skip)
    assert [layer.name for layer in report.left if layer.reason.startswith("skipped by")] == left


def test_a_skip_that_matches_nothing_is_a_mistake():
    with pytest.raises(ValueError, match="skip='fc' matches no module; the model has 0, 1"):
        convert(net(), "q", skip="fc")


def test_a_single_layer_comes_back_new():
    layer, report = convert(nn.Linear(2, 2), "ps")
    assert isinstance(layer, ShiftLinear) and report.converted[0].name == ""


def test_a_layer_with_two_names_is_converted_once():
    shared = nn.Linear(3, 3)
    model = nn.ModuleDict({"a": shared, "b": shared})
    _, report = convert(model, "q")
    assert model["a"] is model["b"] and isinstance(model["a"], ShiftLinear) and len(report.converted) == 1


def test_leaves_what_would_break():
    tied, embedding = nn.Linear(4, 10), nn.Embedding(10, 4)
    tied.weight = embedding.weight
    hooked = nn.Linear(2, 2)
    hooked.register_forward_hook(lambda *_: None)
    model = nn.ModuleDict({
        "tied": tied, "embedding": embedding, "hooked": hooked, "attention": nn.MultiheadAttention(4, 2),
        "encoder": nn.TransformerEncoderLayer(4, 2, 8), "shift": ShiftLinear(2, 2, method="q"),
        "norm": nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)),
    })  # fmt: skip
    _, report = convert(model, "ps")
    reasons = {layer.name: layer.reason for layer in report.left}
    assert not report.converted
    assert reasons["tied"] == "its weight is shared with embedding"
    assert "hooks" in reasons["hooked"] and reasons["shift"] == "already a shift layer"
    assert reasons["encoder.linear1"] == "TransformerEncoderLayer reads its weight directly"
    assert {"attention", "attention.out_proj", "norm"} <= set(reasons)
    model["encoder"].eval()(torch.zeros(1, 3, 4))


@pytest.mark.parametrize("method", ["q", "ps"])
def test_bake_equals_bit_for_bit_and_shares_the_rest(method):
    model, _ = convert(net(), method)
    model = nn.Sequential(*model[:3]).eval()
    plain = bake(model)
    assert type(plain[0]) is nn.Conv2d and type(plain[2][0]) is nn.Conv2d
    assert torch.equal(plain[0].weight, model[0].effective_weight)
    x = torch.randn(2, 2, 8, 8)
    assert torch.equal(plain(x), model(x))
    assert plain[1].weight is model[1].weight and plain[1].running_mean is model[1].running_mean
    assert isinstance(model[0], ShiftConv2d)


def test_a_converted_model_trains_and_survives_its_state_dict():
    model, _ = convert(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), "ps")
    optimizer = torch.optim.RAdam(model.parameters(), lr=0.01)
    x, y = torch.randn(64, 4), torch.randint(0, 2, (64,))
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    twin, _ = convert(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), "ps")
    twin.load_state_dict(copy.deepcopy(model.state_dict()))
    assert torch.equal(twin(x), model(x))
