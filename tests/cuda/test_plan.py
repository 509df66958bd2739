"""Tensors as windows, fusion, the arena: what a plan is made of, without running it."""

import doctest
import random

import numpy as np
import pytest

from dsruntime import Model, ModelError
from dsruntime.backends.cuda import arena, builder, tensor
from dsruntime.backends.cuda.arena import Buffer, overlaps, place
from dsruntime.backends.cuda.builder import at_batch
from dsruntime.backends.cuda.device_model import on_device
from dsruntime.backends.cuda.emulated_driver import EmulatedDriver
from dsruntime.backends.cuda.fuse import groups_of
from dsruntime.backends.cuda.kernels import window
from dsruntime.backends.cuda.lower import movement
from dsruntime.backends.cuda.plan import Plan
from dsruntime.backends.cuda.runner import Runner
from dsruntime.backends.cuda.tensor import Tensor
from tests.support.dsf_files import build


@pytest.mark.parametrize("module", [arena, builder, movement, tensor, window], ids=lambda m: m.__name__)
def test_examples(module):
    assert doctest.testmod(module).failed == 0


def test_windows_are_numpys_views():
    """reshape, transpose, slice, broadcast of a window against NumPy's: a view exactly where NumPy has one."""
    choose = random.Random(0)
    for _ in range(3000):
        shape = [choose.choice([1, 1, 2, 3, 4, 6]) for _ in range(choose.randint(0, 5))]
        array = np.arange(int(np.prod(shape))).reshape(shape)
        array = array.transpose(choose.sample(range(len(shape)), len(shape)))
        t = Tensor(0, 0, array.shape, tuple(step // 8 for step in array.strides), "int64")
        assert t.is_packed()
        wanted = factors(choose, array.size)
        reshaped, by_numpy = t.reshaped(wanted), array.reshape(wanted)
        assert (reshaped is not None) == np.shares_memory(array, by_numpy) or array.size == 1
        if reshaped is not None:
            np.testing.assert_array_equal(elements(reshaped), by_numpy)
        for axis, size in enumerate(array.shape):
            start, step = choose.randrange(size), choose.choice([1, 2, -1])
            count = len(range(start, size if step > 0 else -1, step))
            cut = np.take(array, range(start, start + count * step, step), axis)
            np.testing.assert_array_equal(elements(t.sliced(axis, start, count, step)), cut)


def factors(choose, size: int) -> list[int]:
    found = []
    while size > 1:
        found.append(choose.choice([n for n in range(2, size + 1) if size % n == 0]))
        size //= found[-1]
    for _ in range(choose.randint(0, 2)):
        found.insert(choose.randint(0, len(found)), 1)
    return found


def elements(t: Tensor) -> np.ndarray:
    """What the window shows of a buffer that holds 0, 1, 2, ..."""
    places = np.full(t.shape, t.offset)
    for axis, step in enumerate(t.strides):
        places += (np.arange(t.shape[axis]) * step).reshape(-1, *[1] * (len(t.shape) - axis - 1))
    return places


def test_the_arena_never_puts_two_living_buffers_in_one_place():
    choose = random.Random(1)
    for _ in range(200):
        buffers = []
        for _ in range(choose.randint(1, 30)):
            first = choose.randrange(20)
            buffers.append(Buffer(choose.randrange(1, 5000), first, first + choose.randrange(5)))
        size = place(buffers)
        for i, a in enumerate(buffers):
            assert a.offset % 256 == 0 and a.offset + a.bytes <= size
            for b in buffers[:i]:
                assert not overlaps(a, b) or a.offset + a.bytes <= b.offset or b.offset + b.bytes <= a.offset
    assert place([Buffer(1000, i, i) for i in range(50)]) == 1024


def chain(*nodes, outputs=("y",), weights=(), shape=(-1, 4, 6, 6)):
    """A model of nodes (op, inputs, output, attributes) over values of one shape."""
    names = ["x", *(node[2] for node in nodes)]
    values = [{"name": name, "shape": list(shape)} for name in names]
    values += [{"name": name, "shape": list(array.shape)} for name, array in weights]
    return Model.open(
        build(
            values=values,
            inputs=["x"],
            outputs=list(outputs),
            nodes=[
                {"op": op, "name": f"n{i}", "inputs": list(inputs), "outputs": [output], "attributes": attributes}
                for i, (op, inputs, output, attributes) in enumerate(nodes)
            ],
            weights=[{"value": name, "array": array} for name, array in weights],
        )
    )


W = ("w", np.ones((4, 4, 1, 1), np.float32))


def names(model, fuse=True):
    shapes = [at_batch(value.shape, 2) for value in model.graph.values]
    return [group.name for group in groups_of(model.graph, shapes, fuse)]


@pytest.mark.parametrize(
    ("nodes", "fused"),
    [
        ([("conv", ["x", "w"], "a", {}), ("relu", ["a"], "y", {})], ["conv+relu"]),
        (
            [("conv", ["x", "w"], "a", {}), ("add", ["x", "a"], "b", {}), ("clip", ["b"], "y", {"max": 6.0})],
            ["conv+add+clip"],
        ),
        (
            [
                ("relu", ["x"], "a", {}),
                ("conv", ["a", "w"], "b", {}),
                ("conv", ["a", "w"], "c", {}),
                ("add", ["b", "c"], "y", {}),
            ],
            ["relu", "conv", "conv+add"],
        ),
        ([("conv", ["x", "w"], "a", {}), ("relu", ["a"], "b", {}), ("relu", ["b"], "y", {})], ["conv+relu", "relu"]),
        (
            [("conv", ["x", "w"], "a", {}), ("sigmoid", ["a"], "b", {}), ("mul", ["a", "b"], "y", {})],
            ["conv", "sigmoid+mul"],
        ),
        ([("sigmoid", ["x"], "a", {}), ("mul", ["a", "a"], "y", {})], ["sigmoid", "mul"]),
        ([("add", ["x", "x"], "a", {}), ("relu", ["a"], "y", {})], ["add+relu"]),
    ],
)
def test_what_is_fused(nodes, fused):
    model = chain(*nodes, weights=[W] if any("w" in node[1] for node in nodes) else [])
    assert names(model) == fused
    assert names(model, fuse=False) == [node[0] for node in nodes]


def test_a_constant_factor_goes_into_the_product_of_two_activations():
    half = ("s", np.full((1,), 0.5, np.float32))
    nodes = [("mat_mul", ["x", "x"], "a", {}), ("mul", ["s", "a"], "b", {}), ("relu", ["b"], "y", {})]
    model = chain(*nodes, weights=[half], shape=(-1, 4, 6, 6))
    assert names(model) == ["mat_mul+mul+relu"]
    x = np.random.default_rng(0).standard_normal((2, 4, 6, 6)).astype(np.float32)
    runner = Runner(model, driver=EmulatedDriver())
    np.testing.assert_allclose(runner.run([x], 2)[0], np.maximum(x @ x / 2, 0), atol=0.02)


def test_what_somebody_else_reads_is_not_fused():
    nodes = [("conv", ["x", "w"], "a", {}), ("relu", ["a"], "y", {})]
    assert names(chain(*nodes, outputs=("a", "y"), weights=[W])) == ["conv", "relu"]


def test_views_take_no_steps_and_memory_is_reused():
    nodes = [
        ("transpose", ["x"], "a", {"perm": [0, 1, 3, 2]}),
        ("identity", ["a"], "b", {}),
        *[("relu" if i % 2 else "tanh", [f"v{i - 1}" if i else "b"], f"v{i}", {}) for i in range(12)],
    ]
    model = chain(*nodes, outputs=("v11",))
    plan = Plan(model, on_device(model, EmulatedDriver()), 3)
    assert [step.op for step in plan.steps] == ["tanh", "relu"] * 6
    one = 3 * 4 * 36 * 2
    assert plan.arena_bytes <= 4 * (one + 256)
    keeping = Plan(model, on_device(model, EmulatedDriver()), 3, keep_values=True)
    assert keeping.arena_bytes > 12 * one


def test_a_batch_that_is_too_large_is_refused_before_memory_is_taken():
    model = chain(("relu", ["x"], "y", {}))
    driver = EmulatedDriver()
    with pytest.raises(ModelError, match="run smaller batches"):
        Plan(model, on_device(model, driver), 2**22)
    assert driver.allocated == {}
