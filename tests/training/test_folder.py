"""Folders of images: what is read, how it is divided, and a sentence for whatever is wrong with one."""

import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from dscompress.errors import TrainingError
from dscompress.training import fit, image_folder, recipe_named
from dscompress.training.chances import draws, order
from dsruntime.image import RECIPES, load_image
from tests.training.conftest import net, write_pictures

RECIPE = recipe_named("float-digits-scratch", epochs=2, batch=4)


def test_a_folder_of_classes_is_divided_by_the_names(pictures):
    data = image_folder(pictures, held_out=0.3)
    assert data.classes == ("column", "diagonal", "row")
    assert (len(data.train), len(data.validation)) == (12, 6)
    assert sorted(data.validation.targets.tolist()) == [0, 0, 1, 1, 2, 2]
    before = {name for name, _ in data.validation.files}
    assert before == {name for name, _ in image_folder(pictures, held_out=0.3).validation.files}
    shutil.copy(pictures / "row" / "00.png", pictures / "row" / "new.png")
    again = image_folder(pictures, held_out=0.3)
    assert len({name for name, _ in again.validation.files} - before) <= 1 and again.fingerprint != data.fingerprint


def test_train_and_val_are_taken_as_they_are(tmp_path):
    write_pictures(tmp_path / "train", 9)
    write_pictures(tmp_path / "validation", 6)
    data = image_folder(tmp_path)
    assert (len(data.train), len(data.validation)) == (9, 6)
    assert data.train.files[0][0].startswith("train/column/") and data.validation.files[0][0].startswith("validation/")


def test_the_recipe_is_measured_and_the_pixels_are_the_devices(pictures):
    data = image_folder(pictures)
    assert (data.image.color, data.image.size, data.input_shape) == ("gray", (8, 8), (1, 1, 8, 8))
    batch = next(data.train.batches([torch.arange(len(data.train))]))
    assert abs(batch.images.mean()) < 0.2 and abs(batch.images.std() - 1) < 0.2
    first = load_image(pictures / data.train.files[0][0], data.image, data.input_shape)
    assert np.array_equal(batch.images[0].numpy(), first[0])


def test_colour_and_other_sizes_become_32_by_32(tmp_path):
    for name, side in (("a", 40), ("b", 90)):
        (tmp_path / name).mkdir()
        for index in range(2):
            pixels = np.random.default_rng(index).integers(0, 255, (side, side, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.jpg")
    assert image_folder(tmp_path).input_shape == (1, 3, 32, 32)
    assert image_folder(tmp_path, RECIPES["imagenet"]).input_shape == (1, 3, 224, 224)


@pytest.mark.parametrize("crop", [1.0, 0.3])
def test_worker_processes_change_nothing(pictures, crop):
    recipe = recipe_named("float-digits-scratch", crop=crop)
    batches = []
    for workers in (0, 2):
        data = image_folder(pictures, workers=workers)
        plan = order(len(data.train), 0, 0).split(4)
        batches.append(list(data.train.batches(plan, draws(len(data.train), 0, 0), recipe)))
    for alone, shared in zip(*batches, strict=True):
        assert torch.equal(alone.images, shared.images) and torch.equal(alone.targets, shared.targets)


def test_a_damaged_image_is_skipped_counted_and_named(pictures):
    """In the middle of an epoch: one truncated, one that would decode to too many pixels, one that vanishes."""
    data = image_folder(pictures, held_out=0.3)
    names = [name for name, _ in data.train.files]
    (pictures / names[0]).write_bytes((pictures / names[0]).read_bytes()[:60])
    Image.new("L", (70_000, 2)).save(pictures / names[1])
    (pictures / names[2]).unlink()
    torch.manual_seed(0)
    history = fit(net(), data, RECIPE, device="cpu")
    assert [each.skipped for each in history.epochs] == [3, 3]
    assert sorted(text.split(": ")[0] for text in history.skipped) == sorted(str(pictures / name) for name in names[:3])
    assert any("2 x 70000 pixels" in text for text in history.skipped)


def test_no_image_that_can_be_read(pictures):
    data = image_folder(pictures)
    for path in pictures.rglob("*.png"):
        path.write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="epoch 1: not one image could be read"):
        fit(net(), data, RECIPE, device="cpu")
    with pytest.raises(TrainingError, match="none of .* images can be read"):
        image_folder(pictures)


def make(tmp_path, *names):
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(path)


@pytest.mark.parametrize("names, says", [
    ([], "is empty"),
    (["1.png", "2.png"], "has images but no sub-folders"),
    (["a/1.png", "a/2.png"], r"one class only \('a'\)"),
    (["train/a/1.png", "train/b/2.png"], "has train/ but nothing to judge on"),
    (["train/a/1.png", "train/b/2.png", "val/a/1.png", "val/c/1.png"], "different classes: b, c"),
    (["a/1.png", "b/2.png"], "no image is left to judge on"),
])  # fmt: skip
def test_folders_that_cannot_be_learned_from(tmp_path, names, says):
    make(tmp_path, *names)
    with pytest.raises(TrainingError, match=says):
        image_folder(tmp_path)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(TrainingError, match="no such folder"):
        image_folder(tmp_path / "gone")
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="is a file"):
        image_folder(tmp_path / "file")
    for name in ("a", "b"):
        (tmp_path / "docs" / name).mkdir(parents=True)
        (tmp_path / "docs" / name / "notes.txt").write_text("")
    with pytest.raises(TrainingError, match="no images in its 2 sub-folders"):
        image_folder(tmp_path / "docs")


def test_a_folder_that_may_not_be_read(pictures, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("row"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(TrainingError, match=r"row: cannot be read \(permission denied\)"):
        image_folder(pictures)


def test_a_recipe_that_leaves_the_size_to_the_image(pictures):
    with pytest.raises(TrainingError, match="resize 'none' without a crop"):
        image_folder(pictures, RECIPES["digits"]._replace(resize="none", size=()))
