"""The limits that a caller sets: on a run's work, on what a plan notes down, on prepared weights; on every backend."""

import itertools

import numpy as np
import pytest

from dsruntime import Limits, Model, ModelError
from tests.support.dsf_files import build, shift_weight

BACKENDS = ["cpu", "reference"]


def graph(nodes, shapes, weights=(), inputs=("x",), outputs=("y",), **limits):
    """A model whose values have the shapes given by name; weights are dicts for build(), with a shape besides."""
    shapes = {**shapes, **{weight["value"]: weight["shape"] for weight in weights}}
    stored = [{key: part for key, part in weight.items() if key != "shape"} for weight in weights]
    return Model.open(
        build(
            values=[{"name": name, "shape": list(shape)} for name, shape in shapes.items()],
            nodes=[
                {"op": op, "inputs": list(ins), "outputs": list(outs), "attributes": attributes}
                for op, ins, outs, attributes in nodes
            ],
            weights=stored,
            inputs=list(inputs),
            outputs=list(outputs),
        ),
        limits=Limits(**limits),
    )


def raw(name, *shape):
    return {"value": name, "shape": shape, "array": np.ones(shape, np.float32)}


def one(op, x, y, attributes=None, weights=()):
    names = ["x", *(weight["value"] for weight in weights)]
    return graph([(op, names, ["y"], attributes or {})], {"x": x, "y": y}, weights)


def test_products_count_their_multiplications():
    conv = one("conv", (-1, 6, 9, 9), (-1, 8, 7, 7), {"group": 2}, [raw("w", 8, 3, 3, 3)])
    assert [conv.multiply_adds(batch) for batch in (4, 5)] == [4 * 8 * 49 * 27, 5 * 8 * 49 * 27]
    transposed = one("conv_transpose", (-1, 6, 9, 9), (-1, 8, 11, 11), {"group": 2}, [raw("w", 6, 4, 3, 3)])
    assert transposed.multiply_adds(2) == 2 * 8 * 121 * 3 * 9
    gemm = one("gemm", (-1, 50), (-1, 70), {"trans_b": 1}, [raw("w", 70, 50)])
    assert gemm.multiply_adds(3) == max(3 * 50 * 70, 16 * (3 * 50 + 70 * 50))
    product = one("mat_mul", (-1, 300, 300), (-1, 300, 200), weights=[raw("w", 300, 200)])
    assert product.multiply_adds(2) == 2 * 300 * 300 * 200


def test_all_else_counts_its_elements():
    assert one("relu", (-1, 7), (-1, 7)).multiply_adds(3) == 16 * 21
    assert one("expand", (1, 1), (100, 100), {"shape": [100, 100]}).multiply_adds() == 16 * 10000
    assert one("reduce_sum", (-1, 100), (-1, 1), {"axes": [1]}).multiply_adds(4) == 16 * 400
    assert one("relu", (1,), (1,)).multiply_adds() == 16  # there is no batch


def test_windows_and_sorts_count_more_than_their_elements():
    pool = {"kernel_shape": [5, 5]}
    assert one("max_pool", (-1, 2, 20, 20), (-1, 2, 16, 16), pool).multiply_adds() == 4 * 2 * 256 * 25
    assert one("average_pool", (-1, 2, 20, 20), (-1, 2, 16, 16), pool).multiply_adds() == 4 * 2 * 256 * 25
    top = Model.open(
        build(
            values=[
                {"name": "x", "shape": [-1, 100]},
                {"name": "y", "shape": [-1, 8]},
                {"name": "i", "shape": [-1, 8], "dtype": "int64"},
            ],
            nodes=[{"op": "top_k", "inputs": ["x"], "outputs": ["y", "i"], "attributes": {"k": 8}}],
            inputs=["x"],
            outputs=["y", "i"],
        )
    )
    assert top.multiply_adds(2) == 200 * 4 * 16  # 8 halves three times


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_over_the_limit_is_refused(backend):
    """The limit is for each image: a larger batch may take as many times more."""
    model = graph([("relu", ["x"], ["y"], {})], {"x": (-1, 10), "y": (-1, 10)}, multiply_adds=160)
    model.session(backend).run(np.ones((7, 10), np.float32))
    model = graph([("relu", ["x"], ["y"], {})], {"x": (-1, 10), "y": (-1, 10)}, multiply_adds=159)
    with pytest.raises(ModelError) as caught:
        model.session(backend).run(np.ones((7, 10), np.float32))
    assert caught.value.where == "model in memory: batch size 7"
    assert caught.value.found == "a run takes 1120 multiply-adds"
    assert caught.value.expected == "at most 159 for each image of a batch"
    assert "multiply_adds" in caught.value.what_to_do


def bomb(side=8192, products=6, **limits):
    """A small file that expands one number to a matrix, and multiplies that with itself again and again."""
    names = [f"m{i}" for i in range(products + 1)]
    nodes = [("expand", ["x"], ["m0"], {"shape": [side, side]})]
    nodes += [("mat_mul", [made, "m0"], [name], {}) for made, name in itertools.pairwise(names)]
    nodes += [("reduce_sum", [names[-1]], ["y"], {"axes": [0, 1]})]
    return graph(nodes, {"x": (1, 1), "y": (1, 1), **dict.fromkeys(names, (side, side))}, **limits)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_file_that_would_compute_for_hours_is_refused_by_default(backend):
    model = bomb()
    with pytest.raises(ModelError, match=r"multiply-adds; expected at most 2199023255552 for each image"):
        model.session(backend).run(np.ones((1, 1), np.float32))
    with pytest.raises(ModelError, match="multiply-adds"):
        model.prepare()


def test_the_count_does_not_overflow():
    """4,000 convolutions of 10^16 multiplications each, in a file of a few hundred kilobytes."""
    image, window = 20480, 10240
    left = image - window + 1
    nodes = [
        ("expand", ["x"], ["image"], {"shape": [1, 1, image, image]}),
        ("expand", ["x"], ["w"], {"shape": [1, 1, window, window]}),
    ]
    nodes += [("conv", ["image", "w"], [f"y{i}"], {}) for i in range(4000)]
    shapes = {"x": (1, 1, 1, 1), "image": (1, 1, image, image), "w": (1, 1, window, window)}
    model = graph(nodes, {**shapes, **{f"y{i}": (1, 1, left, left) for i in range(4000)}}, outputs=["y0"])
    with pytest.raises(ModelError, match="a run takes 18446744073709551615 multiply-adds"):
        model.multiply_adds()
    with pytest.raises(ModelError, match="batch is 0"):
        model.multiply_adds(0)


def test_a_plan_of_many_inputs_is_refused():
    """300 concats of 4,096 inputs are a small file, and would be hundreds of megabytes of notes."""
    nodes = [("concat", ["x"] * 4096, [f"y{i}"], {"axis": 1}) for i in range(300)]
    shapes = {"x": (-1, 1), **{f"y{i}": (-1, 4096) for i in range(300)}}
    with pytest.raises(
        ModelError,
        match=r"node 'concat_15' \(concat\): it brings the inputs and outputs of all nodes "
        "to 65552; expected 0 to 65536",
    ):
        graph(nodes, shapes, outputs=["y0"])


def test_what_a_plan_notes_down_is_bounded():
    nodes = [("concat", ["x"] * 1000, [f"y{i}"], {"axis": 1}) for i in range(10)]
    shapes = {"x": (-1, 1), **{f"y{i}": (-1, 1000) for i in range(10)}}
    x = np.arange(2, dtype=np.float32).reshape(2, 1)
    result = graph(nodes, shapes, outputs=["y3"]).session().run(x)
    np.testing.assert_array_equal(result, np.repeat(x, 1000, axis=1))
    model = graph(nodes, shapes, outputs=["y3"], plan_bytes=1 << 20)
    with pytest.raises(
        ModelError,
        match=r"batch size 2: its plan needs \d{7} bytes up to node 'concat_\d'; expected "
        "at most 1048576; raise the limit plan_bytes",
    ):
        model.session().run(x)


@pytest.mark.parametrize(
    "op, attributes",
    [
        ("pad", {"pads": [0, 0, 0, 300_000]}),
        ("resize", {"mode": "linear", "sizes": [-1, 1, 1, 300_001], "scales": [1.0, 1.0, 1.0, 300_001.0]}),
    ],
)
def test_tables_of_a_plan_are_counted(op, attributes):
    x, y = ((-1, 1), (-1, 300_001)) if op == "pad" else ((-1, 1, 1, 1), (-1, 1, 1, 300_001))
    model = graph([(op, ["x"], ["y"], attributes)], {"x": x, "y": y}, plan_bytes=1 << 20)
    with pytest.raises(ModelError, match=f"its plan needs \\d{{7}} bytes up to node '{op}_0'"):
        model.session().run(np.ones([1 if d < 0 else d for d in x], np.float32))


def test_the_order_of_computed_weights_is_counted():
    """A small file of many convolutions, each of which notes down where every number of its computed filter lies."""
    nodes = [("conv", ["x", "w"], [f"y{i}"], {}) for i in range(10)]
    shapes = {"x": (1, 64, 16, 16), "w": (1, 64, 16, 16), **{f"y{i}": (1, 1, 1, 1) for i in range(10)}}
    model = graph(nodes, shapes, inputs=["x", "w"], outputs=["y0"], plan_bytes=1 << 20)
    with pytest.raises(ModelError, match=r"its plan needs \d{7} bytes up to node 'conv_7'"):
        model.session(threads=1).run({name: np.ones(shapes[name], np.float32) for name in "xw"})


@pytest.mark.parametrize("op", ["conv", "conv_transpose"])
def test_zeros_are_kept_for_the_pixels_that_there_are(op):
    """Not for padding, nor for what lies between the pixels of a transposed convolution."""
    window = {"group": 64, "strides": [10_000]} if op == "conv_transpose" else {"group": 64, "pads": [5_000, 5_000]}
    shapes = {"x": (1, 64, 2), "w": (64, 1, 2), "y": (1, 64, 10_002 if op == "conv_transpose" else 10_001)}
    model = graph([(op, ["x", "w"], ["y"], window)], shapes, inputs=["x", "w"], plan_bytes=1 << 20)
    y = model.session(threads=1).run({name: np.ones(shapes[name], np.float32) for name in "xw"})
    assert y.sum() == 64 * 4


def one_bit_weights(**limits):
    """A weight of a bit each: 1 MiB as floats, 32 KiB in the file."""
    size = 512 * 512
    weight = {
        **shift_weight("w", np.zeros(size, int), np.arange(size) % 3 == 0, bits=1, base=0, order=[0, 1]),
        "shape": (512, 512),
    }
    return graph([("gemm", ["x", "w"], ["y"], {"trans_b": 1})], {"x": (-1, 512), "y": (-1, 512)}, [weight], **limits)


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_that_a_small_file_expands_to_are_bounded(backend):
    x = np.ones((40, 512), np.float32)
    expected = one_bit_weights().session(backend).run(x)
    assert np.array_equal(one_bit_weights(weight_bytes=4 << 20).session(backend).run(x), expected)
    model = one_bit_weights(weight_bytes=100_000)
    with pytest.raises(ModelError, match=r"weights need .*at most 100000; .*raise the limit weight_bytes"):
        model.session(backend).run(x)
    if backend == "cpu":
        assert model.session(memory="low").run(x).shape == (40, 512)  # a bit stays a bit


@pytest.mark.parametrize("backend", BACKENDS)
def test_activations_are_bounded_on_every_backend(backend):
    def chain(**limits):
        shapes = {"x": (-1, 1000), "a": (-1, 1000), "s": (1, 1), "y": (-1, 1000)}
        nodes = [
            ("exp", ["x"], ["a"], {}),
            ("reduce_sum", ["a"], ["s"], {"axes": [0, 1]}),
            ("mul", ["a", "s"], ["y"], {}),
        ]
        return graph(nodes, shapes, **limits)

    x = np.zeros((5, 1000), np.float32)
    assert chain().session(backend).run(x)[0, 0] == 5000
    with pytest.raises(ModelError, match=r"batch size 5: its activations need \d+ bytes; expected at most 10000;"):
        chain(activation_bytes=10_000).session(backend).run(x)


def test_the_reference_counts_the_values_that_it_holds_at_a_time():
    from dsruntime.backends.reference.executor import bytes_at_a_time

    shapes = dict.fromkeys(("x", "a", "b", "y"), (-1, 10))
    nodes = [("exp", ["x"], ["a"], {}), ("exp", ["a"], ["b"], {}), ("exp", ["b"], ["y"], {})]
    found = graph(nodes, shapes).graph
    assert bytes_at_a_time(found, 3, keep=False) == 2 * 3 * 10 * 4
    assert bytes_at_a_time(found, 3, keep=True) == 4 * 3 * 10 * 4
