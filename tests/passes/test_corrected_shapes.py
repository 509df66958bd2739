"""corrected_shapes: what ONNX's inference gets wrong; and a fixed batch that cannot be freed."""

import numpy as np
import pytest
from onnx import helper

from dscompress import compile_model
from dsruntime import load
from tests.support.onnx_models import graph_model, run_onnxruntime

FLOAT = np.float32


def agree(model, folder, **feeds):
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    report = compile_model(path)
    expected = run_onnxruntime(model, feeds)[0]
    np.testing.assert_array_equal(load(report.data).run(feeds), expected)
    return report


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_a_window_that_starts_in_the_padding_does_not_count(op, tmp_path):
    node = helper.make_node(op, ["x"], ["y"], kernel_shape=[2, 2], strides=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1)
    x = np.arange(32, dtype=FLOAT).reshape(1, 2, 4, 4)
    agree(graph_model([node], [("x", FLOAT, ("N", 2, 4, 4))], ["y"], {}), tmp_path, x=x)


@pytest.mark.parametrize("size", range(1, 40))
def test_scales_count_in_float32(size, tmp_path):
    scales = np.array([1, 1, FLOAT(size) / FLOAT(6), FLOAT(size) / FLOAT(7)], FLOAT)
    node = helper.make_node(
        "Resize",
        ["x", "", "scales"],
        ["y"],
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )
    x = np.arange(42, dtype=FLOAT).reshape(1, 1, 6, 7)
    agree(graph_model([node], [("x", FLOAT, ("N", 1, 6, 7))], ["y"], {"scales": scales}), tmp_path, x=x)


def test_a_reshape_to_a_fixed_size_keeps_the_batch_fixed(tmp_path):
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    model = graph_model([node], [("x", FLOAT, (1, 6))], ["y"], {"shape": np.array([1, 2, 3])})
    report = agree(model, tmp_path, x=np.arange(6, dtype=FLOAT).reshape(1, 6))
    assert load(report.data).inputs[0].shape == (1, 6)
    assert report.notes == ["the graph fixes its batch at 1; to free it, export it with a dynamic batch"]


def test_a_fixed_batch_that_nothing_depends_on_is_freed(tmp_path):
    model = graph_model([helper.make_node("Relu", ["x"], ["y"])], [("x", FLOAT, (1, 6))], ["y"], {})
    report = agree(model, tmp_path, x=np.arange(6, dtype=FLOAT).reshape(1, 6))
    assert load(report.data).inputs[0].shape == ("N", 6)


def test_a_scalar_input_has_a_shape(tmp_path):
    model = graph_model(
        [helper.make_node("Add", ["x", "b"], ["y"])], [("x", FLOAT, ("N", 3)), ("b", FLOAT, ())], ["y"], {}
    )
    agree(model, tmp_path, x=np.ones((2, 3), FLOAT), b=np.array(2, FLOAT))
