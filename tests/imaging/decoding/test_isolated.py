"""TIFF, AVIF and HEIC are decoded in a process of their own: silent, limited, and the same."""

import base64
import io
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from maskgate.imaging import pixels
from maskgate.imaging.decoding import isolated
from maskgate.imaging.pixels import PhotoError

# 32×24 pixels: red grows to the right, green downwards, blue falls to the right. Made for this.
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAXxtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA"
    "AAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABoAABAAAAAAAAAH8AAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABo"
    "dmMxAAAAAA5waXRtAAAAAAABAAAA/GlwcnAAAADcaXBjbwAAAHVodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEA"
    "GEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQApQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAAAAyAAAAD"
    "AIRiAAEABkQBwXPBiQAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAChjbGFwAAAAIAAAAAEA"
    "AAAYAAAAAf///+AAAAAC////2AAAAAIAAAAQcGl4aQAAAAADCAgIAAAAGGlwbWEAAAAAAAAAAQABBYECAwWEAAAAh21k"
    "YXQAAAB7KAGvEyGrnXj1KigRwVD5+j4PhdlWDfsYqe8vu88pXvzTx1Diwl7edzef99nGwgIUMkt0+rgytuEfzRzKidnj"
    "Niqfsfk9li07XNoQBc3itZfcwn2nJiNz0fAZ30DOwyJeQ8JEKWHsWPaoaL58KxFeGvxRSlrI+Nsvvq7w"
)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((96, 72), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    "compression", [None, "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "jpeg"]
)
def test_a_tiff_of_any_usual_compression(compression: str | None, picture: Image.Image) -> None:
    content = saved(picture, "TIFF", compression=compression)
    with Image.open(io.BytesIO(content)) as image:
        np.testing.assert_array_equal(pixels.decode(content), image.convert("RGB"))
    assert pixels.header(content) == ("TIFF", 96, 72)


def test_a_big_tiff(picture: Image.Image) -> None:
    content = saved(picture, "TIFF", big_tiff=True)
    assert content[2] == 43
    np.testing.assert_array_equal(pixels.decode(content), picture)


def test_the_first_page_counts(picture: Image.Image) -> None:
    pages = [Image.new("RGB", (50, 40), "lime")] * 30
    content = saved(picture, "TIFF", save_all=True, append_images=pages)
    np.testing.assert_array_equal(pixels.decode(content), picture)


def test_damage_is_told_once_and_libraries_say_nothing(
    picture: Image.Image, capfd: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(saved(picture, "TIFF", compression="tiff_deflate"))
    content[60:90] = bytes(30)
    with Image.open(io.BytesIO(content)) as image, pytest.raises(OSError, match="decoder error"):
        image.load()
    assert "ZIPDecode" in capfd.readouterr().err, "libtiff says nothing, so this tests nothing"
    with pytest.raises(PhotoError, match="damaged: decoder error"):
        pixels.decode(bytes(content))
    avif = saved(picture, "AVIF")
    with pytest.raises(PhotoError):
        pixels.decode(avif[:-40])
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", "")


@pytest.mark.parametrize("length", [4, 8, 60])
def test_a_header_cut_short_is_told_without_an_object_of_python(
    length: int, picture: Image.Image
) -> None:
    content = saved(picture, "TIFF")[:length]
    with pytest.raises(PhotoError, match="damaged: incomplete header"):
        pixels.decode(content)
    with pytest.raises(PhotoError, match="damaged: incomplete header"):
        pixels.header(content)


def test_a_process_that_dies_is_a_fault_of_the_photo(
    picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = saved(picture, "TIFF")
    monkeypatch.setattr(isolated, "_MEMORY", 8_000_000)  # less than Python takes
    with pytest.raises(PhotoError, match=r"over 8 MB|takes over"):
        pixels.decode(content)
    monkeypatch.undo()
    monkeypatch.setattr(isolated, "_SECONDS", 0.02)
    with pytest.raises(PhotoError, match=r"takes over .* or 0\.02 seconds"):
        pixels.decode(saved(picture.resize((3000, 2000)), "TIFF", compression="tiff_deflate"))


def test_a_container_that_lies_gets_no_more_memory(hostile: ModuleType) -> None:
    measurement = hostile.measure(hostile.PHOTOS["AVIF 7000×5600, promised 64×64"]())
    assert measurement.megabytes < 400
    assert measurement.outcome == "64×64" or measurement.outcome.startswith("refused")


def test_the_working_folder_is_not_imported_from(
    picture: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "PIL.py").write_text("raise SystemExit('imported from the working folder')")
    (tmp_path / "json.py").write_text("raise SystemExit('imported from the working folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    np.testing.assert_array_equal(pixels.decode(saved(picture, "TIFF")), picture)


def test_an_avif_gives_its_first_frame(picture: Image.Image) -> None:
    still = saved(picture, "AVIF")
    assert pixels.header(still) == ("AVIF", 96, 72)
    assert np.abs(np.asarray(pixels.decode(still)).astype(int) - np.asarray(picture)).mean() < 8
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "lime", "blue")]
    decoded = np.asarray(
        pixels.decode(saved(frames[0], "AVIF", save_all=True, append_images=frames))
    )
    assert np.abs(decoded.astype(int) - (255, 0, 0)).max() < 6


def test_a_heic_needs_what_decodes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "reads_heic", lambda: False)
    for read in (pixels.decode, pixels.header):
        with pytest.raises(PhotoError, match=r'read after pip install "maskgate\[heic\]"'):
            read(HEIC)


def test_a_heic() -> None:
    pytest.importorskip("pi_heif", reason="the extra heic is not installed")
    assert pixels.header(HEIC) == ("HEIF", 32, 24)
    down, across = np.mgrid[0:24, 0:32]
    expected = np.stack([across * 8, down * 10, 255 - across * 4], axis=2)
    assert np.abs(np.asarray(pixels.decode(HEIC)) - expected).mean() < 6
