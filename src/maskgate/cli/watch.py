"""The command watch."""

from typing import Annotated, Literal

import typer

from maskgate.cli import delivery_options, door_options, numbers
from maskgate.cli.app import DetectorFile, Trust, app, number
from maskgate.cli.export import bundle_of
from maskgate.core import extras
from maskgate.errors import MaskgateError


@app.command()
def watch(
    model: door_options.Model = None,
    camera: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]SOURCE",
            help="A camera: its number, a URL such as rtsp://…, a video, or a folder of photos;"
            " @FILE for one that a file names. Repeat it for several.",
            show_default=False,
        ),
    ] = None,
    policy: Annotated[
        Literal["worn", "bare"],
        typer.Option(help="Who may pass: people with a mask, or with a bare face."),
    ] = "worn",
    near: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=1,
            callback=number,
            help="Narrowest face in front of a camera, as a share of its longer side.",
        ),
    ] = 0.1,
    fps: Annotated[
        float,
        typer.Option(
            min=2.5,  # watching.pace.SLOWEST, whose import takes too long here
            max=60,
            callback=number,
            help="Frames of each camera to judge per second; fewer if the machine is too slow.",
        ),
    ] = 10.0,
    unsure_below: door_options.UnsureBelow = None,
    cost: numbers.CostWords = None,
    smallest_face: door_options.SmallestFace = None,
    threads: door_options.Threads = 1,
    detector_file: DetectorFile = None,
    events: delivery_options.EventsTo = None,
    rotate_megabytes: delivery_options.RotateMegabytes = 10.0,
    rotate_keep: delivery_options.RotateKeep = 5,
    webhook: delivery_options.WebhookUrl = None,
    webhook_secret_file: delivery_options.WebhookSecretFile = None,
    mqtt: delivery_options.MqttUrl = None,
    mqtt_password_file: delivery_options.MqttPasswordFile = None,
    mqtt_ca: delivery_options.MqttCa = None,
    no_discovery: delivery_options.NoDiscovery = False,
    mqtt_override: delivery_options.MqttOverride = False,
    relay_command: delivery_options.RelayCommand = None,
    relay_url: delivery_options.RelayUrl = None,
    relay_pulse: delivery_options.RelayPulse = 3.0,
    relay_fail: delivery_options.RelayFail = "shut",
    metrics: delivery_options.MetricsAddress = None,
    queue: delivery_options.QueueFolder = None,
    trust: Trust = False,
) -> None:
    """Watch cameras without a browser, and report verdicts and faults as events.

    An event is one JSON object on a line. It has no picture, and no picture is stored.
    """
    extras.check("watch", "maskgate watch")
    extras.check("door", "maskgate watch")
    costs = door_options.check(model, cost, unsure_below, trust)
    if not camera:
        raise MaskgateError("no camera to watch; give --camera 0, or a URL such as rtsp://…")

    from maskgate.door.cameras import specs
    from maskgate.door.delivery import options as deliveries

    cameras = specs.parse(camera)
    names = [each.name for each in cameras]
    delivery = deliveries.Options(
        events=events,
        rotate_megabytes=rotate_megabytes,
        rotate_keep=rotate_keep,
        webhook=webhook,
        webhook_secret_file=webhook_secret_file,
        mqtt=mqtt,
        mqtt_password_file=mqtt_password_file,
        mqtt_ca=mqtt_ca,
        no_discovery=no_discovery,
        mqtt_override=mqtt_override,
        relay_command=relay_command,
        relay_url=relay_url,
        relay_pulse=relay_pulse,
        relay_fail=relay_fail,
        metrics=metrics,
        queue=queue,
    )
    deliveries.check(delivery, names)

    from maskgate.door.delivery import opening
    from maskgate.door.watching import start
    from maskgate.door.watching.start import Options

    with bundle_of(model, "watch", trust) as exported:
        options = Options(
            exported,
            cameras,
            policy=policy,
            near=near,
            rate=fps,
            costs=costs,
            unsure_below=unsure_below,
            smallest_face=smallest_face,
            threads=threads,
            detector_file=detector_file,
        )
        start.watch(options, opening.sinks(delivery, names))
