"""conv, conv_transpose and pooling of the reference backend, on cases worked out by hand."""

import numpy as np
import pytest

from dsruntime.backends.reference.ops import OPS
from dsruntime.backends.reference.windows import pooled_sizes


def row(*values):
    return np.array([[values]], np.float32)


def test_conv_pads_the_begin_and_the_end_by_themselves():
    # x = 0 0 1 2 3 | w = 1 10 100 correlates, it does not convolve
    y = OPS["conv"](row(1, 2, 3), row(1, 10, 100), pads=[2, 0])
    np.testing.assert_array_equal(y, row(100, 210, 321))


def test_conv_steps_and_dilates():
    y = OPS["conv"](row(1, 2, 3, 4, 5, 6), row(1, 10), strides=[2], dilations=[3])
    np.testing.assert_array_equal(y, row(41, 63))


def test_conv_groups_keep_channels_apart():
    x = np.array([[[1, 2], [10, 20]]], np.float32)
    w = np.array([[[1]], [[2]], [[3]], [[4]]], np.float32)  # outputs 0, 1 see channel 0; 2, 3 see channel 1
    y = OPS["conv"](x, w, np.array([0, 0, 0, 5], np.float32), group=2)
    np.testing.assert_array_equal(y, [[[1, 2], [2, 4], [30, 60], [45, 85]]])


def test_conv_2d_pads_are_top_left_bottom_right():
    x = np.ones((1, 1, 2, 2), np.float32)
    y = OPS["conv"](x, np.ones((1, 1, 2, 2), np.float32), pads=[1, 0, 0, 1])
    np.testing.assert_array_equal(y[0, 0], [[2, 1], [4, 2]])


def test_conv_transpose_overlaps_pads_and_grows():
    # 1 at 0..2, 2 at 2..4: 1 1 3 2 2, then output_padding adds a 0 and pads cut one from the begin
    y = OPS["conv_transpose"](row(1, 2), row(1, 1, 1), strides=[2], pads=[1, 0], output_padding=[1])
    np.testing.assert_array_equal(y, row(1, 3, 2, 2, 0))


def test_conv_transpose_weight_is_inputs_first():
    x = np.array([[[1], [10]]], np.float32)
    w = np.array([[[1], [2], [3]], [[4], [5], [6]]], np.float32)  # [2 inputs, 3 outputs, 1]
    np.testing.assert_array_equal(OPS["conv_transpose"](x, w), [[[41], [52], [63]]])


@pytest.mark.parametrize(
    "size, kernel, stride, pads, ceil_mode, expected",
    [
        (5, 2, 2, (0, 0), 0, 2),
        (5, 2, 2, (0, 0), 1, 3),
        (4, 2, 2, (0, 0), 1, 2),
        (4, 3, 3, (0, 1), 1, 2),  # room for a second window from 3 on
        (3, 1, 2, (0, 1), 1, 2),
        (2, 2, 2, (0, 1), 1, 1),  # the second would start in the pads
        (2, 1, 3, (0, 2), 1, 1),  # and so it would here, where it is whole
    ],
)
def test_ceil_mode(size, kernel, stride, pads, ceil_mode, expected):
    sizes, grown = pooled_sizes([size], [kernel], [stride], list(pads), [1], ceil_mode)
    assert sizes == [expected]
    assert size + sum(grown) >= (expected - 1) * stride + kernel


def test_max_pool_padding_never_wins():
    np.testing.assert_array_equal(OPS["max_pool"](row(-3, -2), kernel_shape=[2], pads=[1, 1]), row(-3, -2, -2))


def test_max_pool_of_nan_is_nan():
    y = OPS["max_pool"](row(1, np.nan, 2), kernel_shape=[1])
    np.testing.assert_array_equal(y, row(1, np.nan, 2))


def test_average_pool_counts_pads_only_when_asked():
    x = row(2, 4, 6)
    np.testing.assert_array_equal(OPS["average_pool"](x, kernel_shape=[2], pads=[1, 0]), row(2, 3, 5))
    y = OPS["average_pool"](x, kernel_shape=[2], pads=[1, 0], count_include_pad=1)
    np.testing.assert_array_equal(y, row(1, 3, 5))


def test_average_pool_never_counts_what_ceil_mode_adds():
    y = OPS["average_pool"](row(2, 4, 6), kernel_shape=[2], strides=[2], ceil_mode=1, count_include_pad=1)
    np.testing.assert_array_equal(y, row(3, 6))
    y = OPS["average_pool"](
        row(2, 4, 6, 8), kernel_shape=[3], strides=[2], pads=[1, 0], ceil_mode=1, count_include_pad=1
    )
    np.testing.assert_array_equal(y, row(2, 6))


def test_global_pools():
    x = np.array([[[1, 2], [3, 6]]], np.float32)[:, None]
    assert OPS["global_average_pool"](x).tolist() == [[[[3]]]]
    assert OPS["global_max_pool"](x).tolist() == [[[[6]]]]
