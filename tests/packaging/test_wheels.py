"""The wheels in empty environments: the light install runs and inspects a model without torch and ONNX being there, the
device wheel loads and runs one, and each says what it lacks."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.support.example_model import write_example_model

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow

ABSENT = ("torch", "onnx", "onnx_ir", "onnxscript", "onnxruntime")


def pip(*arguments: str | Path, python: str | Path = sys.executable, **environment: str) -> str:
    command = [python, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, env=os.environ | environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_wheel(source: Path, folder: Path, **environment: str) -> Path:
    """Both wheels build where the development install was built: libdsf is compiled only if its sources changed."""
    built = f"--config-settings=build-dir={ROOT}/build/editable/{{wheel_tag}}"
    pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", built, "-w", folder, source, **environment)
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment_with(folder: Path, wheel: str) -> Path:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip("install", "--quiet", "--no-compile", "-c", ROOT / "constraints.txt", wheel, python=folder / "bin/python")
    return folder / "bin"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_example_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def light(tmp_path_factory, wheel) -> Path:
    return environment_with(tmp_path_factory.mktemp("light") / "venv", str(wheel))


@pytest.fixture(scope="module")
def device_wheel(tmp_path_factory) -> Path:
    return build_wheel(ROOT / "runtime", tmp_path_factory.mktemp("device_wheel"))


@pytest.fixture(scope="module")
def device(tmp_path_factory, device_wheel) -> Path:
    return environment_with(tmp_path_factory.mktemp("device") / "venv", f"dsruntime[image] @ {device_wheel.as_uri()}")


def run(*command: str | Path, code: int = 0) -> str:
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DSF_LIBRARY")}
    done = subprocess.run(list(map(str, command)), cwd="/", env=clean, text=True, capture_output=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_one_wheel_serves_every_python(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name.split("-")[2:4] == ["py3", "none"]
    assert not wheel.name.endswith("any.whl")
    assert {"dsruntime/libdsf.so", "dsruntime/py.typed"} <= set(names)
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {"dscompress", "dsruntime"}


def test_the_light_install_runs_and_inspects(light: Path, model: Path):
    array = model.with_suffix(".npy")
    assert run(light / "dscompress", "run", model, array).strip()
    assert model.name in run(light / "dscompress", "inspect", model)
    assert "ok" in run(light / "dscompress", "check", model)
    found = f"import importlib.util as u; print([name for name in {ABSENT} if u.find_spec(name)])"
    assert run(light / "python", "-c", found).strip() == "[]"


def test_the_light_install_says_how_to_get_the_compiler(light: Path, model: Path):
    assert "dscompress[compiler]" in run(light / "dscompress", "export", model.with_suffix(".pt2"), code=4)


def test_the_device_wheel_runs_a_model_and_holds_no_compiler(device: Path, device_wheel: Path, model: Path):
    names = zipfile.ZipFile(device_wheel).namelist()
    assert "dsruntime/py.typed" in names and not [name for name in names if name.startswith("dscompress/")]
    code = f"""
import importlib.util, numpy, dsruntime
assert importlib.util.find_spec("dscompress") is None
with dsruntime.load({str(model)!r}) as session:
    print(session.run(numpy.load({str(model.with_suffix(".npy"))!r})).shape)
"""
    assert run(device / "python", "-c", code).strip() == "(1, 10)"


def test_the_source_archive_of_the_runtime_stands_alone(tmp_path: Path):
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path, ROOT / "runtime"]
    subprocess.run(command, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"schema/dsf.fbs", "LICENSE", "CMakeLists.txt", "libdsf/include/dsf.h", "dsruntime/__init__.py"} <= names


def test_an_install_without_native_code_is_asked_for_and_says_so(tmp_path: Path, model: Path):
    wheel = build_wheel(ROOT, tmp_path / "wheel", DSCOMPRESS_NO_NATIVE="1")
    assert wheel.name.endswith("py3-none-any.whl")
    pip("install", "--quiet", "--no-deps", "--target", tmp_path / "site", wheel)
    # -S keeps the development install out of sight; NumPy and FlatBuffers must be found all the same.
    packages = str(Path(np.__file__).parents[1])
    code = f"import sys; sys.path += [{str(tmp_path / 'site')!r}, {packages!r}]; import dsruntime"
    assert "libdsf: not installed" in run(sys.executable, "-S", "-c", f"{code}; dsruntime.load({str(model)!r})", code=1)


def test_one_version_everywhere():
    import dscompress
    import dsruntime

    assert dscompress.__version__ == dsruntime.__version__
