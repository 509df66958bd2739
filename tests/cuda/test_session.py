"""Sessions on the emulated GPU: arrays on the device, streams, plans, memory, threads, forks, commands."""

import gc
import multiprocessing
import os
import threading

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import dscompress
import dsruntime
from dscompress.nn import bake, convert
from dsruntime import BackendError, Model, ModelError
from dsruntime.backends.cuda import driver as drivers
from dsruntime.backends.cuda import emulated_driver, interop
from dsruntime.backends.cuda.runner import Runner
from tests.support.dsf_files import build
from tests.support.example_model import write_example_model


@pytest.fixture(autouse=True)
def emulation(monkeypatch):
    monkeypatch.setenv(drivers.EMULATION, "1")
    return emulated_driver.shared()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_example_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def model(files):
    return Model.open(files)


@pytest.fixture
def x():
    return np.random.default_rng(1).random((2, 1, 8, 8), np.float32)


@pytest.fixture
def want(model, x):
    return model.session("reference").run(x)


def close(got, want):
    np.testing.assert_allclose(np.asarray(got), want, atol=0.01)


def test_an_empty_batch_gives_empty_results(model, x, want):
    with model.session("cuda") as session:
        assert session.run(x[:0]).shape == (0, *want.shape[1:])
        close(session.run(x), want)
        result = session.run(OnTheGpu(x[:0]), on_device=True)
        assert result.shape == (0, *want.shape[1:]) and result.numpy().shape == result.shape
        assert torch.from_dlpack(result).shape == result.shape


class OnTheGpu:
    """What torch or CuPy show of an array on the GPU."""

    def __init__(self, array, stream=None, **more):
        self.array = array
        self.__cuda_array_interface__ = {
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (array.ctypes.data, False),
            "version": 3,
            "strides": None if array.flags.c_contiguous else array.strides,
            "stream": stream,
        } | more


def test_an_array_on_the_gpu_is_read_where_it_lies(model, x, want):
    with model.session("cuda") as session:
        close(session.run(OnTheGpu(x)), want)
        last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)  # channels_last
        wide = np.full((2, 1, 8, 16), np.nan, np.float32)
        wide[..., ::2] = x
        close(session.run(OnTheGpu(last)), want)
        close(session.run(OnTheGpu(wide[..., ::2])), want)
        close(session.run({session.inputs[0].name: OnTheGpu(x)}), want)


def test_dlpack_in_and_out(model, x, want):
    with model.session("cuda") as session:
        result = session.run(torch.from_numpy(x), on_device=True)
        close(result.numpy(), want)
        close(torch.from_dlpack(result), want)
        close(np.from_dlpack(result), want)
        kept = torch.from_dlpack(result)
        del result
        gc.collect()
        for _ in range(3):
            close(session.run(OnTheGpu(x * 0), on_device=True).numpy(), session.run(x * 0))
        close(kept, want)  # memory that a consumer holds is not used again


def test_the_limit_on_work_holds(files, x):
    model = Model.open(files, limits=dsruntime.Limits(multiply_adds=1000))
    with pytest.raises(ModelError, match="batch size 2: a run takes .* multiply-adds"):
        model.session("cuda").run(x)


def test_a_run_is_cancelled_before_its_next_step(model, x, want, emulation, monkeypatch):
    """By what happens while its first launch is made; the same session runs afterwards, as a graph too."""
    session = model.session("cuda")
    launch = emulation.launch

    def launch_and_cancel(*arguments):
        session.cancel()
        return launch(*arguments)

    monkeypatch.setattr(emulation, "launch", launch_and_cancel)
    for _ in range(2):
        with pytest.raises(dsruntime.Cancelled):
            session.run(x)
    monkeypatch.undo()
    monkeypatch.setenv(drivers.EMULATION, "1")
    for _ in range(3):
        close(session.run(x), want)


def test_results_on_the_gpu_own_their_memory_and_give_it_back(model, x, want, emulation):
    with model.session("cuda") as session:
        first, second = session.run(x, on_device=True), session.run(x + 1, on_device=True)
        close(first.numpy(), want)
        assert first.address != second.address
        freed = first.address
        del first
        third = session.run(x, on_device=True)
        assert third.address == freed
        interface = third.__cuda_array_interface__
        assert interface["shape"] == (2, 10) and interface["typestr"] == "<f4" and interface["version"] == 3


def test_a_callers_stream_goes_before_and_after(model, x, emulation):
    with model.session("cuda") as session:
        session.run(x)
        own = session._runner.stream
        emulation.waits.clear()
        session.run(OnTheGpu(x, stream=77), on_device=True, stream=55)
        assert emulation.waits == [(own, 55), (own, 77), (55, own)]
        result = session.run(x, on_device=True, stream=55)
        emulation.waits.clear()
        count = len(interop.exported)
        result.__dlpack__(stream=99)  # nobody takes the capsule
        gc.collect()
        assert len(interop.exported) == count
        assert emulation.waits == [(99, 55)] and result.__cuda_array_interface__["stream"] == 55


@pytest.mark.parametrize(
    "given, options, words",
    [
        (lambda x: OnTheGpu(x.astype(np.float64)), {}, "float64"),
        (lambda x: OnTheGpu(x[:, :, :4]), {}, "shape"),
        (lambda x: OnTheGpu(x, mask=1), {}, "masked"),
        (lambda x: x, {"stream": 5}, "on_device"),
    ],
)
def test_refuses(model, x, given, options, words):
    with model.session("cuda") as session, pytest.raises(ModelError, match=words):
        session.run(given(x), **options)


def test_other_backends_refuse_devices_and_streams(model, x):
    with model.session("cpu") as session, pytest.raises(ModelError, match="backend cpu; expected backend cuda"):
        session.run(x, on_device=True)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_pixels_become_the_input_on_the_gpu(layout):
    net, _ = convert(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2), torch.nn.Flatten(), torch.nn.Linear(8 * 9, 4)))
    report = dscompress.compile_model(
        bake(net).eval(),
        input_shape=(1, 3, 8, 8),
        preprocess=dsruntime.file.Image(
            color="rgb",
            resize="exact",
            size=(8, 8),
            filter="bilinear",
            crop=None,
            mean=(0.5, 0.4, 0.3),
            std=(0.2, 0.3, 0.4),
        ),
    )
    model = Model.open(report.data)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8)).astype(np.uint8)
    mean, std = (np.array(v, np.float32)[:, None, None] for v in ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)))
    want = model.session("reference").run(((pixels / np.float32(255) - mean) / std).astype(np.float32))
    given = pixels if layout == "NCHW" else np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
    with model.session("cuda") as session:
        for array in (given, OnTheGpu(given)):
            np.testing.assert_allclose(session.run(array), want, atol=0.02 * np.abs(want).max())
    with model.session("cpu") as session, pytest.raises(ModelError, match="dtype uint8"):
        session.run(pixels)


def test_plans_of_many_batch_sizes_and_all_memory_back(files, x, emulation):
    gc.collect()
    before = len(emulation.allocated), len(emulation.graphs), len(emulation.streams), len(emulation.events)
    model = Model.open(files)
    want = model.session("reference").run(np.concatenate([x] * 3))
    session = model.session("cuda")
    for batch in (1, 2, 3, 4, 5, 6, 1, 6):
        close(session.run(np.concatenate([x] * 3)[:batch]), want[:batch])
    assert len(session._runner.plans) == 4
    held = session.run(x, on_device=True)
    session.close()
    del session, held
    gc.collect()
    assert (len(emulation.allocated), len(emulation.graphs), len(emulation.streams), len(emulation.events)) == before


def test_sessions_of_one_model_share_its_weights(model, x, emulation):
    with model.session("cuda") as first:
        first.run(x)
        with model.session("cuda") as second:
            assert first._runner.constants is second._runner.constants


def test_out_of_memory_says_what_to_do(files, x):
    small = emulated_driver.EmulatedDriver(capacity=20_000)
    model = Model.open(files)
    runner = Runner(model, driver=small)
    with pytest.raises(BackendError, match="not enough free memory.*smaller batches"):
        runner.run([np.concatenate([x] * 300)], 600)
    close(runner.run([x], 2)[0], model.session("reference").run(x))


def test_the_callers_limit_holds(files, x):
    limits = dsruntime.Limits(activation_bytes=4000)
    refused = pytest.raises(ModelError, match="activations need .* bytes; expected at most 4000")
    with dsruntime.load(files, "cuda", limits=limits) as session, refused:
        session.run(np.concatenate([x] * 20))


def test_threads_with_two_models(files, model, x, want):
    models, failures = (model, Model.open(files)), []

    def work(i):
        try:
            with models[i % 2].session("cuda") as session:
                for _ in range(3):
                    close(session.run(x), want)
        except BaseException as error:  # told to the test's thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_fork_after_cuda_has_started_is_refused(model, x):
    def child(session, queue):
        try:
            session.run(x)
        except BackendError as error:
            queue.put(str(error))

    context = multiprocessing.get_context("fork")
    with model.session("cuda") as session:
        session.run(x)
        queue = context.SimpleQueue()
        process = context.Process(target=child, args=(session, queue))
        process.start()
        process.join(60)
        assert not queue.empty()
        text = queue.get()
        assert "fork" in text and "spawn" in text and str(os.getpid()) in text
        session.run(x)


def test_an_index_out_of_range_is_an_error_and_the_session_lives():
    data = build(
        values=[
            {"name": "x", "shape": [5, 3]},
            {"name": "i", "dtype": "int64", "shape": [2]},
            {"name": "y", "shape": [2, 3]},
        ],
        nodes=[{"op": "gather", "inputs": ["x", "i"], "outputs": ["y"], "attributes": {"axis": 0}}],
        weights=[],
        inputs=["x", "i"],
        outputs=["y"],
    )
    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    with dsruntime.load(data, "cuda") as session:
        for _ in range(3):
            np.testing.assert_array_equal(session.run([x, np.array([-5, 4])]), x[[0, 4]])
            with pytest.raises(ModelError, match="gather: index 5"):
                session.run([x, np.array([0, 5])])


def test_steps_are_profiled_and_values_kept(model, x):
    with model.session("cuda", profile=True) as session:
        session.run(x)
        steps = session.profile()
        assert {step.op for step in steps} >= {"conv+relu", "max_pool", "gemm"}
        assert all(step.kernel and step.seconds > 0 for step in steps)
    with model.session("cuda", keep_values=True) as session, model.session("reference", keep_values=True) as other:
        session.run(x)
        other.run(x)
        assert session.values().keys() == other.values().keys()
        for name, value in other.values().items():
            assert session.values()[name].dtype == value.dtype
            close(session.values()[name], value)


def test_commands(files, tmp_path):
    from dscompress.cli import cli

    def call(*arguments):
        result = CliRunner().invoke(cli, [str(a) for a in arguments])
        assert result.exit_code == 0, result.output
        return result.output

    given, written = files.with_suffix(".npy"), tmp_path / "y.npy"
    call("run", files, given, "--backend", "cuda", "-o", written)
    close(np.load(written), dsruntime.load(files, "reference").run(np.load(given)))
    assert "conv+relu" in call("bench", files, "--backend", "cuda", "--runs", 2, "--warmup", 1, "--profile")
    call("verify", files, files.with_suffix(".pt2"), "--backend", "cuda", "--layers", "--samples", 2)
    assert "emulated" in call("doctor")
