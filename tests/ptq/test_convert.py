"""convert(): answers close to the float model's, weights that export stores in the promised bits, clear refusals."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

import dscompress
from dscompress.compile.encode import encode
from dscompress.errors import CompileError
from dscompress.ptq import INGREDIENTS, convert, sensitivity

MATRICES = ["0.weight", "4.weight", "7.weight", "11.weight", "13.weight"]


def noise(model, converted, x) -> float:
    with torch.no_grad():
        wanted, found = model.eval()(x), converted.eval()(x)
    return float((found - wanted).square().sum() / wanted.square().sum())


def accuracy(model, scans) -> float:
    with torch.no_grad():
        return float((model.eval()(scans[2]).argmax(1) == scans[3]).float().mean())


def bits_of(weight: torch.Tensor) -> int:
    return encode(weight.numpy(), tuple(range(weight.dim()))).shift.bits


@pytest.mark.parametrize("bits, loses", [(5, 0.01), (4, 0.01), (3, 0.02)])
def test_answers_stay_and_the_file_has_the_promised_bits(trained, inputs, scans, bits, loses):
    before = copy.deepcopy(trained.state_dict())
    converted, report = convert(trained, inputs, bits=bits)
    assert accuracy(trained, scans) - accuracy(converted, scans) <= loses
    naive, _ = convert(trained, inputs, bits=bits, ingredients=())
    assert noise(trained, converted, scans[2]) < noise(trained, naive, scans[2]) / 5
    state = converted.state_dict()
    assert list(state) == list(before) and all(bits_of(state[name]) <= bits for name in MATRICES)
    assert all(torch.equal(before[name], value) for name, value in trained.state_dict().items())  # the original is kept
    made = dscompress.compile_model(converted, input_shape=(1, 1, 8, 8), require_shift=True)  # BatchNorm folded in
    assert made.shift_weights == 5 and made.bits_per_weight < bits + 0.6
    assert [layer.bits for layer in report.layers] == [bits] * 5 and report.held_out.inputs == 20
    assert report.held_out.top1 > 0.9 and report.seen.inputs == 140


def test_naive_is_deepshifts_rounding(trained, inputs):
    naive, _ = convert(trained, inputs, bits=4, ingredients=())
    for name in MATRICES:
        weight = trained.state_dict()[name]
        shift = torch.round(torch.log2(weight.abs())).clamp(-7, 0)
        assert torch.equal(naive.state_dict()[name], weight.sign() * torch.exp2(shift))
    assert all(
        torch.equal(naive.state_dict()[name], value)
        for name, value in trained.state_dict().items()
        if name not in MATRICES
    )


def test_ingredients_earn_their_place(trained, inputs, scans):
    best = noise(trained, convert(trained, inputs, bits=3)[0], scans[2])
    for name, worse in {"scale": 2.0, "compensate": 1.05, "drift": 1.02}.items():
        without, report = convert(trained, inputs, bits=3, ingredients=INGREDIENTS.keys() - {name})
        assert noise(trained, without, scans[2]) > worse * best, name
        assert name not in report.ingredients


def test_corrections_change_only_what_is_theirs(trained, inputs):
    before = trained.state_dict()
    for left_out, unchanged in ({"bias": "bias", "batch_norm": "running_var"}).items():
        state = convert(trained, inputs, bits=3, ingredients=INGREDIENTS.keys() - {left_out})[0].state_dict()
        for name in before:
            assert torch.equal(state[name], before[name]) or unchanged not in name.rpartition(".")[2]
    state = convert(trained, inputs, bits=3)[0].state_dict()
    assert not torch.equal(state["1.running_var"], before["1.running_var"])
    assert not torch.equal(state["13.bias"], before["13.bias"])


def test_means_are_right_afterwards(trained, inputs):
    held_out = set(range(7, 160, 8))
    seen = inputs[[index for index in range(160) if index not in held_out]]
    converted, _ = convert(trained, inputs, bits=2)
    with torch.no_grad():
        apart = (converted(seen) - trained(seen)).mean(0).abs().max() / trained(seen).std()
    assert apart < 1e-4


def test_the_same_inputs_give_the_same_weights(trained, inputs):
    one, other = (convert(trained, inputs.numpy(), bits=4)[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_bits_by_layer(trained, inputs):
    converted, report = convert(trained, inputs, bits={"0": 5, "13": None, "1*": 2, "*": 3})
    assert [layer.bits for layer in report.layers] == [5, 3, 3, 2, None]
    assert torch.equal(converted[13].weight, trained[13].weight)
    assert bits_of(converted[11].weight.detach()) == 2
    with pytest.raises(CompileError, match="'conv1'.*0, 4, 7, 11, 13"):
        convert(trained, inputs, bits={"conv1": 4})


def test_an_exported_program(trained, inputs):
    program = torch.export.export(trained, (inputs[:1],))  # its batch is fixed at 1
    converted, _ = convert(program, inputs, bits=4)
    again, _ = convert(trained, inputs, bits=4)
    for name, value in again.state_dict().items():
        torch.testing.assert_close(converted.state_dict[name], value)
    assert not torch.equal(program.state_dict["0.weight"], converted.state_dict["0.weight"])
    assert dscompress.compile_model(converted, require_shift=True).shift_weights == 5


def test_sensitivity_predicts_the_answers_noise(trained, inputs):
    for layer in sensitivity(trained, inputs):
        effects = [choice.effect for choice in layer.choices]
        assert effects[0] > effects[1] > effects[2] * 0.9 and effects[-1] == 0
        if layer.name in ("0", "13"):
            alone, _ = convert(trained, inputs, bits={layer.name: 2}, ingredients=INGREDIENTS.keys() - {"batch_norm"})
            measured = noise(trained, alone, inputs)
            assert abs(math.log10(effects[0] / measured)) < 0.5, layer.name


def test_targets_are_kept(trained, inputs):
    _, report = convert(trained, inputs, target_bpw=3.6)
    assert report.bits_per_weight <= 3.6
    assert {layer.bits for layer in report.layers} > {3} and None not in {layer.bits for layer in report.layers}
    converted, report = convert(trained, inputs, target_bytes=12_000)
    made = dscompress.compile_model(converted, input_shape=(1, 1, 8, 8), require_shift=True)
    assert made.bytes <= report.file_bytes <= 12_000
    _, report = convert(trained, inputs, target_bpw=6.0, allow_float=True)
    assert None in {layer.bits for layer in report.layers} and report.bits_per_weight <= 6
    with pytest.raises(CompileError, match="at least 2.* bits a weight"):
        convert(trained, inputs, target_bpw=1.9)
    with pytest.raises(CompileError, match="at least .* bytes"):
        convert(trained, inputs, target_bytes=5_000)


class Odd(nn.Module):
    """Layers that stay float, and one that does not."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.tied = nn.Linear(8, 8, bias=False)
        self.also_tied = nn.Linear(8, 8)
        self.also_tied.weight = self.tied.weight
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))
        self.ready = nn.Linear(8, 8)
        self.ready.weight.data = torch.exp2(torch.randint(-3, 1, (8, 8)).float())
        self.up = nn.ConvTranspose1d(1, 2, 3)
        self.memory = nn.LSTM(10, 4, batch_first=True)

    def forward(self, x):
        x = self.first(self.also_tied(self.tied(x)) + self.ready(self.normed(x)))
        return self.memory(self.up(x[:, None]))[0].flatten(1)


def test_what_cannot_be_converted_is_named(tmp_path):
    torch.manual_seed(0)
    _, report = convert(Odd().eval(), torch.randn(80, 8), bits=4)
    assert [layer.name for layer in report.layers] == ["first"]
    reasons = {entry.name: f"{entry.kind}: {entry.reason}" for entry in report.left}
    assert any("other operators read" in reason for reason in reasons.values())
    assert "powers of two already" in reasons["ready"]
    assert "computed from other parameters" in " ".join(reasons.values())
    assert any("ConvTranspose1d" in reason for reason in reasons.values())
    assert any("LSTM" in reason for reason in reasons.values())


def test_attention_is_converted():
    torch.manual_seed(0)
    model = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    _, report = convert(model, torch.randn(64, 5, 16), bits=4)
    assert len(report.layers) == 4 and report.left == [] and report.held_out.error < 0.1


def test_a_channel_of_zeros_and_an_input_that_is_never_seen():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval()
    model[0].weight.data[2] = 0
    x = torch.randn(64, 6)
    x[:, 4] = 0
    converted, _ = convert(model, x, bits=4)
    assert (converted[0].weight[2] == 0).all()
    assert dscompress.compile_model(converted, input_shape=(1, 6), require_shift=True).shift_weights == 2


@pytest.mark.parametrize(
    "wrong, says",
    [
        (lambda x: x[:0], "no calibration inputs"),
        (lambda x: x[:, :, :4], r"shape \(160, 1, 4, 8\); expected \(N, 1, 8, 8\)"),
        (lambda x: [x, x], "for 2 inputs"),
        (lambda x: x.index_fill(0, torch.tensor(3), math.nan), "input 3 holds NaN"),
        (lambda x: x * 1e30, "holds NaN or infinity"),
        (lambda x: "digits", "of type str"),
    ],
)
def test_inputs_that_do_not_fit(trained, inputs, wrong, says):
    program = torch.export.export(trained, (inputs[:2],), dynamic_shapes=({0: torch.export.Dim("n")},))
    with pytest.raises(CompileError, match=says):
        convert(program, wrong(inputs), bits=4)


def test_other_refusals(trained, inputs):
    for bits in (1, 6, "4"):
        with pytest.raises(CompileError, match="2 to 5"):
            convert(trained, inputs, bits=bits)
    with pytest.raises(CompileError, match="'magic'"):
        convert(trained, inputs, ingredients=["scale", "magic"])
    with pytest.raises(CompileError, match="no layer can be converted"):
        convert(nn.Flatten(), inputs)


def test_few_inputs_are_warned_about(trained, inputs):
    _, report = convert(trained, inputs[:10], bits=4)
    assert "only 10" in report.warnings[0] and report.held_out is None
    assert np.isfinite(report.seen.error)
