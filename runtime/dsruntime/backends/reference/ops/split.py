"""split: x cut along an axis into parts of the given lengths, ONNX's Split."""

import numpy as np


def split(x, *, split, axis=0):
    return np.split(x, np.cumsum(split)[:-1], axis=axis)
