"""From the options of `maskgate watch` to running cameras."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from maskgate.core.interruption import Interrupted
from maskgate.core.progress import say
from maskgate.core.signals import Flag, handle_signals
from maskgate.door import readings
from maskgate.door.cameras.frames import Camera
from maskgate.door.cameras.live import LiveCamera
from maskgate.door.cameras.specs import CameraSpec
from maskgate.door.cameras.stored import StoredCamera
from maskgate.door.costs import Costs
from maskgate.door.delivery.protocol import Sink
from maskgate.door.engine import Engine
from maskgate.door.readings import Policy
from maskgate.door.server import hardening, systemd
from maskgate.door.watching.station import Rules
from maskgate.door.watching.watch import Watch
from maskgate.errors import MaskgateError


@dataclass(frozen=True)
class Options:
    """What is watched and how; see `maskgate watch --help`. `rate` is its `--fps`."""

    model: Path | None
    cameras: tuple[CameraSpec, ...]
    policy: Policy
    near: float
    rate: float
    costs: Costs | None = None
    unsure_below: float | None = None
    smallest_face: float | None = None
    threads: int = 1
    detector_file: Path | None = None


def watch(options: Options, sinks: Sequence[Sink]) -> None:
    """Watch until a signal, or until all videos and folders have ended. Raises MaskgateError,
    before any event is sent."""
    hardening.forbid_core_dumps()
    stopping = Flag()

    def stop(*_: object) -> None:
        if stopping.is_set():  # a second signal ends it at once
            raise Interrupted
        systemd.notify("STOPPING=1")
        stopping.set()

    with handle_signals(stop):
        cameras = [camera_of(spec, options.rate) for spec in options.cameras]
        engine = Engine(
            options.model,
            options.threads,
            options.smallest_face,
            detector_file=options.detector_file,
            unsure_below=options.unsure_below,
        )
        if "mask" not in engine.attributes:
            raise MaskgateError("the model does not predict masks; give one that does")
        rule = functools.partial(readings.reading, policy=options.policy, costs=options.costs)
        rules = Rules(options.policy, rule, options.near)
        Watch(engine, cameras, sinks, rules=rules, rate=options.rate).run(stopping, _ready(options))
    say("stopped")


def camera_of(spec: CameraSpec, rate: float) -> Camera:
    """The camera, of which at most `rate` frames a second are judged. Raises MaskgateError for a
    video or a folder that cannot be read."""
    return LiveCamera(spec, rate) if spec.is_live else StoredCamera(spec, rate)


def _ready(options: Options) -> Callable[[], None]:
    """Says that watching has begun."""
    names = ", ".join(spec.name for spec in options.cameras)
    lines = [f"watching {names}  (stop with Ctrl-C)"]
    if options.costs is not None:
        lines.append(f"by probability that a person may pass: {options.costs}")

    def announce() -> None:
        for line in lines:
            say(line)
        systemd.notify("READY=1")

    return announce
