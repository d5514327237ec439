"""What --camera says, and that a password is in no message."""

from pathlib import Path

import pytest

from maskgate.door.cameras import specs
from maskgate.errors import MaskgateError

URL = "rtsp://door:secret@10.0.0.5:554/stream?channel=1"


@pytest.mark.parametrize(
    ("word", "name", "kind", "source"),
    [
        ("0", "camera-0", "device", "/dev/video0"),
        ("/dev/video2", "camera-2", "device", "/dev/video2"),
        ("front=1", "front", "device", "/dev/video1"),
        (URL, "10.0.0.5", "network", URL),
        (f"정문={URL}", "정문", "network", URL),
        ("http://camera.local/video?a=b", "camera.local", "network",
         "http://camera.local/video?a=b"),
        ("door.mp4", "door", "video", "door.mp4"),
        ("back=a=b.mp4", "back", "video", "a=b.mp4"),
        ("a=b.mp4", "a-b", "video", "a=b.mp4"),
        ("frames", "frames", "photos", "frames"),
    ],
)  # fmt: skip
def test_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    word: str,
    name: str,
    kind: str,
    source: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("door.mp4", "a=b.mp4"):
        Path(file).touch()
    Path("frames").mkdir()
    (spec,) = specs.parse([word])
    assert (spec.name, spec.kind, spec.source) == (name, kind, source)
    assert spec.is_live == (kind in ("device", "network"))
    assert "secret" not in repr(spec)


@pytest.mark.parametrize(
    "word",
    ["rtsp://door:secret@", "ftp://door:secret@host", "file:///etc/passwd", "rtsp://a:secret@h:x"],
)
def test_a_url_that_is_refused_is_not_quoted(word: str) -> None:
    for each in (word, f"front={word}"):
        with pytest.raises(MaskgateError, match="not a URL of a camera") as caught:
            specs.parse([each])
        assert "secret" not in str(caught.value)


def test_names_differ() -> None:
    with pytest.raises(MaskgateError, match=r"two cameras are called 10\.0\.0\.5; name them"):
        specs.parse([URL, URL])
    assert [spec.name for spec in specs.parse([f"a={URL}", f"b={URL}"])] == ["a", "b"]


def test_a_mistyped_url_is_not_quoted() -> None:
    for source in ("rtsp:/door:secret@10.0.0.5/stream", "door:secret@10.0.0.5/stream"):
        for word in (source, f"front={source}"):
            with pytest.raises(MaskgateError, match="no such file or folder") as caught:
                specs.parse([word])
            assert "secret" not in str(caught.value)


def test_a_source_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "front"
    file.write_text(f"{URL}\n")
    file.chmod(0o600)
    (spec,) = specs.parse([f"front=@{file}"])
    assert (spec.name, spec.source) == ("front", URL)
    assert specs.parse([f"@{file}"])[0].name == "10.0.0.5"
    file.write_text("secret")
    with pytest.raises(MaskgateError, match="no such file or folder") as caught:
        specs.parse([f"front=@{file}"])
    assert "secret" not in str(caught.value)
    file.chmod(0o644)
    with pytest.raises(MaskgateError, match="everybody may read this secret; run chmod 600"):
        specs.parse([f"front=@{file}"])
