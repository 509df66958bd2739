"""gemm: y = alpha * a @ b + beta * c, ONNX's Gemm; trans_a and trans_b transpose a and b first. Sums in float64."""

import numpy as np


def gemm(
    a: np.ndarray,
    b: np.ndarray,
    c: np.ndarray | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    trans_a: int = 0,
    trans_b: int = 0,
) -> np.ndarray:
    a = a.T if trans_a else a
    b = b.T if trans_b else b
    y = alpha * (a.astype(np.float64) @ b.astype(np.float64))
    return (y if c is None else y + beta * c.astype(np.float64)).astype(np.float32)
