"""A checked model: immutable, shared by any number of sessions and threads."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from dsruntime import library
from dsruntime.errors import ModelError

if TYPE_CHECKING:
    import numpy as np

    from dsruntime.file import Graph, Image
    from dsruntime.session import Session


Source = str | os.PathLike[str] | bytes | bytearray | memoryview  # a path, or the bytes of a file


@dataclass(frozen=True)
class Limits:
    """What the caller allows, never the file; 0 is libdsf's default. For every backend.

    file_bytes: of the file, 4 GiB. activation_bytes: of a session's activations, 1 GiB; on the reference backend of the
    values that are needed at a time. plan_bytes: of what backend cpu notes down for a batch size, 256 MiB.
    weight_bytes: of the weights in the form that they are computed with, 4 GiB.
    multiply_adds: what a run may compute for each image of its batch, 2^41 (Model.multiply_adds).
    """

    file_bytes: int = 0
    activation_bytes: int = 0
    plan_bytes: int = 0
    weight_bytes: int = 0
    multiply_adds: int = 0


@dataclass(frozen=True)
class TensorInfo:
    """An input or output. A dimension is a number, "N" (the batch size of a run) or a multiple of it, "2N".

    layout and image belong to inputs ("" and None where unknown); meaning and labels, one per entry of the last
    dimension, to outputs. meaning: "logits" (a softmax over the last dimension makes probabilities; a sigmoid, where it
    has one entry), "probabilities" (each from 0 to 1; not always adding up to 1), "embedding", or "": scores, of which
    nothing more is known.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    layout: str = ""
    image: Image | None = None
    meaning: str = ""
    labels: tuple[str, ...] = ()

    def text(self) -> str:
        return f"{self.dtype} {shape_text(self.shape)}"


class Model:
    """Open one with Model.open(); every attribute is read from bytes that libdsf has checked."""

    def __init__(self, handle: library.Handle, path: str | None, limits: Limits | None = None) -> None:
        self._handle = handle
        self.path = path
        self.limits = limits or Limits()

    @classmethod
    def open(cls, source: Source, *, limits: Limits | None = None) -> Model:
        """source: a path, or the bytes of a file, which are copied."""
        pointer = ctypes.c_void_p()
        path = read("dsf_model_open", "dsf_model_from_memory", source, limits, pointer)
        return cls(library.Handle(pointer, "dsf_model_destroy"), path, limits)

    def __reduce__(self) -> NoReturn:
        raise ModelError(
            "model",
            "it cannot be pickled or copied: it is memory of this process",
            "its path or its bytes",
            "pickle model.path or bytes(model.bytes), and open that in each process",
        )

    def prepare(self, *, memory: str = "fast", precision: str = "float32") -> None:
        """Does now what the first run on the cpu backend would do: brings the weights into the form it computes with.

        Takes no Python lock, so that a thread can do it while the program imports or reads something.
        """
        options = library.SessionOptions(
            1,
            0,
            0,
            library.code_of("memory", memory, library.MEMORIES),
            library.code_of("precision", precision, library.PRECISIONS),
        )
        library.call("dsf_model_prepare", self._handle.pointer, options)

    def multiply_adds(self, batch: int = 1) -> int:
        """What a run at this batch size computes; a ModelError if that is over the limit, as the run's would be.

        Every element that anything else than a product reads or writes counts as 16, a number in a pool's window as 4.
        """
        count = ctypes.c_uint64()
        library.call("dsf_model_multiply_adds", self._handle.pointer, min(batch, 2**63 - 1), ctypes.byref(count))
        return count.value

    def session(
        self,
        backend: str = "auto",
        threads: int | None = None,
        *,
        keep_values: bool = False,
        profile: bool = False,
        memory: str = "fast",
        precision: str = "float32",
    ) -> Session:
        """A session of this model.

        keep_values lets Session.values() show every value of a run; profile lets profile() time its steps. memory
        "low" keeps weights packed where they can be decoded as they are used. precision "bf16" (cpu only, where the
        CPU has it) rounds activations to bfloat16 before they are multiplied; power-of-two weights stay exact.
        """
        from dsruntime.session import Session

        return Session(
            self, backend, threads, keep_values=keep_values, profile=profile, memory=memory, precision=precision
        )

    @cached_property
    def bytes(self) -> memoryview:
        """The whole file, read-only: the very bytes that were checked."""
        address, length = ctypes.c_void_p(), ctypes.c_size_t()
        library.library().dsf_model_bytes(self._handle.pointer, ctypes.byref(address), ctypes.byref(length))
        memory = (ctypes.c_ubyte * length.value).from_address(address.value or 0)
        memory.owner = self._handle  # type: ignore[attr-defined]  # a view may outlive this object; its bytes must, too
        return memoryview(memory).cast("B").toreadonly()

    @cached_property
    def graph(self) -> Graph:
        from dsruntime.file import Graph

        return Graph(self.bytes)

    @property
    def name(self) -> str:
        return self.graph.name

    @property
    def format_version(self) -> tuple[int, int]:
        return self.graph.major, self.graph.minor

    @property
    def metadata(self) -> dict[str, str]:
        return self.graph.metadata

    @cached_property
    def inputs(self) -> tuple[TensorInfo, ...]:
        return tuple(self._info(entry.value, layout=entry.layout, image=entry.image) for entry in self.graph.inputs)

    @cached_property
    def outputs(self) -> tuple[TensorInfo, ...]:
        return tuple(
            self._info(entry.value, meaning=self._meaning(i), labels=entry.labels)
            for i, entry in enumerate(self.graph.outputs)
        )

    def _meaning(self, output: int) -> str:
        """As libdsf says it: a file that calls what a sigmoid made logits is not believed."""
        return (library.library().dsf_model_output_meaning(self._handle.pointer, output) or b"").decode()

    def _info(self, index: int, **more: Any) -> TensorInfo:
        value = self.graph.value(index)
        return TensorInfo(value.name, value.dtype, tuple(dimension_text(d) for d in value.shape), **more)

    def decode_weight(self, index: int) -> np.ndarray:
        """Weight `index` of graph.weights as libdsf decodes it."""
        count = library.library().dsf_model_weight_count(self._handle.pointer)
        if not 0 <= index < count:
            raise ModelError(self.path or "model in memory", f"no weight {index}", f"0 to {count - 1}")
        import numpy as np

        value = self.graph.value(self.graph.weights[index].value)
        array = np.empty(value.shape, value.dtype)
        library.call("dsf_model_decode_weight", self._handle.pointer, index, array.ctypes.data, array.nbytes)
        return array


@dataclass(frozen=True)
class Summary:
    """What there is in a file that check() found right: its length, operators, and tensors of weights."""

    bytes: int
    nodes: int
    weights: int


def check(source: Source, *, limits: Limits | None = None) -> Summary:
    """Proves all of a file that Model.open proves, refuses what that refuses, and keeps nothing in memory.

    source: a path, or the bytes of a file. Of the limits, file_bytes alone counts here: nothing runs.
    """
    found = library.Summary()
    read("dsf_check", "dsf_check_memory", source, limits, found)
    return Summary(found.bytes, found.nodes, found.weights)


def read(of_path: str, of_memory: str, source: Source, limits: Limits | None, result: Any) -> str | None:
    """Calls the function of libdsf for a path, or the one for bytes, to fill result; the path, if it is one."""
    bounds = library.Limits(*astuple(limits or Limits()))
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        library.call(of_memory, data, len(data), bounds, ctypes.byref(result))
        return None
    path = path_of(source)
    library.call(of_path, os.fsencode(path), bounds, ctypes.byref(result))
    return path


def path_of(source: Any) -> str:
    try:
        path = os.fspath(source)
    except TypeError:
        raise ModelError("load", f"a {type(source).__name__}", "the path of a .dsf file, or its bytes") from None
    path = os.fsdecode(path)
    if "\0" in path:
        raise ModelError(repr(path), "a NUL character in the path", "the path of a .dsf file")
    return path


def dimension_text(dimension: int) -> int | str:
    """-1 is "N", -2 is "2N"."""
    if dimension >= 0:
        return dimension
    return "N" if dimension == -1 else f"{-dimension}N"


def shape_text(shape: Sequence[int | str]) -> str:
    """
    >>> shape_text(("N", 3)), shape_text((5,))
    ('(N, 3)', '(5,)')
    """
    return f"({', '.join(str(d) for d in shape)}{',' if len(shape) == 1 else ''})"
