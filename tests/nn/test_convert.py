"""convert keeps what a layer has, and says what it left and why; bake gives plain layers with equal answers."""

import copy

import pytest
import torch
from torch import nn

from dscompress.nn import (
    First,
    Last,
    Setting,
    ShiftConv2d,
    ShiftLayer,
    ShiftLinear,
    bake,
    convert,
    parameter_groups,
    regularization,
)


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


ORDER = ["0", "2.0", "4"]


@pytest.mark.parametrize("arguments, converted", [
    (dict(skip=First()), ["2.0", "4"]),
    (dict(skip=Last()), ["0", "2.0"]),
    (dict(skip=(First(1), Last(1))), ["2.0"]),
    (dict(only=First(2)), ["0", "2.0"]),
    (dict(only=Last(99)), ORDER),
    (dict(only=nn.Conv2d), ["0", "2.0"]),
    (dict(only=("2", "4")), ["2.0", "4"]),
    (dict(only=nn.Conv2d, skip="2.*"), ["0"]),
])  # fmt: skip
def test_selection(arguments, converted):
    model = net()
    float_layers = {name: module for name, module in model.named_modules() if name in ORDER}
    _, report = convert(model, "q", **arguments)
    assert [layer.name for layer in report.converted] == converted
    for name in ORDER:
        assert (model.get_submodule(name) is float_layers[name]) == (name not in converted)
    reasons = {layer.name: layer.reason for layer in report.left}
    assert set(reasons) == {"3", *ORDER} - set(converted)
    assert all("skipped by" in reasons[name] or "were asked for" in reasons[name] for name in set(reasons) - {"3"})


def test_settings_differ_by_layer():
    model, report = convert(
        net(), "q", bits={"2*": 3, "*.0": 2, "4": 4}, activation=(4, 8),
        override={"4": {"method": "dense", "bits": 3, "scale": "trained"}},
    )  # fmt: skip
    settings = [layer.setting for layer in report.converted]
    assert settings[0] == Setting("q", 5, activation=(4, 8)), "no pattern of bits matches 0: 5 bits"
    assert settings[1] == Setting("q", 3, activation=(4, 8)), "the first pattern that matches counts"
    assert settings[2] == Setting("dense", 3, activation=(4, 8), scale="trained")
    assert [model[0].setting, model[2][0].setting, model[4].setting] == settings
    assert "5-bit q (1), 3-bit q (1), 3-bit dense (1)" in str(report)


@pytest.mark.parametrize("arguments, message", [
    (dict(bits=6), r"bits=6: a 'q' weight has 2\.\.5 bits"),
    (dict(method="s3", bits=5), r"bits=5: a 's3' weight has 2\.\.4 bits"),
    (dict(bits={"4": 7}), "bits=7"),
    (dict(bits={"fc": 3}), "bits='fc' matches no module"),
    (dict(override={"fc": {}}), "override='fc' matches no module"),
    (dict(override={"4": {"method": "s3"}}), r"layer '4': bits=5: a 's3' weight has 2\.\.4 bits"),
    (dict(rounding="up"), "rounding='up': it is one of 'nearest', 'stochastic'"),
    (dict(method="s3", bits=3, rounding="stochastic"), "method 's3' rounds no exponents"),
    (dict(freeze_sign=True), "method 'q' has no signs of their own"),
    (dict(method="ps", sign_threshold=-1), "sign_threshold=-1"),
    (dict(offset="layer"), "offset='layer'"),
    (dict(skip=First(0)), "it counts layers, at least 1"),
    (dict(skip=(3,)), r"skip holds 3; it takes names, glob patterns .*, types, First\(n\), Last\(n\)"),
    (dict(only="fc"), "only='fc' matches no module"),
])  # fmt: skip
def test_mistakes_change_nothing(arguments, message):
    model = net()
    layers = list(model.modules())
    with pytest.raises(ValueError, match=message):
        convert(model, **{"method": "q", **arguments})
    assert list(model.modules()) == layers


@pytest.mark.parametrize("method, bits", [("q", 3), ("ps", 4), ("s3", 3), ("dense", 2)])
def test_a_trained_model_is_baked_bit_for_bit(method, bits):
    """With a scale, an offset and fixed-point inputs, after steps that moved them."""
    model, _ = convert(nn.Sequential(*net()[:3], nn.Flatten(), nn.Linear(32, 3)), method, bits, activation=(5, 6),
                       override={"0": {"scale": "trained"}, "2.0": {"offset": "channel"}})  # fmt: skip
    optimizer = torch.optim.Adam(parameter_groups(model, 1e-3), 0.01)
    x = torch.randn(8, 2, 6, 8)
    for _ in range(3):
        optimizer.zero_grad()
        (model(x).square().sum() + regularization(model, 1e-3)).backward()
        optimizer.step()
    model.eval()
    plain = bake(model)
    assert torch.equal(plain(x), model(x))
    assert not any(isinstance(module, ShiftLayer) for module in plain.modules())


def test_none_for_bits_is_float_and_the_first_pattern_counts():
    model, report = convert(net(), "q", {"0": None, "4": 3, "*": None})
    assert [layer.name for layer in report.converted] == ["4"] and type(model[0]) is nn.Conv2d
    assert next(left.reason for left in report.left if left.name == "0") == "float by '0'"
