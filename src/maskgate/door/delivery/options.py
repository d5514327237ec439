"""The options of `maskgate watch` that say where events go, and their check."""

import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maskgate.core import files
from maskgate.door.delivery import secret_files, stream
from maskgate.door.delivery.addresses import address
from maskgate.door.delivery.broker import Broker, broker, check_camera
from maskgate.door.delivery.relay_process import Position
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.door.delivery.relay import RelaySettings

_STANDARD_OUTPUT: Final = "-"
_SHORTEST_SECRET: Final = 16  # characters
_LOOPBACK: Final = "127.0.0.1"
_RELAY_PULSE: Final = 3.0  # seconds
_RELAY_FAIL: Final[Position] = "shut"


@dataclass(frozen=True)
class Options:
    """Where events go; see `maskgate watch --help`."""

    events: str | None = None
    rotate_megabytes: float = stream.MEGABYTES
    rotate_keep: int = stream.KEEP
    webhook: str | None = None
    webhook_secret_file: Path | None = None
    mqtt: str | None = None
    mqtt_password_file: Path | None = None
    mqtt_ca: Path | None = None
    no_discovery: bool = False
    mqtt_override: bool = False
    relay_command: str | None = None
    relay_url: str | None = None
    relay_pulse: float = _RELAY_PULSE
    relay_fail: Position = _RELAY_FAIL
    metrics: str | None = None
    queue: Path | None = None

    @property
    def is_printed(self) -> bool:
        """Whether events go to standard output: also if none of the other options is given."""
        if self.events is not None:
            return self.events == _STANDARD_OUTPUT
        return not any((self.webhook, self.mqtt, self.relay_command, self.relay_url, self.metrics))

    @property
    def has_outbox(self) -> bool:
        """Whether events wait on the disk until every receiver has had them."""
        return self.webhook is not None or self.mqtt is not None


def check(options: Options, cameras: Sequence[str]) -> None:
    """Raise MaskgateError for options that cannot be followed; nothing is written or connected."""
    _check_file(options)
    _check_webhook(options)
    _check_mqtt(options, cameras)
    _check_relay(options)
    if options.metrics is not None:
        metrics_address(options.metrics)
    if options.has_outbox:
        files.check_folder(queue_folder(options), "name a folder with --queue")
    elif options.queue is not None:
        raise MaskgateError("--queue is for --webhook and --mqtt; give one of them, or drop it")


def metrics_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, or of `PORT` on this machine alone. Raises MaskgateError."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not port.isascii() or int(port) > 65_535:
        raise MaskgateError(f"--metrics {text}: write HOST:PORT, such as {_LOOPBACK}:9100")
    return host.strip("[]") or _LOOPBACK, int(port)


def _check_file(options: Options) -> None:
    if options.events is not None and not options.is_printed:
        stream.check(Path(options.events))
    else:
        stream.check_unused(options.rotate_megabytes, options.rotate_keep)


def _check_webhook(options: Options) -> None:
    if options.webhook is None:
        if options.webhook_secret_file is not None:
            raise MaskgateError("--webhook-secret-file is for --webhook; give that too")
        return
    address("--webhook", options.webhook, ("http", "https"))
    _check_httpx_url(options.webhook)
    webhook_secret(options)


def _check_httpx_url(url: str) -> None:
    """Raise MaskgateError for an address that the client refuses, such as one with a bad host."""
    import httpx

    try:
        httpx.URL(url)
    except httpx.InvalidURL as error:
        raise MaskgateError(
            "--webhook: no such address; write one as http://host:8080/path"
        ) from error


def webhook_secret(options: Options) -> str | None:
    """The secret that signs what is posted; None without one. Raises MaskgateError."""
    file = options.webhook_secret_file
    if file is None:
        return None
    option = "--webhook-secret-file"
    return secret_files.read(file, option, _SHORTEST_SECRET, is_made_up=True)


def _check_mqtt(options: Options, cameras: Sequence[str]) -> None:
    if options.mqtt is None:
        values = {
            "--mqtt-password-file": options.mqtt_password_file,
            "--mqtt-ca": options.mqtt_ca,
            "--no-discovery": options.no_discovery or None,
            "--mqtt-override": options.mqtt_override or None,
        }
        for option, value in values.items():
            if value is not None:
                raise MaskgateError(f"{option} is for --mqtt; give that too")
        return
    mqtt_broker(options, options.mqtt)
    for camera in cameras:
        check_camera(camera)


def mqtt_broker(options: Options, url: str) -> Broker:
    """The broker of `--mqtt URL`. Raises MaskgateError."""
    where = broker(url, options.mqtt_password_file, options.mqtt_ca, not options.no_discovery)
    return replace(where, takes_overrides=options.mqtt_override)


def _check_relay(options: Options) -> None:
    command, url = options.relay_command, options.relay_url
    if command is not None and url is not None:
        raise MaskgateError("--relay-command and --relay-url move one relay; give one of them")
    if command is None and url is None:
        values = {
            "--relay-pulse": options.relay_pulse != _RELAY_PULSE,
            "--relay-fail": options.relay_fail != _RELAY_FAIL,
        }
        for option, is_given in values.items():
            if is_given:
                raise MaskgateError(
                    f"{option} is for --relay-command and --relay-url; give one of them, or drop it"
                )
    if url is not None:
        address("--relay-url", url, ("http", "https"))
        if not url.isascii():
            raise MaskgateError(
                "--relay-url: letters other than A to Z need an encoding in an address; write them"
                " as %XX"
            )
    if command is not None:
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise MaskgateError(f"--relay-command: {error}; correct the quotes") from error
        if not words or shutil.which(words[0]) is None:
            raise MaskgateError(
                f"--relay-command: {words[0] if words else 'nothing'}: no such program; give the"
                " path of one that can be run"
            )


def relay_settings(options: Options) -> "RelaySettings":
    """How the relay is moved."""
    from maskgate.door.delivery.relay import RelaySettings

    return RelaySettings(
        command=options.relay_command,
        url=options.relay_url,
        pulse=options.relay_pulse,
        failed=options.relay_fail,
    )


def queue_folder(options: Options) -> Path:
    """`--queue`, else `maskgate/watch` in the user's folder for state. Raises MaskgateError."""
    if options.queue is not None:
        return options.queue
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        home = Path(os.environ.get("HOME", ""))
        if not home.is_absolute():
            raise MaskgateError("there is no home folder for the queue; name a folder with --queue")
        state = home / ".local" / "state"
    return state / "maskgate" / "watch"
