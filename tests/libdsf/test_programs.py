"""Builds libdsf and its C and C++ test programs with sanitizers, and runs them.

The builds stay in build/tests-libdsf, so that only the first run takes minutes.
"""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.support.dsf_files import build, shift_weight

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("cmake") or not shutil.which("c++"), reason="needs cmake and a C++ compiler"),
]


def run(*command, **environment) -> str:
    result = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, env=os.environ | environment
    )
    assert result.returncode == 0, f"{command}\n{result.stdout[-4000:]}\n{result.stderr[-4000:]}"
    return result.stdout


def built(sanitizers: str, *targets: str) -> Path:
    """The folder of the test programs, built with these sanitizers."""
    folder = ROOT / "build" / "tests-libdsf" / sanitizers.replace(",", "-")
    run(
        "cmake",
        "-S",
        ROOT / "runtime",
        "-B",
        folder,
        f"-DDSF_SANITIZE={sanitizers}",
        "-DDSF_TESTS=ON",
        "-DDSF_WARNINGS_ARE_ERRORS=ON",
        "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
        "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-Og",
    )
    run("cmake", "--build", folder, "-j", os.cpu_count() or 1, "--target", *targets)
    return folder / "tests"


@pytest.mark.parametrize("program", ["crc", "checked", "text", "prepared", "processors", "threads"])
@pytest.mark.parametrize("sanitizers", ["address,undefined", "thread"])
def test_piece(sanitizers, program):
    run(built(sanitizers, program) / program)


@pytest.mark.parametrize("program", ["array", "gemv", "image_kernels", "panels"])
def test_every_kernel_agrees_with_plain_loops(program):
    """On every instruction set of this CPU; tools/matrix.sh runs them with other compilers, levels and on aarch64."""
    run(built("address,undefined", program) / program)


def test_the_c_interface_refuses_misuse(tmp_path):
    path = tmp_path / "relu.dsf"
    path.write_bytes(
        build(
            values=[{"name": "x", "shape": [-1, 3]}, {"name": "y", "shape": [-1, 3]}],
            nodes=[{"op": "relu", "inputs": ["x"], "outputs": ["y"]}],
            inputs=["x"],
            outputs=["y"],
        )
    )
    run(built("address,undefined", "misuse") / "misuse", path)


def test_models_run_clean(tmp_path):
    """Every codec width, fusion with a residual, views, writing in place, outputs that are inputs or weights."""
    paths = []
    for bits in range(1, 7):
        for zero in [False, True][:bits]:
            paths.append(tmp_path / f"shift_{bits}_{zero}.dsf")
            paths[-1].write_bytes(conv_net(bits, zero))
    program = built("address,undefined", "run_model") / "run_model"
    for turn_bytes in ("", "1"):  # the second: image by image
        output = run(program, *paths, DSF_TURN_BYTES=turn_bytes)
        assert output.split("\n")[:-1] == ["ok"] * len(paths)


def test_a_second_run_allocates_nothing(tmp_path):
    path = tmp_path / "net.dsf"
    path.write_bytes(conv_net(5, True))
    program = built("address,undefined", "allocations") / "allocations"
    run(program, path)
    run(program, path, DSF_TURN_BYTES="1")


def test_a_second_run_of_packed_layers_allocates_nothing(tmp_path):
    path = tmp_path / "linear.dsf"
    path.write_bytes(linear_net())
    run(built("address,undefined", "allocations") / "allocations", path)


def linear_net() -> bytes:
    """A fully-connected layer whose rows begin inside bytes, and a product of activations with a transposed weight."""
    rng = np.random.default_rng(3)
    sizes = {"w": [37, 210], "v": [37, 19]}
    codes = {name: rng.integers(0, 15, 37 * (210 if name == "w" else 19)) for name in sizes}
    return build(
        values=[
            {"name": "x", "shape": [-1, 5, 6, 7]},
            {"name": "flat", "shape": [-1, 210]},
            {"name": "h", "shape": [-1, 37]},
            {"name": "y", "shape": [-1, 19]},
            *({"name": name, "shape": shape} for name, shape in sizes.items()),
        ],
        nodes=[
            {"op": "flatten", "inputs": ["x"], "outputs": ["flat"]},
            {"op": "gemm", "inputs": ["flat", "w"], "outputs": ["h"], "attributes": {"trans_b": 1}},
            {"op": "mat_mul", "inputs": ["h", "v"], "outputs": ["y"]},
        ],
        weights=[
            shift_weight("w", codes["w"], codes["w"] % 2, bits=5, zero=True, base=[0], order=[0, 1]),
            shift_weight("v", codes["v"], codes["v"] % 2, bits=5, zero=True, base=[0], order=[1, 0]),
        ],
        inputs=["x"],
        outputs=["y"],
    )


def conv_net(bits: int, zero: bool) -> bytes:
    rng = np.random.default_rng(bits)
    levels = rng.integers(0, (1 << bits - 1) - zero, 5 * 5 * 9)
    signs = rng.integers(0, 2, 5 * 5 * 9)
    image, flat = [-1, 5, 6, 7], [-1, 210]
    names = ["x", "a", "r", "b", "s", "t"]
    return build(
        values=[{"name": name, "shape": image} for name in names]
        + [
            {"name": "flat", "shape": flat},
            {"name": "y", "shape": flat},
            {"name": "w", "shape": [5, 5, 3, 3]},
            {"name": "bias", "shape": [210]},
        ],
        nodes=[
            {"op": "conv", "inputs": ["x", "w"], "outputs": ["a"], "attributes": {"pads": [1, 1, 1, 1]}},
            {"op": "relu", "inputs": ["a"], "outputs": ["r"]},
            {"op": "conv", "inputs": ["r", "w"], "outputs": ["b"], "attributes": {"pads": [1, 1, 1, 1]}},
            {"op": "add", "inputs": ["b", "r"], "outputs": ["s"]},
            {"op": "clip", "inputs": ["s"], "outputs": ["t"], "attributes": {"min": -3.0, "max": 6.0}},
            {"op": "flatten", "inputs": ["t"], "outputs": ["flat"]},
            {"op": "mul", "inputs": ["flat", "bias"], "outputs": ["y"]},
        ],
        weights=[
            shift_weight("w", levels, signs, bits=bits, zero=zero, base=rng.integers(-3, 1, 5), order=[0, 2, 3, 1]),
            {"value": "bias", "array": rng.standard_normal(210).astype("f4")},
        ],
        inputs=["x"],
        outputs=["y", "x", "w", "bias", "t"],
    )
