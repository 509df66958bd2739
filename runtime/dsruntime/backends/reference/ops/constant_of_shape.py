"""constant_of_shape: one value everywhere, ONNX's ConstantOfShape."""

import numpy as np


def constant_of_shape(*, shape: list[int], dtype: str = "float32", value: float = 0.0) -> np.ndarray:
    return np.full(shape, value).astype(dtype)
