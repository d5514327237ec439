"""Videos: upright, by their time, and a clear sentence where there is none."""

import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from maskgate.door.cameras import live, specs
from maskgate.door.cameras.frames import Frame
from maskgate.door.cameras.stored import StoredCamera
from maskgate.door.cameras.video import Video
from maskgate.errors import MaskgateError
from maskgate.imaging.pixels import Pixels
from tests.door import films
from tests.door.films import Scene


def frames_of(source: Path, rate: float) -> list[Frame]:
    """All frames of a stored camera."""
    (spec,) = specs.parse([str(source)])
    camera = StoredCamera(spec, rate)
    camera.start()
    frames = []
    while not camera.has_ended:
        frame = camera.take()
        if frame is not None:
            frames.append(frame)
    camera.stop()
    return frames


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return films.write(path, films.frames([Scene(2)], {}))


@pytest.mark.parametrize(("rate", "count"), [(10, 20), (5, 10), (3, 6), (30, 20)])
def test_frames_that_are_due(film: Path, rate: float, count: int) -> None:
    frames = frames_of(film, rate)
    assert len(frames) == count
    times = np.array([frame.time for frame in frames])
    assert times[0] == 0 and np.diff(times).min() >= 0.1 - 1e-3
    assert abs(times - np.arange(count) / min(rate, 10)).max() <= 0.1 + 1e-3
    assert frames[0].image.shape == (360, 640, 3)


def test_colours_are_those_of_the_film(film: Path) -> None:
    picture = next(films.frames([Scene(0.1)], {})).astype(float)
    assert abs(frames_of(film, 10)[0].image - picture).mean() < 6


def test_a_phones_video_is_upright(film: Path, tmp_path: Path) -> None:
    """The film lies on its side, and the track's header says so."""
    sideways = map(np.rot90, films.frames([Scene(0.5)], {}))
    turned = films.write(tmp_path / "turned.mp4", map(np.ascontiguousarray, sideways))
    content = bytearray(turned.read_bytes())
    matrix = content.index(b"tkhd") + 44  # ISO/IEC 14496-12, 8.3.2
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    turned.write_bytes(content)
    upright, original = frames_of(turned, 10)[0].image, frames_of(film, 10)[0].image
    assert upright.shape == original.shape
    assert abs(upright.astype(float) - original).mean() < 8


def test_what_is_no_video_is_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video" * 100)
    with pytest.raises(MaskgateError, match=r"broken\.mp4: no video that can be read \(Invalid"):
        StoredCamera(specs.parse([str(broken)])[0], 10)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MaskgateError, match="no photo in it"):
        StoredCamera(specs.parse([str(tmp_path / "empty")])[0], 10)


def test_half_a_video_is_judged_as_far_as_it_goes(tmp_path: Path) -> None:
    film = films.write(tmp_path / "film.mkv", films.frames([Scene(4)], {}))
    content = film.read_bytes()
    film.write_bytes(content[: len(content) // 2])
    assert 5 < len(frames_of(film, 10)) < 35


def test_after_an_error_that_nobody_expects_there_is_no_more(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, times = Video.picture, iter(range(10))

    def fail(video: Video, frame: VideoFrame) -> Pixels:
        if next(times) == 3:
            raise MemoryError
        return picture(video, frame)

    monkeypatch.setattr(Video, "picture", fail)
    assert len(frames_of(film, 10)) == 3
    message = capsys.readouterr().err
    assert message.endswith("camera film: MemoryError; the rest of the video is left out\n")
    assert message.count("\n") == 1


def test_a_photo_that_the_disk_has_no_space_for_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("1.png", "2.tif", "3.png"):
        Image.new("RGB", (64, 48)).save(tmp_path / name)

    def fail(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    assert [frame.time for frame in frames_of(tmp_path, 1)] == [0, 2]
    message = capsys.readouterr().err
    assert "No space left on device" in message and message.endswith("; it is left out\n")
    assert message.count("\n") == 1


def test_a_file_cannot_name_others(tmp_path: Path) -> None:
    """A playlist would otherwise have this machine fetch what a stranger's file says."""
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(MaskgateError, match="no video that can be read"):
        StoredCamera(specs.parse([str(playlist)])[0], 10)


def test_photos_are_as_far_apart_as_frames(tmp_path: Path) -> None:
    for number in range(5):
        Image.new("RGB", (64, 48), (number * 20, 0, 0)).save(tmp_path / f"{number}.png")
    frames = frames_of(tmp_path, 4)
    assert [frame.time for frame in frames] == [0, 0.25, 0.5, 0.75, 1]
    assert [frame.image[0, 0, 0] for frame in frames] == [0, 20, 40, 60, 80]


def test_waiting_doubles_up_to_half_a_minute() -> None:
    assert [live.waiting_time(count, 0.0) for count in (1, 2, 3, 7, 100)] == [0.5, 1, 2, 30, 30]
    assert live.waiting_time(3, 1.0) == 1.0
