"""How soon a camera that is covered, turned away or frozen is noticed, and how often one that is
well is taken for it.

    python benchmarks/camera_faults.py [--minutes 10]

All scenes are drawn, encoded as H.264 with a sensor's noise, decoded and shown to the rules of
`maskgate watch`, as ten frames a second with nobody in view. Prints a table: for scenes that are
well, the faults in so many minutes; for the others, the seconds until the fault.
"""

import argparse
import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream
from PIL import Image, ImageDraw

from maskgate.door.cameras.faults import Faults
from maskgate.door.cameras.frames import Frame
from maskgate.imaging.pixels import Pixels

FPS: Final = 10
LEARNING: Final = 25.0  # seconds of the usual scene before it changes
HIGH, WIDE = 360, 640
ENCODERS: Final = {
    "ultrafast, CRF 20, key frame each second": ("ultrafast", {"crf": "20"}, 10),
    "medium, CRF 28, key frame in 5 s": ("medium", {"crf": "28"}, 50),
    "veryfast, 300 kbit/s, key frame in 25 s": ("veryfast", {"b": "300000"}, 250),
}
Picture = npt.NDArray[np.float32]
Film = Callable[[float], Picture]
"""The picture at a time in seconds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    seconds = 60 * parser.parse_args().minutes
    print(f"| encoder | noise | scene | faults in {seconds / 60:g} minutes |\n|---|---:|---|---:|")
    for encoder, sigma, (name, film) in itertools.product(ENCODERS, (0, 1, 3), well().items()):
        states = watched(encoded(pictures(film, seconds, sigma), encoder))
        begins = [reason for reason, _ in itertools.groupby(state for _, state in states)]
        print(f"| {encoder} | {sigma} | {name} | {sum(each is not None for each in begins)} |")
    print("\n| encoder | noise | fault | seconds until it is noticed |\n|---|---:|---|---:|")
    for encoder, sigma, (name, film) in itertools.product(ENCODERS, (1, 3), faulty().items()):
        states = watched(encoded(pictures(film, LEARNING + 10, sigma), encoder))
        print(f"| {encoder} | {sigma} | {name} | {first(states, LEARNING)} |", flush=True)
    for encoder, sigma in itertools.product(ENCODERS, (0, 1, 3)):
        still = encoded(pictures(lambda _: room(), LEARNING, sigma), encoder)
        states = watched(frozen(still, 10))
        print(f"| {encoder} | {sigma} | frozen | {first(states, LEARNING)} |", flush=True)


def first(states: Iterable[tuple[float, str | None]], start: float) -> str:
    """The seconds from the start to the first fault."""
    times = [time for time, state in states if state is not None]
    return f"{times[0] - start:.1f}" if times else "not within 10 s"


def room() -> Picture:
    """An empty entrance: walls, a door and a shelf."""
    frame = Image.new("RGB", (WIDE, HIGH), (150, 155, 160))
    draw = ImageDraw.Draw(frame)
    draw.rectangle((0, 300, 640, 360), fill=(90, 84, 80))
    draw.rectangle((20, 60, 120, 300), fill=(120, 90, 70), outline=(60, 50, 40), width=4)
    for height in (40, 110, 180):
        draw.rectangle((520, height, 630, height + 12), fill=(70, 75, 90))
        for left in range(525, 620, 24):
            draw.rectangle((left, height - 30, left + 16, height), fill=(40 + left % 180, 90, 110))
    return np.asarray(frame, np.float32)


def cloth(grain: int) -> Picture:
    """Soft blotches of about so many pixels."""
    size = HIGH // grain + 2, WIDE // grain + 2
    blotches = np.random.default_rng(grain).normal(128, 40, size).clip(0, 255).astype(np.uint8)
    smooth = Image.fromarray(blotches).resize((WIDE, HIGH), Image.Resampling.BICUBIC)
    return to_picture(np.asarray(smooth, np.float32))


def bricks(height: int = 30, width: int = 80, joint: int = 5) -> Picture:
    """A wall of bricks, whose sizes are in pixels."""
    down, right = np.mgrid[0:HIGH, 0:WIDE]
    is_joint = (down % height < joint) | ((right + down // height % 2 * width // 2) % width < joint)
    return to_picture(np.where(is_joint, 190.0, 90.0))


def to_picture(greys: npt.NDArray[np.floating]) -> Picture:
    """The greys (H, W) as a picture (H, W, 3)."""
    return np.repeat(greys.astype(np.float32)[..., None], 3, axis=2)


def well() -> dict[str, Film]:
    """Scenes that are well, for any time. Nobody's face is in view."""
    empty = room()

    def lamp(time: float) -> Picture:
        return empty * (1.0 if time // 20 % 2 else 0.3)

    def exposure(time: float) -> Picture:
        return empty * (0.7 + 0.3 * np.sin(time / 5)) + 20

    def passing(time: float) -> Picture:
        """Every 20 s somebody of half the picture's width walks past, with the back to us."""
        left = round(time % 20 * 300) - 340
        picture, end = empty.copy(), min(WIDE, left + 320)
        if end > 0 and left < WIDE:
            picture[20:, max(0, left) : end] = cloth(30)[20:, : end - max(0, left)]
        return picture

    def two(time: float) -> Picture:
        """Every 20 s two people without a visible face stay for 5 s."""
        picture = empty.copy()
        if time % 20 < 5:
            picture[20:, 60:260] = cloth(30)[20:, :200]
            picture[20:, 340:540] = cloth(40)[20:, :200]
        return picture

    def stripes(time: float) -> Picture:
        """The sun comes through blinds, five times as bright as the room, and wanders."""
        down, right = np.mgrid[0:HIGH, 0:WIDE]
        is_lit = (right + 0.4 * down + time) / 60 % 1 < 0.5
        light = np.where(is_lit & (time > LEARNING), 2.2, 0.45)
        return empty * light.astype(np.float32)[..., None]

    def infrared(time: float) -> Picture:
        """From day to infrared light: greys are others, some darker instead of lighter."""
        if time < LEARNING:
            return empty
        grey = np.interp(empty.mean(-1), np.linspace(0, 255, 6), (60, 200, 90, 40, 180, 120))
        return to_picture(grey)

    return {
        "sun through blinds": stripes,
        "infrared": infrared,
        "still": lambda _: empty,
        "lamp off and on": lamp,
        "exposure": exposure,
        "somebody walks past": passing,
        "two people stay": two,
    }


def faulty() -> dict[str, Film]:
    """Scenes that are another from LEARNING on."""

    def change(other: Picture) -> Film:
        empty = room()
        return lambda time: empty if time < LEARNING else other

    others = {"wall of bricks": bricks(), "plain wall": np.full((HIGH, WIDE, 3), 120.0, np.float32)}
    others |= {f"cloth, {grain} pixels": cloth(grain) for grain in (8, 20, 40, 80, 160)}
    return {name: change(other) for name, other in others.items()}


def pictures(film: Film, seconds: float, sigma: float) -> Iterator[Pixels]:
    """The film with a sensor's noise."""
    rng = np.random.default_rng(1)
    noises = [rng.normal(0, sigma, (HIGH, WIDE, 3)).astype(np.float32) for _ in range(31)]
    for number in range(round(seconds * FPS)):
        noisy = film(number / FPS) + noises[number % len(noises)]
        yield np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def encoded(images: Iterable[Pixels], encoder: str) -> Iterator[Frame]:
    """The frames as they are decoded after H.264."""
    preset, options, key_frames = ENCODERS[encoder]
    out = io.BytesIO()
    with av.open(out, "w", format="mpegts") as container:
        stream = container.add_stream(
            "libx264", rate=FPS, options={"preset": preset, "tune": "zerolatency", **options}
        )
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDE, HIGH, "yuv420p"
        stream.codec_context.gop_size = key_frames
        for picture in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    out.seek(0)
    with av.open(out, "r") as decoded:
        for number, frame in enumerate(decoded.decode(video=0)):
            image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            yield Frame(image, number / FPS, is_predicted=True)


def frozen(film: Iterable[Frame], seconds: float) -> Iterator[Frame]:
    """The film, and then its last frame again and again."""
    last = None
    for last in film:
        yield last
    assert last is not None
    for number in range(1, round(seconds * FPS) + 1):
        yield Frame(last.image, last.time + number / FPS, is_predicted=True)


def watched(film: Iterable[Frame]) -> Iterator[tuple[float, str | None]]:
    """What is wrong at the time of each frame."""
    faults = Faults(0.0)
    for frame in film:
        faults.add(frame, is_empty=True)
        yield frame.time, faults.at(frame.time, is_empty=True)


if __name__ == "__main__":
    main()
