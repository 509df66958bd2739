"""hard_sigmoid: clip(alpha * x + beta, 0, 1), ONNX's HardSigmoid."""

import numpy as np


def hard_sigmoid(x: np.ndarray, *, alpha: float = 0.2, beta: float = 0.5) -> np.ndarray:
    return np.clip(alpha * x.astype(np.float64) + beta, 0, 1).astype(np.float32)
