"""builder: a model at one batch size becomes steps; the functions in lower/ call it, one for each group of nodes.

Every value gets a Tensor. A step says what it reads and writes, so that buffers live from their first step to their
last, and how its launches are made once addresses are known. Steps are kept in order; nothing is launched here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from dsruntime.backends.cuda.device_model import DeviceModel
from dsruntime.backends.cuda.kernels import copy as copies
from dsruntime.backends.cuda.kernels import elementwise
from dsruntime.backends.cuda.launch import Launch
from dsruntime.backends.cuda.weights import Packed
from dsruntime.backends.runner import Arithmetic
from dsruntime.errors import ModelError
from dsruntime.file import Node, at_batch
from dsruntime.model import Model
from dsruntime.plan.fusion import Group
from dsruntime.plan.lives import ALWAYS, BEFORE, Buffer
from dsruntime.plan.tensor import SIZES, Tensor, channels_last, dense_strides

MOST_BYTES = 2**31 - 1
FAULT_BYTES, OVERFLOW_AT = 32, 16  # what fault() holds


At = Callable[[Tensor], int]  # the address of a tensor
Make = Callable[[At], list[Launch]]


@dataclass
class DeviceBuffer(Buffer):
    """address: of constants, at once, of others once the plan has memory."""

    address: int = 0


@dataclass
class Step:
    """make(at) gives the launches, at(tensor) being an address; touches: buffers. scratch, zeroed: buffers or None."""

    op: str
    node: str
    module: str
    arithmetic: Arithmetic
    make: Make
    launches: list[Launch] = field(default_factory=list)


class Builder:
    def __init__(self, model: Model, constants: DeviceModel, batch: int, keep_values: bool) -> None:
        """constants: a device_model.DeviceModel, which has the weights on the GPU."""
        self.graph, self.constants, self.batch, self.keep_values = model.graph, constants, batch, keep_values
        self.where = model.path or model.name
        self.shapes = [at_batch(value.shape, batch) for value in self.graph.values]
        self.weights = {weight.value: index for index, weight in enumerate(self.graph.weights)}
        self.tensors: dict[int, Tensor] = {}
        self.buffers: list[DeviceBuffer] = []
        self.steps: list[Step] = []
        self.zeroed: list[tuple[int, int]] = []  # (buffer, bytes at its start that are 0 before the first run)
        self.scratches: dict[int, Tensor] = {}  # by the bytes that start as zeros
        self.faults: Tensor | None = None
        self.gathers = False
        self.group: Group | None = None  # the one that is being lowered

    # values

    def value(self, index: int) -> Tensor:
        """The tensor of a value; a weight in float32, or its own dtype, in its own order."""
        if index not in self.tensors:
            self.tensors[index] = self.constant(self.array(index))
        return self.tensors[index]

    def is_weight(self, index: int | None) -> bool:
        return index in self.weights

    def array(self, index: int) -> np.ndarray:
        """A weight on the host."""
        return self.constants.decoded(self.weights[index])

    def set(self, index: int, tensor: Tensor) -> None:
        assert tensor.shape == self.shapes[index], (tensor.shape, self.shapes[index])
        self.tensors[index] = tensor

    def result(self, index: int, order: Sequence[int] | None = None) -> Tensor:
        """A new tensor for a value, dense in `order`: by default channels last for rank 4 and 3."""
        shape = self.shapes[index]
        tensor = self.new(shape, device_dtype(self.graph.values[index].dtype), order or channels_last(len(shape)))
        self.tensors[index] = tensor
        return tensor

    def new(self, shape: Iterable[int], dtype: str = "float16", order: Sequence[int] | None = None) -> Tensor:
        shape = tuple(shape)
        strides = dense_strides(shape, order or range(len(shape)))
        tensor = Tensor(len(self.buffers), 0, shape, strides, dtype)
        if tensor.count * max(SIZES[dtype], 4) > MOST_BYTES:
            raise ModelError(
                f"{self.where}: batch size {self.batch}",
                f"a value of {tensor.count} elements",
                f"at most {MOST_BYTES // 4}",
                "run smaller batches",
            )
        self.buffers.append(DeviceBuffer(tensor.bytes, len(self.steps), len(self.steps)))
        return tensor

    def constant(self, array: np.ndarray) -> Tensor:
        """An array on the GPU, in the plan like any tensor, but never overwritten."""
        array = np.ascontiguousarray(array).reshape(array.shape)
        address = self.constants.upload(array)
        strides = dense_strides(array.shape, range(array.ndim))
        tensor = Tensor(len(self.buffers), 0, array.shape, strides, array.dtype.name)
        self.buffers.append(DeviceBuffer(array.nbytes, 0, 0, address=address))
        return tensor

    def weight(self, index: int, role: str, group: int = 1) -> Packed:
        """A weight on the GPU in the layout of the matrix kernels."""
        return self.constants.packed(self.weights[index], role, group)

    def scratch(self, count: int, zeroed: int) -> Tensor | None:
        """Memory of one step. What must start as zeros is left as zeros: steps that want as many share one piece."""
        if count == 0:
            return None
        if zeroed == 0:
            return self.new((count,), "uint8")
        found = self.scratches.get(zeroed)
        if found is None:
            found = self.scratches[zeroed] = self.lasting_bytes(count, zeroed)
        buffer = self.buffers[found.buffer]
        buffer.bytes = max(buffer.bytes, count)
        return found

    def lasting_bytes(self, count: int, zeroed: int) -> Tensor:
        """Memory whose start is 0 before the first run and that nothing else uses."""
        tensor = self.new((count,), "uint8")
        self.buffers[tensor.buffer].first = BEFORE  # inputs are brought in before the first step
        self.keep(tensor)
        self.zeroed.append((tensor.buffer, zeroed))
        return tensor

    def keep(self, tensor: Tensor) -> None:
        self.buffers[tensor.buffer].last = ALWAYS

    # steps

    def step(self, make: Make, *tensors: Tensor, op: str = "") -> None:
        """tensors: all that the launches read and write."""
        now = len(self.steps)
        for tensor in tensors:
            self.buffers[tensor.buffer].use(now)
        node = self.group.node if self.group else None
        name = op or (self.group.name if self.group else "")
        where = (node.name, node.module) if node else ("", "")
        self.steps.append(Step(name, *where, self.arithmetic(node), make))

    def arithmetic(self, node: Node | None) -> Arithmetic:
        """Halves go in and out, and sums are float32; what is no float stays as it is."""
        ends = [] if node is None else [i for i in (*node.inputs, *node.outputs) if i is not None]
        dtypes = [device_dtype(self.graph.values[i].dtype) for i in ends] or ["float16"]
        return Arithmetic("float16") if "float16" in dtypes else Arithmetic(dtypes[0], dtypes[0])

    def copy(self, source: Tensor, target: Tensor, op: str = "") -> None:
        if target.count:
            self.step(lambda at: copies.copy(source, at(source), target, at(target)), source, target, op=op)

    def copy_clipped(self, source: Tensor, target: Tensor, low: float, high: float) -> None:
        self.step(
            lambda at: elementwise.unary("clip", source, at(source), target, at(target), low, high), source, target
        )

    # layouts

    def packed(self, tensor: Tensor, order: Sequence[int] | None = None, dtype: str | None = None) -> Tensor:
        """The tensor, or a copy of it, dense in `order` (as said by default), of a dtype and aligned to 16 bytes."""
        order = tuple(order or range(len(tensor.shape)))
        dtype = dtype or tensor.dtype
        aligned = tensor.offset * SIZES[tensor.dtype] % 16 == 0
        if tensor.dtype == dtype and aligned and tensor.is_dense(order):
            return tensor
        target = self.new(tensor.shape, dtype, order)
        self.copy(tensor, target, op="layout")
        return target

    def reshaped(self, tensor: Tensor, shape: Sequence[int]) -> Tensor:
        """The tensor under another shape, or a copy of it."""
        return tensor.reshaped(shape) or self.packed(tensor).viewed(shape)

    def halves(self, tensor: Tensor, order: Sequence[int] | None = None) -> Tensor:
        return self.packed(tensor, order, "float16")

    def images(self, index: int) -> Tensor:
        """A value of rank 4 or 3 as dense NHWC halves, its shape [N, C, H, W]; rank 3 gets H = 1."""
        tensor = self.value(index)
        tensor = self.halves(tensor, channels_last(len(tensor.shape)))
        if len(tensor.shape) == 4:
            return tensor
        n, c, w = tensor.shape
        return Tensor(tensor.buffer, tensor.offset, (n, c, 1, w), (c * w, 1, c * w, c), tensor.dtype)

    def fault(self) -> Tensor:
        """int64 {1, index} after a gather whose index was out of range; at OVERFLOW_AT a uint32, the number (from 1)
        of a step whose product does not fit float16."""
        if self.faults is None:
            self.faults = self.lasting_bytes(FAULT_BYTES, FAULT_BYTES)
        return self.faults


def device_dtype(dtype: str) -> str:
    return "float16" if dtype == "float32" else dtype
