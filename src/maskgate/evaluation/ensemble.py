"""An ensemble of finished runs: fit their combination, and score it out of fold."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.config.settings import Component
from maskgate.config.system import Member, System
from maskgate.core.progress import track
from maskgate.core.score import Score
from maskgate.ensemble import combining
from maskgate.ensemble.combining import Combination, EnsembleSpec
from maskgate.ensemble.learning import combinations
from maskgate.ensemble.votes import Floats, MemberProbabilities
from maskgate.errors import MaskgateError
from maskgate.evaluation import calibration, metrics, oof
from maskgate.evaluation.bootstrap import Resamples
from maskgate.imaging.tta import tta_views
from maskgate.inference import loading
from maskgate.inference.classifier import Ensemble
from maskgate.inference.predictor import Predictor
from maskgate.model import heads
from maskgate.runs import RunFolder, comparability, open_run, tables
from maskgate.runs.records import results
from maskgate.runs.records.results import Figure


@dataclass(frozen=True)
class MemberRun:
    """A finished run in an ensemble, its weight, and its test-time augmentation where that is not
    its recipe's."""

    name: str
    run: RunFolder
    weight: float = 1.0
    tta: tuple[Component, ...] | None = None


@dataclass(frozen=True)
class Step:
    """The output of the combination, or of an adjustment: probabilities (N, 18), their score,
    which `score_of` names, the `gain` over the step or member `before`, and the expected
    calibration errors by attribute."""

    name: str
    probabilities: npt.NDArray[np.float32]
    score: Score
    score_of: str
    before: str = ""
    gain: Score | None = None
    calibration_errors: Mapping[str, Score] = field(default_factory=dict)

    @property
    def record(self) -> results.Step:
        """What metrics.json holds of it."""
        score = Figure.from_score(self.score)
        errors = {name: Figure.from_score(error) for name, error in self.calibration_errors.items()}
        record = results.Step.model_validate(
            {"name": self.name, "score": score, "score_of": self.score_of,
             "calibration_errors": errors}
        )  # fmt: skip
        if self.gain is None:
            return record
        gain = {"before": self.before, "gain": Figure.from_score(self.gain)}
        return record.model_copy(update=gain)


@dataclass(frozen=True)
class FittedEnsemble:
    """Members with the combination fitted to them. Where they validated people: the `table` of the
    photos (N), the `scores` of the members, which `score_of` names, and the `steps`, out of
    fold."""

    members: Sequence[MemberRun]
    combination: Combination
    table: pd.DataFrame | None = None
    scores: Sequence[Score] = ()
    score_of: Sequence[str] = ()
    steps: Sequence[Step] = ()

    def predictor(self, cache: Path | None = None) -> Predictor:
        """The predictor that combines all members. Raises MaskgateError."""
        classifiers = [
            (loading.of_run(member.run, cache, member.tta), member.weight)
            for member in self.members
        ]
        return Predictor(Ensemble(classifiers, self.combination))

    @property
    def member_records(self) -> dict[str, results.Member]:
        """What metrics.json holds of each member."""
        return {
            member.name: results.Member(score=Figure.from_score(score), score_of=score_of)
            for member, score, score_of in zip(
                self.members, self.scores, self.score_of, strict=False
            )
        }

    @property
    def step_records(self) -> list[results.Step]:
        """What metrics.json holds of each step."""
        return [step.record for step in self.steps]


def fit(
    members: Sequence[MemberRun], spec: EnsembleSpec, cache: Path | None = None
) -> FittedEnsemble:
    """Combine the members and score them out of fold. Raises MaskgateError as `check` does."""
    check(members, spec)
    if not all(member.run.metrics().validated for member in members):
        return FittedEnsemble(members, Combination(spec, {}))
    table, probabilities = member_probabilities(members, cache)
    combined = [
        step.astype(np.float32) for step in combinations.out_of_fold(spec, probabilities, table)
    ]
    combination = combinations.learn(spec, probabilities, table)
    scores, steps = _score(members, probabilities, spec, combined=combined, table=table)
    return FittedEnsemble(
        members=members,
        combination=combination,
        table=table,
        scores=scores,
        score_of=[
            metrics.main_score_name(metrics.keep_labels(table, each.attributes))
            for each in probabilities
        ],
        steps=steps,
    )


def check(members: Sequence[MemberRun], spec: EnsembleSpec) -> None:
    """Raise MaskgateError where the members cannot be combined so, were validated on other photos
    or folds, or where the combination must be learned and they have no validation people."""
    combining.check(spec, [attributes(member.run) for member in members])
    unvalidated = [member.run.path for member in members if not member.run.metrics().validated]
    if unvalidated and spec.learns:
        raise MaskgateError(
            f"{unvalidated[0]}: has no validation people, and {', '.join(spec.names)} must be"
            " learned from people left out; train it with folds, or combine by soft_vote or"
            " hard_vote"
        )
    first = None if unvalidated else comparability.validation_set(members[0].run)
    for member in members:
        _check_not_learned(member, spec)
        for run in _models(member.run):
            recipe = run.recipe()
            tta_views(member.tta or (), recipe.photo.geometry)
            if spec.learns and recipe.folds.vote == "hard_vote" and len(run.folds) > 1:
                raise MaskgateError(
                    f"{run.path}: its folds predict new photos by a hard vote, but"
                    f" {', '.join(spec.names)} would be learned from the folds' own probabilities;"
                    " train it with folds.vote=soft_vote"
                )
        if first is not None:
            comparability.check(first, comparability.validation_set(member.run))


def _check_not_learned(member: MemberRun, spec: EnsembleSpec) -> None:
    """Raise MaskgateError where a member was itself fitted to out-of-fold probabilities.

    Its probabilities of one fold then depend on the labels of the other folds. A combination that
    is fitted to them again would be scored on labels that it was fitted to.
    """
    learned = [run for run in _systems(member.run) if EnsembleSpec.from_system(run.system()).learns]
    if learned and (spec.learns or member.tta is not None):
        raise MaskgateError(
            f"{learned[0].path}: is itself learned from out-of-fold probabilities; give its members"
            " instead"
        )


def _models(run: RunFolder) -> list[RunFolder]:
    """The runs of single models in a run."""
    if not run.is_system:
        return [run]
    return [inner for member in run.members() for inner in _models(member)]


def _systems(run: RunFolder) -> list[RunFolder]:
    """The runs of systems in a run, itself among them."""
    if not run.is_system:
        return []
    return [run, *(inner for member in run.members() for inner in _systems(member))]


def system_of(paths: Sequence[Path]) -> System:
    """A system of the finished runs at `paths`, named after their folders: a soft vote, or by
    attribute where some predict only one or two. Raises MaskgateError."""
    runs = [open_run(path) for path in paths]
    places = [run.path.resolve() for run in runs]
    names: list[str] = []
    for run, place in zip(runs, places, strict=True):
        if places.count(place) > 1:
            raise MaskgateError(f"{run.path}: is given twice; give every run once")
        bare = re.sub(r"[^a-z0-9]+", "-", place.name.lower()).strip("-") or "run"
        numbered = (f"{bare}-{number}" for number in count(2))
        names.append(next(name for name in chain([bare], numbered) if name not in names))
    complete = all(set(attributes(run)) == set(labels.ATTRIBUTES) for run in runs)
    members = (Member(name=name, run=str(run.path)) for name, run in zip(names, runs, strict=True))
    combine = Component(name="soft_vote" if complete else "attributes")
    return System(members=tuple(members), combine=combine)


def attributes(run: RunFolder) -> tuple[str, ...]:
    """The attributes that a finished run's model predicts."""
    models = [heads.attributes(model.recipe().model.head) for model in _models(run)]
    return tuple(name for name in labels.ATTRIBUTES if any(name in each for each in models))


def member_probabilities(
    members: Sequence[MemberRun], cache: Path | None = None
) -> tuple[pd.DataFrame, list[MemberProbabilities]]:
    """The validated photos (N) in the order of the first member, and each member's out-of-fold
    probabilities (N, 18). Raises MaskgateError as `oof.oof_with` does."""
    table = pd.DataFrame()
    in_order: list[MemberProbabilities] = []
    for member in members:
        rows, probabilities = _member_oof(member, cache)
        if not in_order:
            table = rows
        place = pd.Index(rows["photo"]).get_indexer(pd.Index(table["photo"]))
        in_order.append(
            MemberProbabilities(probabilities[place], attributes(member.run), member.weight)
        )
    return table, in_order


def _member_oof(member: MemberRun, cache: Path | None) -> tuple[pd.DataFrame, Floats]:
    """A member's validated photos and their probabilities, with its own augmentation."""
    if member.tta is None:
        return tables.oof(member.run)
    if not member.run.is_system:
        return oof.oof_with(member.run, member.tta, cache)
    spec = EnsembleSpec.from_system(member.run.system())
    inner = fit(member_runs(member.run, member.tta), spec, cache)
    assert inner.table is not None
    return inner.table, inner.steps[-1].probabilities


def open_members(system: System, trust: bool = False) -> list[MemberRun]:
    """The members of a system of runs, which the user may `trust`. Raises MaskgateError."""
    runs = [open_run(str(member.run), trust=trust) for member in system.members]
    return _with_weights(system, runs)


def member_runs(run: RunFolder, tta: tuple[Component, ...] | None = None) -> list[MemberRun]:
    """The members of a system's run, with `tta` instead of their own where given."""
    members = _with_weights(run.system(), run.members())
    return members if tta is None else [replace(member, tta=tta) for member in members]


def _with_weights(system: System, runs: Sequence[RunFolder]) -> list[MemberRun]:
    return [
        MemberRun(member.name, run, member.weight, member.tta)
        for member, run in zip(system.members, runs, strict=True)
    ]


def _score(
    members: Sequence[MemberRun],
    probabilities: Sequence[MemberProbabilities],
    spec: EnsembleSpec,
    combined: Sequence[npt.NDArray[np.float32]],
    table: pd.DataFrame,
) -> tuple[list[Score], list[Step]]:
    """The score of each member, and the steps; the first is compared with the best member."""
    weights = Resamples(table, metrics.RESAMPLES, seed=0)
    alone = [
        metrics.main_score(each.probabilities, metrics.keep_labels(table, each.attributes), weights)
        for each in track(probabilities, "scoring members", len(probabilities))
    ]
    scores = [metrics.interval(*each) for each in alone]
    complete = [
        number
        for number, each in enumerate(probabilities)
        if set(each.attributes) == set(labels.ATTRIBUTES)
    ]
    best = max(complete, key=lambda number: alone[number][0]) if complete else None
    before, before_score = ("", None) if best is None else (members[best].name, alone[best])
    steps = []
    for name, step_probabilities in zip(spec.names, combined, strict=True):
        value, drawn = metrics.main_score(step_probabilities, table, weights)
        gain = None
        if before_score is not None:
            gain = metrics.interval(value - before_score[0], drawn - before_score[1])
        steps.append(
            Step(
                name=name,
                probabilities=step_probabilities,
                score=metrics.interval(value, drawn),
                score_of=metrics.main_score_name(table),
                before=before if gain else "",
                gain=gain,
                calibration_errors=calibration.errors(step_probabilities, table, weights),
            )
        )
        before, before_score = name, (value, drawn)
    return scores, steps
