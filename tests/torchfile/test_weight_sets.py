"""Which weights of a checkpoint are taken, under which keys, and when the user is asked: never others in silence."""

import argparse
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torch.optim.swa_utils import AveragedModel

from dscompress.capture import Captured, CaptureOptions, capture, module, state_dict
from dscompress.capture.files import capture_file
from dscompress.errors import CompileError
from dscompress.ptq.source import open_source
from dscompress.training.weights import read_weights
from tests.capture import models

NET = "tests.capture.models:float_net"


class Average:
    """As a training script keeps one, pickled with the rest."""

    def __init__(self, ema):
        self.decay, self.ema = 0.999, ema


@pytest.fixture
def filled(tmp_path, monkeypatch):
    """The module that an export would capture, and its notes."""

    def fill_from(content, **options):
        seen = []
        monkeypatch.setattr(module, "capture", lambda built, *more: seen.append(built) or Captured(None, "nn.Module"))
        torch.save(content, tmp_path / "c.pt")
        captured = state_dict.capture(tmp_path / "c.pt", CaptureOptions(**{"model": NET, **options}))
        return seen[0], captured.notes

    return fill_from


def weights(seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    state = models.with_statistics(models.float_net()).state_dict()
    state["4.weight"][0, 0] = 3  # beyond what DeepShift-Q's weights look like
    return state


def test_training_starts_from_the_set_that_was_named(tmp_path):
    path = str(tmp_path / "c.pt")
    torch.save({"model": RAW, "ema": {**prefixed(MEAN, "net."), "loss.weight": RAW["0.bias"]}}, path)
    with pytest.raises(CompileError, match="--weights-key ema "):
        read_weights(path)
    found = read_weights(path, "ema", "net")["state_dict"]
    assert list(found) == list(MEAN) and torch.equal(found["0.weight"], MEAN["0.weight"])


def same(built: nn.Module, expected: dict) -> bool:
    found = built.state_dict()
    return list(found) == list(expected) and all(torch.equal(found[key], expected[key]) for key in expected)


def prefixed(state: dict, prefix: str) -> dict:
    return {prefix + key: value for key, value in state.items()}


RAW, MEAN = weights(1), weights(2)
PARAMETERS = [key for key in MEAN if not key.startswith("1.running") and not key.endswith("tracked")]
TWO_SETS = [
    ({"state_dict": RAW, "state_dict_ema": MEAN}, "state_dict_ema", "state_dict"),
    ({"model": RAW, "model_ema": {"n_averaged": torch.tensor(4), **prefixed(MEAN, "module.")}}, "model_ema", "model"),
    ({"model": RAW, "ema": {"decay": 0.999, "module": MEAN}}, "ema.module", "model"),
    ({"model": RAW, "args": argparse.Namespace(lr=1), "ema": {"module": MEAN}}, "ema.module", "model"),
    ({"student": RAW, "teacher": MEAN}, "teacher", "student"),
]


@pytest.mark.parametrize("content, key, other", TWO_SETS, ids=[key for _, key, _ in TWO_SETS])
@pytest.mark.parametrize("model", [NET, None])
def test_two_sets_are_asked_about(filled, content, key, other, model):
    with pytest.raises(CompileError) as caught:
        filled(content, model=model)
    text = str(caught.value)
    assert "holds 2 sets of weights for the network" in text and f"--weights-key {key}" in text and other in text
    if model:
        built, notes = filled(content, weights_key=key)
        assert same(built, MEAN) and f"weights taken from {key!r} of the checkpoint" in notes
        assert same(filled(content, weights_key=other)[0], RAW)


def test_an_average_of_the_parameters_alone_is_asked_about(filled):
    """It has no running statistics, so it does not fit; to take the raw weights without a word would be wrong."""
    content = {"model": RAW, "ema": {key: MEAN[key] for key in PARAMETERS}}
    with pytest.raises(CompileError, match=r"--weights-key ema \(training mostly .*, or --weights-key model"):
        filled(content)
    assert same(filled(content, weights_key="model")[0], RAW)
    with pytest.raises(CompileError, match="2 missing .1.running_mean, 1.running_var"):
        filled(content, weights_key="ema")


def test_an_average_without_names_is_asked_about(filled):
    content = {"model": RAW, "ema": {"decay": 0.99, "shadow_params": [MEAN[key] for key in PARAMETERS]}}
    with pytest.raises(CompileError, match="ema.shadow_params .6 tensors, averaged by its name, without names"):
        filled(content)
    with pytest.raises(CompileError, match="is a list of tensors without names; copy them into the model"):
        filled(content, weights_key="ema.shadow_params")


def test_one_set_that_fits_is_taken(filled):
    other = {"0.weight": torch.zeros(3, 3), "0.bias": torch.zeros(3)}
    moments = {"exp_avg": MEAN, "exp_avg_sq": MEAN}
    content = {"discriminator": other, "generator": RAW, "optimizer": {"state": moments}, "opt_state": moments}
    built, notes = filled(content)
    assert same(built, RAW) and notes == ["weights taken from 'generator' of the checkpoint"]


@pytest.mark.parametrize("option", ["weights_key", "prefix"])
def test_a_source_with_its_own_network_refuses_the_choice(tmp_path, option):
    net, x = models.float_net().eval(), torch.zeros(2, 1, 8, 8)
    torch.export.save(torch.export.export(net, (x,)), tmp_path / "net.pt2")
    torch.save(net, tmp_path / "whole.pt")
    for name, trust in (("net.pt2", False), ("whole.pt", True)):
        with pytest.raises(CompileError, match=f"and --{option.replace('_', '-')} is for checkpoints that hold"):
            capture(tmp_path / name, CaptureOptions(trust_pickle=trust, input_shape=models.SHAPE, **{option: "ema"}))


def test_a_key_that_is_not_there(filled):
    with pytest.raises(CompileError, match="--weights-key emma, where it holds no weights; .* one of: model, ema"):
        filled({"model": RAW, "ema": MEAN}, weights_key="emma")


@pytest.mark.parametrize("model", [torch.save, None])
def test_pickled_modules_are_asked_about_as_well(tmp_path, monkeypatch, model):
    def net(state):
        built = models.float_net()
        built.load_state_dict(state)
        return built

    seen = []
    monkeypatch.setattr(module, "capture", lambda built, *more: seen.append(built) or Captured(None, "nn.Module"))
    path = tmp_path / "c.pt"
    torch.save({"model": net(RAW), "ema": Average(net(MEAN)) if model else net(MEAN)}, path)
    key = "ema.ema" if model else "ema"
    for options in ({"trust_pickle": True}, {"model": NET}):
        with pytest.raises(CompileError, match=f"say which: --weights-key {key} "):
            capture_file(path, CaptureOptions(**options))
        capture_file(path, CaptureOptions(**options, weights_key=key))
        assert same(seen[-1], MEAN)


@pytest.mark.parametrize("prefix", ["model.", "net.", "module.", "model._orig_mod.", "module._orig_mod.",
                                    "_orig_mod.module.", "lit.model.net."])  # fmt: skip
def test_a_prefix_that_makes_all_keys_fit_is_stripped(filled, prefix):
    content = {"epoch": 3, "state_dict": {**prefixed(RAW, prefix), "criterion.weight": torch.ones(5)}}
    built, notes = filled(content)
    plain = prefix.replace("_orig_mod.", "")
    assert same(built, RAW) and f"prefix {plain!r} stripped from the keys" in notes
    assert "left out, under other prefixes: criterion.weight" in notes


@pytest.mark.parametrize("beside", ["loss.weight", "criterion.weight", "train_metrics.total", "ce_loss.weight"])
def test_a_loss_beside_keys_without_a_prefix(filled, beside):
    built, notes = filled({**RAW, beside: torch.ones(5)})
    assert same(built, RAW) and notes == [f"left out, as no layer reads them: {beside}"]


def test_other_keys_beside_are_asked_about(filled):
    with pytest.raises(CompileError, match=r"1 unexpected \(extra.weight\).*belong to no layer of it, save the others"):
        filled({**RAW, "extra.weight": torch.ones(5)})


def test_parts_of_a_model_that_were_compiled(filled):
    keys = {key: key.replace("0.", "0._orig_mod.", 1) if key.startswith("0.") else key for key in RAW}
    built, notes = filled({keys[key]: value for key, value in RAW.items()})
    assert same(built, RAW) and notes == ["what torch.compile or FSDP put into the keys was left out"]


def test_two_prefixes_are_asked_about(filled):
    content = {**prefixed(RAW, "online_model."), **prefixed(MEAN, "ema_model."), "step": torch.tensor(3)}
    asked = "2 times, under keys that begin with .*say which: --prefix ema_model. .*, or --prefix online_model."
    with pytest.raises(CompileError, match=asked):
        filled(content)
    for prefix in ("ema_model", "ema_model."):
        assert same(filled(content, prefix=prefix)[0], MEAN)
    with pytest.raises(CompileError, match="--prefix nothing, with which no key begins; .* one of: online_model."):
        filled(content, prefix="nothing")


def test_other_shapes_under_a_prefix_are_said_without_it(filled):
    with pytest.raises(CompileError, match=r"2 of another shape \(4.weight: the file has \(4, 144\)") as caught:
        filled(prefixed(models.float_net(4).state_dict(), "net."))
    assert "missing" not in str(caught.value) and "unexpected" not in str(caught.value)


def test_an_averaged_model(filled):
    net = models.float_net()
    net.load_state_dict(RAW)
    average = AveragedModel(net)
    average.update_parameters(net)
    built, notes = filled(average.state_dict())
    assert same(built, net.state_dict()) and notes == ["prefix 'module.' stripped from the keys"]


def test_what_profilers_leave_is_left_out(filled):
    built, notes = filled({**RAW, "total_ops": torch.zeros(1), "0.total_params": torch.zeros(1)})
    assert same(built, RAW) and notes == ["left out, as no layer reads them: total_ops, 0.total_params"]


def test_pruned_weights_are_what_the_layer_computes_with(filled):
    net = models.float_net().eval()
    net.load_state_dict(RAW)
    prune.l1_unstructured(net[0], "weight", 0.5)
    prune.random_unstructured(net[4], "weight", 0.3)
    built, notes = filled(net.state_dict())
    assert torch.equal(built[0].weight, net[0].weight) and torch.equal(built[4].weight, net[4].weight)
    assert (built[0].weight == 0).sum() == 18 and notes == ["pruned: 2 tensors are weight_orig · weight_mask"]


def test_convert_puts_weights_back_where_they_were(tmp_path):
    average = {**prefixed(MEAN, "net."), "loss.weight": RAW["0.bias"]}
    content = {"epoch": 1, "model": RAW, "ema": {"decay": 0.9, "module": average}}
    path = Path(tmp_path / "c.pt")
    torch.save(content, path)
    source = open_source(path, CaptureOptions(model=NET, input_shape=models.SHAPE, weights_key="ema.module"))
    assert same(source.model, MEAN)
    with torch.no_grad():
        source.model[0].weight.fill_(0.5)
    new = source.pack(source.model)
    assert list(new) == list(content) and list(new["ema"]["module"]) == list(content["ema"]["module"])
    assert (new["ema"]["module"]["net.0.weight"] == 0.5).all() and new["ema"]["decay"] == 0.9
    assert torch.equal(new["model"]["0.weight"], RAW["0.weight"])
    assert torch.equal(new["ema"]["module"]["loss.weight"], RAW["0.bias"])


def test_convert_writes_one_tensor_for_a_pruned_one(tmp_path):
    net = models.float_net()
    prune.l1_unstructured(net[0], "weight", 0.5)
    torch.save(net.state_dict(), tmp_path / "c.pt")
    source = open_source(tmp_path / "c.pt", CaptureOptions(model=NET, input_shape=models.SHAPE))
    new = source.pack(source.model)
    assert sorted(new) == sorted(models.float_net().state_dict()) and torch.equal(new["0.weight"], net[0].weight)
