"""What a Model shows is what the file says, and is safe to keep."""

import gc

import numpy as np
import pytest

from dsruntime import BackendError, DsError, Limits, Model, ModelError
from dsruntime.file import Image, Node, Value
from tests.dsruntime.models import BIAS, LEVELS, SIGNS, WEIGHT, classifier
from tests.support.dsf_files import build, shift_weight


def test_reads_every_table():
    data = classifier()
    model = Model.open(data)
    graph = model.graph
    assert (model.name, model.path, model.format_version) == ("classifier", None, (1, 0))
    assert (graph.producer, graph.mode) == ("tests", "float")
    assert model.metadata == {"author": "someone", "source.kind": "test"}
    assert graph.values[0] == Value("x", "float32", (-1, 1, 1, 3))
    assert graph.nodes[1] == Node("gemm", "gemm", "net.fc", (1, 2, 3), (4,), {"trans_b": 1})
    shift, raw = graph.weights
    assert (shift.value, shift.codec, shift.source, shift.note, shift.order) == (2, "shift", "fc.weight", "", (0, 1))
    assert (shift.shift.bits, shift.shift.zero, shift.shift.base.tolist(), shift.shift.scale) == (3, False, [0], None)
    assert (raw.codec, raw.note, raw.offset, raw.length, raw.order, raw.shift) == (
        "raw",
        "no shift tensor",
        128,
        8,
        None,
        None,
    )
    assert graph.inputs[0].image == Image("gray", "none", (), "box", None, (0.0,), (1.0,))
    assert graph.outputs[0].labels == ("cat", "dog")
    assert bytes(model.bytes) == data


def test_describes_inputs_and_outputs():
    model = Model.open(classifier())
    x, y = model.inputs[0], model.outputs[0]
    assert (x.name, x.dtype, x.shape, x.layout, x.image.color) == ("x", "float32", ("N", 1, 1, 3), "NCHW", "gray")
    assert (y.name, y.shape, y.meaning, y.labels) == ("y", ("N", 2), "logits", ("cat", "dog"))
    assert x.text() == "float32 (N, 1, 1, 3)"


def test_every_kind_of_attribute():
    data = build(
        values=[{"name": "x", "shape": [1, 1, 2]}, {"name": "y", "shape": [1, 1, 4]}],
        nodes=[
            {
                "op": "resize",
                "inputs": ["x"],
                "outputs": ["y"],
                "attributes": {"mode": "nearest", "sizes": [1, 1, 4], "scales": [1.0, 1.0, 2.0]},
            }
        ],
        inputs=["x"],
        outputs=["y"],
    )
    assert Model.open(data).graph.nodes[0].attributes == {
        "mode": "nearest",
        "sizes": [1, 1, 4],
        "scales": [1.0, 1.0, 2.0],
    }
    data = build(
        values=[{"name": "x", "shape": [1]}, {"name": "y", "shape": [1]}],
        nodes=[{"op": "leaky_relu", "inputs": ["x"], "outputs": ["y"], "attributes": {"alpha": 0.5}}],
        inputs=["x"],
        outputs=["y"],
    )
    assert Model.open(data).graph.nodes[0].attributes == {"alpha": 0.5}


def test_decodes_weights_as_libdsf_does():
    model = Model.open(classifier())
    np.testing.assert_array_equal(model.decode_weight(0), WEIGHT)
    np.testing.assert_array_equal(model.decode_weight(1), BIAS)
    for index in (-1, 2):
        with pytest.raises(ModelError, match=f"no weight {index}; expected 0 to 1"):
            model.decode_weight(index)


@pytest.mark.parametrize("bits", range(1, 7))
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
def test_both_decoders_agree(bits, zero, per_channel):
    if zero and bits == 1:
        pytest.skip("one bit has no level for zero")
    from dsruntime.backends.reference.codecs import decode

    random = np.random.default_rng(bits)
    shape, order = (7, 5, 3, 3), (0, 2, 3, 1)
    levels = random.integers(0, 1 << bits - 1, 7 * 5 * 9)
    signs = random.integers(0, 2, levels.size)
    if zero:
        signs[levels == (1 << bits - 1) - 1] = 0
    base = random.integers(-100, 20, 7) if per_channel else -3
    scale = random.uniform(0.5, 2, 7).astype(np.float32) if per_channel else None
    model = Model.open(
        build(
            values=[{"name": "x", "shape": [1]}, {"name": "w", "shape": list(shape)}],
            weights=[shift_weight("w", levels, signs, bits=bits, zero=zero, base=base, scale=scale, order=order)],
            inputs=["x"],
            outputs=["w", "x"],
        )
    )
    ours, theirs = decode(model.graph, model.graph.weights[0]), model.decode_weight(0)
    assert ours.shape == theirs.shape == shape
    np.testing.assert_array_equal(ours.view(np.uint32), theirs.view(np.uint32))


def test_bytes_and_weights_outlive_the_model():
    model = Model.open(classifier())
    view, stored = model.bytes, model.graph.stored(model.graph.weights[1])
    del model
    gc.collect()
    junk = [bytes(4096) for _ in range(1000)]
    assert bytes(view) == classifier() and junk
    np.testing.assert_array_equal(np.frombuffer(stored, np.float32), BIAS)


def test_bytes_are_read_only():
    with pytest.raises(TypeError):
        Model.open(classifier()).bytes[0] = 0


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, lambda d: memoryview(bytearray(d))])
def test_opens_bytes_of_every_kind(make):
    assert Model.open(make(classifier())).name == "classifier"


def test_a_copy_is_taken_of_bytes():
    data = bytearray(classifier())
    model = Model.open(data)
    data[:] = bytes(len(data))
    np.testing.assert_array_equal(model.decode_weight(0), WEIGHT)


def test_opens_paths(tmp_path):
    path = tmp_path / "a model – ü.dsf"
    path.write_bytes(classifier())
    for source in (path, str(path)):
        assert Model.open(source).path == str(path)


def test_the_file_may_vanish_once_it_is_open(tmp_path):
    path = tmp_path / "model.dsf"
    path.write_bytes(classifier())
    model = Model.open(path)
    path.unlink()
    np.testing.assert_array_equal(model.session().run(np.zeros((1, 1, 1, 3), np.float32))[0], BIAS)


def test_names_what_cannot_be_opened(tmp_path):
    (tmp_path / "text.dsf").write_text("I am no model")
    (tmp_path / "empty.dsf").write_bytes(b"")
    for source in (tmp_path / "missing.dsf", tmp_path, tmp_path / "text.dsf", tmp_path / "empty.dsf"):
        with pytest.raises((ModelError, BackendError)) as caught:
            Model.open(source)
        assert source.name in str(caught.value)
    for source in (b"", b"\x89DSF", memoryview(b""), "nul\0.dsf", None, 7):
        with pytest.raises(ModelError):
            Model.open(source)


def test_the_caller_s_limit_on_the_file():
    data = classifier()
    assert Model.open(data, limits=Limits(file_bytes=len(data))).name == "classifier"
    with pytest.raises(DsError):
        Model.open(data, limits=Limits(file_bytes=len(data) - 1))


def test_labels_that_are_no_ascii():
    model = Model.open(classifier(labels=("Kätzchen", "犬")))
    assert model.outputs[0].labels == ("Kätzchen", "犬")
    assert (SIGNS.size, LEVELS.size) == (6, 6)
