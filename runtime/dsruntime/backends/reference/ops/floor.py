"""floor: the largest whole number that is not above x, ONNX's Floor."""

import numpy as np


def floor(x: np.ndarray) -> np.ndarray:
    return np.floor(x)
