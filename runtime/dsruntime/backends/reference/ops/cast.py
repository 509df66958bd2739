"""cast: another dtype, ONNX's Cast; float to integer drops the fraction, anything but 0 is True."""

import numpy as np


def cast(x, *, to):
    return x.astype(np.dtype(to))
