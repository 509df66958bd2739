"""pool: by eights and one by one, pads, dilation, what an average counts."""

import numpy as np
import pytest

from dsruntime.backends.cuda.kernels.pool import pool
from dsruntime.backends.reference.ops.average_pool import average_pool
from dsruntime.backends.reference.ops.max_pool import max_pool
from tests.cuda.launching import address, poisoned, run
from tests.cuda.windows import near, normals


@pytest.mark.parametrize("channels", [8, 3])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"strides": [2, 1], "pads": [1, 0, 0, 1]},
        {"dilations": [2, 1]},
        {"pads": [1, 1, 1, 1], "count_include_pad": 1},
        {"strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 0, 0]},
    ],
)
def test_agrees_with_the_reference(channels, more):
    x = normals(2, channels, 7, 6)
    seen, attributes = np.ascontiguousarray(x.transpose(0, 2, 3, 1)), {"kernel_shape": [3, 2], **more}
    for op, reference in (("max_pool", max_pool), ("average_pool", average_pool)):
        given = {k: v for k, v in attributes.items() if op == "average_pool" or k != "count_include_pad"}
        want = reference(x.astype(np.float32), **given)
        y = poisoned(want.transpose(0, 2, 3, 1).shape)
        run(
            pool(
                op,
                address(seen),
                address(y),
                n=2,
                h=7,
                w=6,
                channels=channels,
                out_h=want.shape[2],
                out_w=want.shape[3],
                kernel=(3, 2),
                strides=more.get("strides", (1, 1)),
                pads=more.get("pads", (0, 0, 0, 0)),
                dilations=more.get("dilations", (1, 1)),
                count_include_pad=bool(more.get("count_include_pad")),
            ),
            y,
        )
        near(y.transpose(0, 3, 1, 2), want, 4)
