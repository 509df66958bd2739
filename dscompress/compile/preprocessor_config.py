"""preprocessor_config: Hugging Face's preprocessor_config.json, which lies beside a network's weights, as a recipe.

    do_resize, size, resample          {"height", "width"}: exact; {"shortest_edge"}: shorter; a number: what the class
                                       of the processor takes it for
    crop_pct                           of ConvNeXT's: the shorter side is size / crop_pct; from 384 on size alone, exact
    do_center_crop, crop_size
    do_rescale, rescale_factor         x * factor, of pixels from 0 to 255; 1/255 where none is given
    do_normalize, image_mean, image_std

    x * f, then (x - mean) / std    is    (x / 255 - mean / 255f) / (std / 255f), f the factor

What is not honoured is refused by name, and what is missing is not made up: the defaults of the library differ from
class to class. Its slow processors crop at the lower of two middles where torchvision and a .dsf round half to even: of
an odd difference of sides the crop may lie one pixel beside.
"""

from __future__ import annotations

from typing import Any

from dscompress.errors import CompileError
from dsruntime.file import Image
from dsruntime.image import check_recipe

MARKS = ("image_processor_type", "feature_extractor_type", "image_mean", "do_normalize", "do_resize", "do_rescale")
FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}  # numbers of PIL.Image.Resampling

# What a size that is one number means, by the class without its ending.
SQUARES = ("ViT", "DeiT", "Beit", "EfficientNet", "Segformer", "EfficientFormer")
SHORTER = ("CLIP", "ConvNext", "Bit", "MobileNetV1", "MobileNetV2", "MobileViT")
UNCROPPED = ("ViT", "ConvNext", "Segformer")  # classes that have no do_center_crop
ENDINGS = ("ImageProcessorFast", "ImageProcessor", "FeatureExtractor")

# Fields that say nothing about pixels, or what is done anyway: every image becomes RGB.
HARMLESS = (
    "image_processor_type", "feature_extractor_type", "processor_class", "_processor_class", "_valid_processor_keys",
    "do_convert_rgb", "data_format", "return_tensors", "device", "disable_grouping", "auto_map", "model_input_names",
    "default_to_square", "use_fast", "num_channels",
)  # fmt: skip
READ = (
    "do_resize", "size", "resample", "crop_pct", "do_center_crop", "crop_size", "do_rescale", "rescale_factor",
    "do_normalize", "image_mean", "image_std", "input_data_format",
)  # fmt: skip


def is_preprocessor_config(fields: dict) -> bool:
    return "color" not in fields and any(name in fields for name in MARKS)


def recipe_of(fields: dict[str, Any], where: str) -> Image:
    """The recipe that a preprocessor_config.json describes, or a CompileError that names what is in the way."""
    known = (*HARMLESS, *READ, *(() if fields.get("do_pad") else ("pad_size",)))
    refused = [name for name, value in fields.items() if name not in known and value not in (None, False)]
    if refused:
        raise CompileError(
            where,
            f"'{refused[0]}' is {fields[refused[0]]!r}",
            "only what a recipe can say",
            "write a recipe of your own: docs/export.md",
        )
    kind = class_of(fields)
    if does_more(kind, fields):
        raise CompileError(
            where,
            f"{kind}'s processor does more than its file says",
            "another processor",
            "write a recipe of your own: docs/export.md",
        )
    resize, size, crop = resizing(fields, kind, where)
    crop = cropping(fields, kind, where) if crop is None else crop
    mean, std = normalizing(fields, where)
    recipe = Image("rgb", resize, size, filtering(fields, resize, where), crop, mean, std)
    check_recipe(recipe, where)
    return recipe


def class_of(fields: dict) -> str:
    name = str(fields.get("image_processor_type") or fields.get("feature_extractor_type") or "")
    ending = next((ending for ending in ENDINGS if name.endswith(ending)), "")
    return name.removesuffix(ending)


def does_more(kind: str, fields: dict) -> bool:
    """Whether the class has sizes of its own, or normalises a second time, unasked."""
    if kind == "EfficientNet":
        return fields.get("include_top", True) is not False
    return kind in ("Levit", "PoolFormer") and fields.get("do_resize") is not False


def resizing(fields: dict, kind: str, where: str) -> tuple[str, tuple[int, ...], tuple[int, int] | None]:
    """resize and size of the recipe, and the crop that belongs to them."""
    if not truth(fields, "do_resize", True, where):
        return "none", (), None
    size = needed(fields, "size", where)
    if isinstance(size, dict):
        sides = {name: value for name, value in size.items() if value is not None}
    elif kind in SQUARES or fields.get("default_to_square") is True:
        sides = {"height": size, "width": size}
    elif kind in SHORTER or fields.get("default_to_square") is False:
        sides = {"shortest_edge": size}
    else:
        raise CompileError(
            where,
            f"'size' is {size!r}, of the processor {kind or 'of no name'}",
            '{"shortest_edge": ...} or {"height": ..., "width": ...}',
            "write one of them into the file",
        )
    if set(sides) == {"height", "width"}:
        return "exact", (whole(sides["height"], "size", where), whole(sides["width"], "size", where)), None
    if set(sides) != {"shortest_edge"}:
        raise CompileError(
            where,
            f"'size' is {size!r}",
            '{"shortest_edge": ...} or {"height": ..., "width": ...}',
            "write a recipe of your own: docs/export.md",
        )
    edge = whole(sides["shortest_edge"], "size", where)
    if kind == "ConvNext":
        share = fields.get("crop_pct") or 224 / 256
        return ("exact", (edge, edge), None) if edge >= 384 else ("shorter", (int(edge / share),), (edge, edge))
    if fields.get("crop_pct") is not None:
        raise CompileError(
            where,
            f"'crop_pct' is {fields['crop_pct']!r}, of the processor {kind or 'of no name'}",
            "one of ConvNext's",
            "write a recipe of your own: docs/export.md",
        )
    return "shorter", (edge,), None


def cropping(fields: dict, kind: str, where: str) -> tuple[int, int] | None:
    if not truth(fields, "do_center_crop", False if kind in UNCROPPED else None, where):
        return None
    size = needed(fields, "crop_size", where)
    sides = size if isinstance(size, dict) else {"height": size, "width": size}
    if set(sides) != {"height", "width"}:
        raise CompileError(where, f"'crop_size' is {size!r}", '{"height": ..., "width": ...} or a number')
    return whole(sides["height"], "crop_size", where), whole(sides["width"], "crop_size", where)


def filtering(fields: dict, resize: str, where: str) -> str:
    if resize == "none":
        return "bilinear"  # nothing is resized
    number = needed(fields, "resample", where)
    if number not in FILTERS or isinstance(number, bool):
        shown = ", ".join(f"{code} ({name})" for code, name in FILTERS.items())
        raise CompileError(where, f"'resample' is {number!r}", shown)
    return FILTERS[number]


def normalizing(fields: dict, where: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """mean and std of pixels from 0 to 1: rescaling is folded into them."""
    factor = 1.0
    if truth(fields, "do_rescale", True, where):
        factor = number_of(fields.get("rescale_factor") or 1 / 255, "rescale_factor", where)
    mean, std = [0.0] * 3, [1.0] * 3
    if truth(fields, "do_normalize", True if "image_mean" in fields else None, where):
        mean, std = (three(needed(fields, name, where), name, where) for name in ("image_mean", "image_std"))
    scale = 255 * factor
    scale = 1.0 if abs(scale - 1) < 1e-6 else scale  # 1/255, as it is written in the files: 0.00392156862745098
    return tuple(value / scale for value in mean), tuple(value / scale for value in std)


def truth(fields: dict, name: str, default: bool | None, where: str) -> bool:
    value = fields.get(name)
    value = default if value is None else value
    if not isinstance(value, bool):
        raise CompileError(
            where,
            f"no '{name}'" if value is None else f"'{name}' is {value!r}",
            "true or false",
            "write it into the file: the library's default depends on the processor",
        )
    return value


def needed(fields: dict, name: str, where: str) -> Any:
    if fields.get(name) is None:
        raise CompileError(
            where, f"no '{name}'", "one", "write it into the file: the library's default depends on the processor"
        )
    return fields[name]


def whole(value: Any, name: str, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise CompileError(where, f"'{name}' has {value!r}", "whole numbers from 1")
    return value


def number_of(value: Any, name: str, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1e-6 < value < 1e6:
        raise CompileError(where, f"'{name}' is {value!r}", "a number above 0")
    return float(value)


def three(values: Any, name: str, where: str) -> list[float]:
    good = isinstance(values, list) and len(values) == 3 and all(type(value) in (int, float) for value in values)
    if not good:
        raise CompileError(where, f"'{name}' is {values!r}", "a list of 3 numbers")
    return [float(value) for value in values]
