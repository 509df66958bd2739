"""Every method leaves through torch.export with its weights to the bit, and runs as .dsf as it runs in PyTorch."""

import numpy as np
import pytest
import torch
from torch import nn

import dsruntime
from dscompress import compile_model
from dscompress.capture import CaptureOptions, capture
from dscompress.capture.torch_export import export_module, to_onnx
from dscompress.nn import convert

SETTINGS = [
    dict(method="s3", bits=3),
    dict(method="dense", bits=3, offset="channel"),
    dict(method="q", bits=4, scale="trained"),
    dict(method="ps", bits=3, offset="tensor", sign_threshold=0.3),
]


def net(**setting) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 8, 3, groups=2, dilation=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)
    )
    model[1].running_var.uniform_(0.5, 2)
    return convert(model, **setting)[0].eval()


def weights_of(model) -> dict[str, np.ndarray]:
    return {name: value.const_value.numpy() for name, value in model.graph.initializers.items()}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting["method"])
def test_the_exported_graph_folds_to_the_baked_weights(setting):
    model = net(**setting)
    through_layers = to_onnx(export_module(model, [(1, 2, 6, 6)], True, "net"), "net")
    baked = capture(model, CaptureOptions(input_shape=(1, 2, 6, 6))).model
    assert [node.op_type for node in through_layers.graph] == [node.op_type for node in baked.graph]
    one, other = weights_of(through_layers), weights_of(baked)
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting["method"])
def test_every_weight_is_stored_as_codes(setting, tmp_path):
    model = net(**setting)
    compile_model(model, tmp_path / "net.dsf", input_shape=(1, 2, 6, 6), require_shift=True)
    x = torch.randn(4, 2, 6, 6)
    with dsruntime.load(tmp_path / "net.dsf") as session:
        np.testing.assert_allclose(session.run(x.numpy()), model(x).detach(), atol=1e-5)


def test_fixed_point_activations_run_as_they_were_trained(tmp_path):
    """Without a norm every sum of few codes is exact, so that no floor can fall on the other side."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    convert(model, "q", 4, activation=(4, 5))[0].eval()
    compile_model(model, tmp_path / "net.dsf", input_shape=(1, 2, 6, 6), require_shift=True)
    x = torch.randn(4, 2, 6, 6) * 5
    with dsruntime.load(tmp_path / "net.dsf") as session:
        np.testing.assert_allclose(session.run(x.numpy()), model(x).detach(), atol=1e-5)
