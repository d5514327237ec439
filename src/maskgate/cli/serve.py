"""The command serve."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from maskgate.cli import delivery_options, door_options, numbers
from maskgate.cli.app import DetectorFile, Trust, app, number
from maskgate.cli.export import bundle_of
from maskgate.core import extras
from maskgate.errors import MaskgateError


@app.command()
def serve(
    model: door_options.Model = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8000,
    certificate: Annotated[
        Path | None, typer.Option(help="Certificate for HTTPS, in PEM.", show_default=False)
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Key of the certificate.", show_default=False)
    ] = None,
    make_certificate: Annotated[
        bool,
        typer.Option(
            "--make-certificate",
            help="Make a certificate for this machine's names and addresses; browsers ask once"
            " whether to trust it.",
        ),
    ] = False,
    plain_http: Annotated[
        bool,
        typer.Option(
            "--plain-http", help="Allow HTTP beyond this machine, if something else encrypts."
        ),
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the tokens' hashes and the certificate.",
            show_default="$XDG_STATE_HOME/maskgate or ~/.local/state/maskgate",
        ),
    ] = None,
    new_token: Annotated[
        bool,
        typer.Option("--new-token", help="Make a new token; all paired browsers pair again."),
    ] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token for programs.",
            show_default="one is made and printed at the first start",
        ),
    ] = None,
    gender_and_age: Annotated[
        str | None,
        typer.Option(
            metavar="PURPOSE",
            help="Judge gender and age too, for this purpose, which pages show.",
            show_default="only masks are judged",
        ),
    ] = None,
    contact: Annotated[
        str | None,
        typer.Option(
            help="Contact for people at the door, printed on the sign at /sign.",
            show_default="a line to fill in by hand",
        ),
    ] = None,
    unsure_below: door_options.UnsureBelow = None,
    cost: numbers.CostWords = None,
    from_: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="[NAME=]SOURCE",
            help="A camera that the service reads and /kiosk shows: its number, a URL such as"
            " rtsp://…, a video, or a folder of photos; @FILE for one that a file names. Repeat"
            " it for several.",
            show_default="the browser's own camera",
        ),
    ] = None,
    policy: Annotated[
        Literal["worn", "bare"],
        typer.Option(help="Who may pass at /kiosk: people with a mask, or with a bare face."),
    ] = "worn",
    language: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODE|FILE",
            help="A language of /kiosk: en, ko, or a JSON file of your own; repeat it for several.",
            show_default="en and ko, the browser's first",
        ),
    ] = None,
    near: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=1,
            callback=number,
            help="Narrowest face in front of /kiosk, as a share of the camera's longer side.",
        ),
    ] = 0.1,
    alert_after: Annotated[
        float,
        typer.Option(
            min=1,
            max=86_400,
            callback=number,
            help="Seconds after which /kiosk calls staff for somebody who may not pass.",
        ),
    ] = 30.0,
    override_key: Annotated[
        str,
        typer.Option(help="Key at /kiosk that lets somebody in, counted; '' for none."),
    ] = "F8",
    sound: Annotated[bool, typer.Option("--sound", help="Sounds at /kiosk.")] = False,
    speech: Annotated[bool, typer.Option("--speech", help="Speech at /kiosk.")] = False,
    events: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File to append the events of /v1/events to, one JSON object on a line.",
            show_default=False,
        ),
    ] = None,
    rotate_megabytes: delivery_options.RotateMegabytes = 10.0,
    rotate_keep: delivery_options.RotateKeep = 5,
    smallest_face: door_options.SmallestFace = None,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Threads that judge photos side by side.")
    ] = 1,
    threads: door_options.Threads = 1,
    queue: Annotated[
        int, typer.Option(min=1, max=10_000, help="Photos in the queue; more are refused.")
    ] = 64,
    max_megabytes: Annotated[
        int, typer.Option(min=1, max=200, help="Largest request, all its photos together.")
    ] = 20,
    max_megapixels: Annotated[
        int, typer.Option(min=1, max=200, help="Largest photo, as its header says.")
    ] = 50,
    detector_file: DetectorFile = None,
    trust: Trust = False,
) -> None:
    """Serve verdicts on photos and camera frames over HTTP, with a page to try it.

    No photo is stored. Beyond this machine, it needs a token and HTTPS.
    """
    extras.check("door", "maskgate serve")
    costs = door_options.check(model, cost, unsure_below, trust)
    if gender_and_age is not None and not gender_and_age.strip():
        raise MaskgateError("--gender-and-age: state the purpose, which pages show")

    if from_:
        extras.check("watch", "maskgate serve --from")

    from maskgate.door.cameras import specs
    from maskgate.door.server import start
    from maskgate.door.server.kiosk_settings import KioskSettings
    from maskgate.door.server.settings import Settings
    from maskgate.door.server.start import Options

    kiosk = KioskSettings(
        policy=policy,
        costs=costs,
        languages=tuple(language or ()),
        near=near,
        alert_after=alert_after,
        override_key=override_key,
        sound=sound,
        speech=speech,
    )
    kiosk.answer()  # checks the languages
    settings = Settings(
        max_bytes=max_megabytes * 1_000_000,
        max_pixels=max_megapixels * 1_000_000,
        queue=queue,
        workers=workers,
        purpose=gender_and_age.strip() if gender_and_age else None,
        contact=contact.strip() if contact else None,
        kiosk=kiosk,
    )
    options = Options(
        model,
        host,
        port,
        settings,
        certificate=certificate,
        key=key,
        make_certificate=make_certificate,
        plain_http=plain_http,
        state=state,
        new_token=new_token,
        token_file=token_file,
        smallest_face=smallest_face,
        detector_file=detector_file,
        threads=threads,
        unsure_below=unsure_below,
        cameras=specs.parse(from_ or (), "--from"),
        events=events,
        rotate_megabytes=rotate_megabytes,
        rotate_keep=rotate_keep,
    )
    start.check(options)
    with bundle_of(model, "serve", trust) as exported:
        start.serve(replace(options, model=exported))
