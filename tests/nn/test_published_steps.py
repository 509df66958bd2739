"""Twenty training steps of Q and PS layers against the published formulas, written out here a second time: bit for bit.

x_fx   clamp(floor(x * 2^f) / 2^f, -2^(i-1), 2^(i-1) - 1)                              gradient as it is
Q      in place: 0 < |w| < 2^lowest -> 2^lowest, |w| > 1 -> 1;  W = sgn(w) * 2^rint(ln|w| / ln 2)   dL/dw = dL/dW
PS     in place: P into [lowest, 0];  W = sgn(rint(S)) * 2^rint(P);   dL/dP = dL/dW * W * ln 2,  dL/dS = dL/dW
RAdam  rectified Adam with a decay of its own, p -= rate * decay * p, before the step (Liu et al., ICLR 2020)
"""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from dscompress.nn import convert, parameter_groups, regularization
from dscompress.recipes import RECIPES, recipe_named
from dscompress.training.optimizers import make_optimizer

STEPS, DECAY = 20, 1e-4
FORMAT = (16, 16)


class Fixed(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        integer, fraction = FORMAT
        steps = torch.floor(x * 2.0**fraction) / 2.0**fraction
        return torch.clamp(steps, -(2.0 ** (integer - 1)), 2.0 ** (integer - 1) - 1)

    @staticmethod
    def backward(context, gradient):
        return gradient


class RoundedQ(torch.autograd.Function):
    @staticmethod
    def forward(context, weight):
        with np.errstate(divide="ignore"):  # the logarithm of a zero; 2^-inf times its sign is 0
            logarithm = np.log(np.abs(weight.numpy()).astype(np.float64)).astype(np.float32)
        exponent = np.rint(logarithm / np.float32(math.log(2)))
        return torch.sign(weight) * torch.from_numpy(np.exp2(exponent))

    @staticmethod
    def backward(context, gradient):
        return gradient


class RoundedPs(torch.autograd.Function):
    @staticmethod
    def forward(context, shift, sign):
        weight = torch.sign(torch.round(sign)) * torch.from_numpy(np.exp2(np.rint(shift.numpy())))
        context.save_for_backward(weight)
        return weight

    @staticmethod
    def backward(context, gradient):
        (weight,) = context.saved_tensors
        return gradient * weight * math.log(2), gradient


class Published(nn.Module):
    """A convolution or linear layer with the parameters of one of ours, by the formulas above."""

    def __init__(self, layer: nn.Module, method: str, bits: int) -> None:
        super().__init__()
        self.method, self.is_conv = method, isinstance(layer, nn.Conv2d)
        self.lowest = -(2 ** (bits - 1) - (1 if method == "q" else 2))
        for name, parameter in layer.named_parameters():
            self.register_parameter(name, nn.Parameter(parameter.detach().clone()))

    def effective(self) -> torch.Tensor:
        if self.method == "ps":
            self.shift.data.clamp_(self.lowest, 0)
            return RoundedPs.apply(self.shift, self.sign)
        weight = self.weight.data
        small = weight.abs() < 2.0**self.lowest
        weight[small] = weight[small].sign() * 2.0**self.lowest
        weight.clamp_(-1, 1)
        return RoundedQ.apply(self.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.is_conv:
            return functional.conv2d(Fixed.apply(x), self.effective(), Fixed.apply(self.bias))
        return functional.linear(Fixed.apply(x) if self.method == "q" else x, self.effective(), self.bias)


def both(method: str, bits: int, norm: type = nn.BatchNorm2d) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(bits)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3), norm(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(8 * 16, 16), nn.ReLU(), nn.Linear(16, 4),
    )  # fmt: skip
    ours, _ = convert(net, method, bits, activation=FORMAT)
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            if name.endswith("shift"):  # in the middle of training, near to their next codes
                parameter += torch.rand_like(parameter) - 0.5
            if name.endswith("sign"):
                parameter *= 0.4 + 0.4 * torch.rand_like(parameter)
    theirs = copy.deepcopy(ours)
    for place in (0, 3, 6, 8):
        theirs[place] = Published(ours[place], method, bits)
    return ours.train(), theirs.train()


def decay_of_powers(model: nn.Module) -> torch.Tensor:
    """What PS adds to the loss: half the decay times the sum of (2^P)^2, P as it is."""
    shifts = [parameter for name, parameter in model.named_parameters() if name.endswith("shift")]
    return DECAY * torch.stack([0.5 * torch.exp2(shift).square().sum() for shift in shifts]).sum()


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    torch.manual_seed(0)
    return [(torch.randn(16, 1, 8, 8), torch.randint(4, (16,))) for _ in range(STEPS)]


def published_groups(model: nn.Module) -> list[dict]:
    named = list(model.named_parameters())
    of = {end: [p for name, p in named if name.endswith(end)] for end in ("sign", "shift")}
    others = [p for name, p in named if not name.endswith(("sign", "shift"))]
    groups = [(others, DECAY), (of["sign"], 0.0), (of["shift"], 0.0)]
    return [{"params": parameters, "weight_decay": decay} for parameters, decay in groups if parameters]


@pytest.mark.parametrize("method, bits", [("q", 5), ("q", 3), ("ps", 5), ("ps", 3)])
def test_twenty_steps_are_the_published_ones_bit_for_bit(method, bits):
    ours, theirs = both(method, bits)
    make = {
        "q": lambda groups: torch.optim.SGD(groups, lr=0.05, momentum=0.9),
        "ps": lambda groups: torch.optim.RAdam(groups, lr=0.05, decoupled_weight_decay=True),
    }[method]
    optimizers = make(parameter_groups(ours, DECAY)), make(published_groups(theirs))
    start = ours[6].effective_weight.detach().clone()
    for x, labels in batches():
        losses = functional.cross_entropy(ours(x), labels), functional.cross_entropy(theirs(x), labels)
        assert torch.equal(*losses)
        if method == "ps":
            losses = losses[0] + regularization(ours, DECAY), losses[1] + decay_of_powers(theirs)
        for optimizer, loss in zip(optimizers, losses, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    mine, published = dict(ours.named_parameters()), dict(theirs.named_parameters())
    assert mine.keys() == published.keys()
    for name, parameter in mine.items():
        assert torch.equal(parameter, published[name]), name
    assert (ours[6].effective_weight != start).float().mean() > 0.02


class PublishedRAdam:
    """Rectified Adam in float64 from its paper, with the decay of the published training code."""

    def __init__(self, groups: list[dict], rate: float) -> None:
        self.groups, self.rate, self.step_number = groups, rate, 0
        self.moments = {p: (torch.zeros_like(p, dtype=torch.float64),) * 2 for group in groups for p in group["params"]}

    @torch.no_grad()
    def step(self) -> None:
        self.step_number += 1
        first, second, t = 0.9, 0.999, self.step_number
        longest = 2 / (1 - second) - 1
        length = longest - 2 * t * second**t / (1 - second**t)
        for group in self.groups:
            for p in group["params"]:
                gradient = p.grad.double()
                m, v = self.moments[p]
                m, v = first * m + (1 - first) * gradient, second * v + (1 - second) * gradient**2
                self.moments[p] = m, v
                p -= self.rate * group["weight_decay"] * p
                step = m / (1 - first**t)
                if length > 5:
                    r = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
                    step = step * math.sqrt(r * (1 - second**t)) / (v.sqrt() + 1e-8)
                p -= (self.rate * step).float()


def test_the_recipe_of_ps_decays_as_published():
    """A decay that goes through Adam's moments, L2, is another: after twenty steps by far more than rounding.

    Without a norm: the gradient of a bias before one is nothing but rounding, which RAdam makes large.
    """
    ours, theirs = both("ps", 4, nn.Identity)
    recipe = recipe_named("ps-cifar-scratch", rate=0.01, weight_decay=0.1)
    groups = published_groups(theirs)
    groups[0]["weight_decay"] = 0.1
    optimizers = make_optimizer(ours, recipe), PublishedRAdam(groups, 0.01)
    for x, labels in batches():
        for model, optimizer in zip((ours, theirs), optimizers, strict=True):
            model.zero_grad()
            functional.cross_entropy(model(x), labels).backward()
            optimizer.step()
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter, dict(theirs.named_parameters())[name], rtol=0, atol=1e-6)


def test_every_recipe_with_radam_decays_decoupled():
    model, _ = convert(nn.Sequential(nn.Linear(4, 3)), "ps", 4)
    names = [name for name, recipe in RECIPES.items() if recipe.optimizer == "radam"]
    assert "ps-imagenet-pretrained" in names
    for name in names:
        assert all(group["decoupled_weight_decay"] for group in make_optimizer(model, RECIPES[name]).param_groups)


def test_conversion_to_q_floors_biases_to_the_format_of_the_activations():
    for layer in (nn.Conv2d(2, 3, 1), nn.Linear(2, 3)):
        with torch.no_grad():
            layer.bias.copy_(torch.tensor([-0.01, 0.3, 9.0]))
        bias = layer.bias.detach().clone()
        q, _ = convert(copy.deepcopy(layer), "q", 4, activation=(3, 5))
        assert q.bias.tolist() == [-1 / 32, 9 / 32, 3.0]
        for method, form in (("q", None), ("ps", (3, 5))):
            left, _ = convert(copy.deepcopy(layer), method, 4, activation=form)
            assert torch.equal(left.bias, bias)
