"""A session's runs: a prepared plan for each batch size; host arrays, or arrays that are on the GPU.

host arrays      staging ─▶ upload, convert, steps, convert, download ─▶ staging      one graph
arrays on a GPU  convert from where they lie, the graph of the steps, convert to where the caller reads
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from dsruntime.backends import runner
from dsruntime.backends.cuda.device_model import on_device
from dsruntime.backends.cuda.driver import Driver, active
from dsruntime.backends.cuda.drivers import open_driver
from dsruntime.backends.cuda.interop import Borrowed, DeviceArray, borrow, is_on_device
from dsruntime.backends.cuda.plan import End, Plan, dense
from dsruntime.backends.cuda.prepared import Prepared
from dsruntime.backends.cuda.spare import Spare
from dsruntime.backends.runner import Step
from dsruntime.errors import DsError, ModelError
from dsruntime.model import Model, TensorInfo
from dsruntime.plan.tensor import SIZES, Tensor

MOST_PLANS = 4  # one for each batch size


class Runner(runner.DeviceRunner):
    threads = 1
    delays_signals = False

    def __init__(
        self, model: Model, keep_values: bool = False, profile: bool = False, driver: Driver | None = None
    ) -> None:
        self.model, self.keep_values, self.profiles = model, keep_values, profile
        self.driver = driver or open_driver()
        with active(self.driver):
            self.constants = on_device(model, self.driver)
            self.stream = self.driver.stream()
        self.plans: OrderedDict[int, Prepared] = OrderedDict()
        self.last: Prepared | None = None
        self.seconds: list[float] = []
        self.cancelled = threading.Event()
        self.spare = Spare(self.driver)
        self._finalizer = weakref.finalize(self, release, self.driver, self.plans, self.spare, self.stream)

    def run(self, arrays: Sequence[Any], batch: int) -> list[np.ndarray]:
        """Host arrays in, host arrays out. Arrays may be Borrowed."""
        self.cancelled.clear()
        if any(isinstance(array, Borrowed) or self.is_pixels(array, i) for i, array in enumerate(arrays)):
            if self.keep_values or self.profiles:
                raise ModelError(
                    "run",
                    "arrays on the GPU, or pixels, in a session that keeps values or profiles",
                    "float32 host arrays",
                    "use an ordinary session",
                )
            results = self.run_on_device(arrays, batch, None)
            return [result.numpy() for result in results]
        with active(self.driver):
            prepared = self.prepared(batch)
            for host, array in zip(prepared.hosts_in, arrays, strict=True):
                np.copyto(host, array)
            if self.profiles:
                self.run_timed(prepared)
            else:
                prepared.queue("host", self.stream)
            self.driver.synchronize(self.stream)
            prepared.check_fault(self.stream, self.keep_values)
            return [host.copy() for host in prepared.hosts_out]

    def borrowed(self, given: list[Any], infos: Sequence[TensorInfo]) -> list[Any]:
        """Arrays on the GPU as Borrowed; others as they are."""
        if not any(is_on_device(array, self.driver.kind) for array in given):
            return given
        with active(self.driver):
            return [
                borrow(array, self.driver.kind, self.driver.number, self.stream, f"input {info.name!r}")
                if is_on_device(array, self.driver.kind)
                else array
                for array, info in zip(given, infos, strict=True)
            ]

    def run_on_device(self, arrays: Sequence[Any], batch: int, stream: int | None) -> list[DeviceArray]:
        """Results stay on the GPU. With a stream, work is queued behind and before it and nobody waits."""
        self.cancelled.clear()
        with active(self.driver):
            prepared = self.prepared(batch)
            self.driver.wait(self.stream, stream or 0)
            for array in arrays:
                if isinstance(array, Borrowed) and array.stream not in (None, 0, stream):
                    self.driver.wait(self.stream, array.stream)
            for i, array in enumerate(arrays):
                self.take(prepared, prepared.plan.inputs[i], prepared.hosts_in[i], array, self.is_pixels(array, i))
            prepared.queue("steps", self.stream)
            results = [self.result(prepared, end, stream) for end in prepared.plan.outputs]
            prepared.queue_fault(self.stream)
            if stream is None or prepared.plan.builder.gathers:
                self.driver.synchronize(self.stream)
                prepared.check_fault(self.stream)
            if stream is not None:
                self.driver.wait(stream, self.stream)
            return results

    def take(self, prepared: Prepared, end: End, host: np.ndarray, array: Any, pixels: bool) -> None:
        """Converts an array on the GPU from where it lies; another is uploaded first."""
        plan = prepared.plan
        if isinstance(array, Borrowed):
            address, strides = array.address, array.strides
        else:
            address, strides = plan.at(end.raw), dense(array.shape)
            self.driver.synchronize(self.stream)  # a run before may still read the staging memory
            staged = host.reshape(-1).view(array.dtype)[: array.size].reshape(array.shape)
            np.copyto(staged, array)
            self.driver.upload(address, staged, self.stream)
        if pixels:
            prepared.launch(plan.pixels_input(end, address, array.shape, strides), self.stream)
        elif isinstance(array, Borrowed):
            prepared.launch(plan.converted_input(end, address, strides), self.stream)
        else:
            prepared.launch(plan.converted_input(end), self.stream)

    def is_pixels(self, array: Any, index: int) -> bool:
        return array.dtype == np.uint8 and self.model.inputs[index].dtype == "float32"

    def result(self, prepared: Prepared, end: End, stream: int | None) -> DeviceArray:
        """Memory of a result that is gone serves again."""
        bytes = end.raw.bytes
        address = self.spare.take(bytes) or self.driver.allocate(bytes)
        prepared.launch(prepared.plan.converted_output(end, address), self.stream)
        result = DeviceArray(
            address,
            end.raw.shape,
            end.raw.dtype,
            self.driver.kind,
            self.driver.number,
            stream,
            self.download,
            self.follow,
        )
        weakref.finalize(result, self.spare.give, bytes, address)
        return result

    def empty(self, shape: tuple[int, ...], dtype: str) -> DeviceArray:
        """A result without elements, at an address of its own."""
        with active(self.driver):
            address = self.spare.take(1) or self.driver.allocate(1)
        result = DeviceArray(
            address, tuple(shape), dtype, self.driver.kind, self.driver.number, None, self.download, self.follow
        )
        weakref.finalize(result, self.spare.give, 1, address)
        return result

    def follow(self, stream: int, other: int) -> None:
        with active(self.driver):
            self.driver.wait(stream, other)

    def download(self, array: DeviceArray) -> np.ndarray:
        with active(self.driver):
            host = np.empty(array.shape, array.dtype)
            if host.size:
                self.driver.download(host, array.address, self.stream)
            self.driver.synchronize(self.stream)
            return host

    def prepared(self, batch: int) -> Prepared:
        found = self.plans.get(batch)
        if found is None:
            while len(self.plans) >= MOST_PLANS:
                self.plans.popitem(last=False)[1].free()
            plan = Plan(self.model, self.constants, batch, self.keep_values)
            try:
                found = Prepared(plan, self.driver, self.cancelled.is_set)
            except DsError:
                plan.free()
                raise
            self.plans[batch] = found
        self.plans.move_to_end(batch)
        self.last = found
        return found

    # looking inside

    def run_timed(self, prepared: Prepared) -> None:
        plan, driver, stream = prepared.plan, self.driver, self.stream
        for end, host in zip(plan.inputs, prepared.hosts_in, strict=True):
            driver.upload(plan.at(end.raw), host, stream)
            prepared.launch(plan.converted_input(end), stream)
        events = [driver.event() for _ in range(len(plan.steps) + 1)]
        driver.record(events[0], stream)
        for step, event in zip(plan.steps, events[1:], strict=True):
            prepared.check_cancelled()
            prepared.launch(step.launches, stream)
            driver.record(event, stream)
        for end, host in zip(plan.outputs, prepared.hosts_out, strict=True):
            prepared.launch(plan.converted_output(end), stream)
            driver.download(host, plan.at(end.raw), stream)
        prepared.queue_fault(stream)
        driver.synchronize(stream)
        self.seconds = [driver.seconds(a, b) for a, b in itertools.pairwise(events)]
        for event in events:
            driver.release_event(event)

    def profile(self) -> list[Step]:
        assert self.last is not None
        timed = zip(self.last.plan.steps, self.seconds, strict=True)
        return [
            Step(
                step.op,
                step.node,
                step.module,
                "+".join(dict.fromkeys(one.kernel for one in step.launches)),
                seconds,
                step.arithmetic,
            )
            for step, seconds in timed
        ]

    def values(self) -> dict[str, np.ndarray]:
        """Every value but weights, as the file says it is."""
        assert self.last is not None
        plan, values = self.last.plan, {}
        with active(self.driver):
            for index, tensor in plan.builder.tensors.items():
                value = plan.graph.values[index]
                if not plan.builder.is_weight(index):
                    values[value.name] = self.value(plan, tensor).astype(value.dtype)
        return values

    def value(self, plan: Plan, tensor: Tensor) -> np.ndarray:
        buffer = plan.builder.buffers[tensor.buffer]
        host = np.empty(buffer.bytes, np.uint8)
        self.driver.download(host, buffer.address, self.stream)
        self.driver.synchronize(self.stream)
        whole = host[: buffer.bytes // SIZES[tensor.dtype] * SIZES[tensor.dtype]].view(np.dtype(tensor.dtype))
        strides = [step * SIZES[tensor.dtype] for step in tensor.strides]
        return np.lib.stride_tricks.as_strided(whole[tensor.offset :], tensor.shape, strides).copy()

    def arena_bytes(self) -> int | None:
        return self.last.plan.arena_bytes if self.last else None

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        self._finalizer()
        self.last = None


def release(driver: Driver, plans: OrderedDict[int, Prepared], spare: Spare, stream: int) -> None:
    """Results that are still held keep their memory; a process that was forked, or whose GPU is lost, has none."""
    try:
        with active(driver):
            driver.synchronize(stream)
            while plans:
                plans.popitem()[1].free()
            spare.close()
            driver.release_stream(stream)
    except DsError:
        pass
