"""Archives of torch.export.save: shapes are in them, the batch is freed or fixed as asked."""

import numpy as np
import pytest
import torch

from dscompress.capture import CaptureOptions, capture
from dscompress.errors import CompileError
from tests.capture import models
from tests.capture.run import first_dims, run

BATCH = torch.export.Dim("batch")


@pytest.fixture(scope="module")
def archives(tmp_path_factory, net, x):
    folder = tmp_path_factory.mktemp("archives")
    torch.export.save(torch.export.export(net, (x,), dynamic_shapes=({0: BATCH},)), folder / "free.pt2")
    torch.export.save(torch.export.export(net, (x[:1],)), folder / "fixed.pt2")
    (folder / "named_otherwise.bin").write_bytes((folder / "free.pt2").read_bytes())
    return folder


@pytest.mark.parametrize("name, dynamic, dim", [
    ("free.pt2", True, "N"), ("free.pt2", False, "1"), ("fixed.pt2", True, "N"), ("fixed.pt2", False, "1"),
    ("named_otherwise.bin", True, "N"),
])  # fmt: skip
def test_answers(archives, x, answer, name, dynamic, dim):
    captured = capture(archives / name, CaptureOptions(dynamic_batch=dynamic))
    assert captured.kind == "exported program"
    freed = ["captured with a batch of 1"] if name == "fixed.pt2" and dynamic else []
    assert len(captured.notes) == len(freed) and all(map(str.__contains__, captured.notes, freed))
    assert first_dims(captured.model) == [dim]
    count = 5 if dynamic else 1
    np.testing.assert_allclose(run(captured.model, x[:count].numpy()), answer[:count], atol=1e-5)


def test_shift_layers_are_constant_weights(archives, net):
    model = capture(archives / "free.pt2").model
    assert [node.op_type for node in model.graph] == ["Conv", "Relu", "Reshape", "Gemm"]
    weight = model.graph.initializers["4.weight"].const_value.numpy()
    assert np.array_equal(weight, net[4].effective_weight.detach().numpy())


def test_a_program_in_memory_stays_as_it_is(net, x, answer):
    program = torch.export.export(net, (x,), dynamic_shapes=({0: BATCH},))
    nodes = len(program.graph.nodes)
    captured = capture(program)
    assert len(program.graph.nodes) == nodes and captured.sha256 is None
    np.testing.assert_allclose(run(captured.model, x.numpy()), answer, atol=1e-5)


def test_a_fixed_batch_is_freed_in_memory_as_in_a_file():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(72, 3)).eval()
    program = torch.export.export(net, (torch.zeros(1, 1, 8, 8),))
    before = str(program.graph), sorted(program.state_dict)
    captured = capture(program)
    assert "a batch of 1, which is taken as free" in captured.notes[0] and first_dims(captured.model) == ["N"]
    assert (str(program.graph), sorted(program.state_dict)) == before


def test_a_batch_that_cannot_be_freed_is_kept_and_said(tmp_path):
    path = tmp_path / "model.pt2"
    torch.export.save(torch.export.export(models.FixedBatch(), (torch.zeros(2, 1, 8, 8),)), path)
    captured = capture(path)
    assert first_dims(captured.model) == ["2"]
    assert "the program fixes its batch at 2" in captured.notes[0]


def test_free_dimensions_need_a_shape(tmp_path):
    model = torch.nn.Conv2d(1, 2, 3).eval()
    free = ({0: BATCH, 2: torch.export.Dim("height", min=4), 3: torch.export.Dim("width", min=4)},)
    path = tmp_path / "model.pt2"
    torch.export.save(torch.export.export(model, (torch.zeros(2, 1, 8, 9),), dynamic_shapes=free), path)
    with pytest.raises(CompileError, match=r"free dimensions \(\?,1,\?,\?\); add --input-shape"):
        capture(path)
    captured = capture(path, CaptureOptions(input_shape="1,1,10,12"))
    assert [str(dim) for dim in captured.model.graph.outputs[0].shape] == ["N", "2", "8", "10"]


def test_refusals(archives, tmp_path, x):
    with pytest.raises(CompileError, match="--input-shape 1,1,9,9; expected .*,1,8,8, as the program has it"):
        capture(archives / "fixed.pt2", CaptureOptions(input_shape="1,1,9,9"))
    with pytest.raises(CompileError, match="2 input shapes; expected 1"):
        capture(archives / "fixed.pt2", CaptureOptions(input_shape=["1,1,8,8", "1"]))
    torch.export.save(torch.export.export(models.float_net().train(), (x,)), tmp_path / "train.pt2")
    with pytest.raises(CompileError, match="exported in training mode .*; export it again"):
        capture(tmp_path / "train.pt2")
    content = (archives / "free.pt2").read_bytes()
    (tmp_path / "cut.pt2").write_bytes(content[: len(content) // 2])
    with pytest.raises(CompileError, match="damaged or truncated"):
        capture(tmp_path / "cut.pt2")


def test_a_fixed_batch_of_indices_is_freed(tmp_path):
    """Exported again with the inputs' own dtypes."""
    words = torch.nn.Sequential(torch.nn.Embedding(9, 4), torch.nn.Flatten(), torch.nn.Linear(12, 2)).eval()
    path, ids = tmp_path / "model.pt2", torch.tensor([[1, 2, 3], [8, 0, 4]])
    torch.export.save(torch.export.export(words, (ids[:1],)), path)
    captured = capture(path)
    assert first_dims(captured.model) == ["N"] and len(captured.notes) == 1
    np.testing.assert_allclose(run(captured.model, ids.numpy()), words(ids).detach().numpy(), atol=1e-6)
    for options in ({"input_dtype": "int64"}, {"inputs": (ids,)}):
        with pytest.raises(CompileError, match="for a source that says its inputs' dtypes itself; leave it out"):
            capture(path, CaptureOptions(**options))


@pytest.mark.parametrize("dynamic, shape, fits", [
    (True, "3,1,8,8", True), (False, "1,1,8,8", True), (False, "3,1,8,8", False),
])  # fmt: skip
def test_a_batch_beside_one_that_is_fixed(archives, dynamic, shape, fits):
    """It is free after all, or what is said of it is refused."""
    options = CaptureOptions(input_shape=shape, dynamic_batch=dynamic)
    if fits:
        assert first_dims(capture(archives / "fixed.pt2", options).model) == ["N" if dynamic else "1"]
        return
    with pytest.raises(CompileError, match=f"--input-shape {shape}; expected a batch of 1, to which the program is"):
        capture(archives / "fixed.pt2", options)


@pytest.mark.parametrize("option", [
    {"model": "torch.nn:ReLU"}, {"model_args": [1]}, {"weights_key": "ema"}, {"prefix": "net."}, {"bits": 4},
    {"method": "q"}, {"sign_threshold": 0.5}, {"activations": "deepshift:3.5"},
])  # fmt: skip
def test_what_is_said_of_files_is_refused_for_networks_in_memory(net, x, option):
    name = next(iter(option)).replace("_", "-")
    for source in (net, torch.export.export(net, (x,))):
        with pytest.raises(CompileError, match=f"is a network in memory.* and --{name} is for .*; leave out --{name}"):
            capture(source, CaptureOptions(input_shape=models.SHAPE, **option))
