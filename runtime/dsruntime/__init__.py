"""dsruntime: loads, checks and runs .dsf models, with NumPy and libdsf alone.

    session = dsruntime.load("model.dsf")
    scores = session.run(array)                    # arrays in, arrays out
    best = session.predict("photo.jpg")[0]         # for models that say how an image becomes their input
    print(best.label, best.probability)

Importing this loads neither libdsf nor Pillow nor anything of a GPU; what needs them loads them when it is called.
"""

from __future__ import annotations

from dsruntime.errors import BackendError, DsError, ModelError
from dsruntime.model import Limits, Model, TensorInfo
from dsruntime.session import Prediction, Session, Step

__version__ = "0.1.0"
__all__ = [
    "BackendError", "DsError", "Limits", "Model", "ModelError", "Prediction", "Session", "Step", "TensorInfo", "load",
]


def load(source, backend: str = "auto", threads: int | None = None, *, limits: Limits | None = None) -> Session:
    """Checks a .dsf file and opens a session for it.

    source is a path or the bytes of a file. backend is "cpu" (what "auto" means), "reference" or "cuda"; threads None
    is one per processor that this process may use. To share one model among several sessions: Model.open(source), then
    model.session() for each.
    """
    return Model.open(source, limits=limits).session(backend, threads)
