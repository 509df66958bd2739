"""The programs of examples/ build against an installed libdsf, in every way that their README names, and give the
numbers that dsruntime gives. A language whose compiler this machine lacks is skipped."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dsruntime
from tests.dsruntime.models import two_in_two_out
from tests.support.dsf_files import build
from tests.support.installed import GOLDEN, ROOT, TOOLS_ARE_HERE, install, run

EXAMPLES = ROOT / "examples"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The prefix."""
    if not TOOLS_ARE_HERE:
        pytest.skip("needs cmake and a C++ compiler")
    prefix = tmp_path_factory.mktemp("installed")
    install(prefix)
    return prefix


def by_cmake(installed: Path, folder: Path) -> None:
    options = [f"-DCMAKE_PREFIX_PATH={installed}"]
    options += [f"-DCMAKE_{language}_FLAGS={' '.join(STRICT)}" for language in ("C", "CXX")]
    run("cmake", "-S", EXAMPLES, "-B", folder, *options)
    run("cmake", "--build", folder)


def by_pkg_config(installed: Path, folder: Path) -> None:
    if not shutil.which("pkg-config"):
        pytest.skip("no pkg-config on this machine")
    (found,) = installed.glob("lib*/**/pkgconfig")
    flags = run("pkg-config", "--cflags", "--libs", "dsf", PKG_CONFIG_PATH=str(found)).split()
    flags += [f"-Wl,-rpath,{found.parent}"]
    run("cc", "-std=c99", *STRICT, EXAMPLES / "classify.c", *flags, "-o", folder / "classify")
    run("c++", "-std=c++17", *STRICT, EXAMPLES / "batch.cpp", *flags, "-pthread", "-o", folder / "batch")


@pytest.fixture(scope="module", params=[by_cmake, by_pkg_config], ids=lambda way: way.__name__)
def programs(request, installed, tmp_path_factory) -> Path:
    """The folder with classify and batch."""
    folder = tmp_path_factory.mktemp("programs")
    request.param(installed, folder)
    return folder


def picture() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (8, 8, 3), np.uint8)


def refusal(*command) -> tuple[int, str]:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.stdout == "" or done.stdout.startswith("input "), done.stdout
    return done.returncode, done.stderr


def best_of(scores: np.ndarray, labels) -> list[tuple[str, float]]:
    return [(labels[row.argmax()], pytest.approx(float(row.max()), rel=1e-5)) for row in scores]


def test_classify(programs, tmp_path):
    Image.fromarray(picture()).save(tmp_path / "picture.ppm")
    *inputs, best = run(programs / "classify", GOLDEN, tmp_path / "picture.ppm").splitlines()
    assert inputs == ["input image: 1 N 3 8 8", "made of: rgb image, mean 0.5, std 0.25"]
    with dsruntime.load(GOLDEN) as session:
        expected = session.predict(picture())[0]
    label, score = best.split(": ")
    assert (label, float(score)) == (expected.label, pytest.approx(expected.score, rel=1e-5))


def test_classify_turns_colours_around(programs, tmp_path):
    """A model that gives back the middle pixel's channels, of an image whose blue comes first."""
    recipe = {"color": "bgr", "resize": "none", "filter": "box", "mean": [0.0, 0.25, 0.5], "std": [0.5, 1.0, 0.125]}
    data = build(
        values=[{"name": "x", "shape": [-1, 3, 1, 1]}, {"name": "y", "shape": [-1, 3]}],
        nodes=[{"op": "flatten", "inputs": ["x"], "outputs": ["y"]}],
        inputs=[{"value": "x", "layout": "NCHW", "image": recipe}],
        outputs=[{"value": "y", "labels": ["blue", "green", "red"]}],
    )
    (tmp_path / "m.dsf").write_bytes(data)
    for color, expected in (((0, 0, 250), "blue"), ((0, 250, 30), "green"), ((250, 0, 0), "red")):
        pixel = np.array([[color]], np.uint8)
        Image.fromarray(pixel).save(tmp_path / "pixel.ppm")
        label, score = (
            run(programs / "classify", tmp_path / "m.dsf", tmp_path / "pixel.ppm").split("\n")[-2].split(": ")
        )
        with dsruntime.load(data) as session:
            assert (label, float(score)) == (expected, pytest.approx(session.predict(pixel)[0].score, rel=1e-5))


def test_classify_refuses(programs, tmp_path):
    Image.fromarray(picture()[:7]).save(tmp_path / "low.ppm")
    Image.fromarray(picture()[:, :, 0]).save(tmp_path / "gray.pgm")
    (tmp_path / "m.dsf").write_bytes(two_in_two_out())
    (tmp_path / "short.dsf").write_bytes(GOLDEN.read_bytes()[:-1])
    for model, image, code, says in (
        (GOLDEN, "low.ppm", 1, "it is 8 wide and 7 high; the model takes pictures 8 wide and 8 high"),
        (GOLDEN, "gray.pgm", 1, "another kind of colours"),
        (GOLDEN, "short.dsf", 1, "no picture of 8 bits"),
        (tmp_path / "m.dsf", "low.ppm", 1, "its input is no image"),
        (tmp_path / "short.dsf", "low.ppm", 1, "is cut short"),
        (tmp_path / "gone.dsf", "low.ppm", 2, "cannot be opened"),
    ):
        found, text = refusal(programs / "classify", model, tmp_path / image)
        assert found == code and says in text, text


def test_batch(programs):
    images = np.stack([np.full((3, 8, 8), np.float32(i + 1) / np.float32(5)) for i in range(5)])
    with dsruntime.load(GOLDEN) as session:
        expected = best_of(session.run(images), session.outputs[0].labels)
    printed = run(programs / "batch", GOLDEN, 5)
    lines = re.findall(r"^image (\d): (\w) \((.*)\)$", printed, re.MULTILINE)
    assert [(label, float(score)) for _, label, score in lines] == expected
    assert [number for number, _, _ in lines] == list("01234")


def products(side: int) -> bytes:
    """A small file whose run multiplies matrices of this side, six times."""
    names = [f"m{i}" for i in range(7)]
    nodes = [{"op": "expand", "inputs": ["x"], "outputs": ["m0"], "attributes": {"shape": [side, side]}}]
    nodes += [{"op": "mat_mul", "inputs": [names[i], "m0"], "outputs": [names[i + 1]]} for i in range(6)]
    nodes += [{"op": "reduce_sum", "inputs": ["m6"], "outputs": ["y"], "attributes": {"axes": [0, 1]}}]
    values = [{"name": name, "shape": [1, 1]} for name in "xy"]
    values += [{"name": name, "shape": [side, side]} for name in names]
    return build(values=values, nodes=nodes, inputs=["x"], outputs=["y"])


def test_batch_cancels_what_takes_too_long_and_refuses_what_is_too_much(programs, tmp_path):
    (tmp_path / "long.dsf").write_bytes(products(4096))  # 2^38.6 multiply-adds: many seconds
    (tmp_path / "endless.dsf").write_bytes(products(8192))
    assert refusal(programs / "batch", tmp_path / "long.dsf", 1, 0.3) == (3, "batch: it took too long\n")
    code, text = refusal(programs / "batch", tmp_path / "endless.dsf", 1)
    assert code == 1 and "multiply_adds" in text


def test_rust(installed, tmp_path):
    if not shutil.which("rustc"):
        pytest.skip("no rustc on this machine")
    (library,) = installed.glob("lib*/**/libdsf.so")
    places = ["-L", library.parent, "-C", f"link-arg=-Wl,-rpath,{library.parent}"]
    run("rustc", "--edition", "2021", "-D", "warnings", EXAMPLES / "predict.rs", *places, "-o", tmp_path / "predict")
    summary, best = run(tmp_path / "predict", GOLDEN).splitlines()
    found = dsruntime.check(GOLDEN)
    assert summary == f"{found.bytes} bytes, {found.nodes} nodes, {found.weights} weights"
    with dsruntime.load(GOLDEN) as session:
        expected = best_of(session.run(np.full((1, 3, 8, 8), 0.5, np.float32)), session.outputs[0].labels)
    label, score = best.split(": ")
    assert [(label, float(score))] == expected
    (tmp_path / "m.dsf").write_bytes(two_in_two_out())
    assert "one input of float32" in refusal_of_rust(tmp_path / "predict", tmp_path / "m.dsf")
    assert "cannot be opened" in refusal_of_rust(tmp_path / "predict", tmp_path / "gone.dsf")


def refusal_of_rust(program: Path, model: Path) -> str:
    done = subprocess.run([program, model], capture_output=True, text=True)
    assert done.returncode == 1
    return done.stderr


def test_python(tmp_path):
    (tmp_path / "frames").mkdir()
    Image.fromarray(picture()).save(tmp_path / "frames" / "1.png")
    (tmp_path / "frames" / "2.png").write_text("no picture")
    Image.fromarray(255 - picture()).save(tmp_path / "frames" / "3.png")
    paths = os.pathsep.join([str(ROOT / "runtime"), os.environ.get("PYTHONPATH", "")])

    def camera(model, folder="frames"):
        command = [sys.executable, EXAMPLES / "camera.py", model, tmp_path / folder]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths})
        return done.returncode, done.stdout, done.stderr

    code, printed, errors = camera(GOLDEN)
    found = re.findall(r"^(\d\.png): (\w) (.*), [\d.]+ ms$", printed, re.MULTILINE)
    with dsruntime.load(GOLDEN) as session:
        best = [session.predict(pixels)[0] for pixels in (picture(), 255 - picture())]
    expected = [(each.label, pytest.approx(each.probability, rel=1e-5)) for each in best]
    assert code == 3 and [name for name, _, _ in found] == ["1.png", "3.png"]
    assert [(label, float(number)) for _, label, number in found] == expected
    assert errors.startswith("2.png: not an image") and errors.count("\n") == 1
    code, _, errors = camera(tmp_path / "gone.dsf")
    assert code == 4 and "cannot be opened" in errors
    code, _, errors = camera(GOLDEN, "nowhere")
    assert code == 3 and "nowhere: No such file or directory; expected a folder" in errors and errors.count("\n") == 1
