"""batch_normalization: (x - mean) / sqrt(var + epsilon) * scale + bias per channel, ONNX's BatchNormalization."""

import numpy as np


def batch_normalization(
    x: np.ndarray, scale: np.ndarray, bias: np.ndarray, mean: np.ndarray, var: np.ndarray, *, epsilon: float = 1e-5
) -> np.ndarray:
    per_channel = (-1, *[1] * (x.ndim - 2))
    scale, bias, mean, var = (p.astype(np.float64).reshape(per_channel) for p in (scale, bias, mean, var))
    return ((x - mean) / np.sqrt(var + epsilon) * scale + bias).astype(np.float32)
