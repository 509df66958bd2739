"""Which nodes become one step."""

from math import inf

import pytest

from dsruntime.plan.fusion import JOINS, Join, Takes, groups_of
from tests.dsruntime.plan.graphs import graph

EVERYTHING = frozenset(Join)
CLIP = frozenset({Join.CLIP})
TAKES = {
    "conv": Takes(frozenset({Join.RESIDUAL, Join.CLIP}), CLIP),
    "mat_mul": Takes(frozenset({Join.BIAS, Join.RESIDUAL, Join.CLIP}), frozenset({Join.FACTOR, Join.CLIP})),
    "add": Takes(CLIP, CLIP),
    "sigmoid": Takes(frozenset({Join.GATE}), frozenset({Join.GATE})),
}


def groups(found, takes=TAKES):
    return groups_of(found, [value.shape for value in found.values], takes)


def names(*arguments, **more):
    return [group.name for group in groups(graph(*arguments, **more))]


@pytest.mark.parametrize(
    "nodes, fused",
    [
        ([("conv", "xw", "a"), ("relu", "a", "y")], ["conv+relu"]),
        ([("conv", "xw", "a"), ("add", "xa", "b"), ("clip", "b", "y", {"max": 6.0})], ["conv+add+clip"]),
        (
            [("relu", "x", "a"), ("conv", "aw", "b"), ("conv", "aw", "c"), ("add", "bc", "y")],
            ["relu", "conv", "conv+add"],
        ),
        ([("conv", "xw", "a"), ("relu", "a", "b"), ("relu", "b", "y")], ["conv+relu", "relu"]),
        ([("conv", "xw", "a"), ("sigmoid", "a", "b"), ("mul", "ab", "y")], ["conv", "sigmoid+mul"]),
        ([("sigmoid", "x", "a"), ("mul", "aa", "y")], ["sigmoid", "mul"]),
        ([("sigmoid", "x", "a"), ("mul", "xa", "b"), ("relu", "b", "y")], ["sigmoid+mul", "relu"]),
        ([("add", "xx", "a"), ("relu", "a", "y")], ["add+relu"]),
        ([("conv", "xw", "a"), ("add", "aw", "y")], ["conv", "add"]),
        ([("constant_of_shape", "", "a"), ("relu", "a", "y")], ["constant_of_shape", "relu"]),
    ],
)
def test_what_is_fused(nodes, fused):
    assert names(*nodes) == fused
    assert [group.name for group in groups(graph(*nodes), {})] == [node[0] for node in nodes]


def test_the_table_says_what_a_step_takes():
    found = graph(("tanh", "x", "a"), ("relu", "a", "y"))
    assert [group.name for group in groups(found, {"tanh": Takes(CLIP, CLIP)})] == ["tanh+relu"]
    assert {join for joins in JOINS.values() for join in joins} == EVERYTHING


def test_what_somebody_else_reads_is_not_fused():
    assert names(("conv", "xw", "a"), ("relu", "a", "y"), outputs="ay") == ["conv", "relu"]


def test_a_row_is_a_bias_before_a_residual_and_a_clip():
    nodes = [("mat_mul", "xw", "a"), ("add", "ba", "c"), ("add", "cr", "d"), ("clip", "d", "y", {"min": -1.0})]
    found = graph(*nodes, weights="wb", shape=(2, 6), shapes={"w": (6, 6), "b": (6,)})
    (group,) = groups(found)
    at = {value.name: index for index, value in enumerate(found.values)}
    assert (group.bias, group.residual, group.factor) == (at["b"], at["r"], None)
    assert (group.low, group.high, group.outputs) == (-1.0, inf, (at["y"],))
    late = [nodes[0], ("add", "ar", "d"), ("add", "db", "y")]
    assert names(*late, weights="wb", shape=(2, 6), shapes={"w": (6, 6), "b": (6,)}) == ["mat_mul+add", "add"]


def test_a_constant_number_is_the_factor_of_a_product_of_activations_alone():
    nodes = [("mat_mul", "xw", "a"), ("mul", "sa", "b"), ("relu", "b", "y")]
    assert names(*nodes, weights="s", shapes={"s": (1,)}) == ["mat_mul+mul+relu"]
    assert names(*nodes, weights="sw", shapes={"s": (1,)}) == ["mat_mul", "mul", "relu"]
    assert names(*nodes, weights="s", shapes={"s": (6,)}) == ["mat_mul", "mul", "relu"]


def test_a_residual_of_another_shape_stays_apart():
    assert names(("conv", "xw", "a"), ("add", "ar", "y"), shapes={"r": (2, 4, 1, 1)}) == ["conv", "add"]
