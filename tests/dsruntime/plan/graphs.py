"""Graphs by their nodes alone: (op, inputs, output) and, if any, attributes. Values are named by a letter."""

from types import SimpleNamespace

from dsruntime.file import Node, Value


def graph(*nodes, weights="w", outputs="y", shape=(2, 4, 6, 6), shapes=None):
    """shapes: of the values that have another; the weights are those of `weights` that a node reads."""
    names = list(dict.fromkeys(name for _, inputs, output, *_ in nodes for name in (*inputs, output)))
    place = {name: index for index, name in enumerate(names)}
    return SimpleNamespace(
        values=[Value(name, "float32", (shapes or {}).get(name, shape)) for name in names],
        nodes=[
            Node(op, f"n{i}", "", tuple(place[name] for name in inputs), (place[output],), more[0] if more else {})
            for i, (op, inputs, output, *more) in enumerate(nodes)
        ],
        weights=[SimpleNamespace(value=place[name]) for name in weights if name in place],
        outputs=[SimpleNamespace(value=place[name]) for name in outputs],
    )
