"""Decodes files that are made to take much memory or time, each in a process of its own.

    python benchmarks/hostile_photos.py [NAME ...]

The files are made by hand: a few bytes that promise much, and the most that the limits of
`maskgate.imaging.decoding` let through. For each: its size, what `pixels.decode` makes of it, the
seconds of CPU that takes, and by how many MB the memory of the process and of those it starts grows
at the peak, together (Linux). Prints a Markdown table.
"""

import io
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from PIL import Image

from maskgate.imaging import pixels

FLAT: Final = b"\x28\xa2\x8a\x00"  # 16×16 grey pixels in a JPEG with the standard's Huffman codes


class Measured(NamedTuple):
    """`outcome` is the size of the photo, or why it was refused."""

    outcome: str
    seconds: float
    megabytes: float


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A picture that compresses badly, but not as badly as noise."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def flat_jpeg(width: int, height: int, share: float = 1.0, progressive: bool = False) -> bytes:
    """A grey JPEG of any size, of whose coded data only a share is there before the end marker."""
    small = encoded(Image.new("RGB", (16, 16), (128, 128, 128)), "JPEG", progressive=progressive)
    frame = small.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    size = struct.pack(">HH", height, width)
    content = small[: frame + 5] + size + small[frame + 9 :]
    if progressive:
        return content
    scan = content.index(b"\xff\xda")
    start = scan + 2 + int.from_bytes(content[scan + 2 : scan + 4], "big")
    units = round(-(-width // 16) * -(-height // 16) * share)
    return content[:start] + FLAT * units + b"\xff\xd9"


def many_scans(width: int, height: int, count: int) -> bytes:
    """A progressive JPEG whose last scan comes `count` times more."""
    content = encoded(Image.new("RGB", (width, height), (120, 90, 80)), "JPEG", progressive=True)
    scan = content.rindex(b"\xff\xda")
    return content[:-2] + content[scan:-2] * count + b"\xff\xd9"


def webp_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def animated_webp(width: int, height: int) -> bytes:
    """Two frames of one pixel on a canvas."""
    pixel = encoded(Image.new("RGB", (1, 1)), "WEBP", lossless=True)[12:]
    canvas = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    frame = webp_chunk(b"ANMF", bytes(12) + struct.pack("<I", 100)[:3] + b"\0" + pixel)
    chunks = webp_chunk(b"VP8X", b"\x02\0\0\0" + canvas) + webp_chunk(b"ANIM", bytes(6)) + 2 * frame
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *more: bytes, depth: int = 8, colours: int = 2) -> bytes:
    """A black PNG, with more chunks before its pixels."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours]
    row = bytes(1 + width * samples * depth // 8)
    packer = zlib.compressobj(1)
    data = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
    end = png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + end


def interlaced_png(width: int, height: int, depth: int) -> bytes:
    """A PNG in RGBA whose rows are stored in seven passes, each with the slowest filter."""
    steps = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)]
    noise = np.random.default_rng(0).integers(0, 256, 200, dtype=np.uint8).tobytes()
    packer, data = zlib.compressobj(1), []
    for left, top, across, down in [*steps, (0, 1, 1, 2)]:
        length = -(-(width - left) // across) * depth // 2
        row = b"\4" + (noise * (length // 200 + 1))[:length]
        data += [packer.compress(row) for _ in range(-(-(height - top) // down))]
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 6, 0, 0, 1))
    body = png_chunk(b"IDAT", b"".join([*data, packer.flush()]))
    return b"\x89PNG\r\n\x1a\n" + head + body + png_chunk(b"IEND", b"")


def zlib_bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join([*(packer.compress(bytes(10**6)) for _ in range(megabytes)), packer.flush()])


def tiff(*tags: tuple[int, int, int, int], data: bytes = b"") -> bytes:
    """A TIFF with tags (number, type, count, value), and `data` from byte 8 on."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    place = 8 + len(data) + len(data) % 2
    head = b"II*\0" + struct.pack("<I", place) + data + b"\0" * (len(data) % 2)
    return head + struct.pack("<H", len(tags)) + entries + bytes(4)


def grey_tiff(width: int, height: int, compression: int, data: bytes, *more: object) -> bytes:
    """A TIFF in grey of one strip of rows."""
    tags = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, compression),
        (262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height),
        (279, 4, 1, len(data)), *more,
    ]  # fmt: skip
    return tiff(*tags, data=data)  # type: ignore[arg-type]


def tiff_of_strips(count: int) -> bytes:
    """A TIFF one pixel wide with a strip for each of its rows."""
    offsets = struct.pack("<I", 8) * count
    return tiff(
        (256, 4, 1, 1), (257, 4, 1, count), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
        (273, 4, count, 8), (277, 3, 1, 1), (278, 4, 1, 1), (279, 4, count, 8), data=offsets,
    )  # fmt: skip


def bmp(width: int, height: int, bits: int = 24, compression: int = 0, data: bytes = b"") -> bytes:
    palette = bytes(1024) if bits == 8 else b""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    start = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + head + palette + data


def lying_avif(width: int, height: int) -> bytes:
    """An AVIF whose container promises 64×64 pixels, and whose coded picture has more."""
    content = encoded(Image.new("RGB", (width, height), "red"), "AVIF", speed=10)
    place = content.index(b"ispe") + 8
    return content[:place] + struct.pack(">II", 64, 64) + content[place + 8 :]


PHOTOS: Final[dict[str, Callable[[], bytes]]] = {
    "JPEG 12000×9000, baseline": lambda: encoded(noise(12000, 9000), "JPEG", quality=90),
    "JPEG 12000×9000, baseline 4:4:4": lambda: encoded(
        noise(12000, 9000), "JPEG", quality=92, subsampling=0
    ),
    "JPEG 12000×9000, progressive": lambda: encoded(
        noise(12000, 9000), "JPEG", quality=90, progressive=True
    ),
    "JPEG 16320×12240, flat": lambda: flat_jpeg(16320, 12240),
    "JPEG 16320×12240, cut short by an end marker": lambda: flat_jpeg(16320, 12240, 0.001),
    "JPEG 65500×65500, cut short by an end marker": lambda: flat_jpeg(65500, 65500, 0.001),
    "JPEG 16000×12000, progressive, empty": lambda: flat_jpeg(16000, 12000, progressive=True),
    "JPEG of 1,000 scans": lambda: many_scans(4000, 3000, 1000),
    "JPEG of 99 scans, 12 megapixels": lambda: many_scans(4000, 3000, 89),
    "JPEG of 99 scans, 24 megapixels": lambda: many_scans(6000, 4000, 89),
    "JPEG 6000×4000, CMYK": lambda: encoded(noise(6000, 4000, "CMYK"), "JPEG", quality=95),
    "JPEG of a million comments": lambda: (
        b"\xff\xd8" + b"\xff\xfe\0\x02" * 10**6 + flat_jpeg(16, 16)[2:]
    ),
    "JPEG with 20 MB of rubbish": lambda: (
        flat_jpeg(16, 16)[:2] + b"\xff\xe1\0\x02" + bytes(20 * 10**6) + flat_jpeg(16, 16)[2:]
    ),
    "WebP, animated, canvas 16383×16383": lambda: animated_webp(16383, 16383),
    "WebP, animated, canvas 6000×4000": lambda: animated_webp(6000, 4000),
    "WebP 6000×4000": lambda: encoded(noise(6000, 4000), "WEBP", quality=80, method=0),
    "WebP 4500×4000, lossless": lambda: encoded(
        noise(4500, 4000), "WEBP", lossless=True, quality=0, method=0
    ),
    "JPEG 2000": lambda: encoded(Image.new("RGB", (64, 64)), "JPEG2000"),
    "GIF": lambda: encoded(Image.new("P", (64, 64)), "GIF"),
    "PNG 6320×6320, RGBA of 16 bits": lambda: interlaced_png(6320, 6320, 16),
    "PNG 6320×6320, RGBA, interlaced": lambda: interlaced_png(6320, 6320, 8),
    "PNG 7600×5200": lambda: encoded(noise(7600, 5200), "PNG", compress_level=1),
    "PNG 40000000×1": lambda: png(40_000_000, 1),
    "PNG 100000×100000": lambda: png(1, 1).replace(
        struct.pack(">II", 1, 1), struct.pack(">II", 10**5, 10**5), 1
    ),
    "PNG with a profile of 500 MB": lambda: png(
        64, 64, png_chunk(b"iCCP", b"a\0\0" + zlib_bomb(500))
    ),
    "JPEG of 10,000,000 start markers": lambda: b"\xff\xd8" * 10**7,
    "PNG with 100 texts of 50 MB": lambda: png(
        64, 64, *[png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib_bomb(50))] * 100
    ),
    "PNG of a million empty chunks": lambda: png(64, 64, png_chunk(b"IDAT", b"") * 10**6),
    "BMP 2147483647×2147483647": lambda: bmp(2**31 - 1, 2**31 - 1),
    "BMP 7600×5200": lambda: encoded(noise(7600, 5200), "BMP"),
    "BMP 6000×6000, run lengths": lambda: bmp(6000, 6000, 8, 1, b"\0\0" * 6000),
    "BMP 1000×990, run lengths": lambda: bmp(
        1000, 990, 8, 1, (b"\1\7" * 1000 + b"\0\0") * 990 + b"\0\1"
    ),
    "TIFF 60000×60000, LZW": lambda: grey_tiff(60000, 60000, 5, b"\x80\x0b\x60\x50" * 10),
    "TIFF 6300×6300, deflate": lambda: grey_tiff(6300, 6300, 8, zlib_bomb(40)),
    "TIFF 7600×5200": lambda: encoded(noise(7600, 5200), "TIFF"),
    "TIFF 6000×4000, LZW": lambda: encoded(noise(6000, 4000), "TIFF", compression="tiff_lzw"),
    "TIFF of 5,000,000 strips": lambda: tiff_of_strips(5_000_000),
    "TIFF with a tile of 60000×60000": lambda: grey_tiff(
        64,
        64,
        8,
        zlib_bomb(1),
        (322, 4, 1, 60000),
        (323, 4, 1, 60000),
        (324, 4, 1, 8),
        (325, 4, 1, 900),
    ),
    "AVIF 6000×4000, 4:4:4": lambda: encoded(
        noise(6000, 4000), "AVIF", speed=10, subsampling="4:4:4"
    ),
    "AVIF 7000×5600, promised 64×64": lambda: lying_avif(7000, 5600),
}

_DECODE: Final = """
import resource, sys
from pathlib import Path
from maskgate.imaging import pixels
print("ready", flush=True)
sys.stdin.readline()
def used():
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)
before, highest = used(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    image = pixels.decode(Path(sys.argv[1]))
    outcome = f"{image.width}×{image.height}"
except pixels.PhotoError as error:
    outcome = f"refused: {error}"
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - highest
print(used() - before, grown / 1000, outcome, flush=True)
"""


def measure(content: bytes) -> Measured:
    """What decoding takes, in a process of its own."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        process = subprocess.Popen(
            [sys.executable, "-c", _DECODE, file.name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        before = highest = _resident(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        while process.poll() is None:
            highest = max(highest, _resident(process.pid))
            time.sleep(0.002)
        seconds, grown, outcome = process.stdout.read().strip().split(" ", 2)
        process.stdin.close()
        process.stdout.close()
    return Measured(outcome, float(seconds), max((highest - before) / 1e6, float(grown)))


def _resident(pid: int) -> int:
    """Bytes in memory of a process and of those that it started."""
    pages = 0
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * resource.getpagesize() + sum(_resident(int(child)) for child in children)


def main() -> None:
    names = sys.argv[1:] or list(PHOTOS)
    print(f"pixels.VERSION {pixels.VERSION}\n")
    print("| file | its MB | decoded | s of CPU | MB |")
    print("|---|---:|---|---:|---:|")
    for name in names:
        content = PHOTOS[name]()
        outcome, seconds, megabytes = measure(content)
        size = f"{len(content) / 1e6:.4f}" if len(content) < 10**5 else f"{len(content) / 1e6:.1f}"
        print(f"| {name} | {size} | {outcome} | {seconds:.2f} | {megabytes:.0f} |", flush=True)


if __name__ == "__main__":
    main()
