"""The rules of rounding, by hand; the choice of method and bits; and what cannot be decided."""

import math

import pytest
import torch

from dscompress import deepshift
from dscompress.deepshift.decide import keeps_to_range, trained_with_q
from dscompress.deepshift.rounding import bits_for, lowest_shift, round_bias, round_ps, round_q
from dscompress.errors import CompileError
from dscompress.nn import ShiftLinear
from tests.deepshift import originals


@pytest.mark.parametrize("method, bits, lowest", [
    ("q", 2, -1), ("q", 3, -3), ("q", 4, -7), ("q", 5, -15), ("ps", 2, 0), ("ps", 3, -2), ("ps", 4, -6), ("ps", 5, -14),
])  # fmt: skip
def test_ranges(method, bits, lowest):
    assert lowest_shift(method, bits) == lowest and bits_for(method, lowest) == bits


@pytest.mark.parametrize("bits, weight, rounded", [
    (5, 0.0, 0.0), (5, -0.0, 0.0), (5, 1.0, 1.0), (5, -3.7, -1.0), (5, 1e-20, 2.0**-15), (5, -2.0**-15, -(2.0**-15)),
    (4, 2.0**-15, 2.0**-7), (3, 0.01, 0.125), (2, 0.01, 0.5), (2, 0.70, 0.5), (2, 0.72, 1.0),
    # near 2^-0.5, 2^-1.5, 2^-2.5 float32's logarithm decides; the threshold is sqrt(2) * 2^k, not 1.5 * 2^k
    (5, 2**-0.5, 0.5), (5, 2**-1.5, 2.0**-2), (5, 2**-2.5, 2.0**-2), (5, 0.75, 1.0), (5, 0.70, 0.5), (5, -0.36, -0.5),
    (5, -0.35, -0.25),
])  # fmt: skip
def test_q(bits, weight, rounded):
    assert round_q(torch.tensor([weight]), bits).item() == rounded
    assert math.copysign(1, round_q(torch.tensor([weight]), bits).item()) == math.copysign(1, rounded)


@pytest.mark.parametrize("bits, shift, sign, threshold, rounded", [
    (5, 0.0, 1.0, 0.5, 1.0), (5, 0.3, -1.0, 0.5, -1.0), (5, -14.4, 1.0, 0.5, 2.0**-14), (5, -20.0, 1.0, 0.5, 2.0**-14),
    (5, -math.inf, 0.0, 0.5, 0.0), (5, -math.inf, 1.0, 0.5, 2.0**-14), (3, -5.0, 1.0, 0.5, 0.25),
    (2, -5.0, -9.0, 0.5, -1.0),
    # half to even: -0.5 → 0, -1.5 → -2, -2.5 → -2
    (5, -0.5, 1.0, 0.5, 1.0), (5, -1.5, 1.0, 0.5, 0.25), (5, -2.5, 1.0, 0.5, 0.25),
    # the threshold is strict
    (5, -1.0, 0.5, 0.5, 0.0), (5, -1.0, -0.5, 0.5, 0.0), (5, -1.0, 0.5000001, 0.5, 0.5), (5, -1.0, -0.51, 0.5, -0.5),
    (5, -1.0, 0.2, 0.1, 0.5), (5, -1.0, -0.1, 0.1, 0.0), (5, -1.0, 0.0, 0.0, 0.0), (5, -1.0, -1e-9, 0.0, -0.5),
])  # fmt: skip
def test_ps(bits, shift, sign, threshold, rounded):
    found = round_ps(torch.tensor([shift]), torch.tensor([sign]), bits, threshold).item()
    assert found == rounded and (rounded != 0 or math.copysign(1, found) == 1)


def test_biases_go_down_to_16_fraction_bits():
    biases = torch.tensor([0.0, 1.0, -1e-6, 1e-6, 0.5 + 2.0**-17, -40000.0, 40000.0])
    assert round_bias(biases).tolist() == [0.0, 1.0, -(2.0**-16), 0.0, 0.5, -32768.0, 32767.0]


@pytest.mark.parametrize("method", ["q", "ps"])
@pytest.mark.parametrize("bits", [2, 3, 4, 5])
def test_the_layers_agree_bit_for_bit(method, bits):
    torch.manual_seed(bits)
    layer = ShiftLinear(200, 50, method=method, bits=bits)
    with torch.no_grad():
        for name in layer.parameter_names():
            getattr(layer, name).copy_(torch.randn(50, 200) * (4 if name == "shift" else 1))
    ours = round_q(layer.weight, bits) if method == "q" else round_ps(layer.shift, layer.sign, bits)
    assert torch.equal(ours, layer.effective_weight.detach())


def saved(folder, state, **more):
    return originals.save(folder / "checkpoint.pth.tar", {"state_dict": state, **more})


def test_bits_from_the_weights_are_the_fewest_that_hold_every_shift(tmp_path):
    for bits in (2, 3, 4, 5):
        shift = torch.linspace(lowest_shift("ps", bits) - 0.3, 0.3, 40).reshape(4, 10)
        found = deepshift.load(saved(tmp_path, {"fc.shift": shift, "fc.sign": torch.ones(4, 10)}))
        assert found.bits == bits and found.report.bits_from.startswith("the weights")
    shift = torch.linspace(-20, 0, 40).reshape(4, 10)  # before ranges had an end
    found = deepshift.load(saved(tmp_path, {"fc.shift": shift, "fc.sign": torch.ones(4, 10)}))
    assert found.bits == 6 and found.report.layers[0].lowest == -20


def test_bits_that_the_weights_contradict(tmp_path):
    folder = tmp_path / "shift_ps_all_wb_3"
    path = saved(folder, {"fc.shift": torch.tensor([[-6.0, -1.0]]), "fc.sign": torch.ones(1, 2)})
    with pytest.raises(CompileError, match=r"shifts down to -6 in layer 'fc', which 3 bits \(from the file's path\)"):
        deepshift.load(path)
    assert deepshift.load(path, bits=3).state["fc.weight"].tolist() == [[0.25, 0.5]]  # the user insists
    path = saved(tmp_path, {"fc.shift": torch.tensor([[-140.0, -1.0]]), "fc.sign": torch.ones(1, 2)})
    with pytest.raises(CompileError, match="down to -140 in layer 'fc'; say how many bits: --bits 2 to 8"):
        deepshift.load(path)


def test_the_threshold_of_signs(tmp_path):
    state = {"fc.shift": torch.zeros(1, 3), "fc.sign": torch.tensor([[0.3, -0.3, 0.7]])}
    path = saved(tmp_path, state)
    assert deepshift.load(path).state["fc.weight"].tolist() == [[0, 0, 1]]
    found = deepshift.load(path, sign_threshold=0.2)
    assert found.state["fc.weight"].tolist() == [[1, -1, 1]] and found.report.zeros == 0
    with pytest.raises(CompileError, match="no PS layers; leave out --sign-threshold"):
        deepshift.load(saved(tmp_path, {"fc.weight": torch.ones(1, 3)}), sign_threshold=0.2)


@pytest.mark.parametrize("wrong, text", [
    ({"bits": 9}, "--bits 9; expected 2 to 8"),
    ({"bits": True}, "--bits True; expected 2 to 8"),
    ({"method": "s3"}, "--method s3; expected q or ps, or float, which rounds nothing"),
    ({"sign_threshold": 1.0}, "--sign-threshold 1.0"),
    ({"activations": "deepshift:1.5"}, "--activations: 'deepshift:1.5' is out of range: 2 or more integer bits"),
    ({"activations": (3, 5)}, "--activations: .3, 5. is not float, or deepshift:I.F"),
    ({"sign_threshold": math.nan}, "--sign-threshold nan"),
    ({"method": "q"}, r"holds PS layers \('fc.shift'\); leave out --method q"),
])  # fmt: skip
def test_wishes_that_cannot_be(tmp_path, wrong, text):
    path = saved(tmp_path, {"fc.shift": torch.zeros(1, 3), "fc.sign": torch.ones(1, 3)})
    with pytest.raises(CompileError, match=text):
        deepshift.load(path, **wrong)


def test_what_makes_a_layer_ps(tmp_path):
    ones = torch.ones(1, 2)
    for state, text in [
        ({"a.shift": ones}, "'a' whose shift and sign do not make a pair"),
        ({"a.shift": ones, "a.sign": torch.ones(2, 2)}, "do not make a pair"),
        ({"a.shift": ones, "a.sign": ones, "a.weight": ones}, "has 'a.weight' beside the shift and sign"),
        ({"a.shift": ones, "a.sign": ones, "a.scale": ones}, "has 'a.scale' beside the shift and sign"),
        ({"a.shift": ones.int(), "a.sign": ones}, "of type torch.int32"),
    ]:
        with pytest.raises(CompileError, match=text):
            deepshift.load(saved(tmp_path, state))
    with pytest.raises(CompileError, match="holds no PS layers .* leave out --method ps"):
        deepshift.load(saved(tmp_path, {"a.weight": ones}), method="ps")


def test_a_float_network_is_not_taken_for_q(tmp_path):
    torch.manual_seed(0)
    for scale in (0.02, 0.1, 1.0):
        state = {"a.weight": torch.randn(64, 100) * scale, "b.weight": torch.rand(10, 64) * scale}
        assert deepshift.load(saved(tmp_path, state)).method is None
    small = {"a.weight": torch.rand(2, 3) + 0.01}  # in range by chance
    assert deepshift.load(saved(tmp_path, small)).method is None
    with pytest.raises(CompileError, match=r"no layer whose weights keep to Q's range, ±2\^-15 to ±1 and 0; say how"):
        deepshift.load(saved(tmp_path, {"a.weight": torch.randn(64, 100) * 0.02}), method="q")


def test_powers_of_two_in_a_scale_are_not_taken_for_q(tmp_path):
    """What post-training conversion writes: off zero and in range like Q's latent weights, yet not to be rounded."""
    torch.manual_seed(0)
    powers = 2.0 ** torch.randint(-13, 0, (64, 1000))
    state = {"a.weight": powers * (torch.rand(64, 1) * 0.5 + 0.5), "b.weight": torch.randn(10, 64).clamp(0.01, 1)}
    assert trained_with_q(list(state.values())) and all(keeps_to_range(weight, -15) for weight in state.values())
    found = deepshift.load(saved(tmp_path, state))
    assert found.method is None and torch.equal(found.state["a.weight"], state["a.weight"])


@pytest.mark.parametrize("bits", [4, 5])
def test_q_is_asked_for_by_what_training_leaves(tmp_path, bits):
    torch.manual_seed(0)
    state = {"a.weight": originals.latent_q(torch.randn(640, 100) * 0.02, bits), "a.bias": torch.randn(640)}
    with pytest.raises(CompileError, match="--method q to round its weights .*, or --method float to keep them"):
        deepshift.load(saved(tmp_path, state))
    found = deepshift.load(saved(tmp_path, state), method="q")
    assert (found.method, found.bits, found.report.method_from) == ("q", bits, "--method")
    assert torch.equal(found.state["a.weight"], round_q(state["a.weight"], 5))
