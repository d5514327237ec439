"""The command distill."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskgate.cli.app import (
    Cache,
    Changes,
    CheckpointSeconds,
    DataOrChange,
    RecipeName,
    SkipFaulty,
    Trust,
    Workers,
    app,
    checked_recipe,
    data_and_overrides,
    existing_run,
    number,
    typed_command,
    unlabelled_folder,
)
from maskgate.cli.label_options import with_label_map
from maskgate.core import terminal
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.data.label_map import LabelMap


@app.command()
@with_label_map
def distill(
    teacher: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="The teacher: a run folder, such as that of a system or of combine.",
            callback=existing_run,
        ),
    ],
    recipe: RecipeName,
    data: DataOrChange = None,
    overrides: Changes = None,
    single: Annotated[
        Path | None,
        typer.Option(
            help="Run of a single model to compare with, such as the recipe's without a teacher.",
            show_default="the teacher's best member",
            callback=existing_run,
        ),
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            metavar="PHOTOS",
            help="Folder of photos without labels to learn from, too: RUN's probabilities, and"
            " labels of the single model where it is sure.",
            show_default=False,
            callback=unlabelled_folder,
        ),
    ] = None,
    weight: Annotated[
        float,
        typer.Option(
            min=0.01, max=1, callback=number,
            help="Weight of the teacher's probabilities; the labels have the rest.",
        ),
    ] = 0.5,
    temperature: Annotated[
        float,
        typer.Option(
            min=0.1, max=100, callback=number, help="Temperature that softens the probabilities."
        ),
    ] = 2.0,
    out_of_fold: Annotated[
        bool,
        typer.Option(
            "--out-of-fold",
            help="Learn RUN's stored out-of-fold probabilities, so that no network of it is run."
            " The student's own score is then too high.",
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Run folder.", show_default="<runs>/<recipe>-<hash>")
    ] = None,
    runs: Annotated[
        Path, typer.Option(envvar="SM_MODEL_DIR", help="Folder of run folders.")
    ] = Path("runs"),
    cache: Cache = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Try every step on at most 64 photos, in seconds.")
    ] = False,
    skip_faulty: SkipFaulty = False,
    workers: Workers = 0,
    checkpoint_seconds: CheckpointSeconds = 60.0,
    trust: Trust = False,
    *,
    label_map: "LabelMap",
) -> None:  # fmt: skip
    """Distil an ensemble into one model: train a recipe on RUN's probabilities and the labels, on
    RUN's folds. Repeat the command to resume.

    Prints what the student keeps of the ensemble's gain over a single model, and how much faster it
    is.
    """
    from maskgate import bundle
    from maskgate import runs as run_folders
    from maskgate.core import files
    from maskgate.inference import recipe_check, teachers
    from maskgate.training.options import TrainOptions

    folder, changes = data_and_overrides(data, overrides, label_map)
    path, loaded = checked_recipe(recipe, changes)
    for change in changes:
        if change.startswith("folds") and not change.startswith("folds.vote="):
            raise MaskgateError(f"{change}: the student keeps the teacher's folds; leave it out")
    for path_of_run in [teacher] if single is None else [teacher, single]:
        if bundle.is_bundle(path_of_run):
            raise run_folders.bundle_error(path_of_run)
        if path_of_run.is_file():
            raise MaskgateError(
                f"{path_of_run}: is a file; give a run, which maskgate combine makes of it"
            )
    teacher_run = run_folders.open_run(teacher, trust)
    if out is not None:
        files.check_folder(out, remedy="give another --out")
    else:
        files.check_folder(runs, remedy="give another --runs")
    single_run = (
        teachers.best_member(teacher_run)
        if single is None
        else run_folders.open_model(single, trust)
    )
    student = teachers.student(
        loaded,
        teacher_run,
        weight=weight,
        temperature=temperature,
        out_of_fold=out_of_fold,
        pseudo=None if unlabelled is None else (single_run.path, unlabelled),
    )
    recipe_check.check(student, path.stem)
    options = TrainOptions(
        name=path.stem,
        data=folder,
        out=out,
        runs=runs,
        cache=cache,
        smoke=smoke,
        skip_faulty=skip_faulty,
        workers=workers,
        checkpoint_seconds=checkpoint_seconds,
        command=typed_command(),
        trust=trust,
    )

    from maskgate.reports import distillation as report
    from maskgate.studies import distillation
    from maskgate.training import scoring

    student_run = distillation.train(student, options, teacher_run, single_run)
    if os.environ.get("RANK", "0") == "0":  # of the processes that `torchrun` started
        terminal.show(scoring.summary(student_run))
        if (record := student_run.distillation()) is not None:
            report.show(record)
