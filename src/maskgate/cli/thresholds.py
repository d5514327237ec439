"""The command thresholds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from maskgate.cli import numbers
from maskgate.cli.app import Cache, DetectorFile, SkipFaulty, Trust, app, check_runs, existing_data
from maskgate.cli.label_options import with_label_map
from maskgate.core import terminal
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.data.label_map import LabelMap


@app.command()
@with_label_map
def thresholds(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL] DATA",
            help="A bundle or a run folder, by default the model that is part of maskgate; then a"
            " folder of people, or a CSV of photos, with labels.",
        ),
    ],
    error: numbers.Errors = None,
    cost: numbers.ExampleCosts = None,
    policy: Annotated[
        Literal["worn", "bare"],
        typer.Option(help="Who may pass: people with a mask, or with a bare face."),
    ] = "worn",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Page to write (.html), with curves.")
    ] = None,
    skip_faulty: SkipFaulty = False,
    cache: Cache = None,
    detector_file: DetectorFile = None,
    trust: Trust = False,
    *,
    label_map: "LabelMap",
) -> None:
    """Evaluate thresholds and costs on labelled photos of your own place, and fit thresholds.

    The model must not have been trained on the photos. Give a threshold of the mask to
    `maskgate serve --unsure-below`, or the costs to its --cost.
    """
    from maskgate import bundle
    from maskgate.bundle.thresholds import ERRORS
    from maskgate.core import default_model, files

    if len(words) > 2:
        raise MaskgateError(f"{words[2]}: one word too many; give MODEL and DATA, or DATA")
    model = Path(words[0]) if len(words) == 2 else None
    if model is None:
        default_model.folder()
    elif not bundle.is_bundle(*check_runs([model])):
        from maskgate.runs import open_run

        open_run(model, trust=trust)
    data = existing_data(Path(words[-1]))
    errors = {**ERRORS, **numbers.errors(error)}
    costs = numbers.costs(cost)
    if out is not None:
        if out.suffix != ".html":
            raise MaskgateError(f"{out}: a page ends in .html; name such a file")
        files.check_target(out)
        files.check_new(out)

    from maskgate.evaluation.passing import EXAMPLE
    from maskgate.reports import thresholds as report

    options = report.Options(
        model,
        data,
        errors,
        policy=policy,
        costs=costs or EXAMPLE,
        skip_faulty=skip_faulty,
        cache=cache,
        trust=trust,
        detector_file=detector_file,
        label_map=label_map,
    )
    measured = report.measure(options)
    title = f"{'the default model' if model is None else model.name} on {data.name}"
    if out is not None:
        report.write(out, measured, title)
    terminal.show(report.plain_text(measured, title))
    for line in report.summary(measured):
        terminal.show(line)
    if out is not None:
        terminal.show(out)
