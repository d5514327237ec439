"""Several runs that answer together: what each says, what is learned of it, what it is worth."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from maskgate.ensemble.votes import Floats, Voice
from maskgate.errors import MaskgateError
from maskgate.evaluation import metrics, oof
from maskgate.evaluation.bootstrap import Resamples
from maskgate.imaging.tta import tta_views
from maskgate.inference import loading
from maskgate.inference.classifier import Ensemble
from maskgate.inference.predictor import Predictor
from maskgate.model import heads
from maskgate.runs import Run, comparability, open_run, tables
from maskgate.runs.records import results
from maskgate.runs.records.results import Figure


@dataclass(frozen=True)
class Part:
    """A finished run among several, its weight, and its test-time augmentation where that is
    another than its recipe's."""

    name: str
    run: Run
    weight: float = 1.0
    tta: tuple[Component, ...] | None = None


@dataclass(frozen=True)
class Step:
    """What comes out of the combination, or of an adjustment: probabilities (N, 18), their score
    as `score_of` tells, and the `gain` over what stood `before`."""

    name: str
    probabilities: npt.NDArray[np.float32]
    score: Score
    score_of: str
    before: str = ""
    gain: Score | None = None

    @property
    def result(self) -> results.Step:
        """What metrics.json holds of it."""
        result = results.Step(name=self.name, score=Figure.of(self.score), score_of=self.score_of)
        if self.gain is None:
            return result
        over = {"before": self.before, "gain": Figure.of(self.gain)}
        return result.model_copy(update=over)


@dataclass(frozen=True)
class Together:
    """Parts with the combination they have learned; where they validated people, the `table` of the
    photos (N), the `scores` of each part as `score_of` tells, and the `steps`, out of fold."""

    parts: Sequence[Part]
    combination: Combination
    table: pd.DataFrame | None = None
    scores: Sequence[Score] = ()
    score_of: Sequence[str] = ()
    steps: Sequence[Step] = ()

    def predictor(self, cache: Path | None = None) -> Predictor:
        """What answers photos as all of them together do. Raises MaskgateError."""
        members = [(loading.of_run(part.run, cache, part.tta), part.weight) for part in self.parts]
        return Predictor(Ensemble(members, self.combination))

    @property
    def members(self) -> dict[str, results.Member]:
        """What metrics.json holds of each part."""
        return {
            part.name: results.Member(score=Figure.of(score), score_of=of)
            for part, score, of in zip(self.parts, self.scores, self.score_of, strict=False)
        }

    @property
    def step_results(self) -> list[results.Step]:
        """What metrics.json holds of each step."""
        return [step.result for step in self.steps]


def gather(members: Sequence[Part], how: EnsembleSpec, cache: Path | None = None) -> Together:
    """Let the parts answer together. Raises MaskgateError as `check` does."""
    check(members, how)
    if not all(part.run.metrics().validated for part in members):
        return Together(members, Combination(how, {}))
    table, voices = out_of_fold(members, cache)
    found = [each.astype(np.float32) for each in combinations.out_of_fold(how, voices, table)]
    combination = combinations.learn(how, voices, table)
    scores, steps = _scored(members, voices, how, found=found, table=table)
    of = [metrics.judged_by(metrics.narrowed(table, voice.attributes)) for voice in voices]
    return Together(
        parts=members, combination=combination, table=table, scores=scores, score_of=of, steps=steps
    )


def check(members: Sequence[Part], how: EnsembleSpec) -> None:
    """Raise MaskgateError where the parts cannot be combined so, were not validated alike, or
    where something is to be learned and they validated nobody."""
    combining.check(how, [attributes(part.run) for part in members])
    unvalidated = [part.run.path for part in members if not part.run.metrics().validated]
    if unvalidated and how.learns:
        raise MaskgateError(
            f"{unvalidated[0]}: validated nobody, and {', '.join(how.names)} has something to learn"
            " of people left out; train it with folds, or combine by soft_vote or hard_vote"
        )
    first = None if unvalidated else comparability.of(members[0].run)
    for part in members:
        _check_learned(part, how)
        for run in _models(part.run):
            recipe = run.recipe()
            tta_views(part.tta or (), recipe.photo.geometry)
            if how.learns and recipe.folds.vote == "hard_vote" and len(run.folds) > 1:
                raise MaskgateError(
                    f"{run.path}: its folds answer new photos by a hard vote, which is not what"
                    f" {', '.join(how.names)} would learn of out of fold; train it with"
                    " folds.vote=soft_vote"
                )
        if first is not None:
            comparability.check(first, comparability.of(part.run))


def _check_learned(part: Part, how: EnsembleSpec) -> None:
    """Raise MaskgateError where a part has learned of out-of-fold probabilities itself.

    What it says of one fold was then learned of the labels of the others: whoever learns of that
    again reads back what it is scored on.
    """
    learned = [run for run in _systems(part.run) if EnsembleSpec.of(run.system()).learns]
    if learned and (how.learns or part.tta is not None):
        raise MaskgateError(
            f"{learned[0].path}: has learned of its members' out-of-fold probabilities; give its"
            " members themselves"
        )


def _models(run: Run) -> list[Run]:
    """The runs of single models in a run."""
    if not run.is_system:
        return [run]
    return [inner for member in run.members() for inner in _models(member)]


def _systems(run: Run) -> list[Run]:
    """The runs of systems in a run, itself among them."""
    if not run.is_system:
        return []
    return [run, *(inner for member in run.members() for inner in _systems(member))]


def system_of(paths: Sequence[Path]) -> System:
    """A system of the finished runs at `paths`, called by their folders: a soft vote, or by
    attribute where some know but one or two. Raises MaskgateError."""
    runs = [open_run(path) for path in paths]
    places = [run.path.resolve() for run in runs]
    names: list[str] = []
    for run, place in zip(runs, places, strict=True):
        if places.count(place) > 1:
            raise MaskgateError(f"{run.path}: is given twice; give every run once")
        bare = re.sub(r"[^a-z0-9]+", "-", place.name.lower()).strip("-") or "run"
        numbered = (f"{bare}-{number}" for number in count(2))
        names.append(next(name for name in chain([bare], numbered) if name not in names))
    every = all(set(attributes(run)) == set(labels.ATTRIBUTES) for run in runs)
    members = (Member(name=name, run=str(run.path)) for name, run in zip(names, runs, strict=True))
    combine = Component(name="soft_vote" if every else "attributes")
    return System(members=tuple(members), combine=combine)


def attributes(run: Run) -> tuple[str, ...]:
    """The attributes that a finished run's model knows."""
    models = [heads.attributes(model.recipe().model.head) for model in _models(run)]
    return tuple(name for name in labels.ATTRIBUTES if any(name in each for each in models))


def out_of_fold(
    members: Sequence[Part], cache: Path | None = None
) -> tuple[pd.DataFrame, list[Voice]]:
    """The validated photos (N) in the order of the first part, and the out-of-fold probabilities
    (N, 18) of each part. Raises MaskgateError as `oof.oof_with` does."""
    table = pd.DataFrame()
    voices: list[Voice] = []
    for part in members:
        rows, probabilities = _out_of_fold(part, cache)
        if not voices:
            table = rows
        place = pd.Index(rows["photo"]).get_indexer(pd.Index(table["photo"]))
        voices.append(Voice(probabilities[place], attributes(part.run), part.weight))
    return table, voices


def _out_of_fold(part: Part, cache: Path | None) -> tuple[pd.DataFrame, Floats]:
    """The validated photos of a part and what it says of them, with its own augmentation."""
    if part.tta is None:
        return tables.oof(part.run)
    if not part.run.is_system:
        return oof.oof_with(part.run, part.tta, cache)
    inner = gather(trained(part.run, part.tta), EnsembleSpec.of(part.run.system()), cache)
    assert inner.table is not None
    return inner.table, inner.steps[-1].probabilities


def parts(system: System, trust: bool = False) -> list[Part]:
    """The members of a system of runs, which the user may `trust`. Raises MaskgateError."""
    return _parts(system, [open_run(str(member.run), trust=trust) for member in system.members])


def trained(run: Run, tta: tuple[Component, ...] | None = None) -> list[Part]:
    """The members of a system's run, with `tta` instead of their own where given."""
    found = _parts(run.system(), run.members())
    return found if tta is None else [replace(part, tta=tta) for part in found]


def _parts(system: System, runs: Sequence[Run]) -> list[Part]:
    return [
        Part(member.name, run, member.weight, member.tta)
        for member, run in zip(system.members, runs, strict=True)
    ]


def _scored(
    members: Sequence[Part],
    voices: Sequence[Voice],
    how: EnsembleSpec,
    found: Sequence[npt.NDArray[np.float32]],
    table: pd.DataFrame,
) -> tuple[list[Score], list[Step]]:
    """The score of each part, and the steps; the first is compared with the best part."""
    weights = Resamples(table, metrics.RESAMPLES, seed=0)
    alone = [
        metrics.judged(v.probabilities, metrics.narrowed(table, v.attributes), weights)
        for v in track(voices, "scoring members", len(voices))
    ]
    scores = [metrics.interval(*each) for each in alone]
    every = [
        at for at, voice in enumerate(voices) if set(voice.attributes) == set(labels.ATTRIBUTES)
    ]
    best = max(every, key=lambda number: alone[number][0]) if every else None
    before, drawn_before = ("", None) if best is None else (members[best].name, alone[best])
    steps = []
    for name, probabilities in zip(how.names, found, strict=True):
        value, drawn = metrics.judged(probabilities, table, weights)
        gain = None
        if drawn_before is not None:
            gain = metrics.interval(value - drawn_before[0], drawn - drawn_before[1])
        score = metrics.interval(value, drawn)
        of = metrics.judged_by(table)
        steps.append(
            Step(
                name=name,
                probabilities=probabilities,
                score=score,
                score_of=of,
                before=before if gain else "",
                gain=gain,
            )
        )
        before, drawn_before = name, (value, drawn)
    return scores, steps
