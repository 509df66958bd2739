"""Outputs are made in the caller's memory, or copied there where something else uses it: nobody can tell which."""

import ctypes

import numpy as np
import pytest

from dsruntime import library
from dsruntime.backends.cpu import tensors
from tests.libdsf.test_plan import IMAGE, PADS, W, graph

rng = np.random.default_rng(5)
FLAT = [-1, 100]
X = rng.standard_normal((5, 4, 5, 5)).astype("f4")


@pytest.fixture(params=["", "1"], ids=["all at once", "image by image"])
def turns(request, monkeypatch):
    monkeypatch.setenv("DSF_TURN_BYTES", request.param)


def net(outputs):
    """x → conv → relu (r) → conv + r → sigmoid (y) → flatten (f) → softmax (s)."""
    nodes = [
        ("conv", ["x", "w"], ["a"], PADS),
        ("relu", ["a"], ["r"], {}),
        ("conv", ["r", "w"], ["b"], PADS),
        ("add", ["b", "r"], ["c"], {}),
        ("sigmoid", ["c"], ["y"], {}),
        ("flatten", ["y"], ["f"], {}),
        ("softmax", ["f"], ["s"], {}),
    ]
    return graph(
        nodes, dict.fromkeys(["x", "a", "r", "b", "c", "y"], IMAGE) | {"f": FLAT, "s": FLAT}, {"w": W}, outputs=outputs
    )


def run(session, inputs, outputs, null=()):
    """Runs into these arrays. The result of an output in `null` is copied from the session's memory."""
    given, wanted = tensors(inputs), tensors(outputs)
    for i in null:
        wanted[i].data = None
    library.call("dsf_session_run", session._runner.handle.pointer, given, len(given), wanted, len(wanted))
    for i in null:
        ctypes.memmove(outputs[i].ctypes.data, wanted[i].data, wanted[i].bytes)
    return outputs


def expected(outputs):
    with net(outputs).session("cpu", 1) as session:
        found = session.run(X)
    return [found] if isinstance(found, np.ndarray) else list(found.values())


def empty(arrays):
    return [np.full_like(array, np.nan) for array in arrays]


def same(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


OUTPUTS = [["y"], ["r", "y"], ["y", "f"], ["f", "s", "y"], ["x", "w", "a", "s"]]


@pytest.mark.parametrize("outputs", OUTPUTS, ids=" ".join)
def test_any_outputs_may_be_left_to_the_session(turns, outputs):
    wanted = expected(outputs)
    with net(outputs).session("cpu", 2) as session:
        for bits in [*range(1 << len(outputs)), 0]:
            null = [i for i in range(len(outputs)) if bits >> i & 1]
            same(run(session, [X], empty(wanted), null), wanted)


@pytest.mark.parametrize("outputs", OUTPUTS, ids=" ".join)
def test_outputs_over_the_input(turns, outputs):
    wanted = expected(outputs)
    for i, array in enumerate(wanted):
        for shift in (0, 1, 7):  # floats
            memory = np.zeros(X.size + array.size, "f4")
            x = memory[: X.size].reshape(X.shape)
            x[...] = X
            found = empty(wanted)
            found[i] = memory[shift : shift + array.size].reshape(array.shape)
            with net(outputs).session("cpu", 1) as session:
                same(run(session, [x], found), wanted)


def test_outputs_over_each_other(turns):
    """The later one is there."""
    wanted = expected(["r", "y"])
    with net(["r", "y"]).session("cpu", 1) as session:
        memory = empty(wanted)[0]
        np.testing.assert_array_equal(run(session, [X], [memory, memory])[1], wanted[1])


def test_results_of_the_session_given_back_to_it(turns):
    """As by a program that sets its tensors up once."""
    wanted = expected(["y"])[0]
    with net(["y"]).session("cpu", 1) as session:
        given, found = tensors([X]), tensors([np.empty_like(wanted)])
        found[0].data = None
        for _ in range(3):
            library.call("dsf_session_run", session._runner.handle.pointer, given, 1, found, 1)
            bytes_ = ctypes.string_at(found[0].data, found[0].bytes)
            np.testing.assert_array_equal(np.frombuffer(bytes_, "f4").reshape(wanted.shape), wanted)


def test_kept_values_outlive_the_callers_memory():
    with net(["r", "y"]).session("cpu", 1, keep_values=True) as session:
        found = session.run(X)
        kept = {name: array.copy() for name, array in found.items()}
        for array in found.values():
            array[...] = 0
        same([session.values()[name] for name in kept], kept.values())
