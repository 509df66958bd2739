"""resize: nearest and linear, the coordinate modes of ONNX"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, indices, ints, normals


def to(*sizes, x, **more):
    scales = [float(np.float32(n) / np.float32(m)) for n, m in zip(sizes, x.shape, strict=True)]
    return {"sizes": list(sizes), "scales": scales, **more}


def batched(attributes):
    return {**attributes, "sizes": [-1, *attributes["sizes"][1:]]}


X = ints(2, 3, 4, 6)
PAIR = np.float32([[[[1, 2, 3, 4], [5, 6, 7, 8]]]])
BY_SCALE = [1.0, 1.0, float(np.float32(0.6)), float(np.float32(0.6))]
LINEAR_CORNERS = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
HALF, CORNERS, ASYMMETRIC, PYTORCH = (
    {"coordinate_transformation_mode": name}
    for name in ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")
)
NEAREST = [
    {"coordinate_transformation_mode": mode, "nearest_mode": nearest}
    for mode in ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")
    for nearest in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
]

CASES = [
    Case("twice", (X,), batched(to(2, 3, 8, 12, x=X, mode="nearest", nearest_mode="floor", **ASYMMETRIC)), batch=True),
    *(
        Case(
            "{coordinate_transformation_mode} {nearest_mode} up".format(**m),
            (X,),
            to(2, 3, 8, 18, x=X, mode="nearest", **m),
        )
        for m in NEAREST
    ),
    *(
        Case(
            "{coordinate_transformation_mode} {nearest_mode} down".format(**m),
            (X,),
            to(2, 3, 2, 3, x=X, mode="nearest", **m),
        )
        for m in NEAREST
    ),
    *(
        Case(
            "{coordinate_transformation_mode} {nearest_mode} odd".format(**m),
            (X,),
            to(2, 3, 5, 7, x=X, mode="nearest", **m),
        )
        for m in NEAREST
    ),
    Case("linear twice, half_pixel", (X,), batched(to(2, 3, 8, 12, x=X, mode="linear", **HALF)), batch=True),
    Case("linear four times, half_pixel", (X,), to(2, 3, 16, 24, x=X, mode="linear", **HALF)),
    Case("linear down, half_pixel", (X,), to(2, 3, 2, 3, x=X, mode="linear", **HALF)),
    Case("linear twice, asymmetric", (X,), to(2, 3, 8, 12, x=X, mode="linear", **ASYMMETRIC)),
    Case(
        "linear, align_corners, exact",
        (ints(1, 2, 3, 5),),
        to(1, 2, 5, 9, x=ints(1, 2, 3, 5), mode="linear", **CORNERS),
        exact=False,
    ),
    Case("linear, align_corners, to one", (X,), to(2, 3, 1, 1, x=X, mode="linear", **CORNERS)),
    # 4 * 0.6 is 2.4, the result has 2 entries: its corners are those of x, which 2.4 - 1 steps would not reach.
    Case("linear, align_corners, by a scale", (PAIR,), {"sizes": [1, 1, 1, 2], "scales": BY_SCALE, **LINEAR_CORNERS}),
    Case("linear, pytorch_half_pixel, to one", (X,), to(2, 3, 1, 1, x=X, mode="linear", **PYTORCH)),
    Case("linear, pytorch_half_pixel", (X,), to(2, 3, 8, 12, x=X, mode="linear", **PYTORCH)),
    Case(
        "linear odd, half_pixel",
        (normals(2, 3, 5, 7),),
        to(2, 3, 9, 4, x=normals(2, 3, 5, 7), mode="linear", **HALF),
        exact=False,
    ),
    Case(
        "linear odd, align_corners",
        (normals(2, 3, 5, 7),),
        to(2, 3, 9, 4, x=normals(2, 3, 5, 7), mode="linear", **CORNERS),
        exact=False,
    ),
    Case(
        "linear odd, asymmetric",
        (normals(2, 3, 5, 7),),
        to(2, 3, 9, 4, x=normals(2, 3, 5, 7), mode="linear", **ASYMMETRIC),
        exact=False,
    ),
    Case("linear from one pixel", (ints(1, 2, 1, 1),), to(1, 2, 4, 5, x=ints(1, 2, 1, 1), mode="linear", **HALF)),
    Case("1-d nearest", (ints(2, 3, 5),), to(2, 3, 10, x=ints(2, 3, 5), mode="nearest", **HALF)),
    Case("1-d linear", (ints(2, 3, 4),), to(2, 3, 8, x=ints(2, 3, 4), mode="linear", **HALF)),
    Case("same size", (X,), to(2, 3, 4, 6, x=X, mode="nearest", **HALF), compiled=False),
]

REFUSED = [
    Case("no sizes", (X,), {"scales": [1.0, 1.0, 2.0, 2.0]}, mentions="sizes"),
    Case("no scales", (X,), {"sizes": [2, 3, 4, 6]}, mentions="scales"),
    Case("sizes too short", (X,), {"sizes": [4, 6], "scales": [1.0, 1.0, 1.0, 1.0]}, mentions="sizes"),
    Case("scales too short", (X,), {"sizes": [2, 3, 4, 6], "scales": [1.0, 1.0]}, mentions="scales"),
    Case("scale of the batch", (X,), {"sizes": [2, 3, 4, 6], "scales": [0.5, 1.0, 1.0, 1.0]}, mentions="scales"),
    Case("scale of the channels", (X,), {"sizes": [2, 3, 4, 6], "scales": [1.0, 0.5, 1.0, 1.0]}, mentions="scales"),
    Case("scale 0", (X,), {"sizes": [2, 3, 4, 6], "scales": [1.0, 1.0, 0.0, 1.0]}, mentions="scales"),
    Case("scale nan", (X,), {"sizes": [2, 3, 4, 6], "scales": [1.0, 1.0, float("nan"), 1.0]}, mentions="scales"),
    Case("scale infinite", (X,), {"sizes": [2, 3, 4, 6], "scales": [1.0, 1.0, float("inf"), 1.0]}, mentions="scales"),
    Case(
        "channels change",
        (X,),
        {"sizes": [2, 6, 4, 6], "scales": [1.0, 2.0, 1.0, 1.0]},
        output_types=(("float32", (2, 6, 4, 6)),),
    ),
    Case(
        "size 0",
        (X,),
        {"sizes": [2, 3, 0, 6], "scales": [1.0, 1.0, 1.0, 1.0]},
        output_types=(("float32", (2, 3, 0, 6)),),
    ),
    Case("size huge", (X,), {"sizes": [2, 3, 2**40, 2**40], "scales": [1.0, 1.0, 2.0, 2.0]}),
    Case("mode cubic", (X,), to(2, 3, 4, 6, x=X, mode="cubic"), mentions="cubic"),
    Case(
        "mode unknown",
        (X,),
        to(2, 3, 4, 6, x=X, coordinate_transformation_mode="tf_crop_and_resize"),
        mentions="tf_crop_and_resize",
    ),
    Case("nearest_mode unknown", (X,), to(2, 3, 4, 6, x=X, nearest_mode="round"), mentions="round"),
    Case("unknown attribute", (X,), to(2, 3, 4, 6, x=X, antialias=1), mentions="antialias"),
    Case("rank 2", (ints(2, 3),), {"sizes": [2, 3], "scales": [1.0, 1.0]}, mentions="rank"),
    Case("int64", (indices(1, shape=(1, 1, 1)),), {"sizes": [1, 1, 1], "scales": [1.0, 1.0, 1.0]}, mentions="int64"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("resize", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("resize", case)
