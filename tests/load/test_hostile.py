"""Files with a right checksum whose author means harm, or whose writer is wrong: each refused by its own sentence."""

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from dsruntime import Model
from dsruntime import dsf_generated as fb
from tests.load.refusal import refusal
from tests.load.small_model import small_model
from tests.support.dsf_files import build, shift_weight

ROOT = Path(__file__).resolve().parents[2]

PREFIX = {
    # case: (what build() is told, what the message says)
    "major version 0": ({"major": 0}, "version 0.0"),
    "major version 2": ({"major": 2}, "version 2.0"),
    "an unknown flag": ({"flags": 1 << 5}, "flag bits 5"),
    "every flag": ({"flags": 2**32 - 1}, "31"),
    "length too large": ({"file_length": 2**63}, "cut short"),
    "length too small": ({"file_length": 100}, "after its end"),
    "length 0": ({"file_length": 0}, "after its end"),
    "no graph": ({"flatbuffer_length": 0}, "graph has 0 bytes"),
    "graph longer than the file": ({"flatbuffer_length": 60 << 20}, "data section"),
    "graph over its cap": ({"flatbuffer_length": 2**32 - 1}, "4294967295"),
    "data section elsewhere": ({"data_offset": 64}, "data section starts at 64"),
    "data section past the end": ({"data_offset": 2**64 - 64}, "data section starts at"),
    "data section longer": ({"data_length": 2**64 - 1}, "data section of"),
    "data section shorter": ({"data_length": 0}, "data section of 0"),
    "reserved bytes": ({"reserved": b"\1" + bytes(15)}, "byte 48"),
    "another identifier": ({"identifier": b"DSF2"}, "identifier"),
    "a wrong checksum": ({"crc": 0}, "checksum"),
    "data appended to the section": ({"data": bytes(4096)}, "data"),
    "no data": ({"data": b""}, "data"),
}


@pytest.mark.parametrize("case", PREFIX)
def test_prefix(case):
    changes, word = PREFIX[case]
    assert word in refusal(small_model(**changes))


def set_value(index, **fields):
    return lambda model: vars(model.values[index]).update(fields)


def set_node(index, **fields):
    return lambda model: vars(model.nodes[index]).update(fields)


def set_weight(index, **fields):
    return lambda model: vars(model.weights[index]).update(fields)


def set_shift(index, **fields):
    return lambda model: vars(model.weights[index].shift).update(fields)


def set_image(**fields):
    return lambda model: vars(model.inputs[0].image).update(fields)


def set_input(**fields):
    return lambda model: vars(model.inputs[0]).update(fields)


def set_output(**fields):
    return lambda model: vars(model.outputs[0]).update(fields)


def set_model(**fields):
    return lambda model: vars(model).update(fields)


def add(field, **fields):
    """Puts a copy of the first entry, changed, at the end of a list."""

    def edit(model):
        entries = getattr(model, field)
        entry = type(entries[0])()
        vars(entry).update({**vars(entries[0]), **fields})
        entries.append(entry)

    return edit


def attribute(name, kind, **fields):
    entry = fb.AttributeT()
    vars(entry).update(name=name, kind=kind, **fields)
    return entry


def ints(*values):
    return np.array(values, np.int8)


def floats(*values):
    return np.array(values, np.float32)


NAN, INFINITY = float("nan"), float("inf")
# values: 0 x, 1 w, 2 b, 3 conv, ... 9 v, 10 c, 11 gemm, 12 y; weights: 0 w (shift), 1 b, 2 v (shift), 3 c
GRAPH = {
    # required fields
    "no model name": (set_model(name=None), "graph"),
    "no producer": (set_model(producer=None), "graph"),
    "no values": (set_model(values=None), "graph"),
    "no nodes": (set_model(nodes=None), "graph"),
    "no weights": (set_model(weights=None), "graph"),
    "no inputs list": (set_model(inputs=None), "graph"),
    "no outputs list": (set_model(outputs=None), "graph"),
    "no mode": (set_model(mode=None), "graph"),
    "a value without a name": (set_value(3, name=None), "graph"),
    "a value without a shape": (set_value(3, shape=None), "graph"),
    "a node without an op": (set_node(0, op=None), "graph"),
    "a node without inputs": (set_node(0, inputs=None), "graph"),
    "a node without outputs": (set_node(0, outputs=None), "graph"),
    "a weight without a codec": (set_weight(0, codec=None), "graph"),
    "a shift without bases": (set_shift(0, base=None), "graph"),
    # the model
    "mode fixed": (set_model(mode="fixed"), "fixed"),
    "zero inputs": (set_model(inputs=[]), "inputs"),
    "zero outputs": (set_model(outputs=[]), "outputs"),
    "zero values": (set_model(values=[]), "values"),
    "metadata unsorted": (lambda m: m.metadata.reverse(), "in order"),
    "metadata twice": (lambda m: m.metadata.append(m.metadata[-1]), "in order"),
    # values
    "dtype 0": (set_value(3, dtype=0), "dtype is 0"),
    "dtype 8": (set_value(3, dtype=8), "dtype is 8"),
    "dtype 255": (set_value(3, dtype=255), "dtype is 255"),
    "rank 7": (set_value(3, shape=[1] * 7), "rank is 7"),
    "rank a million": (set_value(3, shape=[1] * 10**6), "rank is 1000000"),
    "dimension 0": (set_value(3, shape=[-1, 0, 3, 3]), "dimension 0"),
    "dimension huge": (set_value(3, shape=[-1, 2**62, 3, 3]), str(2**62)),
    "dimension smallest": (set_value(3, shape=[-(2**63), 3, 3, 3]), str(-(2**63))),
    "dimensions overflow": (set_value(3, shape=[2**20] * 4), "value 'conv'"),
    "dimensions wrap to 0": (set_value(3, shape=[2**16] * 4), "value 'conv'"),
    "batch overflows": (set_value(3, shape=[-(2**20)] * 6), "value 'conv'"),
    "two values of one name": (set_value(3, name="x"), "two values are named 'x'"),
    "a value of no name": (set_value(3, name=""), "no name"),
    "a value nobody defines": (add("values", name="stray"), "'stray'"),
    "an input with another shape": (set_value(0, shape=[-1, 2, 4, 4]), ""),
    "an output with another shape": (set_value(12, shape=[-1, 5]), ""),
    "a value with another dtype": (set_value(3, dtype=6), "int64"),
    "a fixed batch behind a free one": (set_value(3, shape=[2, 3, 3, 3]), "batch size 3"),
    # nodes
    "an unknown op": (set_node(1, op="rElu"), "rElu"),
    "an op of ONNX's spelling": (set_node(1, op="Relu"), "Relu"),
    "an empty op": (set_node(1, op=""), "op is unknown"),
    "an op with a long name": (set_node(1, op="x" * 60000), "op is unknown"),
    "nodes out of order": (lambda m: m.nodes.reverse(), "topological"),
    "a node reads its own output": (set_node(1, inputs=[4]), "topological"),
    "a cycle": (set_node(1, inputs=[5]), "topological"),
    "a node reads past the values": (set_node(1, inputs=[13]), "13"),
    "a node reads value -2": (set_node(1, inputs=[-2]), "-2"),
    "a node reads the smallest value": (set_node(1, inputs=[-(2**31)]), str(-(2**31))),
    "a node reads the largest value": (set_node(1, inputs=[2**31 - 1]), str(2**31 - 1)),
    "a node writes -1": (set_node(1, outputs=[-1]), "-1"),
    "a node writes past the values": (set_node(1, outputs=[13]), "13"),
    "a node writes an input": (set_node(1, outputs=[0]), "again"),
    "a node writes a weight": (set_node(1, outputs=[1]), "again"),
    "a node writes another's output": (set_node(1, outputs=[3]), "again"),
    "a node writes twice": (set_node(1, outputs=[4, 4]), "again"),
    "a node without an output": (set_node(1, outputs=[]), "0 outputs"),
    "a node with no input": (set_node(1, inputs=[]), "inputs"),
    "a node with a million inputs": (set_node(1, inputs=[3] * 10**6), "1000000 inputs"),
    "a required input is absent": (set_node(6, inputs=[-1, 9, 10]), "absent"),
    # attributes
    "an unknown attribute": (set_node(1, attributes=[attribute("alpha", 2, f=1.0)]), "alpha"),
    "an attribute twice": (set_node(7, attributes=[attribute("axis", 1, i=1)] * 2), "twice"),
    "an attribute of no name": (set_node(1, attributes=[attribute("", 1, i=1)]), "attribute ''"),
    "an attribute without a name": (set_node(1, attributes=[attribute(None, 1, i=1)]), "graph"),
    "attribute kind 0": (set_node(7, attributes=[attribute("axis", 0, i=1)]), "kind is 0"),
    "attribute kind 6": (set_node(7, attributes=[attribute("axis", 6, i=1)]), "kind is 6"),
    "an int with a string": (set_node(7, attributes=[attribute("axis", 1, i=1, s="1")]), "another kind"),
    "ints without ints": (set_node(5, attributes=[attribute("axis", 4)]), "lacks the field"),
    "a string without one": (set_node(3, attributes=[attribute("mode", 3)]), "lacks the field"),
    "a float where an int belongs": (set_node(7, attributes=[attribute("axis", 2, f=1.0)]), "a float"),
    "a list of a million": (
        set_node(4, attributes=[attribute("kernel_shape", 4, ints=[1] * 10**6)]),
        "1000000 entries",
    ),
    "a thousand attributes": (
        set_node(4, attributes=[attribute(f"a{i}", 1, i=1) for i in range(1000)]),
        "1000 attributes",
    ),
    # weights
    "an unknown codec": (set_weight(1, codec="zip"), "'zip'"),
    "raw with shift parameters": (set_weight(0, codec="raw"), "shift parameters"),
    "shift without parameters": (set_weight(0, shift=None), "lacks shift parameters"),
    "a weight for no value": (set_weight(1, value=13), "13"),
    "a weight for the largest value": (set_weight(1, value=2**32 - 1), str(2**32 - 1)),
    "a weight for an input": (set_weight(1, value=0), "weight 'b'"),
    "two weights for one value": (set_weight(1, value=1), "again"),
    "weights out of order": (lambda m: m.weights.reverse(), "data start at"),
    "weights that overlap": (set_weight(1, offset=0), "data start at 0"),
    "a hole between weights": (set_weight(1, offset=256), "data start at 256"),
    "an offset off the grid": (set_weight(1, offset=97), "data start at 97"),
    "an offset past the end": (set_weight(1, offset=2**64 - 64), "data start at"),
    "a length too short": (set_weight(1, length=11), "11 bytes"),
    "a length past the end": (set_weight(1, length=2**40), str(2**40)),
    "a length that wraps": (set_weight(1, length=2**64 - 64), str(2**64 - 64)),
    "a length of 0": (set_weight(1, length=0), "0 bytes"),
    "a weight nobody reads": (set_node(0, inputs=[0, 1]), "nothing reads it"),
    "a weight with a batch": (set_value(2, shape=[-3]), "-3"),
    "a weight over the caps": (set_value(2, shape=[2**20, 2**20]), "weight 'b'"),
    # shift
    "0 bits": (set_shift(0, bits=0), "0 bits"),
    "7 bits": (set_shift(0, bits=7), "7 bits"),
    "255 bits": (set_shift(0, bits=255), "255 bits"),
    "other bits than stored": (set_shift(0, bits=4), "as shift of 4 bits"),
    "1 bit with zeros": (set_shift(0, bits=1), "1 bit cannot hold zeros"),
    "no bases": (set_shift(0, base=ints()), "0 bases"),
    "two bases for three channels": (set_shift(0, base=ints(0, 1)), "2 bases"),
    "a million bases": (set_shift(0, base=np.zeros(10**6, np.int8)), "1000000 bases"),
    "no scales": (set_shift(0, scale=floats()), "no scales"),
    "two scales for three channels": (set_shift(0, scale=floats(1, 1)), "2 scales"),
    "scale nan": (set_shift(0, scale=floats(1, NAN, 1)), "scale 1 is"),
    "scale infinite": (set_shift(0, scale=floats(1, INFINITY, 1)), "scale 1 is"),
    "scale 0": (set_shift(0, scale=floats(1, 0, 1)), "scale 1 is"),
    "scale -0": (set_shift(0, scale=floats(-0.0)), "scale 0 is"),
    "scale negative": (set_shift(0, scale=floats(-1)), "scale 0 is"),
    "scale subnormal": (set_shift(0, scale=floats(1e-40)), "scale 0 is"),
    "scale times base is infinite": (set_shift(0, scale=floats(3e38), base=ints(4)), "infinite"),
    "order too short": (set_weight(0, order=[0, 1, 2]), "permutation"),
    "order repeats": (set_weight(0, order=[0, 1, 2, 2]), "permutation"),
    "order out of range": (set_weight(0, order=[0, 1, 2, 4]), "permutation"),
    "order 255": (set_weight(0, order=[255, 1, 2, 3]), "permutation"),
    "an empty order": (set_weight(0, order=[]), "order"),
    "an order of a million": (set_weight(0, order=[0] * 10**6), "order"),
    "an order for raw": (set_weight(1, order=[0]), "order"),
    "shift for int64": (set_value(1, dtype=6), "int64"),
    # inputs and outputs
    "an input that is a weight": (set_input(value=1), "again"),
    "an input past the values": (set_input(value=2**32 - 1), str(2**32 - 1)),
    "an input twice": (add("inputs"), "again"),
    "layout NHWC": (set_input(layout="NHWC"), "NHWC"),
    "an output past the values": (set_output(value=13), "13"),
    "an output twice": (add("outputs"), "twice"),
    "labels too few": (set_output(labels=["a", "b", "c"]), "3 labels"),
    "labels a million": (set_output(labels=["a"] * 10**6), "1000000 labels"),
    "meaning unknown": (set_output(meaning="scores"), "scores"),
    # images
    "color yuv": (set_image(color="yuv"), "yuv"),
    "gray for three channels": (set_image(color="gray"), "channels"),
    "resize unknown": (set_image(resize="longer"), "longer"),
    "filter unknown": (set_image(filter="sinc"), "sinc"),
    "size missing": (set_image(size=None), "size"),
    "size 0": (set_image(size=[0]), "size holds 0"),
    "size negative": (set_image(size=[-5]), "size holds -5"),
    "size huge": (set_image(size=[2**31 - 1]), "size holds"),
    "letterbox without pad": (set_image(resize="letterbox", size=[4, 4]), "pad is not there and resize is 'letterbox'"),
    "letterbox of one side": (set_image(resize="letterbox", size=[4], pad=[1, 2, 3]), "size has 1 entries"),
    "pad of one code": (set_image(resize="letterbox", size=[4, 4], pad=[1]), "pad has 1 entries"),
    "pad of no code": (set_image(resize="letterbox", size=[4, 4], pad=np.zeros(0, np.uint8)), "pad has 0 entries"),
    "pad without letterbox": (set_image(pad=[1, 2, 3]), "pad is there and resize is"),
    "crop of one": (set_image(crop=[4]), "crop"),
    "crop huge": (set_image(crop=[2**31 - 1, 4]), "crop"),
    "mean too short": (set_image(mean=[0.5]), "mean"),
    "mean nan": (set_image(mean=[0.5, NAN, 0.5]), "mean"),
    "std 0": (set_image(std=[1.0, 0.0, 1.0]), "std"),
    "std negative": (set_image(std=[1.0, -1.0, 1.0]), "std"),
    "std infinite": (set_image(std=[1.0, INFINITY, 1.0]), "std"),
    # text
    "a name of 100 KB": (set_model(name="x" * 100_000), "string"),
    "a NUL in a name": (set_model(name="a\0b"), "string"),
    "a name that is not UTF-8": (set_model(name=b"\xff\xfe"), "string"),
    "a surrogate in a name": (set_model(name=b"\xed\xa0\x80"), "string"),
    "an overlong character": (set_model(name=b"\xc0\xaf"), "string"),
    "an escape sequence in a name": (set_model(name="a\x1b[2J"), "control character"),
    "a bell in a value's name": (set_value(3, name="a\x07"), "control character"),
    "a carriage return in a node's name": (set_node(0, name="a\rb"), "control character"),
    "a line feed in a module": (set_node(0, module="a\nb"), "control character"),
    "a tab in a weight's source": (set_weight(0, source="a\tb"), "control character"),
    "a DEL in a note": (set_weight(1, note="a\x7f"), "control character"),
    "the first of C1 in a label": (set_output(labels=["a", "b\x80", "c", "d"]), "control character"),
    "the last of C1 in a label": (set_output(labels=["a", "b\x9f", "c", "d"]), "control character"),
    "a line feed in a key": (lambda m: vars(m.metadata[0]).update(key="a\nb"), "control character"),
    "a carriage return in a metadata value": (
        lambda m: vars(m.metadata[0]).update(value="a\r\nb"),
        "control character",
    ),
    "an escape sequence in a metadata value": (
        lambda m: vars(m.metadata[0]).update(value="\x1b]0;title\x07"),
        "control character",
    ),
}


@pytest.mark.parametrize("case", GRAPH)
def test_graph(case):
    edit, word = GRAPH[case]
    assert word in refusal(small_model(edit_model=edit))


def test_text_that_is_utf_8_is_accepted():
    name = "каша 模型 🦆"
    assert Model.open(small_model(name=name)).name == name


def test_a_metadata_value_may_have_tabs_and_several_lines():
    text = "Licence:\n\tfree\n"
    assert Model.open(small_model(metadata={"text": text})).metadata == {"text": text}


def test_what_libdsf_says_is_safe_to_print():
    """Bidi controls may be in a name; an error escapes them, and those of a path."""
    found = refusal(small_model(edit_model=set_node(0, name="a\u202eb", inputs=[-1, 1, 2])))
    assert r"node 'a\u202eb' (conv)" in found


def test_a_path_is_safe_to_print(tmp_path):
    path = tmp_path / "a\x1b[2J\udcff\u2066.dsf"
    path.write_bytes(b"nothing")
    found = refusal(path)
    assert r"a\x1b[2J\xff\u2066.dsf" in found and found.isprintable()


# The data section starts at a multiple of 64; w: 5 sign bytes, 18 level bytes at 64, ends at 82; b at 128 ...
DATA = {
    "padding between planes": (5, 1, "between its planes"),
    "padding before a weight": (82, 1, "padding"),
    "unused sign bits": (4, 0x80, "unused bits"),
    "the sign of a zero": (0, 1 << 5, "zero"),
}


@pytest.mark.parametrize("case", DATA)
def test_data(case):
    position, bit, word = DATA[case]

    def edit(data):
        start = int.from_bytes(data[32:40], "little")
        data[start + position] |= bit

    assert word in refusal(small_model(edit_bytes=edit))


@pytest.mark.parametrize("bits", range(2, 7))
@pytest.mark.parametrize("position", [0, 1, 7, 8, 63, 64, 130])
def test_a_signed_zero_is_found_wherever_it_is(bits, position):
    levels, signs = np.zeros(131, np.int64), np.zeros(131, bool)
    levels[position], signs[position] = 2 ** (bits - 1) - 1, True
    weight = shift_weight("w", levels, signs, bits=bits, zero=True)
    data = build(
        values=[{"name": "x", "shape": [-1, 131]}, {"name": "w", "shape": [131]}, {"name": "y", "shape": [-1, 131]}],
        nodes=[{"op": "mul", "inputs": ["x", "w"], "outputs": ["y"]}],
        weights=[weight],
        inputs=["x"],
        outputs=["y"],
    )
    assert "has a sign" in refusal(data)


def shared_offsets(entries: int) -> bytes:
    """A list of nodes that all lead to the first one: a plain verifier visits it again and again."""
    node = {"op": "relu", "inputs": ["x"], "outputs": ["y"], "name": "n"}
    values = [{"name": "x", "shape": [1]}, {"name": "y", "shape": [1]}]

    def edit(data):
        table = fb.Model.GetRootAs(data[64:])._tab
        start = 64 + table.Vector(table.Offset(12))  # nodes are the fifth field
        first = start + int.from_bytes(data[start : start + 4], "little")
        for at in range(start, start + 4 * entries, 4):
            data[at : at + 4] = (first - at).to_bytes(4, "little")

    return build(values=values, nodes=[node] * entries, inputs=["x"], outputs=["y"], edit_bytes=edit)


def test_shared_offsets_are_refused():
    assert "shares bytes" in refusal(shared_offsets(20))
    assert "shares bytes" in refusal(shared_offsets(4000))


AMPLIFIERS = {
    "many values": lambda m: m.values.extend([m.values[3]] * 40_000),
    "many nodes": lambda m: m.nodes.extend([m.nodes[1]] * 20_000),
    "many weights": lambda m: m.weights.extend([m.weights[1]] * 20_000),
    "many metadata": lambda m: m.metadata.extend([m.metadata[0]] * 40_000),
    "many inputs": lambda m: m.inputs.extend([m.inputs[0]] * 10_000),
    "a node with a million outputs": set_node(1, outputs=list(range(10**6))),
    "many labels": set_output(labels=["a"] * 50_000),
    "a string of 16 MB": set_model(name="x" * (16 << 20)),
}


@pytest.mark.parametrize("case", AMPLIFIERS)
def test_refusing_takes_time_and_memory_in_proportion(case):
    data = small_model(edit_model=AMPLIFIERS[case])
    started = time.process_time()
    refusal(data)
    seconds = time.process_time() - started
    assert seconds < 0.1 + 0.05 * len(data) / 2**20, f"{seconds:.2f} s for {len(data)} bytes"


def test_doubling_a_hostile_file_no_more_than_doubles_the_time():
    def timed(data):
        started = time.process_time()
        refusal(data)
        return time.process_time() - started

    def seconds(entries):
        data = shared_offsets(entries)
        return min(timed(data) for _ in range(3))

    assert seconds(3600) < 4 * seconds(900) + 0.02


LITTLE_MEMORY = """
    import resource
    from dsruntime import Model, ModelError
    from tests.load.test_hostile import AMPLIFIERS, GRAPH, small_model
    edits = {**AMPLIFIERS, **{name: edit for name, (edit, _) in GRAPH.items()}}
    files = {name: small_model(edit_model=edit) for name, edit in edits.items()}
    try:
        Model.open(b"warm")
    except ModelError:
        pass
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    largest = max(map(len, files.values()))
    resource.setrlimit(resource.RLIMIT_AS, (used + 4 * largest + (16 << 20),) * 2)
    for name, data in files.items():
        try:
            Model.open(data)
        except ModelError:
            continue
        raise AssertionError(f"{name}: not refused")
"""


def test_refusing_takes_little_memory():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LITTLE_MEMORY)], capture_output=True, text=True, timeout=120, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_vector_off_its_alignment_is_refused():
    """Four bytes put before a list of 8-byte numbers: every offset is right, and C++ may not read it."""

    def edit(data):
        table = fb.Model.GetRootAs(data[64:]).Values(0)._tab
        field = 64 + table.Pos + table.Offset(8)  # the shape
        start = field + int.from_bytes(data[field : field + 4], "little")
        data[start : start + 16] = bytes(4) + data[start : start + 12]  # the last half of the only dimension is lost
        data[start + 4 : start + 12] = b"\1\0\0\0\5\0\0\0"
        data[field : field + 4] = (start + 4 - field).to_bytes(4, "little")

    values = [{"name": "x", "shape": [5, 5]}, {"name": "y", "shape": [5, 5]}]
    node = {"op": "relu", "inputs": ["x"], "outputs": ["y"]}
    data = build(values=values, nodes=[node], inputs=["x"], outputs=["y"], edit_bytes=edit)
    assert "aligned" in refusal(data)
