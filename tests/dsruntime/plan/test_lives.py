"""How long buffers and values are needed."""

from dsruntime.plan.lives import ALWAYS, BEFORE, Buffer, last_uses
from tests.dsruntime.plan.graphs import graph


def test_a_buffer_lives_from_its_first_step_to_its_last_use():
    a, b = Buffer(1, 2, 2), Buffer(1, 4, 5)
    assert not a.overlaps(b) and not b.overlaps(a)
    a.use(4)
    a.use(3)
    assert (a.first, a.last) == (2, 4) and a.overlaps(b) and b.overlaps(a)
    assert Buffer(1, BEFORE, BEFORE).overlaps(Buffer(1, BEFORE, ALWAYS))
    assert not Buffer(1, BEFORE, BEFORE).overlaps(b)


def test_values_go_after_their_last_reader_and_outputs_and_weights_stay():
    found = graph(
        ("conv", ["x", "w"], "a"), ("relu", ["a"], "b"), ("add", ["a", "b"], "c"), ("relu", ["c"], "y"), outputs="by"
    )
    names = [[found.values[index].name for index in gone] for gone in last_uses(found)]
    assert names == [["x"], [], ["a"], ["c"]]


def test_a_result_that_nobody_reads_goes_at_once():
    found = graph(("relu", ["x"], "a"), ("relu", ["x"], "y"))
    assert [[found.values[index].name for index in gone] for gone in last_uses(found)] == [["a"], ["x"]]
