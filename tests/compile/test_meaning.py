"""What the numbers of an output mean: as its last operator, the source or the user says, and never guessed."""

import numpy as np
import pytest
import torch
from torch import nn

import dscompress
import dsruntime
from dscompress import CompileError
from dsruntime import Model
from dsruntime.file import Image
from tests.compile.graphs import compile_graph, parse, random

TAGS = ["cat", "dog", "tree", "car"]
ODDS = Image("rgb", "exact", (4, 4), "bilinear", None, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def outputs_of(tmp_path, tail: str, shape: str = "n, 4", **options):
    """The outputs of a file whose graph ends in `tail`, from z [n, 4]."""
    text = f"g (float[n, 5] x) => (float[{shape}] y) {{ z = Gemm<transB = 1>(x, w) {tail} }}"
    return Model.open(compile_graph(parse(text, w=random(4, 5)), tmp_path, **options).data).outputs


@pytest.mark.parametrize(
    "tail, shape, meaning",
    [
        ("y = Softmax(z)", "n, 4", "probabilities"),
        ("y = Sigmoid(z)", "n, 4", "probabilities"),
        ("y = LogSoftmax(z)", "n, 4", "logits"),
        ("y = Identity(z)", "n, 4", ""),
        ("y = Relu(z)", "n, 4", ""),
        ("y = HardSigmoid(z)", "n, 4", ""),
        ("y = Tanh(z)", "n, 4", ""),
        ("s = Sigmoid(z) y = Mul(s, z)", "n, 4", ""),
        ("s = Softmax(z) y = Log(s)", "n, 4", ""),
        ("y = Softmax<axis = 0>(z)", "n, 4", ""),
        ("y = LogSoftmax<axis = 0>(z)", "n, 4", ""),
        (
            "a = Constant<value_ints = [1, 2]>() u = Unsqueeze(z, a) y = Softmax<axis = 3>(u)",
            "n, 1, 1, 4",
            "probabilities",
        ),
        (
            "a = Constant<value_ints = [2, 3]>() u = Unsqueeze(z, a) s = LogSoftmax<axis = 1>(u) y = Flatten(s)",
            "n, 4",
            "logits",
        ),
        (
            "a = Constant<value_ints = [2, 3]>() u = Unsqueeze(z, a) s = Sigmoid(u) y = Flatten(s)",
            "n, 4",
            "probabilities",
        ),
        (
            "a = Constant<value_ints = [0, 2, 2]>() u = Reshape(z, a) y = Softmax<axis = 1>(u)",
            "n, 2, 2",
            "probabilities",
        ),
        ("a = Constant<value_ints = [0, 2, 2]>() u = Reshape(z, a) y = LogSoftmax(u)", "n, 2, 2", ""),
        ("a = Constant<value_ints = [0, 2, 2]>() u = Reshape(z, a) l = LogSoftmax(u) y = Flatten(l)", "n, 4", ""),
        ("a = Constant<value_ints = [0, 2, 2]>() u = Reshape(z, a) y = Sigmoid(u)", "n, 2, 2", ""),
    ],
)
def test_the_last_operator_says_it_or_nobody(tmp_path, tail, shape, meaning):
    assert [output.meaning for output in outputs_of(tmp_path, tail, shape)] == [meaning]


def test_a_part_of_probabilities_is_probabilities_and_one_of_logarithms_nothing(tmp_path):
    part = (
        "b = Constant<value_ints = [0]>() e = Constant<value_ints = [2]>() a = Constant<value_ints = [1]>() "
        "s = {}(z) y = Slice(s, b, e, a)"
    )
    assert outputs_of(tmp_path, part.format("Softmax"), "n, 2")[0].meaning == "probabilities"
    assert outputs_of(tmp_path, part.format("LogSoftmax"), "n, 2")[0].meaning == ""


def test_names_of_classes_say_nothing(tmp_path):
    output = outputs_of(tmp_path, "y = Identity(z)", labels=TAGS)[0]
    assert (output.meaning, output.labels) == ("", tuple(TAGS))
    assert outputs_of(tmp_path, "y = Sigmoid(z)", labels=TAGS)[0].meaning == "probabilities"


@pytest.mark.parametrize("tail", ["y = Identity(z)", "y = Relu(z)", "y = Sigmoid(z)"])
@pytest.mark.parametrize(
    "asked, meaning", [("probabilities", "probabilities"), ("scores", ""), ("embedding", "embedding"), (["scores"], "")]
)
def test_the_user_says_it(tmp_path, tail, asked, meaning):
    assert outputs_of(tmp_path, tail, meaning=asked)[0].meaning == meaning


def test_logits_are_what_the_user_calls_so(tmp_path):
    assert outputs_of(tmp_path, "y = Identity(z)", meaning="logits")[0].meaning == "logits"
    assert outputs_of(tmp_path, "y = LogSoftmax(z)", meaning="logits")[0].meaning == "logits"


def test_several_outputs_each_have_their_own(tmp_path):
    model = parse(
        "g (float[n, 4] x) => (float[n, 4] y, float[n, 4] z, float[n, 4] v)"
        " { a = Gemm<transB = 1>(x, w) y = Sigmoid(a) z = Softmax(a) v = Relu(a) }",
        w=random(4, 4),
    )

    def meanings(**options):
        return [output.meaning for output in Model.open(compile_graph(model, tmp_path, **options).data).outputs]

    assert meanings() == ["probabilities", "probabilities", ""]
    assert meanings(meaning="scores") == ["", "probabilities", ""]
    assert meanings(meaning=["scores", "probabilities", "logits"]) == ["", "probabilities", "logits"]


@pytest.mark.parametrize(
    "tail, options, reason",
    [
        ("y = Sigmoid(z)", {"meaning": "logits"}, "logits for output 'y', which sigmoid makes; expected probabilities"),
        ("y = Softmax(z)", {"meaning": "logits"}, "which softmax makes"),
        ("y = LogSoftmax(z)", {"meaning": "probabilities"}, "which log_softmax makes; expected logits"),
        ("y = Relu(z)", {"meaning": "odds"}, "'odds'; expected logits, probabilities, scores or embedding"),
        ("y = Relu(z)", {"meaning": ["scores", "scores"]}, "2 are given; expected at most 1"),
        ("y = Relu(z)", {"meaning": "embedding", "labels": TAGS}, "an embedding"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, tail, options, reason):
    with pytest.raises(CompileError, match=reason):
        outputs_of(tmp_path, tail, **options)


def test_whole_numbers_are_no_probabilities(tmp_path):
    model = parse("g (float[n, 4] x) => (int64[n] y) { y = ArgMax<axis = 1, keepdims = 0>(x) }")
    with pytest.raises(CompileError, match="holds no float32"):
        compile_graph(model, tmp_path, meaning="logits")


def notes_of(tmp_path, tail: str, **options) -> list[str]:
    text = f"g (float[n, 4] x) => (float[n, 4] y) {{ {tail} }}"
    return [note for note in compile_graph(parse(text), tmp_path, **options).notes if "mean" in note]


def test_export_says_that_nobody_knows(tmp_path):
    (note,) = notes_of(tmp_path, "y = Relu(x)", labels=TAGS)
    assert "output 'y'" in note and "--meaning logits" in note
    for tail, options in [
        ("y = Relu(x)", {}),
        ("y = Softmax(x)", {"labels": TAGS}),
        ("y = Relu(x)", {"labels": TAGS, "meaning": "scores"}),
    ]:
        assert notes_of(tmp_path, tail, **options) == []


def test_predict_gives_the_numbers_of_a_network_of_several_tags():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 4), nn.Sigmoid()).eval()
    pixels = np.random.default_rng(1).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    own = net(((torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255) - 0.5) / 0.25)[0].tolist()
    data = dscompress.compile_model(net, input_shape=(1, 3, 4, 4), preprocess=ODDS, labels=TAGS).data
    with dsruntime.load(data) as session:
        found = session.predict(pixels)
    assert {p.label: p.probability for p in found} == pytest.approx(dict(zip(TAGS, own, strict=True)), abs=1e-5)
    assert all(p.probability == p.score for p in found) and sum(own) != pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("meaning, expected", [(None, None), ("logits", 1 / (1 + np.exp(-0.5))), ("scores", None)])
def test_one_output_is_never_certain_of_its_only_class(meaning, expected):
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 1)).eval()
    with torch.no_grad():
        net[1].weight.zero_(), net[1].bias.fill_(0.5)
    data = dscompress.compile_model(
        net, input_shape=(1, 3, 4, 4), preprocess=ODDS, labels=["cat"], meaning=meaning
    ).data
    with dsruntime.load(data) as session:
        (best,) = session.predict(np.zeros((4, 4, 3), np.uint8))
    assert best.score == 0.5 and best.probability == (expected and pytest.approx(expected))
