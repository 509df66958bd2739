"""The options of a session, and the instruction set that the environment asks for."""

import os
import subprocess
import sys

import numpy as np
import pytest

import dsruntime
from dsruntime import BackendError, ModelError, library
from tests.support.dsf_files import build, shift_weight


@pytest.fixture(scope="module")
def linear() -> bytes:
    """y = x · wᵀ, 37 inputs, 11 outputs, 5 bits."""
    rng = np.random.default_rng(0)
    return build(
        values=[{"name": "x", "shape": [-1, 37]}, {"name": "w", "shape": [11, 37]}, {"name": "y", "shape": [-1, 11]}],
        nodes=[{"op": "gemm", "inputs": ["x", "w"], "outputs": ["y"], "attributes": {"trans_b": 1}}],
        weights=[shift_weight("w", rng.integers(0, 15, 407), rng.integers(0, 2, 407), bits=5, zero=True, base=[0],
                              order=[0, 1])],
        inputs=["x"], outputs=["y"])


@pytest.mark.parametrize("option", [{"memory": "tiny"}, {"precision": "float16"}], ids=str)
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_unknown_options_are_refused(linear, backend, option):
    name, value = next(iter(option.items()))
    with pytest.raises(ModelError, match=f"{name}='{value}'.*expected"):
        dsruntime.load(linear, backend, **option)


def test_low_memory_answers_the_same(linear):
    x = np.arange(5 * 37, dtype=np.float32).reshape(5, 37)
    answers = [dsruntime.load(linear, "cpu", memory=memory).run(x) for memory in ("fast", "low")]
    np.testing.assert_array_equal(*answers)


def test_the_reference_refuses_bf16(linear):
    with pytest.raises(BackendError, match="reference: precision bf16; expected float32"):
        dsruntime.load(linear, "reference", precision="bf16")


def test_prepare_takes_options(linear):
    model = dsruntime.Model.open(linear)
    model.prepare(memory="low")
    with pytest.raises(ModelError, match="precision='half'"):
        model.prepare(precision="half")


def names(condition=lambda row: True) -> list[str]:
    return [row["name"] for row in library.instruction_sets() if condition(row)]


def run_with(isa: str, code: str) -> str:
    """What `code` prints in a process of its own where DSF_ISA is `isa`."""
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"DSF_ISA": isa}, capture_output=True,
                          text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("isa", names(lambda row: row["available"]))
def test_dsf_isa_chooses(isa):
    assert run_with(isa, "from dsruntime import library; print(library.library().dsf_isa().decode())") == isa


@pytest.mark.parametrize("isa", ["avx9", *names(lambda row: not row["available"])])
def test_what_this_cpu_does_not_have_is_refused_by_name(isa, linear, tmp_path):
    (tmp_path / "m.dsf").write_bytes(linear)
    code = (f"import dsruntime\ntry: dsruntime.load({str(tmp_path / 'm.dsf')!r})\n"
            "except dsruntime.BackendError as e: print(e)")
    text = run_with(isa, code)
    assert f"asks for instruction set '{isa}'" in text and "scalar" in text and "DSF_ISA" in text


def test_bf16_is_refused_by_name_where_there_is_none(linear, tmp_path):
    (tmp_path / "m.dsf").write_bytes(linear)
    code = (f"import dsruntime\ntry: dsruntime.load({str(tmp_path / 'm.dsf')!r}, precision='bf16')\n"
            "except dsruntime.BackendError as e: print(e)")
    text = run_with("scalar", code)
    assert "precision bf16" in text and "scalar" in text and "use precision float32" in text
