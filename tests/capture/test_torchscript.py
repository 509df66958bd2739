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
    captured = capture(tmp_path / "model.pt", CaptureOptions(input_shape=models.SHAPE, trust_pickle=True))
    assert captured.notes == ["loaded with --trust-pickle: code that the file names was run"]
    assert captured.kind == "TorchScript" and first_dims(captured.model) == ["N"]
    np.testing.assert_allclose(run(captured.model, x.numpy()), answer, atol=1e-5)


def test_messages(tmp_path, net):
    path = tmp_path / "model.pt"
    torch.jit.script(bake(net)).save(path)
    with pytest.raises(CompileError, match="does not say its input's shape; add --input-shape 1,3,224,224"):
        capture(path, CaptureOptions(trust_pickle=True))
    with pytest.raises(CompileError, match="export the nn.Module instead: torch.export.save"):
        capture(path, CaptureOptions(input_shape="1,3,8,8", trust_pickle=True))


class Writes(torch.nn.Module):
    """Writes the file `marker` when it runs, from TorchScript alone."""

    def forward(self, x):
        bytes_ = torch.from_file("marker", shared=True, size=8, dtype=torch.uint8)
        bytes_.copy_(torch.zeros(8, dtype=torch.uint8))
        return x + bytes_.sum()


class WritesOnLoad(Writes):
    """Writes it while it is loaded."""

    @torch.jit.export
    def __getstate__(self) -> bool:
        return self.training

    @torch.jit.export
    def __setstate__(self, training: bool) -> None:
        bytes_ = torch.from_file("marker", shared=True, size=8, dtype=torch.uint8).zero_()
        self.training = training or bool(bytes_.sum() > 0)


@pytest.mark.parametrize("make", [Writes, WritesOnLoad])
def test_it_is_a_program_and_needs_trust(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    torch.jit.script(make()).save("model.pt")
    (tmp_path / "marker").write_bytes(b"untouched")
    with pytest.raises(CompileError, match="is a TorchScript archive, a program .*torch.export.save.*--trust-pickle"):
        capture("model.pt", CaptureOptions(input_shape="1,4"))
    assert (tmp_path / "marker").read_bytes() == b"untouched"
    if make is WritesOnLoad:
        torch.jit.load("model.pt")
        assert (tmp_path / "marker").read_bytes() != b"untouched"  # it does so, where it is let
