"""From the options of `maskgate serve` to a running service."""

import ipaddress
import os
import socket
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from maskgate.core import files
from maskgate.door.cameras.frames import Camera
from maskgate.door.cameras.specs import CameraSpec
from maskgate.door.delivery import stream
from maskgate.door.delivery.file_sinks import FileSink
from maskgate.door.delivery.stream import EventFile
from maskgate.door.engine import Engine
from maskgate.door.server import access, certificate, hardening, pairing, serving
from maskgate.door.server.app import Door
from maskgate.door.server.cameras import RATE
from maskgate.door.server.kiosk_settings import BROWSER
from maskgate.door.server.settings import Settings
from maskgate.errors import MaskgateError

_DEFAULT_MODEL: Final = "the default model"


@dataclass(frozen=True)
class Options:
    """Where and how to serve a bundle or the default model; see `maskgate serve --help`."""

    model: Path | None
    host: str
    port: int
    settings: Settings
    certificate: Path | None = None
    key: Path | None = None
    make_certificate: bool = False
    plain_http: bool = False
    state: Path | None = None
    new_token: bool = False
    token_file: Path | None = None
    smallest_face: float | None = None
    detector_file: Path | None = None
    threads: int = 1
    unsure_below: float | None = None
    cameras: tuple[CameraSpec, ...] = ()
    events: Path | None = None
    rotate_megabytes: float = stream.MEGABYTES
    rotate_keep: int = stream.KEEP


def serve(options: Options) -> None:
    """Serve until a signal. Raises MaskgateError, before anything is written where it can."""
    check(options)
    is_local = _is_loopback(options.host)
    hardening.forbid_core_dumps()
    with serving.bind(options.host, options.port) as listener:
        engine = Engine(
            options.model,
            options.threads,
            options.smallest_face,
            detector_file=options.detector_file,
            unsure_below=options.unsure_below,
        )
        names = _names(options.host, listener)
        pair = _certificate(options, names)
        port = listener.getsockname()[1]
        address = _address(names[0], port, is_encrypted=pair is not None)
        cameras = [_camera(spec) for spec in options.cameras]
        tokens, token = None, None
        if not is_local:
            tokens, token = access.open_access(
                _state(options),
                options.new_token,
                access.read_token(options.token_file) if options.token_file else None,
            )
        door = Door(
            engine,
            options.settings,
            model=options.model.name if options.model else _DEFAULT_MODEL,
            address=address,
            access=tokens,
            own_cameras=cameras,
            event_file=_event_file(options),
        )
        lines = [f"{address}  (stop with Ctrl-C)"]
        lines += [_kiosk(address, camera.spec) for camera in cameras]
        costs = options.settings.kiosk.costs
        if costs is not None:
            lines.append(f"by probability that a person may pass: {costs}")
        if options.make_certificate and pair is not None:
            lines.append(f"certificate: SHA-256 {certificate.fingerprint(pair[0])}")
        if token is not None:
            lines.append(f"token for programs, shown only now: {token}")
        if tokens is not None:
            target = pairing.link(address, tokens.new_code())
            lines.append(f"pair a browser within ten minutes: {target}\n{pairing.qr_text(target)}")
        serving.run(door, listener, pair, lines)


def _camera(spec: CameraSpec) -> Camera:
    """The camera. Raises MaskgateError for a video or a folder that cannot be read."""
    from maskgate.door.cameras.live import LiveCamera
    from maskgate.door.cameras.replayed import ReplayedCamera

    return LiveCamera(spec, RATE) if spec.is_live else ReplayedCamera(spec, RATE)


def _event_file(options: Options) -> FileSink | None:
    """The file of events. Raises MaskgateError if it cannot be written."""
    if options.events is None:
        return None
    file = EventFile(options.events, options.rotate_megabytes, options.rotate_keep)
    return FileSink(file)


def _kiosk(address: str, spec: CameraSpec) -> str:
    """The line that says where a camera is shown."""
    return f"camera {spec.name}: {address}/kiosk?camera={urllib.parse.quote(spec.name)}"


def check(options: Options) -> None:
    """Raise MaskgateError for options that cannot be served."""
    is_local = _is_loopback(options.host)
    if any(camera.name == BROWSER for camera in options.cameras):
        raise MaskgateError(
            f"--from: {BROWSER} is the name of the browser's own camera; give another NAME=SOURCE"
        )
    if options.events is not None:
        if options.events.exists() and not options.events.is_file():
            raise MaskgateError(f"--events {options.events}: is no file; give another")
        stream.check(options.events)
    else:
        stream.check_unused(options.rotate_megabytes, options.rotate_keep)
    if options.state is not None:
        files.check_folder(options.state)
    if options.token_file is not None:
        if is_local:
            raise MaskgateError(
                "--token-file is for a door beyond this machine; drop it, or give another --host"
            )
        access.read_token(options.token_file)
    if (options.certificate is None) != (options.key is None):
        raise MaskgateError("--certificate and --key go together; give both")
    if options.certificate is not None and options.key is not None:
        if options.make_certificate:
            raise MaskgateError("--make-certificate is for a door without --certificate; drop one")
        certificate.check(options.certificate, options.key)
        return
    if not (is_local or options.make_certificate or options.plain_http):
        raise MaskgateError(
            f"--host {options.host}: beyond this machine the door needs HTTPS; give --certificate"
            " and --key, or --make-certificate, or --plain-http if something else encrypts"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _names(host: str, listener: socket.socket) -> list[str]:
    """Names and addresses by which clients know the door, the likeliest first."""
    if _is_loopback(host):
        return [*dict.fromkeys([host, "localhost", "127.0.0.1", "::1"])]
    names = certificate.local_names()
    address = listener.getsockname()[0]
    if address in ("0.0.0.0", "::"):
        return names
    return [*dict.fromkeys([host, *names])]


def _certificate(options: Options, names: list[str]) -> tuple[Path, Path] | None:
    if options.certificate is not None and options.key is not None:
        return options.certificate, options.key
    if options.make_certificate:
        return certificate.certificate(_state(options), names)
    return None


def _address(name: str, port: int, is_encrypted: bool) -> str:
    host = f"[{name}]" if ":" in name else name
    default = 443 if is_encrypted else 80
    suffix = "" if port == default else f":{port}"
    return f"{'https' if is_encrypted else 'http'}://{host}{suffix}"


def _state(options: Options) -> Path:
    """The folder of the service. Raises MaskgateError."""
    if options.state is not None:
        return options.state
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        try:
            base = Path.home() / ".local" / "state"
        except RuntimeError as error:
            raise MaskgateError("there is no home folder; name a folder with --state") from error
    return base / "maskgate"
