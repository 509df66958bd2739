"""One random graph on every backend, thread count and batch split, against ONNX Runtime."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np

from dsruntime import Model
from tests.differential.graphs import RandomGraph
from tests.support.cases import BACKENDS, compile_onnx, image_by_image, run_all
from tests.support.onnx_models import run_onnxruntime


def check_graph(graph: RandomGraph, folder: Path) -> None:
    """Raises AssertionError with the backend, batch and output that is off."""
    model = Model.open(compile_onnx(graph.model, folder))
    names = [info.name for info in model.outputs]
    assert names == [output.name for output in graph.model.graph.output]
    for batch in (1, 3):
        x = graph.input(batch)
        made = [output.name for output in graph.watched.graph.output]
        expected = {"x": x, **dict(zip(made, run_onnxruntime(graph.watched, {"x": x}), strict=True))}
        bounds = graph.bounds(expected)
        answers = {}
        for backend, threads, turns in [*((*each, False) for each in BACKENDS), ("cpu", 1, True)]:
            with image_by_image() if turns else nullcontext(), model.session(backend, threads) as session:
                got = answers[backend, threads, turns] = run_all(session, {"x": x})
                repeated = run_all(session, {"x": x})
                halves = [run_all(session, {"x": part}) for part in (x[:1], x[1:])] if batch > 1 else []
            where = f"{backend}, {threads} threads, batch {batch}{', image by image' if turns else ''}"
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
        assert all(a.tobytes() == b.tobytes() for a, b in zip(one, two, strict=True)), "the thread count shows"
