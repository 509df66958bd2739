"""Images to inputs, after the recipe that the model file holds.

    decode     PNG, JPEG or BMP and nothing else, in at most MOST_BYTES; no side above LARGEST_SIDE
    upright    the EXIF orientation is applied
    plain      8-bit gray or RGB, as Pillow's convert("RGB") gives them: alpha is dropped, and what lies under it stays;
               palettes, with transparency or without, and CMYK become RGB; but 16-bit gray is divided by 257, where
               Pillow's convert() would clip it, and of 16-bit colours the high byte is taken
    resize     "none"; "exact" to (height, width); "shorter" makes the shorter side size[0], the other in proportion,
               rounded down; "letterbox" scales to fit into (height, width) and fills the rest with `pad`, half on each
               side; Pillow's filters, with anti-aliasing when shrinking
    crop       (height, width) around the centre
    color      "rgb", "bgr" or "gray" (ITU-R 601 luma)
    scale      (x / 255 - mean) / std per channel, float32, [1, channels, height, width]: pixels are 0 to 1

"imagenet" is torchvision's Resize(256), CenterCrop(224), ToTensor, Normalize, of images loaded as its ImageFolder loads
them, but upright.

A JPEG that would take more memory is decoded at a half, a quarter or an eighth of its size, as Pillow's draft() does:
means of 2 x 2 pixels and more, taken before the recipe's filter. That changes pixels a little, so a warning says it.
"""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from dsruntime.caps import MAX_IMAGE_SIDE
from dsruntime.door import open_regular
from dsruntime.errors import BackendError, ModelError
from dsruntime.file import Image

FORMATS = ("PNG", "JPEG", "BMP")
COLORS = {"rgb": 3, "bgr": 3, "gray": 1}
RESIZES = {"none": 0, "exact": 2, "shorter": 1, "letterbox": 2}  # and how many sizes each needs
FILTERS = ("nearest", "box", "bilinear", "bicubic", "lanczos")
LARGEST_SIDE = 1 << 16  # of an image that is read or resized
MOST_BYTES = 256 << 20  # that decoding one image may take
MOST_RESIZED = 1 << 25  # pixels, after resizing and on the way there
MOST_FILE_BYTES = 256 << 20
MOST_JPEG_PIXELS = 1 << 27  # more take seconds, however small they are decoded

RECIPES = {
    "imagenet": Image(
        color="rgb",
        resize="shorter",
        size=(256,),
        filter="bilinear",
        crop=(224, 224),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
    "cifar": Image(
        color="rgb",
        resize="exact",
        size=(32, 32),
        filter="bilinear",
        crop=None,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2023, 0.1994, 0.2010),
    ),
    "mnist": Image(
        color="gray", resize="exact", size=(28, 28), filter="bilinear", crop=None, mean=(0.1307,), std=(0.3081,)
    ),
    "digits": Image(color="gray", resize="exact", size=(8, 8), filter="box", crop=None, mean=(0.0,), std=(1.0,)),
}

# EXIF orientation: what turns the stored image upright, as names of PIL.Image.Transpose.
UPRIGHT = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
ORIENTATION = 0x0112  # the EXIF tag


def load_image(source: Any, recipe: Image, shape: Sequence[int | str]) -> np.ndarray:
    """The input [1, channels, height, width] that an image becomes.

    source: a path, a PIL image, or a uint8 array [height, width], [height, width, 3] or [height, width, 4].
    shape: the input's shape, (N, channels, height, width).
    """
    where = name_of(source)
    _, height, width = sides(shape, recipe)
    image = plain(upright(opened(source, where, recipe)), where)
    image = cropped(resized(image, recipe, where), recipe, where)
    if image.size != (width, height):
        raise ModelError(
            where,
            f"{image.height} x {image.width} pixels (height x width) after the model's recipe",
            f"{height} x {width}",
            "resize the image, or export the model with a recipe that does",
        )
    return scaled(image, recipe)


def name_of(source: Any) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source)
    return getattr(source, "filename", "") or "image"


def sides(shape: Sequence[int | str], recipe: Image) -> tuple[int, int, int]:
    check_recipe(recipe, "image recipe")
    expected = f"(N, {COLORS[recipe.color]}, height, width) for a {recipe.color} image"
    sizes = [d for d in shape[1:] if isinstance(d, int)]
    if len(shape) != 4 or len(sizes) != 3 or sizes[0] != COLORS[recipe.color]:
        raise ModelError("input", f"shape ({', '.join(map(str, shape))})", expected, "use run() with an array")
    return sizes[0], sizes[1], sizes[2]


# decode


def opened(source: Any, where: str, recipe: Image) -> Any:
    """A PIL image whose pixels are decoded."""
    pillow = import_pillow()
    if isinstance(source, np.ndarray):
        source = from_array(pillow, source, where)
    if not isinstance(source, pillow.Image):
        return from_path(pillow, source, where, recipe)
    check_size(source, where, recipe, (1,), 0)
    decode(source, where)
    return source


def import_pillow() -> Any:
    try:
        import PIL.Image
    except ImportError:
        raise BackendError(
            "image",
            "Pillow is not installed",
            "Pillow to read images",
            "pip install pillow, or use run() with an array",
        ) from None
    return PIL.Image


def from_array(pillow: Any, array: np.ndarray, where: str) -> Any:
    expected = "uint8, [height, width], [height, width, 3] or [height, width, 4]"
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ModelError(where, f"an array {array.dtype} {array.shape}", expected, "use run() with an input array")
    if 0 in array.shape:
        raise ModelError(where, f"an empty array {array.shape}", expected)
    return pillow.fromarray(np.ascontiguousarray(array))


def from_path(pillow: Any, path: str | os.PathLike[str], where: str, recipe: Image) -> Any:
    """The decoded image of a file, of a JPEG's perhaps a smaller one: never smaller than the recipe makes it."""
    with open_regular(path, where, "a PNG, JPEG or BMP file", MOST_FILE_BYTES) as file:
        image = identified(pillow, file, where)
        if image.format in ("JPEG", "MPO"):
            check_size(image, where, recipe, (1, 2, 4, 8), coefficient_bytes(file, image.size))
        else:
            check_size(image, where, recipe, (1,), 0)
        decode(image, where)
    return image


def identified(pillow: Any, file: BinaryIO, where: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pillow.DecompressionBombWarning)  # check_size() knows better
            return pillow.open(file, formats=FORMATS)
    except pillow.DecompressionBombError as error:
        raise ModelError(where, str(error), "an image of fewer pixels", "shrink the image") from None
    except pillow.UnidentifiedImageError:
        raise ModelError(
            where, "not an image of a known format", "a PNG, JPEG or BMP file", "convert the image"
        ) from None
    except Exception as error:
        raise ModelError(where, f"damaged: {error}", "a PNG, JPEG or BMP file", "make the image again") from None


def decode(image: Any, where: str) -> None:
    try:
        image.load()
    except Exception as error:  # whatever a decoder raises, it says that the file is damaged
        raise ModelError(where, f"damaged: {error}", "a whole image", "make the image again") from None


def check_size(image: Any, where: str, recipe: Image, divisors: tuple[int, ...], fixed: int) -> None:
    """Refuses what the header says would take too much, before anything is decoded.

    divisors: by which the image may be decoded smaller; the first that is small enough is taken. fixed: bytes that
    decoding takes whatever the divisor.
    """
    width, height = image.size
    if width * height == 0:
        raise ModelError(where, f"{height} x {width} pixels", "an image that is not empty")
    if max(width, height) > LARGEST_SIDE:
        raise ModelError(where, f"{height} x {width} pixels", f"at most {LARGEST_SIDE:,} a side", "shrink the image")
    resized_size(image.size, recipe, where)
    for divisor in divisors:
        small = math.ceil(width / divisor), math.ceil(height / divisor)
        enough = divisor == 1 or (recipe.resize != "none" and min(small) >= max(recipe.size))
        if (
            enough
            and fixed + decoded_bytes(image.mode, small) <= MOST_BYTES
            and (len(divisors) == 1 or width * height <= MOST_JPEG_PIXELS)
        ):
            if divisor > 1:
                image.draft(None, (width // divisor, height // divisor))
                warnings.warn(
                    f"{where}: {height} x {width} pixels are decoded at 1/{divisor} of that, to stay within "
                    f"{MOST_BYTES >> 20} MiB; they differ a little from those of the whole",
                    stacklevel=2,
                )
            return
    needed = (fixed + decoded_bytes(image.mode, image.size)) >> 20
    raise ModelError(
        where,
        f"{height} x {width} pixels, which take {needed:,} MiB to decode",
        f"at most {MOST_BYTES >> 20} MiB",
        "shrink the image",
    )


def decoded_bytes(mode: str, size: tuple[int, int]) -> int:
    """Of the pixels as Pillow holds them, and of a copy of them: turned upright, or converted."""
    own = {"1": 1, "L": 1, "P": 1}.get(mode, 2 if mode.startswith("I;16") else 4)
    copy = own if mode in ("1", "L", "RGB") or own == 2 else 5
    return (own + copy) * size[0] * size[1] + 16 * size[1]


def coefficient_bytes(file: BinaryIO, size: tuple[int, int]) -> int:
    """What a decoder keeps of a JPEG whose image comes in several scans (a progressive one, or a plane at a time).

    Two bytes for each sample of each plane. 0 where the one scan has all planes. What cannot be read is taken for the
    worst: four planes of full size.
    """
    position = file.tell()
    try:
        file.seek(2)
        samples, in_one_scan = frame_of_jpeg(file)
        if in_one_scan:
            return 0
    except (ValueError, IndexError, ZeroDivisionError):
        samples = 4.0
    finally:
        file.seek(position)
    return math.ceil(2 * samples * (size[0] + 32) * (size[1] + 32))


def frame_of_jpeg(file: BinaryIO) -> tuple[float, bool]:
    """From a JPEG's markers: samples per pixel, and whether the first scan has all of them."""
    samples, planes, progressive = 4.0, 0, True
    while True:
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            raise ValueError("no marker")
        kind, length = head[1], int.from_bytes(head[2:], "big")
        body = file.read(max(0, length - 2))
        if kind in range(0xC0, 0xD0) and kind not in (0xC4, 0xC8, 0xCC):
            planes, progressive = body[5], kind not in (0xC0, 0xC1)
            sampling = [(body[7 + 3 * i] >> 4, body[7 + 3 * i] & 15) for i in range(planes)]
            whole = max(h for h, _ in sampling) * max(v for _, v in sampling)
            samples = sum(h * v for h, v in sampling) / whole
        elif kind == 0xDA:
            return samples, not progressive and body[0] == planes


# upright, plain


def upright(image: Any) -> Any:
    """A copy turned as its EXIF data says. Broken EXIF data is no reason to refuse the pixels."""
    try:
        turn = UPRIGHT.get(image.getexif().get(ORIENTATION))
    except Exception:
        turn = None
    return image if turn is None else image.transpose(getattr(import_pillow().Transpose, turn))


def plain(image: Any, where: str) -> Any:
    """8-bit gray ("L") or "RGB": what lies under transparent pixels stays, as in Pillow's convert("RGB")."""
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N", "I"):
        return gray_from_16_bits(image, where)
    if image.mode in ("L", "RGB"):
        return image
    if image.mode in ("La", "RGBa"):  # colours multiplied by their alpha
        image = image.convert(image.mode.upper())
    if image.mode in ("1", "LA"):
        return image.convert("L")
    if image.mode in ("P", "PA") and "transparency" in image.info:
        image = image.copy()
        del image.info["transparency"]  # Pillow warns that it is dropped
    if image.mode in ("P", "PA", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        return image.convert("RGB")
    raise ModelError(
        where,
        f"pixels of mode {image.mode!r}",
        "8- or 16-bit gray, RGB, RGBA, palette or CMYK pixels",
        "convert the image to 8-bit RGB",
    )


def gray_from_16_bits(image: Any, where: str) -> Any:
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ModelError(where, f"gray values from {low} to {high}", "0 to 65535", "convert the image to 16-bit gray")
    codes = np.empty(values.shape, np.uint8)
    for row, found in zip(codes, values, strict=True):  # a row at a time, for memory's sake
        row[:] = (found.astype(np.int32) + 128) // 257
    return import_pillow().fromarray(codes)


# resize, crop, color, scale


def resized(image: Any, recipe: Image, where: str) -> Any:
    size = resized_size(image.size, recipe, where)
    if size != image.size:
        image = image.resize(size, getattr(import_pillow().Resampling, recipe.filter.upper()))
    return padded(image, recipe) if recipe.resize == "letterbox" else image


def resized_size(size: tuple[int, int], recipe: Image, where: str) -> tuple[int, int]:
    """(width, height) after resizing, before padding."""
    width, height = size
    if recipe.resize == "none":
        return size
    if recipe.resize == "exact":
        found = recipe.size[1], recipe.size[0]
    elif recipe.resize == "letterbox":
        scale = min(recipe.size[0] / height, recipe.size[1] / width)
        found = max(1, round(width * scale)), max(1, round(height * scale))
    else:
        other = int(recipe.size[0] * max(size) / min(size))
        found = (recipe.size[0], other) if width <= height else (other, recipe.size[0])
    between = found[0] * max(height, found[1])  # Pillow resizes the rows first
    if max(found) > LARGEST_SIDE or between > MOST_RESIZED:
        raise ModelError(
            where,
            f"{height} x {width} pixels, which the model's recipe makes {found[1]} x {found[0]}",
            f"at most {LARGEST_SIDE:,} a side and {MOST_RESIZED:,} pixels on the way there, so a less elongated image",
            "crop it",
        )
    return found


def padded(image: Any, recipe: Image) -> Any:
    """In the middle of the letterbox; of an odd rest, the pixel more lies below and on the right."""
    height, width = recipe.size
    image = image.convert("L" if recipe.color == "gray" else "RGB")
    pad = recipe.pad or ()
    color = pad[0] if recipe.color == "gray" else pad[::-1] if recipe.color == "bgr" else pad
    canvas = import_pillow().new(image.mode, (width, height), color)
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return canvas


def made_size(recipe: Image) -> tuple[int, ...] | None:
    """(height, width) of what a recipe makes, or None where that is the image's."""
    return recipe.crop or (recipe.size if recipe.resize in ("exact", "letterbox") else None)


def cropped(image: Any, recipe: Image, where: str) -> Any:
    if recipe.crop is None:
        return image
    height, width = recipe.crop
    if image.height < height or image.width < width:
        raise ModelError(
            where,
            f"{image.height} x {image.width} pixels",
            f"at least {height} x {width} to crop",
            "give a larger image",
        )
    top, left = round((image.height - height) / 2), round((image.width - width) / 2)
    return image.crop((left, top, left + width, top + height))


def scaled(image: Any, recipe: Image) -> np.ndarray:
    codes = np.asarray(image.convert("L" if recipe.color == "gray" else "RGB"), np.float32)
    pixels = codes.reshape(image.height, image.width, -1) / np.float32(255)
    if recipe.color == "bgr":
        pixels = pixels[:, :, ::-1]
    normal = (pixels - np.array(recipe.mean, np.float32)) / np.array(recipe.std, np.float32)
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[None])


# recipes as JSON


def from_json(text: str, where: str = "image recipe") -> Image:
    """A recipe written as a JSON object with the fields of Image; size, crop and pad may be left out.

    >>> from_json('{"color": "gray", "resize": "exact", "size": [8, 8], "filter": "box", "mean": [0], "std": [1]}').size
    (8, 8)
    """
    return from_fields(json_object(text, where), where)


def json_object(text: str, where: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(where, f"no JSON: {error}", "a JSON object") from None
    if not isinstance(fields, dict):
        raise ModelError(where, f"a JSON {type(fields).__name__}", "a JSON object")
    return fields


def from_fields(fields: dict[str, Any], where: str) -> Image:
    needed, optional = ("color", "resize", "filter", "mean", "std"), ("size", "crop", "pad")
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
        pad=listed(fields.get("pad"), "pad", where),
    )
    check_recipe(recipe, where)
    return recipe


def to_json(recipe: Image) -> str:
    return json.dumps({name: value for name, value in recipe._asdict().items() if value is not None and value != ()})


def listed(value: Any, name: str, where: str) -> tuple[Any, ...] | None:
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
    check_units(recipe, where)
    if (recipe.pad is not None) != (recipe.resize == "letterbox"):
        raise ModelError(
            where,
            f"{'no ' if recipe.pad is None else ''}'pad' for resize {recipe.resize!r}",
            "a colour for 'letterbox', and none else",
            "YOLO's is [114, 114, 114]",
        )
    codes = recipe.pad or ()
    whole = all(type(v) is int and 0 <= v <= 255 for v in codes)
    if recipe.pad is not None and (len(codes) != channels or not whole):
        raise ModelError(where, f"'pad' is {list(codes)}", f"{channels} whole numbers from 0 to 255 for {recipe.color}")


def check_units(recipe: Image, where: str) -> None:
    """Refuses a mean and deviation of pixels from 0 to 255, as other libraries have them."""
    if max(map(abs, (*recipe.mean, *recipe.std))) <= 1:
        return
    mean, std = ([float(f"{value / 255:.6g}") for value in values] for values in (recipe.mean, recipe.std))
    raise ModelError(
        where,
        f"'mean' is {list(recipe.mean)} and 'std' is {list(recipe.std)}",
        "those of pixels from 0 to 1, so nothing above 1",
        f"if they are of pixels from 0 to 255, divide both by 255: mean {mean}, std {std}",
    )


def one_of(value: object, known: tuple[str, ...], name: str, where: str) -> None:
    if value not in known:
        raise ModelError(where, f"{name!r} is {value!r}", " or ".join(map(repr, known)))


def pixel_counts(values: tuple[Any, ...], count: int, name: str, where: str) -> None:
    whole = all(isinstance(v, int) and not isinstance(v, bool) and 0 < v <= MAX_IMAGE_SIDE for v in values)
    if len(values) != count or not whole:
        raise ModelError(where, f"{name} is {list(values)}", f"{count} whole numbers from 1 to {MAX_IMAGE_SIDE:,}")


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
