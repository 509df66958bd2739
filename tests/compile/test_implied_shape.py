"""A recipe that says its size says the input's shape, where neither the user nor the source does."""

import pytest
import torch
from torch import nn

import dscompress
from dscompress import CompileError
from dscompress.compile.labelling import implied_input
from dsruntime import Model
from dsruntime.file import Image
from dsruntime.image import RECIPES
from tests.compile.graphs import parse, save

SMALL = Image("rgb", "shorter", (8,), "bilinear", (6, 4), (0.5,) * 3, (0.5,) * 3)


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def shape_of(source, **options) -> tuple:
    report = dscompress.compile_model(source, preprocess=SMALL, **options)
    said = [note for note in report.notes if "it is taken from the image recipe, 1,3," in note]
    return Model.open(report.data).inputs[0].shape, bool(said)


@pytest.mark.parametrize(
    "recipe, shape",
    [
        (RECIPES["imagenet"], (1, 3, 224, 224)),
        (RECIPES["mnist"], (1, 1, 28, 28)),
        (SMALL, (1, 3, 6, 4)),
        (SMALL._replace(crop=None), None),
        (SMALL._replace(resize="none", size=(), crop=None), None),
        (None, None),
        (SMALL._replace(resize="letterbox", size=(10, 20), crop=None, pad=(0, 0, 0)), (1, 3, 10, 20)),
    ],
)
def test_what_recipes_imply(recipe, shape):
    implied = implied_input(recipe)
    assert (implied and implied.shape) == shape


def test_a_module_and_its_weights(tmp_path):
    assert shape_of(net()) == (("N", 3, 6, 4), True)
    torch.save(net().state_dict(), tmp_path / "net.pt")
    assert shape_of(tmp_path / "net.pt", model="tests.compile.test_implied_shape:net") == (("N", 3, 6, 4), True)


def test_sides_that_a_graph_leaves_open(tmp_path):
    model = parse("g (float[n, 3, h, w] x) => (float[n, 3, h, w] y) { y = Relu(x) }")
    assert shape_of(save(model, tmp_path)) == (("N", 3, 6, 4), True)
    free = dict.fromkeys((0, 2, 3), torch.export.Dim.AUTO)
    program = torch.export.export(net(), (torch.zeros(2, 3, 9, 9),), dynamic_shapes=(free,))
    assert shape_of(program) == (("N", 3, 6, 4), True)


def test_what_the_source_or_the_user_says_goes_before_it(tmp_path):
    model = parse("g (float[n, 3, 6, 4] x) => (float[n, 3, 6, 4] y) { y = Relu(x) }")
    assert shape_of(save(model, tmp_path)) == (("N", 3, 6, 4), False)
    assert shape_of(net(), input_shape=(1, 3, 6, 4)) == (("N", 3, 6, 4), False)
    with pytest.raises(CompileError, match="it makes 6 x 4 pixels, the input takes 8 x 8"):
        shape_of(net(), input_shape=(1, 3, 8, 8))


def test_without_a_size_the_shape_has_to_be_said():
    with pytest.raises(CompileError, match="does not say its input's shape"):
        dscompress.compile_model(net(), preprocess=SMALL._replace(crop=None))


def test_verify_takes_the_file_s_own(tmp_path):
    from dscompress.capture import CaptureOptions
    from dscompress.verify import verify_model

    torch.save(net().state_dict(), tmp_path / "net.pt")
    name = "tests.compile.test_implied_shape:net"
    dscompress.compile_model(tmp_path / "net.pt", tmp_path / "net.dsf", model=name, preprocess=SMALL)
    assert verify_model(tmp_path / "net.dsf", tmp_path / "net.pt", CaptureOptions(model=name), samples=1).same


def words():
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 2)).eval()


def test_verify_takes_the_file_s_own_dtype(tmp_path):
    from dscompress.capture import CaptureOptions
    from dscompress.verify import verify_model

    torch.save(words().state_dict(), tmp_path / "words.pt")
    name = "tests.compile.test_implied_shape:words"
    dscompress.compile_model(tmp_path / "words.pt", tmp_path / "words.dsf", model=name, input_shape=(1, 3),
                             input_dtype="int64")  # fmt: skip
    for options in (CaptureOptions(model=name), CaptureOptions(model=name, input_shape=(1, 3))):
        assert verify_model(tmp_path / "words.dsf", tmp_path / "words.pt", options, samples=2).same
