"""A small .onnx classifier of 8x8 gray images, its .dsf, an array and an image: what tests of commands run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

LABELS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@dataclass(frozen=True)
class Files:
    folder: Path
    onnx: Path
    dsf: Path
    array: Path
    image: Path


def write_files(folder: Path, seed: int = 0) -> Files:
    """small.onnx, small.dsf, x.npy (two rows) and seven.png."""
    from PIL import Image

    import dscompress

    files = Files(folder, *(folder / name for name in ("small.onnx", "small.dsf", "x.npy", "seven.png")))
    write_onnx(files.onnx, seed)
    dscompress.compile_model(files.onnx, files.dsf, preprocess="digits", labels=LABELS, meaning="logits")
    numbers = np.random.default_rng(1)
    np.save(files.array, numbers.standard_normal((2, 1, 8, 8)).astype("f4"))
    Image.fromarray(numbers.integers(0, 256, (8, 8), np.uint8)).save(files.image)
    return files


def write_onnx(path: Path, seed: int = 0) -> None:
    """conv relu conv relu mean gemm; the convolutions are powers of two, the gemm is not."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    numbers = np.random.default_rng(seed)

    def powers(*shape):
        return (np.exp2(-numbers.integers(0, 6, shape)) * numbers.choice([-1, 1], shape)).astype("f4")

    tensors = {
        "first.weight": powers(4, 1, 3, 3),
        "first.bias": numbers.standard_normal(4).astype("f4"),
        "second.weight": powers(8, 4, 3, 3),
        "last.weight": numbers.standard_normal((10, 8)).astype("f4"),
        "last.bias": numbers.standard_normal(10).astype("f4"),
    }
    nodes = [
        helper.make_node("Conv", ["x", "first.weight", "first.bias"], ["a"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "first_relu"),
        helper.make_node("Conv", ["b", "second.weight"], ["c"], "second"),
        helper.make_node("Relu", ["c"], ["d"], "second_relu"),
        helper.make_node("GlobalAveragePool", ["d"], ["e"], "pool"),
        helper.make_node("Flatten", ["e"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "last.weight", "last.bias"], ["y"], "last", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
