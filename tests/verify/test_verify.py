"""verify: an honest file passes, a tampered one is told apart and its layer named, by weight and by bound."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

import dscompress
import dscompress.compile.road
from dscompress.capture import CaptureOptions
from dscompress.verify import verify_model
from dscompress.verify.feeds import make_feeds
from dsruntime import Model, ModelError, library
from dsruntime.backends.runner import Arithmetic
from tests.support.dsf_files import repair_crc
from tests.support.small_model import write_files, write_onnx


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("small"))


def flip_sign(files, weight_name: str, element: int, path):
    """The file with one sign bit of a shift weight turned: still a valid file."""
    graph = Model.open(files.dsf).graph
    weight = next(w for w in graph.weights if graph.values[w.value].name == weight_name)
    assert weight.codec == "shift"
    data = bytearray(files.dsf.read_bytes())
    data[graph.data_offset + weight.offset + element // 8] ^= 1 << element % 8
    path.write_bytes(repair_crc(data))
    return path


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_an_honest_model_is_the_same(files, backend):
    found = verify_model(files.dsf, files.onnx, backend=backend)
    assert found.same and not found.warnings
    assert [layer.node for layer in found.layers] == [
        "first",
        "first_relu",
        "second",
        "second_relu",
        "pool",
        "flatten",
        "last",
    ]
    assert not found.unchecked
    assert found.outputs[0].top1 == 1 and found.outputs[0].snr > 100
    assert found.samples == 8


def test_a_turned_sign_in_the_middle_is_found_and_named(files, tmp_path):
    found = verify_model(flip_sign(files, "second.weight", 100, tmp_path / "bad.dsf"), files.onnx)
    assert not found.same
    (weight,) = found.different_weights
    assert (weight.name, weight.node, weight.different) == ("second.weight", "second", 1)
    assert weight.found == -weight.expected
    assert found.first_bad.node == "second" and found.first_bad.op == "conv" and found.first_bad.ratio > 100


def test_layers_after_a_bad_one_are_not_blamed(files, tmp_path):
    found = verify_model(flip_sign(files, "first.weight", 3, tmp_path / "bad.dsf"), files.onnx, every_layer=True)
    assert [layer.node for layer in found.layers if not layer.within] == ["first"]


def test_a_wrong_attribute_breaks_the_bound_of_its_layer(files, tmp_path, monkeypatch):
    """Equal weights, another computation: only the layers' bounds can find it."""
    from dsruntime.backends.reference import ops

    honest = ops.OPS["global_average_pool"]
    monkeypatch.setitem(ops.OPS, "global_average_pool", lambda x: honest(x) * np.float32(1 + 1e-5))
    found = verify_model(files.dsf, files.onnx, backend="reference")
    assert not found.different_weights
    assert found.first_bad.node == "pool" and found.first_bad.error < 1e-4


def test_small_ranges_give_the_same_answers(files, monkeypatch):
    whole = verify_model(files.dsf, files.onnx)
    monkeypatch.setattr("dscompress.verify.feeds.BUDGET", 1)
    parts = verify_model(files.dsf, files.onnx, samples=1)
    assert [layer.node for layer in parts.layers] == [layer.node for layer in whole.layers]
    assert parts.same


def test_another_model_is_told_from_a_damaged_one(files, tmp_path):
    import onnx

    model = onnx.load(files.onnx)
    del model.graph.node[-3:]
    model.graph.output[0].name = "d"
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    onnx.save(model, tmp_path / "shorter.onnx")
    found = verify_model(files.dsf, tmp_path / "shorter.onnx")
    assert not found.same
    assert "is another model" in found.mismatch and "'last.weight'" in found.mismatch


def test_another_checkpoint_of_the_same_network(files, tmp_path):
    write_onnx(tmp_path / "other.onnx", seed=5)
    found = verify_model(files.dsf, tmp_path / "other.onnx")
    assert len(found.different_weights) == 5
    assert "sha256" in found.warnings[0]


def test_a_module_is_verified_layer_by_layer(tmp_path):
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.SiLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 5),
        nn.Softmax(-1),
    ).eval()
    dscompress.compile_model(net, tmp_path / "m.dsf", input_shape="1,3,8,8")
    found = verify_model(tmp_path / "m.dsf", net, CaptureOptions(input_shape="1,3,8,8"))
    assert found.same, found
    assert {layer.op for layer in found.layers} >= {"conv", "sigmoid", "mul", "gemm", "softmax"}


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    """A layer of 300 → 40 with powers of two, captured and exported."""
    import torch

    from dscompress.nn import ShiftLinear

    torch.manual_seed(0)
    net = torch.nn.Sequential(ShiftLinear(300, 40, bias=False)).eval()
    path = tmp_path_factory.mktemp("linear") / "linear.dsf"
    dscompress.compile_model(net, path, input_shape=(1, 300))
    return path, net, CaptureOptions(input_shape=(1, 300))


BF16 = any(row["chosen"] and row["bf16"] for row in library.instruction_sets())


@pytest.mark.parametrize(
    "options, activations, moved",
    [
        ({}, "float32", 0.0),
        ({"memory": "low", "threads": 2}, "float32", 0.0),
        ({"backend": "reference"}, "float32", 0.0),
        pytest.param(
            {"precision": "bf16"},
            "bfloat16",
            2.0**-8,
            marks=pytest.mark.skipif(not BF16, reason="this CPU multiplies no bfloat16 numbers"),
        ),
    ],
    ids=str,
)
def test_the_bound_is_that_of_the_session_s_arithmetic(linear, options, activations, moved):
    """A float32 session has float32's bound, whichever instruction set its kernel is named for."""
    path, net, source = linear
    x = np.random.default_rng(0).standard_normal((1, 300)).astype(np.float32)
    found = verify_model(path, net, source, inputs=x, **options)
    (layer,) = found.layers
    assert found.same and layer.arithmetic == Arithmetic(activations, "float32", "direct")
    assert found.precision == options.get("precision", "float32") and found.memory == options.get("memory", "fast")
    n, u = 305, 2.0**-24
    sums = np.abs(x).astype(np.float64) @ np.abs(net[0].effective_weight.detach().double().numpy().T)
    bounds = (moved + 2 * (1 + moved) * n * u / (1 - n * u)) * sums
    assert np.isclose(layer.bound, bounds, rtol=1e-3).any()


def test_outputs_that_are_no_numbers_on_either_side_are_the_same(tmp_path):
    import torch

    class Logarithm(torch.nn.Module):
        def forward(self, x):
            return torch.log(x)

    source = CaptureOptions(input_shape=(1, 4))
    dscompress.compile_model(Logarithm(), tmp_path / "log.dsf", input_shape=(1, 4))
    found = verify_model(tmp_path / "log.dsf", Logarithm(), source, inputs=np.float32([[-1, 0, 1, 2]]))
    assert found.same, found
    assert found.outputs[0].top1 is None and not found.warnings  # one row, and not of numbers
    found = verify_model(tmp_path / "log.dsf", Logarithm(), source, inputs=np.float32([[-1, -2, -1, -2], [-3] * 4]))
    assert found.same and "gives no finite number in output 'log', so they say nothing" in found.warnings[0]


def test_given_inputs_are_used_and_checked(files):
    graph = Model.open(files.dsf).graph
    given = np.load(files.array)
    feeds = make_feeds(graph, 8, given, seed=0)
    np.testing.assert_array_equal(np.concatenate([feed["x"] for feed in feeds]), given)
    assert verify_model(files.dsf, files.onnx, inputs=given).samples == 2
    with pytest.raises(ModelError, match="shape"):
        make_feeds(graph, 8, given[:, :, :7], seed=0)
    with pytest.raises(ModelError, match="float64"):
        make_feeds(graph, 8, given.astype("f8"), seed=0)


def test_random_inputs_are_the_same_every_time(files):
    graph = Model.open(files.dsf).graph
    first, second = make_feeds(graph, 3, None, 0), make_feeds(graph, 3, None, 0)
    np.testing.assert_array_equal(first[0]["x"], second[0]["x"])


class Branches(torch.nn.Module):
    """Two outputs; ordinary inputs reach neither the clip's upper bound nor a tie."""

    def forward(self, x):
        return torch.nn.functional.relu6(x), x.argmax(1), x * 2


def with_node(op, **attributes):
    def change(d):
        nodes = [
            node._replace(attributes={**node.attributes, **attributes}) if node.op == op else node for node in d.nodes
        ]
        return replace(d, nodes=nodes)

    return change


@pytest.mark.parametrize(
    "change, expected",
    [
        (with_node("clip", max=60.0), r"\(clip\) of .*changed.dsf has max=60.0, in .*branches.pt2 6.0"),
        (with_node("arg_max", select_last_index=1), r"\(arg_max\) of .* has select_last_index=1, in .* the default"),
        (
            lambda d: replace(d, outputs=[d.outputs[2], d.outputs[1], d.outputs[0]]),
            "the outputs of .* are mul.*, argmax, ",
        ),
        (lambda d: replace(d, outputs=d.outputs[:2]), "the outputs of .* are relu6, argmax, those of .*, mul_"),
    ],
)
def test_what_numbers_do_not_show_is_compared_by_itself(tmp_path, monkeypatch, change, expected):
    program = torch.export.export(Branches().eval(), (torch.zeros(1, 4),))
    torch.export.save(program, tmp_path / "branches.pt2")
    build = dscompress.compile.road.build
    monkeypatch.setattr("dscompress.compile.road.build", lambda description: build(change(description)))
    dscompress.compile_model(tmp_path / "branches.pt2", tmp_path / "changed.dsf")
    found = verify_model(tmp_path / "changed.dsf", tmp_path / "branches.pt2")
    assert not found.as_imported
    assert re.search(expected, found.mismatch)


def test_a_batch_that_the_export_fixed_needs_no_option(tmp_path):
    torch.export.save(torch.export.export(Branches().eval(), (torch.zeros(2, 4),)), tmp_path / "branches.pt2")
    dscompress.compile_model(tmp_path / "branches.pt2", tmp_path / "fixed.dsf", dynamic_batch=False)
    assert verify_model(tmp_path / "fixed.dsf", tmp_path / "branches.pt2").same
