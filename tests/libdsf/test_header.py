"""dsf.h in the languages of those who include it: C and C++ of every age, and what a C program reads with it."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from dsruntime import Model, library
from dsruntime.image import RECIPES
from tests.dsruntime.models import two_in_two_out
from tests.support.dsf_files import build

HERE = Path(__file__).parent
HEADERS = HERE.parents[1] / "runtime" / "libdsf" / "include"
STANDARDS = ("c99", "c11", "c17", "c++11", "c++14", "c++17", "c++20")
COMPILERS = {"gcc": ("gcc",), "clang": ("clang", "clang-14", "clang-16", "clang-19")}  # each as Debian names it
YOLO = {"color": "bgr", "resize": "letterbox", "size": [1, 3], "filter": "bicubic", "crop": None}
YOLO |= {"mean": [0.0, 0.25, 0.5], "std": [0.1, 1.0, 0.3], "pad": [1, 114, 255]}


def compiled(source: str, program: Path, compiler: str, *options: str) -> Path:
    built = Path(library.find()).resolve()
    places = ["-I", HEADERS, built, f"-Wl,-rpath,{built.parent}"]
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    command = [compiler, *warnings, *options, HERE / source, "-x", "none", "-o", program, *places]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


@pytest.mark.parametrize("standard", STANDARDS)
@pytest.mark.parametrize("family", COMPILERS)
def test_every_language_compiles_and_runs_it(family, standard, tmp_path):
    compiler = next(filter(shutil.which, COMPILERS[family]), None)
    if compiler is None:
        pytest.skip(f"no {family} on this machine")
    language = "c++" if "+" in standard else "c"
    program = compiled("use_header.c", tmp_path / "use", compiler, "-x", language, f"-std={standard}")
    subprocess.run([program], check=True)


def line(entry) -> str:
    """What recipe.c prints of an input, from what Python reads."""
    image = entry.image

    def filled(values, count: int) -> str:
        values = [] if image is None or values is None else values
        return " ".join(f"{np.float32(value):.9g}" for value in [*values, *[0] * (count - len(values))])

    if image is None:
        return f"{entry.layout}||||0|0 0|0 0|0 0 0|0 0 0|0 0 0"
    names = f"{entry.layout}|{image.color}|{image.resize}|{image.filter}|{len(image.mean)}"
    sizes = f"{filled(image.size, 2)}|{filled(image.crop, 2)}|{filled(image.pad, 3)}"
    return f"{names}|{sizes}|{filled(image.mean, 3)}|{filled(image.std, 3)}"


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler on this machine")
def test_c_reads_the_recipes_that_python_reads(tmp_path):
    program = compiled("recipe.c", tmp_path / "recipe", "cc")
    printed = set()
    files = [two_in_two_out(), with_recipe(YOLO)]
    files += [with_recipe({**recipe._asdict(), "pad": None}) for recipe in RECIPES.values()]
    for data in files:
        (tmp_path / "m.dsf").write_bytes(data)
        output = subprocess.run([program, tmp_path / "m.dsf"], check=True, capture_output=True, text=True).stdout
        assert output.splitlines() == [line(entry) for entry in Model.open(data).graph.inputs]
        printed |= set(output.splitlines())
    assert "NCHW|bgr|letterbox|bicubic|3|1 3|0 0|1 114 255|0 0.25 0.5|0.100000001 1 0.300000012" in printed
    assert "||||0|0 0|0 0|0 0 0|0 0 0|0 0 0" in printed and len(printed) == 6


def with_recipe(recipe: dict) -> bytes:
    """A model of one image, which it gives back."""
    shape = [-1, len(recipe["mean"]), 1, 3]
    return build(
        values=[{"name": "x", "shape": shape}, {"name": "y", "shape": shape}],
        nodes=[{"op": "identity", "inputs": ["x"], "outputs": ["y"]}],
        inputs=[{"value": "x", "layout": "NCHW", "image": recipe}],
        outputs=["y"],
    )
