"""Images become inputs after the recipe; what is no image, or too large a one, is refused before it is decoded."""

import os
import struct
import zlib

import numpy as np
import PIL.Image
import pytest

from dsruntime import ModelError, image
from dsruntime.file import Image
from dsruntime.image import FORMATS, RECIPES, from_json, load_image, pixel_cap, to_json

PLAIN = Image(color="rgb", resize="none", size=(), filter="bilinear", crop=None, mean=(0, 0, 0), std=(1, 1, 1))
GRAY = Image(color="gray", resize="none", size=(), filter="bilinear", crop=None, mean=(0,), std=(1,))
CORNERS = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40  # no symmetry


def pixels(source, recipe=PLAIN) -> np.ndarray:
    """Codes 0..255, [height, width] for gray, [height, width, 3] else, of an image of 2 x 3 pixels."""
    channels = 1 if recipe.color == "gray" else 3
    array = load_image(source, recipe, ("N", channels, 2, 3))
    assert (array.dtype, array.flags.c_contiguous) == (np.float32, True)
    return np.rint(array[0].transpose(1, 2, 0) * 255).astype(int).squeeze()


def saved(path, picture, **options) -> str:
    picture.save(path, **options)
    return str(path)


def rgb_noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 3, 3), np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.bmp"])
def test_rgb_is_read_as_it_is(tmp_path, name):
    noise = rgb_noise()
    path = saved(tmp_path / name, PIL.Image.fromarray(noise))
    np.testing.assert_array_equal(pixels(path), noise)
    np.testing.assert_array_equal(pixels(tmp_path / name), noise)
    np.testing.assert_array_equal(pixels(PIL.Image.fromarray(noise)), noise)
    np.testing.assert_array_equal(pixels(noise), noise)


def test_bgr_is_rgb_backwards():
    noise = rgb_noise()
    recipe = Image(**{**PLAIN._asdict(), "color": "bgr"})
    np.testing.assert_array_equal(pixels(noise, recipe), noise[:, :, ::-1])


def test_gray_becomes_rgb_and_back(tmp_path):
    path = saved(tmp_path / "a.png", PIL.Image.fromarray(CORNERS))
    np.testing.assert_array_equal(pixels(path, GRAY), CORNERS)
    np.testing.assert_array_equal(pixels(path), np.stack([CORNERS] * 3, axis=-1))


def test_mean_and_std_are_in_units_of_one():
    recipe = Image(**{**GRAY._asdict(), "mean": (0.5,), "std": (0.25,)})
    got = load_image(np.array([[0, 255]], np.uint8), recipe, ("N", 1, 1, 2))
    np.testing.assert_array_equal(got, [[[[-2, 2]]]])


def test_sixteen_bits_are_divided_by_257(tmp_path):
    wide = np.array([[0, 128, 129], [257, 32896, 65535]], np.uint16)
    path = saved(tmp_path / "a.png", PIL.Image.fromarray(wide))
    np.testing.assert_array_equal(pixels(path, GRAY), [[0, 0, 1], [1, 128, 255]])
    np.testing.assert_array_equal(pixels(PIL.Image.fromarray(wide.astype(np.int32)), GRAY), [[0, 0, 1], [1, 128, 255]])


def test_one_bit(tmp_path):
    path = saved(tmp_path / "a.png", PIL.Image.fromarray(CORNERS > 100))
    np.testing.assert_array_equal(pixels(path, GRAY), np.where(CORNERS > 100, 255, 0))


def test_palette(tmp_path):
    colors = PIL.Image.fromarray(np.array([[0, 1, 2], [2, 1, 0]], np.uint8), "P")
    colors.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    path = saved(tmp_path / "a.png", colors)
    expected = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]])[[[0, 1, 2], [2, 1, 0]]]
    np.testing.assert_array_equal(pixels(path), expected)
    path = saved(tmp_path / "b.png", colors, transparency=1)
    expected[0, 1] = expected[1, 1] = 0
    np.testing.assert_array_equal(pixels(path), expected)


def test_alpha_is_laid_over_black(tmp_path):
    rgba = np.full((2, 3, 4), 200, np.uint8)
    rgba[:, :, 3] = [[255, 0, 51], [255, 255, 255]]
    expected = np.full((2, 3, 3), 200)
    expected[0, 1], expected[0, 2] = 0, 40
    np.testing.assert_array_equal(pixels(saved(tmp_path / "a.png", PIL.Image.fromarray(rgba))), expected)
    gray_alpha = PIL.Image.fromarray(rgba).convert("LA")
    np.testing.assert_array_equal(pixels(saved(tmp_path / "b.png", gray_alpha), GRAY), expected[:, :, 0])


def test_cmyk(tmp_path):
    red = PIL.Image.new("CMYK", (3, 2), (0, 255, 255, 0))
    path = saved(tmp_path / "a.jpg", red, quality=100)
    assert np.abs(pixels(path) - [255, 0, 0]).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_exif_orientation_is_applied(tmp_path, orientation, name):
    turns = {  # how a camera stores an upright picture under each orientation
        1: lambda x: x, 2: np.fliplr, 3: lambda x: np.rot90(x, 2), 4: np.flipud, 5: np.transpose,
        6: lambda x: np.rot90(x, 1), 7: lambda x: np.rot90(x, 2).T, 8: lambda x: np.rot90(x, -1),
    }
    large = np.kron(CORNERS, np.ones((16, 16), np.uint8))
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    stored = PIL.Image.fromarray(np.ascontiguousarray(turns[orientation](large)))
    path = saved(tmp_path / name, stored, exif=exif, **({"quality": 100} if name == "a.jpg" else {}))
    got = load_image(path, GRAY, ("N", 1, 32, 48))[0, 0] * 255
    assert np.abs(got - large).max() <= 4


def test_digits_recipe_keeps_the_pixels_of_a_scan():
    scan = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    got = load_image(scan, RECIPES["digits"], ("N", 1, 8, 8))
    np.testing.assert_array_equal(got[0, 0], scan / np.float32(255))


def test_exact_box_averages():
    recipe = Image(**{**GRAY._asdict(), "resize": "exact", "size": (1, 2), "filter": "box"})
    got = load_image(np.array([[0, 100, 10, 20], [100, 200, 20, 30]], np.uint8), recipe, ("N", 1, 1, 2))
    np.testing.assert_array_equal(np.rint(got * 255), [[[[100, 20]]]])


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("cut", [np.s_[:, :], np.s_[:301], np.s_[:, :257], np.s_[:100, :77], np.s_[:333, :334]])
def test_imagenet_recipe_is_torchvision_s(which, cut):
    transforms = torchvision_transforms()
    photo = pytest.importorskip("sklearn.datasets").load_sample_images().images[which][cut]
    photo = PIL.Image.fromarray(np.ascontiguousarray(photo))
    recipe = RECIPES["imagenet"]
    chain = transforms.Compose([
        transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
        transforms.Normalize(recipe.mean, recipe.std),
    ])
    expected = chain(photo).numpy()[None]
    got = load_image(photo, recipe, ("N", 3, 224, 224))
    one_code = np.array([1 / 255 / s for s in recipe.std]).reshape(3, 1, 1)
    assert (np.abs(got - expected) <= one_code * (1 + 1e-5)).all()


def torchvision_transforms():
    """torchvision's wheel expects the operators of a CUDA torch; beside a CPU torch their registration is skipped."""
    torch = pytest.importorskip("torch")
    register_fake = torch.library.register_fake

    def skip_torchvision(op, *more, **options):
        if isinstance(op, str) and op.startswith("torchvision::"):
            return lambda function: function
        return register_fake(op, *more, **options)

    torch.library.register_fake = skip_torchvision
    try:
        return pytest.importorskip("torchvision.transforms")
    finally:
        torch.library.register_fake = register_fake


# what is refused


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG that claims a size; its pixels are `data`, compressed."""
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def refused(source, *words, recipe=GRAY, shape=("N", 1, 2, 3)):
    with pytest.raises(ModelError) as caught:
        load_image(source, recipe, shape)
    for word in words:
        assert word in str(caught.value), str(caught.value)


@pytest.mark.parametrize("width, height", [(5000, 5000), (15000, 15000), (2**31 - 1, 1), (1, 2**31 - 1)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch, width, height):
    monkeypatch.setattr(image, "decode", lambda *_: pytest.fail("decoded"))
    path = tmp_path / "bomb.png"
    path.write_bytes(png(width, height, bytes(1000)))
    refused(path, "bomb.png", "pixels")


def test_the_cap_follows_the_input():
    assert pixel_cap(8, 8) == 1 << 24
    assert pixel_cap(1024, 1024) == 64 << 20


@pytest.fixture
def small_cap(monkeypatch):
    monkeypatch.setattr(image, "pixel_cap", lambda height, width: 64 * 64)


def test_a_large_baseline_jpeg_is_decoded_smaller(tmp_path, small_cap):
    path = saved(tmp_path / "a.jpg", PIL.Image.new("L", (128, 96), 77))
    recipe = Image(**{**GRAY._asdict(), "resize": "exact", "size": (2, 3)})
    got = load_image(path, recipe, ("N", 1, 2, 3))
    assert np.abs(got * 255 - 77).max() <= 2


def test_a_large_progressive_jpeg_is_refused(tmp_path, small_cap):
    path = saved(tmp_path / "a.jpg", PIL.Image.new("L", (128, 96), 77), progressive=True)
    refused(path, "progressive JPEG of 96 x 128 = 12,288 pixels", "at most 4,096")


@pytest.mark.parametrize("size", [(256, 65), (1024, 1024)])
def test_a_jpeg_beyond_four_times_the_cap_is_refused(tmp_path, small_cap, size):
    refused(saved(tmp_path / "a.jpg", PIL.Image.new("L", size)), "at most 4,096")


def test_a_large_picture_in_memory_is_refused(small_cap):
    refused(np.zeros((65, 64), np.uint8), "65 x 64 = 4,160 pixels")
    refused(PIL.Image.new("RGB", (64, 65)), "65 x 64 = 4,160 pixels")


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PPM", "ICO"])
def test_other_formats_are_refused_whatever_they_are_called(tmp_path, kind):
    try:
        path = saved(tmp_path / "a.png", PIL.Image.new("RGB", (16, 16)), format=kind)
    except KeyError:
        pytest.skip(f"this Pillow cannot write {kind}")
    refused(path, "not an image of a known format", "PNG, JPEG or BMP")


def test_only_three_decoders_are_asked():
    assert FORMATS == ("PNG", "JPEG", "BMP")


def test_what_is_no_image_file(tmp_path):
    (tmp_path / "text.png").write_text("I am no image")
    (tmp_path / "empty.png").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "text.png", "text.png", "not an image")
    refused(tmp_path / "empty.png", "an empty file")
    refused(tmp_path / "pipe.png", "not a regular file")
    refused(tmp_path, "a folder")
    refused(tmp_path / "missing.png", "No such file")
    refused("nul\0.png", "null byte")
    refused(None, "image")
    refused(7.5, "image")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp"])
def test_every_truncation_is_refused_or_whole(tmp_path, name):
    """Nothing but a ModelError leaves, at whatever byte the file ends; the pixels are there or they are not."""
    noise = np.random.default_rng(1).integers(0, 256, (24, 24), np.uint8)
    whole = (tmp_path / name)
    PIL.Image.fromarray(noise).save(whole)
    data, path = whole.read_bytes(), tmp_path / ("cut" + name)
    expected = load_image(whole, GRAY, ("N", 1, 24, 24))
    taken = 0
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        try:
            np.testing.assert_array_equal(load_image(path, GRAY, ("N", 1, 24, 24)), expected)
            taken += 1
        except ModelError:
            pass
    assert taken <= 3  # only an end marker was cut


def test_flipped_bytes_raise_nothing_but_a_model_error(tmp_path):
    noise = np.random.default_rng(2).integers(0, 256, (2, 3), np.uint8)
    for name in ("a.png", "a.jpg", "a.bmp"):
        PIL.Image.fromarray(noise).save(tmp_path / name)
        data = (tmp_path / name).read_bytes()
        for position in [*range(64), *range(64, len(data), 7)]:
            damaged = bytearray(data)
            damaged[position] ^= 0xFF
            (tmp_path / name).write_bytes(damaged)
            try:
                load_image(tmp_path / name, GRAY, ("N", 1, 2, 3))
            except ModelError:
                pass


@pytest.mark.parametrize("array", [
    np.zeros((2, 3), np.float32), np.zeros((2, 3, 2), np.uint8), np.zeros(3, np.uint8), np.zeros((0, 3), np.uint8),
    np.zeros((1, 2, 3, 3), np.uint8),
])
def test_arrays_that_are_no_picture(array):
    refused(array, "array", "uint8, [height, width]")


def test_modes_that_have_no_meaning_here():
    refused(PIL.Image.new("F", (3, 2)), "mode 'F'")
    refused(PIL.Image.fromarray(np.full((2, 3), 70000, np.int32)), "70000", "0 to 65535")


def test_a_picture_of_another_size_than_the_input():
    refused(np.zeros((4, 3), np.uint8), "4 x 3 pixels", "expected 2 x 3")
    recipe = Image(**{**GRAY._asdict(), "crop": (2, 3)})
    refused(np.zeros((1, 3), np.uint8), "1 x 3 pixels", "at least 2 x 3", recipe=recipe)


@pytest.mark.parametrize("shape", [("N", 3, 2, 3), ("N", 1, "N", 3), ("N", 6), (1, 1, 2, 3, 4)])
def test_an_input_that_is_no_image(shape):
    refused(np.zeros((2, 3), np.uint8), "(N, 1, height, width) for a gray image", shape=shape)


def test_a_very_long_picture_is_refused():
    recipe = Image(**{**GRAY._asdict(), "resize": "shorter", "size": (256,), "crop": (2, 3)})
    refused(np.zeros((1, 100_000), np.uint8), "less elongated", recipe=recipe)


# recipes as JSON


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_survive_json(name):
    assert from_json(to_json(RECIPES[name])) == RECIPES[name]


@pytest.mark.parametrize("change, words", [
    ({"color": "cmyk"}, ["'color' is 'cmyk'", "'rgb' or 'bgr' or 'gray'"]),
    ({"resize": "longer"}, ["'resize' is 'longer'"]),
    ({"filter": "sinc"}, ["'filter' is 'sinc'"]),
    ({"filter": ["box"]}, ["'filter' is ['box']"]),
    ({"size": [256, 256]}, ["size for resize 'shorter' is [256, 256]"]),
    ({"size": 256}, ["'size' is 256", "a list"]),
    ({"size": [0]}, ["[0]"]),
    ({"size": [True]}, ["[True]"]),
    ({"crop": [224]}, ["crop is [224]"]),
    ({"mean": [0.5]}, ["'mean' is [0.5]", "3 numbers for rgb"]),
    ({"mean": [0, 0, "x"]}, ["'mean'"]),
    ({"std": [1, 1, 0]}, ["'std'", "above 0"]),
    ({"mean": [0, 0, float("nan")]}, ["'mean'"]),
    ({"antialias": True}, ["an unknown 'antialias'"]),
])
def test_wrong_recipes_name_the_field(change, words):
    import json

    fields = json.loads(to_json(RECIPES["imagenet"])) | change
    with pytest.raises(ModelError) as caught:
        from_json(json.dumps(fields), "recipe.json")
    for word in ["recipe.json", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize("text, word", [
    ("{", "no JSON"), ("[]", "a JSON list"), ("{}", "no 'color'"), ("[" * 100_000, "no JSON"), ("", "no JSON"),
])
def test_what_is_no_recipe(text, word):
    with pytest.raises(ModelError, match=word):
        from_json(text, "recipe.json")
