"""libdsf in other people's builds: below a parent project, by find_package and by pkg-config, shared and static.

One build serves all: build/tests-cmake is compiled once, and linked as a shared library and as an archive.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import dsruntime
from dsruntime import library

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build" / "tests-cmake"
GOLDEN = ROOT / "schema" / "golden" / "v1.0.dsf"
VERSION, ABI = dsruntime.__version__, library.ABI_VERSION
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("cmake") or not shutil.which("c++"), reason="needs cmake and a C++ compiler"),
]

PROGRAM = """
#include <dsf.h>
#include <stdio.h>

int main(int count, char** arguments) {
    dsf_error error = DSF_INIT(dsf_error);
    dsf_model* model = NULL;
    if (count != 2 || dsf_model_open(arguments[1], NULL, &model, &error) != DSF_OK) return puts(error.message), 1;
    printf("%s %s\\n", dsf_version(), dsf_model_name(model));
    dsf_model_destroy(model);
    return 0;
}
"""

# A parent in C alone that sets nothing, and into which nothing leaks.
PARENT = f"""
cmake_minimum_required(VERSION 3.22)
project(parent LANGUAGES C)
add_subdirectory({ROOT}/runtime libdsf)
add_executable(program program.c)
target_link_libraries(program PRIVATE dsf::dsf)
message(STATUS "leaked: '${{CMAKE_BUILD_TYPE}}' '${{CMAKE_C_FLAGS}}' '${{CMAKE_CXX_FLAGS}}' '${{CMAKE_CXX_STANDARD}}'")
"""

CONSUMER = f"""
cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES C)
find_package(dsf {VERSION} REQUIRED)
add_executable(program program.c)
target_link_libraries(program PRIVATE dsf::dsf)
message(STATUS "interface ${{dsf_ABI_VERSION}}")
"""


def run(*command: str | Path, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CMAKE_")}
    if shutil.which("ccache"):
        clean["CMAKE_CXX_COMPILER_LAUNCHER"] = "ccache"
    done = subprocess.run(list(map(str, command)), env=clean | environment, text=True, capture_output=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def project(folder: Path, description: str) -> Path:
    """A folder with a project of the program above; its files keep their times, and so its builds, while they stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("program.c", PROGRAM), ("CMakeLists.txt", description)):
        if not (folder / name).exists() or (folder / name).read_text() != text:
            (folder / name).write_text(text)
    return folder


def configure(source: Path, build: Path, *options: str) -> str:
    return run("cmake", "-S", source, "-B", build, *options)


@pytest.fixture(scope="module", params=["shared", "static"])
def installed(request, tmp_path_factory) -> tuple[str, Path]:
    """Built below the parent, run there, and installed from there: which kind, and the prefix."""
    source, prefix = project(BUILT / "source", PARENT), tmp_path_factory.mktemp(request.param)
    shared = "ON" if request.param == "shared" else "OFF"
    said = configure(source, BUILT / "build", f"-DBUILD_SHARED_LIBS={shared}", "-DDSF_INSTALL=ON")
    assert "leaked: '' '' '' ''" in said
    run("cmake", "--build", BUILT / "build", "--parallel", str(os.cpu_count() or 1))
    assert run(BUILT / "build" / "program", GOLDEN) == f"{VERSION} golden\n"
    run("cmake", "--install", BUILT / "build", "--prefix", prefix)
    return request.param, prefix


def test_what_is_installed(installed):
    kind, prefix = installed
    names = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if not path.is_dir()}
    libraries = {
        "shared": {"lib/libdsf.so", f"lib/libdsf.so.{ABI}", f"lib/libdsf.so.{VERSION}"},
        "static": {"lib/libdsf.a"},
    }
    config = {"dsfConfig.cmake", "dsfConfigVersion.cmake", "dsfTargets.cmake", "dsfTargets-noconfig.cmake"}
    others = {"include/dsf.h", "lib/pkgconfig/dsf.pc", *(f"lib/cmake/dsf/{name}" for name in config)}
    assert names == libraries[kind] | others
    if kind == "shared":
        chain = [os.readlink(prefix / "lib" / name) for name in ("libdsf.so", f"libdsf.so.{ABI}")]
        assert chain == [f"libdsf.so.{ABI}", f"libdsf.so.{VERSION}"]
        assert f"\0libdsf.so.{ABI}\0".encode() in (prefix / "lib" / "libdsf.so").read_bytes()  # its soname
    for path in prefix.rglob("*.cmake"):
        assert str(ROOT) not in path.read_text(), f"{path.name} names the checkout"


def test_find_package(installed, tmp_path):
    source = project(tmp_path, CONSUMER)
    assert f"interface {ABI}" in configure(source, tmp_path / "build", f"-DCMAKE_PREFIX_PATH={installed[1]}")
    run("cmake", "--build", tmp_path / "build")
    assert run(tmp_path / "build" / "program", GOLDEN) == f"{VERSION} golden\n"


@pytest.mark.skipif(not shutil.which("pkg-config"), reason="no pkg-config (apt-get install pkgconf)")
def test_pkg_config(installed, tmp_path):
    kind, prefix = installed
    how = ["pkg-config", "--cflags", "--libs", *(["--static"] if kind == "static" else []), "dsf"]
    flags = run(*how, PKG_CONFIG_PATH=str(prefix / "lib" / "pkgconfig")).split()
    source = project(tmp_path, CONSUMER) / "program.c"
    run("cc", source, *flags, f"-Wl,-rpath,{prefix / 'lib'}", "-o", tmp_path / "program")
    assert run(tmp_path / "program", GOLDEN) == f"{VERSION} golden\n"


def test_a_parent_installs_nothing_of_it_unless_it_asks(tmp_path):
    source = project(tmp_path, PARENT)
    configure(source, tmp_path / "build")
    script = (tmp_path / "build" / "libdsf" / "cmake_install.cmake").read_text()
    assert "dsf.h" not in script and "libdsf" not in script.replace(str(tmp_path / "build"), "")


def test_the_headers_of_flatbuffers_are_found_from_within_an_sdk(tmp_path):
    """An SDK's tool chain file lets CMake look nowhere but in the SDK."""
    (tmp_path / "sdk").mkdir()
    modes = "\n".join(f"set(CMAKE_FIND_ROOT_PATH_MODE_{kind} ONLY)" for kind in ("LIBRARY", "INCLUDE", "PACKAGE"))
    (tmp_path / "sdk.cmake").write_text(f"set(CMAKE_FIND_ROOT_PATH {tmp_path / 'sdk'})\n{modes}\n")
    build = tmp_path / "build"
    configure(ROOT / "runtime", build, f"-DCMAKE_TOOLCHAIN_FILE={tmp_path / 'sdk.cmake'}")
    assert (build / "flatbuffers" / "flatbuffers" / "flatbuffers.h").is_file()


def test_missing_headers_are_named_with_their_package(tmp_path):
    (tmp_path / "bare.cmake").write_text(
        "set(CMAKE_FIND_USE_CMAKE_SYSTEM_PATH OFF)\nset(CMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH OFF)\n"
    )
    bare = f"-DCMAKE_PROJECT_dsf_INCLUDE={tmp_path / 'bare.cmake'}"
    command = ["cmake", "-S", ROOT / "runtime", "-B", tmp_path / "build", bare]
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.returncode != 0 and "apt-get install libflatbuffers-dev" in " ".join(done.stderr.split())
