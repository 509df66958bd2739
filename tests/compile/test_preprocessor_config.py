"""preprocessor_config.json as a recipe: the files of well-known networks, and what is refused by name."""

import json

import numpy as np
import pytest

from dscompress import CompileError, ModelError
from dscompress.compile.labelling import read_recipe
from dsruntime.file import Image
from dsruntime.image import load_image

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
VIT = {
    "do_normalize": True,
    "do_resize": True,
    **HALF,
    "size": 224,
    "resample": 2,
    "feature_extractor_type": "ViTFeatureExtractor",
}
RESNET = {
    "crop_pct": 0.875,
    "do_normalize": True,
    "do_resize": True,
    **IMAGENET,
    "resample": 3,
    "size": 224,
    "feature_extractor_type": "ConvNextFeatureExtractor",
}
MOBILENET = {
    "crop_size": {"height": 224, "width": 224},
    "do_center_crop": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    **HALF,
    "image_processor_type": "MobileNetV2ImageProcessor",
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 256},
}
CLIP = {
    "crop_size": 224,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "size": 224,
}


def recipe_of(tmp_path, *parts: dict) -> Image:
    fields = {name: value for part in parts for name, value in part.items()}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(fields))
    return read_recipe(tmp_path / "preprocessor_config.json")


@pytest.mark.parametrize(
    "fields, expected",
    [
        (VIT, Image("rgb", "exact", (224, 224), "bilinear", None, (0.5,) * 3, (0.5,) * 3)),
        (RESNET, Image("rgb", "shorter", (256,), "bicubic", (224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))),
        (
            {**RESNET, "crop_pct": None},
            Image("rgb", "shorter", (256,), "bicubic", (224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ),
        (
            {**RESNET, "size": {"shortest_edge": 384}},
            Image("rgb", "exact", (384, 384), "bicubic", None, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ),
        (MOBILENET, Image("rgb", "shorter", (256,), "bilinear", (224, 224), (0.5,) * 3, (0.5,) * 3)),
        (
            CLIP,
            Image("rgb", "shorter", (224,), "bicubic", (224, 224), tuple(CLIP["image_mean"]), tuple(CLIP["image_std"])),
        ),
        (
            {**VIT, "size": {"height": 8, "width": 16}, "resample": 4, "do_normalize": False},
            Image("rgb", "exact", (8, 16), "box", None, (0.0,) * 3, (1.0,) * 3),
        ),
        (
            {**VIT, "do_resize": False, "do_pad": False, "pad_size": {"height": 8}},
            Image("rgb", "none", (), "bilinear", None, (0.5,) * 3, (0.5,) * 3),
        ),
    ],
)
def test_well_known_files(tmp_path, fields, expected):
    assert recipe_of(tmp_path, fields) == expected


@pytest.mark.parametrize(
    "fields, low, high",
    [
        ({"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [127.5] * 3}, -1, 1),
        ({"do_rescale": False, "do_normalize": False}, 0, 255),
        ({"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3}, -1, 1),
        ({"rescale_factor": 1 / 255, "image_mean": [0.0] * 3, "image_std": [0.5] * 3}, 0, 2),
    ],
)
def test_rescaling_is_folded_into_mean_and_deviation(tmp_path, fields, low, high):
    recipe = recipe_of(tmp_path, VIT, {"size": {"height": 1, "width": 2}}, fields)
    got = load_image(np.array([[[0] * 3, [255] * 3]], np.uint8), recipe, ("N", 3, 1, 2))
    np.testing.assert_allclose(got[0, :, 0], [[low, high]] * 3, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "fields, says",
    [
        ({"do_pad": True}, "'do_pad' is True"),
        ({"do_flip_channel_order": True}, "'do_flip_channel_order' is True"),
        ({"rescale_offset": True}, "'rescale_offset' is True"),
        ({"size_divisor": 32}, "'size_divisor' is 32"),
        ({"do_thumbnail": True}, "'do_thumbnail' is True"),
        ({"size": {"shortest_edge": 800, "longest_edge": 1333}}, "'size' is"),
        ({"size": {"longest_edge": 800}}, "'size' is"),
        ({"size": {"height": 224}}, "'size' is"),
        ({"size": {"height": 224.5, "width": 224}}, "whole numbers"),
        ({"size": None}, "no 'size'"),
        ({"feature_extractor_type": "OtherFeatureExtractor"}, "of the processor Other"),
        ({"feature_extractor_type": None}, "of no name"),
        ({"resample": 5}, "'resample' is 5"),
        ({"resample": None}, "no 'resample'"),
        ({"crop_pct": 0.9, "size": {"shortest_edge": 224}}, "'crop_pct' is 0.9"),
        ({"feature_extractor_type": "CLIPFeatureExtractor"}, "no 'do_center_crop'"),
        ({"do_center_crop": True}, "no 'crop_size'"),
        ({"do_center_crop": True, "crop_size": {"shortest_edge": 9}}, "'crop_size' is"),
        ({"do_normalize": "yes"}, "'do_normalize' is 'yes'"),
        ({"image_mean": None}, "no 'image_mean'"),
        ({"image_mean": [0.5]}, "a list of 3 numbers"),
        ({"rescale_factor": -1}, "'rescale_factor' is -1"),
        (
            {"image_processor_type": "EfficientNetImageProcessor", "size": 224, "do_center_crop": False},
            "EfficientNet's processor does more",
        ),
        ({"image_processor_type": "LevitImageProcessor"}, "Levit's processor does more"),
    ],
)
def test_what_a_recipe_cannot_say_is_refused_by_name(tmp_path, fields, says):
    with pytest.raises(CompileError) as caught:
        recipe_of(tmp_path, VIT, fields)
    assert says in str(caught.value) and "preprocessor_config.json" in str(caught.value)


def test_numbers_of_pixels_to_255_are_refused_here_too(tmp_path):
    with pytest.raises(ModelError, match=r"divide both by 255: mean \[0.485, 0.456, 0.406\]"):
        recipe_of(tmp_path, VIT, {"image_mean": [123.675, 116.28, 103.53], "image_std": [58.395, 57.12, 57.375]})


def test_an_image_of_ones_own_is_checked_too():
    with pytest.raises(ModelError, match="divide both by 255"):
        read_recipe(Image("gray", "none", (), "box", None, (127.5,), (127.5,)))
