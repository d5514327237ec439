"""A frozen picture is found in time, and a still one is not taken for it."""

import io
import itertools
from collections.abc import Iterable, Iterator

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from maskgate.door.cameras import stillness
from maskgate.door.cameras.faults import Faults
from maskgate.door.cameras.frames import Frame
from maskgate.imaging.pixels import Pixels
from tests.door import films

ROOM = np.asarray(films.room())
ENCODERS = {
    "fast": {"preset": "ultrafast", "tune": "zerolatency", "crf": "20"},
    "good": {"preset": "medium", "tune": "zerolatency", "crf": "26"},
}


def noisy(seconds: float, sigma: float, picture: Pixels = ROOM) -> Iterator[Pixels]:
    """A still picture with a sensor's noise."""
    rng = np.random.default_rng(1)
    for _ in range(round(seconds * films.FPS)):
        noise = rng.normal(0, sigma, picture.shape) if sigma else 0
        yield np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def decoded(pictures: Iterable[Pixels], encoder: str, key_frames: int) -> Iterator[Frame]:
    """The frames after H.264 with a key frame after so many, FPS a second."""
    out = io.BytesIO()
    with av.open(out, "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=films.FPS, options=ENCODERS[encoder])
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.codec_context.gop_size = key_frames
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    out.seek(0)
    with av.open(out) as container:
        for number, frame in enumerate(container.decode(video=0)):
            yield Frame(frame.to_ndarray(format="rgb24"), number / films.FPS, is_predicted=True)


def frozen_times(frames: Iterable[Frame], watched: Faults) -> list[float]:
    """The times at which an empty picture is said to be frozen."""
    times = []
    for frame in frames:
        watched.add(frame, is_empty=True)
        if watched.at(frame.time, is_empty=True) == "frozen":
            times.append(frame.time)
    return times


def repeated(frames: Iterable[Frame], seconds: float) -> Iterator[Frame]:
    """The frames, and then the last one again and again."""
    last = None
    for last in frames:
        yield last
    assert last is not None
    for number in range(1, round(seconds * films.FPS) + 1):
        yield Frame(last.image, last.time + number / films.FPS, last.is_predicted)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "key_frames", "sigma"),
    [("fast", 10, 2.0), ("good", 50, 2.0), ("good", 50, 1.0), ("fast", 250, 3.0)],
)
def test_noise_that_ends_is_a_frozen_camera(encoder: str, key_frames: int, sigma: float) -> None:
    film = decoded(noisy(stillness.LEARNING + 5, sigma), encoder, key_frames)
    times = frozen_times(repeated(film, 5), Faults(0.0))
    assert times and times == pytest.approx(np.arange(times[0], times[-1] + 0.05, 0.1))
    last_change = stillness.LEARNING + 5 - 0.1
    assert stillness.STALE < times[0] - last_change < 3


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "key_frames"), [("fast", 10), ("good", 50), ("good", 250)])
def test_ten_minutes_of_a_still_scene_without_noise_are_no_fault(
    encoder: str, key_frames: int
) -> None:
    """Also after somebody was there, and after the light has changed: the encoder refines the
    picture for some frames, then repeats it to the last bit."""
    person = ROOM.copy()
    person[40:, 200:440] = 200 - person[40:, 200:440]
    scenes = [ROOM] * 20 + [person] * 30 + [ROOM] * 300 + [ROOM // 2] * 300
    pictures = [*scenes, *itertools.repeat(ROOM, 600 * films.FPS)]
    assert frozen_times(decoded(pictures, encoder, key_frames), Faults(0.0)) == []


def test_pictures_that_are_compressed_each_by_itself_are_never_the_same() -> None:
    """The least that a sensor's noise changes in them is enough, and none of it is a fault."""
    frames = [Frame(image, number / 10) for number, image in enumerate(noisy(1, 0.3))]
    times = frozen_times(repeated(frames, 5), Faults(0.0))
    assert stillness.STALE < times[0] - 0.9 < 3
    assert frozen_times(
        (Frame(image, number / 10) for number, image in enumerate(noisy(10, 0.3))), Faults(0.0)
    ) == []  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("part", [slice(0, 360), slice(0, 240)])
def test_a_lamp_that_goes_off_may_take_the_noise_with_it(part: slice) -> None:
    """In the dark the encoder leaves it out; the lamp may light only a part."""
    dim = ROOM.copy()
    dim[part] //= 2
    film = [
        Frame(image, number / 10, is_predicted=True) for number, image in enumerate(noisy(15, 3))
    ]
    off = Frame(dim, 15.0, is_predicted=True)
    assert frozen_times(repeated([*film, off], 20), Faults(0.0)) == []


def test_a_clock_in_the_picture_is_no_noise() -> None:
    """Only what changes all over the picture tells that noise comes through."""
    pictures = [ROOM.copy() for _ in range(300)]
    for number, picture in enumerate(pictures):
        picture[5:15, 5:60] = number % 200
    film = [Frame(each, number / 10, is_predicted=True) for number, each in enumerate(pictures)]
    assert frozen_times(repeated(film, 30), Faults(0.0)) == []


def test_people_are_never_still() -> None:
    watched = Faults(0.0)
    for number in range(30):
        watched.add(Frame(ROOM, number / 10, is_predicted=True), is_empty=False)
        state = watched.at(number / 10, is_empty=False)
        assert (state == "frozen") == (number > 20)
    changed = np.roll(ROOM, 1, 1)
    watched.add(Frame(changed, 3.0, is_predicted=True), is_empty=True)
    assert watched.at(3.0, is_empty=True) is None
