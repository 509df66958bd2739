"""--limit: what a file may ask for is raised by whoever runs it, in every command that does."""

import itertools
from dataclasses import fields

import numpy as np
import pytest

from dscompress.cli.options import LIMITS, Limit
from dsruntime import Limits, Model
from tests.support.dsf_files import build


def test_the_names_are_those_of_python():
    assert LIMITS == tuple(field.name for field in fields(Limits))


def squares(path, side):
    """A small file that makes a matrix of one number, and multiplies it with itself six times."""
    names = [f"m{i}" for i in range(7)]
    nodes = [{"op": "expand", "inputs": ["x"], "outputs": ["m0"], "attributes": {"shape": [side, side]}}]
    nodes += [{"op": "mat_mul", "inputs": [made, "m0"], "outputs": [name]} for made, name in itertools.pairwise(names)]
    nodes += [{"op": "reduce_sum", "inputs": ["m6"], "outputs": ["y"], "attributes": {"axes": [0, 1]}}]
    path.write_bytes(
        build(
            values=[
                {"name": "x", "shape": [1, 1]},
                {"name": "y", "shape": [1, 1]},
                *({"name": name, "shape": [side, side]} for name in names),
            ],
            nodes=nodes,
            inputs=["x"],
            outputs=["y"],
        )
    )
    return path


@pytest.fixture
def one(tmp_path):
    np.save(tmp_path / "one.npy", np.ones((1, 1), np.float32))
    return tmp_path / "one.npy"


def test_a_file_that_would_compute_for_hours_is_refused_unless_it_is_trusted(call, one, tmp_path):
    found = call("run", squares(tmp_path / "bomb.dsf", 8192), one)
    assert found.exit_code == 3
    assert "→ raise the limit multiply_adds if you trust the file: --limit multiply_adds=NUMBER" in found.stderr
    small = squares(tmp_path / "small.dsf", 16)
    wanted = Model.open(small).multiply_adds()
    assert call("run", small, one, "--limit", f"multiply_adds={wanted - 1}").exit_code == 3
    assert call("run", small, one, "--limit", f"multiply_adds={wanted}", "-o", tmp_path / "y.npy").exit_code == 0
    assert np.load(tmp_path / "y.npy") == 16.0**8


def test_a_limit_is_raised_above_what_holds_otherwise():
    """2^41 multiply-adds take a minute: only the count is looked at."""
    name, number = Limit(LIMITS).convert("multiply_adds=4T", None, None)
    assert (name, number) == ("multiply_adds", 2**42)
    values = [{"name": name, "shape": [1, 1]} for name in "xy"] + [{"name": "m", "shape": [16384, 16384]}]
    values += [{"name": "p", "shape": [16384, 16384]}]
    data = build(
        values=values,
        inputs=["x"],
        outputs=["y"],
        nodes=[
            {"op": "expand", "inputs": ["x"], "outputs": ["m"], "attributes": {"shape": [16384, 16384]}},
            {"op": "mat_mul", "inputs": ["m", "m"], "outputs": ["p"]},
            {"op": "reduce_sum", "inputs": ["p"], "outputs": ["y"], "attributes": {"axes": [0, 1]}},
        ],
    )
    assert Model.open(data, limits=Limits(**{name: number + 2**41})).multiply_adds() > 2**42


@pytest.mark.parametrize("text, number", [("1", 1), ("3K", 3072), ("2G", 2**31), ("8388608T", 2**63)])
def test_numbers(text, number):
    assert Limit(LIMITS).convert(f"plan_bytes={text}", None, None) == ("plan_bytes", number)
