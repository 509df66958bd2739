"""What the runtime asks of a GPU: one protocol, two implementations.

    pycuda_driver.py     a GPU, through PyCUDA and cuda-bindings
    emulated_driver.py   no GPU: host memory, and the kernels compiled by g++; for tests, very slow

Addresses, streams, events and graphs are ints. A driver belongs to one device; its methods are called between enter()
and leave(), which push and pop the device's primary context, by any thread. Whatever goes wrong is a BackendError.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from dsruntime.errors import BackendError

if TYPE_CHECKING:
    import numpy as np

    from dsruntime.backends.cuda.launch import Launch

EMULATION = "DSRUNTIME_CUDA_EMULATION"  # set to 1: backend "cuda" runs on this machine's processor


class Driver(Protocol):
    """device is a name for people; architecture is "sm_90", or "emulation"; cache_bytes is the size of the L2 cache.

    kind is DLPack's device type: 1 is a CPU, 2 is CUDA.
    """

    device: str
    architecture: str
    kind: int
    number: int
    multiprocessors: int
    cache_bytes: int

    def enter(self) -> None: ...
    def leave(self) -> None: ...

    # memory, in bytes
    def allocate(self, bytes: int) -> int: ...
    def free(self, address: int) -> None: ...
    def host(self, bytes: int) -> np.ndarray:
        """uint8, page-locked: what upload and download like best. Freed with the last reference."""
        ...

    def memory(self) -> tuple[int, int]:
        """Free and total."""
        ...

    # work, in the order of a stream
    def stream(self) -> int: ...
    def release_stream(self, stream: int) -> None: ...
    def upload(self, address: int, array: np.ndarray, stream: int) -> None: ...
    def download(self, array: np.ndarray, address: int, stream: int) -> None: ...
    def copy(self, to: int, source: int, bytes: int, stream: int) -> None: ...
    def fill(self, address: int, byte: int, bytes: int, stream: int) -> None: ...
    def launch(self, launch: Launch, stream: int) -> None: ...
    def wait(self, stream: int, other: int) -> None:
        """What is queued on `stream` from now on starts after what is queued on `other`; one of them may be foreign."""
        ...

    def synchronize(self, stream: int) -> None: ...

    # time
    def event(self) -> int: ...
    def record(self, event: int, stream: int) -> None: ...
    def seconds(self, first: int, second: int) -> float:
        """Between two events, which a finished stream has passed."""
        ...

    def release_event(self, event: int) -> None: ...

    # graphs: what is queued between begin and end is kept, to be queued again as one
    def begin_capture(self, stream: int) -> None: ...
    def end_capture(self, stream: int) -> int: ...
    def run_graph(self, graph: int, stream: int) -> None: ...
    def release_graph(self, graph: int) -> None: ...


class active:  # noqa: N801 (it is read as `with active(driver)`)
    """with active(driver): its context is the thread's current one."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def __enter__(self) -> Driver:
        self.driver.enter()
        return self.driver

    def __exit__(self, *_: object) -> None:
        self.driver.leave()


def wants_emulation() -> bool:
    return os.environ.get(EMULATION, "") not in ("", "0")


def refuse_after_fork(owner: int) -> None:
    """owner: the process that started CUDA. A child made by fork has the parent's handles, and they do not work."""
    if os.getpid() != owner:
        raise BackendError(
            "cuda",
            f"CUDA was started in process {owner}, of which this one ({os.getpid()}) is a fork",
            "CUDA started in the process that uses it",
            "start workers by multiprocessing's 'spawn', or open sessions in them alone",
        )
