"""add_something: proves the lists of README's "Add something" by following them.

python tools/add_something.py [operator codec pass] [--dry]

A made-up operator (atan), codec (two_values) and pass (two negations in a row go) are added to a copy of the tree in
build/add_something, step by step as the README says; libdsf is built there, and the tests that the lists name are run.
The files that a list names and those that were touched must be the same: one more or one less is an error. With --dry
it adds and compares only. Needs what `make setup` installed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "build" / "add_something"
MADE_UP = Path(__file__).parent / "made_up"  # what is written where: the new files whole


@dataclass(frozen=True)
class Addition:
    """name: the stem. new: files that are made, from tools/made_up. edits: file to (before, after) of a line there."""

    title: str  # of the list
    name: str
    new: tuple[str, ...]
    edits: dict[str, tuple[tuple[str, str], ...]]
    tests: tuple[str, ...]
    commands: tuple[str, ...] = ()
    written: tuple[str, ...] = ()  # by the commands
    builds: bool = False


def before(line: str, added: str) -> tuple[str, str]:
    """`added` on a line of its own before `line`."""
    return line, f"{added}\n{line}"


def after(line: str, added: str) -> tuple[str, str]:
    return line, f"{line}\n{added}"


DRAWN = """### Codec "two_values"

For float32 tensors of two different numbers. The number of elements as 8 bytes, the two floats, then a bit an element,
low bits first: which of them it is. The unused bits of the last byte are 0; `order` and `shift` are absent.
"""
OPEN_TWO_VALUES = """def open_two_values(weight: Stored, data: memoryview) -> Raw:
    values = np.frombuffer(data[8:16], "<f4")
    bits = np.unpackbits(np.frombuffer(data[16:], np.uint8), bitorder="little")
    return Raw(values[bits[: int.from_bytes(data[:8], "little")]].tobytes())


"""
CUDA = "runtime/dsruntime/backends/cuda"
REFERENCE_OPS = "runtime/dsruntime/backends/reference/ops"
ADDITIONS = {
    "operator": Addition(
        "An operator",
        "atan",
        new=(f"{REFERENCE_OPS}/atan.py", "runtime/libdsf/src/ops/atan.cpp", "tests/ops/test_atan.py"),
        edits={
            f"{REFERENCE_OPS}/__init__.py": (
                after(
                    "from dsruntime.backends.reference.ops.arg_max import arg_max",
                    "from dsruntime.backends.reference.ops.atan import atan",
                ),
                after('    "arg_max": arg_max,', '    "atan": atan,'),
            ),
            "runtime/libdsf/src/ops/table.cpp": (
                ("abs, add, arg_max, average_pool,", "abs, add, arg_max, atan, average_pool,"),
                after("        &ops::arg_max,", "        &ops::atan,"),
            ),
            "dscompress/compile/lower/__init__.py": (
                after('    "ArgMax": compute.arg_max,', '    "Atan": compute.unary("atan"),'),
            ),
            "dscompress/verify/bounds/__init__.py": (
                after('    "tanh": functions.slope,', '    "atan": functions.slope,'),
            ),
            "dscompress/verify/bounds/functions.py": (after('    "tanh": lambda a: 1,', '    "atan": lambda a: 1,'),),
            "dscompress/verify/bounds/rounding.py": (after('    "tanh": (8, 4 * U),', '    "atan": (8, 4 * U),'),),
            f"{CUDA}/kernels/functions.h": (
                ("HARD_SIGMOID, HARD_SWISH, SILU, FLOOR\n", "HARD_SIGMOID, HARD_SWISH, SILU, FLOOR, ATAN\n"),
                after("        case TANH: return tanhf(x);", "        case ATAN: return atanf(x);"),
            ),
            f"{CUDA}/kernels/elementwise.py": (after('    "floor",', '    "atan",'),),
            f"{CUDA}/lower/__init__.py": (after('    "tanh": pointwise.unary,', '    "atan": pointwise.unary,'),),
            "tests/support/onnx_models.py": (
                after('    "tanh": ("Tanh", PLAIN, ()),', '    "atan": ("Atan", PLAIN, ()),'),
            ),
            "tests/support/bounds.py": (after('    "sqrt": (1, 0),', '    "atan": (8, 1e-7),'),),
        },
        tests=(
            "tests/ops/test_atan.py",
            "tests/docs/test_docs.py::test_the_tables_of_operators_are_current",
            "tests/load/test_corpus.py",
            "tests/cuda/test_ops.py::test_every_op_of_libdsf_has_a_kernel",
            "tests/verify/test_bounds.py",
        ),
        commands=("python tools/ops_table.py", "python tools/fuzz/seeds.py"),
        written=("docs/ops.md", "dscompress/onnx_names.py", "tools/fuzz/corpus/atan_0.dsf"),
        builds=True,
    ),
    "codec": Addition(
        "A codec",
        "two_values",
        new=(
            "runtime/libdsf/src/codecs/two_values.cpp",
            "dscompress/compile/codecs/two_values.py",
            "tests/compile/codecs/test_two_values.py",
        ),
        edits={
            "schema/README.md": (before('### Codec "shift"', DRAWN),),
            "runtime/libdsf/src/codecs/codec.h": (
                after("Form open_raw(Stored stored);", "Form open_two_values(Stored stored);"),
            ),
            "runtime/libdsf/src/codecs/table.cpp": (
                after(
                    '    {"raw", CodecParameters::none, open_raw},',
                    '    {"two_values", CodecParameters::none, open_two_values},',
                ),
            ),
            "runtime/dsruntime/forms.py": (
                before("CODECS: dict[", OPEN_TWO_VALUES),
                ('{"raw": open_raw, ', '{"raw": open_raw, "two_values": open_two_values, '),
            ),
            "dscompress/compile/encode.py": (
                after(
                    "from dscompress.compile.codecs.shift import SHIFT",
                    "from dscompress.compile.codecs.two_values import TWO_VALUES",
                ),
                ("CODECS = (SHIFT, RAW)", "CODECS = (SHIFT, TWO_VALUES, RAW)"),
            ),
        },
        tests=("tests/compile/codecs/test_two_values.py", "tests/compile/test_golden.py"),
        builds=True,
    ),
    "pass": Addition(
        "A pass",
        "eliminate_double_neg",
        new=("dscompress/passes/eliminate_double_neg.py", "tests/passes/test_eliminate_double_neg.py"),
        edits={
            "dscompress/passes/__init__.py": (
                before(
                    "from dscompress.passes.eliminate_dropout import EliminateDropout",
                    "from dscompress.passes.eliminate_double_neg import EliminateDoubleNeg",
                ),
                before("    EliminateDropout(),", "    EliminateDoubleNeg(),"),
            )
        },
        tests=("tests/passes/test_eliminate_double_neg.py",),
    ),
}


def listed(title: str) -> set[str]:
    """The files that a list of the README names, but for the programs to run; NAME stands for the stem."""
    section = (ROOT / "README.md").read_text().split("## Add something")[1].split("\n## ")[0]
    text = section.split(f"**{title}**\n")[1].split("\n**")[0]
    names = {name for name in re.findall(r"`([^`\s]+)`", text) if "/" in name and not name.endswith("/")}
    return {name for name in names if not name.startswith("tools/") or not name.endswith((".py", ".sh"))}


def copy_tree(tree: Path) -> None:
    """The files that git knows or would take, each copied only where it differs: what was built there stays built."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    wanted = {name for name in names if name and (ROOT / name).is_file()}
    present = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file() or path.is_symlink()}
    for name in present - wanted:
        (tree / name).unlink()
    for name in sorted(wanted):
        source, target = ROOT / name, tree / name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)  # as new, so that it is compiled again


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def apply(addition: Addition, tree: Path) -> set[str]:
    """Adds it; returns the files that it touched."""
    for name in addition.new:
        if (ROOT / name).exists():
            raise SystemExit(f"{name} exists already: make something else up in tools/add_something.py")
        put(tree / name, (MADE_UP / f"{Path(name).name}.txt").read_text())
    for name, lines in addition.edits.items():
        text = (tree / name).read_text()
        for old, new in lines:
            if text.count(old) != 1:
                raise SystemExit(f"{name} has {text.count(old)} times, expected once: {old}")
            text = text.replace(old, new)
        put(tree / name, text)
    return {*addition.new, *addition.edits}


def compare(addition: Addition, touched: set[str]) -> None:
    found = {name.replace("NAME", addition.name) for name in listed(addition.title)}
    missing, beyond = (touched | set(addition.written)) - found, found - touched - set(addition.written)
    if missing or beyond:
        raise SystemExit(
            f'README\'s list "{addition.title}" does not name {sorted(missing) or "nothing"}, which had to be touched, '
            f"and names {sorted(beyond) or 'nothing'} that needed no touch"
        )


def environment_of(tree: Path) -> tuple[Path, dict[str, str]]:
    """A Python whose dscompress and dsruntime are the copy's, and whose other packages are this one's."""
    folder = PLACE / "venv"
    if not folder.exists():
        venv.create(folder, with_pip=False, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    ours = [path for path in sys.path if path.endswith("-packages")]
    (packages / "copy.pth").write_text("\n".join([str(tree), str(tree / "runtime"), *ours]) + "\n")
    python = folder / "bin" / "python"
    path = f"{python.parent}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return python, os.environ | {"PATH": path, "DSF_LIBRARY": str(PLACE / "libdsf" / "libdsf.so")}


def build(tree: Path) -> None:
    folder = PLACE / "libdsf"
    options = ["-DCMAKE_BUILD_TYPE=None", *(["-GNinja"] if shutil.which("ninja") else [])]
    subprocess.run(["cmake", "-S", tree / "runtime", "-B", folder, *options], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", folder, "--parallel", "2"], check=True, stdout=subprocess.DEVNULL)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[*ADDITIONS, []], help="what to add (all)")
    parser.add_argument("--dry", action="store_true", help="add and compare with the README; build and run nothing")
    options = parser.parse_args(arguments)
    chosen: list[Addition] = [ADDITIONS[what] for what in options.what or ADDITIONS]
    tree = PLACE / "tree"
    copy_tree(tree)
    for addition in chosen:
        compare(addition, apply(addition, tree))
    print(f"the lists name what {', '.join(addition.name for addition in chosen)} touched, and nothing else")
    if options.dry:
        return
    python, environment = environment_of(tree)
    if any(addition.builds for addition in chosen):
        build(tree)
    for addition in chosen:
        pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", *addition.tests]
        for words in (*(command.split()[1:] for command in addition.commands), pytest):
            subprocess.run([python, *words], cwd=tree, env=environment, check=True)


if __name__ == "__main__":
    main()
