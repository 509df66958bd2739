"""gelu: x * Phi(x), ONNX's Gelu; approximate="tanh" is 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))."""

import math

import numpy as np

elementwise_erf = np.frompyfunc(math.erf, 1, 1)


def gelu(x, *, approximate="none"):
    wide = x.astype(np.float64)
    if approximate == "tanh":
        bent = np.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3))
    else:
        bent = np.asarray(elementwise_erf(wide / math.sqrt(2)), np.float64).reshape(x.shape)
    return (0.5 * wide * (1 + bent)).astype(np.float32)
