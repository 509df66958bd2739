"""input_examples: what a module is captured with: tensors of the inputs' shapes and dtypes, or the user's own.

--input-shape 1,3,224,224                                zeros, float32
--input-shape 1,128 --input-dtype int64                  zeros, which are indices into any embedding
inputs=(ids, mask), inputs={"ids": ids, "mask": mask}    in Python: by position, or by name
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from dscompress.capture.input_shape import Shape
from dscompress.capture.options import CaptureOptions
from dscompress.errors import CompileError

DTYPES = {
    "float32": torch.float32, "int64": torch.int64, "int32": torch.int32, "int8": torch.int8, "uint8": torch.uint8,
    "bool": torch.bool,
}  # fmt: skip
HOW = "--input-dtype int64 (once for each input, in their order)"

Examples = list[torch.Tensor] | dict[str, torch.Tensor]


def zeros(shapes: Sequence[Shape], dtypes: str | Sequence[str], where: str) -> list[torch.Tensor]:
    names = [dtypes] if isinstance(dtypes, str) else list(dtypes)
    unknown = [name for name in names if name not in DTYPES]
    if unknown:
        raise CompileError(where, f"--input-dtype {unknown[0]}", f"one of {', '.join(DTYPES)}")
    if names and len(names) != len(shapes):
        raise CompileError(where, f"{counted(len(names), 'input dtype')} for {counted(len(shapes), 'input shape')}",
                           "one for each input", f"add {HOW}")  # fmt: skip
    return [torch.zeros(shape, dtype=DTYPES[name])
            for shape, name in zip(shapes, names or ["float32"] * len(shapes), strict=True)]  # fmt: skip


def examples_of(inputs: Any, where: str) -> Examples:
    """An array or tensor, a sequence of them, or a dict by the names of forward()'s parameters."""
    if isinstance(inputs, Mapping):
        return {str(name): tensor_of(value, where) for name, value in inputs.items()}
    parts = inputs if isinstance(inputs, list | tuple) else [inputs]
    return [tensor_of(part, where) for part in parts]


def tensor_of(value: Any, where: str) -> torch.Tensor:
    """Floats of any width as float32, which the captured module has."""
    if isinstance(value, np.ndarray | np.generic):
        value = torch.from_numpy(np.array(value))
    if not isinstance(value, torch.Tensor):
        found = f"an example input of type {type(value).__name__}"
        raise CompileError(where, found, "arrays or tensors, one for each input, or a dict of them by name")
    value = value.detach().cpu()
    if value.is_floating_point():
        return value.float()
    if value.dtype not in DTYPES.values():
        found = f"an example input of {str(value.dtype).removeprefix('torch.')}"
        raise CompileError(where, found, f"one of {', '.join(DTYPES)}")
    return value


def refuse_examples(options: CaptureOptions, where: str) -> None:
    """Of a source that says its inputs itself."""
    for name, given in (("--input-dtype", bool(options.input_dtype)), ("inputs", options.inputs is not None)):
        if given:
            found = f"{name}, for a source that says its inputs' dtypes itself"
            raise CompileError(where, found, what_to_do="leave it out; --input-shape says sizes that are free")


def counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
