"""Products that float16 does not hold are refused by name; split sums stay right from run to run."""

import numpy as np
import pytest

from dsruntime import Model, ModelError
from dsruntime.backends.cuda.emulated_driver import EmulatedDriver
from dsruntime.backends.cuda.runner import Runner
from tests.support.cases import Case, ints, shifts
from tests.support.one_node import one_node_file


@pytest.fixture(scope="module")
def driver():
    return EmulatedDriver()


def opened(op, case, driver, **more):
    return Runner(Model.open(one_node_file(op, case)), driver=driver, **more)


CASES = {
    "conv": Case("conv", (ints(1, 2, 3, 3), np.ones((4, 2, 1, 1), np.float32)), weights=(1,)),
    "gemm": Case("gemm", (ints(3, 8), np.ones((8, 4), np.float32)), weights=(1,)),
    "mat_mul": Case("two activations", (ints(3, 8), ints(8, 4))),
}


@pytest.mark.parametrize("op", CASES)
def test_a_product_beyond_float16_is_refused(op, driver):
    case = CASES[op]
    runner = opened(op, case, driver)
    feeds = [array for i, array in enumerate(case.inputs) if i not in case.weights]
    large = [np.full_like(array, 300 if len(feeds) == 2 else 60000) for array in feeds]
    for _ in range(2):
        with pytest.raises(ModelError, match="node: a result beyond 65504; .*--backend cpu"):
            runner.run(large, len(large[0]))
        runner.run(feeds, len(feeds[0]))  # the session lives


def test_a_session_that_keeps_values_shows_infinity(driver):
    runner = opened("gemm", CASES["gemm"], driver, keep_values=True)
    assert np.isinf(runner.run([np.full((3, 8), 60000, np.float32)], 3)[0]).all()


def test_infinite_inputs_are_no_overflow(driver):
    runner = opened("gemm", CASES["gemm"], driver)
    assert np.isinf(runner.run([np.full((3, 8), np.inf, np.float32)], 3)[0]).all()


def test_split_sums_stay_right(driver):
    """The counters of a split product must outlive every run: inputs of the next one must not land on them."""
    case = Case("deep", (ints(1, 8192), shifts(24, 8192)), {"trans_b": 1}, weights=(1,))
    runner = opened("gemm", case, driver)
    random = np.random.default_rng(0)
    for _ in range(3):
        x = random.integers(-2, 3, (1, 8192)).astype(np.float32)
        np.testing.assert_array_equal(runner.run([x], 1)[0], (x @ case.inputs[1].T).astype(np.float16))
    launches = [launch for step in runner.plans[1].plan.steps for launch in step.launches]
    assert max(launch.grid[2] for launch in launches) > 1
