"""ops_table: writes docs/ops.md from the reference backend, and dscompress/onnx_names.py from the table of lowerings.

python tools/ops_table.py [PAGE NAMES]
"""

import inspect
import sys
from collections.abc import Callable
from math import isinf
from pathlib import Path

from dscompress.compile.lower import supported_ops
from dsruntime.backends.reference.ops import OPS

ROOT = Path(__file__).resolve().parents[1]
PAGE, NAMES = ROOT / "docs" / "ops.md", ROOT / "dscompress" / "onnx_names.py"

HEAD = """# Operators

<!-- written by tools/ops_table.py from runtime/dsruntime/backends/reference/ops -->

An operator of a `.dsf` file is an ONNX operator, opset 20, its name in snake_case: ONNX's page is its documentation.
Three things differ. Inputs that ONNX allows to be computed but that shape the result (axes, sizes, pads) are attributes
here, for they are constant once exported. A dimension in an attribute is itself when 0 or more, and -k means k times
the batch size. And everything that the exporter can compute beforehand is already computed: shape arithmetic, constant
branches, SiLU as `sigmoid` and `mul`.

Where ONNX's text leaves something open, or its own tests differ from ONNX Runtime, ONNX Runtime's answer is taken:
`resize` with `align_corners` divides by the whole length of the result less one, also where a scale makes that length
a fraction; a `conv_transpose` that says its output's size has ONNX Runtime's pads. ONNX's own tests, what passes and
why others are refused: [onnx_node_tests.md](onnx_node_tests.md).

Operators compute in float32; those that only move data take any dtype. Each runs on every backend, or the backend
refuses the model by the operator's name before running anything. `?` marks an input that may be absent; an attribute
without a default is required. `dscompress ops` prints what the installed backends run.

| operator | inputs | attributes | meaning |
|---|---|---|---|
"""

NAMES_HEAD = '''"""ONNX operators that export takes, and what stands in the file for each, for those who load no onnx.

Written by tools/ops_table.py from dscompress/compile/lower/.
"""

SUPPORTED = {
'''

# What None stands for in a signature.
WHEN_NONE = {
    "strides": "all 1",
    "dilations": "all 1",
    "pads": "all 0",
    "output_padding": "all 0",
    "scales": "from sizes",
}


def main() -> None:
    page, names = map(Path, sys.argv[1:]) if len(sys.argv) > 1 else (PAGE, NAMES)
    page.write_text(HEAD + "".join(row(name, OPS[name]) for name in sorted(OPS)))
    lines = [f'    "{name}": "{what}",\n' for name, what in supported_ops().items()]
    names.write_text(NAMES_HEAD + "".join(lines) + "}\n")


def row(name: str, function: Callable) -> str:
    inputs, attributes = [], []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            attributes.append(with_default(parameter))
        elif parameter.kind is parameter.VAR_POSITIONAL:
            inputs.append(f"{parameter.name}...")
        else:
            inputs.append(parameter.name + ("" if parameter.default is parameter.empty else "?"))
    cells = [f"`{name}`", ", ".join(inputs), ", ".join(attributes), meaning(function)]
    return "| " + " | ".join(cells) + " |\n"


def with_default(parameter: inspect.Parameter) -> str:
    default = parameter.default
    if default is parameter.empty:
        return f"`{parameter.name}`"
    if default is None:
        return f"`{parameter.name}` = {WHEN_NONE[parameter.name]}"
    if isinstance(default, float) and isinf(default):
        return f"`{parameter.name}` = none"
    return f"`{parameter.name}` = {default}"


def meaning(function: Callable) -> str:
    """The first line of the operator's file, without the name, escaped for a table."""
    first = inspect.getdoc(inspect.getmodule(function)).partition("\n")[0]
    text = first.partition(": ")[2] or first
    return text.replace("|", "\\|").replace("*", "\\*").rstrip(".")


if __name__ == "__main__":
    main()
