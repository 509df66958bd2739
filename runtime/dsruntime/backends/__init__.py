"""The backends, one module each. To add one: write its module, put it in BACKENDS.

A module has two functions:

    availability() -> (usable, sentence)              what this machine has; never raises
    open_runner(model, threads, options) -> Runner    or a BackendError that says what is missing

runner.py has Options and Runner. A backend refuses a precision that it does not have with refuse_precision(); memory is
a wish that it may have no use for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from dsruntime.errors import BackendError

if TYPE_CHECKING:
    from dsruntime.backends.runner import Options, Runner
    from dsruntime.model import Model

BACKENDS = {
    "cpu": "dsruntime.backends.cpu",
    "reference": "dsruntime.backends.reference.runner",
    "cuda": "dsruntime.backends.cuda",
}
AUTO = "cpu"


class Backend(Protocol):
    """A backend's module."""

    def availability(self) -> tuple[bool, str]: ...
    def open_runner(self, model: Model, threads: int | None, options: Options) -> Runner: ...


def backend(name: str) -> Backend:
    return cast("Backend", import_module(BACKENDS[name]))


def resolve(name: str) -> str:
    name = AUTO if name == "auto" else name
    if name not in BACKENDS:
        raise BackendError("backend", f"{name!r}", f"auto, {', '.join(BACKENDS)}")
    return name


def availability() -> dict[str, tuple[bool, str]]:
    """For each backend: whether this machine can run it, and what was found."""
    return {name: backend(name).availability() for name in BACKENDS}


def open_runner(name: str, model: Model, threads: int | None, options: Options) -> Runner:
    return backend(name).open_runner(model, threads, options)
