"""The two distributions in empty environments: dsruntime alone runs a model, dscompress over it inspects one without
torch and ONNX being there, each says what it lacks, and neither holds a file of the other."""

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest

import dscompress
import dsruntime
from tests.support.example_model import write_example_model

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "schema" / "golden"
pytestmark = pytest.mark.slow

ABSENT = ("torch", "onnx", "onnx_ir", "onnxscript", "onnxruntime")
NEXT = "0.99.0"


def pip(*arguments: str | Path, python: str | Path = sys.executable, **environment: str) -> str:
    command = [python, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, env=os.environ | environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_wheel(source: Path, folder: Path, *options: str, **environment: str) -> Path:
    pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", *options, "-w", folder, source, **environment)
    (wheel,) = folder.glob("*.whl")
    return wheel


def build_archive(source: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", folder, source]
    subprocess.run(command, check=True, capture_output=True)
    (archive,) = folder.glob("*.tar.gz")
    return archive


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    (root,) = folder.iterdir()
    return root


def environment_with(folder: Path, *requirements: str | Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    if requirements:
        constraints = ["-c", ROOT / "constraints.txt"]
        pip("install", "--quiet", "--no-compile", *constraints, *requirements, python=folder / "bin/python")
    return folder / "bin"


def files_of(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def files_below(folder: Path) -> set[str]:
    """Names of the files of a package in the checkout, relative to what holds it."""
    kept = [path for path in folder.rglob("*") if path.is_file() and not {"__pycache__", "cubins"} & set(path.parts)]
    return {path.relative_to(folder.parent).as_posix() for path in kept}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_example_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def runtime_wheel(tmp_path_factory) -> Path:
    """Built where the development install was built: libdsf is compiled only if its sources changed."""
    built = f"--config-settings=build-dir={ROOT}/runtime/build/editable/{{wheel_tag}}"
    return build_wheel(ROOT / "runtime", tmp_path_factory.mktemp("runtime_wheel"), built)


@pytest.fixture(scope="module")
def compiler_wheel(tmp_path_factory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("compiler_wheel"))


@pytest.fixture(scope="module")
def later(tmp_path_factory) -> tuple[Path, Path]:
    """Wheels of dsruntime (without its native part) and dscompress as a later release would have them."""
    folder = tmp_path_factory.mktemp("later")
    unseen = shutil.ignore_patterns("__pycache__", "build", "cubins")
    for name in ("dscompress", "runtime"):
        shutil.copytree(ROOT / name, folder / name, ignore=unseen)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("dscompress/version.py", "runtime/dsruntime/__init__.py", "pyproject.toml"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace(dscompress.__version__, NEXT))
    runtime = build_wheel(folder / "runtime", folder / "runtime_wheel", DSCOMPRESS_NO_NATIVE="1")
    return runtime, build_wheel(folder, folder / "compiler_wheel")


@pytest.fixture(scope="module")
def light(tmp_path_factory, runtime_wheel, compiler_wheel) -> Path:
    return environment_with(tmp_path_factory.mktemp("light") / "venv", runtime_wheel, compiler_wheel)


@pytest.fixture(scope="module")
def device(tmp_path_factory, runtime_wheel) -> Path:
    return environment_with(tmp_path_factory.mktemp("device") / "venv", f"dsruntime[image] @ {runtime_wheel.as_uri()}")


@pytest.fixture
def both(tmp_path, runtime_wheel, compiler_wheel) -> Path:
    """An environment of its own with both distributions, and click."""
    binaries = environment_with(tmp_path / "venv", "click")
    pip("install", "--quiet", "--no-deps", runtime_wheel, compiler_wheel, python=binaries / "python")
    return binaries


def run(*command: str | Path, code: int = 0) -> str:
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DSF_LIBRARY")}
    done = subprocess.run(list(map(str, command)), cwd="/", env=clean, text=True, capture_output=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_runtime_is_one_wheel_for_every_python(runtime_wheel: Path):
    assert runtime_wheel.name.split("-")[2:4] == ["py3", "none"] and not runtime_wheel.name.endswith("any.whl")
    held = {name for name in files_of(runtime_wheel) if "/cubins/" not in name}
    assert held == files_below(ROOT / "runtime" / "dsruntime") | {"dsruntime/libdsf.so"}


def test_the_compiler_is_pure_python_and_nothing_of_the_runtime(compiler_wheel: Path):
    assert compiler_wheel.name.endswith("-py3-none-any.whl")
    assert files_of(compiler_wheel) == files_below(ROOT / "dscompress")


def test_the_light_install_runs_and_inspects(light: Path, model: Path):
    array = model.with_suffix(".npy")
    assert run(light / "dscompress", "run", model, array).strip()
    assert model.name in run(light / "dscompress", "inspect", model)
    found = f"import importlib.util as u; print([name for name in {ABSENT} if u.find_spec(name)])"
    assert run(light / "python", "-c", found).strip() == "[]"
    pip("check", python=light / "python")


def test_the_light_install_says_how_to_get_the_compiler(light: Path, model: Path):
    assert "dscompress[compiler]" in run(light / "dscompress", "export", model.with_suffix(".pt2"), code=4)


def test_the_runtime_alone_runs_the_golden_file(device: Path):
    code = f"""
import importlib.util, numpy, dsruntime
assert importlib.util.find_spec("dscompress") is None
with dsruntime.load("{GOLDEN}/v1.0.dsf") as session:
    found = session.run(numpy.load("{GOLDEN}/v1.0.input.npy"))
numpy.testing.assert_allclose(found, numpy.load("{GOLDEN}/v1.0.output.npy"), rtol=1e-5, atol=1e-6)
"""
    run(device / "python", "-c", code)


def test_the_runtime_stays_whole_without_the_compiler(both: Path):
    pip("uninstall", "--quiet", "--yes", "dscompress", python=both / "python")
    run(both / "python", "-c", "from dsruntime import library; library.library()")


def test_without_the_runtime_it_says_what_to_install(both: Path, runtime_wheel: Path):
    pip("uninstall", "--quiet", "--yes", "dsruntime", python=both / "python")
    assert "Example" in run(both / "dscompress", "--help")
    asked = f'pip install "dsruntime=={dscompress.__version__}"'
    assert asked in run(both / "dscompress", "ops", code=4)
    assert asked in run(both / "python", "-c", "import dscompress; dscompress.compile_model", code=1)
    pip("install", "--quiet", "--no-deps", runtime_wheel, python=both / "python")
    run(both / "python", "-c", "import dscompress; dscompress.check_runtime()")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["the runtime first", "the compiler first"])
def test_an_upgrade_in_either_order(both: Path, later: tuple[Path, Path], order: tuple[int, int]):
    first, second = (later[place] for place in order)
    pip("install", "--quiet", "--no-deps", first, python=both / "python")
    assert "needs dsruntime" in run(both / "dscompress", "ops", code=4)
    pip("install", "--quiet", "--no-deps", second, python=both / "python")
    code = (
        "import dscompress, dsruntime; dscompress.check_runtime(); print(dscompress.__version__, dsruntime.__version__)"
    )
    assert run(both / "python", "-c", code).split() == [NEXT, NEXT]


def test_the_source_archive_of_the_runtime_stands_alone(tmp_path: Path):
    source = unpacked(build_archive(ROOT / "runtime", tmp_path), tmp_path / "source")
    tracked = subprocess.run(["git", "ls-files", "runtime"], cwd=ROOT, check=True, text=True, capture_output=True)
    names = {name.removeprefix("runtime/") for name in tracked.stdout.splitlines()}
    held = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert names and names | {"LICENSE", "PKG-INFO"} == {name for name in held if "/cubins/" not in name}
    subprocess.run(["cmake", "-S", source, "-B", tmp_path / "build"], check=True, capture_output=True)
    build_wheel(source, tmp_path / "wheel", DSCOMPRESS_NO_NATIVE="1")


def test_the_source_archive_of_the_compiler_stands_alone(tmp_path: Path, compiler_wheel: Path):
    source = unpacked(build_archive(ROOT, tmp_path), tmp_path / "source")
    assert {path.name for path in source.iterdir()} >= {"LICENSE", "README.md", "dscompress"}
    assert not (source / "runtime").exists()
    assert files_of(build_wheel(source, tmp_path / "wheel")) == files_of(compiler_wheel)


def test_an_install_without_native_code_is_asked_for_and_says_so(tmp_path: Path, model: Path):
    wheel = build_wheel(ROOT / "runtime", tmp_path / "wheel", DSCOMPRESS_NO_NATIVE="1")
    assert wheel.name.endswith("py3-none-any.whl")
    pip("install", "--quiet", "--no-deps", "--target", tmp_path / "site", wheel)
    # -S keeps the development install out of sight; NumPy and FlatBuffers must be found all the same.
    packages = str(Path(np.__file__).parents[1])
    code = f"import sys; sys.path += [{str(tmp_path / 'site')!r}, {packages!r}]; import dsruntime"
    assert "libdsf: not installed" in run(sys.executable, "-S", "-c", f"{code}; dsruntime.load({str(model)!r})", code=1)


def test_one_version_everywhere():
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert dscompress.__version__ == dsruntime.__version__
    assert [name for name in needed if name.startswith("dsruntime")] == [f"dsruntime=={dsruntime.__version__}"]
