"""identity: x as it is, ONNX's Identity."""


def identity(x):
    return x
