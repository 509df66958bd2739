"""accuracy: what power-of-two weights cost on scanned digits, measured; writes docs/accuracy.md and its plot.

    python tools/bench/accuracy.py [--processes 2] [--seeds 5] [--nets resnet,mobilenet] [--print-only] [--show]

A cell is one network, one seed and one way to its weights (accuracy_cells.py). Each finished cell is a file in
build/accuracy, so a run that was stopped goes on where it was; a cell whose recipe has changed since is measured again.

Three tenths of scikit-learn's digits are held out, the same for all, and looked at once a cell, after the last epoch.
Recipes were chosen with --validate, which never sees them: it splits the other seven tenths again, by the seed.
"""

import argparse
import dataclasses
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import torch
from accuracy_cells import CALIBRATION, CELLS, FLOAT_RECIPE, HELD_OUT, NETS, SPLIT_SEED, Cell, recipe_of
from accuracy_page import table, write_page
from torch import nn

from dscompress import ptq
from dscompress.nn import convert
from dscompress.training import Data, Tensors, digits, evaluate, fit, recipe_named

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "accuracy"


def main() -> None:
    parser = argparse.ArgumentParser(description="accuracy of power-of-two networks on the digits")
    parser.add_argument("--processes", type=int, default=2, help="each with one thread (2)")
    parser.add_argument("--seeds", type=int, default=5, help="how many (5)")
    parser.add_argument("--nets", default=",".join(NETS), help="some of " + ",".join(NETS))
    parser.add_argument("--cells", default="", help="only cells whose names contain this")
    parser.add_argument("--validate", action="store_true", help="on a split of the training part; writes no page")
    parser.add_argument("--print-only", action="store_true", help="print the table, write no page")
    parser.add_argument("--show", action="store_true", help="measure nothing, show what is there")
    options = parser.parse_args()
    cells = [cell for cell in CELLS if options.cells in cell.name or cell.way == "float"]
    jobs = [(net, seed) for seed in range(options.seeds) for net in options.nets.split(",")]
    if options.show:
        return show(jobs, cells, options)
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        running = [pool.submit(run_cells, net, seed, cells, options.validate) for net, seed in jobs]
        for done in as_completed(running):
            print(done.result(), flush=True)
    show(jobs, cells, options)


def show(jobs: list[tuple[str, int]], cells: list[Cell], options: argparse.Namespace) -> None:
    found = {(net, seed, cell.name): read(net, seed, cell, options.validate) for net, seed in jobs for cell in cells}
    results = {key: result for key, result in found.items() if result is not None}
    print(table(results, cells))
    if not (options.validate or options.print_only or options.cells):
        write_page(results, cells, ROOT / "docs")


def run_cells(net: str, seed: int, cells: list[Cell], validate: bool) -> str:
    """All cells of one network and seed that are not finished yet."""
    torch.set_num_threads(1)
    started, fresh = time.time(), 0
    data = split(seed, validate)
    folder(net, seed, validate).mkdir(parents=True, exist_ok=True)
    for cell in cells:
        if read(net, seed, cell, validate) is None:
            clock = time.time()
            accuracy = measure(net, seed, cell, data, validate)
            write(net, seed, cell, validate, {"accuracy": accuracy, "seconds": round(time.time() - clock, 1)})
            fresh += 1
    seconds = time.time() - started
    return f"{net}, seed {seed}: {fresh} cells measured in {seconds:.0f} s, {len(cells) - fresh} were there"


def split(seed: int, validate: bool) -> Data:
    data = digits(HELD_OUT, SPLIT_SEED)
    if not validate:
        return data
    from sklearn.model_selection import train_test_split

    inner = train_test_split(
        data.train.images, data.train.targets, test_size=0.25, stratify=data.train.targets, random_state=seed
    )
    train_images, images, train_targets, targets = inner
    return dataclasses.replace(data, train=Tensors(train_images, train_targets), validation=Tensors(images, targets))


def measure(net: str, seed: int, cell: Cell, data: Data, validate: bool) -> float:
    """The accuracy, 0..1, on the images that the network has not learned from."""
    model = fresh_network(net, seed) if cell.way in ("float", "scratch") else float_network(net, seed, validate)
    if cell.way == "ptq":
        chosen = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))[:CALIBRATION]
        images = data.train.images[chosen]
        model, _ = ptq.convert(model.eval(), images, bits=cell.bits, ingredients=cell.ingredients)
        return evaluate(model, data.validation).accuracy
    if cell.method:
        model, _ = convert(model, cell.method, cell.bits, **dict(cell.setting))
    history = fit(model, data, recipe_named(recipe_of(cell)), seed=seed, device="cpu")
    if cell.way == "float":
        torch.save(model.state_dict(), weights_file(net, seed, validate))
    return history.accuracy


def fresh_network(net: str, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return NETS[net]()


def float_network(net: str, seed: int, validate: bool) -> nn.Module:
    model = fresh_network(net, seed)
    model.load_state_dict(torch.load(weights_file(net, seed, validate), weights_only=True))
    return model


def weights_file(net: str, seed: int, validate: bool) -> Path:
    return folder(net, seed, validate) / "float32.pt"


def folder(net: str, seed: int, validate: bool) -> Path:
    return FOLDER / ("validation" if validate else "test") / f"{net}-{seed}"


def key_of(cell: Cell) -> dict:
    """What a result depends on beside the code: the cell, its recipe, and that of the float network it starts from."""
    recipes = [FLOAT_RECIPE] + ([] if cell.way in ("float", "ptq") else [recipe_of(cell)])
    plain = {name: dataclasses.asdict(recipe_named(name)) | {"source": ""} for name in recipes}
    return json.loads(json.dumps({"cell": dataclasses.asdict(cell), "recipes": plain}))


def read(net: str, seed: int, cell: Cell, validate: bool) -> dict | None:
    path = folder(net, seed, validate) / f"{cell.name.replace(' ', '_')}.json"
    if not path.exists():
        return None
    found = json.loads(path.read_text())
    return found if found["key"] == key_of(cell) else None


def write(net: str, seed: int, cell: Cell, validate: bool, result: dict) -> None:
    path = folder(net, seed, validate) / f"{cell.name.replace(' ', '_')}.json"
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps({**result, "key": key_of(cell)}, indent=1) + "\n")
    temporary.replace(path)


if __name__ == "__main__":
    main()
