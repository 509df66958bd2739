"""Windows of conv and pooling over the spatial axes, those after batch and channel.

padded input      |<- pad ->|<------- input ------->|<- pad ->|
tap t of a kernel  at  p * stride + t * dilation, p = 0 .. size of the output - 1
"""

from collections.abc import Sequence

import numpy as np


def pad_spatial(x: np.ndarray, pads: Sequence[int], value: float = 0) -> np.ndarray:
    """pads: the begins of all spatial axes, then the ends."""
    rank = x.ndim - 2
    widths = [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)]
    return np.pad(x, widths, constant_values=value)


def output_sizes(
    padded: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[int]:
    return [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(padded, kernel, strides, dilations, strict=True)]


def pooled_sizes(
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    ceil_mode: int,
) -> tuple[list[int], list[int]]:
    """Output sizes, and pads that hold every window.

    ceil_mode keeps a last window that is only partly inside, and drops one that would start in the pads at the end.
    """
    rank = len(sizes)
    outputs, pads = [], list(pads)
    for i in range(rank):
        reach = (kernel[i] - 1) * dilations[i] + 1
        room = sizes[i] + pads[i] + pads[rank + i] - reach
        count = (-(-room // strides[i]) if ceil_mode else room // strides[i]) + 1
        if ceil_mode and (count - 1) * strides[i] >= sizes[i] + pads[i]:
            count -= 1
        pads[rank + i] += max((count - 1) * strides[i] - room, 0)
        outputs.append(count)
    return outputs, pads


def seen_by_tap(
    x: np.ndarray, tap: Sequence[int], sizes: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> np.ndarray:
    """The view of padded x that one tap of the kernel meets, [batch, channels, *sizes]."""
    starts = [t * d for t, d in zip(tap, dilations, strict=True)]
    spatial = [slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(starts, sizes, strides, strict=True)]
    return x[(slice(None), slice(None), *spatial)]
