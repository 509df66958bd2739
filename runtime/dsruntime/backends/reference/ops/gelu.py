"""gelu: x * Phi(x), ONNX's Gelu; approximate="tanh" is 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).

Phi(x) = erfc(-x / sqrt(2)) / 2, and (1 + tanh(z)) / 2 = 1 / (1 + e^-2z): neither cancels below 0. At -infinity both
have their limit, -0.
"""

import math

import numpy as np

elementwise_erfc = np.frompyfunc(math.erfc, 1, 1)


def gelu(x: np.ndarray, *, approximate: str = "none") -> np.ndarray:
    wide = np.where(x == -np.inf, -1e9, x.astype(np.float64))
    if approximate == "tanh":
        share = 1 / (1 + np.exp(-2 * math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)))
    else:
        share = np.asarray(elementwise_erfc(-wide / math.sqrt(2)), np.float64).reshape(x.shape) / 2
    return (wide * share).astype(np.float32)
