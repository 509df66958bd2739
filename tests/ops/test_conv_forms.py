"""conv on the cpu backend by each way and in each form of its weights: what it computed in, and its bound.

tests/ops/test_conv.py has what every backend must do; here are the sizes at which Winograd's way begins, and the
sessions that keep weights packed or round activations to bfloat16.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

from dscompress.verify.bounds import Step, bounds
from dscompress.verify.measures import difference
from dsruntime import BackendError, Model
from dsruntime.backends.reference.ops import OPS
from dsruntime.backends.runner import Arithmetic
from dsruntime.file import Node
from tests.support.cases import Case, ints, normals, shifts
from tests.support.one_node import one_node_file

PADS = {"pads": [1, 1, 1, 1]}
SESSIONS = [{}, {"memory": "low"}, {"precision": "bf16"}, {"memory": "low", "precision": "bf16"}]


def quarter(*shape):
    return shifts(*shape) / np.float32(4)


WINOGRAD = [
    Case("winograd", (normals(2, 32, 13, 10), quarter(40, 32, 3, 3), normals(40)), PADS, weights=(1, 2)),
    Case("winograd, uneven pads", (normals(1, 33, 18, 21), quarter(35, 33, 3, 3)), {"pads": [0, 2, 1, 0]}, (1,)),
    Case("winograd, no pads, wide", (normals(1, 64, 6, 40), quarter(32, 64, 3, 3), normals(32)), weights=(1, 2)),
    Case("winograd, blocks of channels", (normals(1, 150, 17, 17), quarter(33, 150, 3, 3), normals(33)), PADS, (1, 2)),
    Case("winograd, blocks of tiles", (normals(1, 40, 41, 38), quarter(32, 40, 3, 3)), PADS, (1,)),
]
DIRECT = [
    Case("pointwise", (normals(2, 40, 7, 9), quarter(70, 40, 1, 1), normals(70)), weights=(1, 2)),
    Case("odd channels", (normals(1, 37, 8, 8), quarter(20, 37, 1, 1)), weights=(1,)),
    Case("strided", (normals(1, 24, 15, 14), quarter(48, 24, 3, 3), normals(48)), {"strides": [2, 2], **PADS}, (1, 2)),
    Case("an image", (normals(2, 3, 31, 29), quarter(24, 3, 7, 7)), {"strides": [2, 2], "pads": [3] * 4}, (1,)),
    Case("groups", (normals(1, 24, 9, 9), quarter(36, 8, 3, 3), normals(36)), {"group": 3, **PADS}, (1, 2)),
    Case("blocks of k", (normals(1, 300, 5, 5), quarter(17, 300, 3, 3)), {"strides": [2, 2]}, (1,)),
    Case("a run in one block", (normals(1, 700, 2, 3), quarter(17, 700, 1, 1)), {}, (1,)),
    Case("a run in two blocks", (normals(1, 800, 2, 3), quarter(17, 800, 1, 1)), {}, (1,)),
    Case("depthwise", (normals(2, 35, 9, 9), quarter(35, 1, 5, 5)), {"group": 35, "pads": [2] * 4}, (1,)),
]


@pytest.mark.parametrize("options", SESSIONS, ids=str)
@pytest.mark.parametrize("case", WINOGRAD + DIRECT, ids=str)
def test_every_form_is_within_its_bound(case, options):
    arithmetic, answers = run(case, options)
    check(case, arithmetic, answers)
    rounds = "precision" in options and case.label not in ("odd channels", "winograd, uneven pads", "depthwise")
    by_winograd = case in WINOGRAD and not rounds
    assert arithmetic == Arithmetic(
        "bfloat16" if rounds else "float32", "float32", "winograd_4x4" if by_winograd else "direct"
    )


@pytest.mark.parametrize("case", WINOGRAD, ids=str)
def test_winograd_of_any_weights_is_within_its_bound(case):
    x, w, *bias = case.inputs
    other = Case(case.label, (x, w * np.float32(1.1) + np.float32(0.01), *bias), case.attributes, case.weights)
    arithmetic, answers = run(other, {}, codec="raw")
    assert arithmetic == Arithmetic("float32", "float32", "winograd_4x4")
    check(other, arithmetic, answers)


@pytest.mark.parametrize("options", SESSIONS, ids=str)
def test_whole_numbers_are_exact_in_every_form(options):
    """Up to 2^8, which eight bits hold, the weights' scale included."""
    case = Case("exact", (ints(2, 20, 9, 8), shifts(33, 20, 3, 3), ints(33)), PADS, weights=(1, 2))
    _, answers = run(case, options)
    np.testing.assert_array_equal(answers, OPS["conv"](*case.inputs, **case.attributes))


@pytest.mark.parametrize("environment", [{"DSF_WINOGRAD": "0"}, {"DSF_ISA": "avx2"}, {"DSF_ISA": "scalar"}], ids=str)
def test_every_way_in_another_environment(environment, tmp_path):
    """Both variables are read once in a process. Without Winograd whole numbers are exact, whatever the kernels."""
    case = Case("exact", (ints(1, 32, 13, 10), shifts(32, 32, 3, 3), ints(32)), PADS, weights=(1, 2))
    (tmp_path / "conv.dsf").write_bytes(one_node_file("conv", case, codec="shift"))
    np.save(tmp_path / "x.npy", case.inputs[0])
    env = {**os.environ, "DSF_WINOGRAD": "0", **environment}
    done = subprocess.run([sys.executable, "-c", RUN], cwd=tmp_path, env=env, capture_output=True, text=True)
    if "BackendError" in done.stderr:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["float32", "float32", "direct"]
    expected = OPS["conv"](*case.inputs, **case.attributes)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)


RUN = """
import dsruntime, numpy
with dsruntime.Model.open("conv.dsf").session("cpu", 2, profile=True) as session:
    numpy.save("y.npy", session.run(numpy.load("x.npy")))
    (stated,) = [step.arithmetic for step in session.profile() if step.op == "conv"]
    print(stated.activation_type, stated.sum_type, stated.algorithm)
"""


def check(case, arithmetic, answers):
    expected = OPS["conv"](*(x.astype(np.float64) for x in case.inputs), **case.attributes)
    node = Node("conv", "conv", "", tuple(range(len(case.inputs))), (0,), case.attributes)
    deltas = [np.zeros(x.shape) for x in case.inputs]
    allowed = bounds(Step(node, list(case.inputs), deltas, [expected], 1, arithmetic))[0]
    apart = difference(answers, expected.astype(np.float64))
    assert (apart <= allowed).all(), f"{arithmetic}: {np.max(apart - allowed)} over the bound"


def run(case, options, codec="shift"):
    """What it computed in, and the answer, which must not depend on the number of threads."""
    model = Model.open(one_node_file("conv", case, codec=codec))
    answers = []
    for threads in (1, 2, 3):
        try:
            session = model.session("cpu", threads, profile=True, **options)
        except BackendError as error:
            pytest.skip(str(error))
        with session:
            answers.append(session.run(case.inputs[0]))
            (arithmetic,) = [step.arithmetic for step in session.profile() if step.op == "conv"]
    assert all(one.tobytes() == answers[0].tobytes() for one in answers[1:])
    return arithmetic, answers[0]
