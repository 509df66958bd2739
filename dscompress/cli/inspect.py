"""dscompress inspect: what is in a .dsf, and where its bytes went."""

from __future__ import annotations

import os
from collections import Counter

import click

from dscompress.cli import Command, show
from dscompress.cli.options import Number, json_option, limit_option, model_argument

SMALL = 0.005  # of the file: what takes less is summed up in one row


@click.command("inspect", cls=Command, short_help="Show what is in a .dsf and where its bytes went.")
@model_argument
@click.option(
    "--top",
    type=Number(int, 0),
    metavar="COUNT",
    help="Show so many of the largest parts.  [default: those that take 0.5% of the file or more]",
)
@click.option("--graph", "with_graph", is_flag=True, help="List every node with its shapes.")
@limit_option(("file_bytes",))
@json_option
def command(model, top, with_graph, limits, as_json):
    """Show the header, inputs, outputs, metadata and graph of MODEL, and a ledger of its bytes.

    The ledger has a row for each weight and for each other part of the file, the largest first; its sum is the file's
    length. Small parts share one row; --top and --json show more. A terminal of more than 80 columns gets more columns.

    "bits" counts all bytes from a weight's first to its last. Signs and levels lie in planes that begin at
    multiples of 64 bytes, and the gaps between them count too: of a tensor of few weights they can be most of it.

    \b
    Example:
      dscompress inspect model.dsf
      dscompress inspect model.dsf --top 100
      dscompress inspect model.dsf --json | jq '.ledger[].name'
    """
    from dsruntime import Limits, Model
    from dsruntime.ledger import ledger

    opened = Model.open(model, limits=Limits(**limits))
    rows = ledger(opened)
    if as_json:
        show.as_json(as_data(opened, rows, with_graph))
        return
    print_header(opened)
    print_ends(opened)
    print_ops(opened.graph)
    if with_graph:
        print_graph(opened.graph)
    print_reasons(rows)
    print_ledger(rows, top)


def as_data(model, rows, with_graph: bool) -> dict:
    graph = model.graph
    data = {
        "path": str(model.path),
        "name": model.name,
        "format_version": version(model),
        "producer": graph.producer,
        "mode": graph.mode,
        "bytes": graph.file_length,
        "float32_bytes": float32_bytes(graph),
        "inputs": [input_data(graph, entry) for entry in graph.inputs],
        "outputs": [
            {**value_data(graph, entry.value), "meaning": info.meaning, "labels": list(entry.labels)}
            for entry, info in zip(graph.outputs, model.outputs, strict=True)
        ],
        "metadata": dict(model.metadata),
        "ops": dict(count_ops(graph)),
        "ledger": [row_data(row) for row in rows],
        "total_bytes": sum(row.bytes for row in rows),
    }
    if with_graph:
        data["nodes"] = [
            {
                "name": node.name,
                "op": node.op,
                "module": node.module,
                "inputs": [None if i is None else graph.values[i].name for i in node.inputs],
                "outputs": [value_data(graph, i) for i in node.outputs],
                "attributes": node.attributes,
            }
            for node in graph.nodes
        ]
    return data


def value_data(graph, index: int) -> dict:
    value = graph.values[index]
    return {
        "name": value.name,
        "dtype": value.dtype,
        "shape": [d if d >= 0 else show.dimension(d) for d in value.shape],
    }


def input_data(graph, entry) -> dict:
    image = (
        None
        if entry.image is None
        else {
            key: getattr(entry.image, key)
            for key in ("color", "resize", "size", "filter", "crop", "mean", "std", "pad")
        }
    )
    return {**value_data(graph, entry.value), "layout": entry.layout, "image": image}


def row_data(row) -> dict:
    return {
        "section": row.section,
        "name": row.name,
        "shape": list(row.shape) if row.section == "weight" else None,
        "dtype": row.dtype or None,
        "codec": row.codec or None,
        "bits_per_weight": row.bits_per_weight,
        "entropy": row.entropy,
        "bytes": row.bytes,
        "share": row.share,
        "note": row.note,
    }


def version(model) -> str:
    found = model.format_version
    return found if isinstance(found, str) else ".".join(map(str, found))


def float32_bytes(graph) -> int:
    """What the weights would take as they came."""
    sizes = {"float32": 4, "float16": 2, "int8": 1, "uint8": 1, "int32": 4, "int64": 8, "bool": 1}
    total = 0
    for weight in graph.weights:
        value = graph.values[weight.value]
        elements = 1
        for dimension in value.shape:
            elements *= dimension
        total += elements * sizes[value.dtype]
    return total


def count_ops(graph) -> list[tuple[str, int]]:
    return Counter(node.op for node in graph.nodes).most_common()


def print_header(model) -> None:
    graph = model.graph
    show.title(f"{os.fspath(model.path or 'model')}: {model.name}")
    show.fields(
        [
            ("format", f".dsf {version(model)}, {graph.mode} mode, written by {graph.producer}"),
            ("size", show.size_beside(graph.file_length, float32_bytes(graph))),
            *sorted(model.metadata.items()),
        ]
    )


def print_ends(model) -> None:
    graph = model.graph
    show.line()
    pairs = []
    for entry in graph.inputs:
        value = graph.values[entry.value]
        text = f"{value.name}: {value.dtype} {show.shape(value.shape)} {entry.layout}".rstrip()
        pairs.append(("input", [text] if entry.image is None else [text, recipe(entry.image)]))
    for entry, info in zip(graph.outputs, model.outputs, strict=True):
        value = graph.values[entry.value]
        texts = [f"{value.name}: {value.dtype} {show.shape(value.shape)} {info.meaning or 'scores'}"]
        if entry.labels:
            more = ", …" if len(entry.labels) > 5 else ""
            texts.append(f"{len(entry.labels)} labels: {', '.join(entry.labels[:5])}{more}")
        pairs.append(("output", texts))
    show.fields(pairs)


def recipe(image) -> str:
    """An image recipe as a sentence."""
    steps = [f"{image.color} image"]
    if image.resize == "shorter":
        steps.append(f"shorter side to {image.size[0]} ({image.filter})")
    elif image.resize == "exact":
        steps.append(f"resized to {'x'.join(map(str, image.size))} ({image.filter})")
    elif image.resize == "letterbox":
        steps.append(
            f"fitted into {'x'.join(map(str, image.size))} ({image.filter}), around it {' '.join(map(str, image.pad))}"
        )
    if image.crop:
        steps.append(f"centre {'x'.join(map(str, image.crop))}")
    numbers = [" ".join(f"{x:.4g}" for x in part) for part in (image.mean, image.std)]
    return ", ".join(steps) + f", (x/255 - [{numbers[0]}]) / [{numbers[1]}]"


def print_ops(graph) -> None:
    show.line()
    counted = ", ".join(f"{count} {op}" for op, count in count_ops(graph))
    show.fields([("graph", f"{len(graph.nodes)} nodes: {counted}")])


def print_graph(graph) -> None:
    show.line()
    rows = [
        (
            node.name,
            node.op,
            node.module,
            ", ".join(f"{graph.values[i].name} {show.shape(graph.values[i].shape)}" for i in node.outputs),
        )
        for node in graph.nodes
    ]
    show.table(("node", "op", "module", "outputs"), rows)


def print_reasons(rows) -> None:
    """Why weights stayed float, those with the same reason together."""
    named: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            named.setdefault(row.note, []).append(row.name)
    if named:
        show.line()
        show.fields(
            ("stays float", f"{some(names)}: {reason}") if i == 0 else ("", f"{some(names)}: {reason}")
            for i, (reason, names) in enumerate(named.items())
        )


def some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def print_ledger(rows, top: int | None) -> None:
    """The largest parts, a row for what is left of them, and the sum."""
    show.line()
    ordered = sorted(rows, key=lambda row: -row.bytes)
    shown = [row for row in ordered if row.share >= SMALL] if top is None else ordered[:top]
    if len(shown) == len(ordered) - 1:  # its row would be no shorter
        shown = ordered
    rest = ordered[len(shown) :]
    left = sum(row.share for row in rest)
    largest = max(ordered[0].share, left)
    cells = [
        (
            row.name or row.section,
            row.codec or "",
            number(row.bits_per_weight),
            f"{row.bytes:,}",
            f"{row.share:.1%}",
            show.bar(row.share / largest),
            show.shape(row.shape) if row.section == "weight" else "",
            number(row.entropy),
        )
        for row in shown
    ]
    if rest:
        cells.append(
            (
                f"{len(rest)} smaller parts",
                "",
                "",
                f"{sum(row.bytes for row in rest):,}",
                f"{left:.1%}",
                show.bar(left / largest),
                "",
                "",
            )
        )
    total = sum(row.bytes for row in rows)
    show.table(
        ("part", "codec", "bits>", "bytes>", "share>", "", "shape?", "entropy>?"),
        cells,
        total=("total", "", "", f"{total:,}", "100.0%", "", "", ""),
    )


def number(value) -> str:
    return "" if value is None else f"{value:.2f}"
