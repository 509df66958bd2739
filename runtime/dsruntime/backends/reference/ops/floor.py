"""floor: the largest whole number that is not above x, ONNX's Floor."""

import numpy as np


def floor(x):
    return np.floor(x)
