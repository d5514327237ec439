"""Commands that ensemble runs: combine, submit."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskgate.cli.app import Cache, Trust, app, check_runs, typed_command
from maskgate.core import terminal
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.config.settings import Component
    from maskgate.config.system import System

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

    _check_runs_alone(runs)
    file = system_file(runs)
    changes = _changes(file, combine, adjust, tta)
    files.check_folder(out, remedy="give another --out")

    from maskgate.reports import score_table
    from maskgate.training import ensemble_run

    system, name = requested_system(runs, file, changes)
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

    The order is that of EVAL's info.csv, or without one that of the photos' names.

    Prints the out-of-fold score of each run and of the ensemble, and photos per second.
    """
    from maskgate.core import files
    from maskgate.imaging import photo_files

    folder = os.environ.get("SM_OUTPUT_DATA_DIR")
    target = out or (Path(folder, "output.csv") if folder else Path("submission.csv"))
    runs, data = _runs_and_eval(paths or [])
    files.check_target(target)
    check_runs(runs)
    is_bundle = len(runs) == 1 and _is_bundle(runs[0])
    if is_bundle and (combine, adjust) != (None, None):
        raise MaskgateError(
            f"{runs[0]}: a bundle combines its networks as it was exported; leave out --combine and"
            " --adjust, or give runs"
        )
    if not is_bundle:
        _check_runs_alone(runs)
    file = None if is_bundle else system_file(runs)
    changes = _changes(file, combine, adjust, tta)
    photo_files.check_photos(map(str, data))

    from maskgate.data import eval_table

    eval_table.find(data)
    if is_bundle:
        _submit_bundle(runs[0], data, target, changes.get("tta"))
        return

    from maskgate.ensemble.combining import EnsembleSpec
    from maskgate.evaluation import ensemble, submission
    from maskgate.reports import score_table

    system, name = requested_system(runs, file, changes)
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


def _check_runs_alone(runs: list[Path]) -> None:
    """Raise MaskgateError if there is a bundle among the runs."""
    from maskgate.runs import bundle_error

    if bundle := next(filter(_is_bundle, runs), None):
        raise bundle_error(bundle)


def system_file(runs: list[Path]) -> "tuple[Path, System] | None":
    """The system file among the paths, if there is one, and its system. Raises MaskgateError."""
    from maskgate.config import system as systems

    file = next((path for path in runs if path.is_file()), None)
    if file is None:
        return None
    if len(runs) > 1:
        raise MaskgateError(
            f"{file}: give a system's file alone; or turn it into a run with maskgate combine,"
            " and give that run with the others"
        )
    system = systems.load(file, [])
    if not system.is_of_runs:
        raise MaskgateError(
            f"{file}: its members are recipes; train it with maskgate train, and give the run"
        )
    return file, system


def _changes(
    file: "tuple[Path, System] | None",
    combine: str | None,
    adjust: list[str] | None,
    tta: list[str] | None,
) -> dict[str, Any]:
    """The options `combine`, `adjust` and `tta`, each if it is given. Raises MaskgateError for an
    unknown name in the options or in the system's file."""
    from maskgate.config import settings
    from maskgate.ensemble import combining
    from maskgate.ensemble.combining import EnsembleSpec
    from maskgate.imaging.tta import check_tta

    changes: dict[str, Any] = {}
    if combine is not None:
        changes["combine"] = settings.parse_component(combine)
    for option, names in (("adjust", adjust), ("tta", tta)):
        if names is not None:
            changes[option] = (
                () if names == ["none"] else tuple(map(settings.parse_component, names))
            )
    spec = (
        EnsembleSpec(settings.Component(name="soft_vote"))
        if file is None
        else EnsembleSpec.from_system(file[1])
    )
    combining.check_names(
        EnsembleSpec(changes.get("combine", spec.combine), changes.get("adjust", spec.adjust))
    )
    tta_settings = [changes["tta"]] if "tta" in changes else []
    if file is not None and not tta_settings:
        tta_settings = [member.tta or () for member in file[1].members]
    for each in tta_settings:
        check_tta(each)
    return changes


def requested_system(
    runs: list[Path], file: "tuple[Path, System] | None", changes: dict[str, Any]
) -> "tuple[System, str]":
    """The system of runs that the command line describes, and its name."""
    from maskgate.config import system as systems
    from maskgate.evaluation import ensemble

    system = ensemble.system_of(runs) if file is None else file[1]
    name = "+".join(member.name for member in system.members) if file is None else file[0].stem
    system_changes = {key: value for key, value in changes.items() if key != "tta"}
    if "tta" in changes:
        system_changes["members"] = tuple(
            member.model_copy(update={"tta": changes["tta"]}) for member in system.members
        )
    return systems.apply_changes(system, system_changes), name
