"""ONNX's own tests of the operators that export takes; tools/onnx_node_tests.py runs all of them, and writes a page."""

import pytest

from dscompress.compile.lower import LOWERINGS
from tools.onnx_node_tests import CONSTANTS, Case, cases_of, run_form, with_constants

# ConstantOfShape's one input is a size, which must be constant; LayerNormalization's tests read its mean as well.
NEVER_RIGHT = {"ConstantOfShape", "LayerNormalization"}


@pytest.fixture(scope="module")
def cases() -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = {name: [] for name in LOWERINGS}
    for case in cases_of(LOWERINGS):
        found[case.model.graph.node[0].op_type].append(case)
    return found


@pytest.mark.parametrize("operator", LOWERINGS)
def test_no_answer_is_wrong(cases, operator):
    """With constants where a model has more than one input: as given, sizes and axes would be computed."""
    results = [run_form(with_constants(case) or case, CONSTANTS) for case in cases[operator]]
    assert not [(r.name, r.verdict, r.text) for r in results if r.verdict in ("wrong", "crashed")]
    assert any(result.verdict == "right" for result in results) != (operator in NEVER_RIGHT)
