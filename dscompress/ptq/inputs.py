"""Calibration inputs as chunks: some to learn from, some held out to judge by.

Every HELD_OUTth input is held out, from LEAST_FOR_HOLDING_OUT inputs on. A chunk is as many inputs as keep the largest
value of the network below CHUNK_BYTES, or the batch that the network fixes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from dscompress.errors import CompileError
from dscompress.ptq.network import Network

HELD_OUT = 8
LEAST_FOR_HOLDING_OUT = 16
FEW = 64
CHUNK_BYTES = 32 << 20
LARGEST_CHUNK = 256
LEAST_CHUNKS = 4  # so that one half of them can judge what the other half says


@dataclass(frozen=True)
class Calibration:
    """chunks: for each chunk one tensor an input of the model. The first `fit` chunks are learnt from."""

    chunks: list[list[torch.Tensor]]
    fit: int
    seen: int
    held_out: int
    fixed: bool  # the network fixes its batch: a chunk is one
    warnings: list[str]


def prepare(network: Network, inputs, where: str) -> Calibration:
    """inputs: one array or tensor [count, ...] for each input of the model, or a single one."""
    arrays = as_tensors(inputs, where)
    values = [node.meta["val"] for node in network.graph.nodes if node.op == "placeholder"]
    shapes = [tuple(value.shape) for value in values]
    check_shapes(arrays, shapes, where)
    check_dtypes(arrays, values, where)
    count, fixed = len(arrays[0]), shapes[0][0] if isinstance(shapes[0][0], int) else None
    held = torch.zeros(count, dtype=torch.bool)
    if count >= LEAST_FOR_HOLDING_OUT:
        held[HELD_OUT - 1 :: HELD_OUT] = True
    size = fixed or min(chunk_size(network), -(-count // LEAST_CHUNKS))
    groups = [[list(array[mask].split(size)) for array in arrays] for mask in (~held, held)]
    fit, judge = (list(map(list, zip(*group, strict=True))) for group in groups)
    if fixed:
        fit, judge = ([chunk for chunk in part if len(chunk[0]) == fixed] for part in (fit, judge))
    if not fit:
        raise CompileError(where, f"{count} calibration inputs", f"at least one batch of {fixed}", "give more inputs")
    judge = [chunk for chunk in judge if len(chunk[0])]
    seen, out = (sum(len(chunk[0]) for chunk in part) for part in (fit, judge))
    few = f"only {seen} calibration inputs to learn from; a few hundred make the result reliable"
    return Calibration(fit + judge, len(fit), seen, out, fixed is not None, [few] if seen < FEW else [])


def as_tensors(inputs, where: str) -> list[torch.Tensor]:
    parts = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    tensors = []
    for part in parts:
        if isinstance(part, np.ndarray):
            part = torch.from_numpy(np.ascontiguousarray(part))
        if not isinstance(part, torch.Tensor):
            raise CompileError(where, f"calibration inputs of type {type(part).__name__}", "arrays or tensors")
        part = part.detach().cpu()
        if part.is_floating_point() and not bool(part.isfinite().all()):
            bad = int((~part.isfinite().flatten(1).all(1)).nonzero()[0]) if part.dim() > 1 else 0
            raise CompileError(where, f"calibration input {bad} holds NaN or infinity", "finite numbers")
        tensors.append(part)
    if not tensors or any(tensor.dim() == 0 or len(tensor) == 0 for tensor in tensors):
        raise CompileError(where, "no calibration inputs", "a few hundred, unlabelled, as the model gets them in use")
    if len({len(tensor) for tensor in tensors}) > 1:
        counts = " and ".join(str(len(tensor)) for tensor in tensors)
        raise CompileError(where, f"{counts} calibration inputs", "as many for each input of the model")
    return tensors


def check_dtypes(arrays: list[torch.Tensor], values: list[torch.Tensor], where: str) -> None:
    """As a session does, which converts nothing behind the caller's back."""
    for array, value in zip(arrays, values, strict=True):
        found, expected = (str(dtype).removeprefix("torch.") for dtype in (array.dtype, value.dtype))
        if found != expected:
            raise CompileError(
                where,
                f"calibration inputs of dtype {found}",
                f"{expected}, as the model takes them",
                f"convert them: x.astype('{expected}')",
            )


def check_shapes(arrays: list[torch.Tensor], shapes: list[tuple], where: str) -> None:
    if len(arrays) != len(shapes):
        found = f"calibration inputs for {len(arrays)} inputs of the model"
        raise CompileError(where, found, f"for {len(shapes)}", "give one array for each, in order")
    for array, shape in zip(arrays, shapes, strict=True):
        fits = array.dim() == len(shape) and all(
            not isinstance(dim, int) or dim == size for size, dim in zip(array.shape[1:], shape[1:], strict=False)
        )
        if not fits:
            expected = ", ".join(["N", *(str(dim) if isinstance(dim, int) else "?" for dim in shape[1:])])
            found = f"calibration inputs of shape ({', '.join(map(str, array.shape))})"
            raise CompileError(
                where,
                found,
                f"({expected}), as the model takes them",
                "give inputs of that shape, or say another --input-shape",
            )


def chunk_size(network: Network) -> int:
    """From the shapes that torch.export noted, for one input of the batch."""
    largest = 1
    for node in network.graph.nodes:
        value = node.meta.get("val")
        if isinstance(value, torch.Tensor) and value.dim() and not isinstance(value.shape[0], int):
            dims = [dim for dim in value.shape[1:] if isinstance(dim, int)]
            largest = max(largest, 4 * int(np.prod(dims)) if dims else 4)
    return max(1, min(LARGEST_CHUNK, CHUNK_BYTES // largest))
