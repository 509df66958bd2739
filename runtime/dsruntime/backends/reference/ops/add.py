"""add: a + b with NumPy broadcasting, ONNX's Add."""


def add(a, b):
    return a + b
