"""One path from bytes to pixels: every odd file is upright RGB, or a PhotoError."""

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from maskgate.core.geometry import Geometry
from maskgate.faces.view import View
from maskgate.imaging import pixels
from maskgate.imaging.pixels import PhotoError, Pixels

NetworkInput = Callable[..., "np.ndarray"]

HEIGHT, WIDTH = 20, 12

# How a camera that writes this orientation has stored an upright picture (H, W, 3).
STORED: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: upright[:, ::-1].transpose(1, 0, 2),  # shown after a clockwise turn
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: upright[::-1].transpose(1, 0, 2),
}


@pytest.fixture
def upright() -> Pixels:
    """Every pixel another colour, (20, 12, 3)."""
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.fixture
def smooth() -> Pixels:
    """A picture that JPEG keeps, (48, 40, 3)."""
    down, across = np.mgrid[0:48, 0:40]
    return np.stack([down * 5, across * 6, 255 - down * 3], axis=2).astype(np.uint8)


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(content: bytes) -> npt.NDArray[np.int16]:
    image = pixels.decode(content)
    assert image.mode == "RGB"
    return np.asarray(image).astype(np.int16)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientations_come_upright(orientation: int, kind: str, upright: Pixels) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(decoded(saved(stored, kind, exif=exif, **options)), upright)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientations_of_jpeg(orientation: int, smooth: Pixels) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](smooth)))
    actual = decoded(saved(stored, "JPEG", quality=95, subsampling=0, exif=exif))
    assert actual.shape == smooth.shape
    assert np.abs(actual - smooth).max() < 12


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_is_no_reason_to_refuse_a_photo(smooth: Pixels) -> None:
    content = saved(Image.fromarray(smooth), "JPEG", exif=b"Exif\0\0MM\0*garbage")
    assert decoded(content).shape == smooth.shape


def test_grey_photos(upright: Pixels) -> None:
    grey = upright[..., 0]
    np.testing.assert_array_equal(
        decoded(saved(Image.fromarray(grey))), grey[..., None].repeat(3, 2)
    )
    bits = Image.fromarray(grey > 128)
    assert bits.mode == "1"
    expected = np.where(grey > 128, 255, 0)
    np.testing.assert_array_equal(decoded(saved(bits))[..., 1], expected)


def test_alpha_lies_on_white(upright: Pixels) -> None:
    alpha = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 1), dtype=np.uint8)
    share = alpha / 255
    expected = upright * share + 255 * (1 - share)
    actual = decoded(saved(Image.fromarray(np.concatenate([upright, alpha], axis=2))))
    assert np.abs(actual - expected).max() <= 1
    grey = decoded(saved(Image.fromarray(np.concatenate([upright[..., :1], alpha], axis=2))))
    assert np.abs(grey - expected[..., :1]).max() <= 1


def test_transparent_palette_colour_is_white() -> None:
    image = Image.new("P", (4, 2))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((0, 0), 1)
    content = saved(image, transparency=0)
    expected = np.full((2, 4, 3), 255)
    expected[0, 0] = (200, 100, 50)
    np.testing.assert_array_equal(decoded(content), expected)
    half = decoded(saved(image, transparency=bytes([128, 255])))  # an alpha for every colour
    assert half[0, 0].tolist() == [200, 100, 50]
    assert np.abs(half[1, 1] - (np.array([10, 20, 30]) * 128 + 255 * 127) / 255).max() <= 1


def test_transparent_colour_of_rgb_png_is_white(upright: Pixels) -> None:
    upright[3, 4] = (1, 2, 3)
    actual = decoded(saved(Image.fromarray(upright), transparency=(1, 2, 3)))
    assert actual[3, 4].tolist() == [255, 255, 255]
    assert actual[0, 0].tolist() == upright[0, 0].tolist()


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    deep = np.linspace(0, 65535, HEIGHT * WIDTH).astype(np.uint16).reshape(HEIGHT, WIDTH)
    expected = np.broadcast_to((deep // 256)[..., None], (HEIGHT, WIDTH, 3))
    for kind in ("PNG", "TIFF"):
        actual = decoded(saved(Image.fromarray(deep), kind))
        np.testing.assert_array_equal(actual, expected)


def test_cmyk_jpeg(smooth: Pixels) -> None:
    content = saved(Image.fromarray(smooth).convert("CMYK"), "JPEG", quality=95)
    assert np.abs(decoded(content) - smooth).mean() < 4


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_gives_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (16, 8), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    opened: Any = Image.open(io.BytesIO(content))
    with opened as image:
        assert image.n_frames == 3
    actual = decoded(content)
    assert actual.shape == (8, 16, 3)
    assert (actual == (255, 0, 0)).all()


def test_a_path_and_its_bytes_are_one(tmp_path: Path, upright: Pixels) -> None:
    path = tmp_path / "photo.jpg"  # the name may lie about the format
    path.write_bytes(saved(Image.fromarray(upright)))
    np.testing.assert_array_equal(pixels.decode(path), upright)
    np.testing.assert_array_equal(decoded(path.read_bytes()), upright)


def header_of(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_photo_cut_short_is_refused(kind: str, share: float, upright: Pixels) -> None:
    image = Image.fromarray(upright).resize((96, 128))
    content = saved(image, kind)
    with pytest.raises(PhotoError):
        pixels.decode(content[: int(len(content) * share)])


@pytest.mark.parametrize(
    "content",
    [b"", b"id,gender,race,age,path\n", b"<html></html>", bytes(1000), b"\x00\x05\x16\x07" * 20],
    ids=["empty", "text", "html", "zeros", "AppleDouble"],
)
def test_what_is_no_photo_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mask1.jpg"
    path.write_bytes(content)
    for source in (content, path):
        with pytest.raises(PhotoError, match="not an image"):
            pixels.decode(source)


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="no such file"):
        pixels.decode(tmp_path / "mask1.jpg")
    with pytest.raises(PhotoError):
        pixels.decode(tmp_path)


def test_an_oversized_header_is_refused_before_anything_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    for size in ((10_001, 4_000), (2**31 - 1, 2**31 - 1)):
        with pytest.raises(PhotoError, match=f"{size[0]}×{size[1]}.*40,000,000"):
            pixels.decode(header_of(*size))


def test_damage_within_the_limit_is_refused() -> None:
    with pytest.raises(PhotoError):
        pixels.decode(header_of(200, 200))


def test_resize_keeps_the_middle_and_the_aspect() -> None:
    wide = np.zeros((30, 60, 3), dtype=np.uint8)
    wide[:, 20:40] = 200  # the largest centred part that is three high and two wide
    actual = pixels.resize(Image.fromarray(wide), 15, 10)
    assert (actual[:, 1:-1] == 200).all()  # its rim sees a little of what lies beside
    assert (actual > 160).all()
    turned = pixels.resize(Image.fromarray(wide.transpose(1, 0, 2)), 10, 15)
    np.testing.assert_array_equal(turned, actual.transpose(1, 0, 2))


@pytest.mark.parametrize("crop", [1.0, 0.75, 0.5, 0.25])
@pytest.mark.parametrize("size", [(40, 32), (40, 16), (10, 32)])
def test_a_crop_is_the_centre_cut_out_before_all_else(crop: float, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 64, 3), dtype=np.uint8)
    height, width = round(80 * crop), round(64 * crop)
    top, left = (80 - height) // 2, (64 - width) // 2
    cut = noise[top : top + height, left : left + width]
    actual = pixels.resize(Image.fromarray(noise), *size, crop)
    expected = pixels.resize(Image.fromarray(cut), *size)
    # The rim of the one sees a little of what lies beside; the other has nothing there.
    apart = np.abs(actual.astype(int) - expected)[2:-2, 2:-2]
    assert apart.max() <= 1
    if crop == 1:
        np.testing.assert_array_equal(actual, pixels.resize(Image.fromarray(noise), *size))


def test_resize_of_the_same_size_changes_nothing(upright: Pixels) -> None:
    actual = pixels.resize(Image.fromarray(upright), HEIGHT, WIDTH)
    assert actual.dtype == np.uint8
    np.testing.assert_array_equal(actual, upright)


def test_resize_by_half_is_near_the_mean_of_blocks(smooth: Pixels) -> None:
    naive = smooth.reshape(24, 2, 20, 2, 3).mean(axis=(1, 3))
    actual = pixels.resize(Image.fromarray(smooth), 24, 20).astype(np.float64)
    assert np.abs(actual - naive)[1:-1, 1:-1].max() < 2


@pytest.mark.parametrize("source", [(1, 1), (1, 500), (500, 1), (2000, 3)])
def test_resize_takes_any_shape(source: tuple[int, int]) -> None:
    assert pixels.resize(Image.new("RGB", source), 32, 24).shape == (32, 24, 3)


def test_resize_takes_a_photo_of_whose_size_a_share_is_rounded() -> None:
    for size in product(range(100, 120), range(130, 150)):
        assert pixels.resize(Image.new("RGB", size), 126, 99).shape == (126, 99, 3), size


@pytest.mark.parametrize("stored", [(8, 6), (9, 7), (11, 8), (10, 9), (13, 11)])
def test_centre_leaves_equal_margins_and_an_odd_pixel_below_and_right(
    stored: tuple[int, int],
) -> None:
    geometry = Geometry(8, 6)
    pictures = np.random.default_rng(0).integers(0, 256, (2, *stored, 3), dtype=np.uint8)
    actual = pixels.centre(pictures, geometry)
    assert actual.shape == (2, 8, 6, 3)
    top, left = (stored[0] - 8) // 2, (stored[1] - 6) // 2
    for y in range(8):
        for x in range(6):
            np.testing.assert_array_equal(actual[:, y, x], pictures[:, top + y, left + x])
    np.testing.assert_array_equal(pixels.centre(pictures[0], geometry), actual[0])
    assert np.shares_memory(actual, pictures)


@pytest.mark.parametrize("crop", [1.0, 0.7])
@pytest.mark.parametrize("margin", [0.0, 0.125, 0.3, 1.0])
@pytest.mark.parametrize("size", [(16, 12), (17, 11), (32, 32)])
def test_read_is_decode_resize_centre(
    network_input: NetworkInput, size: tuple[int, int], margin: float, crop: float, upright: Pixels
) -> None:
    geometry = Geometry(*size, margin, crop)
    assert geometry.stored == tuple(round(length * (1 + margin)) for length in size)
    content = saved(Image.fromarray(upright))
    actual = network_input(content, View(geometry))
    assert actual.shape == (*size, 3)
    stored = pixels.resize(pixels.decode(content), *geometry.stored, crop)
    np.testing.assert_array_equal(actual, pixels.centre(stored, geometry))


def test_the_path_imports_no_torch() -> None:
    program = (
        "import sys, maskgate.imaging.pixels;"
        "heavy = {'torch', 'torchvision', 'timm', 'pandas', 'accelerate', 'scipy'};"
        "assert 'numpy' in sys.modules and not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
