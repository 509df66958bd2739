"""A plan: one model at one batch size, laid out in one arena, as lists of launches with final addresses.

    raw input ─convert─▶ halves, NHWC ─steps─▶ ... ─convert─▶ output as the file says

Converting is kept apart from the steps: an array that is on the GPU already is read where it lies, and results can be
written where the caller wants them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dsruntime.backends.cuda.builder import Builder, Step, device_dtype
from dsruntime.backends.cuda.device_model import DeviceModel
from dsruntime.backends.cuda.fuse import TAKES
from dsruntime.backends.cuda.kernels import copy as copies
from dsruntime.backends.cuda.launch import Launch
from dsruntime.backends.cuda.lower import OPS
from dsruntime.caps import DEFAULT_ACTIVATION_BYTES
from dsruntime.errors import BackendError, ModelError, raise_limit
from dsruntime.model import Model
from dsruntime.plan.arena import place
from dsruntime.plan.fusion import groups_of
from dsruntime.plan.lives import ALWAYS, BEFORE
from dsruntime.plan.tensor import SIZES, Tensor, channels_last, dense_strides

ALIGNMENT = 256  # of buffers, as of what the driver allocates


@dataclass
class End:
    """An input or output: raw is dense in the file's dtype, inside is how the steps see it. They may be the same."""

    index: int
    raw: Tensor
    inside: Tensor


class Plan:
    def __init__(
        self, model: Model, constants: DeviceModel, batch: int, keep_values: bool = False, fuse: bool = True
    ) -> None:
        """keep_values: nothing is fused or reused. Memory is taken by allocate()."""
        self.graph, self.batch, self.constants = model.graph, batch, constants
        self.driver = constants.driver
        self.builder = Builder(model, constants, batch, keep_values)
        self.inputs = [self.add_input(entry.value) for entry in self.graph.inputs]
        for group in groups_of(self.graph, self.builder.shapes, TAKES if fuse and not keep_values else {}):
            self.builder.group, op = group, group.node.op
            if op not in OPS:
                raise BackendError("cuda", f"no kernel for {op!r}", "an op of dscompress ops", "use --backend cpu")
            OPS[op](self.builder, group)
        self.builder.group = None
        self.end = len(self.builder.steps)
        self.outputs = [self.add_output(entry.value) for entry in self.graph.outputs]
        if keep_values:
            for buffer in self.builder.buffers:
                buffer.first, buffer.last = BEFORE, ALWAYS
        self.arena_bytes = place([buffer for buffer in self.builder.buffers if not buffer.address], ALIGNMENT)
        limit = model.limits.activation_bytes or DEFAULT_ACTIVATION_BYTES
        if self.arena_bytes > limit:
            raise ModelError(
                f"{self.builder.where}: batch size {batch}",
                f"its activations need {self.arena_bytes} bytes",
                f"at most {limit}",
                "run smaller batches, or " + raise_limit("activation_bytes"),
            )
        self.arena = 0

    @property
    def steps(self) -> list[Step]:
        return self.builder.steps

    def add_input(self, index: int) -> End:
        value, shape = self.graph.values[index], self.builder.shapes[index]
        raw = self.builder.new(shape, value.dtype)
        self.builder.buffers[raw.buffer].first = self.builder.buffers[raw.buffer].last = BEFORE
        dtype, order = device_dtype(value.dtype), channels_last(len(shape))
        if dtype == raw.dtype and raw.is_dense(order):
            self.builder.set(index, raw)
            return End(index, raw, raw)
        inside = self.builder.result(index, order)
        self.builder.buffers[inside.buffer].first = BEFORE
        return End(index, raw, inside)

    def add_output(self, index: int) -> End:
        """The conversion comes after all steps, so that what it reads lives until then."""
        value, inside = self.graph.values[index], self.builder.value(index)
        raw = self.builder.new(inside.shape, value.dtype)
        for tensor in (raw, inside):
            self.builder.buffers[tensor.buffer].use(self.end)
        return End(index, raw, inside)

    # memory

    def allocate(self) -> None:
        """Takes the arena, poisons it with NaN, and makes the launches. Call between enter() and leave()."""
        stream = self.constants._stream
        self.arena = self.driver.allocate(self.arena_bytes)
        self.driver.fill(self.arena, 0xFF, max(self.arena_bytes, 1), stream)
        for buffer in self.builder.buffers:
            if not buffer.address:
                buffer.address = self.arena + buffer.offset
        for number, count in self.builder.zeroed:
            if count:
                self.driver.fill(self.builder.buffers[number].address, 0, count, stream)
        self.driver.synchronize(stream)
        for step in self.steps:
            step.launches = step.make(self.at)

    def free(self) -> None:
        if self.arena:
            self.driver.free(self.arena)
            self.arena = 0

    def at(self, tensor: Tensor) -> int:
        return self.builder.buffers[tensor.buffer].address + tensor.offset * SIZES[tensor.dtype]

    # the ends

    def converted_input(
        self, end: End, address: int | None = None, strides: Sequence[int] | None = None
    ) -> list[Launch]:
        """From raw, or from an array of the file's dtype elsewhere on the GPU, its strides in elements."""
        source = end.raw if strides is None else replace(end.raw, strides=tuple(strides))
        if address is None and end.inside is end.raw:
            return []
        return copies.copy(source, self.at(end.raw) if address is None else address, end.inside, self.at(end.inside))

    def pixels_input(self, end: End, address: int, shape: Sequence[int], strides: Sequence[int]) -> list[Launch]:
        """From uint8 [N, C, H, W] or [N, H, W, C]: what image.py makes of pixels, on the GPU."""
        recipe = next(entry.image for entry in self.graph.inputs if entry.value == end.index)
        assert recipe is not None
        mean, std = np.array(recipe.mean, np.float64), np.array(recipe.std, np.float64)
        scale, shift = (self.constants.upload(a.astype(np.float32)) for a in (1 / (255 * std), -mean / std))
        pixels = Tensor(0, 0, tuple(shape), tuple(strides), "uint8")
        if pixels.shape != end.raw.shape:
            pixels = pixels.transposed((0, 3, 1, 2))
        return copies.pixels(pixels, address, scale, shift, self.at(end.inside))

    def converted_output(self, end: End, address: int | None = None) -> list[Launch]:
        """Into raw, or elsewhere on the GPU, dense."""
        return copies.copy(end.inside, self.at(end.inside), end.raw, address or self.at(end.raw))


def dense(shape: Sequence[int]) -> tuple[int, ...]:
    return dense_strides(tuple(shape), range(len(shape)))
