"""Makes the golden file of the format's current version: schema/golden/v1.0.dsf, its input and its expected output.

    python tools/golden.py

A golden file is made once, when its version is new, and must load and give the same answer forever: this refuses to
overwrite one. It covers both codecs, both codebooks, a base and a scale per channel, and operators of several kinds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from dscompress.compile.encode import encode
from dscompress.compile.write import MAJOR, MINOR, Description, Stored, build
from dsruntime import Model
from dsruntime.file import Image, Input, Node, Output, Value

FOLDER = Path(__file__).parents[1] / "schema" / "golden"
STEM = f"v{MAJOR}.{MINOR}"


def powers(numbers, shape, least: int, zeros: float = 0.0) -> np.ndarray:
    values = np.ldexp(np.float32(1), numbers.integers(least, 1, shape)) * numbers.choice([-1, 1], shape)
    return (values * (numbers.random(shape) >= zeros)).astype(np.float32)


def golden() -> Description:
    numbers = np.random.default_rng(2026)
    scales = numbers.uniform(0.5, 2, (6, 1, 1, 1)).astype(np.float32)
    shifts = np.ldexp(np.float32(1), np.array([0, 1, -6, -3] * 24)).astype(np.float32)[:, None]
    conv1 = powers(numbers, (6, 3, 3, 3), -14, zeros=0.2) * scales  # 5 bits with zero, a scale per channel
    conv2 = powers(numbers, (6, 1, 3, 3), -7)  # 4 bits without zero, depthwise
    hidden = powers(numbers, (96, 96), -6, zeros=0.1) * shifts  # 4 bits with zero, a base per channel
    mixed = powers(numbers, (96, 5), -31)  # 6 bits without zero
    bias = numbers.standard_normal(6).astype(np.float32)  # raw
    values, nodes, weights = [], [], []

    def value(name: str, shape: tuple[int, ...], dtype: str = "float32") -> int:
        values.append(Value(name, dtype, shape))
        return len(values) - 1

    def weight(name: str, array: np.ndarray, order: tuple[int, ...] | None = None) -> int:
        index = value(name, array.shape, str(array.dtype))
        weights.append(Stored(index, name, encode(array, order)))
        return index

    def node(op: str, inputs: tuple[int | None, ...], result: tuple[int, ...], **attributes) -> int:
        index = value(f"{op}_{len(nodes)}", result)
        nodes.append(Node(op, f"node_{len(nodes)}", "", inputs, (index,), attributes))
        return index

    x = value("image", (-1, 3, 8, 8))
    w1, b1 = weight("conv1.weight", conv1, (0, 2, 3, 1)), weight("conv1.bias", bias)
    w2 = weight("conv2.weight", conv2, (0, 2, 3, 1))
    w3, w4 = weight("hidden.weight", hidden, (0, 1)), weight("mixed.weight", mixed, (1, 0))
    y = node("conv", (x, w1, b1), (-1, 6, 8, 8), pads=[1, 1, 1, 1])
    y = node("relu", (y,), (-1, 6, 8, 8))
    y = node("conv", (y, w2), (-1, 6, 8, 8), pads=[1, 1, 1, 1], group=6)
    y = node("max_pool", (y,), (-1, 6, 4, 4), kernel_shape=[2, 2], strides=[2, 2])
    y = node("reshape", (y,), (-1, 96), shape=[-1, 96])
    y = node("gemm", (y, w3), (-1, 96), trans_b=1)
    y = node("clip", (y,), (-1, 96), min=0.0, max=6.0)
    y = node("mat_mul", (y, w4), (-1, 5))
    y = node("softmax", (y,), (-1, 5))
    image = Image("rgb", "exact", (8, 8), "bilinear", None, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return Description(
        name="golden",
        producer="tools/golden.py",
        values=values,
        nodes=nodes,
        weights=weights,
        inputs=[Input(x, "NCHW", image)],
        outputs=[Output(y, "probabilities", ("a", "b", "c", "d", "e"))],
        metadata={"source.kind": "golden"},
    )


def main() -> int:
    files = [FOLDER / f"{STEM}{end}" for end in (".dsf", ".input.npy", ".output.npy")]
    there = [str(file) for file in files if file.exists()]
    if there:
        print(f"{there[0]} exists; a golden file is never rewritten", file=sys.stderr)
        return 3
    data = build(golden())
    inputs = np.random.default_rng(1).standard_normal((3, 3, 8, 8)).astype(np.float32)
    outputs = Model.open(data).session("reference").run(inputs)
    FOLDER.mkdir(exist_ok=True)
    files[0].write_bytes(data)
    np.save(files[1], inputs)
    np.save(files[2], outputs)
    print(f"wrote {', '.join(file.name for file in files)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
