"""Small models that the runtime's tests share."""

import numpy as np

from tests.support.dsf_files import build, shift_weight

IMAGE = {"color": "gray", "resize": "none", "size": None, "filter": "box", "crop": None, "mean": [0.0], "std": [1.0]}
SIGNS = np.array([0, 1, 0, 0, 0, 1])
LEVELS = np.array([0, 1, 2, 3, 0, 1])
WEIGHT = np.array([[1, -0.5, 0.25], [0.125, 1, -0.5]], np.float32)  # what SIGNS and LEVELS mean at base 0
BIAS = np.array([0.5, -0.5], np.float32)


def classifier(meaning="logits", labels=("cat", "dog"), image=IMAGE, bias=BIAS, **tamper) -> bytes:
    """x [N, 1, 1, 3] -> flatten -> gemm with a shift weight and a raw bias -> y [N, 2]."""
    return build(
        values=[
            {"name": "x", "shape": [-1, 1, 1, 3]},
            {"name": "flat", "shape": [-1, 3]},
            {"name": "w", "shape": [2, 3]},
            {"name": "b", "shape": [2]},
            {"name": "y", "shape": [-1, 2]},
        ],
        nodes=[
            {"op": "flatten", "inputs": ["x"], "outputs": ["flat"], "name": "flatten", "module": "net.flatten"},
            {
                "op": "gemm",
                "inputs": ["flat", "w", "b"],
                "outputs": ["y"],
                "name": "gemm",
                "module": "net.fc",
                "attributes": {"trans_b": 1},
            },
        ],
        weights=[
            shift_weight("w", LEVELS, SIGNS, bits=3, base=0, order=[0, 1], source="fc.weight"),
            {"value": "b", "array": bias, "source": "fc.bias", "note": "no shift tensor"},
        ],
        inputs=[{"value": "x", "layout": "NCHW", "image": image}],
        outputs=[{"value": "y", "meaning": meaning, "labels": list(labels)}],
        metadata={"source.kind": "test", "author": "someone"},
        name="classifier",
        **tamper,
    )


def classified(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), 3) @ WEIGHT.T + BIAS


def two_in_two_out() -> bytes:
    """a [N, 2], b [2N, 2] int64 -> doubled = a + a, same = b."""
    return build(
        values=[
            {"name": "a", "shape": [-1, 2]},
            {"name": "b", "shape": [-2, 2], "dtype": "int64"},
            {"name": "doubled", "shape": [-1, 2]},
            {"name": "same", "shape": [-2, 2], "dtype": "int64"},
        ],
        nodes=[
            {"op": "add", "inputs": ["a", "a"], "outputs": ["doubled"]},
            {"op": "identity", "inputs": ["b"], "outputs": ["same"]},
        ],
        inputs=["a", "b"],
        outputs=["doubled", "same"],
    )
