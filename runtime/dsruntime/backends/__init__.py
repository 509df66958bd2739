"""The backends, one module each. To add one: write its module, put it in BACKENDS.

A module has two functions:

    availability() -> (usable, sentence)              what this machine has; never raises
    open_runner(model, threads, options) -> runner    or a BackendError that says what is missing

options is a session.Options; a backend refuses a precision that it does not have with refuse_precision(), memory is a
wish that it may have no use for. A runner has threads, run(arrays, batch) -> outputs in the model's order, values(),
profile(), arena_bytes(), close() and cancel(). Session has checked the arrays and the work, and holds a lock around
every call but cancel(), which comes from any thread and makes the run in progress raise Cancelled.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from dsruntime.errors import BackendError

if TYPE_CHECKING:
    from dsruntime.session import Options

BACKENDS = {
    "cpu": "dsruntime.backends.cpu",
    "reference": "dsruntime.backends.reference.runner",
    "cuda": "dsruntime.backends.cuda",
}
AUTO = "cpu"


def resolve(name: str) -> str:
    name = AUTO if name == "auto" else name
    if name not in BACKENDS:
        raise BackendError("backend", f"{name!r}", f"auto, {', '.join(BACKENDS)}")
    return name


def availability() -> dict[str, tuple[bool, str]]:
    """For each backend: whether this machine can run it, and what was found."""
    return {name: import_module(module).availability() for name, module in BACKENDS.items()}


def open_runner(name: str, model, threads: int | None, options: Options):
    return import_module(BACKENDS[name]).open_runner(model, threads, options)


def refuse_precision(backend: str, options: Options) -> None:
    if options.precision != "float32":
        raise BackendError(
            backend,
            f"precision {options.precision}",
            "float32, all that this backend computes in",
            "use backend cpu, or precision float32",
        )
