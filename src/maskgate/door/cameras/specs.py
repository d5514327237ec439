"""What `--camera NAME=SOURCE` and `serve --from NAME=SOURCE` say."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from maskgate.door.delivery import secret_files
from maskgate.errors import MaskgateError

Kind = Literal["device", "network", "video", "photos"]

SCHEMES: Final = ("rtsp", "rtsps", "http", "https")
_NAME: Final = re.compile(r"\w[\w.-]{0,63}")
_DEVICE: Final = re.compile(r"\d{1,3}")


@dataclass(frozen=True)
class CameraSpec:
    """A camera. `source` is the device, URL, video file or folder of photos; as a URL may contain a
    password, it appears in no message."""

    name: str
    kind: Kind
    source: str = field(repr=False)

    @property
    def is_live(self) -> bool:
        """Whether frames come when they come, so that only the newest one counts."""
        return self.kind in ("device", "network")


def parse(words: Sequence[str], option: str = "--camera") -> tuple[CameraSpec, ...]:
    """The cameras that the `words` of an option, each SOURCE or NAME=SOURCE, say; a source `@FILE`
    is in that file, so that its password is in no list of processes. Raises MaskgateError."""
    specs = tuple(_parse(word, option) for word in words)
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise MaskgateError(
                f"{option}: two cameras are called {name}; name them, as in front={name}"
            )
    return specs


def _parse(word: str, option: str) -> CameraSpec:
    name, equals, source = word.partition("=")
    if not equals or not _NAME.fullmatch(name) or Path(word).exists():
        name, source = "", word
    if source.startswith("@"):
        source = secret_files.read(Path(source[1:]), option)
    if _DEVICE.fullmatch(source):
        return CameraSpec(name or f"camera-{source}", "device", f"/dev/video{source}")
    if source.startswith("/dev/video"):
        return CameraSpec(name or f"camera-{source[10:]}", "device", source)
    if "://" in source:
        return _of_url(name, source, option)
    path = Path(source)
    if not source or not path.exists():
        # A mistyped URL may contain a password.
        quoted = f"{name}=…" if "@" in word or ":/" in word else word or "nothing"
        raise MaskgateError(
            f"{option} {quoted}: no such file or folder; give the number of a camera, a"
            " URL such as rtsp://…, a video, or a folder of photos, with NAME= before it"
        )
    return CameraSpec(name or _name(path.stem), "photos" if path.is_dir() else "video", source)


def _of_url(name: str, source: str, option: str) -> CameraSpec:
    """The camera at a URL. Raises MaskgateError, which quotes neither user nor password."""
    try:
        parts = urlsplit(source)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in SCHEMES:
        raise MaskgateError(
            f"{option} {name and f'{name}='}…: not a URL of a camera; give one that starts with"
            f" {', '.join(f'{scheme}://' for scheme in SCHEMES)}"
        )
    return CameraSpec(name or _name(host), "network", source)


def _name(text: str) -> str:
    """A name from a host or a file's name."""
    return re.sub(r"[^\w.-]", "-", text).lstrip(".-")[:64] or "camera"
