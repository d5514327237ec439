"""The command export."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from maskgate.cli import numbers
from maskgate.cli.app import Cache, Trust, app, existing_data, existing_run, typed_command
from maskgate.core import extras, terminal, units
from maskgate.core.progress import say
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.bundle.manifest import Manifest
    from maskgate.export.exporter import ExportOptions


@app.command()
def export(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|SYSTEM",
            help="A run folder, or a system file whose members are runs.",
            callback=existing_run,
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="Folder to write, or a file that ends in .zip."),
    ],
    precision: Annotated[
        Literal["fp32", "fp16", "int8"],
        typer.Option(
            help="fp16: weights in half the bytes. int8: integers, faster on many machines. The"
            " score lost is measured on out-of-fold photos."
        ),
    ] = "fp32",
    max_loss: Annotated[
        float,
        typer.Option(min=0, max=1, help="Refuse a larger loss of macro F1."),
    ] = 0.005,
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the photos that the run was trained on.",
            show_default="the folder used in training",
        ),
    ] = None,
    terms: Annotated[
        str | None,
        typer.Option(help="Terms of the training photos, for the model card."),
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(
            help="Scores of the run on other people, for the model card: a file that"
            " benchmarks/default_model.py wrote.",
        ),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Face detector in the bundle: mtcnn or yunet. A model trained with yunet still"
            " prefers it where its file is at hand.",
            show_default="that of the training",
        ),
    ] = None,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate/--no-calibrate",
            help="Have the bundle calibrate its probabilities, by temperatures fitted to the run's"
            " out-of-fold probabilities. No mask state, gender or age band changes.",
        ),
    ] = True,
    error: numbers.Errors = None,
    cache: Cache = None,
    trust: Trust = False,
) -> None:
    """Export a run as a bundle for the door: ONNX networks, face detector, manifest, model card.

    A bundle needs no torch, and can be used as MODEL in predict and submit.
    """
    from maskgate import bundle
    from maskgate.bundle import held_out as held_out_scores

    bundle.check_out(out)
    if detector is not None:
        check_detector(detector)
    if photos is not None:
        existing_data(photos)
    if held_out is not None:
        held_out_scores.read(held_out)
    targets = numbers.errors(error)
    check_model(model, trust)

    from maskgate.export import calibration, precision_loss, thresholds
    from maskgate.export.exporter import ExportOptions

    options = ExportOptions(
        out,
        precision,
        max_loss=max_loss,
        photos=photos,
        terms=terms,
        held_out=held_out,
        detector=detector,
        calibrate=calibrate,
        errors=targets,
        cache=cache,
    )
    manifest = export_model(model, options, trust)
    if manifest.loss is not None:
        terminal.show(precision_loss.line(manifest.loss, manifest.precision))
        if text := precision_loss.warning(manifest.loss):
            say(text)
    if manifest.calibration is not None:
        terminal.show(calibration.line(manifest.calibration))
    for name, fitted in manifest.thresholds.items():
        terminal.show(thresholds.line(name, fitted))
    size = sum(entry.bytes for entry in manifest.files.values())
    count = len(list(manifest.networks()))
    networks = f"{count} network{'' if count == 1 else 's'}"
    terminal.show(f"{out}: {networks}, {units.size(size)}; model card in {bundle.card_of(out)}")


def check_model(model: Path, trust: bool) -> None:
    """Raise MaskgateError unless it is a run that can be read, or a system's file of runs. Imports
    nothing heavy."""
    from maskgate import bundle
    from maskgate.evaluation import ensemble_options
    from maskgate.runs import open_run

    if bundle.is_bundle(model) or ensemble_options.system_file([model]) is None:
        open_run(model, trust=trust)


@contextmanager
def bundle_of(model: Path | None, command: str, trust: bool) -> Iterator[Path | None]:
    """The bundle that a command runs: the model itself, or a run or a system exported for as long
    as the context lasts. None is the default model. Raises MaskgateError."""
    from maskgate import bundle

    if model is None or bundle.is_bundle(model):
        yield model
        return
    with TemporaryDirectory(prefix="maskgate-") as temporary:
        out = Path(temporary) / (model.resolve().name if model.is_dir() else model.stem)
        with extras.needed_by(f"maskgate {command} {model}: a run, not a bundle, so it"):
            from maskgate.export.exporter import ExportOptions

            options = ExportOptions(out, has_reference=False)
            say(f"{model}: is exported first; maskgate export makes a bundle, which starts at once")
            export_model(model, options, trust)
        yield out


def export_model(model: Path, options: "ExportOptions", trust: bool) -> "Manifest":
    """Export a run, or the system of a file, which is combined first. Raises MaskgateError."""
    from maskgate.evaluation import ensemble_options
    from maskgate.export import exporter
    from maskgate.runs import open_run

    file = ensemble_options.system_file([model])
    if file is None:
        return exporter.export(open_run(model, trust=trust), options)

    from maskgate.training import ensemble_run

    system, name = ensemble_options.requested_system([model], file, {})
    with TemporaryDirectory(prefix="maskgate-") as temporary:
        run = ensemble_run.combine(
            system,
            Path(temporary) / name,
            name,
            command=typed_command(),
            cache=options.cache,
            trust=trust,
        )
        return exporter.export(run, options)


def check_detector(name: str) -> None:
    """Raise MaskgateError unless a bundle can hold the face detector of that name."""
    from maskgate.bundle.manifest import DETECTOR_FILES
    from maskgate.config.settings import Component
    from maskgate.faces import detectors

    detectors.check(Component(name=name))
    if name not in DETECTOR_FILES:
        raise MaskgateError(
            f"--detector {name}: cannot be in a bundle; give {' or '.join(DETECTOR_FILES)}"
        )
