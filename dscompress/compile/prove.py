"""Proving: every weight, decoded from the finished bytes, is the graph's tensor bit for bit; -0.0 counts as 0.0.

libdsf checks the whole file and decodes. Where it cannot be loaded NumPy decodes, and the report says so.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dscompress.compile.assemble import Assembled
from dscompress.compile.encode import Encoded, decode
from dscompress.compile.write import lay_out
from dscompress.errors import BackendError, CompileError, ModelError
from dsruntime.file import PREFIX
from dsruntime.model import Model

ROWS = 1 << 20  # elements compared in one step


def prove(data: bytes, assembled: Assembled) -> Model | BackendError:
    """The checked model, or why there is no libdsf. Raises CompileError if a weight would not come back as it was."""
    where = assembled.description.name
    model: Model | BackendError
    try:
        model = Model.open(data)
    except ModelError as error:
        found = f"the file would be refused: {error}"
        remedy = "nothing was written; if ONNX Runtime runs the model, report it"
        raise CompileError(where, found, what_to_do=remedy) from None
    except BackendError as error:
        model = error
    if isinstance(model, Model):
        arrays = decoded_by_libdsf(model, len(assembled.tensors))
    else:
        arrays = decoded_by_numpy(data, assembled)
    for weight, tensor, array in zip(assembled.description.weights, assembled.tensors, arrays, strict=True):
        if array.dtype != tensor.dtype or array.shape != tensor.shape or not same_bits(array, tensor):
            raise CompileError(
                where,
                f"internal error: weight '{weight.source}' does not decode to the tensor it was made from",
                what_to_do="nothing was written; report this model",
            )
    return model


def decoded_by_libdsf(model: Model, count: int) -> Iterator[np.ndarray]:
    return (model.decode_weight(i) for i in range(count))


def decoded_by_numpy(data: bytes, assembled: Assembled) -> Iterator[np.ndarray]:
    description = assembled.description
    start = PREFIX.unpack_from(data)[7]
    for offset, weight in zip(lay_out(description.weights)[0], description.weights, strict=True):
        value = description.values[weight.value]
        begin = start + offset
        stored = memoryview(data)[begin : begin + len(weight.encoded.data)]
        encoded = Encoded(weight.encoded.codec, stored, weight.encoded.order, weight.encoded.shift)
        yield decode(encoded, value.shape, np.dtype(value.dtype))


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    a, b = a.reshape(-1), b.reshape(-1)
    return all(np.array_equal(bits(a[i : i + ROWS]), bits(b[i : i + ROWS])) for i in range(0, len(a), ROWS))


def bits(array: np.ndarray) -> np.ndarray:
    """The bit patterns of floats, with -0.0 as 0.0; other dtypes as they are."""
    if array.dtype.kind != "f":
        return array
    return np.where(array == 0, array.dtype.type(0), array).view(f"u{array.dtype.itemsize}")
