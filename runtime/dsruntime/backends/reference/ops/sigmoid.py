"""sigmoid: 1 / (1 + exp(-x)), ONNX's Sigmoid."""

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp(-x.astype(np.float64)))).astype(np.float32)
