"""Whatever file is accepted, reference and cpu give the same answer, or refuse alike."""

from __future__ import annotations

import numpy as np

from dsruntime import BackendError, Model, ModelError
from tests.corrupt.damage import LIMITS, sized

MOST_INPUT = 1 << 16  # elements


def check_agreement(data: bytes) -> str:
    """Returns "refused", "large" or "agreed"; raises AssertionError where the backends differ."""
    try:
        model = Model.open(data, limits=LIMITS)
    except ModelError:
        return "refused"
    for batch in (1, 2):
        shapes = [[sized(d, batch) for d in info.shape] for info in model.inputs]
        if sum(np.prod(np.array(shape, np.float64)) for shape in shapes) > MOST_INPUT:
            return "large"
        inputs = [made_up(shape, info.dtype) for shape, info in zip(shapes, model.inputs, strict=True)]
        ours, reference = (answer(model, backend, inputs) for backend in ("cpu", "reference"))
        assert (ours is None) == (reference is None), "one backend refuses to run, the other does not"
        for have, want in zip(ours or [], reference or [], strict=True):
            assert have.dtype == want.dtype and have.shape == want.shape
            with np.errstate(all="ignore"):
                close = np.isclose(have.astype(np.float64), want.astype(np.float64), 1e-4, 1e-5, equal_nan=True)
            assert (close | (have == want)).all(), f"batch {batch}: {have} and {want}"
    return "agreed"


def made_up(shape: list[int], dtype: str) -> np.ndarray:
    random = np.random.default_rng(1)
    array = random.standard_normal(shape) * 3 if dtype.startswith("float") else random.integers(0, 2, shape)
    return np.asarray(array).astype(dtype)


def answer(model: Model, backend: str, inputs: list) -> list[np.ndarray] | None:
    try:
        with np.errstate(all="ignore"), model.session(backend, 1) as session:
            result = session.run(inputs)
    except (ModelError, BackendError):
        return None
    return list(result.values()) if isinstance(result, dict) else [result]
