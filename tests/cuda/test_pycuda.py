"""The driver of real GPUs, PyCUDA and cuda-bindings included, on a libcuda whose GPU is the emulation (stub/).

Each scenario is a process of its own: CUDA is started once a process. Skipped where PyCUDA is not installed: build a
wheel with tools/build_pycuda_wheel.sh and install dsruntime[cuda].
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.example_model import write_example_model

ROOT = Path(__file__).resolve().parents[2]
PATHS = f"{ROOT / 'runtime'}:{ROOT}"
STUB = Path(__file__).parent / "stub" / "libcuda.cpp"
pytestmark = pytest.mark.skipif(
    not (find_spec("pycuda") and find_spec("cuda")),
    reason="PyCUDA or cuda-bindings is not installed (tools/build_pycuda_wheel.sh)",
)

PREAMBLE = """
import ctypes, gc, os, sys, threading
import numpy as np
import dsruntime
from dsruntime import BackendError, Model
from dsruntime.backends.cuda import compile, emulation, pycuda_driver
from dsruntime.backends.cuda.driver import active

def cubin(source, architecture):
    return f"EMULATION:{emulation.build(source, False, emulation.KERNELS)}".encode() + bytes(1)

compile.cubin = cubin
stub = ctypes.CDLL("libcuda.so.1")
stub.stub_capacity.argtypes = [ctypes.c_size_t]
data = open(MODEL, "rb").read()
x = np.load(ARRAY)

def expected(x=x):
    return Model.open(data).session("reference").run(x)

def close(y, z=None):
    assert np.abs(y - (expected() if z is None else z)).max() < 0.01

def failing(function):
    try:
        function()
    except BackendError as error:
        return str(error)
    raise AssertionError("no error")
"""


@pytest.fixture(scope="module")
def libcuda(tmp_path_factory) -> Path:
    """The folder of the stub: what stub/libcuda.cpp has, and every other function that PyCUDA wants, unsupported."""
    folder = tmp_path_factory.mktemp("stub")
    (extension,) = Path(find_spec("pycuda").submodule_search_locations[0]).glob("_driver*.so")
    wanted = symbols("--undefined-only", extension)
    build = ["g++", "-std=c++17", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-Wl,-soname,libcuda.so.1"]
    target = folder / "libcuda.so.1"
    subprocess.run([*build, STUB, "-o", target, "-ldl"], check=True)
    rest = folder / "rest.cpp"
    rest.write_text(
        "".join(
            f'extern "C" __attribute__((visibility("default"))) int {name}() {{ return 801; }}\n'
            for name in sorted(wanted - symbols("--defined-only", target))
        )
    )
    subprocess.run([*build, STUB, rest, "-o", target, "-ldl"], check=True)
    return folder


def symbols(which: str, library: Path) -> set[str]:
    listed = subprocess.run(["nm", "-D", which, library], check=True, capture_output=True, text=True).stdout
    return {name for line in listed.splitlines() if (name := line.split()[-1].partition("@")[0]).startswith("cu")}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_example_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def scenario(libcuda, model):
    def run(code: str, **environment: str) -> str:
        paths = {"MODEL": str(model), "ARRAY": str(model.with_suffix(".npy"))}
        names = "".join(f"{name} = {path!r}\n" for name, path in paths.items())
        variables = os.environ | {"LD_LIBRARY_PATH": str(libcuda), "PYTHONPATH": PATHS} | environment
        done = subprocess.run(
            [sys.executable, "-c", names + PREAMBLE + code], env=variables, text=True, capture_output=True, cwd=ROOT
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_runs_a_model_by_graphs_and_gives_everything_back(scenario):
    scenario("""
with dsruntime.load(data, "cuda") as session:
    for _ in range(4):
        close(session.run(x))
    session.run(np.concatenate([x, x]))
    assert stub.stub_calls(b"cuGraphLaunch") == 3, stub.stub_calls(b"cuGraphLaunch")
    assert stub.stub_live() > 0
gc.collect()
assert stub.stub_live() == 0, stub.stub_live()
assert stub.stub_pinned() == 0, stub.stub_pinned()
assert stub.stub_calls(b"cuDevicePrimaryCtxRetain") == 1
""")


def test_profiles_and_keeps_values(scenario):
    scenario("""
session = Model.open(data).session("cuda", profile=True)
close(session.run(x))
steps = session.profile()
assert steps and all(step.seconds == 0.25e-3 and step.kernel for step in steps)
keeping = Model.open(data).session("cuda", keep_values=True)
keeping.run(x)
want = Model.open(data).session("reference", keep_values=True)
want.run(x)
assert keeping.values().keys() == want.values().keys()
""")


@pytest.mark.parametrize(
    "environment, words",
    [
        ({"STUB_INIT": "100"}, ["no GPU", "CUDA_VISIBLE_DEVICES"]),
        ({"STUB_DEVICES": "0"}, ["no GPU"]),
        ({"STUB_INIT": "803"}, ["803"]),
        ({"STUB_VERSION": "12020"}, ["too old", "update the driver"]),
        ({"LD_LIBRARY_PATH": "/nowhere"}, ["no CUDA driver (libcuda.so.1)"]),
    ],
)
def test_a_machine_that_cannot_says_why(scenario, environment, words):
    code = "print(failing(lambda: dsruntime.load(data, 'cuda').run(x)))"
    if "LD_LIBRARY_PATH" in environment:
        code = f"""
try:
    ctypes.CDLL("libcuda.so.1")
except OSError:
    {code}
else:
    print("no CUDA driver (libcuda.so.1) --backend cpu: this machine has one")
"""
        found = without_stub(PREAMBLE_WITHOUT_STUB + code)
    else:
        found = scenario(code, **environment)
    assert all(word in found for word in words), found


PREAMBLE_WITHOUT_STUB = """
import ctypes
import dsruntime
from dsruntime import BackendError
from dsruntime.backends.cuda import pycuda_driver

def failing(function):
    try:
        function()
    except BackendError as error:
        return str(error)
    raise AssertionError("no error")
"""


def without_stub(code: str) -> str:
    code = code.replace("lambda: dsruntime.load(data, 'cuda').run(x)", "pycuda_driver.shared")
    variables = os.environ | {"PYTHONPATH": PATHS, "LD_LIBRARY_PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=variables, text=True, capture_output=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    "function",
    [
        "cuMemAlloc_v2",
        "cuModuleLoadDataEx",
        "cuLaunchKernel",
        "cuMemcpyHtoDAsync_v2",
        "cuMemHostAlloc",
        "cuStreamCreate",
        "cuGraphInstantiateWithFlags",
    ],
)
def test_every_call_may_fail_once(scenario, function):
    """The k-th call fails, for every k: a typed error, all memory back, and the next session works."""
    scenario(
        f"""
name = {function!r}.encode()

def use():
    with dsruntime.load(data, "cuda") as session:
        for _ in range(2):
            close(session.run(x))

use()
before, count = stub.stub_calls(name), 0
use()
count = stub.stub_calls(name) - before or 1
for k in range(1, count + 1):
    stub.stub_fail(name, k, 2, 2)  # PyCUDA tries an allocation again
    text = failing(use)
    assert "OUT_OF_MEMORY" in text and "smaller batches" in text, text
    gc.collect()
    assert stub.stub_live() == 0, (k, stub.stub_live())
    stub.stub_fail(name, 1 << 30, 0, 1)
    use()
    gc.collect()
"""
        if function != "cuModuleLoadDataEx"
        else """
stub.stub_fail(b"cuModuleLoadDataEx", 1, 200, 1)
text = failing(lambda: dsruntime.load(data, "cuda").run(x))
assert "kernel cache" in text, text
close(dsruntime.load(data, "cuda").run(x))
"""
    )


def test_out_of_memory(scenario):
    scenario("""
stub.stub_capacity(20000)
text = failing(lambda: dsruntime.load(data, "cuda").run(np.concatenate([x] * 200)))
assert "not enough free memory" in text, text
gc.collect()
assert stub.stub_live() == 0
stub.stub_capacity(1 << 30)
close(dsruntime.load(data, "cuda").run(x))
""")


@pytest.mark.parametrize("function", ["cuLaunchKernel", "cuGraphLaunch", "cuStreamSynchronize"])
def test_a_lost_gpu_is_said_once_and_remembered(scenario, function):
    scenario(f"""
session, other = dsruntime.load(data, "cuda"), dsruntime.load(data, "cuda")
session.run(x)
other.run(x)
stub.stub_fail({function!r}.encode(), 1, 700, 1)
first = failing(lambda: session.run(x) if {function != "cuLaunchKernel"} else dsruntime.load(data, "cuda").run(x + 1))
assert "restart the process" in first and "ILLEGAL_ADDRESS" in first, first
for again in (session, other):
    assert "restart the process" in failing(lambda: again.run(x))
assert "restart the process" in failing(lambda: dsruntime.load(data, "cuda"))
close(dsruntime.load(data, "cpu").run(x))
session.close()
""")


def test_a_fork_is_refused_with_what_to_do(scenario):
    scenario("""
session = dsruntime.load(data, "cuda")
close(session.run(x))
child = os.fork()
if child == 0:
    text = failing(lambda: session.run(x))
    fresh = failing(lambda: dsruntime.load(data, "cuda"))
    os._exit(0 if "fork" in text and "spawn" in text and "fork" in fresh else 1)
assert os.waitpid(child, 0)[1] == 0
close(session.run(x))
""")


def test_threads_sessions_and_models(scenario):
    scenario("""
models = [Model.open(data), Model.open(data)]
failures = []
pycuda_driver.shared()

def work(model, number):
    try:
        with model.session("cuda") as session:
            for _ in range(4):
                y = x * np.float32(number)
                close(session.run(y), expected(y))
    except BaseException as error:
        failures.append(error)

threads = [threading.Thread(target=work, args=(models[i % 2], i)) for i in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failures, failures
assert stub.stub_pinned() == 0, stub.stub_pinned()  # though another thread made the context
""")


def test_a_callers_stream_is_honoured(scenario):
    scenario("""
session = dsruntime.load(data, "cuda")
close(session.run(x))
driver = pycuda_driver.shared()
with active(driver):
    stream = driver.stream()
waits, finished = stub.stub_calls(b"cuStreamWaitEvent"), stub.stub_calls(b"cuStreamSynchronize")
result = session.run(x, on_device=True, stream=stream)
assert stub.stub_calls(b"cuStreamWaitEvent") - waits == 2
close(result.numpy())
assert result.__cuda_array_interface__["stream"] == stream
assert result.__dlpack_device__() == (2, 0)
""")


@pytest.mark.skipif(not find_spec("nvidia"), reason="nvidia-cuda-nvrtc is not installed")
def test_nvrtc_compiles_and_the_cache_remembers(tmp_path, monkeypatch):
    from dsruntime.backends.cuda import cache, compile

    monkeypatch.setenv("DSCOMPRESS_CACHE", str(tmp_path))
    first = compile.cubin("elementwise", "sm_90")
    assert first[:4] == b"\x7fELF" and cache.entries()[0] == 1
    nobody = (compile.nvrtc_version(), lambda *_: pytest.fail("compiled again"))
    monkeypatch.setattr(compile, "compiler", lambda: nobody)
    assert compile.cubin("elementwise", "sm_90") == first
