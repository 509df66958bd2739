"""A small .pt2 takes little memory and time, whatever it says of its weights and whatever it computes from them."""

import io
import json
import math
import zipfile

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from dscompress.capture import capture
from dscompress.capture.constants import constant_values
from dscompress.capture.exported_program import refuse_large_inputs
from dscompress.capture.fold_budget import Budget
from dscompress.errors import CompileError
from dscompress.nn import convert
from dscompress.nn.methods import METHODS

aten = torch.ops.aten
LONG = 1 << 17
WEIGHTS = "model_weights_config.json"


class Expands(nn.Module):
    """Its weight is one number, of which 64 x 64 are made in each run."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(1, 1))

    def forward(self, x):
        return x + self.w.abs().expand(64, 64).sum()


@pytest.fixture(scope="module")
def members():
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(Expands().eval(), (torch.zeros(1, 4),)), buffer)
    with zipfile.ZipFile(buffer) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(folder, members, **changes):
    """The archive, with what a function makes of the members whose names end so."""
    with zipfile.ZipFile(folder / "m.pt2", "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            change = changes.get(name.rpartition("/")[2].partition(".")[0], lambda content: content)
            archive.writestr(name, change(content))
    return folder / "m.pt2"


def resized(sizes, strides):
    def change(content):
        document = json.loads(content)
        for entry in document["config"].values():
            entry["tensor_meta"]["sizes"] = [{"as_int": size} for size in sizes]
            entry["tensor_meta"]["strides"] = [{"as_int": stride} for stride in strides]
        return json.dumps(document)

    return change


@pytest.mark.parametrize("stored, strides, says", [
    (b"", (LONG, 1), "holds the weight w of 131072 x 131072 in 0 bytes"),
    (bytes(4), (0, 0), "holds the weight w of 131072 x 131072 in 4 bytes"),
])  # fmt: skip
def test_weights_that_nobody_stored(tmp_path, members, stored, strides, says):
    path = written(tmp_path, members, weight_0=lambda _: stored, model_weights_config=resized((LONG, LONG), strides))
    with pytest.raises(CompileError, match=says):
        capture(path)


def test_an_expanded_weight_is_taken(tmp_path, members):
    captured = capture(written(tmp_path, members, model_weights_config=resized((64, 64), (0, 0))))
    assert captured.kind == "exported program"


def test_compressed_sample_inputs(tmp_path, members):
    """Of which PyTorch would make all that they claim to be."""

    def compressed(content):
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                new.writestr(name, old.read(name))
        return buffer.getvalue()

    with pytest.raises(CompileError, match="holds a pickle in data/sample_inputs/model.pt"):
        capture(
            written(tmp_path, members, model=lambda content: compressed(content) if content[:2] == b"PK" else content)
        )


def test_what_is_computed_from_weights_is_bounded(tmp_path, members):
    """2^34 numbers, made of one: they stay an Expand of the graph."""

    def longer(content):
        return (
            content
            if content[:2] == b"PK"
            else content.replace(b"[64, 64]", b"[131072, 131072]").replace(b'{"as_int": 64}', b'{"as_int": 131072}')
        )

    path = written(tmp_path, members, model=longer)
    assert path.read_bytes().count(b"131072") >= 2
    graph = capture(path).model.graph
    assert "Expand" in [node.op_type for node in graph]
    assert max(math.prod(value.shape) for value in graph.initializers.values()) <= 4


@pytest.mark.parametrize("call, made, steps", [
    ((aten.abs.default, (10, 10)), 100, 200),
    ((aten.mm.default, (10, 30), (30, 10)), 100, 100 + 600 + 2 * 3000),
    ((aten.expand.default, (1, 1), [10, 10]), 100, 101),
    ((aten.linalg_inv.default, (2, 10, 10)), 200, 200 + 200 + 32 * 200 * 10),
    ((aten.conv2d.default, (1, 2, 4, 4), (3, 2, 3, 3)), 12, 12 + 32 + 54 + 2 * 12 * 18),
])  # fmt: skip
def test_the_cost_of_a_call(call, made, steps):
    target, *arguments = call
    arguments = tuple(torch.ones(each) if isinstance(each, tuple) else each for each in arguments)
    budget = Budget(made, steps)
    assert not Budget(made - 1, steps).allows(target, arguments, {})
    assert not Budget(made, steps - 1).allows(target, arguments, {})
    assert budget.allows(target, arguments, {}) and (budget.made, budget.steps) == (0, 0)
    assert not budget.allows(target, arguments, {})


@pytest.mark.parametrize("target", [aten.nonzero.default, aten.linalg_svd.default, aten.new_zeros.default])
def test_operators_whose_cost_is_not_known(target):
    arguments = (torch.ones(2, 2), [4]) if target is aten.new_zeros.default else (torch.ones(2, 2),)
    assert not Budget(1 << 30, 1 << 40).allows(target, arguments, {})


def test_a_tensor_of_many_parts():
    budget = Budget(1 << 30, 1 << 40)
    assert budget.allows(aten.unbind.int, (torch.ones(1 << 13),), {})
    assert not budget.allows(aten.unbind.int, (torch.ones((1 << 13) + 1),), {})


def test_inputs_of_any_size():
    refuse_large_inputs([(1, 3, 224, 224)], "m.pt2")
    with pytest.raises(CompileError, match="its inputs have 1,099,511,627,776 elements; expected at most 134,217,728"):
        refuse_large_inputs([(1 << 20, 1 << 20)], "m.pt2")


def test_what_layers_compute_their_weights_with_is_folded():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 10), nn.Linear(10, 10), nn.Linear(10, 10))
    parametrizations.weight_norm(net[0])
    parametrizations.spectral_norm(net[2])
    parametrizations.orthogonal(net[3])
    parametrizations.orthogonal(net[4], orthogonal_map="matrix_exp")
    for each in (net, *(convert(nn.Sequential(nn.Linear(8, 8)), method, bits=3)[0] for method in METHODS)):
        x = torch.zeros((2, 1, 8, 8) if each is net else (2, 8))
        program = torch.export.export(each.eval(), (x,))
        folded, computed = constant_values(program, bounded=True), constant_values(program, bounded=False)
        assert len(computed) > 8 and folded.keys() == computed.keys()
