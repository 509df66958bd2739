"""A .dsf of some 2 KB with a bit of everything: both codecs, images, labels, metadata, attributes of every kind.

x (N, 3, 4, 4) → conv → relu → clip → resize → max_pool → flatten → gemm → softmax → y (N, 4)
"""

from __future__ import annotations

import numpy as np

from tests.support.dsf_files import build, shift_weight

IMAGE = {
    "color": "rgb",
    "resize": "shorter",
    "size": [9],
    "filter": "bilinear",
    "crop": [4, 4],
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.5, 1.0],
}


def parts() -> dict:
    """What build() is called with; tests change a copy."""
    random = np.random.default_rng(7)
    levels, signs = random.integers(0, 15, 36), random.random(36) < 0.5
    levels[5], signs[5] = 15, False  # a zero
    return {
        "name": "small",
        "producer": "tests",
        "values": [
            {"name": "x", "shape": [-1, 3, 4, 4]},
            {"name": "w", "shape": [3, 3, 2, 2]},
            {"name": "b", "shape": [3]},
            {"name": "conv", "shape": [-1, 3, 3, 3]},
            {"name": "relu", "shape": [-1, 3, 3, 3]},
            {"name": "clip", "shape": [-1, 3, 3, 3]},
            {"name": "resize", "shape": [-1, 3, 6, 6]},
            {"name": "pool", "shape": [-1, 3, 2, 2]},
            {"name": "flat", "shape": [-1, 12]},
            {"name": "v", "shape": [4, 12]},
            {"name": "c", "shape": [4]},
            {"name": "gemm", "shape": [-1, 4]},
            {"name": "y", "shape": [-1, 4]},
        ],
        "nodes": [
            {
                "op": "conv",
                "module": "stem",
                "inputs": ["x", "w", "b"],
                "outputs": ["conv"],
                "attributes": {"group": 1},
            },
            {"op": "relu", "inputs": ["conv"], "outputs": ["relu"]},
            {"op": "clip", "inputs": ["relu"], "outputs": ["clip"], "attributes": {"max": 6.0}},
            {
                "op": "resize",
                "inputs": ["clip"],
                "outputs": ["resize"],
                "attributes": {"mode": "nearest", "sizes": [-1, 3, 6, 6], "scales": [1.0, 1.0, 2.0, 2.0]},
            },
            {
                "op": "max_pool",
                "inputs": ["resize"],
                "outputs": ["pool"],
                "attributes": {"kernel_shape": [3, 3], "strides": [3, 3]},
            },
            {"op": "flatten", "inputs": ["pool"], "outputs": ["flat"]},
            {
                "op": "gemm",
                "module": "head",
                "inputs": ["flat", "v", "c"],
                "outputs": ["gemm"],
                "attributes": {"trans_b": 1},
            },
            {"op": "softmax", "inputs": ["gemm"], "outputs": ["y"], "attributes": {"axis": 1}},
        ],
        "weights": [
            shift_weight(
                "w", levels, signs, bits=5, zero=True, base=[0, 1, -1], scale=[0.5, 0.75, 1.0], order=(0, 2, 3, 1)
            ),
            {"value": "b", "array": np.array([0.5, -1.0, 2.0], np.float32), "note": "a bias"},
            shift_weight("v", random.integers(0, 32, 48), random.random(48) < 0.5, bits=6, base=3),
            {"value": "c", "array": np.array([1.0, 2.0, 3.0, 4.0], np.float32)},
        ],
        "inputs": [{"value": "x", "layout": "NCHW", "image": IMAGE}],
        "outputs": [{"value": "y", "meaning": "probabilities", "labels": ["ant", "bee", "cat", "dog"]}],
        "metadata": {"source.kind": "tests", "topic": "damage"},
    }


def small_model(**changes) -> bytes:
    return build(**{**parts(), **changes})
