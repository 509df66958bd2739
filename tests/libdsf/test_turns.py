"""Turns: a batch that is run a few images at a time gives what each image alone gives, or is not cut at all."""

import itertools
import time

import numpy as np
import pytest

from dsruntime.library import instruction_sets
from tests.libdsf.test_plan import graph

rng = np.random.default_rng(11)
IMAGE = [-1, 4, 6, 6]
PADS = {"pads": [1, 1, 1, 1]}


def weight(*shape):
    return rng.standard_normal(shape).astype("f4")


def cut(monkeypatch, size=1):
    """Turns whose activations take so many bytes: 1 gives turns of one image."""
    monkeypatch.setenv("DSF_TURN_BYTES", str(size))


def arena(model, x):
    with model.session("cpu", 1) as session:
        session.run(x)
        return session.arena_bytes()


def is_cut(monkeypatch, model, x):
    """Whether turns of one image need less room than the whole batch: a large value is gone after every turn."""
    cut(monkeypatch, 1)
    small = arena(model, x)
    cut(monkeypatch, 2**40)
    return small < arena(model, x)


def run(model, x, **options):
    with model.session("cpu", options.pop("threads", 1), **options) as session:
        found = session.run(x)
        again = session.run(x)
    found, again = ([out] if isinstance(out, np.ndarray) else list(out.values()) for out in (found, again))
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one, other)
    return found


# Each between two convolutions: op, other inputs, attributes, shape of the output; and its weights.
SIDE = weight(4, 1, 1)
WITHIN = {
    "add": ("add", ["side"], {}, IMAGE, {"side": SIDE}),
    "add one image": ("add", ["side"], {}, IMAGE, {"side": weight(1, 4, 6, 6)}),
    "add itself": ("add", ["a"], {}, IMAGE, {}),
    "prelu": ("prelu", ["side"], {}, IMAGE, {"side": SIDE}),
    "max_pool": ("max_pool", [], {"kernel_shape": [2, 2], "strides": [2, 2]}, [-1, 4, 3, 3], {}),
    "reduce_mean": ("reduce_mean", [], {"axes": [2, 3]}, [-1, 4, 1, 1], {}),
    "softmax": ("softmax", [], {"axis": 1}, IMAGE, {}),
    "transpose": ("transpose", [], {"perm": [0, 1, 3, 2]}, IMAGE, {}),
    "slice": ("slice", [], {"starts": [1], "ends": [5], "axes": [2], "steps": [2]}, [-1, 4, 2, 6], {}),
    "pad": ("pad", [], {"pads": [0, 0, 1, 0, 0, 0, 0, 2]}, [-1, 4, 7, 8], {}),
    "concat": ("concat", ["a"], {"axis": 2}, [-1, 4, 12, 6], {}),
    "gather": ("gather", ["side"], {"axis": 3}, [-1, 4, 6, 2], {"side": np.array([5, 0])}),
    "layer_normalization": ("layer_normalization", ["side"], {"axis": 3}, IMAGE, {"side": weight(6)}),
    "mat_mul": ("mat_mul", ["side"], {}, [-1, 4, 6, 5], {"side": weight(6, 5)}),
    "mat_mul of each": ("mat_mul", ["a"], {}, IMAGE, {}),
    "conv_transpose": ("conv_transpose", ["side"], {}, [-1, 4, 8, 8], {"side": weight(4, 4, 3, 3)}),
    "resize": ("resize", [], {"sizes": [-1, 4, 9, 9], "scales": [1.0, 1.0, 1.5, 1.5]}, [-1, 4, 9, 9], {}),
}


def between(op, others, attributes, shape, weights):
    nodes = [
        ("conv", ["x", "w"], ["a"], PADS),
        (op, ["a", *others], ["b"], attributes),
        ("conv", ["b", "w"], ["c"], PADS),
        ("global_average_pool", ["c"], ["y"], {}),
    ]
    shapes = {"x": IMAGE, "a": IMAGE, "b": shape, "c": shape, "y": [-1, 4, 1, 1]}
    return graph(nodes, shapes, {"w": weight(4, 4, 3, 3), **weights})


@pytest.mark.parametrize("case", WITHIN)
def test_images_that_do_not_see_each_other_are_cut(case, monkeypatch):
    model = between(*WITHIN[case])
    x = weight(9, 4, 6, 6)
    assert is_cut(monkeypatch, model, x)
    cut(monkeypatch)
    (whole,) = run(model, x, keep_values=True)
    np.testing.assert_allclose(run(model, x)[0], whole, rtol=1e-5, atol=1e-5)


# Ops that mix the images of x, (N, 4, 6, 6): nodes from x to y, shapes, weights.
MIXED = {
    "softmax over images": ([("softmax", "x", "y", {"axis": 0})], {"y": IMAGE}),
    "log_softmax over images": ([("log_softmax", "x", "y", {"axis": -4})], {"y": IMAGE}),
    "the largest of all": (
        [("reduce_max", "x", "m", {"axes": [0, 2]}), ("sub", "x m", "y", {})],
        {"m": [1, 4, 1, 6], "y": IMAGE},
    ),
    "some images": ([("slice", "x", "y", {"starts": [-1], "ends": [-100], "axes": [0], "steps": [-1]})], {"y": IMAGE}),
    "the first image": (
        [("slice", "x", "m", {"starts": [0], "ends": [1], "axes": [0], "steps": [1]}), ("add", "x m", "y", {})],
        {"m": [1, 4, 6, 6], "y": IMAGE},
    ),
    "twice as many": ([("concat", "x x", "y", {"axis": 0})], {"y": [-2, 4, 6, 6]}),
    "channels first": (
        [("transpose", "x", "t", {"perm": [1, 0, 2, 3]}), ("softmax", "t", "y", {"axis": 1})],
        {"t": [4, -1, 6, 6], "y": [4, -1, 6, 6]},
    ),
    "rows of images": (
        [("reshape", "x", "r", {"shape": [4, -1, 36]}), ("softmax", "r", "y", {"axis": 2})],
        {"r": [4, -1, 36], "y": [4, -1, 36]},
    ),
    "a product of images": (
        [("reshape", "x", "r", {"shape": [-1, 144]}), ("gemm", "r r", "y", {"trans_a": 1})],
        {"r": [-1, 144], "y": [144, 144]},
    ),
    "images beside images": (
        [("reshape", "x", "r", {"shape": [-1, 144]}), ("gemm", "r r", "y", {"trans_b": 1})],
        {"r": [-1, 144], "y": [-1, -1]},
    ),
    "normalised over images": (
        [("reshape", "x", "r", {"shape": [4, -36]}), ("relu", "r", "y", {})],
        {"r": [4, -36], "y": [4, -36]},
    ),
    "softmax over images in the middle": (
        [
            ("transpose", "x", "t", {"perm": [1, 0, 2, 3]}),
            ("softmax", "t", "s", {"axis": 1}),
            ("transpose", "s", "y", {"perm": [1, 0, 2, 3]}),
        ],
        {"t": [4, -1, 6, 6], "s": [4, -1, 6, 6], "y": IMAGE},
    ),
    "normalised over images in the middle": (
        [
            ("transpose", "x", "t", {"perm": [1, 2, 3, 0]}),
            ("reduce_mean", "t", "m", {"axes": [-1]}),
            ("sub", "t m", "s", {}),
            ("transpose", "s", "y", {"perm": [3, 0, 1, 2]}),
        ],
        {"t": [4, 6, 6, -1], "m": [4, 6, 6, 1], "s": [4, 6, 6, -1], "y": IMAGE},
    ),
    "rows of other images": (
        [
            ("reshape", "x", "r", {"shape": [-4, 36]}),
            ("transpose", "x", "t", {"perm": [1, 0, 2, 3]}),
            ("reshape", "t", "q", {"shape": [-4, 36]}),
            ("add", "r q", "s", {}),
            ("reshape", "s", "y", {"shape": [-1, 144]}),
        ],
        {"r": [-4, 36], "t": [4, -1, 6, 6], "q": [-4, 36], "s": [-4, 36], "y": [-1, 144]},
    ),
    "cut across images": (
        [("transpose", "x", "t", {"perm": [1, 0, 2, 3]}), ("reshape", "t", "y", {"shape": [-1, 144]})],
        {"t": [4, -1, 6, 6], "y": [-1, 144]},
    ),
    "heads cut across images": (
        [
            ("reshape", "x", "r", {"shape": [-4, 36]}),
            ("reshape", "r", "q", {"shape": [2, -2, 36]}),
            ("relu", "q", "s", {}),
            ("softmax", "s", "p", {"axis": 2}),
            ("reshape", "p", "y", {"shape": [-1, 144]}),
        ],
        {"r": [-4, 36], "q": [2, -2, 36], "s": [2, -2, 36], "p": [2, -2, 36], "y": [-1, 144]},
    ),
    "an output with images in the middle": (
        [("transpose", "x", "t", {"perm": [1, 0, 2, 3]}), ("relu", "t", "y", {})],
        {"t": [4, -1, 6, 6], "y": [4, -1, 6, 6]},
    ),
    "two rows for each": (
        [("reshape", "x", "r", {"shape": [-2, 72]}), ("softmax", "r", "y", {"axis": 0})],
        {"r": [-2, 72], "y": [-2, 72]},
    ),
}


@pytest.mark.parametrize("tail", [False, True], ids=["alone", "after a convolution"])
@pytest.mark.parametrize("case", MIXED)
def test_images_that_see_each_other_are_not(case, tail, monkeypatch):
    nodes, shapes = MIXED[case]
    nodes = [(op, ins.split(), outs.split(), attributes) for op, ins, outs, attributes in nodes]
    shapes = {"x": IMAGE, **shapes}
    weights = {}
    if tail:  # the mixing steps stay whole behind steps that are cut
        nodes = [("conv", ["i", "w"], ["h"], PADS), ("conv", ["h", "w"], ["x"], PADS), *nodes]
        shapes |= {"i": IMAGE, "h": IMAGE}
        weights = {"w": weight(4, 4, 3, 3) / 8}
    model = graph(nodes, shapes, weights, inputs=["i" if tail else "x"])
    cut(monkeypatch)
    for batch in (2, 5):
        x = weight(batch, 4, 6, 6)
        (whole,) = run(model, x, keep_values=True)
        np.testing.assert_allclose(run(model, x)[0], whole, rtol=1e-5, atol=1e-5)


# The batch along other axes, as transformers have it, between two convolutions: nodes from a to b, shapes.
WITHIN_OTHER_AXES = {
    "second axis": (
        [
            ("transpose", "a", "t", {"perm": [1, 0, 2, 3]}),
            ("softmax", "t", "s", {"axis": 0}),
            ("mul", "s t", "m", {}),
            ("reduce_max", "m", "r", {"axes": [3]}),
            ("add", "m r", "p", {}),
            ("transpose", "p", "b", {"perm": [1, 0, 2, 3]}),
        ],
        {**dict.fromkeys("tsmp", [4, -1, 6, 6]), "r": [4, -1, 6, 1], "b": IMAGE},
    ),
    "rows of a product": (
        [
            ("transpose", "a", "t", {"perm": [1, 0, 2, 3]}),
            ("reshape", "t", "r", {"shape": [-4, 36]}),
            ("gemm", "r v", "g", {"trans_b": 1}),
            ("reshape", "g", "h", {"shape": [4, -1, 6, 6]}),
            ("transpose", "h", "b", {"perm": [1, 0, 2, 3]}),
        ],
        {"t": [4, -1, 6, 6], "r": [-4, 36], "g": [-4, 36], "h": [4, -1, 6, 6], "b": IMAGE},
    ),
    "attention": (
        [
            ("reshape", "a", "q", {"shape": [-1, 4, 36]}),
            ("transpose", "q", "t", {"perm": [1, 0, 2]}),
            ("reshape", "t", "h", {"shape": [4, -3, 12]}),
            ("transpose", "h", "k", {"perm": [1, 0, 2]}),
            ("transpose", "k", "c", {"perm": [0, 2, 1]}),
            ("mat_mul", "k c", "s", {}),
            ("softmax", "s", "p", {"axis": -1}),
            ("mat_mul", "p k", "o", {}),
            ("transpose", "o", "u", {"perm": [1, 0, 2]}),
            ("reshape", "u", "z", {"shape": [4, -1, 36]}),
            ("layer_normalization", "z n", "l", {"axis": 2}),
            ("transpose", "l", "m", {"perm": [1, 0, 2]}),
            ("reshape", "m", "b", {"shape": [-1, 4, 6, 6]}),
        ],
        {
            "q": [-1, 4, 36],
            "t": [4, -1, 36],
            "h": [4, -3, 12],
            "k": [-3, 4, 12],
            "c": [-3, 12, 4],
            "s": [-3, 4, 4],
            "p": [-3, 4, 4],
            "o": [-3, 4, 12],
            "u": [4, -3, 12],
            "z": [4, -1, 36],
            "l": [4, -1, 36],
            "m": [-1, 4, 36],
            "b": IMAGE,
        },
    ),
    "unsqueezed": (
        [
            ("unsqueeze", "a", "u", {"axes": [0]}),
            ("slice", "u", "s", {"starts": [0], "ends": [3], "axes": [2], "steps": [1]}),
            ("pad", "s", "p", {"pads": [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]}),
            ("concat", "p u", "c", {"axis": 0}),
            ("transpose", "c", "t", {"perm": [1, 0, 2, 3, 4]}),
            ("reduce_mean", "t", "b", {"axes": [1], "keepdims": 0}),
        ],
        {
            "u": [1, -1, 4, 6, 6],
            "s": [1, -1, 3, 6, 6],
            "p": [1, -1, 4, 6, 6],
            "c": [2, -1, 4, 6, 6],
            "t": [-1, 2, 4, 6, 6],
            "b": IMAGE,
        },
    ),
}


@pytest.mark.parametrize("case", WITHIN_OTHER_AXES)
def test_the_batch_may_be_another_axis(case, monkeypatch):
    nodes, shapes = WITHIN_OTHER_AXES[case]
    nodes = [
        ("conv", ["x", "w"], ["a"], PADS),
        *((op, i.split(), o.split(), kind) for op, i, o, kind in nodes),
        ("conv", ["b", "w"], ["d"], PADS),
        ("global_average_pool", ["d"], ["y"], {}),
    ]
    read = {name for node in nodes for name in node[1]}
    weights = {"w": weight(4, 4, 3, 3), "v": weight(36, 36), "n": weight(36)}
    model = graph(
        nodes,
        {"x": IMAGE, "a": IMAGE, "d": IMAGE, "y": [-1, 4, 1, 1], **shapes},
        {name: array for name, array in weights.items() if name in read},
    )
    x = weight(9, 4, 6, 6)
    assert is_cut(monkeypatch, model, x)
    cut(monkeypatch)
    for options in ({"threads": 1}, {"threads": 2}):
        (whole,) = run(model, x, keep_values=True)
        np.testing.assert_allclose(run(model, x, **options)[0], whole, rtol=1e-5, atol=1e-5)


def network():
    """Large values first and small ones last; residuals, a view between stretches, values that are the same for all
    images, and every kind of output."""
    nodes = [
        ("conv", ["x", "w0"], ["a"], PADS),
        ("relu", ["a"], ["b"], {}),
        ("conv", ["b", "w1"], ["c"], PADS),
        ("add", ["c", "b"], ["d"], {}),
        ("max_pool", ["d"], ["e"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("sigmoid", ["scale"], ["s"], {}),
        ("mul", ["e", "s"], ["f"], {}),
        ("conv", ["f", "w1"], ["g"], PADS),
        ("add", ["g", "f"], ["h"], {}),
        ("relu", ["h"], ["i"], {}),
        ("reduce_mean", ["i"], ["j"], {"axes": [2, 3]}),
        ("flatten", ["j"], ["k"], {}),
        ("mul", ["e", "s"], ["late"], {}),
        ("gemm", ["k", "w2"], ["l"], {"trans_b": 1}),
        ("softmax", ["l"], ["y"], {"axis": 1}),
        ("constant_of_shape", [], ["n"], {"shape": [-1, 3], "value": 2.0}),
        ("add", ["n", "y"], ["z"], {}),
    ]
    large, small = [-1, 8, 12, 12], [-1, 8, 6, 6]
    shapes = {
        "x": [-1, 3, 12, 12],
        **dict.fromkeys("abcd", large),
        **dict.fromkeys(["e", "f", "g", "h", "i"], small),
        "scale": [8, 1, 1],
        "s": [8, 1, 1],
        "j": [-1, 8, 1, 1],
        "k": [-1, 8],
        "late": small,
        "l": [-1, 3],
        "y": [-1, 3],
        "n": [-1, 3],
        "z": [-1, 3],
    }
    weights = {"w0": weight(8, 3, 3, 3), "w1": weight(8, 8, 3, 3) / 8, "w2": weight(3, 8)}
    return graph(nodes, shapes, weights, inputs=["x", "scale"], outputs=["z", "y", "late", "x", "w2", "i", "s"])


BATCHED_OUTPUTS = ("z", "y", "late", "x", "i")


@pytest.mark.parametrize(
    "options",
    [{}, {"threads": 2}, {"memory": "low"}, {"precision": "bf16"}],
    ids=["fast", "two threads", "low memory", "bf16"],
)
@pytest.mark.parametrize("size", [1, 10_000, 20_000])
def test_every_batch_is_its_images(size, options, monkeypatch):
    model = network()
    cut(monkeypatch, size)
    x, scale = weight(17, 3, 12, 12), weight(8, 1, 1)
    if "precision" in options and not any(row["chosen"] and row["bf16"] for row in instruction_sets()):
        pytest.skip("this CPU does not multiply bfloat16 numbers")
    with model.session("cpu", **{"threads": 1, **options}) as session:
        single = [{k: v.copy() for k, v in session.run({"x": x[i : i + 1], "scale": scale}).items()} for i in range(17)]
        for batch in range(1, 18):
            found = session.run({"x": x[:batch], "scale": scale})
            for name in BATCHED_OUTPUTS:
                expected = np.concatenate([one[name] for one in single[:batch]])
                np.testing.assert_array_equal(found[name], expected, err_msg=f"{name}, batch {batch}")
            for name in ("s", "w2"):
                np.testing.assert_array_equal(found[name], single[0][name])


def test_profile_counts_every_turn_once(monkeypatch):
    model = network()
    feeds = {"x": weight(16, 3, 12, 12), "scale": weight(8, 1, 1)}
    listed = []
    for size in (1, 2**40):
        cut(monkeypatch, size)
        with model.session("cpu", 1, profile=True) as session:
            shares = []
            for _ in range(20):
                start = time.perf_counter()
                session.run(feeds)
                taken = time.perf_counter() - start
                shares.append(sum(step.seconds for step in session.profile()) / taken)
            listed.append([(step.op, step.node, step.kernel) for step in session.profile()])
            assert 0.01 < max(shares) <= 1  # a run that had to wait for a processor has a small one
    assert listed[0] == listed[1]


def test_kept_values_are_of_the_whole_batch(monkeypatch):
    cut(monkeypatch)
    model, x, scale = network(), weight(5, 3, 12, 12), weight(8, 1, 1)
    with model.session("cpu", 1, keep_values=True) as session:
        session.run({"x": x, "scale": scale})
        assert session.values()["b"].shape == (5, 8, 12, 12)


def test_the_arena_is_that_of_a_turn(monkeypatch):
    """Sixteen images of a deep chain need hardly more room than one."""
    names = ["x", *(f"v{i}" for i in range(6)), "y"]
    nodes = [("conv", [a, "w"], [b], PADS) for a, b in itertools.pairwise(names[:-1])]
    nodes.append(("global_average_pool", [names[-2]], ["y"], {}))
    model = graph(nodes, {**dict.fromkeys(names, [-1, 4, 32, 32]), "y": [-1, 4, 1, 1]}, {"w": weight(4, 4, 3, 3)})
    cut(monkeypatch)
    assert arena(model, weight(16, 4, 32, 32)) < 1.2 * arena(model, weight(1, 4, 32, 32))


def test_models_without_a_batch_run_as_they_are(monkeypatch):
    cut(monkeypatch)
    model = graph([("softmax", ["x"], ["y"], {"axis": 0})], dict.fromkeys("xy", [6, 5]))
    x = weight(6, 5)
    np.testing.assert_allclose(run(model, x)[0].sum(0), np.ones(5), rtol=1e-5)
