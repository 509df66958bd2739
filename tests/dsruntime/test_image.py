"""Images become inputs after the recipe; what is no image, or too large a one, is refused before it is decoded."""

import contextlib
import io
import os
import struct
import subprocess
import sys
import textwrap
import warnings
import zlib

import numpy as np
import PIL.Image
import pytest

from dsruntime import ModelError, image
from dsruntime.file import Image
from dsruntime.image import FORMATS, RECIPES, from_json, load_image, to_json

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
    for transparency in (1, bytes([255, 0, 128])):
        path = saved(tmp_path / "b.png", colors, transparency=transparency)
        with warnings.catch_warnings(action="error"):
            np.testing.assert_array_equal(pixels(path), expected)


def test_alpha_is_dropped_as_torchvision_s_loader_drops_it(tmp_path):
    rgba = np.dstack([rgb_noise(), [[255, 0, 51], [1, 128, 254]]]).astype(np.uint8)
    path = saved(tmp_path / "a.png", PIL.Image.fromarray(rgba))
    np.testing.assert_array_equal(PIL.Image.open(path).convert("RGB"), rgba[:, :, :3])  # what ImageFolder does
    for source in (path, rgba, PIL.Image.fromarray(rgba)):
        np.testing.assert_array_equal(pixels(source), rgba[:, :, :3])
    luma = PIL.Image.fromarray(rgba[:, :, :3]).convert("L")
    np.testing.assert_array_equal(pixels(path, GRAY), luma)
    gray_alpha = PIL.Image.merge("LA", [luma, PIL.Image.fromarray(rgba[:, :, 3])])
    np.testing.assert_array_equal(pixels(saved(tmp_path / "b.png", gray_alpha), GRAY), luma)
    np.testing.assert_array_equal(pixels(gray_alpha), np.dstack([luma] * 3))


@pytest.mark.parametrize("mode, transparency", [("RGB", (10, 20, 30)), ("L", 40)])
def test_a_transparent_colour_stays_that_colour(tmp_path, mode, transparency):
    picture = PIL.Image.new(mode, (3, 2), transparency)
    path = saved(tmp_path / "a.png", picture, transparency=transparency)
    np.testing.assert_array_equal(pixels(path), np.asarray(picture.convert("RGB")))


def test_premultiplied_colours_are_divided_by_their_alpha():
    rgba = PIL.Image.new("RGBA", (3, 2), (200, 100, 50, 128))
    assert np.abs(pixels(rgba.convert("RGBa")) - [200, 100, 50]).max() <= 1


def test_sixteen_bit_colours_keep_their_high_byte(tmp_path):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + struct.pack(">9H", *[0x1234, 0xFFFF, 0x00FF] * 3) for _ in range(2))
    header = struct.pack(">IIBBBBB", 3, 2, 16, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), np.full((2, 3, 3), [0x12, 0xFF, 0x00]))


def test_cmyk(tmp_path):
    red = PIL.Image.new("CMYK", (3, 2), (0, 255, 255, 0))
    path = saved(tmp_path / "a.jpg", red, quality=100)
    assert np.abs(pixels(path) - [255, 0, 0]).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_exif_orientation_is_applied(tmp_path, orientation, name):
    turns = {  # how a camera stores an upright picture under each orientation
        1: lambda x: x,
        2: np.fliplr,
        3: lambda x: np.rot90(x, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda x: np.rot90(x, 1),
        7: lambda x: np.rot90(x, 2).T,
        8: lambda x: np.rot90(x, -1),
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
    chain = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(recipe.mean, recipe.std),
        ]
    )
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


@pytest.mark.parametrize(
    "width, height, words",
    [
        (13000, 12000, "297 MiB to decode; expected at most 256 MiB"),
        (15000, 15000, "pixels"),
        (1, 1 << 24, "16777216 x 1 pixels; expected at most 65,536 a side"),
        (2**31 - 1, 1, "pixels"),
        (1, 2**31 - 1, "pixels"),
        (65537, 1, "at most 65,536 a side"),
    ],
)
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch, width, height, words):
    monkeypatch.setattr(image, "decode", lambda *_: pytest.fail("decoded"))
    path = tmp_path / "bomb.png"
    path.write_bytes(png(width, height, bytes(1000)))
    refused(path, "bomb.png", words)


def test_a_picture_too_long_for_its_recipe_is_refused_from_the_header(tmp_path, monkeypatch):
    monkeypatch.setattr(image, "decode", lambda *_: pytest.fail("decoded"))
    (tmp_path / "long.png").write_bytes(png(60000, 8))
    for shorter in (16, 4096):
        recipe = GRAY._replace(resize="shorter", size=(shorter,), crop=(2, 3))
        refused(tmp_path / "long.png", f"makes {shorter} x {shorter * 7500}", "a less elongated image", recipe=recipe)


def test_rows_that_become_long_before_the_columns_shrink_are_refused(tmp_path):
    (tmp_path / "high.png").write_bytes(png(8, 60000))
    recipe = GRAY._replace(resize="exact", size=(2, 16384), crop=(2, 3))
    refused(tmp_path / "high.png", "60000 x 8 pixels, which the model's recipe makes 2 x 16384", recipe=recipe)


def test_a_file_larger_than_any_image_may_be_is_refused(tmp_path):
    with open(tmp_path / "a.png", "wb") as file:
        file.truncate(image.MOST_FILE_BYTES + 1)
    refused(tmp_path / "a.png", "268,435,457 bytes", "at most 268,435,456 bytes")


@pytest.mark.parametrize(
    "mode, size, most",
    [
        ("RGB", (6000, 5590), True),
        ("RGB", (6000, 5591), False),
        ("RGBA", (5000, 5962), True),
        ("RGBA", (5000, 5966), False),
        ("L", (13000, 10000), True),
        ("P", (6000, 7000), True),
        ("I;16", (6000, 11000), True),
        ("CMYK", (6000, 5000), False),
    ],
)
def test_what_decoding_takes_is_known_before(mode, size, most):
    assert (image.decoded_bytes(mode, size) <= image.MOST_BYTES) == most


@pytest.fixture
def small_cap(monkeypatch):
    """Enough for 64 x 64 gray pixels."""
    monkeypatch.setattr(image, "MOST_BYTES", 64 * 64 * 2 + 16 * 64)


SHRINKS = GRAY._replace(resize="exact", size=(2, 3))


def test_a_large_jpeg_is_decoded_smaller_and_that_is_said(tmp_path, monkeypatch):
    noise = np.kron(np.random.default_rng(0).integers(0, 256, (24, 32), np.uint8), np.ones((4, 4), np.uint8))
    path = saved(tmp_path / "a.jpg", PIL.Image.fromarray(noise), quality=95)
    recipe, shape = SHRINKS._replace(size=(24, 32)), ("N", 1, 24, 32)
    whole = load_image(path, recipe, shape)
    monkeypatch.setattr(image, "MOST_BYTES", 64 * 64 * 2 + 16 * 64)
    with pytest.warns(UserWarning, match="a.jpg: 96 x 128 pixels are decoded at 1/2 of that"):
        got = load_image(path, recipe, shape)
    assert 0 < np.abs(got - whole).mean() <= 4 / 255


def test_a_jpeg_is_not_decoded_smaller_than_its_input(tmp_path, small_cap):
    path = saved(tmp_path / "a.jpg", PIL.Image.new("L", (128, 96), 77))
    for size in ((49, 2), (2, 49)):
        recipe = SHRINKS._replace(size=size)
        refused(path, "96 x 128 pixels, which take", "to decode", recipe=recipe, shape=("N", 1, *size))
    refused(path, "to decode", shape=("N", 1, 96, 128))


def test_a_progressive_jpeg_needs_memory_for_all_of_it(tmp_path, small_cap):
    refused(saved(tmp_path / "a.jpg", PIL.Image.new("L", (128, 96), 77), progressive=True), "to decode", recipe=SHRINKS)


@pytest.mark.parametrize("size", [(4096, 520), (1024, 1024)])
def test_a_jpeg_that_no_divisor_makes_small_enough_is_refused(tmp_path, small_cap, size):
    refused(saved(tmp_path / "a.jpg", PIL.Image.new("L", size)), "to decode", recipe=SHRINKS)


@pytest.mark.parametrize(
    "mode, options, samples",
    [
        ("L", {}, 1),
        ("RGB", {"subsampling": 0}, 3),
        ("RGB", {"subsampling": 1}, 2),
        ("RGB", {"subsampling": 2}, 1.5),
        ("CMYK", {}, 4),
    ],
)
def test_what_a_jpeg_s_markers_say(tmp_path, mode, options, samples):
    for progressive in (False, True):
        path = saved(tmp_path / "a.jpg", PIL.Image.new(mode, (40, 30)), progressive=progressive, **options)
        with open(path, "rb") as file:
            file.seek(2)
            assert image.frame_of_jpeg(file) == (samples, not progressive)
            assert image.coefficient_bytes(file, (40, 30)) == (2 * samples * 72 * 62 if progressive else 0)


def test_a_jpeg_of_a_plane_a_scan_counts_as_progressive():
    frame = b"\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03" + b"\x01\x11\x00\x02\x11\x00\x03\x11\x00"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    assert image.frame_of_jpeg(io.BytesIO(frame + scan)) == (3, False)
    assert image.coefficient_bytes(io.BytesIO(b"\xff\xd8" + frame), (16, 16)) == 2 * 4 * 48 * 48  # no scan: the worst


PHOTOS = """
    import resource, sys, warnings
    import numpy as np, PIL.Image
    from dsruntime.image import RECIPES, load_image
    PIL.Image.new("RGB", (8, 8)).save(sys.argv[1] + ".small.png")
    load_image(sys.argv[1] + ".small.png", RECIPES["cifar"], ("N", 3, 32, 32))  # imports, decoders
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings(record=True) as caught:
        load_image(sys.argv[1], RECIPES["imagenet"], ("N", 3, 224, 224))
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, len(caught))
"""


@pytest.mark.parametrize(
    "name, options, smaller",
    [
        ("a.png", {"compress_level": 1}, 0),
        ("a.jpg", {}, 0),
        ("a.jpg", {"progressive": True}, 0),
        ("a.jpg", {"progressive": True, "subsampling": 0}, 1),
    ],
)
def test_a_photo_of_24_megapixels_is_decoded_in_256_mib(tmp_path, name, options, smaller):
    picture = PIL.Image.fromarray(np.add.outer(np.arange(75), np.arange(100)).astype(np.uint8)).convert("RGB")
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / name, picture.resize((5656, 4242), 0), exif=exif, **options)
    del picture
    command = [sys.executable, "-c", textwrap.dedent(PHOTOS), path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    used, caught = done.stdout.split()
    assert float(used) < 256 and int(caught) == smaller


def test_a_large_picture_in_memory_is_refused(small_cap):
    refused(np.zeros((65, 65), np.uint8), "65 x 65 pixels")
    refused(PIL.Image.new("RGB", (64, 65)), "65 x 64 pixels")


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
    refused(tmp_path / "pipe.png", "not a regular file but a pipe", "copy its bytes to a file first")
    refused("/dev/zero", "not a regular file but a device")
    refused(tmp_path, "a folder")
    refused(tmp_path / "missing.png", "no such file")
    refused("nul\0.png", "embedded null ")  # byte, or character: versions of Python differ
    refused(None, "image")
    refused(7.5, "image")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp"])
def test_every_truncation_is_refused_or_whole(tmp_path, name):
    """Nothing but a ModelError leaves, at whatever byte the file ends; the pixels are there or they are not."""
    noise = np.random.default_rng(1).integers(0, 256, (24, 24), np.uint8)
    whole = tmp_path / name
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
            with contextlib.suppress(ModelError):
                load_image(tmp_path / name, GRAY, ("N", 1, 2, 3))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 3), np.float32),
        np.zeros((2, 3, 2), np.uint8),
        np.zeros(3, np.uint8),
        np.zeros((0, 3), np.uint8),
        np.zeros((1, 2, 3, 3), np.uint8),
    ],
)
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
    refused(np.zeros((1, 60_000), np.uint8), "makes 256 x 15360000", "less elongated", recipe=recipe)


# a letterbox


LETTERBOX = Image("rgb", "letterbox", (4, 6), "bilinear", None, (0, 0, 0), (1, 1, 1), (114, 113, 112))


@pytest.mark.parametrize(
    "height, width, top, left, inner",
    [
        (4, 6, 0, 0, (4, 6)),
        (8, 12, 0, 0, (4, 6)),
        (2, 3, 0, 0, (4, 6)),  # of its shape: scaled to fit, up too
        (4, 4, 0, 1, (4, 4)),
        (4, 3, 0, 1, (4, 3)),  # an odd rest: the pixel more on the right
        (1, 6, 1, 0, (1, 6)),
        (1, 2, 0, 0, (3, 6)),
        (1, 600, 1, 0, (1, 6)),
    ],
)
def test_a_letterbox_scales_to_fit_and_pads(height, width, top, left, inner):
    picture = np.full((height, width, 3), (10, 20, 30), np.uint8)
    expected = np.full((4, 6, 3), (114, 113, 112))
    expected[top : top + inner[0], left : left + inner[1]] = (10, 20, 30)
    codes = lambda recipe: np.rint(load_image(picture, recipe, ("N", 3, 4, 6))[0].transpose(1, 2, 0) * 255)  # noqa: E731
    np.testing.assert_array_equal(codes(LETTERBOX), expected)
    backwards = LETTERBOX._replace(color="bgr", pad=(112, 113, 114))
    np.testing.assert_array_equal(codes(backwards), expected[:, :, ::-1])


def test_a_gray_letterbox_has_one_pad_code_and_normalises_it():
    recipe = GRAY._replace(resize="letterbox", size=(1, 3), pad=(51,), mean=(0.2,), std=(0.5,))
    got = load_image(np.full((5, 5), 255, np.uint8), recipe, ("N", 1, 1, 3))
    np.testing.assert_allclose(got, [[[[0, 1.6, 0]]]], atol=1e-6)


# recipes as JSON


@pytest.mark.parametrize("recipe", [*RECIPES.values(), LETTERBOX])
def test_recipes_survive_json(recipe):
    assert from_json(to_json(recipe)) == recipe


@pytest.mark.parametrize(
    "change, words",
    [
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
        (
            {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]},
            ["nothing above 1", "divide both by 255: mean [0.485, 0.456, 0.406], std [0.229, 0.224, 0.225]"],
        ),
        ({"mean": [103.94, 116.78, 123.68], "std": [1, 1, 1]}, ["std [0.00392157, 0.00392157, 0.00392157]"]),
        (
            {"mean": [0, 0, 0], "std": [255, 255, 255]},
            ["divide both by 255: mean [0.0, 0.0, 0.0], std [1.0, 1.0, 1.0]"],
        ),
        ({"mean": [-127.5, 0, 0]}, ["divide both by 255"]),
        ({"pad": [114, 114, 114]}, ["'pad' for resize 'shorter'", "a colour for 'letterbox'"]),
        ({"resize": "letterbox", "size": [8, 8]}, ["no 'pad' for resize 'letterbox'", "[114, 114, 114]"]),
        ({"size": [20_000]}, ["whole numbers from 1 to 16,384"]),
        ({"resize": "letterbox", "size": [8, 8], "pad": [114]}, ["'pad' is [114]", "3 whole numbers from 0 to 255"]),
        ({"resize": "letterbox", "size": [8, 8], "pad": [0.5, 0.5, 0.5]}, ["whole numbers from 0 to 255"]),
        ({"resize": "letterbox", "size": [8, 8], "pad": [0, 0, 256]}, ["whole numbers from 0 to 255"]),
        ({"resize": "letterbox", "size": [8], "pad": [0, 0, 0]}, ["size for resize 'letterbox' is [8]"]),
        ({"antialias": True}, ["an unknown 'antialias'"]),
    ],
)
def test_wrong_recipes_name_the_field(change, words):
    import json

    fields = json.loads(to_json(RECIPES["imagenet"])) | change
    with pytest.raises(ModelError) as caught:
        from_json(json.dumps(fields), "recipe.json")
    for word in ["recipe.json", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "text, word",
    [("{", "no JSON"), ("[]", "a JSON list"), ("{}", "no 'color'"), ("[" * 100_000, "no JSON"), ("", "no JSON")],
)
def test_what_is_no_recipe(text, word):
    with pytest.raises(ModelError, match=word):
        from_json(text, "recipe.json")
