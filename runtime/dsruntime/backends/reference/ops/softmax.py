"""softmax: e^x / sum(e^x) along one axis, ONNX's Softmax since opset 13."""

import numpy as np


def softmax(x: np.ndarray, *, axis: int = -1) -> np.ndarray:
    powers = np.exp(x.astype(np.float64) - x.max(axis=axis, keepdims=True))
    return (powers / powers.sum(axis=axis, keepdims=True)).astype(np.float32)
