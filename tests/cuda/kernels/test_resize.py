"""resize: linear, from tables of neighbours, to channels last and back."""

import numpy as np
import pytest

from dsruntime.backends.cuda.kernels.resize import resize_linear
from dsruntime.backends.cuda.lower.movement import coordinates_of, neighbours
from dsruntime.backends.reference.ops.resize import resize
from tests.cuda.launching import address, poisoned, run
from tests.cuda.windows import laid_out, near, normals, of


@pytest.mark.parametrize("sizes", [(8, 10), (3, 2), (4, 9), (1, 1)])
@pytest.mark.parametrize("mode", ["half_pixel", "align_corners", "asymmetric"])
def test_agrees(sizes, mode):
    x = laid_out(normals(2, 3, 4, 5), (0, 2, 3, 1))
    attributes = {"sizes": [2, 3, *sizes], "mode": "linear", "coordinate_transformation_mode": mode}
    want = resize(x.astype(np.float32), **attributes)
    tables = [
        neighbours(coordinates_of(x.shape[a], want.shape[a], a, attributes), x.shape[a], want.shape[a]) for a in (2, 3)
    ]
    y = poisoned(want.shape)
    run(resize_linear(*of(x), *map(address, tables), *of(y)), y)
    near(y, want, 16)
