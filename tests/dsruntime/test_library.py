"""The binding of libdsf: it matches dsf.h, and a machine without a right library gets a sentence."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dsruntime import library

RUNTIME = Path(__file__).resolve().parents[2] / "runtime"
HEADER = RUNTIME / "libdsf" / "include" / "dsf.h"
STRUCTS = {
    "dsf_error": library.Error,
    "dsf_tensor": library.Tensor,
    "dsf_limits": library.Limits,
    "dsf_session_options": library.SessionOptions,
    "dsf_isa_info": library.IsaInfo,
    "dsf_summary": library.Summary,
    "dsf_value_info": library.ValueInfo,
    "dsf_image_recipe": library.ImageRecipe,
    "dsf_step_profile": library.StepProfile,
}
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler on this machine")


def test_binds_every_function_of_the_header():
    assert set(re.findall(r"^DSF_API.*?\b(dsf_\w+)\(", HEADER.read_text(), flags=re.M)) == set(library.FUNCTIONS)


def test_every_struct_begins_with_its_size():
    text = HEADER.read_text()
    assert set(re.findall(r"typedef struct (\w+) {\n    size_t struct_size;\n", text)) == set(STRUCTS)
    assert text.count("typedef struct") == text.count("size_t struct_size;") + 2, "but for the two handles"
    for struct in STRUCTS.values():
        assert struct().struct_size == ctypes.sizeof(struct) and struct.struct_size.offset == 0


def test_knows_the_header_s_enums():
    text = HEADER.read_text()
    dtypes = {int(code): name.lower() for name, code in re.findall(r"DSF_(B?FLOAT\d+|U?INT\d+|BOOL) = (\d)", text)}
    algorithms = {int(code): name.lower() for name, code in re.findall(r"DSF_ALGORITHM_(\w+) = (\d)", text)}
    assert dtypes == library.STEP_DTYPES and algorithms == library.ALGORITHMS


def test_knows_the_header_s_version_and_rank():
    text = HEADER.read_text()
    assert f"#define DSF_ABI_VERSION {library.ABI_VERSION} " in text
    assert f"#define DSF_MAX_RANK {library.MAX_RANK}\n" in text


@needs_compiler
def test_structs_have_the_compiler_s_layout(tmp_path):
    lines = []
    for name, struct in STRUCTS.items():
        lines.append(f'printf("%zu ", sizeof({name}));')
        for field, _ in struct._fields_:
            lines.append(f'printf("%zu %zu ", offsetof({name}, {field}), sizeof((({name}*)0)->{field}));')
    source = tmp_path / "layout.c"
    source.write_text('#include <stdio.h>\n#include "dsf.h"\nint main(void) {' + "\n".join(lines) + "return 0;}")
    subprocess.run(["cc", "-I", HEADER.parent, source, "-o", tmp_path / "layout"], check=True)
    printed = subprocess.run([tmp_path / "layout"], check=True, capture_output=True, text=True).stdout
    expected = []
    for struct in STRUCTS.values():
        expected.append(ctypes.sizeof(struct))
        for field, _ in struct._fields_:
            expected += [getattr(struct, field).offset, getattr(struct, field).size]
    assert [int(n) for n in printed.split()] == expected


@needs_compiler
def test_function_pointers_have_the_header_s_argument_counts():
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    for name, arguments in re.findall(r"DSF_API[^;]*?\b(dsf_\w+)\(([^)]*)\)", text):
        count = 0 if arguments.strip() == "void" else arguments.count(",") + 1
        assert len(library.FUNCTIONS[name][1]) == count, name


def load_with(path):
    code = "from dsruntime import DsError, library\ntry: library.library()\nexcept DsError as e: print(repr(e))"
    environment = os.environ | {"DSF_LIBRARY": str(path), "PYTHONPATH": str(RUNTIME)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    return done.stdout


def test_a_missing_library_is_a_sentence(tmp_path):
    text = load_with(tmp_path / "libdsf.so")
    assert text.startswith('BackendError("libdsf: no file') and "DSF_LIBRARY" in text


def test_an_uninstalled_library_says_how_to_install(tmp_path):
    package = tmp_path / "dsruntime"
    shutil.copytree(RUNTIME / "dsruntime", package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    code = "import dsruntime\ntry: dsruntime.load('x.dsf')\nexcept dsruntime.BackendError as e: print(e)"
    # -S, and NumPy's folder by name: the hook of an editable install would find that one first
    paths = os.pathsep.join([str(tmp_path), str(Path(np.__file__).parents[1])])
    environment = {k: v for k, v in os.environ.items() if k != "DSF_LIBRARY"} | {"PYTHONPATH": paths}
    command = [sys.executable, "-S", "-c", code]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert f"looked for {package / 'libdsf.so'}" in printed.stdout and "pip install" in printed.stdout


def test_a_file_that_is_no_library_is_a_sentence(tmp_path):
    path = tmp_path / "libdsf.so"
    path.write_text("not a library")
    assert "cannot be loaded" in load_with(path)


@needs_compiler
@pytest.mark.parametrize(
    "source, text",
    [
        ("unsigned dsf_abi_version(void) { return 999; }", "interface version 999; expected version 2"),
        ("unsigned dsf_abi_version(void) { return 1; }", "interface version 1; expected version 2"),
        ("unsigned dsf_abi_version(void) { return 2; }", "has no function dsf_version"),
        ("int other(void) { return 1; }", "cannot be loaded"),
    ],
)
def test_a_library_of_another_release_is_refused(tmp_path, source, text):
    (tmp_path / "other.c").write_text(source)
    subprocess.run(["cc", "-shared", "-fPIC", tmp_path / "other.c", "-o", tmp_path / "libdsf.so"], check=True)
    assert text in load_with(tmp_path / "libdsf.so")
