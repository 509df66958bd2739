"""Data movement in the reference backend: slice, top_k, resize and their like, on cases worked out by hand."""

import numpy as np
import pytest

from dsruntime.backends.reference.ops import OPS
from dsruntime.errors import ModelError

X = np.arange(5, dtype=np.float32)
FAR = 2**63 - 1


@pytest.mark.parametrize(
    "start, end, step, expected",
    [
        (1, 4, 1, [1, 2, 3]),
        (-3, FAR, 1, [2, 3, 4]),
        (-100, 100, 2, [0, 2, 4]),
        (4, 0, -1, [4, 3, 2, 1]),
        (100, -FAR, -2, [4, 2, 0]),
        (-2, -5, -1, [3, 2, 1]),
        (-100, -FAR, -1, [0]),  # the start is clamped to 0, not to before it
        (3, 3, 1, []),
        (1, 3, -1, []),
    ],
)
def test_slice(start, end, step, expected):
    assert OPS["slice"](X, starts=[start], ends=[end], axes=[0], steps=[step]).tolist() == expected


def test_slice_several_axes():
    x = np.arange(6).reshape(2, 3)
    assert OPS["slice"](x, starts=[-1, 2], ends=[-9, 0], axes=[0, 1], steps=[-1, -1]).tolist() == [[5, 4], [2, 1]]


def test_top_k_takes_the_lower_index_of_equal_entries():
    values, indices = OPS["top_k"](np.array([1, 3, 3, 2, 3], np.float32), k=3)
    assert (values.tolist(), indices.tolist(), indices.dtype) == ([3, 3, 3], [1, 2, 4], np.int64)
    values, indices = OPS["top_k"](np.array([[2, 1], [1, 1], [1, 2]], np.float32), k=2, axis=0, largest=0)
    assert (values.tolist(), indices.tolist()) == ([[1, 1], [1, 1]], [[1, 0], [2, 1]])


def test_nan_is_larger_than_any_number():
    x = np.array([1, np.nan, np.inf], np.float32)
    assert OPS["arg_max"](x).tolist() == [1]
    assert OPS["top_k"](x, k=3)[1].tolist() == [1, 2, 0]
    assert OPS["top_k"](x, k=3, largest=0)[1].tolist() == [0, 2, 1]


def test_arg_max_first_and_last():
    x = np.array([[1, 3, 3]], np.float32)
    assert OPS["arg_max"](x, axis=1).tolist() == [[1]]
    assert OPS["arg_max"](x, axis=1, select_last_index=1, keepdims=0).tolist() == [2]


def grid(*values):
    return np.array([[values]], np.float32)


@pytest.mark.parametrize(
    "mode, expected",
    [
        ("half_pixel", [0, 0.25, 0.75, 1]),
        ("pytorch_half_pixel", [0, 0.25, 0.75, 1]),
        ("align_corners", [0, 1 / 3, 2 / 3, 1]),
        ("asymmetric", [0, 0.5, 1, 1]),
    ],
)
def test_resize_linear(mode, expected):
    y = OPS["resize"](grid(0, 1), sizes=[1, 1, 4], mode="linear", coordinate_transformation_mode=mode)
    np.testing.assert_allclose(y[0, 0], expected, rtol=1e-7)


@pytest.mark.parametrize("mode, expected", [("pytorch_half_pixel", 0), ("align_corners", 0), ("half_pixel", 1.5)])
def test_resize_to_one_entry(mode, expected):
    y = OPS["resize"](grid(0, 1, 2, 3), sizes=[1, 1, 1], mode="linear", coordinate_transformation_mode=mode)
    assert y.tolist() == [[[expected]]]


@pytest.mark.parametrize(
    "nearest_mode, expected",
    [
        ("round_prefer_floor", [0, 0, 1, 1, 1]),  # x = 0, 0.5, 1, 1.5, 2, clamped to 1
        ("round_prefer_ceil", [0, 1, 1, 1, 1]),
        ("floor", [0, 0, 1, 1, 1]),
        ("ceil", [0, 1, 1, 1, 1]),
    ],
)
def test_resize_nearest_breaks_ties_after_its_mode(nearest_mode, expected):
    y = OPS["resize"](
        grid(0, 1),
        sizes=[1, 1, 5],
        scales=[1, 1, 2.0],
        coordinate_transformation_mode="asymmetric",
        nearest_mode=nearest_mode,
    )
    assert y[0, 0].tolist() == expected


def test_resize_keeps_the_dtype_of_nearest():
    assert OPS["resize"](np.ones((1, 1, 2), np.int64), sizes=[1, 1, 4]).dtype == np.int64


def test_pad_each_mode():
    assert OPS["pad"](X[:3], pads=[1, 2], value=9.0).tolist() == [9, 0, 1, 2, 9, 9]
    assert OPS["pad"](X[:3], pads=[2, 1], mode="reflect").tolist() == [2, 1, 0, 1, 2, 1]
    assert OPS["pad"](X[:3], pads=[2, 1], mode="edge").tolist() == [0, 0, 0, 1, 2, 2]


def test_gather_negative_and_out_of_range():
    assert OPS["gather"](X, np.array([[-1, 0]])).tolist() == [[4, 0]]
    with pytest.raises(ModelError, match="index 5; expected -5 to 4"):
        OPS["gather"](X, np.array([0, 5]))


def test_split_flatten_expand():
    assert [part.tolist() for part in OPS["split"](X, split=[2, 0, 3])] == [[0, 1], [], [2, 3, 4]]
    assert OPS["flatten"](np.zeros((2, 3, 4)), axis=-1).shape == (6, 4)
    assert OPS["flatten"](np.zeros((2, 3)), axis=0).shape == (1, 6)
    assert OPS["expand"](np.zeros((3, 1)), shape=[2, 1, 4]).shape == (2, 3, 4)


def test_cast_drops_the_fraction():
    assert OPS["cast"](np.array([-1.7, 1.7], np.float32), to="int32").tolist() == [-1, 1]
    y = OPS["cast"](np.array([np.nan, np.inf, -np.inf, 300, -0.9], np.float32), to="uint8")
    assert (y.tolist(), y.dtype) == ([0, 255, 0, 255, 0], np.uint8)
    y = OPS["cast"](np.array([np.inf, -(2.0**63), -np.inf], np.float32), to="int64")
    assert y.tolist() == [2**63 - 1, -(2**63), -(2**63)]
    assert OPS["cast"](np.array([257, -1]), to="int8").tolist() == [1, -1]
    assert OPS["cast"](np.array([0, -0.0, np.nan], np.float32), to="bool").tolist() == [False, False, True]


def test_nan_passes_through_relu_and_clip():
    x = np.array([np.nan, -1, 7], np.float32)
    np.testing.assert_array_equal(OPS["relu"](x), [np.nan, 0, 7])
    np.testing.assert_array_equal(OPS["clip"](x, min=0.0, max=6.0), [np.nan, 0, 6])
    np.testing.assert_array_equal(OPS["clip"](x, max=6.0), [np.nan, -1, 6])


def test_softmax_survives_large_scores():
    np.testing.assert_array_equal(OPS["softmax"](np.array([1000, 1000], np.float32)), [0.5, 0.5])


def test_gemm_broadcasts_c():
    a, b = np.array([[1, 2]], np.float32), np.array([[3, 4]], np.float32)
    assert OPS["gemm"](a, b, np.float32(1).reshape(1, 1), trans_b=1, alpha=2.0, beta=3.0).tolist() == [[25]]


def test_layer_normalization_over_two_axes():
    x = np.array([[[1, 3], [5, 7]]], np.float32)
    y = OPS["layer_normalization"](x, np.ones((2, 2), np.float32), axis=1, epsilon=0.0)
    np.testing.assert_allclose(y, (x - 4) / np.sqrt(5), rtol=1e-6)
