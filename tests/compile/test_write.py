"""write: the bytes of a file, which replace another only if libdsf reads them."""

import os
import zlib

import numpy as np
import pytest

from dscompress.compile.encode import encode
from dscompress.compile.write import Description, Stored, build, write_file
from dsruntime import Model
from dsruntime.file import PREFIX, Image, Input, Node, Output, Value


def description(name="tiny") -> Description:
    w = np.float32([[1, -0.5], [0, 0.25]])
    b = np.float32([0.1, 0.2])
    return Description(
        name=name,
        producer="tests",
        values=[
            Value("x", "float32", (-1, 2)),
            Value("w", "float32", (2, 2)),
            Value("b", "float32", (2,)),
            Value("y", "float32", (-1, 2)),
        ],
        nodes=[Node("gemm", "n", "fc", (0, 1, 2), (3,), {"trans_b": 1, "alpha": 0.5})],
        weights=[Stored(1, "fc.weight", encode(w, (0, 1))), Stored(2, "fc.bias", encode(b))],
        inputs=[Input(0, "", None)],
        outputs=[Output(3, "logits", ("cat", "dog"))],
        metadata={"b": "2", "a": "1"},
    )


DATA = build(description())


def test_prefix():
    magic, major, minor, flags, length, crc, graph, start, data, zero = PREFIX.unpack_from(DATA)
    assert (magic, major, minor, flags) == (b"\x89DSF\r\n\x1a\n", 1, 0, 0)
    assert (length, zero) == (len(DATA), bytes(16))
    assert start == -(-(64 + graph) // 64) * 64 and start + data == len(DATA)
    assert crc == zlib.crc32(DATA[:24] + DATA[28:])
    assert DATA[64 + graph : start] == bytes(start - 64 - graph)


def test_what_is_written_is_read():
    graph = Model.open(DATA).graph
    expected = description()
    assert graph.values == tuple(expected.values)
    assert graph.nodes == tuple(expected.nodes)
    assert graph.inputs == tuple(expected.inputs)
    assert graph.outputs == tuple(expected.outputs)
    assert list(graph.metadata) == ["a", "b"]
    assert [weight.codec for weight in graph.weights] == ["shift", "raw"]


@pytest.mark.parametrize(
    "image",
    [
        Image("gray", "exact", (2, 3), "box", None, (0.5,), (2.0,)),
        Image("gray", "letterbox", (2, 3), "box", None, (0.5,), (0.5,), (114,)),
    ],
)
def test_an_image_recipe_is_kept(image):
    values = [Value("x", "float32", (-1, 1, 2, 3)), Value("y", "float32", (-1, 1, 2, 3))]
    nodes = [Node("relu", "n", "", (0,), (1,), {})]
    data = build(Description("t", "tests", values, nodes, [], [Input(0, "NCHW", image)], [Output(1, "", ())]))
    assert Model.open(data).graph.inputs[0].image == image


def test_same_description_same_bytes():
    assert build(description()) == DATA


def test_writes_a_new_file(tmp_path):
    write_file(tmp_path / "model.dsf", DATA)
    assert (tmp_path / "model.dsf").read_bytes() == DATA
    assert os.listdir(tmp_path) == ["model.dsf"]


def test_refuses_bytes_that_are_no_model_and_leaves_the_old_file(tmp_path):
    target = tmp_path / "model.dsf"
    target.write_bytes(b"old")
    with pytest.raises(Exception, match="part"):
        write_file(target, b"not a model")
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.dsf"]
