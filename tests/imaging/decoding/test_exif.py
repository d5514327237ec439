"""Of EXIF and XMP the orientation is read, whatever else is odd in them."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from maskgate.imaging import pixels
from maskgate.imaging.decoding import exif

KINDS = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"]


def block(*tags: tuple[int, int, int, bytes], order: str = "<", rest: bytes = b"") -> bytes:
    """An EXIF block with tags (number, type, count, four bytes)."""
    start = b"II*\0\x08\0\0\0" if order == "<" else b"MM\0*\0\0\0\x08"
    entries = b"".join(struct.pack(f"{order}HHL", *tag[:3]) + tag[3] for tag in tags)
    return start + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + rest


def turned(value: int, order: str = "<") -> tuple[int, int, int, bytes]:
    return (0x0112, 3, 1, struct.pack(f"{order}HH", value, 0))


ODD = {
    "SRATIONAL -1/0": (0x9204, 10, 1, struct.pack("<L", 62)),
    "ResolutionUnit 70000": (0x0128, 4, 1, struct.pack("<L", 70_000)),
    "ResolutionUnit as text": (0x0128, 2, 4, b"cm\0\0"),
    "XResolution of nothing": (0x011A, 5, 0, bytes(4)),
    "XResolution 1/0": (0x011A, 5, 1, struct.pack("<L", 70)),
    "an unknown type": (0x0110, 99, 1, bytes(4)),
    "beyond the end": (0x010F, 2, 5000, struct.pack("<L", 60_000)),
    "a count of four billion": (0x010E, 2, 2**32 - 1, struct.pack("<L", 8)),
    "an EXIF directory in itself": (0x8769, 4, 1, struct.pack("<L", 8)),
    "an EXIF directory nowhere": (0x8769, 4, 1, struct.pack("<L", 2**31)),
}


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    down, across = np.mgrid[0:48, 0:40]
    return Image.fromarray(np.stack([down * 5, across * 6, 255 - down * 3], 2).astype(np.uint8))


def with_exif(picture: Image.Image, kind: str, exif_block: bytes) -> bytes:
    """The picture with the block; a TIFF, which is one, gets its tags instead."""
    buffer = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    if kind != "TIFF":
        picture.save(buffer, kind, exif=b"Exif\0\0" + exif_block, **options)
        return buffer.getvalue()
    picture.save(buffer, kind)
    content = bytearray(buffer.getvalue())
    (place,) = struct.unpack_from("<L", content, 4)
    (count,) = struct.unpack_from("<H", content, place)
    entries = [bytes(content[at : at + 12]) for at in range(place + 2, place + 2 + 12 * count, 12)]
    (more,) = struct.unpack_from("<H", exif_block, 8)
    entries += [exif_block[at : at + 12] for at in range(10, 10 + 12 * more, 12)]
    struct.pack_into("<L", content, 4, len(content))
    entries.sort(key=lambda tag: struct.unpack_from("<H", tag))
    return bytes(content) + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("kind", KINDS[:4])
def test_an_odd_tag_is_not_looked_at(
    kind: str, odd: str, picture: Image.Image, capfd: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
) -> None:  # fmt: skip
    rest = struct.pack("<ll", -1, 0) + struct.pack("<LL", 1, 0)
    tags = sorted([turned(6), ODD[odd]])
    decoded_picture = np.asarray(pixels.decode(with_exif(picture, kind, block(*tags, rest=rest))))
    plain = np.asarray(pixels.decode(with_exif(picture, kind, block(turned(1)))))
    np.testing.assert_array_equal(decoded_picture, np.rot90(plain, -1))
    assert capfd.readouterr().err == ""
    assert list(recwarn) == []


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_an_orientation_is_read_in_both_orders(value: int, order: str) -> None:
    assert exif.orientation(block(turned(value, order), order=order)) == value
    assert exif.orientation(b"Exif\0\0" + block(turned(value, order), order=order)) == value


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"Exif\0\0",
        b"garbage",
        block(turned(0)),
        block(turned(9)),
        block(turned(70)),
        block((0x0112, 2, 2, b"6\0\0\0")),  # as text
        block((0x0112, 3, 2, b"\6\0\6\0")),  # two of them
        block((0x0112, 5, 1, struct.pack("<L", 8))),  # as a fraction
        block(turned(6, ">")),  # in the other order than the block states
        b"MM" + block(turned(6))[2:],
        block(turned(6))[:12],
        b"II*\0" + struct.pack("<L", 2**32 - 1) + block(turned(6)),
        b"II*\0\x08\0\0\0\xff\xff" + bytes(40),
    ],
)
def test_an_orientation_that_makes_no_sense_is_none(odd: bytes) -> None:
    assert exif.orientation(odd) == 1


def test_xmp_tells_where_exif_does_not() -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    assert exif.orientation(b"", xmp) == 8
    assert exif.orientation(block((0x010F, 3, 1, bytes(4))), xmp) == 8
    assert exif.orientation(block(turned(3)), xmp) == 3
    assert exif.orientation(b"", b"<tiff:Orientation>6</tiff:Orientation>") == 6
    assert exif.orientation(b"", b'tiff:Orientation="9"') == 1


def test_a_png_tells_it_in_a_chunk_or_in_a_text(picture: Image.Image) -> None:
    from PIL.PngImagePlugin import PngInfo

    plain = np.asarray(picture)
    data = b"Exif\0\0" + block(turned(3))
    for packed in (False, True):
        raw, xmp = PngInfo(), PngInfo()
        raw.add_text("Raw profile type exif", f"\nexif\n{len(data):8}\n{data.hex()}\n", zip=packed)
        xmp.add_itxt("XML:com.adobe.xmp", 'tiff:Orientation="3"', zip=packed)
        for texts in (raw, xmp):
            buffer = io.BytesIO()
            picture.save(buffer, "PNG", pnginfo=texts)
            np.testing.assert_array_equal(pixels.decode(buffer.getvalue()), plain[::-1, ::-1])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_of_pillow(kind: str, orientation: int, picture: Image.Image) -> None:
    from PIL import ImageOps

    content = with_exif(picture, kind, block(turned(orientation)))
    with Image.open(io.BytesIO(content)) as image:
        expected = ImageOps.exif_transpose(image)
    np.testing.assert_array_equal(pixels.decode(content), expected)
