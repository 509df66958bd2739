"""Step: one node with what one run fed to it and got from it, which is all that a bound is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dsruntime.backends.reference.executor import run_node
from dsruntime.backends.runner import Arithmetic
from dsruntime.file import Node


@dataclass(frozen=True)
class Step:
    """One node with what one run fed to it and got from it, and how far the other run's inputs were.

    deltas are float64 arrays of the inputs' shapes; None: absent. batch is N, for attributes that hold dimensions.
    arithmetic: what the other run's step states.
    """

    node: Node
    inputs: list
    deltas: list
    outputs: list
    batch: int
    arithmetic: Arithmetic = Arithmetic()

    def apply(self, *inputs, **attributes) -> list[np.ndarray]:
        """The node's own operator on other inputs; more than it has are left out."""
        inputs = inputs[: len(self.inputs)]
        if self.node.op == "conv":
            return [conv(*inputs, **self.node.attributes)]
        node = self.node._replace(
            inputs=tuple(None if x is None else i for i, x in enumerate(inputs)),
            attributes={**self.node.attributes, **attributes},
        )
        arrays = [None if x is None else np.asarray(x, np.float32 if x.dtype.kind == "f" else x.dtype) for x in inputs]
        with np.errstate(all="ignore"):
            return [np.asarray(y, np.float64) for y in run_node(node, arrays, self.batch)]

    def attribute(self, name, absent):
        return self.node.attributes.get(name, absent)

    def absolute(self, i: int) -> np.ndarray:
        return np.abs(self.inputs[i], dtype=np.float64)

    def moved(self) -> bool:
        """Whether the two runs' inputs differ at all."""
        return any(d is not None and d.any() for d in self.deltas)


def conv(x, w, b=None, *, strides=None, pads=None, dilations=None, group=1) -> np.ndarray:
    """ONNX's Conv by PyTorch in float32: of numbers that are not negative, so within γ_n of itself."""
    import torch

    rank = w.ndim - 2
    begins, ends = (pads or [0] * 2 * rank)[:rank], (pads or [0] * 2 * rank)[rank:]
    x, w, b = (None if a is None else torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in (x, w, b))
    x = torch.nn.functional.pad(x, [p for axis in reversed(range(rank)) for p in (begins[axis], ends[axis])])
    function = torch.conv1d if rank == 1 else torch.conv2d
    return function(x, w, b, strides or [1] * rank, 0, dilations or [1] * rank, group).numpy().astype(np.float64)
