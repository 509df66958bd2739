"""libdsf in other people's builds: below a parent project, by find_package and by pkg-config, shared and static."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dsruntime import library
from tests.support.installed import GOLDEN, PARENT, ROOT, TOOLS_ARE_HERE, VERSION, configure, install, project, run

ABI = library.ABI_VERSION
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not TOOLS_ARE_HERE, reason="needs cmake and a C++ compiler")]

CONSUMER = f"""
cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES C)
find_package(dsf {VERSION} REQUIRED)
add_executable(program program.c)
target_link_libraries(program PRIVATE dsf::dsf)
message(STATUS "interface ${{dsf_ABI_VERSION}}")
"""


@pytest.fixture(scope="module", params=["shared", "static"])
def installed(request, tmp_path_factory) -> tuple[str, Path]:
    """Which kind, and the prefix."""
    prefix = tmp_path_factory.mktemp(request.param)
    assert "leaked: '' '' '' ''" in install(prefix, shared=request.param == "shared")
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
