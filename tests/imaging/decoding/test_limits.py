"""No file takes much: what it may take is known from its structure, before anything is decoded."""

import dataclasses
import io
import threading
import time
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from maskgate.imaging import pixels
from maskgate.imaging.decoding import bmp, jpeg, limits, png, webp
from maskgate.imaging.decoding.encoded import Encoded
from maskgate.imaging.decoding.limits import Budget
from maskgate.imaging.pixels import PhotoError

REFUSED = {
    "JPEG 65500×65500, cut short by an end marker": "65500×65500 pixels are over 200,000,000",
    "JPEG 16000×12000, progressive, empty": "would take 629 MB of memory, over 400",
    "JPEG of 1,000 scans": "a JPEG of over 100 scans",
    "JPEG of a million comments": "a JPEG of over 10,000 segments",
    "JPEG of 10,000,000 start markers": "a JPEG of over 10,000 segments",
    "WebP, animated, canvas 16383×16383": "16383×16383 pixels are over 40,000,000",
    "JPEG 2000": "an unsupported format",
    "GIF": "an unsupported format",
    "PNG 40000000×1": "a side may have at most 65,535",
    "PNG 100000×100000": "100000×100000 pixels are over 40,000,000",
    "PNG 6320×6320, RGBA of 16 bits": "319 MB when unpacked, which take too long",
    "PNG of a million empty chunks": "a PNG of over 100,000 chunks",
    "BMP 2147483647×2147483647": "2147483647×2147483647 pixels are over 40,000,000",
    "BMP 6000×6000, run lengths": "6000×6000 pixels are over 1,000,000",
}
ISOLATED = {
    "TIFF 60000×60000, LZW": "60000×60000 pixels are over 40,000,000",
    "TIFF of 5,000,000 strips": "a TIFF in 5,000,000 pieces",
    "TIFF with a tile of 60000×60000": "damaged",
}


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("name", REFUSED)
def test_a_bomb_is_refused_before_anything_is_decoded(
    name: str, hostile: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = hostile.PHOTOS[name]()
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(PhotoError, match=REFUSED[name]):
        pixels.decode(content)
    with pytest.raises(PhotoError, match=REFUSED[name]):
        pixels.header(content)


@pytest.mark.parametrize("name", ISOLATED)
def test_a_bomb_of_a_format_that_does_not_tell_is_refused(name: str, hostile: ModuleType) -> None:
    with pytest.raises(PhotoError, match=ISOLATED[name]):
        pixels.decode(hostile.PHOTOS[name]())


def test_large_jpegs_are_decoded_at_a_reduced_scale(hostile: ModuleType) -> None:
    for width, height, scale, size in (
        (6000, 4000, 1, (6000, 4000)),
        (6016, 4000, 2, (3008, 2000)),
        (12000, 9000, 4, (3000, 2250)),
        (16320, 12240, 4, (4080, 3060)),
    ):
        content = hostile.flat_jpeg(width, height)
        assert jpeg.read(content).scale == scale
        assert pixels.header(content) == ("JPEG", width, height)
        if width != 6000:
            image = pixels.decode(content)
            assert (image.size, pixels.original_size(image)) == (size, (width, height))


def test_other_large_photos_are_averaged_while_they_are_decoded() -> None:
    rng = np.random.default_rng(0)
    columns = rng.integers(0, 256, (1, 6000, 4), dtype=np.uint8)
    full_picture = np.broadcast_to(columns, (4001, 6000, 4))
    exif = Image.Exif()
    exif[0x0112] = 6
    content = saved(
        Image.fromarray(np.ascontiguousarray(full_picture)), "PNG", compress_level=1, exif=exif
    )
    image = pixels.decode(content)
    assert image.size == (2001, 3000)
    assert pixels.original_size(image) == (4001, 6000)
    on_white = columns[0, :, :3] * (columns[0, :, 3:] / 255) + 255 - columns[0, :, 3:]
    expected = on_white.reshape(3000, 2, 3).mean(1)
    assert np.abs(np.asarray(image)[:, 1000] - expected).max() <= 1.5


@pytest.mark.parametrize(
    ("read", "kind", "options", "copies"),
    [
        (jpeg.read, "JPEG", {}, 8),
        (jpeg.read, "JPEG", {"progressive": True, "subsampling": 0}, 4 + 6),
        (png.read, "PNG", {"compress_level": 1}, 8),
        (webp.read, "WEBP", {"method": 0}, 16),
        (bmp.read, "BMP", {}, 8),
    ],
)
def test_memory_is_told_from_the_structure(
    read: object, kind: str, options: dict[str, object], copies: int
) -> None:
    content = saved(Image.new("RGB", (1600, 1200), "green"), kind, **options)
    encoded: Encoded = read(content)  # type: ignore[operator]
    assert (encoded.width, encoded.height) == (1600, 1200)
    # Of pixels, and of the file at most thrice.
    assert 0 <= encoded.memory - copies * 1600 * 1200 <= 3 * len(content)


def test_scans_are_counted_in_the_photo_and_not_in_its_thumbnail(hostile: ModuleType) -> None:
    thumbnail = hostile.many_scans(32, 24, 150)
    with pytest.raises(PhotoError, match="over 100 scans"):
        jpeg.read(thumbnail)
    small = Image.new("RGB", (64, 48), "red")
    content = saved(small, "JPEG", exif=b"Exif\0\0" + thumbnail[:60_000], progressive=True)
    assert pixels.decode(content).size == (64, 48)
    assert pixels.decode(hostile.many_scans(64, 48, 89)).size == (64, 48)


def test_one_scan_is_no_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(buffer, "JPEG")
    monkeypatch.setattr(limits, "MAX_SECONDS", 1e-9)
    with pytest.raises(PhotoError, match="and 1 scan, which take too long to decode"):
        pixels.decode(buffer.getvalue())


def test_a_scan_costs_what_its_photo_is_large(hostile: ModuleType) -> None:
    content = hostile.many_scans(640, 480, 89)
    frame = content.index(b"\xff\xc2")
    large = content[: frame + 5] + b"\x1f\x40\x2e\xe0" + content[frame + 9 :]  # 12000×8000
    with pytest.raises(PhotoError, match="12000×8000 pixels, 0 MB and 99 scans, which take too"):
        pixels.decode(large)


def test_a_second_size_is_not_believed(
    hostile: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = hostile.png(9000, 4000)[8:33]
    content = hostile.png(20, 10, other)
    assert pixels.decode(content).size == (20, 10)
    content = hostile.animated_webp(30, 20)
    assert pixels.decode(content).size == (30, 20)
    content = hostile.bmp(10, 10, data=bytes(400))
    encoded = dataclasses.replace(bmp.read(content), height=9)
    monkeypatch.setattr(bmp, "read", lambda content: encoded)
    with pytest.raises(
        PhotoError, match="two different sizes"
    ):  # a decoder's reading is another one
        pixels.decode(content)


def test_texts_and_profiles_cost_nothing(
    hostile: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "PIL.PngImagePlugin._safe_zlib_decompress", lambda s: pytest.fail("inflated")
    )
    bomb = hostile.zlib_bomb(3)
    chunks = [
        hostile.png_chunk(b"iCCP", b"a\0\0" + bomb),
        hostile.png_chunk(b"zTXt", b"Comment\0\0" + bomb),
        hostile.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb),
    ]
    assert pixels.decode(hostile.png(20, 10, *chunks)).size == (20, 10)


def test_a_file_is_not_read_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_FILE", 10_000_000)
    with pytest.raises(PhotoError, match="a file of over 10 MB"):
        pixels.read("/dev/zero")
    with pytest.raises(PhotoError, match="a file of over 10 MB"):
        pixels.decode(bytes(10_000_001))


def test_threads_share_a_budget() -> None:
    budget, most, used, guard = Budget(100), 0, 0, threading.Lock()

    def work(size: int) -> None:
        nonlocal most, used
        with budget.reserve(size):
            with guard:
                used += min(size, 100)
                most = max(most, used)
            time.sleep(0.002)
            with guard:
                used -= min(size, 100)

    sizes = [30, 70, 100, 1, 60, 40, 500, 20] * 4
    threads = [threading.Thread(target=work, args=(size,)) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert not any(thread.is_alive() for thread in threads), "the budget is lost"
    assert 60 <= most <= 100


def test_decoding_takes_from_the_budget_and_gives_back(monkeypatch: pytest.MonkeyPatch) -> None:
    budget, reserved_sizes = Budget(10**9), []
    reserve = budget.reserve
    monkeypatch.setattr(
        budget, "reserve", lambda size: reserved_sizes.append(size) or reserve(size)
    )
    monkeypatch.setattr(limits, "SHARED", budget)
    content = saved(Image.new("RGB", (100, 80)), "JPEG")
    pixels.decode(content)
    with pytest.raises(PhotoError):
        pixels.decode(content[:-200])
    tiff = saved(Image.new("RGB", (100, 80)), "TIFF")
    pixels.decode(tiff)
    assert reserved_sizes[0] == jpeg.read(content).memory
    assert reserved_sizes[2:] == [limits.MAX_MEMORY]
    assert budget._left == 10**9


@pytest.mark.slow
def test_no_file_takes_more_than_400_mb_and_two_seconds(hostile: ModuleType) -> None:
    for name, make in hostile.PHOTOS.items():
        measurement = hostile.measure(make())
        assert measurement.megabytes <= 400, (name, measurement)
        assert measurement.seconds <= 2, (name, measurement)
        refused = measurement.outcome.startswith("refused")
        assert refused == (name in {**REFUSED, **ISOLATED}), (name, measurement)
    baseline = hostile.measure(hostile.PHOTOS["JPEG 12000×9000, baseline"]())
    assert baseline.outcome == "3000×2250"
