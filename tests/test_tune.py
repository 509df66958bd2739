"""tune: every constant that it measures stands in its file once, has a value of its table, and names the command."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def tune(monkeypatch):
    """tools/bench/tune.py, whose neighbours are imported by their own names."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools" / "bench"), *sys.path])
    from tools.bench import tune

    return tune


def test_every_constant_is_found_at_a_value_of_its_table(tune):
    for group, constants in tune.GROUPS.items():
        for constant in constants:
            assert tune.value_of(constant) in constant.values, constant.name
            text = (tune.SOURCE / constant.file).read_text()
            assert f"tools/bench/tune.py {group}" in text[: text.index(f"{constant.name} = ")], constant.file


def test_a_constant_that_is_gone_is_said(tune):
    with pytest.raises(LookupError, match="base/caps.h sets NOWHERE 0 times"):
        tune.value_of(tune.Constant("NOWHERE", "base/caps.h", (1,), ()))


def test_values_are_read_as_the_compiler_does(tune):
    assert tune.value_of(tune.Constant("MAX_DIM", "base/caps.h", (), ())) == 1 << 20
    assert tune.value_of(tune.Constant("MAX_NODES", "base/caps.h", (), ())) == 4096
