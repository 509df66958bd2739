"""Small networks of every family, end to end on the emulated GPU, against the reference within float16's rounding.

The bound for a whole network is measured on the reference: what moving every value by a half's rounding does to the
outputs, some times over.
"""

import numpy as np
import pytest

from dscompress.verify.bounds.halves import H
from dsruntime.backends.cuda.emulated_driver import EmulatedDriver
from dsruntime.backends.cuda.runner import Runner
from dsruntime.backends.reference.codecs import decode
from dsruntime.backends.reference.executor import run_node
from tests.cuda.networks import NETWORKS, compiled

FACTOR = 6  # rounding differs between the fused and the plain graph, and from seed to seed


@pytest.fixture(scope="module")
def driver():
    return EmulatedDriver()


@pytest.mark.parametrize("name, method", zip(NETWORKS, ["ps", "q", "ps", "q"], strict=True))
def test_agrees(name, method, driver):
    network_agrees(driver, *compiled(name, method))


def network_agrees(driver, model, x):
    """tools/gpu_check.py calls this with a real GPU."""
    expected = model.session("reference").run(x)
    noise = np.abs(rounded_run(model, x) - expected).max()
    assert 0 < noise < 0.02 * np.abs(expected).max()
    runner = Runner(model, driver=driver)
    for batch in (3, 1, 3):
        answers = [runner.run([x[:batch]], batch)[0] for _ in range(3)]  # launched, recorded, replayed
        assert np.abs(answers[0] - expected[:batch]).max() <= FACTOR * noise
        assert all(answer.tobytes() == answers[0].tobytes() for answer in answers)
    keeping = Runner(model, keep_values=True, driver=driver)
    plain = keeping.run([x], 3)[0]
    assert np.abs(plain - expected).max() <= FACTOR * noise
    assert runner.arena_bytes() < keeping.arena_bytes()
    assert set(keeping.values()) == set(reference_values(model, x))
    runner.close()
    keeping.close()


def reference_values(model, x):
    with model.session("reference", keep_values=True) as session:
        session.run(x)
        return session.values()


def rounded_run(model, x):
    return all_rounded(model, x, 0)[0]


def all_rounded(model, x, seed):
    """The reference's outputs with every value moved by up to half a step of float16, at random."""
    random = np.random.default_rng(seed)
    graph = model.graph
    values = [None] * len(graph.values)
    for weight in graph.weights:
        values[weight.value] = decode(graph, weight)
    values[graph.inputs[0].value] = moved(x, random)
    for node in graph.nodes:
        for index, array in zip(node.outputs, run_node(node, values, len(x)), strict=True):
            values[index] = moved(np.asarray(array), random)
    return [values[output.value] for output in graph.outputs]


def moved(x, random):
    return (x * (1 + H * random.uniform(-1, 1, x.shape))).astype(x.dtype) if x.dtype == np.float32 else x
