"""dsruntime: loads, checks and runs .dsf models, with NumPy and libdsf alone.

    session = dsruntime.load("model.dsf")
    scores = session.run(array)                    # arrays in, arrays out
    best = session.predict("photo.jpg")[0]         # for models that say how an image becomes their input
    print(best.label, best.probability)

Importing this loads neither NumPy nor libdsf nor Pillow nor anything of a GPU; what needs them loads them when it is
called, sessions (and so NumPy) when they are first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dsruntime.errors import BackendError, Cancelled, DsError, ModelError
from dsruntime.model import Limits, Model, Summary, TensorInfo, check

if TYPE_CHECKING:
    from dsruntime.backends.runner import Step
    from dsruntime.model import Source
    from dsruntime.session import Prediction, Session

__version__ = "0.1.0"
__all__ = [
    "BackendError",
    "Cancelled",
    "DsError",
    "Limits",
    "Model",
    "ModelError",
    "Prediction",
    "Session",
    "Step",
    "Summary",
    "TensorInfo",
    "check",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in ("Prediction", "Session", "Step"):
        raise AttributeError(f"module 'dsruntime' has no attribute {name!r}")
    from dsruntime import session

    return getattr(session, name)


def load(
    source: Source,
    backend: str = "auto",
    threads: int | None = None,
    *,
    limits: Limits | None = None,
    memory: str = "fast",
    precision: str = "float32",
) -> Session:
    """Checks a .dsf file and opens a session for it.

    source is a path or the bytes of a file. backend is "cpu" (what "auto" means), "reference" or "cuda"; threads None
    is one per processor that this process may use. memory "low" trades speed for less memory, precision "bf16" rounds
    activations to bfloat16 on CPUs that multiply such numbers; see Model.session. To share one model among several
    sessions: Model.open(source), then model.session() for each.
    """
    return Model.open(source, limits=limits).session(backend, threads, memory=memory, precision=precision)
