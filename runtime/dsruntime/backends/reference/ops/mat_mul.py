"""mat_mul: numpy.matmul, ONNX's MatMul. Sums in float64."""

import numpy as np


def mat_mul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(np.matmul(a.astype(np.float64), b.astype(np.float64)), np.float32)
