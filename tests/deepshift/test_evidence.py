"""What the importer may round: what is known to be shift layers. A name and the look of the values change no weight."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import dscompress
from dscompress import deepshift
from dscompress.capture import CaptureOptions
from dscompress.cli import cli
from dscompress.deepshift.rounding import round_q
from dscompress.errors import CompileError
from dscompress.models import mnist
from dscompress.training.weights import read_weights
from dscompress.verify import verify_model
from tests.deepshift import originals


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(256, 10)
    )  # fmt: skip


OPTIONS = {"model": "tests.deepshift.test_evidence:network", "input_shape": (1, 3, 8, 8)}
ARGUMENTS = ["--model", OPTIONS["model"], "--input-shape", "1,3,8,8"]


def fixed_point_state() -> dict:
    """Q1.7: every number a multiple of 1/128, which keeps to DeepShift-Q's range and piles up at the smallest."""
    torch.manual_seed(0)
    net = network()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_((parameter * 128).round() / 128)
    return dict(net.state_dict())


def latent_state(bits: int = 4) -> dict:
    torch.manual_seed(0)
    return dict(originals.converted(originals.trained(network()), "q", bits))


def assert_own(found: deepshift.Imported, state: dict) -> None:
    assert found.method is None and not found.report.layers and not found.report.changes
    for key, value in state.items():
        assert torch.equal(found.state[key], value), key


@pytest.mark.parametrize("path", ["w.pt", "weights.pth", "shift_q_all_wb_5/weights.pth", "shift_q_all_wb_5/last.pth"])
def test_weights_in_fixed_point_are_asked_about(tmp_path, path):
    state = fixed_point_state()
    count = sum(int((round_q(value, 5) != value).sum()) for value in state.values() if value.dim() > 1)
    saved = originals.save(tmp_path / path, state)
    with pytest.raises(CompileError) as caught:
        dscompress.compile_model(saved, tmp_path / "m.dsf", **OPTIONS)
    assert f"rounding would change {count:,} of 2,992 weights" in caught.value.found and count > 1000
    assert ("'shift_q_all_wb_5'" in caught.value.found) == ("shift_q" in path)
    assert "--method q" in caught.value.what_to_do and "--method float" in caught.value.what_to_do
    assert not (tmp_path / "m.dsf").exists()
    assert_own(deepshift.load(saved, method="float"), state)
    assert_own(deepshift.load(saved, ask=False), state)
    assert deepshift.load(saved, method="q").report.moved == count


def test_a_label_alone_moves_no_weight(tmp_path):
    """Whatever the folder is called, float weights stay; where rounding would move them, the label is asked about."""
    torch.manual_seed(0)
    state = {"a.weight": torch.randn(30, 20) * 1e-3, "a.bias": torch.randn(30)}
    for name in ("shift_q_all_wb_5", "shift_q_2_wb_3"):
        path = originals.save(tmp_path / name / "weights.pth", state)
        with pytest.raises(CompileError, match=f"is called '{name}', as after training .* --method float"):
            deepshift.load(path)
        assert_own(deepshift.load(path, method="float"), state)
    for name in ("shift_ps_all_wb_5", "shift_0"):
        assert_own(deepshift.load(originals.save(tmp_path / name / "weights.pth", state)), state)


def test_powers_of_two_need_no_rounding_and_no_question(tmp_path):
    state = dict(originals.rounded(latent_state(), "q", 4))
    state["0.bias"] = state["0.bias"] + 1e-6  # a bias that the original's rounding would change
    for name in ("weights.pth", "shift_q_all_wb_3/weights.pth", "shift_q_1_wb_5/x.pth"):
        path = originals.save(tmp_path / name, state)
        found = deepshift.load(path)
        assert_own(found, state)
        assert found.notes == ["every weight is a power of two already: no weight was rounded"]
    report = dscompress.compile_model(path, tmp_path / "m.dsf", **OPTIONS)
    assert report.shift_weights == 2
    assert verify_model(tmp_path / "m.dsf", path, CaptureOptions(**OPTIONS), samples=2).same


def test_a_part_that_the_label_names_is_rounded_already(tmp_path):
    state = latent_state()
    part = {**state, "4.weight": originals.rounded(state, "q", 4)["4.weight"]}
    assert_own(deepshift.load(originals.save(tmp_path / "shift_q_0_wb_4" / "x.pth", part), method="float"), part)
    with pytest.raises(CompileError, match="'shift_q_1_wb_4'"):  # the convolution is not
        deepshift.load(originals.save(tmp_path / "shift_q_1_wb_4" / "x.pth", part))


@pytest.mark.parametrize("method", ["q", "ps"])
def test_a_file_that_says_it_is_rounded_and_is_not(tmp_path, method):
    state = originals.converted(originals.trained(network()), method, 4)
    originals.write_arguments(tmp_path, method, 4)
    path = originals.save(tmp_path / "weights.pth", state)
    with pytest.raises(CompileError) as caught:
        deepshift.load(path)
    assert "is called weights.pth, which the original rounds before it saves" in caught.value.found
    assert "of 2,992 weights" in caught.value.found
    assert caught.value.what_to_do.endswith(f"say so: --method {method}")
    assert deepshift.load(path, method=method).report.moved > 2000
    assert deepshift.load(originals.save(tmp_path / "checkpoint.pth.tar", {"state_dict": state})).report.moved > 2000
    rounded = deepshift.load(originals.save(path, originals.rounded(state, method, 4)))
    assert rounded.report.moved == 0 and not rounded.report.changes


def test_a_whole_module_that_was_not_rounded(tmp_path):
    root = originals.FOREIGN.conv_mnist()
    net = originals.trained(mnist.MODELS["simple_conv"](10))
    whole = originals.whole_module(root, net, "q", 4)
    with torch.no_grad():
        whole.conv2.weight.mul_(1.1)
    path = originals.save(tmp_path / "model.pth", whole)
    with pytest.raises(CompileError, match="a module of the original's layers, which .* would move [0-9,]+ of 430,500"):
        deepshift.load(path)
    assert deepshift.load(path, method="q").report.moved > 20_000


def test_the_depth_counts_linear_layers_in_a_network_of_nothing_else(tmp_path):
    """mnist.py converts the last `shift_depth` layers with --type linear, and every linear layer with --type conv."""
    state = originals.converted(originals.trained(mnist.MODELS["simple_linear"](10)), "q", 4)
    path = originals.save(tmp_path / "checkpoint.pth.tar", {"state_dict": state})
    originals.write_arguments(tmp_path, "q", 4, shift_depth=2, type="linear")
    found = deepshift.load(path)
    assert [layer.name for layer in found.report.layers] == ["fc2", "fc3"] and found.report.float_layers == ["fc1"]
    assert torch.equal(found.state["fc1.weight"], state["fc1.weight"])
    assert torch.equal(found.state["fc1.bias"], state["fc1.bias"])
    originals.write_arguments(tmp_path, "q", 4, shift_depth=2, type="conv")
    assert len(deepshift.load(path).report.layers) == 3


def test_depth_0_is_a_float_network_whatever_its_shift_type(tmp_path):
    """The float baseline is written down with the same defaults."""
    state = latent_state()
    path = originals.save(tmp_path / "checkpoint.pth.tar", {"state_dict": state})
    originals.write_arguments(tmp_path, "q", 5, shift_depth=0)
    assert_own(deepshift.load(path), state)


def test_which_layers_the_users_method_means(tmp_path):
    state = latent_state()
    path = originals.save(tmp_path / "shift_q_0_wb_4" / "x.pth", state)
    with pytest.raises(CompileError, match="not all of its layers were converted; write beside it, into comm"):
        deepshift.load(path, method="q")
    (path.parent / "command_args.txt").write_text("shift_type: Q\nshift_depth: 1000\n")
    assert len(deepshift.load(path, method="q").report.layers) == 2
    state["0.weight"][0, 0, 0, 0] = 1e-9
    path = originals.save(tmp_path / "x.pth", state)
    with pytest.raises(CompileError, match=r"1 of 2 layers, '0' among them, whose weights go beyond Q's range"):
        deepshift.load(path, method="q")


def test_only_what_deepshift_converts(tmp_path):
    """By their keys, embeddings and other convolutions look like linear layers and convolutions."""
    torch.manual_seed(0)
    net = of_many_kinds()
    state = {key: value.clamp(0.01, 1) if value.dim() > 1 else value for key, value in net.state_dict().items()}
    path = originals.save(tmp_path / "x.pth", state)
    options = {"model": "tests.deepshift.test_evidence:of_many_kinds", "input_shape": (1, 4, 6, 6)}
    report = dscompress.compile_model(path, method="q", **options).imported
    assert [layer.name for layer in report.layers] == ["conv", "fc"]
    assert {change.name for change in report.changes} == {"conv.weight", "conv.bias", "fc.weight", "fc.bias"}
    assert "up" in report.float_layers and report.weights == 4 * 4 * 9 + 4 * 10


class ManyKinds(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.up = nn.Conv2d(4, 4, 3), nn.ConvTranspose2d(4, 4, 2)
        self.line, self.fc = nn.Conv1d(4, 4, 1), nn.Linear(4, 10)

    def forward(self, x):
        return self.fc(self.line(self.up(self.conv(x)).flatten(2)).mean(2))


def of_many_kinds() -> nn.Module:
    return ManyKinds()


def test_classes_say_more_than_what_lies_beside(tmp_path):
    """A module of plain classes, pickled whole, is a float network, also beside another's command_args.txt."""
    net = originals.trained(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))
    originals.write_arguments(tmp_path, "q", 4)
    found = deepshift.load(originals.save(tmp_path / "model.pth", net))
    assert_own(found, net.state_dict())


def test_biases_are_touched_only_where_deepshift_is_known(tmp_path):
    for method in ("ps", "q"):
        state = originals.converted(originals.trained(network()), method, 4)
        path = originals.save(tmp_path / method / f"shift_{method}_all_wb_4" / "x.pth", state)
        found = deepshift.load(path, method="float" if method == "q" else None)
        assert torch.equal(found.state["0.bias"], state["0.bias"]) and found.report.biases_moved == 0
        originals.write_arguments(path.parent, method, 4)
        found = deepshift.load(path)
        floored = np.floor(state["0.bias"].double().numpy() * 65536) / 65536
        np.testing.assert_array_equal(found.state["0.bias"].numpy(), floored)
        assert found.report.biases_moved == 26
        assert {"0.bias", "4.bias"} <= {change.name for change in found.report.changes}


def after_a_step(bits: int) -> dict:
    """Latent weights that the optimiser has moved and no forward has clamped yet."""
    state = latent_state(bits)
    for key in ("0.weight", "4.weight"):
        state[key][0, 0] = torch.full_like(state[key][0, 0], 3e-8)
        state[key][1, 1] = torch.full_like(state[key][1, 1], -1.3)
    return state


@pytest.mark.parametrize("bits", [3, 4, 5])
def test_after_a_step_weights_are_clamped_as_the_forward_does(tmp_path, bits):
    state = after_a_step(bits)
    path = originals.save(tmp_path / "checkpoint.pth.tar", {"state_dict": state})
    with pytest.raises(CompileError, match="say how many bits clamp them: --bits 5"):
        deepshift.load(path, method="q")
    originals.write_arguments(tmp_path, "q", bits)
    found = deepshift.load(path)
    assert found.report.clamped == 20 and any("20 weights lay beyond the range" in note for note in found.notes)
    assert found.report.bits_from == "command_args.txt"
    for key in ("0.weight", "4.weight"):
        assert torch.equal(found.state[key], originals.rounded(state, "q", bits)[key])
        assert found.state[key][0, 0].unique().tolist() == [2.0 ** -(2 ** (bits - 1) - 1)]
        assert found.state[key][1, 1].unique().tolist() == [-1.0]


def test_ps_is_clamped_by_recorded_bits_and_asked_about_by_a_name(tmp_path):
    shift, sign = torch.tensor([[-9.0, -1.2, 0.7]]), torch.tensor([[1.0, -1.0, 0.6]])
    path = originals.save(tmp_path / "x.pth", {"fc.shift": shift, "fc.sign": sign})
    assert deepshift.load(path).state["fc.weight"].tolist() == [[2.0**-9, -0.5, 1.0]]
    originals.write_arguments(tmp_path, "ps", 4)
    found = deepshift.load(path)
    assert found.state["fc.weight"].tolist() == [[2.0**-6, -0.5, 1.0]] and found.report.clamped == 2
    assert not found.report.changes  # the layer's own forward does the same
    wider = deepshift.load(path, bits=5)
    assert wider.state["fc.weight"].tolist() == [[2.0**-9, -0.5, 1.0]]
    assert [(change.name, change.different) for change in wider.report.changes] == [("fc.weight", 1)]


@pytest.mark.parametrize("options, text", [
    ({"bits": 4}, "no layers that are known to be shift layers; add --method q, or leave out --bits"),
    ({"activations": "deepshift:3.5"}, "add --method q, or leave out --activations"),
    ({"bits": 4, "method": "float"}, "shift layers; leave out --bits"),
])  # fmt: skip
def test_options_that_nothing_would_follow(tmp_path, options, text):
    path = originals.save(tmp_path / "x.pth", {"a.weight": torch.randn(3, 4)})
    with pytest.raises(CompileError, match=text):
        deepshift.load(path, **options)


def call(*arguments: object):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_verify_says_that_the_import_changed_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, state = originals.save(tmp_path / "w.pt", fixed_point_state()), fixed_point_state()
    assert call("export", path, "-o", "m.dsf", *ARGUMENTS, "--method", "q").exit_code == 0
    done = call("verify", "m.dsf", path, *ARGUMENTS, "--method", "q", "--samples", 2)
    moved = {key: int((round_q(value, 5) != value).sum()) for key, value in state.items() if value.dim() > 1}
    assert done.exit_code == 5 and "same: " not in done.stdout, done.stdout
    assert f"{sum(moved.values()):,} of 2,992 numbers in 2 tensors are not the source's own" in done.stdout
    assert f"'4.weight' {moved['4.weight']:,} of 2,560" in done.stdout
    done = call("verify", "m.dsf", path, *ARGUMENTS, "--method", "q", "--samples", 2, "--json")
    data = json.loads(done.stdout)
    assert done.exit_code == 5 and (data["same"], data["as_imported"]) == (False, True)
    assert {change["name"]: change["different"] for change in data["changes"]} == moved
    assert call("verify", "m.dsf", path, *ARGUMENTS).exit_code == 3  # the question is asked again
    assert call("verify", "m.dsf", path, *ARGUMENTS, "--method", "float", "--samples", 2).exit_code == 1
    assert call("export", path, "-o", "f.dsf", *ARGUMENTS, "--method", "float").exit_code == 0
    done = call("verify", "f.dsf", path, *ARGUMENTS, "--method", "float", "--samples", 2)
    assert done.exit_code == 0 and "same: f.dsf is" in done.stdout


def test_changes_are_counted_against_what_pytorch_loads(tmp_path):
    path = originals.save(tmp_path / "checkpoint.pth.tar", {"state_dict": latent_state()}, legacy=False)
    originals.write_arguments(tmp_path, "q", 4)
    found, loaded = deepshift.load(path), torch.load(path, weights_only=True)["state_dict"]
    changed = {key: int((found.state[key] != value).sum()) for key, value in loaded.items()}
    assert {change.name: change.different for change in found.report.changes} == changed
    assert {change.name: change.elements for change in found.report.changes} == {
        key: value.numel() for key, value in loaded.items()}  # fmt: skip


def test_training_starts_from_what_training_left(tmp_path):
    """Whether PyTorch can load the file or, for the classes that it names, cannot; nothing is asked or rounded."""
    net = originals.trained(network())
    for bits, content in ((4, latent_state()), (5, originals.checkpoint(latent_state(), "small"))):
        path = originals.save(tmp_path / f"shift_q_all_wb_{bits}" / "checkpoint.pth.tar", content)
        weights = read_weights(str(path))["state_dict"]
        assert all(torch.equal(weights[key], value) for key, value in latent_state().items()), bits
    for state in (originals.converted(net, "ps", 4), originals.decisions(net)):
        path = originals.save(tmp_path / "x.pth", originals.checkpoint(state, "small"))
        weights, found = read_weights(str(path))["state_dict"], deepshift.load(path)
        assert all(torch.equal(weights[key], value) for key, value in found.state.items())


def test_numbers_that_float32_does_not_hold_are_changes_too(tmp_path):
    torch.manual_seed(0)
    state = {key: value.double() for key, value in network().state_dict().items()}
    state["4.bias"] = torch.linspace(-1, 1, 10, dtype=torch.float64)
    path = originals.save(tmp_path / "w.pt", state)
    dscompress.compile_model(path, tmp_path / "m.dsf", **OPTIONS)
    found = verify_model(tmp_path / "m.dsf", path, CaptureOptions(**OPTIONS), samples=2)
    count = int((state["4.bias"].float().double() != state["4.bias"]).sum())
    assert found.as_imported and [(change.name, change.different) for change in found.changes] == [("4.bias", count)]
