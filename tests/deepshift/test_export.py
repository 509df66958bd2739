"""From the original's file to a .dsf without further arguments; its weights are the effective ones, zeros included."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import dscompress
import dsruntime
from dscompress import deepshift
from dscompress.capture import CaptureOptions
from dscompress.cli import cli
from dscompress.errors import CompileError
from dscompress.models import cifar, mnist
from dscompress.verify import verify_model
from dsruntime import Model
from tests.compile.graphs import parse, save
from tests.deepshift import originals


def without_norms(network: nn.Module) -> nn.Module:
    """Batch norms that multiply by 1: then the graph's weights are the layers' own."""
    for child in network.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.weight.data.fill_(1)
            child.running_var.data.fill_(1 - child.eps)
    return network


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    network = without_norms(originals.trained(cifar.MODELS["resnet20"](10)))
    state = originals.converted(network, "ps", 4)
    path = tmp_path_factory.mktemp("work") / "models/cifar10/resnet20/shift_ps_all_wb_4/checkpoint.pth.tar"
    return originals.save(path, originals.checkpoint(originals.with_prefix(state, "module."), "resnet20"))


@pytest.fixture(scope="module")
def report(checkpoint):
    return dscompress.compile_model(checkpoint, checkpoint.with_suffix(".dsf"))


def test_weights_are_the_effective_ones_zeros_included(checkpoint, report):
    found = deepshift.load(checkpoint)
    weights = {key: value.numpy() for key, value in found.state.items() if value.dim() > 1}
    model = Model.open(report.path)
    stored = {weight.source: (weight.codec, model.decode_weight(index))
              for index, weight in enumerate(model.graph.weights)}  # fmt: skip
    assert report.shift_weights == len(weights) == 20 and not report.float_weights
    for key, weight in weights.items():
        codec, decoded = stored[key]
        assert codec == "shift"
        np.testing.assert_array_equal(decoded, weight, err_msg=key)
    assert report.imported.zeros == sum(int((weight == 0).sum()) for weight in weights.values()) > 50_000


def test_the_file_knows_its_images_and_names(report):
    graph = Model.open(report.path).graph
    assert graph.name == "resnet20" and graph.inputs[0].image.size == (32, 32)
    assert graph.inputs[0].image.mean == pytest.approx((0.4914, 0.4822, 0.4465))
    assert graph.outputs[0].labels[3] == "cat" and len(graph.outputs[0].labels) == 10
    said = "images and classes are taken for those of CIFAR-10, which the path names; --preprocess "
    assert any(note.startswith(said) for note in report.notes)


def test_it_is_the_same_model(checkpoint, report):
    network = deepshift.build(deepshift.load(checkpoint))
    x = torch.randn(3, 3, 32, 32)
    with dsruntime.load(report.path) as session, torch.no_grad():
        np.testing.assert_allclose(session.run(x.numpy()), network(x).numpy(), rtol=1e-4, atol=1e-4)


def test_commands(tmp_path, monkeypatch):
    """export and verify take the same options; what was imported is in the JSON."""
    network = originals.trained(mnist.MODELS["simple_conv"](10))
    path = originals.save(tmp_path / "mnist/x/shift_ps_all_wb_4/latest.pth", originals.converted(network, "ps", 4))

    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["export", str(path), "-o", "m.dsf", "--sign-threshold", "0.25", "--json"])
    assert done.exit_code == 0, done.stderr
    imported = json.loads(done.stdout)["imported"]
    assert (imported["method"], imported["bits"], imported["sign_threshold"]) == ("ps", 4, 0.25)
    assert imported["dataset"] == "mnist" and imported["moved"] > 400_000
    assert imported["weights"] == sum(layer["weights"] for layer in imported["layers"]) == 430_500
    assert set(imported["layers"][0]) == {"name", "bits", "weights", "moved", "zeros", "lowest", "highest"}
    assert verify_model(tmp_path / "m.dsf", path, CaptureOptions(sign_threshold=0.25), samples=2).same
    done = CliRunner().invoke(cli, ["verify", "m.dsf", str(path)])
    assert done.exit_code == 1 and "is not the source's" in done.stdout


def test_q_and_a_float_network_and_a_whole_module(tmp_path):
    """Three kinds at once, on the smallest network: rounding, none, and weights out of a pickled module."""
    network = originals.trained(mnist.MODELS["simple_conv"](10))
    state = originals.converted(network, "q", 3)
    q = originals.save(tmp_path / "mnist/simple_conv/shift_q_all_wb_3/checkpoint.pth.tar", {"state_dict": state})
    originals.write_arguments(q.parent, "q", 3)
    plain = originals.save(tmp_path / "mnist/simple_conv/shift_0/weights.pth", network.state_dict())
    whole = originals.save(
        tmp_path / "model.pth",
        originals.whole_module(originals.FOREIGN.conv_mnist(), originals.copied(network), "q", 3),
    )
    reports = [dscompress.compile_model(path) for path in (q, plain, whole)]
    assert [len(report.float_weights) for report in reports] == [0, 4, 0]
    assert reports[0].imported.method == "q" and reports[0].bits_per_weight < 3.1
    assert reports[1].imported.method is None and "a float checkpoint" in reports[1].notes[0]
    assert [report.kind for report in reports] == ["DeepShift checkpoint", "float checkpoint", "DeepShift checkpoint"]
    assert reports[2].name == "simple_conv"


def test_activations_are_rounded_as_trained(tmp_path):
    network = originals.trained(mnist.MODELS["simple_linear"](10))
    state = originals.rounded(originals.converted(network, "q", 4), "q", 4)
    path = originals.save(tmp_path / "mnist/x/shift_q_all_wb_4/weights.pth", state)
    options = {"activations": "deepshift:3.5", "method": "q"}
    report = dscompress.compile_model(path, tmp_path / "m.dsf", **options)
    assert report.imported.activation_bits == (3, 5) and "3 integer and 5 fraction" in " ".join(report.notes)
    x = torch.randn(4, 1, 28, 28)
    y = x.flatten(1)
    for layer in ("fc1", "fc2", "fc3"):
        y = torch.clamp(torch.floor(y * 32) / 32, -4, 3) @ state[f"{layer}.weight"].t() + state[f"{layer}.bias"]
        y = torch.relu(y) if layer != "fc3" else torch.log_softmax(y, 1)
    with dsruntime.load(tmp_path / "m.dsf") as session:
        np.testing.assert_allclose(session.run(x.numpy()), y.numpy(), rtol=1e-4, atol=1e-3)
    assert verify_model(tmp_path / "m.dsf", path, CaptureOptions(**options), samples=4).same


def test_options_for_other_files_are_refused(tmp_path):
    path = save(parse("net (float[batch, 4] x) => (float[batch, 4] y) { y = Relu(x) }"), tmp_path)
    with pytest.raises(CompileError, match="is a file of another kind .ONNX., and --bits is for DeepShift checkpoints"):
        dscompress.compile_model(path, bits=4)


def test_an_unknown_network_says_how_to_name_it(tmp_path):
    state = {"a.shift": torch.zeros(2, 2), "a.sign": torch.ones(2, 2)}
    path = originals.save(tmp_path / "weights.pth", state)
    with pytest.raises(CompileError, match="say what builds it: dscompress export .* --model package.module:factory"):
        dscompress.compile_model(path)


def test_a_given_network(tmp_path):
    state = originals.converted(originals.trained(nn.Sequential(nn.Flatten(), nn.Linear(64, 10))), "ps", 4)
    path = originals.save(tmp_path / "weights.pth", originals.with_prefix(state, "module."))
    options = {"model": "tests.deepshift.test_export:flat", "input_shape": "1,1,8,8"}
    report = dscompress.compile_model(path, **options)
    assert report.imported.bits == 4 and report.shift_weights == 1
    wrong = {**options, "model": "tests.deepshift.test_export:flat_of_other_size"}
    with pytest.raises(CompileError, match=r"1 of another shape \(1.weight: the file has \(10, 64\)"):
        dscompress.compile_model(path, **wrong)


def flat() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def flat_of_other_size() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(63, 10))
