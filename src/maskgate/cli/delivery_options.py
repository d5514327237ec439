"""The options of `maskgate watch` that say where events go."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from maskgate.cli.app import number

EventsTo = Annotated[
    str | None,
    typer.Option(
        "--events",
        metavar="FILE|-",
        help="File to append events to, one JSON object on a line; - for standard output.",
        show_default="standard output, if no other receiver, relay or metrics are given",
    ),
]
RotateMegabytes = Annotated[
    float,
    typer.Option(
        min=0.01, max=100_000, callback=number, help="Size at which a new file of events is begun."
    ),
]
RotateKeep = Annotated[
    int, typer.Option(min=0, max=1000, help="Full files of events to keep: FILE.1, FILE.2 …")
]
WebhookUrl = Annotated[
    str | None,
    typer.Option(
        "--webhook", metavar="URL", help="Post each event to this address.", show_default=False
    ),
]
WebhookSecretFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File with the secret that signs what is posted.",
        show_default="not signed",
    ),
]
MqttUrl = Annotated[
    str | None,
    typer.Option(
        "--mqtt",
        metavar="URL",
        help="Publish events to this broker: mqtt://HOST or mqtts://USER@HOST:PORT/PREFIX.",
        show_default=False,
    ),
]
MqttPasswordFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="File with the user's password.", show_default=False),
]
MqttCa = Annotated[
    Path | None,
    typer.Option(
        "--mqtt-ca",
        metavar="FILE",
        help="Certificate of the authority that signed the broker's, in PEM.",
        show_default="the system's",
    ),
]
NoDiscovery = Annotated[
    bool, typer.Option("--no-discovery", help="Do not set up sensors in Home Assistant.")
]
MqttOverride = Annotated[
    bool,
    typer.Option(
        "--mqtt-override",
        help="Let somebody in when `open` is published at PREFIX/override.",
    ),
]
RelayCommand = Annotated[
    str | None,
    typer.Option(
        metavar="COMMAND",
        help="Program that moves the door; its last argument is open or shut.",
        show_default=False,
    ),
]
RelayUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help='Post {"door": "open"} or "shut" to this address.', show_default=False
    ),
]
RelayPulse = Annotated[
    float,
    typer.Option(
        min=0,
        max=3600,
        callback=number,
        help="Seconds for which the door stays open after everybody has gone in.",
    ),
]
RelayFail = Annotated[
    Literal["shut", "open"],
    typer.Option(help="Position of the door while a camera has a fault, or nothing is watching."),
]
MetricsAddress = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="HOST:PORT",
        help="Serve numbers for Prometheus at /metrics.",
        show_default=False,
    ),
]
QueueFolder = Annotated[
    Path | None,
    typer.Option(
        "--queue",
        metavar="FOLDER",
        help="Folder of the outbox: events that wait for the webhook, the broker and the file.",
        show_default="$XDG_STATE_HOME/maskgate/watch or ~/.local/state/maskgate/watch",
    ),
]
