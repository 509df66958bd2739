"""libdsf as strangers have it: built below a parent project that is not ours, and installed from there.

One build serves all tests: build/tests-cmake is compiled once, linked as a shared library and as an archive, and kept.
"""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import dsruntime

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build" / "tests-cmake"
GOLDEN = ROOT / "schema" / "golden" / "v1.0.dsf"
VERSION = dsruntime.__version__
TOOLS_ARE_HERE = bool(shutil.which("cmake") and shutil.which("c++"))

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


def run(*command: str | Path, **environment: str) -> str:
    """What it printed; a command that fails fails the test, with both of its outputs."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CMAKE_")}
    if shutil.which("ccache"):
        clean["CMAKE_CXX_COMPILER_LAUNCHER"] = "ccache"
    done = subprocess.run(list(map(str, command)), env=clean | environment, text=True, capture_output=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def project(folder: Path, description: str) -> Path:
    """A folder with a project of the program above; files that change are written alone, so that builds are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("program.c", PROGRAM), ("CMakeLists.txt", description)):
        if not (folder / name).exists() or (folder / name).read_text() != text:
            (folder / name).write_text(text)
    return folder


def configure(source: Path, build: Path, *options: str) -> str:
    return run("cmake", "-S", source, "-B", build, *options)


def install(prefix: Path, *, shared: bool = True) -> str:
    """Builds below the parent, runs there, and installs from there; what CMake said of the parent."""
    source, build = project(BUILT / "source", PARENT), BUILT / "build"
    with (BUILT / "lock").open("w") as lock:  # another process of the tests may want the other kind
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = configure(source, build, f"-DBUILD_SHARED_LIBS={'ON' if shared else 'OFF'}", "-DDSF_INSTALL=ON")
        run("cmake", "--build", build, "--parallel", str(os.cpu_count() or 1))
        assert run(build / "program", GOLDEN) == f"{VERSION} golden\n"
        run("cmake", "--install", build, "--prefix", prefix)
    return said
