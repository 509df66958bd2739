"""archive_check: refuses a .pt2 archive whose loading or translation would run code that the archive holds.

torch.export.load evaluates size expressions as Python, pastes names into Python, imports modules that a structure of
inputs names, looks operators up, unpickles what is stored as a pickle and loads compiled code. Before it gets the
bytes, this allows only

    members              those of MEMBERS, stored plainly, each once, with the right checksum
    every text           what RULES say for its key; a key that is not there is refused
    size expressions     numbers, symbols, arithmetic, and calls of FUNCTIONS: archive_expression.py
    operators            PyTorch's own on tensors, control flow, arithmetic on sizes: archive_operators.py
    pickles              those that torch.load(weights_only=True) takes
"""

import io
import json
import math
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from dscompress.capture.archive_expression import is_plain_expression
from dscompress.capture.archive_operators import is_plain_operator
from dscompress.torchfile.inert import Unreadable, shown
from dscompress.torchfile.zip_file import checked_members

MEMBERS = re.compile(
    r"models/\w+\.json|data/(weights|constants)/(\w+_config\.json|weight_\d+|tensor_\d+)|data/sample_inputs/\w+\.pt|"
    r"archive_format|archive_version|byteorder|version|\.data/\w+|extra/[\w./-]+"
)
NAME = re.compile(r"\w*").fullmatch  # becomes Python's name of a value
PATH = re.compile(r"[^\"'\\\x00-\x1f\x7f]*").fullmatch  # of a module or weight, or a word for an operator
WORD = re.compile(r"[\w.+-]*").fullmatch
TREES = ("builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")

# Key → what a text under it, or in a list under it, may be.
RULES: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("name", "as_name", "forward_arg_names", "user_input_name"), NAME),
    **dict.fromkeys(("fqn", "parameter_name", "buffer_name", "tensor_constant_name", "as_string", "as_strings"), PATH),
    **dict.fromkeys(("type", "torch_version", "verifiers"), WORD),
    **dict.fromkeys(("as_float", "as_floats", "min_val", "max_val"), ("Infinity", "-Infinity", "NaN").__contains__),
    **dict.fromkeys(("target", "as_operator"), is_plain_operator),
    "expr_str": is_plain_expression,
    "path_name": re.compile(r"(weight|tensor)_\d+").fullmatch,
    "in_spec": lambda text: is_plain_structure(text, NAME),
    "out_spec": lambda text: is_plain_structure(text, PATH),
}
UNUSED = ("metadata", "guards_code")  # the first is shown, never run; the second is left out after loading
MOST_CLAIMED, EXPANDED = 1 << 28, 8  # bytes of all weights, beside so many times those of the file
ITEM_BYTES = 4
CALLED = {"expr_str": "expression", "target": "operator", "as_operator": "operator", "path_name": "object"}


def dangers(archive: bytes) -> list[str]:
    """What in the archive could run code, in words; empty for one that torch.export.save wrote of an ordinary model.

    Raises what the readers of such archives raise where it is damaged.
    """
    refuse_damage(archive)
    # The reader that torch.export uses, so that both see the same members.
    reader = torch._C.PyTorchFileReader(io.BytesIO(archive))
    found: list[str] = []
    for name in reader.get_all_records():
        if not MEMBERS.fullmatch(name):
            compiled = name.startswith("data/aotinductor") or name.endswith((".so", ".dll", ".dylib"))
            found.append(f"{'compiled code in ' if compiled else ''}{shown(name)}")
        elif name.endswith(".json"):
            found.extend(dangers_in_json(reader, name))
        elif name.endswith(".pt") and not loads_safely(reader.get_record(name)):
            found.append(f"a pickle in {name}")
    return found


def large_claims(archive: bytes) -> list[str]:
    """Weights whose sizes are not those of what is stored, in words: zeros that nobody stored, or far-spread views.

    Of an archive without dangers; raises what its structure makes raise where it is damaged.
    """
    reader = torch._C.PyTorchFileReader(io.BytesIO(archive))
    most, found = MOST_CLAIMED + EXPANDED * len(archive), []
    for name in reader.get_all_records():
        if not name.endswith("_config.json"):
            continue
        for key, entry in json.loads(reader.get_record(name))["config"].items():
            meta, folder = entry["tensor_meta"], name.rpartition("/")[0]
            sizes = [size["as_int"] for size in meta["sizes"]]
            claimed, stored = math.prod(sizes), reader.get_record_size(f"{folder}/{entry['path_name']}")
            most -= ITEM_BYTES * claimed
            if min(sizes, default=0) < 0 or (claimed and not stored) or most < 0:
                found.append(f"the weight {shown(key)} of {' x '.join(map(str, sizes))} in {stored:,} bytes")
                return found
    return found


def refuse_damage(archive: bytes) -> None:
    """Its members are stored plainly, each once; whose checksums nobody else looks at."""
    members = checked_members(io.BytesIO(archive), len(archive))
    if len({name.casefold() for name in members}) != len(members):
        raise Unreadable("is a ZIP archive with two members of one name", damage=False)
    for name, member in members.items():
        if zlib.crc32(memoryview(archive)[member.start : member.start + member.length]) != member.crc:
            raise Unreadable(f"the checksum of {shown(name)} is wrong")


def dangers_in_json(reader: Any, name: str) -> Iterator[str]:
    try:
        document = json.loads(reader.get_record(name))
    except (ValueError, RecursionError):
        yield f"no JSON in {name}"
        return
    for key, part in parts(document):
        if isinstance(part, str) and not RULES.get(key, refused)(part):
            yield f"the {CALLED.get(key, key)} {shown(part)}"
        elif isinstance(part, dict) and not all(map(PATH if key == "config" else NAME, part)):
            yield f"the names {shown(str(list(part)))} in {key or name}"
        elif isinstance(part, dict) and part.get("use_pickle"):
            yield f"a pickled tensor in {name}"


def refused(text: str) -> bool:
    return False


def parts(document: Any) -> Iterator[tuple[str, dict | str]]:
    """Every object and text, however deep, and the key that it stands under, lists between or not; none UNUSED."""
    waiting = [("", document)]
    while waiting:
        key, part = waiting.pop()
        if isinstance(part, dict):
            waiting.extend((name, value) for name, value in part.items() if name not in UNUSED)
        elif isinstance(part, list):
            waiting.extend((key, value) for value in part)
        if isinstance(part, dict | str):
            yield key, part


def is_plain_structure(text: str, is_key: Callable[[str], Any]) -> bool:
    """Tuples, lists and dicts; any other kind may import the module that it names."""
    try:
        protocol, waiting = json.loads(text)
        waiting = [waiting]
        while waiting:
            node = waiting.pop()
            context = json.loads(node["context"] or "null")
            if node["type"] not in (None, *TREES) or not (context is None or isinstance(context, list)):
                return False
            if not all(isinstance(key, int) or (isinstance(key, str) and is_key(key)) for key in context or ()):
                return False
            waiting.extend(node["children_spec"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    return protocol == 1


def loads_safely(pickle: bytes) -> bool:
    try:
        checked_members(io.BytesIO(pickle), len(pickle))  # none is compressed, which may hold a thousand times as much
        torch.load(io.BytesIO(pickle), weights_only=True)
    except Exception:
        return False
    return True
