"""layer_normalization: (x - mean) / sqrt(var + epsilon) * scale + bias over the axes from `axis` on.

ONNX's LayerNormalization; var is the mean of the squared distances.
"""

import numpy as np


def layer_normalization(
    x: np.ndarray, scale: np.ndarray, bias: np.ndarray | None = None, *, axis: int = -1, epsilon: float = 1e-5
) -> np.ndarray:
    axes = tuple(range(axis % x.ndim, x.ndim))
    distance = x.astype(np.float64) - x.mean(axis=axes, keepdims=True, dtype=np.float64)
    y = distance / np.sqrt((distance**2).mean(axis=axes, keepdims=True) + epsilon) * scale
    return (y if bias is None else y + bias).astype(np.float32)
