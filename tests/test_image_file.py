"""Images of every depth, palette and transparency come as the picture that a person sees."""

import io
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from atarigan.config.run_config import RunConfig
from atarigan.data.sources import SOURCES
from atarigan.errors import InputError

COLOR = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) + 90
ALPHA = np.array([0, 51, 255], np.uint8)[np.arange(24).reshape(4, 6, 1) % 3]
DEEP = (np.arange(24).reshape(4, 6) * 2800).astype(np.uint16)


def written(tmp_path: Path, name: str, image: Any, **options: Any) -> Path:
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(tmp_path / name, **options)
    return tmp_path


def by_opencv(tmp_path: Path, name: str, image: Any) -> Path:
    (tmp_path / name).write_bytes(cv2.imencode(Path(name).suffix, image)[1].tobytes())
    return tmp_path


def images_in(folder: Path) -> np.ndarray:
    source: Any = SOURCES["folder"](RunConfig(source="folder", data=str(folder)))
    return source.images


def over_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    opacity = alpha / 255
    return np.rint(rgb * opacity + 255 * (1 - opacity)).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.png", {}), ("a.webp", {"lossless": True, "exact": True}), ("a.tif", {})],
)
def test_transparency_is_blended_over_white(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    written(tmp_path, name, np.concatenate([COLOR, ALPHA], -1), **options)
    with pytest.warns(UserWarning, match="1 images with transparency are blended over white"):
        images = images_in(tmp_path)
    np.testing.assert_array_equal(images[0], over_white(COLOR, ALPHA))


def test_gray_with_alpha_palettes_and_single_colors_are_blended(tmp_path: Path) -> None:
    gray = COLOR[..., :1]
    written(tmp_path, "a.png", Image.fromarray(np.concatenate([gray, ALPHA], -1), "LA"))
    palette = Image.fromarray(COLOR).quantize(8)
    written(tmp_path, "b.png", palette, transparency=palette.getpixel((0, 0)))
    written(tmp_path, "c.png", gray[..., 0], transparency=int(gray[0, 0, 0]))
    written(tmp_path, "d.png", COLOR, transparency=tuple(COLOR[0, 0].tolist()))
    with pytest.warns(UserWarning, match="4 images with transparency"):
        first, second, third, fourth = images_in(tmp_path)
    np.testing.assert_array_equal(first, over_white(np.repeat(gray, 3, -1), ALPHA))
    for image, of in ((second, np.asarray(palette.convert("RGB"))), (fourth, COLOR)):
        assert image[0, 0].tolist() == [255] * 3
        np.testing.assert_array_equal(image[-1, -1], of[-1, -1])
    assert third[0, 0].tolist() == [255] * 3
    assert third[-1, -1].tolist() == [gray[-1, -1, 0]] * 3


def test_what_is_not_transparent_is_not_changed(tmp_path: Path) -> None:
    opaque = np.concatenate([COLOR, np.full_like(ALPHA, 255)], -1)
    written(tmp_path, "a.png", opaque)
    written(tmp_path, "b.bmp", opaque)
    written(tmp_path, "c.png", Image.fromarray(COLOR).convert("RGB"))
    with warnings.catch_warnings(action="error"):
        for image in images_in(tmp_path):
            np.testing.assert_array_equal(image, COLOR)


def test_16_bits_are_scaled_by_their_range(tmp_path: Path) -> None:
    written(tmp_path, "a.png", DEEP)
    written(tmp_path, "b.tif", DEEP)
    rgb = np.stack([DEEP, DEEP // 2, DEEP // 4], -1)
    by_opencv(tmp_path, "c.png", rgb[..., ::-1])
    by_opencv(tmp_path, "d.tif", rgb[..., ::-1])
    written(tmp_path, "e.tif", DEEP // 16, tiffinfo={281: 4095})
    with pytest.warns(UserWarning, match="5 images of 16 bits are scaled to 8"):
        images = images_in(tmp_path)
    gray = np.repeat((DEEP >> 8).astype(np.uint8)[..., None], 3, -1)
    for number in (0, 1, 4):
        np.testing.assert_array_equal(images[number], gray)
    for number in (2, 3):
        np.testing.assert_array_equal(images[number], (rgb >> 8).astype(np.uint8))


def test_16_bits_with_alpha_are_blended(tmp_path: Path) -> None:
    alpha = np.full_like(DEEP, 0x3333)
    by_opencv(tmp_path, "a.png", np.stack([DEEP, DEEP, DEEP, alpha], -1))
    with pytest.warns(UserWarning, match="16 bits|transparency"):
        images = images_in(tmp_path)
    np.testing.assert_array_equal(images[0, ..., 0], over_white(DEEP >> 8, np.full((4, 6), 51)))


def test_12_bits_in_16_are_refused_rather_than_black(tmp_path: Path) -> None:
    written(tmp_path, "a.png", DEEP // 16)
    written(tmp_path, "b.png", DEEP // 20)
    message = r"use their range up to 65,535, and the largest value in .* is 4,025 \(a.png\)"
    with pytest.raises(InputError, match=message):
        images_in(tmp_path)


@pytest.mark.parametrize(
    ("floats", "message"),
    [((0, 1), None), ((0, 255), "floats from 0 to 1, not 0 to 255"), ((np.nan, 1), "not nan")],
)
def test_floats_are_from_0_to_1(
    tmp_path: Path, floats: tuple[float, float], message: str | None
) -> None:
    values = np.linspace(*floats, 24).reshape(4, 6).astype(np.float32)
    written(tmp_path, "a.tif", values)
    if message is not None:
        with pytest.raises(InputError, match=message):
            images_in(tmp_path)
        return
    with pytest.warns(UserWarning, match="1 images of floats"):
        images = images_in(tmp_path)
    np.testing.assert_array_equal(images[0, ..., 1], np.rint(values * 255))


def test_32_bit_integers_are_refused(tmp_path: Path) -> None:
    written(tmp_path, "a.tif", DEEP.astype(np.int32))
    with pytest.raises(InputError, match=r"a.tif must hold 8 or 16 bits or floats, not int32"):
        images_in(tmp_path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_at_every_depth(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    gray = np.repeat((DEEP >> 8).astype(np.uint8)[..., None], 3, -1)
    written(tmp_path, "a.png", gray, exif=exif)
    written(tmp_path, "b.png", DEEP, exif=exif)
    written(tmp_path, "c.png", np.concatenate([gray, np.full_like(ALPHA, 254)], -1), exif=exif)
    with pytest.warns(UserWarning, match="16 bits|transparency"):
        images = images_in(tmp_path)
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_allclose(images[0], images[2], atol=1)
    assert images.shape[1:3] == ((4, 6) if orientation < 5 else (6, 4))


def test_one_bit_and_cmyk_come_as_they_look(tmp_path: Path) -> None:
    bits = DEEP > 30000
    written(tmp_path, "a.png", bits)
    written(tmp_path, "b.tif", bits)
    for image in images_in(tmp_path):
        np.testing.assert_array_equal(image, np.repeat(bits[..., None] * np.uint8(255), 3, -1))
    flat = Image.new("RGB", (6, 4), (200, 100, 50))
    for name in ("a.jpg", "a.tif"):
        written(tmp_path, name, flat.convert("CMYK"))
    np.testing.assert_allclose(
        images_in(tmp_path)[[0, 2]][..., 0, 0, :], [[200, 100, 50]] * 2, atol=2
    )


def test_only_the_first_of_several_pictures_is_read_and_it_says_so(tmp_path: Path) -> None:
    more = {"save_all": True, "append_images": [Image.fromarray(COLOR + 50)]}
    for name in ("a.png", "b.tif"):
        written(tmp_path, name, COLOR, **more)
    written(tmp_path, "c.webp", COLOR, lossless=True, **more)
    with pytest.warns(UserWarning, match="3 images hold several pictures"):
        images = images_in(tmp_path)
    for image in images:
        np.testing.assert_array_equal(image, COLOR)


def test_files_that_are_not_read_are_counted(tmp_path: Path) -> None:
    written(tmp_path, "a.png", COLOR)
    written(tmp_path, "b.gif", COLOR)
    (tmp_path / "notes").write_text("text")
    (tmp_path / ".hidden").write_bytes(io.BytesIO().getvalue())
    with pytest.warns(UserWarning, match="2 files are not read: 1 .gif, 1 no suffix"):
        assert len(images_in(tmp_path)) == 1


@pytest.mark.parametrize("mode", ["LAB", "YCbCr", "CMYK"])
def test_other_color_spaces_become_the_colors_that_were_stored(tmp_path: Path, mode: str) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    picture = Image.fromarray(levels)
    if mode == "LAB":
        profiles = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
        stored = ImageCms.profileToProfile(picture, *profiles, outputMode="LAB")
    else:
        stored = picture.convert(mode)
    written(tmp_path, "a.tiff", stored)
    assert np.abs(images_in(tmp_path)[0].astype(int) - levels).mean() < 3
