"""The options of a session, and the instruction set that the environment asks for."""

import os
import subprocess
import sys

import numpy as np
import pytest

import dsruntime
from dsruntime import BackendError, ModelError, library
from dsruntime.backends.runner import Arithmetic
from tests.support.dsf_files import build, shift_weight


@pytest.fixture(scope="module")
def linear() -> bytes:
    """y = x · wᵀ, 37 inputs, 11 outputs, 5 bits."""
    rng = np.random.default_rng(0)
    return build(
        values=[{"name": "x", "shape": [-1, 37]}, {"name": "w", "shape": [11, 37]}, {"name": "y", "shape": [-1, 11]}],
        nodes=[{"op": "gemm", "inputs": ["x", "w"], "outputs": ["y"], "attributes": {"trans_b": 1}}],
        weights=[
            shift_weight(
                "w", rng.integers(0, 15, 407), rng.integers(0, 2, 407), bits=5, zero=True, base=[0], order=[0, 1]
            )
        ],
        inputs=["x"],
        outputs=["y"],
    )


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


needs_bf16 = pytest.mark.skipif(
    not any(row["chosen"] and row["bf16"] for row in library.instruction_sets()),
    reason="this CPU multiplies no bfloat16 numbers",
)


def mat_mul(k: int, n: int, bits: int) -> tuple[bytes, np.ndarray]:
    """y = x · w with a scale a column, and its weights."""
    rng = np.random.default_rng(bits)
    levels, signs = rng.integers(0, (1 << bits - 1) - (bits > 1), n * k), rng.integers(0, 2, n * k)
    base, scale = rng.integers(-3, 2, n), rng.uniform(0.5, 2, n).astype(np.float32)
    file = build(
        values=[{"name": "x", "shape": [-1, k]}, {"name": "w", "shape": [k, n]}, {"name": "y", "shape": [-1, n]}],
        nodes=[{"op": "mat_mul", "inputs": ["x", "w"], "outputs": ["y"]}],
        weights=[shift_weight("w", levels, signs, bits=bits, zero=bits > 1, base=base, scale=scale, order=[1, 0])],
        inputs=["x"],
        outputs=["y"],
    )
    signed = np.where(signs, -1.0, 1.0) * 2.0 ** (np.repeat(base, k) - levels) * np.repeat(scale, k).astype(np.float64)
    return file, signed.reshape(n, k).T


def rounded_to_bf16(x: np.ndarray) -> np.ndarray:
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


@needs_bf16
@pytest.mark.parametrize("memory", ["fast", "low"])
@pytest.mark.parametrize("bits", range(1, 7))
def test_bf16_rounds_activations_alone(bits, memory):
    """Rounded activations times exact weights, in float32 sums: for few rows and for many, whose kernels differ."""
    file, weights = mat_mul(130, 37, bits)
    session = dsruntime.load(file, "cpu", 2, precision="bf16", memory=memory)
    for rows in (1, 3, 100):
        x = np.random.default_rng(rows).standard_normal((rows, 130)).astype(np.float32)
        exact = rounded_to_bf16(x).astype(np.float64) @ weights
        bound = 1e-5 * (np.abs(rounded_to_bf16(x)) @ np.abs(weights)) + 1e-6
        assert (np.abs(session.run(x) - exact) <= bound).all()


@pytest.mark.parametrize(
    "options", [{}, {"memory": "low"}, pytest.param({"precision": "bf16"}, marks=needs_bf16)], ids=str
)
def test_answers_do_not_depend_on_threads_or_on_neighbours(options):
    file, _ = mat_mul(1000, 67, 5)
    x = np.random.default_rng(0).standard_normal((7, 1000)).astype(np.float32)
    one, many = (dsruntime.load(file, "cpu", threads, **options) for threads in (1, 3))
    np.testing.assert_array_equal(one.run(x), many.run(x))
    np.testing.assert_array_equal(one.run(x)[5:6], many.run(x[5:6]))


@pytest.mark.parametrize(
    "options, activations",
    [
        ({}, "float32"),
        ({"memory": "low"}, "float32"),
        pytest.param({"precision": "bf16"}, "bfloat16", marks=needs_bf16),
        pytest.param({"precision": "bf16", "memory": "low"}, "bfloat16", marks=needs_bf16),
    ],
    ids=str,
)
def test_a_step_states_what_it_computes_in(options, activations):
    """Whatever its kernel is called: names may say for which instruction set it is."""
    file, _ = mat_mul(130, 37, 5)
    with dsruntime.Model.open(file).session("cpu", 1, profile=True, **options) as session:
        for rows in (1, 100):
            session.run(np.ones((rows, 130), np.float32))
            assert session.profile()[0].arithmetic == Arithmetic(activations, "float32", "direct")


def test_the_reference_states_its_arithmetic(linear):
    with dsruntime.Model.open(linear).session("reference", profile=True) as session:
        session.run(np.ones((1, *session.inputs[0].shape[1:]), np.float32))
        assert {step.arithmetic for step in session.profile()} == {Arithmetic("float32", "float32", "direct")}


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
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"DSF_ISA": isa}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("isa", names(lambda row: row["available"]))
def test_dsf_isa_chooses(isa):
    assert run_with(isa, "from dsruntime import library; print(library.library().dsf_isa().decode())") == isa


@pytest.mark.parametrize("isa", ["avx9", *names(lambda row: not row["available"])])
def test_what_this_cpu_does_not_have_is_refused_by_name(isa, linear, tmp_path):
    (tmp_path / "m.dsf").write_bytes(linear)
    code = (
        f"import dsruntime\ntry: dsruntime.load({str(tmp_path / 'm.dsf')!r})\n"
        "except dsruntime.BackendError as e: print(e)"
    )
    text = run_with(isa, code)
    assert f"asks for instruction set '{isa}'" in text and "scalar" in text and "DSF_ISA" in text


def test_bf16_is_refused_by_name_where_there_is_none(linear, tmp_path):
    (tmp_path / "m.dsf").write_bytes(linear)
    code = (
        f"import dsruntime\ntry: dsruntime.load({str(tmp_path / 'm.dsf')!r}, precision='bf16')\n"
        "except dsruntime.BackendError as e: print(e)"
    )
    text = run_with("scalar", code)
    assert "precision bf16" in text and "scalar" in text and "use precision float32" in text
