"""Two reviewers compared: agreement, Cohen's kappa, what to settle, and merged corrections."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from maskgate import labels
from maskgate.core import files, terminal
from maskgate.core.progress import say
from maskgate.core.score import Score
from maskgate.data.corrections import TIERS
from maskgate.errors import MaskgateError
from maskgate.review import decisions
from maskgate.review.decisions import Decision

_RESAMPLES: Final = 1000
_SEED: Final = 20
_LEVELS: Final = (2.5, 97.5)  # per cent, of a 95% interval
_COLUMNS: Final = ("person", "photo", "attribute", "label", "predicted_label", "reason")

Floats = npt.NDArray[np.float64]
Pair = tuple[Decision, Decision]


@dataclass(frozen=True)
class Agreement:
    """Of `count` labels that both decided: the share on which they agree, and Cohen's kappa, with
    95% intervals over people. Kappa is None if both always decide the same one thing."""

    count: int
    people: int
    share: Score
    kappa: Score | None


def answer(decision: Decision) -> str:
    """What is compared: keep, unsure, drop, or the value that a label is changed to."""
    return decision.value if decision.decision == "change" else decision.decision


def pairs(first: Sequence[Decision], second: Sequence[Decision]) -> list[Pair]:
    """The decisions on what both decided."""
    by_subject = decisions.latest(second)
    return [(each, by_subject[each.subject]) for each in first if each.subject in by_subject]


def measure(compared: Sequence[Pair]) -> Agreement | None:
    """How much two reviewers agree; None without a label that both decided.

    The intervals are percentiles of a bootstrap over people, as one person's labels are decided
    together. Resamples without a kappa, in which all decide the same, are not used.
    """
    if not compared:
        return None
    codes = np.unique([[answer(each) for each in pair] for pair in compared], return_inverse=True)[
        1
    ]
    people = np.unique([one.person for one, _ in compared], return_inverse=True)[1]
    count = int(people.max()) + 1
    share, kappa = _statistics(codes.reshape(-1, 2), _weights(count)[:, people])
    is_defined = bool(np.isfinite(kappa[0]))
    return Agreement(len(compared), count, _score(share), _score(kappa) if is_defined else None)


def _weights(people: int) -> Floats:
    """How often each person is drawn, (1 + _RESAMPLES, people): once in the first row."""
    random = np.random.default_rng(_SEED)
    counts = random.multinomial(people, np.full(people, 1 / people), size=_RESAMPLES)
    return np.concatenate([np.ones((1, people)), counts])


def _statistics(codes: npt.NDArray[np.int64], weights: Floats) -> tuple[Floats, Floats]:
    """Agreement and Cohen's kappa (R,) of two reviewers' answers (N, 2) with weights (R, N).

    Kappa (Educational and Psychological Measurement 20, 1960) is NaN where both give one answer.
    """
    size = int(codes.max()) + 1
    first, second = (weights @ np.eye(size)[codes[:, each]] for each in (0, 1))  # (R, size)
    total = weights.sum(1)
    share = weights @ (codes[:, 0] == codes[:, 1]) / total
    chance = (first * second).sum(1) / total**2
    with np.errstate(invalid="ignore"):
        return share, np.where(chance < 1, (share - chance) / (1 - chance), np.nan)


def _score(values: Floats) -> Score:
    """The first value, with the interval of the others that are defined."""
    low, high = np.percentile(values[np.isfinite(values)], _LEVELS)
    return Score(float(values[0]), float(low), float(high))


# --------------------------------------------------------------- disagreements, merged


def merge(
    first: Sequence[Decision], second: Sequence[Decision], settled: Sequence[Decision] = ()
) -> tuple[list[Decision], list[Pair]]:
    """The decisions of both, and those on which they disagree.

    A decision of both has both authors and the less certain tier. What only one has decided is
    kept. `settled` decisions come before both.
    """
    one, other, final = map(decisions.latest, (first, second, settled))
    merged, disagreements = list(final.values()), list[Pair]()
    for subject in {**one, **other}:
        if subject in final:
            continue
        if subject not in one or subject not in other:
            merged.append((one | other)[subject])
        elif answer(one[subject]) == answer(other[subject]):
            merged.append(_joined(one[subject], other[subject]))
        else:
            disagreements.append((one[subject], other[subject]))
    return merged, disagreements


def _joined(one: Decision, other: Decision) -> Decision:
    tier = max(one.tier, other.tier, key=[str(each) for each in TIERS].index)
    authors = " and ".join(dict.fromkeys([one.author, other.author]))
    reasons = "; ".join(dict.fromkeys(filter(None, [one.reason, other.reason])))
    return replace(one, author=authors, tier=tier, reason=reasons)


def disagreements_text(disagreements: Sequence[Pair]) -> str:
    """A CSV that `maskgate review` reads, with both answers as the reason."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one, other in disagreements:
        changed = [each.value for each in (one, other) if each.decision == "change"]
        reason = "; ".join(f"{each.author}: {_sentence(each)}" for each in (one, other))
        writer.writerow(
            (*one.subject, one.label, changed[0] if changed else "", reason),
        )
    return out.getvalue()


def _sentence(decision: Decision) -> str:
    text = decision.decision
    if decision.decision == "change":
        text = f"change to {decision.value}"
    return f"{text} ({decision.reason})" if decision.reason else text


def run(pair: tuple[Path, Path], settled: Path | None, out: Path, disagreements: Path) -> None:
    """Print the agreement of two reviewers, and write merged corrections and disagreements. Raises
    MaskgateError."""
    first, second = (decisions.read(path) for path in pair)
    compared = pairs(first, second)
    if not compared:
        raise MaskgateError(
            f"{pair[0]} and {pair[1]}: have no label that both decided; review the same suspects"
        )
    _show(compared)
    merged, different = merge(first, second, decisions.read(settled) if settled is not None else ())
    files.replace_text(out, decisions.corrections_text(merged))
    files.replace_text(disagreements, disagreements_text(different))
    say(f"{len(different)} labels to settle, {len(merged)} decided by both, one, or --settled")


def _show(compared: Sequence[Pair]) -> None:
    """A line for each attribute, and for all."""
    groups = {
        name.replace("_", " "): [each for each in compared if each[0].attribute == name]
        for name in labels.ATTRIBUTES
    }
    for title, part in {**groups, "all": list(compared)}.items():
        measured = measure(part)
        if measured is None:
            continue
        kappa = "undefined: both always say the same" if measured.kappa is None else measured.kappa
        terminal.show(
            f"{title}: {measured.count} labels of {measured.people} people, agreement"
            f" {measured.share}, Cohen's kappa {kappa}"
        )
