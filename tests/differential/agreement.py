"""One random graph on every backend, thread count and batch split, against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from dsruntime import Model
from dsruntime.library import instruction_sets
from tests.differential.graphs import RandomGraph
from tests.support.cases import BACKENDS, compile_onnx, image_by_image, run_all
from tests.support.onnx_models import run_onnxruntime

OPTIONS = ({}, {"memory": "low"}, {"precision": "bf16"}, {"memory": "low", "precision": "bf16"})
BF16_ROUNDING = 2.0**-8  # δ → δ + 2⁻⁸(|x| + δ), docs/verify.md


def possible_options() -> list[dict]:
    """All options of sessions that this CPU, and DSF_ISA, can run."""
    (row,) = [row for row in instruction_sets() if row["chosen"]]
    return [option for option in OPTIONS if row["bf16"] or "precision" not in option]


def check_graph(graph: RandomGraph, folder: Path, options: Sequence[dict] = OPTIONS[:1]) -> None:
    """Raises AssertionError with the backend, options, batch and output that is off."""
    model = Model.open(compile_onnx(graph.model, folder))
    assert [info.name for info in model.outputs] == [output.name for output in graph.model.graph.output]
    for batch in (1, 3):
        x = graph.input(batch)
        made = [output.name for output in graph.watched.graph.output]
        expected = {"x": x, **dict(zip(made, run_onnxruntime(graph.watched, {"x": x}), strict=True))}
        for option in options:
            check_sessions(graph, model, x, expected, option)


def check_sessions(graph: RandomGraph, model: Model, x: np.ndarray, expected: dict, option: dict) -> None:
    """Every backend that has the option, and batches image by image."""
    names = [info.name for info in model.outputs]
    bounds = graph.bounds(expected, BF16_ROUNDING if "precision" in option else 0.0)
    answers = {}
    for backend, threads, turns in [*((*each, False) for each in BACKENDS), ("cpu", 1, True)]:
        if option and backend == "reference":
            continue
        with image_by_image() if turns else nullcontext(), model.session(backend, threads, **option) as session:
            got = answers[backend, threads, turns] = run_all(session, {"x": x})
            repeated = run_all(session, {"x": x})
            halves = [run_all(session, {"x": part}) for part in (x[:1], x[1:])] if len(x) > 1 else []
        where = f"{backend}, {threads} threads, batch {len(x)}, {option}{', image by image' if turns else ''}"
        for i, name in enumerate(names):
            off = np.abs(got[i].astype(np.float64) - expected[name].astype(np.float64))
            assert got[i].shape == expected[name].shape, f"{where}: {name} is {got[i].shape}"
            assert np.isfinite(off).all() and off.max() <= bounds[name], (
                f"{where}: {name} is off by {off.max()}, at most {bounds[name]} is right"
            )
            assert repeated[i].tobytes() == got[i].tobytes(), f"{where}: {name} differs in a second run"
            if halves:
                joined = np.concatenate([half[i] for half in halves])
                limit = 2 * bounds[name]
                assert np.abs(joined - got[i]).max() <= limit, f"{where}: {name} depends on the batch split"
    one, two = answers["cpu", 1, False], answers["cpu", 2, False]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, two, strict=True)), f"{option}: the thread count shows"
