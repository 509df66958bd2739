"""fit: it learns, the same way each time, and stops with a sentence where there is nothing to learn."""

import dataclasses
import math

import pytest
import torch
from torch import nn

from dscompress.errors import TrainingError
from dscompress.nn import convert
from dscompress.training import Training, evaluate, fit, in_memory, recipe_named
from dscompress.training.data import Tensors
from tests.training.conftest import bars, net

RECIPE = recipe_named("float-digits-scratch", epochs=6, batch=16, rate=0.1, rotate=0.0, zoom=0.0)


def trained(data, seed=0, method=None, **changes):
    torch.manual_seed(1)
    model = net()
    if method:
        model, _ = convert(model, method, bits=3)
    return model, fit(model, data, dataclasses.replace(RECIPE, **changes), seed=seed, device="cpu")


@pytest.mark.parametrize("method, optimizer, rate", [
    (None, "sgd", 0.1), ("q", "sgd", 0.1), ("ps", "sgd", 0.1), ("s3", "adam", 0.03), ("dense", "adamw", 0.03),
])  # fmt: skip
def test_every_method_learns(data, method, optimizer, rate):
    model, history = trained(data, method=method, optimizer=optimizer, rate=rate, epochs=15)
    assert history.best.validation_accuracy > 0.8
    assert history.epochs[-1].loss < history.epochs[0].loss
    score = evaluate(model, data.validation)
    assert score.accuracy == history.accuracy and score.count == 45


def test_the_same_seed_gives_the_same_bits_and_another_does_not(data):
    (one, history), (two, again), (other, _) = trained(data), trained(data), trained(data, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert [each.loss for each in history.epochs] == [each.loss for each in again.epochs]
    assert not torch.equal(one[0].weight, other[0].weight)


def test_the_first_step_is_the_gradient_of_the_mean_loss(data):
    """By hand: SGD without momentum on one batch that holds every image, weight decay and the PS term included."""
    torch.manual_seed(0)
    model, _ = convert(net(norm=False), "ps", bits=4)
    twin, _ = convert(net(norm=False), "ps", bits=4)
    twin.load_state_dict(model.state_dict())
    recipe = recipe_named(
        "ps-cifar-scratch",
        epochs=1,
        batch=90,
        optimizer="sgd",
        momentum=0,
        rate=0.5,
        flip=False,
        shift=0,
        shift_decay=0.01,
        weight_decay=0.02,
        schedule="constant",
        label_smoothing=0.1,
    )
    fit(model, data, recipe, device="cpu")

    twin.train()
    logits = twin(data.train.images)
    loss = nn.functional.cross_entropy(logits, data.train.targets, label_smoothing=0.1)
    shifts = [parameter for name, parameter in twin.named_parameters() if name.endswith("shift")]
    loss = loss + 0.01 * 0.5 * sum((2**shift).square().sum() for shift in shifts)
    loss.backward()
    for name, parameter in twin.named_parameters():
        decay = 0.0 if name.endswith(("shift", "sign")) else 0.02
        expected = parameter - 0.5 * (parameter.grad + decay * parameter)
        torch.testing.assert_close(model.get_parameter(name).detach(), expected.detach(), rtol=1e-4, atol=1e-6)


def test_a_frozen_sign_and_a_sign_with_its_own_rate(data):
    for rate, moves in ((0.0, False), (0.05, True)):
        torch.manual_seed(0)
        model, _ = convert(net(), "ps", bits=4)
        before = model[0].sign.detach().clone()
        fit(model, data, recipe_named("ps-digits-scratch", epochs=2, sign_rate=rate), device="cpu")
        assert torch.equal(before, model[0].sign) is not moves


def test_distillation_follows_the_teacher(data):
    """All of the loss from the teacher, and targets that say nothing: the student still learns the classes."""
    teacher, history = trained(data, epochs=10)
    assert history.accuracy > 0.8
    order = torch.randperm(90, generator=torch.Generator().manual_seed(0))
    shuffled = Tensors(data.train.images, data.train.targets[order])
    torch.manual_seed(5)
    student = net()
    recipe = dataclasses.replace(RECIPE, epochs=10, distill=1.0, temperature=2.0)
    result = fit(student, dataclasses.replace(data, train=shuffled), recipe, teacher=teacher, device="cpu")
    assert result.accuracy > 0.8


def test_clipping_bounds_the_step(data):
    torch.manual_seed(0)
    model = net(norm=False)
    before = nn.utils.parameters_to_vector(model.parameters()).detach()
    recipe = dataclasses.replace(
        RECIPE,
        epochs=1,
        batch=90,
        optimizer="sgd",
        momentum=0,
        rate=1.0,
        schedule="constant",
        warmup=0,
        weight_decay=0,
        clip=1e-3,
    )
    fit(model, data, recipe, device="cpu")
    moved = (nn.utils.parameters_to_vector(model.parameters()).detach() - before).norm().item()
    assert moved == pytest.approx(1e-3, rel=1e-2)


def test_bfloat16_learns_and_keeps_float32_parameters(data):
    torch.manual_seed(1)
    model, _ = convert(net(), "ps", bits=4)
    history = fit(model, data, dataclasses.replace(RECIPE, epochs=12), device="cpu", precision="bf16")
    assert history.best.validation_accuracy > 0.8
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_float16_needs_a_gpu(data):
    with pytest.raises(TrainingError, match="precision 'fp16': the device is cpu; expected cuda"):
        fit(net(), data, RECIPE, device="cpu", precision="fp16")


def test_a_last_batch_of_one_is_left_out():
    one_more = in_memory(bars(33, 0), bars(9, 1))
    fit(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 3)), one_more,
        dataclasses.replace(RECIPE, epochs=1, batch=8), device="cpu")  # fmt: skip


@pytest.mark.parametrize("where", ["training", "judging"])
def test_nan_stops_the_run_with_the_last_good_epoch(data, where):
    class Exploding(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.calls = net(), 0

        def forward(self, x):
            self.calls += self.training
            bad = self.calls > 10 and (self.training if where == "training" else not self.training)
            return self.inner(x) * (math.nan if bad else 1.0)

    torch.manual_seed(0)
    training = Training(Exploding(), data, RECIPE, device="cpu")
    seen = []
    with pytest.raises(TrainingError, match=r"epoch 2: the loss .*is nan; expected a finite number; take a smaller"):
        training.run(lambda now: seen.append(now.epoch))
    assert seen == [1] and len(training.history.epochs) == 1


@pytest.mark.parametrize("model, says", [
    (lambda: net(classes=4), r"it answers \(1, 4\) for one image, and tensors has 3 classes; expected \(1, 3\)"),
    (lambda: nn.Conv2d(3, 3, 3), r"it does not take images of shape \(1, 1, 8, 8\)"),
    (lambda: nn.Sequential(nn.Flatten(), nn.Linear(9, 3)), "it does not take images"),
    (lambda: nn.Sequential(nn.Flatten()), r"it answers \(1, 64\)"),
])  # fmt: skip
def test_a_model_that_does_not_fit_the_data(data, model, says):
    with pytest.raises(TrainingError, match=says):
        fit(model(), data, RECIPE, device="cpu")


def test_a_model_with_nothing_to_train(data):
    with pytest.raises(TrainingError, match="no parameters to train"):
        fit(net().requires_grad_(False), data, RECIPE, device="cpu")


@pytest.mark.parametrize("train, held, says", [
    (Tensors(torch.zeros(4, 8, 8), torch.arange(4) % 2), None, r"images of shape \(4, 8, 8\)"),
    (Tensors(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(4) % 2), None, "uint8; expected .* float32"),
    (Tensors(torch.zeros(4, 1, 8, 8), torch.arange(3)), None, r"targets of shape \(3,\)"),
    (Tensors(torch.zeros(0, 1, 8, 8), torch.arange(0)), None, "there are no images"),
    (Tensors(torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64)), None, "one class only"),
    (Tensors(torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, -1, 0])), None, "a target is -1"),
    (Tensors(torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, 7, 0])), None, "a target is 7; expected 0 to 2, for 3"),
    (bars(6, 0), Tensors(torch.zeros(2, 1, 9, 9), torch.arange(2)), r"\(1, 8, 8\) to train on and \(1, 9, 9\)"),
])  # fmt: skip
def test_data_that_cannot_be_learned_from(train, held, says):
    with pytest.raises(TrainingError, match=says):
        in_memory(train, held or bars(6, 1), ["a", "b", "c"])
