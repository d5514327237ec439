"""Films of drawn people before a camera, with its noise, and what should be said of them."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from PIL import Image, ImageDraw

from maskgate.imaging.pixels import Pixels

FPS = 10
SIZE = (640, 360)  # width and height of a frame
PORTRAIT = (240, 320)  # height is that of the frame, nearly

Place = float | Callable[[float], float]
"""The left edge of a portrait in pixels, or that at a time in seconds since its scene began."""


@dataclass(frozen=True)
class Scene:
    """Some seconds with these people, each a mask state and a place; nobody without any."""

    seconds: float
    people: Sequence[tuple[str, Place]] = ()


def room() -> Image.Image:
    """An empty entrance: walls, a door and a shelf, so that the picture has edges."""
    frame = Image.new("RGB", SIZE, (150, 155, 160))
    draw = ImageDraw.Draw(frame)
    draw.rectangle((0, 300, 640, 360), fill=(90, 84, 80))
    draw.rectangle((20, 60, 120, 300), fill=(120, 90, 70), outline=(60, 50, 40), width=4)
    for height in (40, 110, 180):
        draw.rectangle((520, height, 630, height + 12), fill=(70, 75, 90))
        for left in range(525, 620, 24):
            draw.rectangle((left, height - 30, left + 16, height), fill=(40 + left % 180, 90, 110))
    return frame


def frames(scenes: Sequence[Scene], portraits: Mapping[str, Image.Image]) -> Iterator[Pixels]:
    """The frames (360, 640, 3) of scenes, each with its own noise."""
    rng, empty = np.random.default_rng(3), room()
    for scene in scenes:
        for number in range(round(scene.seconds * FPS)):
            frame = empty.copy()
            for state, place in scene.people:
                left = place(number / FPS) if callable(place) else place
                frame.paste(portraits[state], (round(left), (SIZE[1] - PORTRAIT[1]) // 2))
            clean = np.asarray(frame, np.int16)
            yield np.clip(clean + rng.integers(-3, 4, clean.shape), 0, 255).astype(np.uint8)


def write(path: Path, pictures: Iterator[Pixels], codec: str = "libx264") -> Path:
    """A video of pictures of one size, FPS a second; in H.264 with a key frame each second."""
    first = next(pictures)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = first.shape[1], first.shape[0]
        stream.pix_fmt = "yuv420p" if codec == "libx264" else "yuvj420p"
        stream.codec_context.gop_size = FPS
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "crf": "20", "tune": "zerolatency"}
        for picture in itertools.chain([first], pictures):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path
