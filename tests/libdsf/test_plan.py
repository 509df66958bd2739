"""The plan: what is fused, how small the arena is, that a plan for another batch size changes nothing."""

import itertools

import numpy as np
import pytest

from dsruntime import Limits, Model, ModelError
from tests.support.dsf_files import build, shift_weight

rng = np.random.default_rng(7)


def graph(nodes, shapes, weights=(), inputs=("x",), outputs=("y",), limits=None):
    """A model whose values have the shapes given by name; weights are arrays by name."""
    weights = dict(weights)
    return Model.open(
        build(
            values=[{"name": name, "shape": shape} for name, shape in shapes.items()]
            + [
                {"name": name, "shape": list(array.shape), "dtype": str(array.dtype)} for name, array in weights.items()
            ],
            nodes=[
                {"op": op, "inputs": list(ins), "outputs": list(outs), "attributes": attributes}
                for op, ins, outs, attributes in nodes
            ],
            weights=[{"value": name, "array": array} for name, array in weights.items()],
            inputs=list(inputs),
            outputs=list(outputs),
        ),
        limits=limits,
    )


def steps(model, *inputs):
    """The ops of the steps, reordering left out; the outputs must be the same when nothing is fused."""
    with model.session("cpu", 2, profile=True) as session:
        fused = session.run(dict(zip([i.name for i in session.inputs], inputs, strict=True)))
        ops = [step.op for step in session.profile() if step.op not in ("channels_first", "channels_last")]
    with model.session("cpu", 1, keep_values=True) as session:
        plain = session.run(dict(zip([i.name for i in session.inputs], inputs, strict=True)))
    fused, plain = ([out] if isinstance(out, np.ndarray) else list(out.values()) for out in (fused, plain))
    for one, other in zip(fused, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    return ops


IMAGE = [-1, 4, 5, 5]
W = rng.standard_normal((4, 4, 3, 3)).astype("f4")
PADS = {"pads": [1, 1, 1, 1]}
X = rng.standard_normal((2, 4, 5, 5)).astype("f4")


def test_conv_add_relu_is_one_step():
    nodes = [("conv", ["x", "w"], ["a"], PADS), ("add", ["a", "x"], ["b"], {}), ("relu", ["b"], ["y"], {})]
    model = graph(nodes, dict.fromkeys(["x", "a", "b", "y"], IMAGE), {"w": W})
    assert steps(model, X) == ["conv+add+relu"]


def test_the_later_of_two_convolutions_takes_the_residual():
    nodes = [
        ("conv", ["x", "w"], ["a"], PADS),
        ("conv", ["x", "w"], ["b"], PADS),
        ("add", ["a", "b"], ["c"], {}),
        ("clip", ["c"], ["y"], {"min": 0.0, "max": 6.0}),
    ]
    model = graph(nodes, dict.fromkeys(["x", "a", "b", "c", "y"], IMAGE), {"w": W})
    assert steps(model, X) == ["conv", "conv+add+clip"]


@pytest.mark.parametrize("low, high", [(float("-inf"), 6.0), (0.0, float("inf")), (float("inf"), float("inf"))])
def test_a_fused_clip_may_have_infinite_bounds(low, high):
    nodes = [("conv", ["x", "w"], ["a"], PADS), ("clip", ["a"], ["y"], {"min": low, "max": high})]
    model = graph(nodes, dict.fromkeys(["x", "a", "y"], IMAGE), {"w": W})
    assert steps(model, X) == ["conv+clip"]


def test_a_residual_that_comes_after_the_convolution():
    nodes = [("conv", ["x", "w"], ["a"], PADS), ("sigmoid", ["x"], ["s"], {}), ("add", ["s", "a"], ["y"], {})]
    model = graph(nodes, dict.fromkeys(["x", "a", "s", "y"], IMAGE), {"w": W})
    assert steps(model, X) == ["sigmoid", "conv+add"]


@pytest.mark.parametrize(
    "nodes, outputs, expected",
    [
        ([("conv", ["x", "w"], ["a"], PADS), ("relu", ["a"], ["y"], {})], ["y", "a"], ["conv", "relu"]),
        ([("conv", ["x", "w"], ["a"], PADS), ("add", ["a", "a"], ["y"], {})], ["y"], ["conv", "add"]),
        (
            [("conv", ["x", "w"], ["a"], PADS), ("relu", ["a"], ["b"], {}), ("add", ["b", "x"], ["y"], {})],
            ["y"],
            ["conv+relu", "add"],
        ),
        ([("conv", ["x", "w"], ["a"], PADS), ("add", ["a", "c"], ["y"], {})], ["y"], ["conv", "add"]),
        (
            [("conv", ["x", "w"], ["a"], PADS), ("relu", ["a"], ["b"], {}), ("mul", ["a", "b"], ["y"], {})],
            ["y"],
            ["conv", "relu", "mul"],
        ),
    ],
    ids=["output between", "both sides", "residual after relu", "broadcast", "two readers"],
)
def test_left_alone(nodes, outputs, expected):
    shapes = dict.fromkeys(["x", *(node[2][0] for node in nodes)], IMAGE)
    weights = {"w": W, "c": np.ones((4, 1, 1), "f4")}
    read = {name for node in nodes for name in node[1]}
    model = graph(nodes, shapes, {k: v for k, v in weights.items() if k in read}, outputs=outputs)
    assert steps(model, X) == expected


def needs(nodes, shapes, x, bytes_needed):
    """The arena of this graph fits into so many bytes, and into no fewer."""
    kept = x.copy()
    with graph(nodes, shapes, limits=Limits(activation_bytes=bytes_needed)).session("cpu", 1) as session:
        session.run(x)
    np.testing.assert_array_equal(x, kept)
    refused = pytest.raises(ModelError, match=f"need {bytes_needed} bytes")
    with graph(nodes, shapes, limits=Limits(activation_bytes=bytes_needed - 1)).session("cpu", 1) as session, refused:
        session.run(x)


def test_a_chain_lives_in_one_buffer():
    names = ["x", "a", "b", "c", "d", "y"]
    nodes = [("sigmoid", [a], [b], {}) for a, b in itertools.pairwise(names)]
    x = rng.standard_normal((8, 16)).astype("f4")
    needs(nodes, dict.fromkeys(names, [-1, 16]), x, x.nbytes)


def test_views_take_no_step_and_no_room():
    nodes = [
        ("sigmoid", ["x"], ["a"], {}),
        ("reshape", ["a"], ["b"], {"shape": [-1, 4, 4]}),
        ("flatten", ["b"], ["c"], {}),
        ("tanh", ["c"], ["d"], {}),
        ("mul", ["d", "a"], ["y"], {}),
    ]
    shapes = dict.fromkeys(["x", "a", "c", "d", "y"], [-1, 16]) | {"b": [-1, 4, 4]}
    x = rng.standard_normal((8, 16)).astype("f4")
    assert steps(graph(nodes, shapes), x) == ["sigmoid", "tanh", "mul"]
    needs(nodes, shapes, x, 2 * x.nbytes)  # a outlives d's step, and d is written over by y


def test_outputs_that_nobody_computes():
    weight = rng.standard_normal((2, 3)).astype("f4")
    nodes = [("relu", ["x"], ["r"], {}), ("flatten", ["x"], ["f"], {}), ("reshape", ["w"], ["v"], {"shape": [6]})]
    model = graph(
        nodes, {"x": [-1, 3], "r": [-1, 3], "f": [-1, 3], "v": [6]}, {"w": weight}, outputs=["r", "x", "f", "w", "v"]
    )
    x = rng.standard_normal((4, 3)).astype("f4")
    with model.session("cpu", 1) as session:
        got = session.run(x)
        second = session.run(-x)
    for name, expected in {"r": np.maximum(x, 0), "x": x, "f": x, "w": weight, "v": weight.reshape(6)}.items():
        np.testing.assert_array_equal(got[name], expected)
    np.testing.assert_array_equal(second["x"], -x)


def test_batch_sizes_come_and_go():
    nodes = [("conv", ["x", "w"], ["a"], PADS), ("add", ["a", "x"], ["b"], {}), ("relu", ["b"], ["y"], {})]
    model = graph(nodes, dict.fromkeys(["x", "a", "b", "y"], IMAGE), {"w": W})
    x = rng.standard_normal((9, 4, 5, 5)).astype("f4")
    with model.session("cpu", 2) as session:
        whole = session.run(x)
        for batch in [1, 2, 3, 4, 5, 6, 1, 9, 5, 2]:
            np.testing.assert_allclose(session.run(x[:batch]), whole[:batch], rtol=1e-5, atol=1e-5)


def test_the_arena_stays_within_the_callers_limit():
    limits = Limits(activation_bytes=100_000)
    model = graph([("softmax", ["x"], ["y"], {})], dict.fromkeys("xy", [-1, 1000]), limits=limits)
    with model.session("cpu", 1) as session:
        session.run(np.ones((20, 1000), "f4"))
        with pytest.raises(ModelError, match="activation_bytes"):
            session.run(np.ones((30, 1000), "f4"))
        session.run(np.ones((20, 1000), "f4"))


def test_random_graphs_agree_with_unfused_ones():
    for seed in range(60):
        random = np.random.default_rng(seed)
        nodes, names = [], ["x"]
        for i in range(int(random.integers(2, 14))):
            pick = lambda: str(names[max(0, len(names) - 1 - int(random.integers(0, 4)))])  # noqa: B023, E731
            name, kind = f"v{i}", int(random.integers(0, 5))
            nodes.append(
                [
                    ("conv", [pick(), "w"], [name], PADS),
                    ("add", [pick(), pick()], [name], {}),
                    ("relu", [pick()], [name], {}),
                    ("mul", [pick(), pick()], [name], {}),
                    ("identity", [pick()], [name], {}),
                ][kind]
            )
            names.append(name)
        outputs = sorted({names[-1], str(random.choice(names))})
        weights = {"w": W / 8} if any(node[0] == "conv" for node in nodes) else {}
        steps(graph(nodes, dict.fromkeys(names, IMAGE), weights, outputs=outputs), X / 4)


@pytest.mark.parametrize("bits", [4, 5])
def test_low_memory_keeps_copies_of_a_few_rows(bits):
    """A product with packed weights may need its rows in another order: never all of them at once."""
    levels = rng.integers(0, 2 ** (bits - 1), 24 * 192)
    model = Model.open(
        build(
            values=[
                {"name": "x", "shape": [-1, 192]},
                {"name": "w", "shape": [24, 192]},
                {"name": "y", "shape": [-1, 24]},
            ],
            nodes=[{"op": "gemm", "inputs": ["x", "w"], "outputs": ["y"], "attributes": {"trans_b": 1}}],
            weights=[shift_weight("w", levels, levels % 2, bits=bits, base=[0], order=[0, 1])],
            inputs=["x"],
            outputs=["y"],
        )
    )
    x = rng.standard_normal((1003, 192)).astype("f4")
    found, arenas = {}, {}
    for memory in ("fast", "low"):
        with model.session("cpu", 2, memory=memory) as session:
            found[memory], arenas[memory] = session.run(x).copy(), session.arena_bytes()
    np.testing.assert_allclose(found["low"], found["fast"], rtol=1e-4, atol=1e-4)
    assert arenas["low"] <= arenas["fast"] + x.nbytes // 8
