"""A plan ready to run: its memory, its staging memory on the host, and its graphs.

The first run launches every kernel by itself, which loads them; the second records the graph.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import numpy as np

from dsruntime.backends.cuda.builder import FAULT_BYTES, OVERFLOW_AT
from dsruntime.backends.cuda.driver import Driver
from dsruntime.backends.cuda.launch import Launch
from dsruntime.backends.cuda.plan import Plan
from dsruntime.errors import Cancelled, DsError, ModelError
from dsruntime.plan.tensor import Tensor


class Prepared:
    """A plan with its staging memory and graphs. hosts: page-locked arrays, one for each input and output."""

    def __init__(self, plan: Plan, driver: Driver, cancelled: Callable[[], bool] = lambda: False) -> None:
        self.plan, self.driver, self.cancelled = plan, driver, cancelled
        plan.allocate()
        self.hosts_in = [host_array(driver, end.raw) for end in plan.inputs]
        self.hosts_out = [host_array(driver, end.raw) for end in plan.outputs]
        self.fault_at = plan.at(plan.builder.faults) if plan.builder.faults else 0
        self.fault = driver.host(FAULT_BYTES) if self.fault_at else None
        self.graphs: dict[str, int] = {}
        self.runs: dict[str, int] = {}

    def queue(self, kind: str, stream: int) -> None:
        """kind: "host", everything from staging to staging, or "steps". As a graph from the second time on."""
        count = self.runs[kind] = self.runs.get(kind, 0) + 1
        work = self.queue_host if kind == "host" else self.queue_steps
        if count == 1:
            work(stream)
            return
        if kind not in self.graphs:
            self.driver.begin_capture(stream)
            try:
                work(stream)
            except DsError:  # the capture must end all the same
                with contextlib.suppress(DsError):
                    self.driver.release_graph(self.driver.end_capture(stream))
                raise
            self.graphs[kind] = self.driver.end_capture(stream)
        self.check_cancelled()
        self.driver.run_graph(self.graphs[kind], stream)

    def queue_host(self, stream: int) -> None:
        plan, driver = self.plan, self.driver
        for end, host in zip(plan.inputs, self.hosts_in, strict=True):
            driver.upload(plan.at(end.raw), host, stream)
        for end in plan.inputs:
            self.launch(plan.converted_input(end), stream)
        self.queue_steps(stream)
        for end in plan.outputs:
            self.launch(plan.converted_output(end), stream)
        for end, host in zip(plan.outputs, self.hosts_out, strict=True):
            driver.download(host, plan.at(end.raw), stream)
        self.queue_fault(stream)

    def queue_steps(self, stream: int) -> None:
        for step in self.plan.steps:
            self.check_cancelled()
            self.launch(step.launches, stream)

    def check_cancelled(self) -> None:
        """What the GPU has been given it computes; no more is given to it."""
        if self.cancelled():
            raise Cancelled("run", "it was cancelled", "a run that goes on to its end", "run it again")

    def queue_fault(self, stream: int) -> None:
        if self.fault is not None:
            self.driver.download(self.fault, self.fault_at, stream)

    def launch(self, launches: Sequence[Launch], stream: int) -> None:
        for launch in launches:
            self.driver.launch(launch, stream)

    def check_fault(self, stream: int, keep_values: bool = False) -> None:
        """After the stream is done: whether a gather met an index out of range, or a product did not fit float16.

        A session that keeps its values shows what did not fit as infinite.
        """
        if self.fault is None or not self.fault.any():
            return
        found, index = (int(word) for word in self.fault[:OVERFLOW_AT].view(np.int64))
        step = int(self.fault[OVERFLOW_AT:].view(np.uint32)[0])
        self.driver.fill(self.fault_at, 0, FAULT_BYTES, stream)
        if found:
            raise ModelError("gather", f"index {index}", "one that the axis has", "check the indices you gave")
        if step and not keep_values:
            made = self.plan.steps[step - 1]
            raise ModelError(
                made.node or made.op,
                "a result beyond 65504",
                "activations that float16 holds",
                "run this model with --backend cpu",
            )

    def free(self) -> None:
        for graph in self.graphs.values():
            self.driver.release_graph(graph)
        self.graphs = {}
        self.hosts_in, self.hosts_out, self.fault = [], [], None  # PyCUDA frees them in the thread that has the context
        self.plan.free()


def host_array(driver: Driver, tensor: Tensor) -> np.ndarray:
    return driver.host(tensor.bytes).view(np.dtype(tensor.dtype)).reshape(tensor.shape)
