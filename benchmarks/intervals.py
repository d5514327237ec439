"""How often intervals contain the true score, and how often `compare` gives a false verdict.

    python benchmarks/intervals.py [--people 60 270 1356] [--studies 1000] [--seed 0]

Simulates studies. People are drawn with the competition's shares of gender and age band, seven
photos each; two models classify them. A model sees an age that is off by several years, mostly the
same in all photos of a person, and a gender and a mask that are sometimes wrong; half of the
variance of these errors is shared by both models. Their true macro F1 is that of 200,000 people.

Prints, for each method of computing a 95% interval: how often the interval of the score contains
the true score, and on which side it misses; its mean width; and how often the interval of a
difference excludes zero where both models are equally good (false verdicts) and where one is truly
better by about .03 (power). The last row is what maskgate does: verdicts need FEWEST people of
every class.
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
    """P people: their group 0–5 (gender × age band), age, and what is hard about them (P,) or about
    each of their photos (P, 7)."""

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
    """Labels (P, 7) that a model gives, which sees ages `years` off."""

    def mixed(hard: Floats) -> Floats:
        noise = random.standard_normal(hard.shape)
        return np.sqrt(SHARED) * hard + np.sqrt(1 - SHARED) * noise

    age, gender = (mixed(each)[:, None] for each in people.hard)
    age_photo, gender_photo, mask_photo = map(mixed, people.hard_photo)
    seen_age = people.age[:, None] + years * (0.87 * age + 0.5 * age_photo)
    band = np.digitize(
        44 + 0.85 * (seen_age - 44), [30, 57]
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


# ------------------------------------------------------------------- other ways, to compare


class Counts:
    """Of each person and class (P, 18): photos classified right, and those of the class plus those
    taken for it; F1 is twice the one by the other."""

    def __init__(self, people: People, predicted: Codes) -> None:
        eye, true = np.eye(labels.COUNT), truth(people)
        self.right = (eye[true] * (true == predicted)[:, :, None]).sum(1)
        self.all = (eye[true] + eye[predicted]).sum(1)

    def score(self, weights: Floats) -> Floats:
        """Macro F1 (R,) of people weighted by (R, P)."""
        right, both = 2 * weights @ self.right, weights @ self.all
        return np.divide(right, both, out=np.zeros_like(right), where=both > 0).mean(-1)

    def influence(self, weights: Floats) -> Floats:
        """By how much each person moves the score of such people, (R, P)."""
        right, both = weights @ self.right, weights @ self.all
        both = np.where(both > 0, both, 1)
        moved = (2 / both) @ self.right.T - (2 * right / both**2) @ self.all.T
        return moved / labels.COUNT

    def left_out(self) -> Floats:
        """The score (P,) without each person in turn."""
        right, both = 2 * (self.right.sum(0) - self.right), self.all.sum(0) - self.all
        return np.divide(right, both, out=np.zeros_like(right), where=both > 0).mean(-1)


def replaced(random: Random, people: People) -> Floats:
    """Draws with replacement, each group keeping its size (R, P)."""
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
    """Of the first one's score, and of the differences of the others from it."""
    scores = [each.score(weights) for each in counts]
    drawn = [scores[0], *(each - scores[0] for each in scores[1:])]
    return [tuple(np.quantile(each, TAILS)) for each in drawn]


def bca(_: Random, counts: list[Counts], weights: Floats) -> list[Ends]:
    """Bias-corrected and accelerated (Efron, Better bootstrap confidence intervals, JASA 1987)."""
    one = np.ones((1, weights.shape[1]))
    scores = [(each.score(one)[0], each.score(weights), each.left_out()) for each in counts]
    first, intervals = scores[0], []
    for number, each in enumerate(scores):
        score, drawn, out = (
            each if not number else (b - a for a, b in zip(first, each, strict=True))
        )
        share = np.mean(drawn < score) + np.mean(drawn == score) / 2
        bias = stats.norm.ppf(np.clip(share, 0.5 / RESAMPLES, 1 - 0.5 / RESAMPLES))
        away = out.mean() - out
        skew = (away**3).sum() / (6 * max((away**2).sum(), 1e-300) ** 1.5)
        z = bias + stats.norm.ppf(TAILS)
        intervals.append(tuple(np.quantile(drawn, stats.norm.cdf(bias + z / (1 - skew * z)))))
    return intervals


def studentised(_: Random, counts: list[Counts], weights: Floats) -> list[Ends]:
    """Bootstrap-t (Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics
    1979), standard errors from the influence function."""

    def score_and_influence(weights: Floats) -> list[tuple[Floats, Floats]]:
        """Score (R,) and influence (R, P) of the first, and of the others' differences from it."""
        first, *others = ((each.score(weights), each.influence(weights)) for each in counts)
        return [first, *((value - first[0], moved - first[1]) for value, moved in others)]

    one, intervals = np.ones((1, weights.shape[1])), []
    for (score, moved), (drawn, moved_drawn) in zip(
        score_and_influence(one), score_and_influence(weights), strict=True
    ):
        errors = np.sqrt((weights * moved_drawn**2).sum(1))
        t = (drawn - score) / np.maximum(errors, 1e-9)
        low, high = np.quantile(t, TAILS)
        error = np.sqrt((moved**2).sum())
        intervals.append((float(score[0] - high * error), float(score[0] - low * error)))
    return intervals


WAYS: Final[dict[str, tuple[Callable[..., Floats], Callable[..., list[Ends]]]]] = {
    "with replacement, by group (before)": (replaced, percentile),
    "the same, BCa": (replaced, bca),
    "the same, studentised": (replaced, studentised),
    "Dirichlet weights": (dirichlet, percentile),
}
MASKGATE: Final = "Dirichlet weights and borrowed people"
FLOOR: Final = f"the same, verdicts from {FEWEST} people a class"


def maskgate_intervals(people: People, predictions: list[Codes]) -> list[Ends]:
    """Of the first one's score, and of the differences, as `train` and `compare` give them."""
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


def study(random: Random, count: int, ways: bool = True) -> dict[str, list[Ends]]:
    """One study on `count` people: by method, the interval of the score of model a, and of the
    differences of "equal" and "better" from it."""
    people = draw(random, count)
    predictions = [classify(random, people, years) for years in MODELS.values()]
    intervals = {}
    if ways:
        counts = [Counts(people, predicted) for predicted in predictions]
        for name, (weights, ends) in WAYS.items():
            intervals[name] = ends(random, counts, weights(random, people))
    intervals[MASKGATE] = maskgate_intervals(people, predictions)
    enough = np.bincount(people.group, minlength=len(SHARES))
    floor = bool((enough[enough > 0] >= FEWEST).all())
    undecided = (-np.inf, np.inf)
    intervals[FLOOR] = (
        intervals[MASKGATE] if floor else [intervals[MASKGATE][0], undecided, undecided]
    )
    return intervals


@dataclass(frozen=True)
class Row:
    """Results of one method for intervals, as shares of all studies."""

    below: float  # the truth lies below the interval
    above: float
    width: float
    false: float  # verdicts where nothing differs
    power: float  # verdicts for the better one
    without: float  # studies without a verdict, for lack of people

    @property
    def covers(self) -> float:
        return 1 - self.below - self.above


def simulate(count: int, studies: int, seed: int = 0, ways: bool = True) -> dict[str, Row]:
    """By method, the results of `studies` of `count` people."""
    truth_of = true_score("a")
    each = [
        study(np.random.default_rng([seed, count, number]), count, ways)
        for number in range(studies)
    ]
    return {name: _row([intervals[name] for intervals in each], truth_of) for name in each[0]}


def _row(studies_ends: list[list[Ends]], truth_of: float) -> Row:
    ends = np.array(studies_ends)  # (studies, 3, 2)
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
