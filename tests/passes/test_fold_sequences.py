"""fold_sequences: the operators that are left, and equal outputs; then branches and sequences that are refused."""

import numpy as np
import pytest

from dscompress.compile.lower import lower
from dscompress.errors import CompileError
from dscompress.passes import run_pipeline
from tests.compile.graphs import parse, random
from tests.passes.test_folding import same_after

BRANCHES = "<then_branch = then () => (float[n, 4] t) {{ {} }}, else_branch = other () => (float[n, 4] e) {{ {} }}>"


def branch(then: str, other: str = "e = Neg(a)", condition: str = "on", before: str = ""):
    text = f"{before} a = Relu(x) y = If({condition}) {BRANCHES.format(then, other)}"
    return f"g (float[n, 4] x) => (float[n, 4] y) {{ {text} }}"


@pytest.mark.parametrize("on, left", [(True, ["Relu", "Exp"]), (False, ["Relu", "Neg"])])
def test_the_branch_that_is_taken(on, left):
    assert same_after(parse(branch("t = Exp(a)"), on=np.array(on)), random(3, 4)) == left


def test_a_branch_that_passes_an_outer_value_through():
    assert same_after(parse(branch("t = Identity(a)"), on=np.array(True)), random(3, 4)) == ["Relu"]
    assert same_after(parse(branch("t = Identity(x)"), on=np.array(True)), random(3, 4))[-1:] == ["Identity"]


def test_constants_inside_a_branch():
    model = parse(branch("c = Constant<value_floats = [1.0, 2.0, 3.0, 4.0]>() t = Add(a, c)"), on=np.array(True))
    assert same_after(model, random(3, 4)) == ["Relu", "Add"]


def test_a_constant_that_a_branch_hands_out():
    text = """g (float[n, 4] x) => (float[n, 4] y) {
        c = If(on) <then_branch = a () => (float[4] t) { t = Constant<value_floats = [1.0, 2.0, 3.0, 4.0]>() },
                    else_branch = b () => (float[4] e) { e = Constant<value_floats = [4.0, 3.0, 2.0, 1.0]>() }>
        y = Add(x, c) }"""
    assert same_after(parse(text, on=np.array(False)), random(3, 4)) == ["Add"]


def test_a_branch_inside_a_branch():
    inner = BRANCHES.format("t = Exp(a)", "e = Abs(a)").replace("[n, 4] t)", "[n, 4] i)").replace("t =", "i =")
    model = parse(
        branch(f"u = If(off) {inner.replace('other', 'o').replace('then ()', 'h ()')} t = Identity(u)"),
        on=np.array(True),
        off=np.array(False),
    )
    assert same_after(model, random(3, 4)) == ["Relu", "Abs"]


WIDTH = "s = Shape(x) w = Gather(s, last) c = Equal(w, four)"
SIZES = dict(last=np.array(1), four=np.array(4))


def test_a_condition_that_follows_from_a_fixed_size():
    model = parse(branch("t = Exp(a)", condition="c", before=WIDTH), **SIZES)
    assert same_after(model, random(3, 4)) == ["Relu", "Exp"]


def refused(model, named: str) -> None:
    with pytest.raises(CompileError, match=named):
        lower(run_pipeline(model))


@pytest.mark.parametrize("batch", [1, 4, 7, 1000])
def test_a_condition_on_the_batch_size_is_refused(batch):
    """Even where the two sizes that shapes are inferred with decide it alike."""
    before = WIDTH.replace("Equal", "Less")
    model = parse(branch("t = Exp(a)", condition="c", before=before), last=np.array(0), four=np.array(batch))
    refused(model, r"g: 1 node cannot be stored\n.*\(If\): the operator is not supported; .*--no-dynamic-batch")


def test_a_condition_on_the_input_is_refused():
    before = "m = ReduceMax<keepdims = 0>(x) c = Greater(m, zero)"
    model = parse(branch("t = Exp(a)", condition="c", before=before), zero=np.float32(0))
    refused(model, r"\(If\): .*export with the condition a constant")


def test_what_is_inside_a_branch_that_stays_does_not_matter():
    model = parse(
        branch(
            "q = Celu(a) t = Neg(q)",
            condition="c",
            before="r = Abs(x) m = ReduceMax<keepdims = 0>(r) c = Greater(m, zero)",
        ),
        zero=np.float32(0),
    )
    with pytest.raises(CompileError, match=r"\(If\)") as caught:
        lower(run_pipeline(model))
    assert "Celu" not in str(caught.value)


def test_a_loop_is_refused():
    text = """g (float[n, 4] x) => (float[n, 4] y) { y = Loop(times, on, x)
        <body = b (int64 i, bool c, float[n, 4] v) => (bool d, float[n, 4] w) { d = Identity(c) w = Relu(v) }> }"""
    refused(parse(text, times=np.array(3), on=np.array(True)), r"\(Loop\): .*unroll")


SPLITS = {
    "in pieces of 3": ("SplitToSequence<axis = 1>(x, k)", np.array(3)),
    "in given pieces": ("SplitToSequence<axis = 1>(x, k)", np.array([1, 4, 3])),
    "from the end": ("SplitToSequence<axis = -1>(x, k)", np.array([4, 1, 3])),
    "given pieces are never squeezed": ("SplitToSequence<axis = 1, keepdims = 0>(x, k)", np.array([2, 2, 4])),
}


@pytest.mark.parametrize("kind", SPLITS)
def test_a_sequence_that_is_a_split(kind):
    split, sizes = SPLITS[kind]
    text = f"g (float[n, 8] x) => (float[n, m] y) {{ s = {split} y = SequenceAt(s, one) }}"
    model = parse(text, k=sizes, one=np.array(1))
    assert same_after(model, random(2, 8)) == ["Split"]


def test_a_split_into_single_entries():
    nodes = "s = SplitToSequence<axis = 1, keepdims = 0>(x) y = SequenceAt(s, last)"
    model = parse(f"g (float[n, 3] x) => (float[n] y) {{ {nodes} }}", last=np.array(-1))
    assert same_after(model, random(2, 3)) == ["Split", "Squeeze"]


def test_a_sequence_that_is_built_and_joined():
    model = parse(
        """g (float[n, 2] x) => (float[n, 2, k] y) {
        e = SequenceEmpty() a = Relu(x) b = Neg(x)
        one = SequenceInsert(e, a) two = SequenceInsert(one, b, first) three = SequenceInsert(two, x)
        s = SequenceErase(three, first) y = ConcatFromSequence<axis = 2, new_axis = 1>(s) }""",
        first=np.array(0),
    )
    assert same_after(model, random(3, 2)) == ["Relu", "Unsqueeze", "Unsqueeze", "Concat"]


def test_the_length_of_a_sequence():
    model = parse(
        """g (float[n, 4] x) => (float[n, 4] y) {
        s = SplitToSequence<axis = 1>(x, k) l = SequenceLength(s) f = Cast<to = 1>(l) y = Mul(x, f) }""",
        k=np.array(2),
    )
    assert same_after(model, random(3, 4)) == ["Mul"]


REFUSED = {
    "too many pieces": ("float[n, 1000000000] x", "s = SplitToSequence<axis = 1>(x, k) y = SequenceAt(s, k)"),
    "pieces of the batch": ("float[n, 4] x", "s = SplitToSequence<axis = 0>(x, k) y = SequenceAt(s, k)"),
    "a place beyond the end": ("float[n, 2] x", "s = SequenceConstruct(x) y = SequenceAt(s, k)"),
    "a place that is computed": ("float[n, 2] x, int64 p", "s = SequenceConstruct(x) y = SequenceAt(s, p)"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_sequence_that_stays_is_refused(kind):
    inputs, nodes = REFUSED[kind]
    refused(parse(f"g ({inputs}) => (float[n, m] y) {{ {nodes} }}", k=np.array(1)), r"\(SequenceAt\): .*not supported")


def test_a_cast_like_another_value():
    model = parse("g (float[n, 4] x, int64[n, 4] i) => (float[n, 4] y) { c = CastLike(i, x) y = Add(x, c) }")
    assert same_after(model, random(2, 4), np.ones((2, 4), np.int64)) == ["Cast", "Add"]
