"""How large the numbers are inside Winograd's F(4x4, 3x3), which decides how far its rounding may carry.

    Y = A' [ Σ over channels of U ∘ V ] A      U = G g G', V = B' d B       Lavin & Gray 2016, arXiv:1509.09308

A sum of m terms in float32 is off by at most γ_m times the sum of their absolute values, in any order. B', G and A'
are applied twice each, along columns and rows; so the whole is off by at most

    γ_(C + STEPS) · |A'| [ Σ |G||g||G'| ∘ |B'||d||B| ] |A|         C channels

which is the theorem of Barabasz, Anderson, Soodhalter & Gregg 2020 (arXiv:1803.10986), element by element instead of in
norms: the transforms' norms say how much worse than a plain sum it is, here about ten times for ordinary data. The
kernels multiply rows of G and divide columns of A' by the same numbers, which absolute values' products do not see.
"""

from __future__ import annotations

import numpy as np

# Roundings of one element outside the sum over channels: 4 each time B' is applied, 2 each time G is (none for powers
# of two that are not too far apart), 5 each time A' is; the filter's scale is rounded and multiplied by; bias, and one
# to spare.
STEPS = 2 * 4 + 2 * 2 + 2 * 5 + 2 + 2

B = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float64,
)
G = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    np.float64,
)
A = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], np.float64)


def magnitude(x: np.ndarray, w: np.ndarray, pads) -> np.ndarray:
    """|A'| [ Σ |G||w||G'| ∘ |B'||x||B| ] |A| for images [N, C, H, W], filters [K, C, 3, 3] and ONNX's pads.

    Float64 [N, K, H', W'], of the convolution's shape.
    """
    return apply(np.abs(x), np.abs(w), pads, np.abs(A), np.abs(B), np.abs(G))


def apply(x, w, pads, a=A, b=B, g=G, dtype=np.float64) -> np.ndarray:
    """The convolution by these matrices, every step in dtype."""
    top, left, bottom, right = pads or (0, 0, 0, 0)
    height, width = x.shape[2] + top + bottom - 2, x.shape[3] + left + right - 2
    rows, columns = -(-height // 4), -(-width // 4)
    padded = np.zeros((*x.shape[:2], 4 * rows + 2, 4 * columns + 2), dtype)
    padded[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x
    tiles = np.lib.stride_tricks.sliding_window_view(padded, (6, 6), (2, 3))[:, :, ::4, ::4]
    a, b = a.astype(dtype), b.astype(dtype)
    v = b @ tiles @ b.T
    u = (g @ w.astype(np.float64) @ g.T).astype(dtype)
    n, c = x.shape[:2]
    v = v.reshape(n, c, rows * columns, 36).transpose(3, 0, 2, 1).reshape(36, n * rows * columns, c)
    m = v @ u.reshape(len(w), c, 36).transpose(2, 1, 0)
    m = m.reshape(36, n, rows, columns, len(w)).transpose(1, 4, 2, 3, 0).reshape(n, len(w), rows, columns, 6, 6)
    y = a @ m @ a.T
    return y.transpose(0, 1, 2, 4, 3, 5).reshape(n, len(w), 4 * rows, 4 * columns)[:, :, :height, :width]
