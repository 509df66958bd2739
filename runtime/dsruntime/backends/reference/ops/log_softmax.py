"""log_softmax: log(softmax(x)) along one axis, ONNX's LogSoftmax since opset 13."""

import numpy as np


def log_softmax(x, *, axis=-1):
    shifted = x.astype(np.float64) - x.max(axis=axis, keepdims=True)
    return (shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))).astype(np.float32)
