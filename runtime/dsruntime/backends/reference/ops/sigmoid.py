"""sigmoid: 1 / (1 + exp(-x)), ONNX's Sigmoid."""

import numpy as np


def sigmoid(x):
    return (1 / (1 + np.exp(-x.astype(np.float64)))).astype(np.float32)
