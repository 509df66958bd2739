"""accuracy_page: the table, the targets and the plot of accuracy.py, as docs/accuracy.md and docs/accuracy.png."""

import dataclasses
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from accuracy_cells import CALIBRATION, HELD_OUT, NETS, SPLIT_SEED, recipe_of

from dscompress import ptq
from dscompress.training import digits, recipe_named

# results: {(net, seed, cell's name): {"accuracy": 0..1, ...}}
Results = dict[tuple[str, int, str], dict]

METHOD_NAMES = {"q": "Q", "ps": "PS", "s3": "S3", "dense": "DenseShift"}
COLOURS = {"q": "tab:blue", "ps": "tab:orange", "s3": "tab:green", "dense": "tab:red"}

HEAD = """# Accuracy

<!-- written by tools/bench/accuracy.py -->

What power-of-two weights cost on scikit-learn's digits: 1,797 scans of 8×8 pixels, three tenths of them held out
({held_out} images, the same for every cell). A small ResNet (`small_resnet`, {resnet_size:,} parameters) and a
depthwise-separable network (`small_mobilenet`, {mobilenet_size:,} parameters) of `dscompress.models.digits`; every
layer is converted, the first and the last too. Each figure is the mean over {seeds} seeds of the accuracy after the
last epoch, in percent, ± the standard deviation over the seeds, then the distance to float32 in points. One image is
{image:.2f} points in one run, {mean_image:.2f} in the mean.

Fine-tuning starts from the float32 network of the same seed. The float32 row that is trained on has had the same
additional epochs (Q's recipe), so that a gain of fine-tuning itself is not taken for one of the shift weights.
Post-training conversion sees {calibration} training images without their labels. Recipes were chosen on a split of the
training part, by one to three seeds, never on the held-out images; those from scratch were hardly tuned.

![Accuracy by bits](accuracy.png)
"""

UNFINISHED = """
**{missing} of the {cells} cells are not measured yet**: figures of fewer seeds say so, and are compared with float32
over the same seeds. `python tools/bench/accuracy.py` goes on where it stopped and writes this page again.
"""


def write_page(results: Results, cells: list, folder: Path) -> None:
    sizes = {f"{net}_size": sum(p.numel() for p in make().parameters()) for net, make in NETS.items()}
    held_out, seeds = len(digits(HELD_OUT, SPLIT_SEED).validation), len({seed for _, seed, _ in results})
    head = HEAD.format(held_out=held_out, seeds=seeds, image=100 / held_out, mean_image=100 / held_out / seeds,
                       calibration=CALIBRATION, **sizes)  # fmt: skip
    missing = len(cells) * seeds * len(sizes) - len(results)
    if missing:
        head += UNFINISHED.format(missing=missing, cells=len(results) + missing)
    parts = [head, "## Targets\n", targets(results), "## Every cell\n", table(results, cells), "## Recipes\n",
             recipes(cells)]  # fmt: skip
    (folder / "accuracy.md").write_text("\n".join(parts))
    (folder / "accuracy.png").write_bytes(plot(results, cells))


def table(results: Results, cells: list) -> str:
    nets = list(dict.fromkeys(net for net, _, _ in results))
    lines = ["| | " + " | ".join(nets) + " |", "|---|" + "---|" * len(nets)]
    for cell in cells:
        figures = []
        figures = " | ".join(figure_of(results, net, cell) for net in nets)
        lines.append(f"| {title(cell)} | {figures} |")
    return "\n".join(lines) + "\n"


def figure_of(results: Results, net: str, cell) -> str:
    """Mean ± deviation (distance to float32 over the same seeds); the seeds, where not all were measured."""
    found = accuracies(results, net, cell.name)
    if not found:
        return "not measured"
    mean, deviation = summary(results, net, cell.name)
    fewer = len(found) < len(accuracies(results, net, "float32"))
    distance = "" if cell.way == "float" else f" ({round(-loss(results, net, cell.name), 2) + 0.0:+.2f})"
    return f"{mean:.2f} ± {deviation:.2f}{distance}" + (f", {len(found)} seed{'s' * (len(found) > 1)}" if fewer else "")


def title(cell) -> str:
    if cell.way == "float":
        return "float32"
    if cell.way == "tuned":
        return "float32, trained on"
    if cell.way == "ptq":
        _, bits, how = cell.name.split(" ", 2)
        return f"post-training, {bits} bits, {'all ingredients' if how == 'all' else how.replace('_', ' ')}"
    scaled = ", trained scales" if cell.setting else ""
    return f"{METHOD_NAMES[cell.method]}, {cell.bits} bits{scaled}, from {cell.way}"


def accuracies(results: Results, net: str, name: str) -> dict[int, float]:
    """Percent, by seed."""
    found = ((seed, result) for (its, seed, cell), result in results.items() if (its, cell) == (net, name))
    return {seed: 100 * result["accuracy"] for seed, result in found}


def summary(results: Results, net: str, name: str) -> tuple[float, float]:
    """Mean and standard deviation over the seeds, percent."""
    found = list(accuracies(results, net, name).values())
    return statistics.mean(found), statistics.stdev(found) if len(found) > 1 else 0.0


def loss(results: Results, net: str, name: str) -> float:
    """Points below float32, mean over the cell's seeds."""
    floats, found = accuracies(results, net, "float32"), accuracies(results, net, name)
    return statistics.mean(floats[seed] - found[seed] for seed in found)


def targets(results: Results) -> str:
    """Each target with what was reached, net by net."""
    nets = list(dict.fromkeys(net for net, _, _ in results))
    three = ["q 3 pretrained", "ps 3 pretrained", "s3 3 pretrained", "dense 3 pretrained", "q 3 scaled", "ps 3 scaled"]
    rows: list[tuple[str, float, list[str]]] = [
        (f"{METHOD_NAMES[method]}, {bits} bits, from pretrained", most, [f"{method} {bits} pretrained"])
        for bits, most in ((5, 0.2), (4, 0.3))
        for method in ("q", "ps")
    ]
    rows += [("the best of the six 3-bit rows from pretrained", 0.7, three)]
    rows += [(f"post-training, {bits} bits", most, [f"ptq {bits} all"]) for bits, most in ((5, 0.3), (4, 0.6))]
    lines = ["| points below float32 | target | " + " | ".join(nets) + " |", "|---|---|" + "---|" * len(nets)]
    for name, most, among in rows:
        reached = [judged(min(loss(results, net, cell) for cell in among), most) for net in nets]
        lines.append(f"| {name} | ≤ {most} | {' | '.join(reached)} |")
    for bits in (5, 4, 3):
        reached = [times_less(results, net, bits) for net in nets]
        lines.append(f"| post-training, {bits} bits, against naive where it loses over 1 | ≥ 5 × less | "
                     f"{' | '.join(reached)} |")  # fmt: skip
    return "\n".join(lines) + "\n"


def judged(value: float, most: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}" + ("" if value <= most + 1e-9 else " (missed)")


def times_less(results: Results, net: str, bits: int) -> str:
    naive, ours = loss(results, net, f"ptq {bits} naive"), loss(results, net, f"ptq {bits} all")
    if naive <= 1:
        return f"naive loses {naive:.2f}"
    if ours < 0.005:
        return f"{naive:.2f} against no loss"
    return f"{naive / ours:.1f} × ({naive:.2f} against {ours:.2f})" + ("" if naive / ours >= 5 else " (missed)")


def recipes(cells: Iterable[Any]) -> str:
    lines = ["Presets of `dscompress.training`, as they are:", ""]
    shown = ("epochs", "batch", "optimizer", "rate", "schedule", "warmup", "weight_decay", "shift_decay", "shift",
             "rotate", "zoom")  # fmt: skip
    for name in dict.fromkeys(recipe_of(cell) for cell in cells if cell.way != "ptq"):
        fields = dataclasses.asdict(recipe_named(name))
        lines.append(f"- `{name}`: " + ", ".join(f"{field} {fields[field]}" for field in shown))
    lines += ["", "Ingredients of post-training conversion, `dscompress.ptq.INGREDIENTS`:", ""]
    lines += [f"- `{name}`: {meaning}" for name, meaning in ptq.INGREDIENTS.items()]
    return "\n".join(lines) + "\n"


def plot(results: Results, cells: list) -> bytes:
    """Left of each pair: trained networks by bits. Right: post-training conversion, with and without ingredients."""
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    nets = list(dict.fromkeys(net for net, _, _ in results))
    figure = Figure(figsize=(14, 5 * len(nets)), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    for net, (trained, converted) in zip(nets, figure.subplots(len(nets), 2, squeeze=False), strict=True):
        draw_trained(trained, results, net, cells)
        draw_converted(converted, results, net, cells)
        for axes in (trained, converted):
            mean, deviation = summary(results, net, "float32")
            axes.axhline(100 - mean, color="black", linewidth=1, label="float32")
            axes.axhspan(100 - mean - deviation, 100 - mean + deviation, color="black", alpha=0.1)
            axes.set(ylabel="error on held-out digits, %", yscale="log")
            axes.grid(alpha=0.3, which="both")
            axes.legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def draw_trained(axes, results: Results, net: str, cells: list) -> None:
    series: dict[tuple[str, str], list] = {}
    for cell in cells:
        if cell.method and accuracies(results, net, cell.name):
            series.setdefault((cell.method, "scaled" if cell.setting else cell.way), []).append(cell)
    styles = {"pretrained": "o-", "scratch": "s--", "scaled": "^:"}
    labels = {"pretrained": "from pretrained", "scratch": "from scratch", "scaled": "from pretrained, trained scales"}
    for number, ((method, way), members) in enumerate(series.items()):
        points = [(cell.bits + 0.02 * (number - 4), *summary(results, net, cell.name)) for cell in members]
        axes.errorbar([x for x, _, _ in points], [max(100 - mean, 0.05) for _, mean, _ in points],
                      yerr=[deviation for _, _, deviation in points], fmt=styles[way], color=COLOURS[method], capsize=2,
                      linewidth=1, label=f"{METHOD_NAMES[method]} {labels[way]}")  # fmt: skip
    axes.set(title=f"{net}: trained", xlabel="bits a weight", xticks=[2, 3, 4, 5])


def draw_converted(axes, results: Results, net: str, cells: list) -> None:
    kinds: dict[str, list] = {}
    for cell in cells:
        if cell.way == "ptq" and accuracies(results, net, cell.name):
            kinds.setdefault(cell.name.split(" ", 2)[2], []).append(cell)
    for number, (kind, members) in enumerate(kinds.items()):
        middle = (number - (len(kinds) - 1) / 2) / (len(kinds) + 1)
        found = [(cell.bits, *summary(results, net, cell.name)) for cell in members]
        axes.bar([bits + middle for bits, _, _ in found], [max(100 - mean, 0.05) for _, mean, _ in found],
                 width=0.9 / (len(kinds) + 1), label=kind.replace("_", " "))  # fmt: skip
    axes.set(title=f"{net}: post-training conversion", xlabel="bits a weight", xticks=[3, 4, 5])
