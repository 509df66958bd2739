"""The cases of tests/ops on backend cuda, emulated: within what rounding to float16 explains."""

import importlib

import numpy as np
import pytest

from dsruntime import Model, ModelError
from dsruntime.backends.cuda.emulated_driver import EmulatedDriver
from dsruntime.backends.cuda.fuse import PRODUCTS
from dsruntime.backends.cuda.runner import Runner
from dsruntime.backends.reference.ops import OPS
from dsruntime.library import library
from tests.cuda.halves import assert_agrees, fits, half_bounds
from tests.support.one_node import is_shift, one_node_file

CASES = [(op, case) for op in sorted(OPS) for case in importlib.import_module(f"tests.ops.test_{op}").CASES]


@pytest.fixture(scope="module")
def driver():
    return EmulatedDriver()


@pytest.mark.parametrize("op, case", CASES, ids=str)
def test_agrees(op, case, driver):
    if not fits(*case.inputs):
        pytest.skip("the inputs are beyond float16")
    case_runs(driver, op, case)


def case_runs(driver, op, case):
    """Raises an AssertionError that names what is off; tools/gpu_check.py calls this with a real GPU."""
    codec = "shift" if is_shift(op, case) else "raw"
    model = Model.open(one_node_file(op, case, codec=codec, output_types=None if case.onnx else case.output_types))
    feeds = {f"x{i}": a for i, a in enumerate(case.inputs) if a is not None and i not in case.weights}
    arrays = [np.array(feeds.get(info.name, np.zeros(1, np.float32)), order="C") for info in model.inputs]
    expected = model.session("reference").run(arrays)
    expected = list(expected.values()) if isinstance(expected, dict) else [expected]
    batch = arrays[0].shape[0] if case.batch else 1
    runner = Runner(model, driver=driver)
    if op in PRODUCTS and not fits(*expected):
        with pytest.raises(ModelError, match="beyond 65504"):
            runner.run(arrays, batch)
        runner.close()
        return
    for turn in range(2):  # launched one by one, then recorded and replayed
        got = runner.run(arrays, batch)
        bounds = half_bounds(model.graph.nodes[0], case.inputs, expected, batch, case.weights, codec == "shift")
        for have, want, bound in zip(got, expected, bounds, strict=True):
            assert_agrees(have, want, bound, f"{op} {case.label}, run {turn + 1}")
    runner.close()


def test_every_op_of_libdsf_has_a_kernel():
    from dsruntime.backends.cuda.lower import OPS as LOWERED

    names = {library().dsf_op_name(i).decode() for i in range(library().dsf_op_count())}
    assert names <= set(LOWERED)
