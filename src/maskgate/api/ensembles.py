"""Combine runs, and write the competition's file, from Python."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from maskgate import labels
from maskgate.api.run import ModelPath, Run, model_paths
from maskgate.bundle import open_bundle
from maskgate.config import settings
from maskgate.core import files, notebook
from maskgate.core.score import Score
from maskgate.data import eval_table
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.evaluation import ensemble, ensemble_options, submission
from maskgate.evaluation.submission import SubmissionSummary
from maskgate.imaging import photo_files
from maskgate.inference import loading
from maskgate.runs import is_bundle
from maskgate.training import ensemble_run

ComponentLike = str | Mapping[str, Any]  # a name, or a dict of `name` and arguments


@dataclass(frozen=True)
class Submission:
    """A submission file that was written, and the out-of-fold `score` of what predicted it, which
    `score_of` names; None where nothing was validated."""

    path: Path
    summary: SubmissionSummary
    score: Score | None
    score_of: str

    @property
    def table(self) -> pd.DataFrame:
        """Its rows `ImageID` and `ans`, and the class of `ans` in words. Raises MaskgateError if
        the file is gone."""
        files.content(self.path, "a submission", 0)
        table = pd.read_csv(self.path, dtype={eval_table.IMAGE_ID: "str"})
        return table.assign(label=[labels.CLASSES[answer] for answer in table["ans"]])

    def _repr_html_(self) -> str:
        score = "not validated" if self.score is None else f"{self.score_of} {self.score}"
        counts = self.table["label"].value_counts(sort=False).reindex(labels.CLASSES, fill_value=0)
        rows = [(name, count) for name, count in counts.items() if count]
        return notebook.paragraph(f"{self.path}: {self.summary}; out of fold: {score}") + (
            notebook.table(["predicted class", "photos"], rows)
        )


def combine(
    *runs: ModelPath,
    out: str | os.PathLike[str],
    combine: ComponentLike | None = None,
    adjust: Sequence[ComponentLike] | None = None,
    tta: Sequence[ComponentLike] | None = None,
    cache: str | os.PathLike[str] | None = None,
    trust: bool = False,
) -> Run:
    """Ensemble finished runs, or a system's file of runs, into a new run in the folder `out`.

    `combine` says how probabilities are combined, `adjust` what is done with them afterwards, and
    `tta` replaces the recipes' test-time augmentation, as the options of `maskgate combine` do; an
    empty list is none. The run's `metrics` have the score of each member and the gain of each step.
    Raises MaskgateError where the runs cannot be combined.
    """
    paths = model_paths(runs)
    ensemble_options.check_no_bundle(paths)
    file = ensemble_options.system_file(paths)
    changes = ensemble_options.changes(file, *_texts(combine, adjust, tta))
    files.check_folder(Path(out), remedy="give another out")
    system, name = ensemble_options.requested_system(paths, file, changes)
    command = ["maskgate", "combine", *map(str, paths), *_options(combine, adjust, tta)]
    run = ensemble_run.combine(
        system,
        Path(out),
        name,
        command=shlex.join([*command, "--out", os.fspath(out)]),
        cache=None if cache is None else Path(cache),
        trust=trust,
    )
    return Run(run.path, trust)


def submit(
    *models: ModelPath,
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str] = "submission.csv",
    combine: ComponentLike | None = None,
    adjust: Sequence[ComponentLike] | None = None,
    tta: Sequence[ComponentLike] | None = None,
    cache: str | os.PathLike[str] | None = None,
    trust: bool = False,
) -> Submission:
    """Predict the photos of `data`, and write the file `out`: those that its `info.csv` lists, or
    another CSV with the column ImageID; else all photos of a folder, or some photos.

    The model is a run, an ensemble of several (see `combine`), a system's file of runs, or one
    bundle. Raises MaskgateError for a photo that cannot be read; then nothing is written.
    """
    paths, target = model_paths(models), Path(out)
    files.check_target(target)
    places = [Path(each) for each in ([data] if isinstance(data, str | os.PathLike) else data)]
    photo_files.check_photos(map(str, places))
    eval_table.find(places)
    folder = None if cache is None else Path(cache)
    texts = _texts(combine, adjust, tta)
    if len(paths) == 1 and is_bundle(paths[0]):
        ensemble_options.check_unchanged(paths[0], *texts[:2])
        changes = ensemble_options.changes(None, *texts)
        predictor = loading.load(paths[0], folder, changes.get("tta"), trust=trust)
        summary = submission.submit(predictor, str(paths[0]), places, target)
        scores = open_bundle(paths[0]).manifest.scores
        if scores is None or scores.score is None:
            return Submission(target, summary, None, "")
        return Submission(target, summary, scores.score.as_score(), scores.score_of)
    ensemble_options.check_no_bundle(paths)
    file = ensemble_options.system_file(paths)
    changes = ensemble_options.changes(file, *texts)
    system, name = ensemble_options.requested_system(paths, file, changes)
    members = ensemble.open_members(system, trust)
    fitted = ensemble.fit(members, EnsembleSpec.from_system(system), folder)
    summary = submission.submit(fitted.predictor(folder), name, places, target)
    if not fitted.steps:
        return Submission(target, summary, None, "")
    return Submission(target, summary, fitted.steps[-1].score, fitted.steps[-1].score_of)


def _text(component: ComponentLike) -> str:
    return component if isinstance(component, str) else settings.override_text(dict(component))


def _texts(
    combine: ComponentLike | None,
    adjust: Sequence[ComponentLike] | None,
    tta: Sequence[ComponentLike] | None,
) -> tuple[str | None, list[str] | None, list[str] | None]:
    """The options as the command line writes them."""
    adjust_texts, tta_texts = (
        None if components is None else [_text(each) for each in components] or ["none"]
        for components in (adjust, tta)
    )
    return None if combine is None else _text(combine), adjust_texts, tta_texts


def _options(
    combine: ComponentLike | None,
    adjust: Sequence[ComponentLike] | None,
    tta: Sequence[ComponentLike] | None,
) -> list[str]:
    """The words of the command line for these options."""
    combine_text, adjust_texts, tta_texts = _texts(combine, adjust, tta)
    words = [] if combine_text is None else ["--combine", combine_text]
    for option, texts in (("--adjust", adjust_texts), ("--tta", tta_texts)):
        words += [word for text in texts or [] for word in (option, text)]
    return words
