"""The first changed models of tools/fuzz/onnx_models.py: each becomes a model or a refusal."""

import random

import pytest

from tools.fuzz.onnx_models import one
from tools.fuzz.onnx_seeds import GRAPHS, changed, parsed


@pytest.mark.parametrize("seed", range(4))
def test_changed_models(tmp_path, seed):
    models = [parsed(text, opset) for opset, texts in GRAPHS.items() for text in texts]
    path, outcomes = tmp_path / "model.onnx", []
    for index in range(40):
        path.write_bytes(changed(models, random.Random(f"{seed} {index}")))
        outcomes.append(one(path, {"dynamic_batch": index % 2 == 0}))
        assert not outcomes[-1].startswith("FINDING"), outcomes[-1]
    assert "exported" in outcomes and "refused" in outcomes
