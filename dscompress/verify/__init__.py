"""verify: is the .dsf the model it was made from? ONNX Runtime on the source's graph says what the answers are.

    SOURCE ─capture, passes─→ graph ──→ ONNX Runtime, nothing fused ──→ every value        oracle.py
                                │                                          │
                     weights, bit for bit                     each node within its bound   layers.py, bounds/
                                │                                          │
    MODEL.dsf ────load──────────┴────→ a session that keeps values ──→ every value
                                └────→ the session users run ────────→ outputs, top-1

1. The graphs must match by name, each node must be what export makes of the source's, and every stored weight must
   decode to the graph's tensor, bit for bit. Where the import made other numbers than the source's own, it has counted
   them: then the .dsf is not the same model.
2. Node after node, both sides' measured inputs and outputs are compared: bounds/ says how far apart two right
   float32 runs may be. An error cannot hide behind a later layer, and a layer is not blamed for what it was fed.
3. Outputs: fused kernels against unfused ones, and the passes' graph against the captured one, differ by no more than
   a few times what rounding does to the same graph on both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from dscompress.changes import Change
from dscompress.metadata import SHA256
from dscompress.verify.feeds import batch_of, few, make_feeds
from dscompress.verify.layers import Comparison, Layer
from dscompress.verify.matching import WeightDifference, different_weights, differing_nodes, mismatch
from dscompress.verify.measures import OutputDifference, output_difference
from dscompress.verify.oracle import Oracle
from dsruntime.model import Limits

if TYPE_CHECKING:
    from dscompress.capture.options import ImpliedInput


@dataclass
class Verification:
    model: str
    source: str
    backend: str
    memory: str
    precision: str
    samples: int
    mismatch: str = ""  # the graphs are not the same: why
    weights: int = 0
    different_weights: list[WeightDifference] = field(default_factory=list)
    outputs: list[OutputDifference] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)  # nodes that could not be compared by themselves
    first_bad: Layer | None = None
    apart: str = ""  # every layer agrees, the outputs do not: why
    warnings: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)  # tensors of which the import made other numbers
    notes: list[str] = field(default_factory=list)  # what the import says it did

    @property
    def as_imported(self) -> bool:
        """Whether the .dsf is what the import makes of the source."""
        return not (self.mismatch or self.different_weights or self.first_bad or self.apart)

    @property
    def same(self) -> bool:
        """Whether, besides, its numbers are the source's own."""
        return self.as_imported and not self.changes

    def as_dict(self) -> dict:
        return {**asdict(self), "same": self.same, "as_imported": self.as_imported}


def verify_model(
    path,
    source,
    options=None,
    *,
    samples: int | None = None,
    inputs: np.ndarray | None = None,
    backend: str = "cpu",
    threads: int | None = None,
    memory: str = "fast",
    precision: str = "float32",
    limits: Limits | None = None,
    every_layer: bool = False,
    seed: int = 0,
    advance: Callable[..., None] = lambda count=1, label=None: None,
) -> Verification:
    """Compares the .dsf with the model it was made from.

    options: capture.CaptureOptions, those of the export. inputs: the samples of a model with one input, along the first
    axis; without them, normally distributed numbers, the same ones every time. samples: how many, 8 of random ones
    unless given; fewer than there are `inputs` are taken evenly from them. backend, threads, memory, precision: of the
    sessions that are compared, as in Model.session. limits: what the .dsf may ask for, as in Model.open. every_layer:
    go on after the first layer that is out of bounds.
    """
    from dscompress.capture import CaptureOptions, capture
    from dsruntime import Model

    advance(label="Loading")
    model = Model.open(path, limits=limits)
    advance(label="Capturing the source")
    options = replace(options or CaptureOptions(), implied_input=input_of(model))
    if not any(isinstance(d, str) for info in model.inputs for d in info.shape):  # the export fixed the batch
        options = replace(options, dynamic_batch=False)
    captured = capture(source, options)
    with TemporaryDirectory(prefix="dscompress-verify-") as folder:
        return compare_models(
            str(path),
            str(source),
            model,
            captured,
            Path(folder),
            samples=samples,
            inputs=inputs,
            session={"backend": backend, "threads": threads, "memory": memory, "precision": precision},
            every_layer=every_layer,
            seed=seed,
            advance=advance,
        )


def input_of(model) -> ImpliedInput | None:
    """A single sample, for a source that does not say its shape and dtype; None of a model with several inputs."""
    from dscompress.capture.options import ImpliedInput

    if len(model.inputs) != 1:
        return None
    entry = model.inputs[0]
    shape = tuple(d if isinstance(d, int) else int(d[:-1] or 1) for d in entry.shape)
    return ImpliedInput(shape, "the .dsf", str(entry.dtype))


def compare_models(
    path: str, source: str, model, captured, folder: Path, *, samples, inputs, session, every_layer, seed, advance
) -> Verification:
    """The captured graph says what the outputs are; after the passes, what each layer is."""
    from dscompress.compile.lower import lower
    from dscompress.passes import run_pipeline
    from dsruntime.backends import resolve

    original = Oracle(captured.model, folder / "captured")
    graph = run_pipeline(captured.model)

    found = Verification(
        path,
        source,
        resolve(session["backend"]),
        session["memory"],
        session["precision"],
        samples or 0,
        changes=captured.changes,
        notes=captured.notes,
    )
    recorded = model.metadata.get(SHA256)
    if recorded and captured.sha256 and recorded != captured.sha256:
        found.warnings.append(
            f"{source} is not the file that {path} was made from: its sha256 is "
            f"{captured.sha256[:12]}…, the .dsf records {recorded[:12]}…"
        )
    found.mismatch = mismatch(model.graph, graph, path, source) or differing_nodes(
        model.graph, graph, lower(graph), path, source
    )
    if found.mismatch:
        return found

    advance(label="Comparing weights")
    found.weights = len(model.graph.weights)
    found.different_weights = list(different_weights(model, graph))

    feeds = make_feeds(model.graph, samples, inputs, seed)
    found.samples = sum(batch_of(model.graph, feed) for feed in feeds)
    comparison = Comparison(model, graph, Oracle(graph, folder / "passed"), session)
    advance(label="Comparing outputs")
    results = comparison.outputs(feeds, original)
    found.outputs = [output_difference(*result) for result in results]
    silent = [name for name, _, theirs in results if theirs.size and not np.isfinite(theirs).any()]
    if silent:
        found.warnings.append(
            f"with these inputs {source} gives no finite number in output '{silent[0]}', so they say "
            "nothing of how exact it is"
        )
    for layer in comparison.layers(few(model.graph, feeds), every_layer, advance):
        found.layers.append(layer)
        if not layer.within and found.first_bad is None:
            found.first_bad = layer
    found.unchecked = comparison.unchecked
    if not found.first_bad:
        advance(label="Comparing the parts")
        found.apart = comparison.apart(feeds, results)
    return found
