"""identity: x as it is, ONNX's Identity."""

import numpy as np


def identity(x: np.ndarray) -> np.ndarray:
    return x
