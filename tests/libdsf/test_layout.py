"""The order that images are kept in: which convolutions stay in ONNX's, and that both orders give the same bits."""

import numpy as np
import pytest

from dsruntime.backends.reference.ops import OPS
from tests.libdsf.test_plan import graph

rng = np.random.default_rng(13)


def weight(*shape):
    return (rng.standard_normal(shape) * 0.3).astype("f4")


def run(model, x, threads=1, **options):
    """The outputs by name, and the steps' ops."""
    with model.session("cpu", threads, profile=True, **options) as session:
        found = session.run(x)
        names = [info.name for info in session.outputs]
        return found if isinstance(found, dict) else {names[0]: found}, [step.op for step in session.profile()]


# Of a convolution that is as fast in ONNX's order: its weight, attributes and the shapes of its input and output.
STAYS = {
    "depthwise": ((24, 1, 3, 3), {"group": 24, "pads": [1, 1, 1, 1]}, (24, 11, 17), (24, 11, 17)),
    "depthwise 5x5, uneven": ((7, 1, 5, 5), {"group": 7, "pads": [0, 3, 2, 9]}, (7, 40, 30), (7, 38, 38)),
}


def network(case, side=None, after=None):
    """x → conv (+ x) (→ relu or silu) (→ conv 1x1, y), and the name of what the 1x1 convolution reads."""
    shape, attributes, x, c = STAYS[case]
    nodes = [("conv", ["x", "w", "b"], ["a"], attributes)]
    if side == "residual":
        nodes.append(("add", ["a", "x"], ["r"], {}))
    elif side == "silu":
        nodes += [("sigmoid", ["a"], ["s"], {}), ("mul", ["a", "s"], ["r"], {})]
    elif side == "relu":
        nodes.append(("relu", ["a"], ["r"], {}))
    names = ["a", *(node[2][0] for node in nodes[1:])]
    shapes = {"x": [-1, *x]} | {name: [-1, *c] for name in names}
    weights = {
        "w": np.random.default_rng(1).standard_normal(shape).astype("f4"),
        "b": np.random.default_rng(2).standard_normal(shape[0]).astype("f4"),
    }
    outputs = [names[-1]]
    if after:
        nodes.append(("conv", [names[-1], "v"], ["y"], {}))
        shapes["y"], weights["v"] = [-1, 5, *c[1:]], weight(5, c[0], 1, 1)
        outputs.append("y")
    return graph(nodes, shapes, weights, outputs=outputs), names[-1]


@pytest.mark.parametrize(
    "case, side",
    [("depthwise", None), ("depthwise", "residual"), ("depthwise", "silu"), ("depthwise 5x5, uneven", "relu")],
)
def test_a_convolution_alone_stays_in_onnx_order(case, side):
    x = rng.standard_normal((2, *STAYS[case][2])).astype("f4")
    alone, name = network(case, side)
    beside, _ = network(case, side, after=True)
    found, ops = run(alone, x, threads=2)
    expected, others = run(beside, x)
    assert len(ops) == 1
    assert others[0] == "channels_last" and "channels_first" in others
    np.testing.assert_array_equal(found[name], expected[name])


def test_what_reads_it_decides():
    """A chain of two stays; a pool and a relu pass on what the convolution after them wants."""
    shape, attributes, image, _ = STAYS["depthwise"]
    w, x = weight(*shape), rng.standard_normal((1, *image)).astype("f4")
    shapes = dict.fromkeys(["x", "a", "p", "y", "z"], [-1, *image])
    chain = [
        ("conv", ["x", "w"], ["a"], attributes),
        ("tanh", ["a"], ["p"], {}),
        ("max_pool", ["p"], ["z"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
        ("conv", ["z", "w"], ["y"], attributes),
    ]
    ordinary = [*chain[:3], ("conv", ["z", "v"], ["y"], {"pads": [1, 1, 1, 1]})]
    one, ops = run(graph(chain, shapes, {"w": w}), x)
    assert ops == ["conv", "tanh", "max_pool", "conv"]
    assert run(graph(ordinary, shapes, {"w": w, "v": weight(24, 24, 3, 3)}), x)[1] == [
        "channels_last",
        "conv",
        "tanh",
        "max_pool",
        "conv",
        "channels_first",
    ]
    kept, _ = run(graph(chain, shapes, {"w": w}), x, keep_values=True)
    np.testing.assert_array_equal(one["y"], kept["y"])


def test_a_weight_that_is_computed_is_read_in_onnx_order():
    """It comes from a convolution, whose output has its channels last."""
    x, w = rng.standard_normal((6, 5, 4, 4)).astype("f4"), weight(5, 5, 2, 2)
    nodes = [
        ("conv", ["x", "w"], ["v"], {}),
        ("conv", ["x", "v"], ["c"], {}),
        ("sigmoid", ["c"], ["s"], {}),
        ("mul", ["c", "s"], ["y"], {}),
    ]
    y = [6, 6, 2, 2]
    shapes = {"x": [6, 5, 4, 4], "v": [6, 5, 3, 3], "c": y, "s": y, "y": y}
    found, ops = run(graph(nodes, shapes, {"w": w}), x)
    assert ops == ["channels_last", "conv", "channels_first", "conv+sigmoid+mul", "channels_first"]
    c = OPS["conv"](x, OPS["conv"](x, w))
    np.testing.assert_allclose(found["y"], c / (1 + np.exp(-c)), rtol=1e-4, atol=1e-4)


def test_the_weight_of_an_rgb_image_stays_as_it_is():
    x, w = rng.standard_normal((1, 3, 9, 9)).astype("f4"), weight(8, 3, 3, 3)
    found, ops = run(graph([("conv", ["x", "w"], ["y"], {})], {"x": [1, 3, 9, 9], "y": [1, 8, 7, 7]}, {"w": w}), x)
    assert ops == ["conv", "channels_first"]
    np.testing.assert_allclose(found["y"], OPS["conv"](x, w), rtol=1e-4, atol=1e-4)
