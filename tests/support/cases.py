"""Op cases: one node in the file's terms, run on every backend and, as ONNX, on ONNX Runtime.

A case goes two ways into a .dsf file: written directly (dsf_files), and as an ONNX model through the compiler.
Both files must give ONNX Runtime's answer on every backend: equal where float32 is exact in any order
(integer values, weights ±2^k, sums below 2^24), within a computed bound elsewhere (bounds.py).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from dsruntime import load
from dsruntime.errors import ModelError
from tests.support.bounds import bound_of
from tests.support.one_node import is_shift, one_node_file
from tests.support.onnx_models import one_node_model, run_onnxruntime

# backend, threads
BACKENDS = (("reference", 1), ("cpu", 1), ("cpu", 2))


@dataclass(frozen=True)
class Case:
    """inputs: arrays, or None for an absent optional input; weights: the inputs that are stored in the file;
    batch: inputs that are not weights have N in front; exact: equal, or within the op's bound;
    onnx: False where ONNX leaves the answer open, then the reference is the judge and output_types are declared;
    compiled: False where the compiler rightly folds the node away; mentions: a word of the refusal's message."""

    label: str
    inputs: tuple[np.ndarray | None, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    weights: tuple[int, ...] = ()
    outputs: int = 1
    batch: bool = False
    exact: bool = True
    onnx: bool = True
    compiled: bool = True
    output_types: tuple[tuple[str, tuple[int, ...]], ...] = ()
    mentions: str = ""

    def __str__(self) -> str:
        return self.label.replace(" ", "-")


def check(op: str, case: Case, folder: Path) -> None:
    """Both files of a case, on every backend, against ONNX Runtime."""
    feeds = {f"x{i}": a for i, a in enumerate(case.inputs) if a is not None and i not in case.weights}
    expected = None
    if case.onnx:
        expected = run_onnxruntime(one_node_model(op, case), feeds)
    types = None if case.onnx else case.output_types
    files = {"direct": one_node_file(op, case, output_types=types)}
    if is_shift(op, case):
        files["shift"] = one_node_file(op, case, codec="shift", output_types=types)
    if case.onnx and case.compiled:
        files["compiled"] = compile_onnx(one_node_model(op, case), folder)
    for way, data in files.items():
        for backend, threads in BACKENDS:
            compiled = way == "compiled"
            with load(data, backend=backend, threads=threads) as session:
                got = run_all(session, {name: raised(a) for name, a in feeds.items()} if compiled else feeds)
            if expected is None:
                expected = got
            where = f"{op} {case.label}, {way} file, {backend} with {threads} threads"
            compare(op, case, [raised(a) for a in expected] if compiled else expected, got, where)
        if case.batch and way == "direct":
            with image_by_image(), load(data, backend="cpu", threads=1) as session:
                compare(op, case, expected, run_all(session, feeds), f"{op} {case.label}, image by image")


def raised(array: np.ndarray) -> np.ndarray:
    """As the compiler takes it: float16 becomes float32."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def image_by_image():
    """Within this context libdsf runs batches one image at a time, wherever it can cut them."""
    return mock.patch.dict(os.environ, {"DSF_TURN_BYTES": "1"})


def run_all(session, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs in the model's order; inputs by name, a missing one (a model without real inputs) is zero."""
    known = {info.name: feeds.get(info.name, np.zeros((1,), np.float32)) for info in session.inputs}
    result = session.run(known)
    return [result[info.name] for info in session.outputs] if isinstance(result, dict) else [result]


def compare(op: str, case: Case, expected: list[np.ndarray], got: list[np.ndarray], where: str) -> None:
    assert len(expected) == len(got), where
    for i, (want, have) in enumerate(zip(expected, got, strict=True)):
        assert have.dtype == want.dtype, f"{where}: output {i} is {have.dtype}, expected {want.dtype}"
        assert have.shape == want.shape, f"{where}: output {i} is {have.shape}, expected {want.shape}"
        if case.exact:
            np.testing.assert_array_equal(have, want, err_msg=where)
        else:
            assert_within(have, want, bound_of(op, case, want), where)


def assert_within(have: np.ndarray, want: np.ndarray, bound: np.ndarray, where: str) -> None:
    """|have - want| <= bound; where `want` is not finite the two are equal."""
    finite = np.isfinite(want)
    np.testing.assert_array_equal(have[~finite], want[~finite], err_msg=where)
    with np.errstate(invalid="ignore"):  # inf - inf, left out below
        difference = np.abs(have.astype(np.float64) - want.astype(np.float64), where=finite, out=np.zeros(want.shape))
    over = np.where(finite, difference - np.broadcast_to(bound, want.shape), -1)
    assert want.size == 0 or not (over.max() > 0 or np.isnan(difference).any()), (
        f"{where}: element {np.unravel_index(over.argmax(), want.shape)} is {have.flat[over.argmax()]!r}, "
        f"expected {want.flat[over.argmax()]!r}, {over.max()} over the bound"
    )


def compile_onnx(model, folder: Path) -> bytes:
    """The .dsf bytes that the compiler makes of an ONNX model."""
    from dscompress import compile_model

    path = folder / "case.onnx"
    path.write_bytes(model.SerializeToString())
    return compile_model(path).data


def check_refused(op: str, case: Case) -> None:
    """A file with this node is refused when it is loaded; the message names the node and what the case mentions.

    The output is declared as x0's type unless the case says otherwise.
    """
    first = next((a for a in case.inputs if a is not None), np.zeros(1, np.float32))
    types = case.output_types or ((str(first.dtype), first.shape),) * case.outputs
    data = one_node_file(op, case, output_types=types)
    try:
        load(data, backend="cpu").close()
    except ModelError as error:
        assert f"({op})" in str(error) or "value 'y0'" in str(error), f"the message names no node or value: {error}"
        assert case.mentions in str(error), f"the message lacks {case.mentions!r}: {error}"
        return
    raise AssertionError(f"{op} {case.label}: the file was accepted")


def values_of(shape: tuple[int, ...], seed: int) -> np.random.Generator:
    return np.random.default_rng([len(shape), *shape, seed])


def ints(*shape: int, seed: int = 0, low: int = -8, high: int = 8) -> np.ndarray:
    """Integers in float32: sums of products with them are exact."""
    return values_of(shape, seed).integers(low, high + 1, shape).astype(np.float32)


def shifts(*shape: int, seed: int = 0, levels: int = 4) -> np.ndarray:
    """±2^k, 0 <= k < levels."""
    random = values_of(shape, seed + 1000)
    return (random.choice([-1, 1], shape) * 2.0 ** random.integers(0, levels, shape)).astype(np.float32)


def normals(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return (values_of(shape, seed + 2000).standard_normal(shape) * scale).astype(np.float32)


def indices(*values: int, shape: tuple[int, ...] | None = None) -> np.ndarray:
    array = np.array(values, np.int64)
    return array if shape is None else array.reshape(shape)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)
