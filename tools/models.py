"""models: exports torchvision's definitions as shift networks, compares with ONNX Runtime, writes docs/models.md.

python tools/models.py                      all of them, and the table
python tools/models.py --only resnet18      one, printed; the table is left as it is
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import zoo

import dscompress
import dsruntime
from dscompress.capture import CaptureOptions
from dscompress.verify import verify_model
from dsruntime.ledger import ledger

PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"
IMAGES = 64
BATCH = 16

HEAD = """# Models

<!-- written by tools/models.py -->

torchvision's definitions as 5-bit shift networks (Q or PS), exported to `.dsf` and compared with ONNX Runtime, which
runs PyTorch's own float32 export of the same network. The weights are random with a fixed seed, the batch norms
calibrated and the classes centred on photographs (`tools/zoo.py`): this table is about exact export and equal answers,
not about accuracy on ImageNet. Inputs: 64 crops of scikit-learn's two sample photographs, all on the `cpu` backend.

| column | meaning |
|---|---|
| nodes, ops | nodes in the file, and how many different operators they use |
| bytes | the `.dsf` file, everything included |
| bits | stored bits for each weight element of the file, biases and norms that stayed float32 included |
| shift | share of the weight elements stored as shift codes |
| max error | largest difference of a logit over the 64 inputs; beside it their standard deviation |
| SNR | signal to noise of the logits, in decibels |
| top-1 | inputs for which both name the same class, and the number of different classes named |
| layers | nodes that `dscompress verify` finds within their computed bound, of those it compares |
| export | seconds of `compile_model`, capture by `torch.export` included |

| model | weights | method | nodes | ops | bytes | bits | shift | max error | std | SNR | top-1 | layers | export |
|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
"""


@dataclass
class Row:
    name: str
    weights: int
    nodes: int
    ops: int
    bytes: int
    bits: float
    shift: float
    error: float
    spread: float
    snr: float
    agreement: int
    classes: int
    layers: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"| {self.name} | {self.weights:,} | {zoo.METHOD_OF[self.name]} | {self.nodes} | {self.ops} "
            f"| {self.bytes:,} | {self.bits:.3f} | {self.shift:.2%} | {self.error:.1e} | {self.spread:.2g} "
            f"| {self.snr:.0f} dB | {self.agreement}/{IMAGES} ({self.classes}) | {self.layers} | {self.seconds:.1f} s |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="export and compare torchvision's models")
    parser.add_argument("--only", choices=list(zoo.METHOD_OF), help="one model; writes no page")
    only = parser.parse_args().only
    images = zoo.photographs(IMAGES)
    rows = []
    for name in [only] if only else zoo.METHOD_OF:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(name, images, Path(folder)))
        print(rows[-1], flush=True)
    if not only:
        PAGE.write_text(HEAD + "".join(f"{row}\n" for row in rows))


def measure(name: str, images: np.ndarray, folder: Path) -> Row:
    model = zoo.shift_model(name)
    start = time.perf_counter()
    dscompress.compile_model(model, folder / "model.dsf", input_shape=(1, 3, zoo.SIZE, zoo.SIZE), name=name)
    seconds = time.perf_counter() - start
    expected = onnx_answers(model, folder / "model.onnx", images)
    layers = layers_within_bound(folder / "model.dsf", model, images)
    return compare(name, folder / "model.dsf", images, expected, layers, seconds)


def layers_within_bound(path: Path, model: torch.nn.Module, images: np.ndarray) -> str:
    options = CaptureOptions(input_shape=(1, 3, zoo.SIZE, zoo.SIZE))
    found = verify_model(path, model, options, inputs=images[:2], every_layer=True)
    if found.mismatch or found.different_weights or found.apart or found.unchecked:
        raise SystemExit(f"{path.stem}: {found}")
    return f"{sum(layer.within for layer in found.layers)}/{len(found.layers)}"


def onnx_answers(model: torch.nn.Module, path: Path, images: np.ndarray) -> np.ndarray:
    zoo.write_onnx(model, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: batch})[0] for batch in batches(images)])


def compare(name: str, path: Path, images: np.ndarray, expected: np.ndarray, layers: str, seconds: float) -> Row:
    model = dsruntime.Model.open(path)
    with model.session() as session:
        answers = np.concatenate([session.run(batch) for batch in batches(images)])
    stored = [(row, int(np.prod(row.shape))) for row in ledger(model) if row.section == "weight"]
    weights = sum(count for _, count in stored)
    noise = np.square(answers - expected, dtype=np.float64).sum()
    signal = np.square(expected, dtype=np.float64).sum()
    classes = answers.argmax(1)
    return Row(
        name=name,
        weights=weights,
        nodes=len(model.graph.nodes),
        ops=len({node.op for node in model.graph.nodes}),
        bytes=path.stat().st_size,
        bits=8 * sum(row.bytes for row, _ in stored) / weights,
        shift=sum(count for row, count in stored if row.codec == "shift") / weights,
        error=float(np.abs(answers - expected).max()),
        spread=float(expected.std()),
        snr=float(10 * np.log10(signal / noise)) if noise else float("inf"),
        agreement=int((classes == expected.argmax(1)).sum()),
        classes=len(set(classes.tolist())),
        layers=layers,
        seconds=seconds,
    )


def batches(images: np.ndarray) -> list[np.ndarray]:
    return [images[start : start + BATCH] for start in range(0, len(images), BATCH)]


if __name__ == "__main__":
    main()
