"""libdsf's source keeps to its rooms: what belongs to an op is in its files, and nobody else knows it by name."""

import re
from pathlib import Path

import pytest

from dsruntime.backends.reference.ops import OPS

SOURCE = Path(__file__).parents[2] / "runtime" / "libdsf" / "src"


def sources(room: str) -> list[Path]:
    return sorted(path for path in (SOURCE / room).iterdir() if path.suffix in (".h", ".cpp"))


def test_a_plan_knows_no_op_by_name():
    named = {path.name: set(re.findall(r'"(\w+)"', path.read_text())) & set(OPS) for path in sources("plan")}
    assert not any(named.values()), f"{named}: an op's row says what a plan may ask (ops/op.h)"


@pytest.mark.parametrize("room", ["ops", "plan"])
def test_loops_over_tensors_are_in_operators(room):
    kernels = [path.name for path in sources(room) if re.search(r"class \w+ final : public Kernel", path.read_text())]
    assert not kernels, f"{kernels}: kernels belong into operators/, in a file of the same stem"
