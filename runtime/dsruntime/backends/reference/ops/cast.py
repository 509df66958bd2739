"""cast: another dtype, ONNX's Cast.

float to integer drops the fraction; what lies outside the integer's range becomes its nearest end, NaN becomes 0.
integer to a narrower integer keeps the low bits. Anything but 0 is True.
"""

import numpy as np


def cast(x: np.ndarray, *, to: str) -> np.ndarray:
    dtype = np.dtype(to)
    if x.dtype.kind != "f" or dtype.kind not in "iu":
        return x.astype(dtype)
    limits = np.iinfo(dtype)
    whole = np.trunc(x.astype(np.float64))
    below, above = whole < limits.min, whole >= limits.max + 1.0
    y = np.where(below | above | np.isnan(whole), 0, whole).astype(dtype)
    return np.where(below, dtype.type(limits.min), np.where(above, dtype.type(limits.max), y))
