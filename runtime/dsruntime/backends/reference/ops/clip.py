"""clip: min(max(x, min), max), ONNX's Clip; an absent bound does not bind, NaN stays NaN."""

import numpy as np


def clip(x: np.ndarray, *, min: float = -np.inf, max: float = np.inf) -> np.ndarray:
    return np.minimum(np.maximum(x, np.float32(min)), np.float32(max))
