"""What a distilled student keeps of its teacher's gain over a single model."""

from dataclasses import dataclass
from typing import Any

from maskgate import labels
from maskgate.core.score import Score
from maskgate.evaluation import metrics
from maskgate.evaluation.bootstrap import Resamples
from maskgate.runs import RunFolder, comparability, tables
from maskgate.runs.records.results import known_attributes


@dataclass(frozen=True)
class Kept:
    """Scores of three runs on the same people, and their differences; see
    `runs.records.distillation`."""

    score_of: str
    people: int
    single: Score
    ensemble: Score
    student: Score
    gain: Score
    student_gain: Score
    lost: Score
    kept: Score | None


def measure(student: RunFolder, ensemble: RunFolder, single: RunFolder) -> Kept:
    """The out-of-fold scores of the runs in the attributes that all predict, and their paired
    differences.

    The share kept is the ratio of two differences, whose interval is that of the ratio in each
    resample. It is not given unless the gain's interval is above 0: near 0 the ratio may have any
    value. Raises MaskgateError where the runs were validated on other photos, folds or labels.
    """
    runs = {"student": student, "ensemble": ensemble, "single": single}
    first = comparability.validation_set(student)
    for run in (ensemble, single):
        comparability.check(first, comparability.validation_set(run))
    known = [known_attributes(run.metrics()) for run in runs.values()]
    attributes = [name for name in labels.ATTRIBUTES if all(name in each for each in known)]
    table, of_student = tables.oof(student)
    probabilities = {"student": of_student}
    probabilities |= {
        name: tables.oof_probabilities(run, table["photo"].tolist())
        for name, run in runs.items()
        if run is not student
    }
    weights = Resamples(table, metrics.RESAMPLES, seed=0)
    scored_table = metrics.keep_labels(table, attributes)
    value, drawn = {}, {}
    for name, of_run in probabilities.items():
        value[name], drawn[name] = metrics.main_score(of_run, scored_table, weights)

    def less(one: str, other: str) -> tuple[Any, Any]:
        return value[one] - value[other], drawn[one] - drawn[other]

    gain, student_gain = less("ensemble", "single"), less("student", "single")
    gain_score, kept = metrics.interval(*gain), None
    if gain_score.low > 0:
        kept = metrics.interval(student_gain[0] / gain[0], student_gain[1] / gain[1])
    return Kept(
        score_of=metrics.main_score_name(scored_table),
        people=weights.people,
        **{name: metrics.interval(value[name], drawn[name]) for name in runs},
        gain=gain_score,
        student_gain=metrics.interval(*student_gain),
        lost=metrics.interval(*less("ensemble", "student")),
        kept=kept,
    )
