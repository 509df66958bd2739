"""Where the bytes of a file went, to the byte: the rows of ledger() sum to the file's length.

prefix      the first 64 bytes
graph       the FlatBuffer: names, nodes, shapes, codec parameters, labels, metadata
weight      one row a weight: its stored bytes, from its offset to the end of its last plane
padding     the zeros that bring the data section and each weight to a multiple of 64
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dsruntime.file import Graph, Weight
from dsruntime.forms import Codes
from dsruntime.model import Model


@dataclass(frozen=True)
class Row:
    """bits_per_weight is what the file spends; entropy is the order-0 entropy of the codes, sign included, in bits: the
    floor of any coding that treats weights one by one. None where there are no weights, or no codes. share is of the
    file; note says why a weight is stored as raw."""

    section: str
    name: str
    shape: tuple[int, ...]
    dtype: str
    codec: str
    bits_per_weight: float | None
    entropy: float | None
    bytes: int
    share: float
    note: str


def ledger(model: Model) -> list[Row]:
    """Rows in the order of the file; all padding is one row, the last."""
    graph, length = model.graph, len(model.bytes)
    weights = [weight_row(graph, weight, length) for weight in graph.weights]
    rows = [overhead("prefix", 64, length), overhead("graph", graph.flatbuffer_length, length), *weights]
    padding = length - sum(row.bytes for row in rows)
    return [*rows, overhead("padding", padding, length)]


def overhead(section: str, size: int, length: int) -> Row:
    return Row(section, "", (), "", "", None, None, size, size / length, "")


def weight_row(graph: Graph, weight: Weight, length: int) -> Row:
    value, form = graph.values[weight.value], graph.form(weight)
    count = math.prod(value.shape)
    return Row(
        section="weight",
        name=value.name,
        shape=value.shape,
        dtype=value.dtype,
        codec=weight.codec,
        bits_per_weight=8 * weight.length / count if count else None,
        entropy=entropy(form, count) if isinstance(form, Codes) and count else None,
        bytes=weight.length,
        share=weight.length / length,
        note=weight.note,
    )


def entropy(codes: Codes, count: int) -> float:
    """Bits per weight: -sum p log2 p over the codes, a code being sign and level."""
    from dsruntime.backends.reference.codecs import signs_and_levels

    signs, levels = signs_and_levels(codes, count)
    seen = np.bincount(levels << 1 | signs)
    share = seen[seen > 0] / count
    return float(-(share * np.log2(share)).sum()) + 0.0
