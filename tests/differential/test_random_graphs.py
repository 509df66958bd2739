"""Random small graphs agree between ONNX Runtime and every backend: equal where float32 is exact, else in bounds.

The graphs are the same in every run; `python tools/campaign.py graphs --count 10000` makes as many others as you like.
"""

import tempfile
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies

from tests.differential.agreement import check_graph
from tests.differential.graphs import random_graph

SETTINGS = hypothesis.settings(
    max_examples=100, derandomize=True, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)


class Drawn:
    """Choices made by hypothesis."""

    def __init__(self, data) -> None:
        self.data = data

    def integer(self, low, high):
        return self.data.draw(strategies.integers(low, high))

    def pick(self, options):
        return self.data.draw(strategies.sampled_from(list(options)))


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "bounded"])
def test_random_graphs_agree(exact):
    @SETTINGS
    @hypothesis.given(strategies.data())
    def agree(data):
        graph = random_graph(Drawn(data), exact)
        with tempfile.TemporaryDirectory() as folder:
            check_graph(graph, Path(folder))

    agree()
