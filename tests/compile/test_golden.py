"""Golden files: every version of the format ever written loads, and gives the answer that it gave then."""

from pathlib import Path

import numpy as np
import pytest

from dsruntime import Model
from tools import golden

FOLDER = Path(__file__).parents[2] / "schema" / "golden"
VERSIONS = ["v1.0"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_gives_the_answer_it_always_gave(version, backend):
    model = Model.open(FOLDER / f"{version}.dsf")
    expected = np.load(FOLDER / f"{version}.output.npy", allow_pickle=False)
    found = model.session(backend).run(np.load(FOLDER / f"{version}.input.npy", allow_pickle=False))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)  # its largest sums have 96 terms


def test_every_file_is_tested():
    assert sorted(file.stem for file in FOLDER.glob("*.dsf")) == VERSIONS


def test_covers_both_codecs_codebooks_bases_and_scales():
    weights = Model.open(FOLDER / "v1.0.dsf").graph.weights
    shifts = [weight.shift for weight in weights if weight.shift]
    assert {weight.codec for weight in weights} == {"raw", "shift"}
    assert {(shift.bits, shift.zero) for shift in shifts} == {(5, True), (4, False), (4, True), (6, False)}
    assert {len(shift.base) for shift in shifts} == {1, 96}
    assert {None if shift.scale is None else len(shift.scale) for shift in shifts} == {None, 6}


def test_todays_writer_writes_the_same_bytes():
    assert golden.build(golden.golden()) == (FOLDER / "v1.0.dsf").read_bytes()


def test_refuses_to_overwrite(capsys):
    before = (FOLDER / "v1.0.dsf").read_bytes()
    assert golden.main() == 3
    assert "never rewritten" in capsys.readouterr().err
    assert (FOLDER / "v1.0.dsf").read_bytes() == before
