"""Every kind of file that the original and its kin write is read, and its weights are the rule's, bit for bit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dscompress import deepshift
from dscompress.errors import CompileError
from dscompress.models import cifar, mnist
from dscompress.nn import ShiftLayer
from tests.deepshift import originals


@pytest.fixture(scope="module")
def resnet20() -> nn.Module:
    return originals.trained(cifar.MODELS["resnet20"](10))


@pytest.fixture(scope="module")
def conv_mnist() -> nn.Module:
    return originals.trained(mnist.MODELS["simple_conv"](10))


def effective(state: dict, method: str, bits: int) -> dict[str, torch.Tensor]:
    """Of the original's state: rounded by the oracle, shift and sign put together."""
    rounded = originals.rounded(state, method, bits)
    new = {}
    for key, value in rounded.items():
        if key.endswith(".shift"):
            new[key.replace(".shift", ".weight")] = rounded[key.replace(".shift", ".sign")] * torch.exp2(value)
        elif not key.endswith(".sign"):
            new[key] = value
    return new


def assert_same(found: dict, expected: dict) -> None:
    assert list(found) == list(expected)
    for key, value in expected.items():
        assert found[key].dtype == value.dtype and torch.equal(found[key], value), key


@pytest.mark.parametrize("method, bits", [("ps", 5), ("ps", 3), ("q", 5), ("q", 4)])
@pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "zip"])
def test_an_unrounded_checkpoint(tmp_path, resnet20, method, bits, legacy):
    state = originals.converted(resnet20, method, bits)
    content = originals.checkpoint(originals.with_prefix(state, "module."), "resnet20", imagenet=legacy)
    label = tmp_path / "models/cifar10/resnet20" / f"shift_{method}_all_wb_{bits}_scratch"
    originals.write_arguments(label, method, bits)
    found = deepshift.load(originals.save(label / "checkpoint.pth.tar", content, legacy))
    expected = effective(state, method, bits)
    assert_same(found.state, expected)
    assert_same(found.latent, state)
    matrices = {key.removesuffix(".weight"): value for key, value in expected.items() if value.dim() > 1}
    assert [layer.name for layer in found.report.layers] == list(matrices)
    for layer in found.report.layers:
        weight = matrices[layer.name]
        assert layer.weights == weight.numel() and layer.zeros == int((weight == 0).sum()) and layer.bits == bits
    assert found.report.zeros == sum(int((weight == 0).sum()) for weight in matrices.values())
    assert (found.method, found.bits, found.arch, found.dataset) == (method, bits, "resnet20", "cifar10")
    assert found.report.epoch == 200 and found.report.prefixes == ["module."]
    assert ("optim.radam.RAdam" in found.report.names) is not legacy  # imagenet.py saves no scheduler


@pytest.mark.parametrize("method", ["ps", "q"])
def test_rounded_weights_give_the_same_network_and_nothing_moves(tmp_path, resnet20, method):
    state = originals.converted(resnet20, method, 5)
    label = tmp_path / "resnet20" / f"shift_{method}_all_wb_5"
    originals.write_arguments(label, method, 5)
    latent = deepshift.load(originals.save(label / "checkpoint.pth.tar", originals.checkpoint(state, "resnet20")))
    rounded = deepshift.load(originals.save(label / "weights.pth", originals.rounded(state, method, 5)))
    assert_same(rounded.state, latent.state)
    assert latent.report.moved > 200_000 and rounded.report.moved == 0 and rounded.report.biases_moved == 0
    assert "all rounded already" in rounded.report.total()


@pytest.mark.parametrize("method, bits", [("ps", 5), ("q", 3)])
@pytest.mark.parametrize("parallel", [False, True], ids=["plain", "DataParallel"])
def test_a_module_pickled_whole(tmp_path, conv_mnist, method, bits, parallel):
    state = originals.converted(conv_mnist, method, bits)
    root = originals.FOREIGN.conv_mnist()
    whole = originals.whole_module(root, originals.copied(conv_mnist), method, bits, parallel)
    found = deepshift.load(originals.save(tmp_path / "model.pth", whole, legacy=not parallel))
    assert_same(found.state, effective(state, method, bits))
    assert found.layout.class_name == "ConvMNIST"
    assert found.report.bits_from == "the ranges of its layers" and found.bits == bits
    assert found.report.activation_bits == (16, 16)


def test_the_published_layout_of_a_fork(tmp_path):
    """resnet20-shift-cifar10.pth.tar: 3 bits, saved rounded, other keys, no arch, no optimiser classes."""
    network = originals.trained(cifar.MODELS["resnet20_shift"](10))
    state = originals.rounded(originals.converted(network, "ps", 3), "ps", 3)
    content = {"epoch": 160, "state_dict": originals.with_prefix(state, "module."), "best_prec1": torch.tensor(89.9),
               "optimizer": {"state": {}, "param_groups": []}}  # fmt: skip
    found = deepshift.load(originals.save(tmp_path / "resnet20-shift-cifar10.pth.tar", content))
    assert_same(found.state, effective(originals.converted(network, "ps", 3), "ps", 3))
    assert (found.method, found.bits, found.dataset, found.report.moved) == ("ps", 3, "cifar10", 0)
    assert deepshift.build(found)(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_the_authors_published_name_says_method_and_bits(tmp_path, conv_mnist):
    path = tmp_path / "cifar10_resnet18_shift_ps_wb_5_from_scratch_checkpoint.pth.tar"
    state = originals.converted(conv_mnist, "ps", 4)
    found = deepshift.load(originals.save(path, {"state_dict": state}))
    assert (found.bits, found.report.bits_from, found.dataset) == (5, "the file's path", "cifar10")


@pytest.mark.parametrize("prefix, keys", [
    ("", ["features.0", "classifier.1"]),
    ("module.", ["features.0", "classifier.1"]),
    ("features.module.", ["features.0", "classifier.1"]),
])  # fmt: skip
def test_prefixes(tmp_path, prefix, keys):
    state = {f"{key}.{kind}": torch.ones(2, 2) for key in keys for kind in ("shift", "sign")}
    found = deepshift.load(originals.save(tmp_path / "weights.pth", originals.with_prefix(state, prefix)))
    assert list(found.state) == [f"{key}.weight" for key in keys]
    assert found.report.prefixes == [prefix] * bool(prefix)


def test_a_network_converted_in_part(tmp_path, conv_mnist):
    """_1: the last convolution, and every linear layer; the first convolution is a float layer."""
    for method in ("ps", "q"):
        state = originals.converted(conv_mnist, method, 5, depth=1)
        path = tmp_path / "mnist" / "simple_conv" / f"shift_{method}_1_wb_5" / "checkpoint.pth.tar"
        originals.write_arguments(path.parent, method, 5, shift_depth=1, type="conv")
        found = deepshift.load(originals.save(path, state))
        assert [layer.name for layer in found.report.layers] == ["conv2", "fc1", "fc2"]
        assert found.report.float_layers == ["conv1"]
        assert torch.equal(found.state["conv1.weight"], state["conv1.weight"])
        assert any("left as they are: conv1" in note for note in found.notes)


ARGUMENTS = """arch: resnet18
data: /data
shift_depth: 1000
shift_type: {method}
rounding: deterministic
weight_bits: {bits}
activation_bits: [3, 5]
use_kernel: False
"""


def test_command_arguments(tmp_path, conv_mnist):
    path = originals.save(tmp_path / "run" / "latest.pth", originals.converted(conv_mnist, "q", 4))
    (path.parent / "command_args.txt").write_text(ARGUMENTS.format(method="Q", bits=4))
    found = deepshift.load(path)
    assert (found.method, found.bits, found.arch) == ("q", 4, "resnet18")
    assert found.report.bits_from == found.report.method_from == "command_args.txt"
    assert found.report.activation_bits == (3, 5) and "3 integer and 5 fraction bits" in found.notes[-1]
    assert deepshift.load(path, activations="deepshift:4.4").report.activation_bits == (4, 4)
    assert deepshift.load(path, activations="float").report.activation_bits is None
    assert deepshift.load(path, bits=3).bits == 3


def test_arguments_against_the_label(tmp_path, conv_mnist):
    state = originals.converted(conv_mnist, "ps", 4)
    path = originals.save(tmp_path / "shift_ps_all_wb_5" / "checkpoint.pth.tar", state)
    (path.parent / "command_args.txt").write_text(ARGUMENTS.format(method="PS", bits=4))
    with pytest.raises(CompileError, match="command_args.txt says bits 4, the name says 5; say which is right: --bits"):
        deepshift.load(path)
    assert deepshift.load(path, bits=4).bits == 4


def test_strange_arguments_are_no_reason_to_fail(tmp_path, conv_mnist):
    path = originals.save(tmp_path / "weights.pth", originals.converted(conv_mnist, "ps", 4))
    (tmp_path / "command_args.txt").write_bytes(b"weight_bits: many\nshift_type\n\xff\xfe: :\narch:\n")
    assert deepshift.load(path).bits == 4
    (tmp_path / "command_args.txt").write_bytes(b"x" * 100_000)
    with pytest.raises(CompileError, match="command_args.txt: has more than 64 KiB"):
        deepshift.load(path)


def test_nan_is_named(tmp_path):
    state = {"a.shift": torch.tensor([[0.0, np.nan]]), "a.sign": torch.ones(1, 2)}
    path = originals.save(tmp_path / "checkpoint.pth.tar", {"state_dict": state})
    with pytest.raises(CompileError, match=r"holds NaN: 1 of 2 in 'a.shift'; its training diverged"):
        deepshift.load(path)


def test_training_goes_on_from_the_latent_values(tmp_path, resnet20):
    for method in ("ps", "q"):
        state = originals.converted(resnet20, method, 4)
        found = deepshift.load(originals.save(tmp_path / "x.pth", state), bits=4, method=method)
        model = deepshift.into_model(found)
        assert_same({key: model.state_dict()[key] for key in state}, state)
        layers = {name: child for name, child in model.named_modules() if isinstance(child, ShiftLayer)}
        assert list(layers) == [layer.name for layer in found.report.layers]
        for name, layer in layers.items():
            assert torch.equal(layer.effective_weight, found.state[f"{name}.weight"]), name
        model(torch.randn(2, 3, 32, 32)).sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())


def test_training_goes_on_in_a_given_network(tmp_path, conv_mnist):
    found = deepshift.load(originals.save(tmp_path / "x.pth", originals.converted(conv_mnist, "ps", 3)))
    model = deepshift.into_model(found, mnist.MODELS["simple_conv"](10))
    assert torch.equal(model.fc1.effective_weight, found.state["fc1.weight"])
    with pytest.raises(CompileError, match=r"do not fit the given network: .* missing \(fc3.weight"):
        deepshift.into_model(found, mnist.MODELS["simple_linear"](10))


def test_a_path_may_be_text_and_relative(tmp_path, monkeypatch, conv_mnist):
    originals.save(tmp_path / "shift_ps_all_wb_5" / "x.pth", originals.converted(conv_mnist, "ps", 3))
    monkeypatch.chdir(tmp_path / "shift_ps_all_wb_5")
    assert deepshift.load("x.pth").report.bits_from == "the file's path"
    assert deepshift.load(Path("x.pth")).bits == 5
