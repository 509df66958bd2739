"""Augmentation by hand: nothing, mirrors, whole pixels, quarter turns, crops; each image by its own row."""

import pytest
import torch

from dscompress.recipes import Recipe
from dscompress.training.augment import augment
from dscompress.training.chances import DRAWS, draws, order, seed_everything

DRAW = ("flip", "rotate", "x", "y", "zoom", "area", "aspect", "cx", "cy")
MIDDLE = torch.full((1, DRAWS), 0.5)
PLAIN = {"epochs": 1, "batch": 1, "optimizer": "sgd", "rate": 0.1}


def image(height=6, width=6):
    return torch.rand(1, 2, height, width, generator=torch.Generator().manual_seed(0))


def with_draw(**values):
    row = MIDDLE.clone()
    for name, value in values.items():
        row[0, DRAW.index(name)] = value
    return row


def changed(x, row, **recipe):
    return augment(x, row, Recipe(**PLAIN, **recipe))


def test_nothing_asked_nothing_done():
    x = image()
    assert changed(x, torch.rand(1, DRAWS)) is x


def test_flip():
    x = image(4, 7)
    torch.testing.assert_close(changed(x, with_draw(flip=0.2), flip=True), x.flip(3))
    torch.testing.assert_close(changed(x, with_draw(flip=0.7), flip=True), x)


def test_shift_is_by_whole_pixels_and_brings_in_zeros():
    x = image(8, 4)
    moved = changed(x, with_draw(x=1.0, y=0.0), shift=0.25)  # one pixel to the left, two down
    expected = torch.zeros_like(x)
    expected[:, :, 2:, :-1] = x[:, :, :-2, 1:]
    torch.testing.assert_close(moved, expected)


@pytest.mark.parametrize("draw, turns", [(1.0, 1), (0.0, -1)])
def test_a_quarter_turn(draw, turns):
    x = image()
    turned = changed(x, with_draw(rotate=draw), rotate=90.0)
    torch.testing.assert_close(turned, x.rot90(turns, (2, 3)), rtol=1e-4, atol=1e-5)


def test_a_turn_keeps_pixels_square():
    """A quarter turn of a wide image shows its middle, upright."""
    x = image(4, 8)
    turned = changed(x, with_draw(rotate=1.0), rotate=90.0)
    torch.testing.assert_close(turned[:, :, :, 2:6], x[:, :, :, 2:6].rot90(1, (2, 3)), rtol=1e-4, atol=1e-5)
    assert turned[:, :, :, 0].abs().max() == 0


def test_zoom_and_crop_enlarge():
    ramp = torch.linspace(-1, 1, 8).expand(1, 1, 8, 8).clone()
    zoomed = changed(ramp, with_draw(zoom=1.0), zoom=0.5)
    torch.testing.assert_close(zoomed[0, 0, 4], ramp[0, 0, 4] / 1.5, rtol=1e-4, atol=1e-5)
    corner = changed(ramp, with_draw(area=0.0, cx=0.0), crop=0.25)
    assert corner.max() <= 0.05 and corner.min() == pytest.approx(-1, abs=0.13)


def test_each_image_follows_its_own_row():
    x = image().repeat(3, 1, 1, 1)
    rows = torch.cat([with_draw(flip=0.2), with_draw(flip=0.8), with_draw(flip=0.4)])
    y = changed(x, rows, flip=True)
    torch.testing.assert_close(y[0], y[2])
    torch.testing.assert_close(y[1], x[1])


def test_chances_are_functions_of_seed_epoch_and_index():
    assert torch.equal(draws(5, 1, 2), draws(5, 1, 2)) and not torch.equal(draws(5, 1, 2), draws(5, 1, 3))
    assert torch.equal(order(9, 0, 4), order(9, 0, 4)) and sorted(order(9, 0, 4).tolist()) == list(range(9))
    seed_everything(0, 1, 0)
    first = torch.rand(3)
    torch.rand(7)
    seed_everything(0, 1, 0)
    assert torch.equal(first, torch.rand(3))
    seed_everything(0, 1, 1)
    assert not torch.equal(first, torch.rand(3))
