"""archive_check: refuses a .pt2 archive whose loading would run code that the archive holds.

torch.export.load evaluates size expressions as Python, looks operators up by name, unpickles what is stored as a pickle
and loads compiled code. Before it gets the bytes, this allows only

    size expressions     numbers, symbols, arithmetic, and calls of FUNCTIONS
    operators            torch.ops.aten and its like, comparisons and arithmetic: OPERATORS
    pickles              those that torch.load(weights_only=True) takes
    compiled code        none
"""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import torch

FUNCTIONS = frozenset(
    "Abs Add And CeilDiv CeilToInt CleanDiv Eq FloatPow FloatTrueDiv FloorDiv FloorToInt Ge Gt Identity "
    "IntTrueDiv Integer LShift Le Lt Max Min Mod ModularIndexing Mul Ne Not Or Pow PowByNatural PythonMod RShift "
    "Rational RoundToInt ToFloat TruncToInt Where".split()
)
OPERATORS = re.compile(
    r"torch\.ops\.(aten|prims|higher_order)\.\w+(\.\w+)?|torch\.sym_\w+|math\.\w+|"
    r"_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|neg|pow|eq|ne|lt|le|gt|ge|and_|or_|not_)"
)
# The two places where sympy writes quotes: a symbol with its assumptions, a number with its precision.
QUOTED = re.compile(r"Symbol\('\w+'(, \w+=(True|False))*\)|Float\('[\d.e+-]+', precision=\d+\)")
EXPRESSION = re.compile(r"[\w\s+\-*/%(),.<>=!&|~]*")


def dangers(archive: bytes) -> list[str]:
    """What in the archive could run code, in words; empty for one that torch.export.save wrote of an ordinary model."""
    # The reader that torch.export uses, so that both see the same members.
    reader = torch._C.PyTorchFileReader(io.BytesIO(archive))
    found: list[str] = []
    for name in reader.get_all_records():
        if name.startswith("data/aotinductor") or name.endswith((".so", ".dll", ".dylib")):
            found.append(f"compiled code in {name}")
        elif name.endswith(".json"):
            found.extend(dangers_in_json(reader, name))
        elif name.endswith((".pt", ".pkl")) and not loads_safely(reader.get_record(name)):
            found.append(f"a pickle in {name}")
    return found


def dangers_in_json(reader: Any, name: str) -> Iterator[str]:
    try:
        document = json.loads(reader.get_record(name))
    except (ValueError, RecursionError):
        yield f"no JSON in {name}"
        return
    for key, value in entries(document):
        if key == "expr_str" and not is_plain_expression(value):
            yield f"the expression {str(value)[:60]!r}"
        elif key == "range_constraints" and not all(map(is_plain_expression, value or ())):
            yield f"the symbols {str(list(value))[:60]}"
        elif key == "target" and isinstance(value, str) and not OPERATORS.fullmatch(value):
            yield f"the operator {value[:60]!r}"
        elif key == "path_name" and str(value).startswith(("custom_obj", "opaque_obj")):
            yield f"the object {value}"
        elif key == "use_pickle" and value:
            yield f"a pickled tensor in {name}"


def entries(document: Any) -> Iterator[tuple[str, Any]]:
    """Every key and value in a JSON document, however deep."""
    waiting = [document]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield from item.items()
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def is_plain_expression(text: Any) -> bool:
    if not isinstance(text, str):
        return False
    text = QUOTED.sub("s", text)
    if not EXPRESSION.fullmatch(text) or "__" in text:
        return False
    if re.search(r"\.\s*[A-Za-z_]", text) or re.search(r"[)\]]\s*\(", text):
        return False
    return all(call in FUNCTIONS for call in re.findall(r"([A-Za-z_]\w*)\s*\(", text))


def loads_safely(pickle: bytes) -> bool:
    try:
        torch.load(io.BytesIO(pickle), weights_only=True)
    except Exception:
        return False
    return True
