"""libdsf's source keeps to its rooms: they include one another one way only, as ARCHITECTURE.md says, and what belongs
to an op is in its files, so that nobody else knows it by name."""

import re
from pathlib import Path

import pytest

from dsruntime.backends.reference.ops import OPS

SOURCE = Path(__file__).parents[2] / "runtime" / "libdsf" / "src"


# Room: those that it may include, besides itself. "" is what stands in no room: the session and the C interface.
MAY_INCLUDE = {
    "base": set(),
    "kernels": {"base", "codecs"},  # of codecs the planes, and nothing that is linked
    "codecs": {"base", "kernels"},
    "load": {"base", "codecs", "ops"},  # a node is proved by its operator's rules
    "operators": {"base", "codecs", "load", "kernels", "ops"},
    "ops": {"base", "codecs", "load", "kernels", "operators"},
    "plan": {"base", "codecs", "load", "ops", "operators"},
    "": {"base", "codecs", "load", "ops", "plan", "kernels"},
}


def sources(room: str) -> list[Path]:
    return sorted(path for path in (SOURCE / room).iterdir() if path.suffix in (".h", ".cpp"))


def test_a_plan_knows_no_op_by_name():
    named = {path.name: set(re.findall(r'"(\w+)"', path.read_text())) & set(OPS) for path in sources("plan")}
    assert not any(named.values()), f"{named}: an op's row says what a plan may ask (ops/op.h)"


@pytest.mark.parametrize("room", ["ops", "plan"])
def test_loops_over_tensors_are_in_operators(room):
    kernels = [path.name for path in sources(room) if re.search(r"class \w+ final : public Kernel", path.read_text())]
    assert not kernels, f"{kernels}: kernels belong into operators/, in a file of the same stem"


def rooms_and_includes():
    for path in sorted(SOURCE.rglob("*")):
        if path.suffix in (".h", ".cpp", ".inl"):
            room = path.relative_to(SOURCE).parent.as_posix().strip(".")
            for name in re.findall(r'#include "([^"]+)"', path.read_text()):
                yield path.relative_to(SOURCE), room, name


def test_every_room_has_its_row():
    assert {room for _, room, _ in rooms_and_includes()} == set(MAY_INCLUDE)


def test_rooms_include_one_way():
    wrong = []
    for path, room, name in rooms_and_includes():
        other = name.rpartition("/")[0]
        if "/" in name and other != room and other not in MAY_INCLUDE[room]:
            wrong.append(f"{path}: {name}")
    assert wrong == []
