"""Where an MQTT broker is, and what it is to be told."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from maskgate.door.delivery import secret_files
from maskgate.door.delivery.addresses import address
from maskgate.errors import MaskgateError

_OPTION: Final = "--mqtt"
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_PREFIX: Final = "maskgate"
_WILDCARDS: Final = "+#"


@dataclass(frozen=True)
class Broker:
    """Where and how to publish: topics begin with `prefix`. `authority` is a file of certificates
    that the broker's is checked with instead of the system's. `takes_overrides` says that a message
    may open the door."""

    host: str
    port: int
    prefix: str = _PREFIX
    user: str | None = None
    password: str | None = None
    is_encrypted: bool = False
    authority: Path | None = None
    has_discovery: bool = True
    takes_overrides: bool = False


def broker(
    url: str, password_file: Path | None, authority: Path | None, has_discovery: bool
) -> Broker:
    """The broker of an address such as `mqtts://user@host:8883/prefix`. Raises MaskgateError."""
    parts = address(_OPTION, url, tuple(_PORTS), "--mqtt-password-file")
    is_encrypted = parts.scheme == "mqtts"
    prefix = unquote(parts.path).strip("/") or _PREFIX
    if not _is_topic(prefix) or parts.query or parts.fragment:
        raise MaskgateError(
            f"{_OPTION}: {prefix}: not a prefix of topics; take letters, digits, - and _"
        )
    if password_file is not None and parts.username is None:
        raise MaskgateError(
            "--mqtt-password-file: the address names no user; write --mqtt mqtts://user@host"
        )
    if authority is not None:
        if not is_encrypted:
            raise MaskgateError("--mqtt-ca is for an encrypted connection; write --mqtt mqtts://…")
        _check_authority(authority)
    return Broker(
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        prefix=prefix,
        user=None if parts.username is None else unquote(parts.username),
        password=None
        if password_file is None
        else secret_files.read(password_file, "--mqtt-password-file"),
        is_encrypted=is_encrypted,
        authority=authority,
        has_discovery=has_discovery,
    )


def check_camera(name: str) -> None:
    """Raise MaskgateError for a name of a camera that cannot be a part of a topic."""
    if not _is_topic(name) or "/" in name:
        raise MaskgateError(
            f"--camera {name}: MQTT has no topics with / + # or control characters; give it"
            " another name"
        )


def _is_topic(name: str) -> bool:
    return (
        name.isprintable()
        and not name.startswith("$")
        and not any(each in name for each in _WILDCARDS)
        and len(name.encode()) < 1000
    )


def _check_authority(file: Path) -> None:
    try:
        ssl.create_default_context(cafile=file)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or "not certificates in PEM"
        raise MaskgateError(
            f"{file}: cannot be used as --mqtt-ca ({reason}); give the certificate of the"
            " authority that signed the broker's"
        ) from error
