"""Recipes: the published numbers, the schedule, and a sentence for each value that no training can use."""

import pytest
import torch

from dscompress.cli.train import RECIPE_FIELDS, command
from dscompress.errors import TrainingError
from dscompress.nn import METHODS, convert
from dscompress.recipes import Recipe, rate_factor
from dscompress.training import RECIPES, recipe_named, usual_recipe
from dscompress.training.objective import summed_loss
from dscompress.training.optimizers import make_optimizer, set_rate
from tests.training.conftest import net


def test_the_published_recipes():
    scratch, tuned = RECIPES["ps-cifar-scratch"], RECIPES["ps-cifar-pretrained"]
    assert (scratch.optimizer, scratch.rate, scratch.batch, scratch.epochs) == ("radam", 0.01, 128, 200)
    assert scratch.milestones == (80, 120, 160, 180) and scratch.shift_decay == scratch.weight_decay == 1e-4
    assert (tuned.rate, tuned.epochs, tuned.milestones) == (1e-3, 15, (5, 10))
    assert RECIPES["q-cifar-scratch"].optimizer == RECIPES["q-imagenet-pretrained"].optimizer == "sgd"
    imagenet = RECIPES["q-imagenet-scratch"]
    assert (imagenet.batch, imagenet.epochs, imagenet.milestones, imagenet.momentum) == (256, 90, (30, 60), 0.9)
    assert all(recipe.source for recipe in RECIPES.values())


def test_every_method_has_its_usual_recipe():
    for method in [*METHODS, "float"]:
        for data, side in (("digits", 8), ("folder", 32), ("folder", 224)):
            for pretrained in (False, True):
                assert recipe_named(usual_recipe(method, data, side, pretrained))


def test_every_field_has_an_option():
    fields = [name for name in Recipe.__dataclass_fields__ if name != "source"]
    assert sorted(RECIPE_FIELDS) == sorted(fields)
    assert set(fields) <= {option.name for option in command.params}


@pytest.mark.parametrize("recipe, at, factor", [
    ({"schedule": "constant"}, 7, 1.0),
    ({"schedule": "constant", "warmup": 4}, 1, 0.25),
    ({"schedule": "steps", "milestones": (3, 6)}, 2.99, 1.0),
    ({"schedule": "steps", "milestones": (3, 6)}, 3, 0.1),
    ({"schedule": "steps", "milestones": (3, 6), "factor": 0.5}, 8, 0.25),
    ({"schedule": "cosine"}, 0, 1.0),
    ({"schedule": "cosine"}, 5, 0.5),
    ({"schedule": "cosine", "warmup": 10}, 5, 0.25),
])  # fmt: skip
def test_the_schedule(recipe, at, factor):
    assert rate_factor(recipe_named("q-cifar-scratch", **{"epochs": 10, **recipe}), at) == pytest.approx(factor)


@pytest.mark.parametrize("changes, says", [
    ({"epochs": 0}, "epochs is 0; expected 1 to"),
    ({"batch": 0}, "batch is 0"),
    ({"rate": 0.0}, "rate is 0.0; expected above 0"),
    ({"rate": float("nan")}, "rate is nan"),
    ({"momentum": 1.0}, "momentum is 1.0"),
    ({"label_smoothing": 1.5}, "label_smoothing is 1.5"),
    ({"distill": -0.1}, "distill is -0.1"),
    ({"crop": 0.0}, "crop is 0.0"),
    ({"optimizer": "lion"}, "optimizer is 'lion'; expected sgd, radam, adam, adamw"),
    ({"milestones": (5, 3)}, r"milestones are \[5, 3\]"),
    ({"schedule": "steps", "milestones": ()}, "without milestones"),
])  # fmt: skip
def test_values_that_no_training_can_use(changes, says):
    with pytest.raises(TrainingError, match=says):
        recipe_named("q-cifar-scratch", **changes)


def test_an_unknown_recipe():
    with pytest.raises(TrainingError, match="recipe 'best': no recipe has this name; expected one of those that"):
        recipe_named("best")


def test_groups_keep_their_rates_in_proportion():
    model, _ = convert(net(), "ps", bits=4)
    recipe = recipe_named("ps-cifar-scratch", sign_rate=0.002)
    optimizer = make_optimizer(model, recipe)
    assert isinstance(optimizer, torch.optim.RAdam)
    assert set_rate(optimizer, recipe, 100) == pytest.approx(0.001)
    rates = {group["name"]: (group["lr"], group["weight_decay"]) for group in optimizer.param_groups}
    assert rates == {"others": (pytest.approx(0.001), 1e-4), "sign": (pytest.approx(0.0002), 0.0),
                     "shift": (pytest.approx(0.001), 0.0)}  # fmt: skip


def test_distillation_by_hand():
    """Two classes, T = 2: the student says (0, 0), the teacher (2 ln 3, 0), which at T is 3 to 1."""
    logits = torch.zeros(1, 2)
    taught = torch.tensor([[2 * torch.log(torch.tensor(3.0)), 0.0]])
    recipe = recipe_named("q-cifar-scratch", distill=0.25, temperature=2.0)
    kl = 0.75 * torch.log(torch.tensor(0.75 / 0.5)) + 0.25 * torch.log(torch.tensor(0.25 / 0.5))
    expected = 0.75 * torch.log(torch.tensor(2.0)) + 0.25 * 4 * kl
    torch.testing.assert_close(summed_loss(logits, torch.tensor([1]), taught, recipe), expected)
