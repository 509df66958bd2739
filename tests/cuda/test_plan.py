"""A plan on the GPU: its steps and its memory."""

import doctest

import numpy as np
import pytest

from dsruntime import Model, ModelError
from dsruntime.backends.cuda.device_model import on_device
from dsruntime.backends.cuda.emulated_driver import EmulatedDriver
from dsruntime.backends.cuda.kernels import window
from dsruntime.backends.cuda.lower import movement
from dsruntime.backends.cuda.plan import Plan
from dsruntime.backends.cuda.runner import Runner
from tests.support.dsf_files import build


@pytest.mark.parametrize("module", [movement, window], ids=lambda m: m.__name__)
def test_examples(module):
    assert doctest.testmod(module).failed == 0


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


def test_a_constant_factor_goes_into_the_product_of_two_activations():
    half = ("s", np.full((1,), 0.5, np.float32))
    nodes = [("mat_mul", ["x", "x"], "a", {}), ("mul", ["s", "a"], "b", {}), ("relu", ["b"], "y", {})]
    model = chain(*nodes, weights=[half], shape=(-1, 4, 6, 6))
    x = np.random.default_rng(0).standard_normal((2, 4, 6, 6)).astype(np.float32)
    runner = Runner(model, profile=True, driver=EmulatedDriver())
    np.testing.assert_allclose(runner.run([x], 2)[0], np.maximum(x @ x / 2, 0), atol=0.02)
    assert [step.op for step in runner.profile()] == ["mat_mul+mul+relu"]


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
