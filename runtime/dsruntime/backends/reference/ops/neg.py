"""neg: -x, ONNX's Neg."""


def neg(x):
    return -x
