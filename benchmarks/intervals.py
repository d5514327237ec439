"""Measures how often intervals contain the true score, and how often `compare` is wrong.

    python benchmarks/intervals.py [--people 60 270 1356] [--studies 1000] [--seed 0]

Simulates studies. People are sampled with the competition's shares of gender and age band, seven
photos each; two models classify them. A model perceives an age that is wrong by several years,
mostly the same in all photos of a person, and a gender and a mask that are sometimes wrong; half of
the difficulty of a photo is common to both models. Their true macro F1 is computed from 200,000
people.

Prints, for each method of a 95% interval: how often the interval contains the true score, and on
which side it misses; its mean width; and how often the interval of a difference excludes zero if
both models are equally good (false verdicts), and if one is better by about .03 (power). The last
row is maskgate's method: verdicts need FEWEST people of every class.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from maskgate import labels
from maskgate.core import confusions
from maskgate.evaluation import metrics
from maskgate.evaluation.bootstrap import Floats, Resamples
from maskgate.evaluation.compare import FEWEST
from maskgate.evaluation.differences import Scored, differences

Codes = npt.NDArray[np.int64]
Random = np.random.Generator

# People of the competition by gender × age band, and the ages of a band.
SHARES: Final = np.array([549, 410, 83, 732, 817, 109]) / 2700
AGES: Final = ((18, 30), (30, 60), (60, 76))
MASKS: Final = np.array([0, 0, 0, 0, 0, 1, 2])
RESAMPLES: Final = 1000
TAILS: Final = [(1 - metrics.LEVEL) / 2, (1 + metrics.LEVEL) / 2]
SHARED: Final = 0.5  # of the variance of what is hard about a photo or a person
MODELS: Final = {"a": 9.6, "equal": 9.6, "better": 8.0}  # years that an age is seen off by


@dataclass(frozen=True)
class People:
    """P people: their group 0–5 (gender × age band), age, and the difficulty of each person (P,)
    and of each photo (P, 7)."""

    group: Codes
    age: Floats
    hard: tuple[Floats, Floats]  # to tell the age, the gender
    hard_photo: tuple[Floats, Floats, Floats]  # age, gender, mask


def draw(random: Random, count: int) -> People:
    group = random.choice(len(SHARES), count, p=SHARES)
    low, high = np.array(AGES)[group % 3].T
    person, photo = (count,), (count, len(MASKS))
    return People(
        group,
        random.uniform(low, high),
        (random.standard_normal(person), random.standard_normal(person)),
        tuple(random.standard_normal(photo) for _ in range(3)),  # type: ignore[arg-type]
    )


def classify(random: Random, people: People, years: float) -> Codes:
    """The labels (P, 7) by a model whose perceived ages are wrong by `years`."""

    def mixed(hard: Floats) -> Floats:
        random_part = random.standard_normal(hard.shape)
        return np.sqrt(SHARED) * hard + np.sqrt(1 - SHARED) * random_part

    age, gender = (mixed(each)[:, None] for each in people.hard)
    age_photo, gender_photo, mask_photo = map(mixed, people.hard_photo)
    perceived_age = people.age[:, None] + years * (0.87 * age + 0.5 * age_photo)
    band = np.digitize(
        44 + 0.85 * (perceived_age - 44), [30, 57]
    )  # drawn to the middle, as real models are
    wrong = 1.46 + 0.9 * gender + 0.45 * gender_photo < 0
    sex = np.where(wrong, 1 - people.group[:, None] // 3, people.group[:, None] // 3)
    mask = np.where(mask_photo > 2.4, np.where(MASKS == 0, 1, 0), MASKS)
    return mask * 6 + sex * 3 + band


def truth(people: People) -> Codes:
    return MASKS[None] * 6 + people.group[:, None]


def table_of(people: People) -> pd.DataFrame:
    label = truth(people).ravel()
    mask, gender, band = labels.decode(label)
    person = np.repeat(np.arange(len(people.group)), len(MASKS))
    return pd.DataFrame(
        {"person": person, "mask": mask, "gender": gender, "age_band": band, "label": label}
    )


def true_score(model: str) -> float:
    random = np.random.default_rng(12345)
    people = draw(random, 200_000)
    predicted = classify(random, people, MODELS[model])
    counts = confusions.confusion(truth(people).ravel(), predicted.ravel(), labels.COUNT)
    return float(confusions.macro_f1(counts))


# ------------------------------------------------------------------- other methods, to compare


class Counts:
    """For each person and class (P, 18): correctly classified photos, and true plus predicted
    photos of the class; F1 is twice the first divided by the second."""

    def __init__(self, people: People, predicted: Codes) -> None:
        eye, true = np.eye(labels.COUNT), truth(people)
        self.right = (eye[true] * (true == predicted)[:, :, None]).sum(1)
        self.all = (eye[true] + eye[predicted]).sum(1)

    def score(self, weights: Floats) -> Floats:
        """Macro F1 (R,) of people weighted by (R, P)."""
        right, both = 2 * weights @ self.right, weights @ self.all
        return np.divide(right, both, out=np.zeros_like(right), where=both > 0).mean(-1)

    def influence(self, weights: Floats) -> Floats:
        """The influence of each person on the score, (R, P)."""
        right, both = weights @ self.right, weights @ self.all
        both = np.where(both > 0, both, 1)
        moved = (2 / both) @ self.right.T - (2 * right / both**2) @ self.all.T
        return moved / labels.COUNT

    def left_out(self) -> Floats:
        """The score (P,) without each person in turn."""
        right, both = 2 * (self.right.sum(0) - self.right), self.all.sum(0) - self.all
        return np.divide(right, both, out=np.zeros_like(right), where=both > 0).mean(-1)


def replaced(random: Random, people: People) -> Floats:
    """Weights (R, P) of samples with replacement, within each group."""
    drawn = np.zeros((RESAMPLES, len(people.group)))
    for group in np.unique(people.group):
        rows = np.flatnonzero(people.group == group)
        even = np.full(len(rows), 1 / len(rows))
        drawn[:, rows] = random.multinomial(len(rows), even, RESAMPLES)
    return drawn


def dirichlet(random: Random, people: People) -> Floats:
    drawn = random.standard_exponential((RESAMPLES, len(people.group)))
    return drawn / drawn.mean(1, keepdims=True)


Ends = tuple[float, float]


def percentile(_: Random, counts: list[Counts], weights: Floats) -> list[Ends]:
    """The intervals of the first model's score, and of the others' differences from it."""
    scores = [each.score(weights) for each in counts]
    drawn = [scores[0], *(each - scores[0] for each in scores[1:])]
    return [tuple(np.quantile(each, TAILS)) for each in drawn]


def bca(_: Random, counts: list[Counts], weights: Floats) -> list[Ends]:
    """Bias-corrected and accelerated (Efron, Better bootstrap confidence intervals, JASA 1987)."""
    one = np.ones((1, weights.shape[1]))
    scores = [(each.score(one)[0], each.score(weights), each.left_out()) for each in counts]
    first, intervals = scores[0], []
    for number, each in enumerate(scores):
        estimate, drawn, out = (
            each if not number else (b - a for a, b in zip(first, each, strict=True))
        )
        share = np.mean(drawn < estimate) + np.mean(drawn == estimate) / 2
        bias = stats.norm.ppf(np.clip(share, 0.5 / RESAMPLES, 1 - 0.5 / RESAMPLES))
        influence = out.mean() - out
        skew = (influence**3).sum() / (6 * max((influence**2).sum(), 1e-300) ** 1.5)
        z = bias + stats.norm.ppf(TAILS)
        intervals.append(tuple(np.quantile(drawn, stats.norm.cdf(bias + z / (1 - skew * z)))))
    return intervals


def studentised(_: Random, counts: list[Counts], weights: Floats) -> list[Ends]:
    """Bootstrap-t (Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics
    1979), standard errors from the influence function."""

    def scores_and_influences(weights: Floats) -> list[tuple[Floats, Floats]]:
        """Score (R,) and influence (R, P) of the first model, and of the others' differences."""
        first, *others = ((each.score(weights), each.influence(weights)) for each in counts)
        return [first, *((value - first[0], influence - first[1]) for value, influence in others)]

    one, intervals = np.ones((1, weights.shape[1])), []
    for (estimate, influence), (drawn, moved_drawn) in zip(
        scores_and_influences(one), scores_and_influences(weights), strict=True
    ):
        errors = np.sqrt((weights * moved_drawn**2).sum(1))
        t = (drawn - estimate) / np.maximum(errors, 1e-9)
        low, high = np.quantile(t, TAILS)
        error = np.sqrt((influence**2).sum())
        intervals.append((float(estimate[0] - high * error), float(estimate[0] - low * error)))
    return intervals


METHODS: Final[dict[str, tuple[Callable[..., Floats], Callable[..., list[Ends]]]]] = {
    "with replacement, by group (before)": (replaced, percentile),
    "the same, BCa": (replaced, bca),
    "the same, studentised": (replaced, studentised),
    "Dirichlet weights": (dirichlet, percentile),
}
MASKGATE: Final = "Dirichlet weights and borrowed people"
FLOOR: Final = f"the same, verdicts from {FEWEST} people a class"


def maskgate_intervals(people: People, predictions: list[Codes]) -> list[Ends]:
    """The intervals of the first model's score and of the differences, by `train` and `compare`."""
    table = table_of(people)
    resamples = Resamples(table, RESAMPLES, seed=0)
    label, scores = table["label"].to_numpy(), []
    for predicted in predictions:
        confusion = confusions.confusion(label, predicted.ravel(), labels.COUNT)
        drawn = resamples.confusions("label", label, predicted.ravel())
        scores.append((confusions.macro_f1(confusion), confusions.macro_f1(drawn)))
    score = metrics.interval(*scores[0])
    intervals = [(score.low, score.high)]
    first, *others = (Scored(value[None], drawn[None]) for value, drawn in scores)
    for other in others:
        alone = differences({"first": first, "other": other})["other"].alone
        intervals.append((alone.low, alone.high))
    return intervals


# --------------------------------------------------------------------------- the studies


def study(random: Random, count: int, methods: bool = True) -> dict[str, list[Ends]]:
    """One study on `count` people: by method, the interval of the score of model a, and those of
    the differences of "equal" and "better" from it."""
    people = draw(random, count)
    predictions = [classify(random, people, years) for years in MODELS.values()]
    intervals = {}
    if methods:
        counts = [Counts(people, predicted) for predicted in predictions]
        for name, (weights, ends) in METHODS.items():
            intervals[name] = ends(random, counts, weights(random, people))
    intervals[MASKGATE] = maskgate_intervals(people, predictions)
    people_of_class = np.bincount(people.group, minlength=len(SHARES))
    floor = bool((people_of_class[people_of_class > 0] >= FEWEST).all())
    undecided = (-np.inf, np.inf)
    intervals[FLOOR] = (
        intervals[MASKGATE] if floor else [intervals[MASKGATE][0], undecided, undecided]
    )
    return intervals


@dataclass(frozen=True)
class Row:
    """The results of one method, as shares of all studies."""

    below: float  # the true score is below the interval
    above: float
    width: float
    false: float  # verdicts between equal models
    power: float  # verdicts for the better one
    without: float  # studies without a verdict, for lack of people

    @property
    def covers(self) -> float:
        return 1 - self.below - self.above


def simulate(count: int, studies: int, seed: int = 0, methods: bool = True) -> dict[str, Row]:
    """The results of `studies` of `count` people, by method."""
    truth_of = true_score("a")
    each = [
        study(np.random.default_rng([seed, count, number]), count, methods)
        for number in range(studies)
    ]
    return {name: _row([intervals[name] for intervals in each], truth_of) for name in each[0]}


def _row(studies_of_way: list[list[Ends]], truth_of: float) -> Row:
    ends = np.array(studies_of_way)  # (studies, 3, 2)
    low, high = ends[:, 0].T
    return Row(
        below=float(np.mean(truth_of < low)),
        above=float(np.mean(truth_of > high)),
        width=float(np.mean(high - low)),
        false=float(np.mean((ends[:, 1, 0] > 0) | (ends[:, 1, 1] < 0))),
        power=float(np.mean(ends[:, 2, 0] > 0)),
        without=float(np.mean(np.isinf(ends[:, 1, 1]))),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, nargs="+", default=[60, 270, 1356])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    scores = {model: true_score(model) for model in MODELS}
    gain = scores["better"] - scores["a"]
    print(f"true macro F1 {scores['a']:.3f}; the better model is better by {gain:+.3f}\n")
    print("| people | intervals | cover | below | above | width | false | power | no verdict |")
    print("|---|---|---|---|---|---|---|---|---|")
    for count in arguments.people:
        for name, row in simulate(count, arguments.studies, arguments.seed).items():
            shares = row.covers, row.below, row.above, row.width, row.false, row.power, row.without
            cells = " | ".join(f"{share:.3f}" for share in shares)
            print(f"| {count:,} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
