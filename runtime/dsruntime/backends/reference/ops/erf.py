"""erf: the Gauss error function, ONNX's Erf."""

import math

import numpy as np

elementwise_erf = np.frompyfunc(math.erf, 1, 1)


def erf(x: np.ndarray) -> np.ndarray:
    return np.asarray(elementwise_erf(x.astype(np.float64)), np.float32).reshape(x.shape)
