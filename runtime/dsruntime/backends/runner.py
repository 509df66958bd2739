"""What sessions and backends have between them: how a session wants its model run, what runs it, what a run says of
itself. Sessions and every backend import this; none of them imports another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from dsruntime import library
from dsruntime.errors import BackendError

if TYPE_CHECKING:
    import numpy as np

    from dsruntime.model import TensorInfo


@dataclass(frozen=True)
class Arithmetic:
    """What a step computes in. Types are dtypes, or "bfloat16".

    activation_type is what its inputs are rounded to before it computes, if they are not of it already; sum_type what
    its products, sums and functions are rounded to; algorithm is "direct", as the operator is defined with sums in any
    order, or "winograd_4x4". A step of activations in float16 and sums in float32 rounds its results to float16, too.
    """

    activation_type: str = "float32"
    sum_type: str = "float32"
    algorithm: str = "direct"


@dataclass(frozen=True)
class Step:
    """One step of a profiled run: a node, or several that run as one ("conv+relu"). kernel is a name for people."""

    op: str
    node: str
    module: str
    kernel: str
    seconds: float
    arithmetic: Arithmetic


@dataclass(frozen=True)
class Options:
    """How a session runs a model, whatever the backend; Session's arguments of these names."""

    keep_values: bool = False
    profile: bool = False
    memory: str = "fast"
    precision: str = "float32"

    def __post_init__(self) -> None:
        library.code_of("memory", self.memory, library.MEMORIES)
        library.code_of("precision", self.precision, library.PRECISIONS)


class Runner(Protocol):
    """A model on one backend. The session has checked the arrays and the work, and holds a lock around every call but
    cancel(), which comes from any thread and makes the run in progress raise Cancelled.

    threads: that it computes with. delays_signals: whether run() is one call into C, which Ctrl-C waits for.
    """

    threads: int
    delays_signals: bool

    def run(self, arrays: Sequence[Any], batch: int) -> list[np.ndarray]:
        """The outputs, in the model's order."""
        ...

    def values(self) -> dict[str, np.ndarray]:
        """Every value of the last run but weights, by name; asked for with keep_values."""
        ...

    def profile(self) -> list[Step]:
        """The steps of the last run; asked for with profile."""
        ...

    def arena_bytes(self) -> int | None:
        """Of the last run's activations; None where memory is not planned."""
        ...

    def cancel(self) -> None: ...
    def close(self) -> None: ...


@runtime_checkable
class DeviceRunner(Runner, Protocol):
    """A runner that also takes arrays of its device, and image pixels, and can leave results there."""

    def borrowed(self, given: list[Any], infos: Sequence[TensorInfo]) -> list[Any]:
        """Arrays that lie on the device as what run() and run_on_device() take; others as they are."""
        ...

    def run_on_device(self, arrays: Sequence[Any], batch: int, stream: int | None) -> list[Any]:
        """run() with results that stay on the device. With a stream nobody waits for them."""
        ...

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        """A result without elements."""
        ...


def refuse_precision(backend: str, options: Options) -> None:
    """For backends that compute in float32 alone."""
    if options.precision != "float32":
        raise BackendError(
            backend,
            f"precision {options.precision}",
            "float32, all that this backend computes in",
            "use backend cpu, or precision float32",
        )
