"""TorchScript archives go through the TorchScript exporter; what it cannot do has one message with the way out."""

import numpy as np
import pytest
import torch

from dscompress.capture import CaptureOptions, capture
from dscompress.errors import CompileError
from dscompress.nn import bake
from tests.capture import models
from tests.capture.run import first_dims, run


@pytest.mark.parametrize("make", [torch.jit.script, lambda model: torch.jit.trace(model, torch.zeros(2, 1, 8, 8))],
                         ids=["script", "trace"])  # fmt: skip
def test_answers(tmp_path, net, x, answer, make):
    make(bake(net)).save(tmp_path / "model.pt")
    captured = capture(tmp_path / "model.pt", CaptureOptions(input_shape=models.SHAPE))
    assert captured.kind == "TorchScript" and first_dims(captured.model) == ["N"]
    np.testing.assert_allclose(run(captured.model, x.numpy()), answer, atol=1e-5)


def test_messages(tmp_path, net):
    path = tmp_path / "model.pt"
    torch.jit.script(bake(net)).save(path)
    with pytest.raises(CompileError, match="does not say its input's shape; add --input-shape 1,3,224,224"):
        capture(path)
    with pytest.raises(CompileError, match="export the nn.Module instead: torch.export.save"):
        capture(path, CaptureOptions(input_shape="1,3,8,8"))
