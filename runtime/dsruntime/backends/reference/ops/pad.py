"""pad: entries before and after each axis, ONNX's Pad with mode constant, reflect or edge."""

import numpy as np


def pad(x: np.ndarray, *, pads: list[int], mode: str = "constant", value: float = 0.0) -> np.ndarray:
    widths = list(zip(pads[: x.ndim], pads[x.ndim :], strict=True))
    if mode == "constant":
        return np.pad(x, widths, constant_values=np.asarray(value).astype(x.dtype))
    return np.pad(x, widths, mode="reflect" if mode == "reflect" else "edge")
