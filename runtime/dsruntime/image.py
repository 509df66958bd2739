"""Images to inputs, after the recipe that the model file holds.

    decode     PNG, JPEG or BMP and nothing else; no more pixels than pixel_cap() allows
    upright    the EXIF orientation is applied
    plain      8-bit gray or RGB: palettes and CMYK become RGB, 16-bit gray is divided by 257, alpha is laid over black
    resize     "none"; "exact" to (height, width); "shorter" makes the shorter side size[0], the other in proportion,
               rounded down; Pillow's filters, with anti-aliasing when shrinking
    crop       (height, width) around the centre
    color      "rgb", "bgr" or "gray" (ITU-R 601 luma)
    scale      (x / 255 - mean) / std per channel, float32, [1, channels, height, width]

Black is what lies under transparent pixels because that is what a model sees that was trained on images whose alpha
channel was dropped from zeroed pixels. "imagenet" is torchvision's Resize(256), CenterCrop(224), ToTensor, Normalize.
"""

from __future__ import annotations

import json
import math
import os
import stat

import numpy as np

from dsruntime.errors import BackendError, ModelError
from dsruntime.file import Image

FORMATS = ("PNG", "JPEG", "BMP")
COLORS = {"rgb": 3, "bgr": 3, "gray": 1}
RESIZES = {"none": 0, "exact": 2, "shorter": 1}  # and how many sizes each needs
FILTERS = ("nearest", "box", "bilinear", "bicubic", "lanczos")
LARGEST_SIDE = 1 << 16

RECIPES = {
    "imagenet": Image(
        color="rgb", resize="shorter", size=(256,), filter="bilinear", crop=(224, 224),
        mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "cifar": Image(
        color="rgb", resize="exact", size=(32, 32), filter="bilinear", crop=None,
        mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010)),
    "mnist": Image(
        color="gray", resize="exact", size=(28, 28), filter="bilinear", crop=None, mean=(0.1307,), std=(0.3081,)),
    "digits": Image(color="gray", resize="exact", size=(8, 8), filter="box", crop=None, mean=(0.0,), std=(1.0,)),
}

# EXIF orientation: what turns the stored image upright, as names of PIL.Image.Transpose.
UPRIGHT = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270", 7: "TRANSVERSE",
    8: "ROTATE_90",
}
ORIENTATION = 0x0112  # the EXIF tag


def load_image(source, recipe: Image, shape) -> np.ndarray:
    """The input [1, channels, height, width] that an image becomes.

    source: a path, a PIL image, or a uint8 array [height, width], [height, width, 3] or [height, width, 4].
    shape: the input's shape, (N, channels, height, width).
    """
    where = name_of(source)
    channels, height, width = sides(shape, recipe)
    image = plain(upright(opened(source, where, pixel_cap(height, width))), where)
    image = cropped(resized(image, recipe, where), recipe, where)
    if image.size != (width, height):
        raise ModelError(where, f"{image.height} x {image.width} pixels (height x width) after the model's recipe",
                         f"{height} x {width}", "resize the image, or export the model with a recipe that does")
    return scaled(image, recipe)


def pixel_cap(height: int, width: int) -> int:
    """How many pixels may be decoded for an input of this size: 64 per pixel of the input, at least 2^24.

    Decoding and turning upright take at most 8 bytes a pixel: 128 MiB at 2^24 pixels. A baseline JPEG of up to four
    times the cap is decoded at a half or less of its size; a progressive one needs all of its memory and is refused.
    """
    return max(1 << 24, 64 * height * width)


def name_of(source) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source)
    return getattr(source, "filename", "") or "image"


def sides(shape, recipe: Image) -> tuple[int, int, int]:
    check_recipe(recipe, "image recipe")
    expected = f"(N, {COLORS[recipe.color]}, height, width) for a {recipe.color} image"
    if len(shape) != 4 or any(not isinstance(d, int) for d in shape[1:]) or shape[1] != COLORS[recipe.color]:
        raise ModelError("input", f"shape ({', '.join(map(str, shape))})", expected, "use run() with an array")
    return shape[1], shape[2], shape[3]


# decode


def opened(source, where: str, cap: int):
    """A PIL image whose pixels are decoded, of at most `cap` pixels."""
    pillow = import_pillow()
    if isinstance(source, np.ndarray):
        source = from_array(pillow, source, where)
    if not isinstance(source, pillow.Image):
        return from_path(pillow, source, where, cap)
    check_size(source, where, cap, may_shrink=False)
    decode(source, where)
    return source


def import_pillow():
    try:
        import PIL.Image
    except ImportError:
        raise BackendError("image", "Pillow is not installed", "Pillow to read images",
                           "pip install pillow, or use run() with an array") from None
    return PIL.Image


def from_array(pillow, array: np.ndarray, where: str):
    expected = "uint8, [height, width], [height, width, 3] or [height, width, 4]"
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ModelError(where, f"an array {array.dtype} {array.shape}", expected, "use run() with an input array")
    if 0 in array.shape:
        raise ModelError(where, f"an empty array {array.shape}", expected)
    return pillow.fromarray(np.ascontiguousarray(array))


def from_path(pillow, path, where: str, cap: int):
    try:
        status = os.stat(path)
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(where, getattr(error, "strerror", None) or str(error), "a PNG, JPEG or BMP file") from None
    if stat.S_ISDIR(status.st_mode):
        raise ModelError(where, "a folder", "one PNG, JPEG or BMP file")
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(where, "not a regular file", "a PNG, JPEG or BMP file")
    if status.st_size == 0:
        raise ModelError(where, "an empty file", "a PNG, JPEG or BMP file")
    try:
        file = open(path, "rb")
    except OSError as error:
        raise ModelError(where, error.strerror or str(error), "a readable file") from None
    with file:
        image = identified(pillow, file, where)
        check_size(image, where, cap, may_shrink=True)
        decode(image, where)
    return image


def identified(pillow, file, where: str):
    try:
        return pillow.open(file, formats=FORMATS)
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        raise ModelError(where, str(error), "an image of fewer pixels", "shrink the image") from None
    except pillow.UnidentifiedImageError:
        raise ModelError(where, "not an image of a known format", "a PNG, JPEG or BMP file",
                         "convert the image") from None
    except Exception as error:
        raise ModelError(where, f"damaged: {error}", "a PNG, JPEG or BMP file", "make the image again") from None


def decode(image, where: str) -> None:
    try:
        image.load()
    except Exception as error:  # whatever a decoder raises, it says that the file is damaged
        raise ModelError(where, f"damaged: {error}", "a whole image", "make the image again") from None


def check_size(image, where: str, cap: int, may_shrink: bool) -> None:
    """Refuses before anything is decoded; may ask for a smaller decoding of a large JPEG."""
    width, height = image.size
    pixels = width * height
    if pixels == 0:
        raise ModelError(where, f"{height} x {width} pixels", "an image that is not empty")
    if pixels <= cap:
        return
    progressive = image.info.get("progressive") or image.info.get("progression")
    if may_shrink and image.format in ("JPEG", "MPO") and not progressive and pixels <= 4 * cap:
        for divisor in (2, 4, 8):
            if math.ceil(width / divisor) * math.ceil(height / divisor) <= cap:
                image.draft(None, (width // divisor, height // divisor))
                return
    kind = "progressive JPEG of " if progressive else ""
    raise ModelError(where, f"{kind}{height} x {width} = {pixels:,} pixels", f"at most {cap:,} for this model's input",
                     "shrink the image")


# upright, plain


def upright(image):
    """A copy turned as its EXIF data says. Broken EXIF data is no reason to refuse the pixels."""
    try:
        turn = UPRIGHT.get(image.getexif().get(ORIENTATION))
    except Exception:
        turn = None
    return image if turn is None else image.transpose(getattr(import_pillow().Transpose, turn))


def plain(image, where: str):
    """8-bit gray ("L") or "RGB"."""
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N", "I"):
        return gray_from_16_bits(image, where)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return over_black(image)
    if image.mode in ("L", "RGB"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        return image.convert("RGB")
    raise ModelError(where, f"pixels of mode {image.mode!r}", "8- or 16-bit gray, RGB, RGBA, palette or CMYK pixels",
                     "convert the image to 8-bit RGB")


def gray_from_16_bits(image, where: str):
    values = np.asarray(image).astype(np.int64)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ModelError(where, f"gray values from {low} to {high}", "0 to 65535", "convert the image to 16-bit gray")
    return import_pillow().fromarray(((values + 128) // 257).astype(np.uint8))


def over_black(image):
    rgba = image.convert("RGBA")
    black = import_pillow().new("RGB", image.size)
    black.paste(rgba, mask=rgba.getchannel("A"))
    return black


# resize, crop, color, scale


def resized(image, recipe: Image, where: str):
    if recipe.resize == "none":
        return image
    if recipe.resize == "exact":
        height, width = recipe.size
    else:
        short, long = sorted(image.size)
        other = int(recipe.size[0] * long / short)
        if other > LARGEST_SIDE:
            raise ModelError(where, f"{image.height} x {image.width} pixels", "a less elongated image", "crop it")
        width, height = (recipe.size[0], other) if image.width <= image.height else (other, recipe.size[0])
    if (width, height) == image.size:
        return image
    return image.resize((width, height), getattr(import_pillow().Resampling, recipe.filter.upper()))


def cropped(image, recipe: Image, where: str):
    if recipe.crop is None:
        return image
    height, width = recipe.crop
    if image.height < height or image.width < width:
        raise ModelError(where, f"{image.height} x {image.width} pixels", f"at least {height} x {width} to crop",
                         "give a larger image")
    top, left = round((image.height - height) / 2), round((image.width - width) / 2)
    return image.crop((left, top, left + width, top + height))


def scaled(image, recipe: Image) -> np.ndarray:
    codes = np.asarray(image.convert("L" if recipe.color == "gray" else "RGB"), np.float32)
    pixels = codes.reshape(image.height, image.width, -1) / np.float32(255)
    if recipe.color == "bgr":
        pixels = pixels[:, :, ::-1]
    normal = (pixels - np.array(recipe.mean, np.float32)) / np.array(recipe.std, np.float32)
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[None])


# recipes as JSON


def from_json(text: str, where: str = "image recipe") -> Image:
    """A recipe written as a JSON object with the fields of Image; size and crop may be left out.

    >>> from_json('{"color": "gray", "resize": "exact", "size": [8, 8], "filter": "box", "mean": [0], "std": [1]}').size
    (8, 8)
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(where, f"no JSON: {error}", "a JSON object") from None
    if not isinstance(fields, dict):
        raise ModelError(where, f"a JSON {type(fields).__name__}", "a JSON object")
    needed, optional = ("color", "resize", "filter", "mean", "std"), ("size", "crop")
    missing = [name for name in needed if name not in fields]
    unknown = [name for name in fields if name not in needed + optional]
    if missing or unknown:
        found = [f"no {name!r}" for name in missing] + [f"an unknown {name!r}" for name in unknown]
        fields_text = f"the fields {', '.join(needed)} and optionally {', '.join(optional)}"
        raise ModelError(where, ", ".join(found), fields_text)
    recipe = Image(
        color=fields["color"],
        resize=fields["resize"],
        size=listed(fields.get("size"), "size", where) or (),
        filter=fields["filter"],
        crop=listed(fields.get("crop"), "crop", where),
        mean=listed(fields["mean"], "mean", where) or (),
        std=listed(fields["std"], "std", where) or (),
    )
    check_recipe(recipe, where)
    return recipe


def to_json(recipe: Image) -> str:
    fields = {name: getattr(recipe, name) for name in ("color", "resize", "size", "filter", "crop", "mean", "std")}
    return json.dumps({name: value for name, value in fields.items() if value is not None and value != ()})


def listed(value, name: str, where: str) -> tuple | None:
    if value is not None and not isinstance(value, list):
        raise ModelError(where, f"{name!r} is {value!r}", "a list of numbers")
    return None if value is None else tuple(value)


def check_recipe(recipe: Image, where: str) -> None:
    """Refuses a recipe that cannot be applied, naming the field."""
    one_of(recipe.color, tuple(COLORS), "color", where)
    one_of(recipe.resize, tuple(RESIZES), "resize", where)
    one_of(recipe.filter, FILTERS, "filter", where)
    pixel_counts(recipe.size, RESIZES[recipe.resize], f"size for resize {recipe.resize!r}", where)
    if recipe.crop is not None:
        pixel_counts(recipe.crop, 2, "crop", where)
    channels = COLORS[recipe.color]
    for name, values in (("mean", recipe.mean), ("std", recipe.std)):
        if len(values) != channels or not all(is_number(v) and math.isfinite(v) for v in values):
            raise ModelError(where, f"{name!r} is {list(values)}", f"{channels} numbers for {recipe.color}")
    if not all(v > 0 for v in recipe.std):
        raise ModelError(where, f"'std' is {list(recipe.std)}", "numbers above 0")


def one_of(value, known: tuple[str, ...], name: str, where: str) -> None:
    if value not in known:
        raise ModelError(where, f"{name!r} is {value!r}", " or ".join(map(repr, known)))


def pixel_counts(values: tuple, count: int, name: str, where: str) -> None:
    whole = all(isinstance(v, int) and not isinstance(v, bool) and 0 < v <= LARGEST_SIDE for v in values)
    if len(values) != count or not whole:
        raise ModelError(where, f"{name} is {list(values)}", f"{count} whole numbers from 1 to {LARGEST_SIDE}")


def is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
