"""Files changed at random: a photo or a PhotoError, and the pixels that Pillow alone gives."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image, ImageOps

from maskgate.imaging import pixels
from maskgate.imaging.pixels import PhotoError

COUNT = 150  # changes of each file


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def contents() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((96, 72), Image.Resampling.BICUBIC)
    clear = image.copy()
    clear.putalpha(Image.fromarray(rng.integers(0, 256, (72, 96), dtype=np.uint8)))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    frames = [image, image.rotate(9)]
    return {
        "JPEG": saved(image, "JPEG", exif=exif, comment=b"hello", quality=90),
        "progressive JPEG": saved(image, "JPEG", exif=exif, progressive=True),
        "grey JPEG with restarts": saved(image.convert("L"), "JPEG", restart_marker_blocks=2),
        "CMYK JPEG": saved(image.convert("CMYK"), "JPEG"),
        "PNG": saved(image, "PNG", exif=exif),
        "PNG with alpha": saved(clear, "PNG"),
        "PNG with a palette": saved(image.quantize(32), "PNG", transparency=3),
        "animated PNG": saved(image, "PNG", save_all=True, append_images=frames),
        "WebP": saved(image, "WEBP", exif=exif),
        "WebP with alpha": saved(clear, "WEBP", lossless=True, exif=exif),
        "animated WebP": saved(image, "WEBP", save_all=True, append_images=frames),
        "BMP": saved(image, "BMP"),
    }


def changed(content: bytes, seed: int) -> bytes:
    """Cut short, a bit turned over, a byte of the header changed, or a piece put elsewhere."""
    rng = np.random.default_rng(seed)
    data = bytearray(content)
    if seed % 4 == 0:
        return content[: int(rng.integers(1, len(data)))] if seed else content
    if seed % 4 == 1:
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    elif seed % 4 == 2:
        data[rng.integers(min(len(data), 200))] = int(rng.integers(256))
    else:
        to, of = (int(place) for place in rng.integers(len(data), size=2))
        piece = data[of : of + int(rng.integers(1, 40))]
        data[to : to + len(piece)] = piece
    return bytes(data)


def by_pillow(content: bytes) -> "np.ndarray | None":
    """Pixels of what Pillow alone makes of it, in RGB without alpha; None where it cannot."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content)) as file:
            image: Image.Image = ImageOps.exif_transpose(file)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return np.asarray(image.convert("RGB"))
    except Exception:
        return None


@pytest.mark.parametrize("kind", contents())
def test_changed_files(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    content = contents()[kind]
    same = turned = 0
    for seed in range(COUNT):
        data = changed(content, seed)
        try:
            picture = np.asarray(pixels.decode(data))
        except PhotoError:
            assert seed, "the file as it was"
            continue
        expected = by_pillow(data)
        if expected is None:  # it stumbled over what is not needed
            continue
        if picture.shape == expected.shape and (picture == expected).all():
            same += 1
        else:
            # Pillow gives up on all of EXIF where one tag before the orientation is damaged.
            turned += 1
            assert picture.shape == (*expected.shape[1::-1], 3)
            np.testing.assert_array_equal(np.rot90(picture), expected)
    # Most changes of a PNG break a checksum.
    assert same >= (1 if "PNG" in kind else COUNT // 3)
    assert turned <= 3
    assert capfd.readouterr().err == ""
