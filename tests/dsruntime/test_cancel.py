"""Runs that are ended: by another thread, by a signal; afterwards the session computes what it always did.

What is run here would take minutes, so that a run that is not ended fails its test by its answer, not by a clock.
"""

import itertools
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from dsruntime import Cancelled, Limits, Model, ModelError
from tests.support.dsf_files import build
from tests.support.signals import heed_interrupts

PATIENCE = 0.3  # seconds until it is cancelled


def model_of(nodes, shapes) -> Model:
    return Model.open(bytes_of(nodes, shapes), limits=Limits(multiply_adds=2**45))


def bytes_of(nodes, shapes) -> bytes:
    return build(
        values=[{"name": name, "shape": list(shape)} for name, shape in shapes.items()],
        nodes=[
            {"op": op, "inputs": list(ins), "outputs": list(outs), "attributes": attributes}
            for op, ins, outs, attributes in nodes
        ],
        inputs=["x"],
        outputs=["y"],
    )


def powers(side: int, count: int):
    """A number becomes a matrix that is multiplied with itself again and again, and then summed up."""
    names = [f"m{i}" for i in range(count + 1)]
    nodes = [("expand", ["x"], ["m0"], {"shape": [side, side]})]
    nodes += [("mat_mul", [made, "m0"], [name], {}) for made, name in itertools.pairwise(names)]
    nodes += [("reduce_sum", [names[-1]], ["y"], {"axes": [0, 1]})]
    return nodes, {"x": (1, 1), "y": (1, 1), **dict.fromkeys(names, (side, side))}


def one_long_task(op: str):
    """A single plane whose every window is a large part of it: one task, whatever the threads."""
    length, window = 1 << 20, 1 << 18
    shapes = {"x": (1, 1), "line": (1, 1, length), "y": (1, 1, length - window + 1)}
    nodes = [("expand", ["x"], ["line"], {"shape": [1, 1, length]})]
    if op == "conv":
        nodes += [("expand", ["x"], ["w"], {"shape": [1, 1, window]}), ("conv", ["line", "w"], ["y"], {})]
        return nodes, {**shapes, "w": (1, 1, window)}
    return [*nodes, (op, ["line"], ["y"], {"kernel_shape": [window]})], shapes


LONG = {
    "products": powers(8192, 40),
    "a convolution": one_long_task("conv"),
    "max_pool": one_long_task("max_pool"),
    "average_pool": one_long_task("average_pool"),
}
ONE = np.ones((1, 1), np.float32)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("case", LONG)
def test_another_thread_ends_a_run(case, threads):
    session = model_of(*LONG[case]).session(threads=threads)
    threading.Timer(PATIENCE, session.cancel).start()
    with pytest.raises(Cancelled, match="the run was cancelled"):
        session.run(ONE)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_session_that_was_cancelled_runs_again(threads):
    """Batch by batch: the first is short, the second takes hours."""
    shapes = {"x": (-1, 1), "w": (-1, 512), "y": (-1, 1)}
    nodes = [
        ("expand", ["x"], ["w"], {"shape": [-1, 512]}),
        ("mat_mul", ["w", "t"], ["p"], {}),
        ("mat_mul", ["p", "w"], ["q"], {}),
        ("reduce_sum", ["q"], ["y"], {"axes": [1]}),
    ]
    nodes[1:1] = [("transpose", ["w"], ["t"], {"perm": [1, 0]})]
    shapes |= {"t": (512, -1), "p": (-1, -1), "q": (-1, 512)}
    limits = Limits(activation_bytes=2**33, multiply_adds=2**45)
    session = Model.open(bytes_of(nodes, shapes), limits=limits).session(threads=threads)
    x = np.ones((3, 1), np.float32)
    want = session.run(x)
    assert want[0, 0] == 512 * 512 * 3
    session.cancel()  # nothing runs: nothing happens
    np.testing.assert_array_equal(session.run(x), want)
    threading.Timer(PATIENCE, session.cancel).start()
    with pytest.raises(Cancelled):
        for _ in range(1000):
            session.run(np.ones((10_000, 1), np.float32))
    np.testing.assert_array_equal(session.run(x), want)


def test_the_reference_stops_between_nodes():
    session = model_of(*powers(1024, 4000)).session("reference")
    threading.Timer(PATIENCE, session.cancel).start()
    with pytest.raises(Cancelled):
        session.run(ONE)


@pytest.fixture
def heeds_ctrl_c():
    """Python leaves an interrupt ignored that was so when it was started, as in a shell's background job."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_raises_keyboard_interrupt():
    """Twice: the session is whole afterwards."""
    session = model_of(*LONG["products"]).session(threads=2)
    for _ in range(2):
        threading.Timer(PATIENCE, os.kill, [os.getpid(), signal.SIGINT]).start()
        with pytest.raises(KeyboardInterrupt):
            session.run(ONE)


def test_what_a_signal_handler_raises_comes_through():
    def handler(*_):
        raise TimeoutError("that is enough")

    session = model_of(*LONG["products"]).session(threads=1)
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        with pytest.raises(TimeoutError, match="enough"):
            session.run(ONE)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_errors_of_a_long_run_come_through():
    """It runs in a thread of its own: what it raises is raised by run()."""
    session = Model.open(bytes_of(*powers(2048, 2)), limits=Limits(activation_bytes=1000)).session()
    with pytest.raises(ModelError, match="its activations need"):
        session.run(ONE)


def test_the_command_ends_with_130(tmp_path):
    """At the default limits; the run begins once the library is there."""
    path, array = tmp_path / "long.dsf", tmp_path / "one.npy"
    path.write_bytes(bytes_of(*powers(4096, 25)))
    np.save(array, ONE)
    command = [
        sys.executable,
        "-c",
        (
            "import signal, sys, threading, os\n"
            "from dsruntime import session\n"
            "real = session.interruptible\n"
            "def watched(call, cancel):\n"
            f"    threading.Timer({PATIENCE}, os.kill, [os.getpid(), signal.SIGINT]).start()\n"
            "    return real(call, cancel)\n"
            "session.interruptible = watched\n"
            "from dscompress.cli import main\n"
            "sys.argv = ['dscompress', 'run', *sys.argv[1:]]\n"
            "main()"
        ),
        str(path),
        str(array),
    ]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=heed_interrupts)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.strip().endswith("interrupted") and "Traceback" not in done.stderr
