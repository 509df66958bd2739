"""flatten: two dimensions, the axes before `axis` and the others, ONNX's Flatten."""

import math


def flatten(x, *, axis=1):
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))
