"""constant_of_shape: one value everywhere, ONNX's ConstantOfShape."""

import numpy as np


def constant_of_shape(*, shape, dtype="float32", value=0.0):
    return np.full(shape, value).astype(dtype)
