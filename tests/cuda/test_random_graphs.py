"""Random small graphs, fused and plain, at two batch sizes: as far from the reference as float16 explains."""

import numpy as np
import pytest

from dscompress.verify.bounds.halves import LARGEST
from dsruntime import Model
from dsruntime.backends.cuda.emulated_driver import EmulatedDriver
from dsruntime.backends.cuda.runner import Runner
from tests.cuda.test_networks import FACTOR, all_rounded
from tests.differential.graphs import Choices, random_graph
from tests.support.cases import compile_onnx

GRAPHS = 10


@pytest.fixture(scope="module")
def driver():
    return EmulatedDriver()


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_agrees(seed, driver, tmp_path):
    graph = random_graph(Choices(seed), seed % 2 == 0)
    model = Model.open(compile_onnx(graph.model, tmp_path))
    for batch in (1, 3):
        x = graph.input(batch)
        with model.session("reference", keep_values=True) as session:
            session.run(x)
            values = session.values()
        if any(np.abs(value).max() > LARGEST for value in values.values()):
            pytest.skip("a value is beyond float16")
        moved = [all_rounded(model, x, seed) for seed in range(3)]
        for keep_values in (False, True):
            runner = Runner(model, keep_values=keep_values, driver=driver)
            answers = [runner.run([x], batch) for _ in range(2)][-1]  # launched, then replayed
            for i, (info, answer) in enumerate(zip(model.outputs, answers, strict=True)):
                want = values[info.name]
                noise = max(np.abs(one[i] - want).max() for one in moved)
                assert np.abs(answer - want).max() <= FACTOR * noise + 2**-10 * np.abs(want).max(), info.name
            runner.close()
