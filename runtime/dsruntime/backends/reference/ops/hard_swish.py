"""hard_swish: x * clip(x / 6 + 1/2, 0, 1), ONNX's HardSwish."""

import numpy as np


def hard_swish(x: np.ndarray) -> np.ndarray:
    wide = x.astype(np.float64)
    return (wide * np.clip(wide / 6 + 0.5, 0, 1)).astype(np.float32)
