"""The driver of a GPU: PyCUDA for context, memory, modules and launches, cuda-bindings for graphs and foreign streams.

The device's primary context is retained once a process and pushed for the time of a call: torch, CuPy and the CUDA
runtime use the same one, so addresses mean the same to all. PyCUDA is imported when the first session is opened.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from dsruntime.backends.cuda.driver import refuse_after_fork
from dsruntime.backends.cuda.errors import CODES, backend_error, is_sticky
from dsruntime.backends.cuda.launch import Launch, argument_bytes
from dsruntime.errors import BackendError

INSTALL = "build a PyCUDA wheel with tools/build_pycuda_wheel.sh and install dsruntime[cuda] (docs/cuda.md)"


def import_pycuda() -> Any:
    """pycuda.driver, started; or the sentence that says what is missing."""
    if find_spec("pycuda") is None:
        raise BackendError("cuda", "PyCUDA is not installed", "PyCUDA", f"{INSTALL}, or use --backend cpu")
    try:
        import pycuda.driver as cuda
    except ImportError as error:
        if not has_library():
            raise BackendError(
                "cuda",
                "no CUDA driver (libcuda.so.1)",
                "an NVIDIA GPU with its driver",
                "install the driver, or use --backend cpu",
            ) from None
        raise BackendError(
            "cuda",
            f"PyCUDA cannot be loaded: {error}",
            "a driver as new as the PyCUDA wheel",
            "update the driver, or build PyCUDA with older CUDA headers (docs/cuda.md)",
        ) from None
    try:
        cuda.init()
    except cuda.Error as error:
        raise backend_error(name_of(error), "starting CUDA") from None
    if cuda.get_driver_version() < 1000 * cuda.get_version()[0]:
        raise backend_error(
            "INSUFFICIENT_DRIVER",
            f"the driver knows CUDA {cuda.get_driver_version() // 1000}, PyCUDA was built for {cuda.get_version()[0]}",
        )
    return cuda


def has_library() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def import_bindings() -> Any:
    """cuda.bindings.driver."""
    try:
        from cuda.bindings import driver
    except ImportError:
        raise BackendError(
            "cuda",
            "cuda-bindings is not installed",
            "NVIDIA's cuda-bindings, for CUDA graphs",
            'pip install "dsruntime[cuda]", or use --backend cpu',
        ) from None
    return driver


def name_of(error: Exception) -> str:
    """OUT_OF_MEMORY, from PyCUDA's "cuMemAlloc failed: out of memory": the text is the driver's own."""
    text = str(error).partition("failed: ")[2].partition("\n")[0].partition(" - ")[0].strip()  # after it: a log
    return TEXTS.get(text) or text or type(error).__name__


# The driver's texts (cuGetErrorString) of the errors that have a meaning of their own here.
TEXTS = {
    "invalid argument": "INVALID_VALUE",
    "out of memory": "OUT_OF_MEMORY",
    "initialization error": "NOT_INITIALIZED",
    "driver shutting down": "DEINITIALIZED",
    "CUDA driver version is insufficient for CUDA runtime version": "INSUFFICIENT_DRIVER",
    "CUDA-capable device(s) is/are busy or unavailable": "DEVICES_UNAVAILABLE",
    "no CUDA-capable device is detected": "NO_DEVICE",
    "invalid device ordinal": "INVALID_DEVICE",
    "device kernel image is invalid": "INVALID_IMAGE",
    "no kernel image is available for execution on the device": "NO_BINARY_FOR_GPU",
    "uncorrectable ECC error encountered": "ECC_UNCORRECTABLE",
    "the provided PTX was compiled with an unsupported toolchain.": "UNSUPPORTED_PTX_VERSION",
    "OS call failed or operation not supported on this OS": "OPERATING_SYSTEM",
    "an illegal memory access was encountered": "ILLEGAL_ADDRESS",
    "the launch timed out and was terminated": "LAUNCH_TIMEOUT",
    "context is destroyed": "CONTEXT_IS_DESTROYED",
    "device-side assert triggered": "ASSERT",
    "hardware stack error": "HARDWARE_STACK_ERROR",
    "an illegal instruction was encountered": "ILLEGAL_INSTRUCTION",
    "misaligned address": "MISALIGNED_ADDRESS",
    "operation not supported on global/shared address space": "INVALID_ADDRESS_SPACE",
    "invalid program counter": "INVALID_PC",
    "unspecified launch failure": "LAUNCH_FAILED",
    "system not yet initialized": "SYSTEM_NOT_READY",
    "system has unsupported display driver / cuda driver combination": "SYSTEM_DRIVER_MISMATCH",
    "forward compatibility was attempted on non supported HW": "COMPAT_NOT_SUPPORTED_ON_DEVICE",
    "operation not permitted when stream is capturing": "STREAM_CAPTURE_UNSUPPORTED",
    "unknown error": "UNKNOWN",
}


def argument_buffer(args: Sequence[Any]) -> bytes:
    """The arguments as the kernel's parameter space has them, each at its own alignment."""
    buffer = b""
    for arg, data in zip(args, argument_bytes(args), strict=True):
        alignment = arg.dtype.alignment if isinstance(arg, np.generic) else ctypes.alignment(type(arg))
        buffer += bytes(-len(buffer) % alignment) + data
    return buffer


class PycudaDriver:
    kind = 2

    def __init__(self, number: int = 0) -> None:
        self._dead: BackendError | None = None
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self.number = number
        self._cuda = import_pycuda()
        self._bindings = import_bindings()
        self._memory: dict[int, Any] = {}
        self._pinned: list[weakref.ref[Any]] = []
        self._streams: dict[int, Any] = {}
        self._functions: dict[tuple[str, str], Any] = {}
        self._modules: dict[str, Any] = {}
        self._events: dict[int, Any] = {}
        self._graphs: dict[int, Any] = {}
        device = self._try("finding the GPU", self._cuda.Device, number)
        self.device = device.name()
        self.architecture = "sm_{}{}".format(*device.compute_capability())
        self.multiprocessors = device.get_attribute(self._cuda.device_attribute.MULTIPROCESSOR_COUNT)
        self.cache_bytes = device.get_attribute(self._cuda.device_attribute.L2_CACHE_SIZE)
        self._context = self._try("opening the GPU", device.retain_primary_context)

    def enter(self) -> None:
        refuse_after_fork(self._owner)
        if self._dead:
            raise self._dead
        self._try("entering the GPU's context", self._context.push)

    def leave(self) -> None:
        try:
            self._cuda.Context.pop()
        except self._cuda.Error as error:
            failed = self._failed(name_of(error), "leaving the GPU's context")
            if self._dead is None:  # else whoever met the loss has said so
                raise failed from None

    def _try(self, doing: str, function: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """Calls PyCUDA; its errors become BackendErrors, and a sticky one is remembered."""
        try:
            return function(*arguments, **more)
        except self._cuda.Error as error:
            raise self._failed(name_of(error), doing) from None

    def _call(self, doing: str, function: str, *arguments: Any) -> Any:
        """Calls cuda-bindings, whose functions return (error, results...)."""
        error, *results = getattr(self._bindings, function)(*arguments)
        if error != self._bindings.CUresult.CUDA_SUCCESS:
            name = CODES.get(int(error)) or error.name.removeprefix("CUDA_ERROR_")
            raise self._failed(name, doing)
        return results[0] if results else None

    def _failed(self, name: str, doing: str) -> BackendError:
        error = backend_error(name, doing)
        if is_sticky(name) and self._dead is None:
            self._dead = error
            self._keep_forever()
        return error

    def _keep_forever(self) -> None:
        """PyCUDA's destructors call the driver, and end the process where a lost GPU answers with an error."""
        held = (self._memory, self._streams, self._functions, self._modules, self._events, self._graphs)
        pinned = [array for reference in self._pinned if (array := reference()) is not None]
        for one in (self._context, *(value for table in held for value in table.values()), *pinned):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))

    # memory

    def allocate(self, bytes: int) -> int:
        memory = self._try(f"allocating {bytes} bytes", self._cuda.mem_alloc, max(bytes, 1))
        self._memory[int(memory)] = memory
        return int(memory)

    def free(self, address: int) -> None:
        memory = self._memory.pop(address)
        if not self._dead:
            self._try("freeing memory", memory.free)

    def host(self, bytes: int) -> np.ndarray:
        array = self._try(f"page-locking {bytes} bytes", self._cuda.pagelocked_empty, max(bytes, 1), np.uint8)
        self._pinned = [reference for reference in self._pinned if reference() is not None]
        self._pinned.append(weakref.ref(array.base))
        return array[:bytes]

    def memory(self) -> tuple[int, int]:
        return self._try("asking for free memory", self._cuda.mem_get_info)

    # work

    def stream(self) -> int:
        stream = self._try("making a stream", self._cuda.Stream, self._cuda.event_flags.DEFAULT | 1)  # 1: non-blocking
        self._streams[stream.handle] = stream
        return stream.handle

    def release_stream(self, stream: int) -> None:
        del self._streams[stream]

    def upload(self, address: int, array: np.ndarray, stream: int) -> None:
        self._try("uploading", self._cuda.memcpy_htod_async, address, array, self._streams[stream])

    def download(self, array: np.ndarray, address: int, stream: int) -> None:
        self._try("downloading", self._cuda.memcpy_dtoh_async, array, address, self._streams[stream])

    def copy(self, to: int, source: int, bytes: int, stream: int) -> None:
        self._try("copying", self._cuda.memcpy_dtod_async, to, source, bytes, self._streams[stream])

    def fill(self, address: int, byte: int, bytes: int, stream: int) -> None:
        self._try("filling memory", self._cuda.memset_d8_async, address, byte, bytes, self._streams[stream])

    def launch(self, launch: Launch, stream: int) -> None:
        function = self._functions.get((launch.source, launch.kernel)) or self._function(launch)
        packed = np.frombuffer(argument_buffer(launch.args), np.uint8)
        self._try(
            f"launching {launch.kernel}",
            function,
            packed,
            grid=launch.grid,
            block=launch.block,
            shared=launch.shared,
            stream=self._streams[stream],
        )

    def _function(self, launch: Launch) -> Any:
        with self._lock:
            module = self._modules.get(launch.source)
            if module is None:
                from dsruntime.backends.cuda.compile import cubin

                module = self._try(
                    f"loading {launch.source}", self._cuda.module_from_buffer, cubin(launch.source, self.architecture)
                )
                self._modules[launch.source] = module
            function = self._try(f"finding {launch.kernel}", module.get_function, launch.kernel)
            if launch.shared > 48 << 10:  # more than that is given on request only
                self._try(
                    f"asking for {launch.shared} bytes of shared memory",
                    function.set_attribute,
                    self._cuda.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES,
                    launch.shared,
                )
                return function  # asked for anew by launches of other sizes
            self._functions[launch.source, launch.kernel] = function
            return function

    def wait(self, stream: int, other: int) -> None:
        bindings = self._bindings
        event = self._call("making an event", "cuEventCreate", 2)  # 2: without a time
        try:
            self._call("recording an event", "cuEventRecord", event, bindings.CUstream(other))
            self._call("waiting for another stream", "cuStreamWaitEvent", bindings.CUstream(stream), event, 0)
        finally:
            self._call("freeing an event", "cuEventDestroy", event)

    def synchronize(self, stream: int) -> None:
        self._try("waiting for the GPU", self._streams[stream].synchronize)

    # time

    def event(self) -> int:
        event = self._try("making an event", self._cuda.Event)
        self._events[id(event)] = event
        return id(event)

    def record(self, event: int, stream: int) -> None:
        self._try("recording an event", self._events[event].record, self._streams[stream])

    def seconds(self, first: int, second: int) -> float:
        return self._try("reading the time", self._events[first].time_till, self._events[second]) / 1000

    def release_event(self, event: int) -> None:
        del self._events[event]

    # graphs

    def begin_capture(self, stream: int) -> None:
        # relaxed: a destructor may free memory meanwhile, of whatever else lives in this thread
        mode = self._bindings.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED
        self._call("recording a graph", "cuStreamBeginCapture", self._bindings.CUstream(stream), mode)

    def end_capture(self, stream: int) -> int:
        graph = self._call("recording a graph", "cuStreamEndCapture", self._bindings.CUstream(stream))
        made = self._call("making a graph", "cuGraphInstantiate", graph, 0)
        self._call("freeing a graph", "cuGraphDestroy", graph)
        self._call("uploading a graph", "cuGraphUpload", made, self._bindings.CUstream(stream))
        self._graphs[int(made)] = made
        return int(made)

    def run_graph(self, graph: int, stream: int) -> None:
        self._call("running a graph", "cuGraphLaunch", self._graphs[graph], self._bindings.CUstream(stream))

    def release_graph(self, graph: int) -> None:
        made = self._graphs.pop(graph)
        if not self._dead:
            self._call("freeing a graph", "cuGraphExecDestroy", made)


drivers: dict[int, PycudaDriver] = {}
opening = threading.Lock()


def is_started() -> bool:
    """Whether this process, or the one it was forked from, has opened a GPU."""
    return bool(drivers)


def shared(number: int = 0) -> PycudaDriver:
    """The process's driver of GPU `number` (of those that CUDA_VISIBLE_DEVICES shows)."""
    with opening:
        found = drivers.get(number)
        if found is None:
            found = drivers[number] = PycudaDriver(number)
        return found  # enter() says what is wrong with it, if anything is
