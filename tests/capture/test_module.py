"""An nn.Module in memory: weights to the bit, a free batch, the caller's model untouched, failures in one sentence."""

import numpy as np
import pytest
import torch
from torch import nn

from dscompress.capture import CaptureOptions, capture
from dscompress.capture.torch_export import export_module, to_onnx
from dscompress.errors import CompileError
from dscompress.nn import ShiftConv2d, ShiftLinear
from tests.capture import models
from tests.capture.run import first_dims, run


def weights_of(model) -> dict[str, np.ndarray]:
    return {name: value.const_value.numpy() for name, value in model.graph.initializers.items()}


def test_answers_with_a_free_batch(net, x, answer):
    captured = capture(net, CaptureOptions(input_shape=models.SHAPE))
    assert captured.kind == "nn.Module" and captured.sha256 is None and captured.notes == []
    assert first_dims(captured.model) == ["N"]
    assert [str(dim) for dim in captured.model.graph.outputs[0].shape] == ["N", "10"]
    np.testing.assert_allclose(run(captured.model, x.numpy()), answer, atol=1e-5)


def test_a_fixed_batch(net, x, answer):
    captured = capture(net, CaptureOptions(input_shape=(3, 1, 8, 8), dynamic_batch=False))
    assert first_dims(captured.model) == ["3"]
    np.testing.assert_allclose(run(captured.model, x[:3].numpy()), answer[:3], atol=1e-5)


@pytest.mark.parametrize("method", ["q", "ps"])
def test_weights_are_the_effective_weights_bit_for_bit(method):
    model = nn.Sequential(ShiftConv2d(2, 4, 3, method=method), nn.Flatten(), ShiftLinear(16, 3, method=method))
    weights = weights_of(capture(model, CaptureOptions(input_shape="1,2,4,4")).model)
    assert np.array_equal(weights["0.weight"], model[0].effective_weight.detach().numpy())
    assert np.array_equal(weights["2.weight"], model[2].effective_weight.detach().numpy())


def test_batch_norm_folds_to_a_scale_per_channel_times_powers_of_two(net):
    weights = weights_of(capture(net, CaptureOptions(input_shape=models.SHAPE)).model)["0.weight"]
    for channel in weights:
        significands, _ = np.frexp(channel[channel != 0])
        assert len(set(np.abs(significands))) <= 1


@pytest.mark.parametrize("factory", [models.q_net, models.ps_net])
def test_what_parameters_alone_decide_is_folded_to_the_same_bits(factory):
    """The way of a .pt2: the layers' own rounding is in the exported graph."""
    model = factory().eval()
    through_layers = to_onnx(export_module(model, [(1, 1, 8, 8)], True, "net"), "net")
    baked = capture(model, CaptureOptions(input_shape=models.SHAPE)).model
    assert [node.op_type for node in through_layers.graph] == [node.op_type for node in baked.graph]
    one, other = weights_of(through_layers), weights_of(baked)
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_the_callers_model_stays_as_it_was(net):
    model = models.ps_net().double().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    capture(model, CaptureOptions(input_shape=models.SHAPE))
    assert model.training and all(child.training for child in model.modules())
    for name, value in model.state_dict().items():
        assert value.dtype == before[name].dtype and torch.equal(value, before[name])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_other_floats_are_stored_as_float32_and_said(dtype):
    captured = capture(models.float_net().to(dtype), CaptureOptions(input_shape=models.SHAPE))
    assert all(weight.dtype not in (np.float64, np.float16) for weight in weights_of(captured.model).values())
    assert captured.notes == [f"found {str(dtype).removeprefix('torch.')} weights, stored as float32"]


def test_an_images_shape_may_leave_out_the_batch(net):
    captured = capture(net, CaptureOptions(input_shape="1,8,8"))
    assert first_dims(captured.model) == ["N"]
    assert captured.notes == ["input shape 1,8,8 taken as one image, batch 1"]


def test_the_module_may_say_its_input_shape():
    model = models.float_net()
    model.input_shape = (1, 1, 8, 8)
    assert first_dims(capture(model).model) == ["N"]


def test_several_inputs():
    options = CaptureOptions(input_shape=["1,2,4,4", "1,2,1,1"])
    captured = capture(models.TwoInputs(), options)
    assert first_dims(captured.model) == ["N", "N"]
    image, scale = np.ones((3, 2, 4, 4), np.float32), np.full((3, 2, 1, 1), 2, np.float32)
    assert np.array_equal(run(captured.model, image, scale), image * 2)


def test_nothing_is_printed(net, capfd, recwarn):
    capture(net, CaptureOptions(input_shape=models.SHAPE))
    assert capfd.readouterr() == ("", "")
    assert not list(recwarn)


@pytest.mark.parametrize("model, options, parts", [
    (models.float_net, {}, ["Sequential", "does not say its input's shape", "--input-shape 1,3,224,224"]),
    (models.float_net, {"input_shape": "1,3,8,8"}, ["'0' (Conv2d)", "to have 1 channels", "check --input-shape"]),
    (models.float_net, {"input_shape": "1,x"}, ["input shape '1,x'", "--input-shape 1,3,224,224"]),
    (models.float_net, {"input_shape": "0,1,8,8"}, ["input shape '0,1,8,8'", "positive"]),
    (models.Branches, {"input_shape": models.SHAPE},
     ["models.py line", "if y.sum() > 0:", "data-dependent", "torch.where"]),
    (models.FixedBatch, {"input_shape": models.SHAPE}, ["FixedBatch", "batch size", "--no-dynamic-batch"]),
    (models.Untranslatable, {"input_shape": models.SHAPE},
     ["no translation of", "bessel_j0", "models.py line", "torch.special.bessel_j0(x)"]),
])  # fmt: skip
def test_failures_are_one_sentence(model, options, parts):
    with pytest.raises(CompileError) as caught:
        capture(model(), CaptureOptions(**options))
    text = str(caught.value)
    assert "\n" not in text and len(text) < 700
    for part in parts:
        assert part in text


def test_forward_may_take_its_inputs_as_a_star():
    class Sum(nn.Module):
        def forward(self, first, *others):
            return first + sum(others)

    captured = capture(Sum(), CaptureOptions(input_shape=["1,4", "1,4", "1,4"]))
    assert first_dims(captured.model) == ["N", "N", "N"]


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_a_divisor_that_onnx_cannot_say_is_refused(ceil_mode):
    model = nn.Sequential(nn.AvgPool2d(3, 2, 1, ceil_mode=ceil_mode, divisor_override=5))
    with pytest.raises(CompileError, match="no average pool with divisor_override, called in '0'"):
        capture(model, CaptureOptions(input_shape="1,3,8,8"))


@pytest.mark.parametrize("wrap", [nn.utils.parametrizations.weight_norm, nn.utils.weight_norm])
def test_weight_norm_after_a_forward(wrap):
    """The older form leaves a tensor with a history in the layer, which copy.deepcopy refuses."""
    torch.manual_seed(0)
    model, x = nn.Sequential(wrap(nn.Conv1d(4, 8, 3)), nn.ReLU(), wrap(nn.Conv1d(8, 2, 3))).eval(), torch.randn(2, 4, 9)
    expected = model(x).detach().numpy()
    for dtype in (torch.float32, torch.float64):
        captured = capture(model.to(dtype), CaptureOptions(input_shape="1,4,9"))
        assert [node.op_type for node in captured.model.graph] == ["Conv", "Relu", "Conv"]
        np.testing.assert_allclose(run(captured.model, x.numpy()), expected, atol=1e-5)
        model(x.to(dtype))


class Words(nn.Module):
    """Indices of words, and which of them count."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(11, 6), nn.Linear(6, 3)

    def forward(self, ids, mask):
        words = self.embedding(ids) * mask.unsqueeze(2)
        return self.head(words.sum(1) / mask.sum(1, keepdim=True))


IDS, MASK = torch.tensor([[1, 5, 10], [0, 2, 2]]), torch.tensor([[1.0, 1, 0], [1, 1, 1]])


@pytest.mark.parametrize("options", [
    {"input_shape": ["1,3", "1,3"], "input_dtype": ("int64", "float32")},
    {"inputs": (IDS, MASK)},
    {"inputs": (IDS[:1].numpy(), MASK[:1].double().numpy())},
    {"inputs": {"mask": MASK, "ids": IDS.numpy()}},
], ids=["dtypes", "tensors", "arrays", "by name"])  # fmt: skip
def test_inputs_that_are_indices(options):
    torch.manual_seed(0)
    words = Words().eval()
    captured = capture(words, CaptureOptions(**options))
    found = {value.name: (str(value.dtype), str(value.shape[0])) for value in captured.model.graph.inputs}
    assert found == {"ids": ("INT64", "N"), "mask": ("FLOAT", "N")}
    order = {"ids": IDS.numpy(), "mask": MASK.numpy()}
    outputs = run(captured.model, *(order[value.name] for value in captured.model.graph.inputs))
    np.testing.assert_allclose(outputs, words(IDS, MASK).detach().numpy(), atol=1e-6)


def test_an_input_of_other_rows_is_no_batch():
    class Table(nn.Module):
        def forward(self, x, table):
            return x @ table

    captured = capture(Table(), CaptureOptions(input_shape=["2,4", "4,3"]))
    assert first_dims(captured.model) == ["N", "4"]


@pytest.mark.parametrize("options, part", [
    ({"input_shape": ["1,3", "1,3"], "input_dtype": "int64"}, "1 input dtype for 2 input shapes"),
    ({"input_shape": ["1,3", "1,3"], "input_dtype": ("int64", "str")}, "--input-dtype str; expected one of float32"),
    ({"input_shape": "1,3", "inputs": (IDS, MASK)}, "inputs, and their shapes or dtypes beside; expected either"),
    ({"inputs": (IDS, "mask")}, "an example input of type str; expected arrays or tensors"),
    ({"inputs": (IDS, MASK.to(torch.complex64))}, "an example input of complex64; expected one of float32"),
    ({"inputs": {"ids": IDS, "nask": MASK}}, "PyTorch could not capture"),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_inputs_that_do_not_fit(options, part):
    with pytest.raises(CompileError, match=part) as caught:
        capture(Words(), CaptureOptions(**options))
    assert "\n" not in str(caught.value)
