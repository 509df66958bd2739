"""meaning: what the numbers of an output are. Said only where somebody knows: the graph, the source, or the user.

    softmax                     probabilities, the network's own
    sigmoid, a number a class   probabilities, each for itself: several classes may hold, and they need not add up to 1
    log_softmax over classes    logits: the softmax of log-probabilities is the probabilities
    anything else               scores, the network's own numbers, unless the source or the user says more

Names of classes say nothing of it: networks trained with softmax, with a sigmoid for each tag, and regressions all have
them. A checkpoint of `dscompress train` knows: it was trained with cross-entropy, so that its outputs are logits.

The file has no word for scores: an output of which nothing more is known has the meaning "".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import onnx_ir as ir

from dscompress.compile.lower import LoweredNode
from dscompress.compile.lower.source import shape_of
from dscompress.errors import CompileError

MEANINGS = ("logits", "probabilities", "scores", "embedding")
MOVES = ("identity", "reshape", "flatten", "squeeze", "unsqueeze", "transpose", "slice", "gather", "split")
HOW = "if it was trained with cross-entropy, say so: --meaning logits"

Makers = dict[ir.Value, LoweredNode]


def read_meanings(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """One meaning for the first output, or one for each, in order."""
    meanings = (given,) if isinstance(given, str) else tuple(given or ())
    wrong = [meaning for meaning in meanings if meaning not in MEANINGS]
    if wrong:
        raise CompileError("meaning", f"{wrong[0]!r}", ", ".join(MEANINGS[:-1]) + f" or {MEANINGS[-1]}")
    return meanings


def meanings_of(
    outputs: Sequence[ir.Value], nodes: Iterable[LoweredNode], asked: Sequence[str], told: str
) -> list[str]:
    """The file's word for each output. asked: by the user. told: by the source, of a single output."""
    if len(asked) > len(outputs):
        raise CompileError("meaning", f"{len(asked)} are given", f"at most {len(outputs)}, one an output")
    makers = {value: node for node in nodes for value in node.outputs}
    found = []
    for i, value in enumerate(outputs):
        own = known(value, makers)
        if i < len(asked):
            refuse_contradiction(asked[i], value, makers)
            found.append("" if asked[i] == "scores" else asked[i])
        else:
            found.append(own or (told if len(outputs) == 1 else ""))
    return found


def known(value: ir.Value, makers: Makers) -> str:
    """What the last operator says, or ""."""
    node = last_operator(value, makers)
    if node is None:
        return ""
    if node.op == "softmax" and axis_of(node) != 0:
        return "probabilities"
    if node.op == "sigmoid" and one_score_a_class(value):
        return "probabilities"
    if node.op == "log_softmax" and over_the_classes(node, value):
        return "logits"
    return ""


def refuse_contradiction(asked: str, value: ir.Value, makers: Makers) -> None:
    """What the last operator makes is no matter of opinion."""
    node = last_operator(value, makers)
    wrong = {"logits": ("softmax", "sigmoid"), "probabilities": ("log_softmax",)}.get(asked, ())
    if node is not None and node.op in wrong:
        right = "logits" if node.op == "log_softmax" else "probabilities"
        raise CompileError(
            "meaning",
            f"{asked} for output '{value.name}', which {node.op} makes",
            f"{right}, or scores to claim nothing",
            "leave --meaning out",
        )
    if asked in ("logits", "probabilities") and value.dtype != ir.DataType.FLOAT:
        raise CompileError("meaning", f"{asked} for output '{value.name}', which holds no float32", "scores")


def last_operator(value: ir.Value, makers: Makers) -> LoweredNode | None:
    """The node that computed an output's numbers: those that only move numbers are passed over."""
    node = makers.get(value)
    while node is not None and node.op in MOVES:
        source = node.inputs[0]
        node = None if source is None else makers.get(source)
    return node


def axis_of(node: LoweredNode) -> int:
    rank = len(shape_of(node.outputs[0]))
    return node.attributes.get("axis", rank - 1) % rank


def one_score_a_class(value: ir.Value) -> bool:
    """(N, C), also with dimensions of 1 in between, or (N)."""
    return all(d == 1 for d in shape_of(value)[1:-1])


def over_the_classes(node: LoweredNode, value: ir.Value) -> bool:
    """Whether the log_softmax ran over what is the output's last dimension, and nothing else is in it but the batch."""
    shape, last = shape_of(node.outputs[0]), shape_of(value)[-1]
    own = [d for d in shape[1:] if d > 0]
    return shape[axis_of(node)] == last and len(own) == len(shape) - 1 and math.prod(own) == last


def unknown_meaning(description, asked: Sequence[str]) -> str:
    """A note where run and predict() show classes, and nobody knows what their numbers are; else ""."""
    entry = description.outputs[0] if description.outputs else None
    if entry is None or entry.meaning or asked:
        return ""
    if not (entry.labels or any(source.image for source in description.inputs)):
        return ""
    name = description.values[entry.value].name
    return f"nothing says what the numbers of output '{name}' mean: they are shown as scores, not probabilities; {HOW}"
