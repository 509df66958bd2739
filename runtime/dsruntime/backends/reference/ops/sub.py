"""sub: a - b with NumPy broadcasting, ONNX's Sub."""


def sub(a, b):
    return a - b
