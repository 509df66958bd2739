"""cpu: libdsf's own executor."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from dsruntime import library
from dsruntime.backends import runner
from dsruntime.backends.runner import Arithmetic, Options, Step
from dsruntime.errors import BackendError, ModelError
from dsruntime.file import at_batch
from dsruntime.model import Model


def availability() -> tuple[bool, str]:
    try:
        dsf = library.library()
        library.call("dsf_isa_check")
    except BackendError as error:
        return False, str(error)
    return True, f"libdsf {dsf.dsf_version().decode()}, {dsf.dsf_isa().decode()} kernels"


def open_runner(model: Model, threads: int | None, options: Options) -> Runner:
    return Runner(model, threads, options)


def session_options(threads: int | None, options: Options) -> library.SessionOptions:
    if threads is not None and threads > 2**31 - 1:
        raise ModelError("session", f"threads={threads}", "a number of threads that a machine can have")
    return library.SessionOptions(
        threads or 0,
        options.keep_values,
        options.profile,
        library.MEMORIES[options.memory],
        library.PRECISIONS[options.precision],
    )


class Runner(runner.Runner):
    delays_signals = True

    def __init__(self, model: Model, threads: int | None, options: Options) -> None:
        given = session_options(threads, options)
        pointer = ctypes.c_void_p()
        library.call("dsf_session_create", model._handle.pointer, given, ctypes.byref(pointer))
        self.handle = library.Handle(pointer, "dsf_session_destroy")
        self.model = model
        self.outputs = [model.graph.value(entry.value) for entry in model.graph.outputs]
        self.threads = library.library().dsf_session_threads(pointer)

    def run(self, arrays: Sequence[np.ndarray], batch: int) -> list[np.ndarray]:
        results = [np.empty(at_batch(v.shape, batch), v.dtype) for v in self.outputs]
        inputs, outputs = tensors(arrays), tensors(results)
        library.call("dsf_session_run", self.handle.pointer, inputs, len(inputs), outputs, len(outputs))
        return results

    def values(self) -> dict[str, np.ndarray]:
        graph = self.model.graph
        weights = {weight.value for weight in graph.weights}
        return {value.name: self.value(i) for i, value in enumerate(graph.values) if i not in weights}

    def value(self, index: int) -> np.ndarray:
        tensor = library.Tensor()
        library.call("dsf_session_value", self.handle.pointer, index, ctypes.byref(tensor))
        shape, dtype = tensor.shape[: tensor.rank], library.DTYPES[tensor.dtype]
        if not tensor.bytes:
            return np.empty(shape, dtype)
        return np.frombuffer(ctypes.string_at(tensor.data, tensor.bytes), dtype).reshape(shape).copy()

    def profile(self) -> list[Step]:
        steps = []
        for i in range(library.library().dsf_session_step_count(self.handle.pointer)):
            step = library.StepProfile()
            library.call("dsf_session_profile", self.handle.pointer, i, ctypes.byref(step))
            op, node, module, kernel = map(library.decoded, (step.op, step.node, step.module, step.kernel))
            arithmetic = Arithmetic(
                library.STEP_DTYPES[step.activation_type],
                library.STEP_DTYPES[step.sum_type],
                library.ALGORITHMS[step.algorithm],
            )
            steps.append(Step(op, node, module, kernel, step.seconds, arithmetic))
        return steps

    def arena_bytes(self) -> int:
        return library.library().dsf_session_arena_bytes(self.handle.pointer)

    def cancel(self) -> None:
        library.library().dsf_session_cancel(self.handle.pointer)

    def close(self) -> None:
        self.handle.close()


DTYPE_CODES = {np.dtype(name): code for name, code in library.DTYPE_CODES.items()}


def tensors(arrays: Sequence[np.ndarray]) -> ctypes.Array[library.Tensor]:
    """A C array of dsf_tensor over NumPy arrays, which the caller keeps alive."""
    out = (library.Tensor * len(arrays))()
    for tensor, array in zip(out, arrays, strict=True):
        tensor.struct_size = ctypes.sizeof(library.Tensor)
        tensor.dtype, tensor.rank = DTYPE_CODES[array.dtype], array.ndim
        tensor.shape[: array.ndim] = array.shape
        tensor.data, tensor.bytes = array.ctypes.data, array.nbytes
    return out
