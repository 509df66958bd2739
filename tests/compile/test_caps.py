"""What is over a cap of libdsf is refused by the compiler, with a sentence of its own; what is at it becomes a file."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dscompress import CompileError
from dscompress.compile import caps as compiler
from dscompress.compile.encode import encode
from dscompress.compile.write import Description, Stored, build
from dsruntime import Model, ModelError, caps
from dsruntime.file import Input, Node, Output, Value
from tests.compile.graphs import compile_graph, parse


def chain(nodes: int) -> Description:
    """x → identity → ... → y"""
    return Description(
        "m",
        "tests",
        [Value(f"v{i}", "float32", (-1, 2)) for i in range(nodes + 1)],
        [Node("identity", f"n{i}", "", (i,), (i + 1,), {}) for i in range(nodes)],
        [],
        [Input(0, "", None)],
        [Output(nodes, "", ())],
    )


def joined(inputs: int, nodes: int = 1, different: bool = False) -> Description:
    """concats of the same input, or of as many inputs"""
    given = inputs if different else 1
    values = [Value(f"x{i}", "float32", (-1, 1)) for i in range(given)]
    values += [Value(f"y{i}", "float32", (-1, inputs)) for i in range(nodes)]
    read = tuple(range(inputs)) if different else (0,) * inputs
    return Description(
        "m",
        "tests",
        values,
        [Node("concat", f"n{i}", "", read, (given + i,), {"axis": 1}) for i in range(nodes)],
        [],
        [Input(i, "", None) for i in range(given)],
        [Output(given + i, "", ()) for i in range(nodes)],
    )


def parted(outputs: int, nodes: int = 1, given: int | None = None) -> Description:
    """splits of one input into single numbers, the first `given` of which are outputs"""
    return Description(
        "m",
        "tests",
        [Value("x", "float32", (-1, outputs))] + [Value(f"y{i}", "float32", (-1, 1)) for i in range(nodes * outputs)],
        [
            Node(
                "split",
                f"n{i}",
                "",
                (0,),
                tuple(range(1 + i * outputs, 1 + (i + 1) * outputs)),
                {"axis": 1, "split": [1] * outputs},
            )
            for i in range(nodes)
        ],
        [],
        [Input(0, "", None)],
        [Output(1 + i, "", ()) for i in range(1 if given is None else given)],
    )


def sized(*shape: int, dtype: str = "float32") -> Description:
    found = chain(1)
    return replace(found, values=[value._replace(shape=shape, dtype=dtype) for value in found.values])


def named(**texts) -> Description:
    """A chain of one node with other texts: model, value, node, module, label or metadata."""
    found = chain(1)
    value, node, output = found.values[1], found.nodes[0], found.outputs[0]
    return replace(
        found,
        name=texts.get("model", found.name),
        values=[found.values[0], value._replace(name=texts.get("value", value.name))],
        nodes=[node._replace(name=texts.get("node", node.name), module=texts.get("module", ""))],
        outputs=[output._replace(labels=(texts["label"], "b") if "label" in texts else ())],
        metadata=texts.get("metadata", {}),
    )


def weighted(source: str) -> Description:
    weight = np.ones((1, 2), np.float32)
    found = chain(1)
    values = [*found.values, Value("w", "float32", (1, 2))]
    return replace(
        found,
        values=values,
        nodes=[Node("add", "n0", "", (0, 2), (1,), {})],
        weights=[Stored(2, source, encode(weight))],
    )


LONG = "n" * caps.MAX_STRING_BYTES
DIM, ENDS, NODES = caps.MAX_DIM, caps.MAX_ENDS, caps.MAX_NODES

# What a file holds just so; the same and one more; what is said of that.
CAPS = [
    (chain(NODES), chain(NODES + 1), "m: it has 4,097 nodes; expected at most 4,096 in a file; split the model"),
    (parted(4095, 4), parted(4096, 4), "m: it has 16,385 values; expected at most 16,384 in a file"),
    (joined(ENDS, different=True), joined(ENDS + 1, different=True), "m: it has 1,025 inputs; expected at most 1,024"),
    (parted(ENDS, given=ENDS), parted(ENDS + 1, given=ENDS + 1), "m: it has 1,025 outputs; expected at most 1,024"),
    (joined(4096), joined(4097), r"node 'n0' \(concat\): it has 4,097 inputs; expected at most 4,096"),
    (parted(4096), parted(4097), r"node 'n0' \(split\): it has 4,097 outputs; expected at most 4,096"),
    (joined(4095, 16), joined(4096, 16), "m: it has 65,552 inputs and outputs of nodes; expected at most 65,536"),
    (sized(DIM), sized(DIM + 1), "'v0': it has a dimension of 1,048,577; expected at most 1,048,576"),
    (
        sized(-(DIM // 3)),
        sized(-(DIM // 3) - 1),
        "'v0': it has a dimension of 1,048,578 at batch size 3, at which a file is checked",
    ),
    (
        sized(2047, DIM, dtype="uint8"),
        sized(2048, DIM, dtype="uint8"),
        "'v0': it takes 2,147,483,648 bytes; expected at most 2,147,483,647 of one tensor; split the model",
    ),
    (
        sized(-1, 682, DIM, dtype="uint8"),
        sized(-1, 683, DIM, dtype="uint8"),
        "'v0': it takes 2,148,532,224 bytes at batch size 3, .*; give a smaller input with --input-shape",
    ),
    (named(model=LONG), named(model=LONG + "n"), "the model's name 'n{40}...': it has 65,537 bytes; expected at most"),
    (named(value=LONG), named(value=LONG + "n"), "the name 'n{40}...': it has 65,537 bytes"),
    (named(node=LONG), named(node=LONG + "n"), "the name 'n{40}...': it has 65,537 bytes"),
    (named(module=LONG), named(module=LONG + "n"), "the module's name 'n{40}...': it has 65,537 bytes"),
    (named(label=LONG), named(label="ö" + LONG[1:]), "the label 'ön{39}...': it has 65,537 bytes; .*; shorten it"),
    (named(metadata={"k": LONG}), named(metadata={"k": LONG + "n"}), "metadata 'k' 'n{40}...': it has 65,537 bytes"),
    (named(metadata={LONG: ""}), named(metadata={LONG + "n": ""}), "the metadata's key 'n{40}...': it has 65,537"),
    (
        named(metadata={str(i): "" for i in range(4096)}),
        named(metadata={str(i): "" for i in range(4097)}),
        "m: it has 4,097 entries of metadata; expected at most 4,096 in a file; leave some out",
    ),
    (weighted(LONG), weighted(LONG + "n"), "the name 'n{40}...': it has 65,537 bytes"),
]


@pytest.mark.parametrize("most, over, says", CAPS, ids=[says[:40] for *_, says in CAPS])
def test_the_compiler_has_libdsf_s_caps(most, over, says):
    compiler.refuse_what_no_file_holds(most)
    Model.open(build(most))
    with pytest.raises(CompileError, match=f"^{says}"):
        compiler.refuse_what_no_file_holds(over)
    with pytest.raises(ModelError):
        Model.open(build(over))


def test_all_that_is_no_weight_is_bounded_together():
    texts = {str(i): "n" * caps.MAX_STRING_BYTES for i in range(1025)}
    with pytest.raises(CompileError, match=r"^m: all but its weights, .*, takes 67,\d{3},\d{3} bytes; .*67,108,864"):
        build(named(metadata=texts))


def test_a_file_over_the_default_limit_is_refused(monkeypatch):
    monkeypatch.setattr(caps, "DEFAULT_FILE_BYTES", 100)
    compiler.refuse_what_no_file_holds(weighted("w"))
    monkeypatch.setattr(caps, "DEFAULT_FILE_BYTES", 7)
    with pytest.raises(CompileError, match="m: its weights take 8 bytes; expected at most 7 bytes in a file; split"):
        compiler.refuse_what_no_file_holds(weighted("w"))


NET = "net (float[N, 3, 8, 8] x) => (float[M, 3, 8, 8] y) { y = Relu(x) }"


@pytest.mark.parametrize(
    "options, says",
    [
        ({"name": LONG + "n"}, "the model's name 'n{40}...': it has 65,537 bytes"),
        ({"metadata": {str(i): "" for i in range(4096)}}, "it has 4,098 entries of metadata; expected at most 4,096"),
        ({"labels": [LONG + "n"] * 8}, "the label 'n{40}...': it has 65,537 bytes; expected at most 65,536"),
    ],
    ids=["name", "metadata", "labels"],
)
def test_what_a_user_says_is_refused_before_anything_is_written(options, says, tmp_path):
    with pytest.raises(CompileError, match=says) as caught:
        compile_graph(parse(NET), tmp_path, **options)
    assert "report" not in str(caught.value)


MANY_NODES = " ".join(f"t{i + 1} = {'Neg' if i % 2 else 'Exp'}(t{i})" for i in range(4097))

REFUSED = [
    ("y = Expand(x, shape)", {"shape": np.array([1, 1, 1, 1, 1, 2, 3])}, "its result has 7 dimensions, a file holds"),
    ("y = Expand(x, shape)", {"shape": np.array([1_048_577, 2, 3])}, "a file holds dimensions up to 1,048,576"),
    ("y = Expand(x, shape)", {"shape": np.array([20_000, 20_000, 2, 3])}, "it takes 9,600,000,000 bytes; .*split the"),
    (f"t0 = Abs(x) {MANY_NODES} y = Abs(t4097)", {}, "it has 4,099 nodes; expected at most 4,096 in a file"),
    ("y = Concat<axis = 0>(" + ", ".join(["x"] * 4097) + ")", {}, "it has 4,097 inputs; expected at most 4,096"),
]


@pytest.mark.parametrize("node, arrays, says", REFUSED, ids=[says[:30] for *_, says in REFUSED])
def test_a_graph_over_a_cap_is_refused_with_a_sentence_of_its_own(node, arrays, says, tmp_path):
    model = parse(f"net (float[2, 3] x) => (float y) {{ {node} }}", **arrays)
    with pytest.raises(CompileError, match=says) as caught:
        compile_graph(model, tmp_path)
    assert "report" not in str(caught.value)


@pytest.mark.parametrize("size", [{"size": [20_000]}, {"resize": "exact", "size": [8, 20_000]}])
def test_an_image_too_large_for_a_recipe_is_refused_at_the_door(size, tmp_path):
    recipe = {"color": "rgb", "resize": "shorter", "filter": "box", "mean": [0, 0, 0], "std": [1, 1, 1], **size}
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    with pytest.raises(ModelError, match=r"size for resize .* is \[.*20000\]; expected .* from 1 to 16,384$"):
        compile_graph(parse(NET), tmp_path, preprocess=tmp_path / "recipe.json")
