"""A driver without a GPU: device memory is host memory, kernels are the emulation's, everything is done at once.

Memory that was just allocated holds 0xFF bytes, NaN in every float: whoever reads before writing is seen. What is
queued between begin_capture and end_capture is not run, as on a GPU; run_graph runs it.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from dsruntime.backends.cuda import emulation
from dsruntime.backends.cuda.driver import refuse_after_fork
from dsruntime.backends.cuda.errors import backend_error
from dsruntime.backends.cuda.launch import Launch


class EmulatedDriver:
    device = "this processor, emulating a GPU"
    architecture = "emulation"
    kind = 1
    number = 0
    multiprocessors = 8
    cache_bytes = 0

    def __init__(self, capacity: int = 1 << 33) -> None:
        """capacity: bytes that can be allocated at a time."""
        self.capacity = capacity
        self.allocated: dict[int, np.ndarray] = {}
        self.graphs: dict[int, list[tuple[Callable[..., Any], tuple[Any, ...]]]] = {}
        self.events: dict[int, float] = {}
        self.streams: set[int] = set()
        self.waits: list[tuple[int, int]] = []
        self.capturing: dict[int, list[tuple[Callable[..., Any], tuple[Any, ...]]]] = {}
        self._numbers = itertools.count(1)
        self._owner = os.getpid()
        self._lock = threading.RLock()  # kernels keep their fibers in static memory

    def enter(self) -> None:
        refuse_after_fork(self._owner)

    def leave(self) -> None: ...

    # memory

    def allocate(self, bytes: int) -> int:
        if bytes > self.memory()[0]:
            raise backend_error("OUT_OF_MEMORY", f"allocating {bytes} bytes")
        array = aligned(max(bytes, 1))
        array[:] = 0xFF
        self.allocated[array.ctypes.data] = array
        return array.ctypes.data

    def free(self, address: int) -> None:
        del self.allocated[address]

    def host(self, bytes: int) -> np.ndarray:
        return np.empty(bytes, np.uint8)

    def memory(self) -> tuple[int, int]:
        return self.capacity - sum(array.nbytes for array in self.allocated.values()), self.capacity

    # work

    def stream(self) -> int:
        number = next(self._numbers)
        self.streams.add(number)
        return number

    def release_stream(self, stream: int) -> None:
        self.streams.remove(stream)

    def upload(self, address: int, array: np.ndarray, stream: int) -> None:
        self._do(stream, ctypes.memmove, address, array.ctypes.data, array.nbytes)

    def download(self, array: np.ndarray, address: int, stream: int) -> None:
        self._do(stream, ctypes.memmove, array.ctypes.data, address, array.nbytes)

    def copy(self, to: int, source: int, bytes: int, stream: int) -> None:
        self._do(stream, ctypes.memmove, to, source, bytes)

    def fill(self, address: int, byte: int, bytes: int, stream: int) -> None:
        self._do(stream, ctypes.memset, address, byte, bytes)

    def launch(self, launch: Launch, stream: int) -> None:
        self._do(stream, emulation.library(launch.source).launch, launch)

    def wait(self, stream: int, other: int) -> None:
        self.waits.append((stream, other))

    def synchronize(self, stream: int) -> None:
        if stream in self.capturing:
            raise backend_error("STREAM_CAPTURE_UNSUPPORTED", "waiting for a stream")

    def _do(self, stream: int, function: Callable[..., Any], *arguments: Any) -> None:
        if stream in self.capturing:
            self.capturing[stream].append((function, arguments))
            return
        with self._lock:
            function(*arguments)

    # time

    def event(self) -> int:
        number = next(self._numbers)
        self.events[number] = 0.0
        return number

    def record(self, event: int, stream: int) -> None:
        self.events[event] = time.perf_counter()

    def seconds(self, first: int, second: int) -> float:
        return self.events[second] - self.events[first]

    def release_event(self, event: int) -> None:
        del self.events[event]

    # graphs

    def begin_capture(self, stream: int) -> None:
        self.capturing[stream] = []

    def end_capture(self, stream: int) -> int:
        number = next(self._numbers)
        self.graphs[number] = self.capturing.pop(stream)
        return number

    def run_graph(self, graph: int, stream: int) -> None:
        with self._lock:
            for function, arguments in self.graphs[graph]:
                function(*arguments)

    def release_graph(self, graph: int) -> None:
        del self.graphs[graph]


def aligned(bytes: int, to: int = 256) -> np.ndarray:
    """As the GPU's allocator does: kernels read 16 bytes at a time."""
    array = np.empty(bytes + to, np.uint8)
    start = -array.ctypes.data % to
    return array[start : start + bytes]


@cache
def shared() -> EmulatedDriver:
    return EmulatedDriver()
