"""Commands that ensemble runs: combine, submit."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskgate.cli.app import Cache, Trust, app, check_runs, typed_command
from maskgate.core import terminal
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.config.settings import Component

Runs = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN|SYSTEM...",
        help="Run folders, or a system file whose members are runs.",
        callback=check_runs,
    ),
]
Combine = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="How probabilities are combined: soft_vote, hard_vote, attributes, weights, stacking.",
        show_default="soft_vote, or attributes if runs predict only some",
    ),
]
Adjust = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Adjustment afterwards: calibrate, calibrate_vector, offsets, near_tie or none; repeat"
        " for several, in order. With an argument: {name: near_tie, within: 0.2}.",
    ),
]
Tta = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Test-time augmentation instead of the recipes': flip, crops, sizes, or none.",
    ),
]


@app.command()
def combine(
    runs: Runs,
    out: Annotated[Path, typer.Option("--out", "-o", help="Run folder to write.")],
    combine: Combine = None,
    adjust: Adjust = None,
    tta: Tta = None,
    cache: Cache = None,
    trust: Trust = False,
) -> None:
    """Ensemble finished runs into one run, with out-of-fold scores of each and of the ensemble.

    What is fitted (weights, stacking, offsets, calibrate) is scored on people held out from the
    fit.
    """
    from maskgate.core import files
    from maskgate.evaluation import ensemble_options

    ensemble_options.check_no_bundle(runs)
    file = ensemble_options.system_file(runs)
    changes = ensemble_options.changes(file, combine, adjust, tta)
    files.check_folder(out, remedy="give another --out")

    from maskgate.reports import score_table
    from maskgate.training import ensemble_run

    system, name = ensemble_options.requested_system(runs, file, changes)
    run = ensemble_run.combine(system, out, name, command=typed_command(), cache=cache, trust=trust)
    results = run.metrics()
    score_table.show(results.members, results.steps)
    terminal.show(f"{run.path}: report in {run.report_file}")


@app.command()
def submit(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN|SYSTEM|BUNDLE... EVAL",
            help="Run folders, a system file whose members are runs, or one bundle; then the folder"
            " with info.csv and images/, any other folder of photos, a CSV with the column ImageID,"
            " or photos. SM_CHANNEL_MODEL and SM_CHANNEL_EVAL stand in for either.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File to write.",
            show_default="$SM_OUTPUT_DATA_DIR/output.csv or submission.csv",
        ),
    ] = None,
    combine: Combine = None,
    adjust: Adjust = None,
    tta: Tta = None,
    cache: Cache = None,
    trust: Trust = False,
) -> None:
    """Predict the photos of EVAL with one run or an ensemble of several, and write ImageID,ans.

    The order is that of EVAL's info.csv, or without one that of the photos' names. ans is the
    class, 0 to 17: 6 x mask (wear, incorrect, not_wear) + 3 x gender (male, female) + age band.

    Prints the out-of-fold score of each run and of the ensemble, and photos per second.
    """
    from maskgate.core import files
    from maskgate.evaluation import ensemble_options
    from maskgate.imaging import photo_files

    folder = os.environ.get("SM_OUTPUT_DATA_DIR")
    target = out or (Path(folder, "output.csv") if folder else Path("submission.csv"))
    runs, data = _runs_and_eval(paths or [])
    files.check_target(target)
    check_runs(runs)
    is_bundle = len(runs) == 1 and _is_bundle(runs[0])
    if is_bundle:
        ensemble_options.check_unchanged(runs[0], combine, adjust)
    else:
        ensemble_options.check_no_bundle(runs)
    file = None if is_bundle else ensemble_options.system_file(runs)
    changes = ensemble_options.changes(file, combine, adjust, tta)
    photo_files.check_photos(map(str, data))

    from maskgate.data import eval_table

    eval_table.find(data)
    if is_bundle:
        _submit_bundle(runs[0], data, target, changes.get("tta"))
        return

    from maskgate.ensemble.combining import EnsembleSpec
    from maskgate.evaluation import ensemble, submission
    from maskgate.reports import score_table

    system, name = ensemble_options.requested_system(runs, file, changes)
    spec = EnsembleSpec.from_system(system)
    fitted = ensemble.fit(ensemble.open_members(system, trust), spec, cache)
    speed = submission.submit(fitted.predictor(cache), name, data, target)
    (only_member, *others) = fitted.members
    is_unchanged = not (others or spec.learns or spec.adjust or only_member.tta is not None)
    if is_unchanged and only_member.run.is_system:
        results = only_member.run.metrics()
        score_table.show(results.members, results.steps)  # its members, and the gain of each step
    else:
        score_table.show(fitted.member_records, fitted.step_records)
    terminal.show(f"{target}: {speed}")


def _submit_bundle(
    path: Path, data: list[Path], target: Path, tta: "tuple[Component, ...] | None"
) -> None:
    """Submit with a bundle, for which the base install is enough."""
    from maskgate.bundle import open_bundle
    from maskgate.evaluation import submission
    from maskgate.inference import loading

    predictor = loading.load(path, tta=tta)
    speed = submission.submit(predictor, str(path), data, target)
    scores = open_bundle(path).manifest.scores
    if scores is not None and scores.score is not None:
        terminal.show(f"{path}: out-of-fold {scores.score_of} {scores.score}")
    terminal.show(f"{target}: {speed}")


def _runs_and_eval(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """The runs and EVAL, of which only photos may be several. What is left out comes from the
    competition's own variables."""
    model, data = (os.environ.get(f"SM_CHANNEL_{name}") for name in ("MODEL", "EVAL"))
    if data and (not paths or _is_model(paths[-1])):
        paths = [*paths, Path(data)]
    count = 1
    while count < len(paths) and all(_is_photo(path) for path in paths[-count - 1 :]):
        count += 1
    if model and len(paths) == count:
        paths = [Path(model), *paths]
    if len(paths) <= count:
        raise MaskgateError(
            "give one run or several, and then EVAL, the folder with info.csv and images/; or set"
            " SM_CHANNEL_MODEL and SM_CHANNEL_EVAL to them"
        )
    return paths[:-count], paths[-count:]


def _is_photo(path: Path) -> bool:
    from maskgate.imaging import photo_files

    return photo_files.has_photo_suffix(path.name) and not path.is_dir()


def _is_model(path: Path) -> bool:
    has_run = any(path.glob("run.json")) or any(path.glob("*/run.json"))
    is_file = path.is_file() and not _is_photo(path) and path.suffix.lower() != ".csv"
    return is_file or has_run or _is_bundle(path)


def _is_bundle(path: Path) -> bool:
    from maskgate.runs import is_bundle

    return is_bundle(path)
