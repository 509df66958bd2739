"""unsqueeze: axes of size 1 put in; `axes` counts in the result, ONNX's Unsqueeze."""

import numpy as np


def unsqueeze(x: np.ndarray, *, axes: list[int]) -> np.ndarray:
    return np.expand_dims(x, axis=tuple(axes))
