"""leaky_relu: x where x >= 0, else alpha * x, ONNX's LeakyRelu."""

import numpy as np


def leaky_relu(x: np.ndarray, *, alpha: float = 0.01) -> np.ndarray:
    return np.where(x >= 0, x, np.float32(alpha) * x)
