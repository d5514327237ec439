"""A search, for people: `tune.html`, `trials.csv`, and what the terminal shows at the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd

from maskgate.core import files
from maskgate.core.score import Score
from maskgate.reports import charts, pages, scatter

State = Literal["complete", "pruned", "failed", "unfinished"]
ENOUGH: Final = 50  # trials for importances to mean much: PED-ANOVA looks at the best tenth


@dataclass(frozen=True)
class Key:
    """A key that was searched: among what, in words, and how its values lie on an axis."""

    name: str
    told: str
    kind: Literal["choices", "log", "numbers"]
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """One trial; `first_fold` are the scores of the first fold by epoch, as they were reported."""

    number: int  # from 1
    state: State
    values: Mapping[str, str]
    score: Score | None = None
    first_fold: Mapping[int, float] = field(default_factory=dict)
    seconds: float | None = None
    reason: str = ""  # of a pruned or failed one
    folder: str = ""  # of its run; empty where there is none
    repeats: int | None = None  # the trial of the same values that was trained


@dataclass(frozen=True)
class Search:
    """All of a search: its trials in the order of their numbers, `wanted` of them in all.

    `importance` is by key, with the interval over trials drawn with replacement; None where there
    are too few. `alike` trials of the `compared` are not told apart from the best; None where it
    was not found out.
    """

    recipe: str
    data: str
    changes: tuple[str, ...]
    space: str
    keys: tuple[Key, ...]
    trials: tuple[Trial, ...]
    wanted: int
    score_of: str
    people: int | None
    command: str  # that trains the best
    importance: Mapping[str, Score] | None = None
    alike: int | None = None
    compared: int = 0

    def of(self, state: State) -> list[Trial]:
        return [trial for trial in self.trials if trial.state == state]

    @property
    def best(self) -> Trial | None:
        """The complete trial of the highest score, the first of several."""
        return max(
            self.of("complete"),
            key=lambda trial: (_value(trial), -trial.number),
            default=None,
        )


def _value(trial: Trial) -> float:
    return trial.score.value if trial.score is not None else float("-inf")


def sentences(found: Search) -> list[str]:
    """What the search has found, in sentences; its first line is the best."""
    best, complete = found.best, len(found.of("complete"))
    if best is None:
        return [f"no trial of {len(found.trials)} is complete"]
    told = [
        f"best of {complete} complete trials: trial {best.number}, out-of-fold {found.score_of}"
        f" {best.score}" + (f" on {found.people} people" if found.people else "")
    ]
    if complete > 1:
        told.append(
            f"That score is flattered: it is the highest of {complete} on the very photos that"
            " chose it, and its interval does not know of that choice. Expect less of new people."
        )
    if found.alike is not None:
        told.append(
            f"Of the {found.compared} other runs, {found.alike} cannot be told from the best: the"
            " interval of the paired difference holds zero."
        )
    return told


# ------------------------------------------------------------------------------ the files


def write(found: Search, folder: Path) -> Path:
    """Write `trials.csv` and `tune.html` into the folder; the page's path."""
    table = as_table(found)
    files.replace(folder / "trials.csv", lambda beside: table.to_csv(beside, index=False))
    page = folder / "tune.html"
    pages.write(
        page,
        "tune.html",
        found=found,
        told=sentences(found),
        history=_history(found),
        importance=_importance(found),
        enough=ENOUGH,
        plots=[_plot(found, key) for key in found.keys] if found.of("complete") else [],
        rows=[_row(trial) for trial in ranked(found)],
        bar=charts.interval_bar,
    )
    return page


def as_table(found: Search) -> pd.DataFrame:
    """A row a trial, in the order of their numbers."""
    rows: list[dict[str, Any]] = []
    for trial in found.trials:
        score = trial.score
        rows.append(
            {
                "trial": trial.number,
                "state": trial.state,
                "score": None if score is None else score.value,
                "low": None if score is None else score.low,
                "high": None if score is None else score.high,
                **{key.name: trial.values.get(key.name, "") for key in found.keys},
                "epochs_of_first_fold": max(trial.first_fold, default=0),
                "best_of_first_fold": max(trial.first_fold.values(), default=None),
                "seconds": trial.seconds,
                "repeats": trial.repeats,
                "run": trial.folder,
                "reason": trial.reason,
            }
        )
    return pd.DataFrame(rows).astype({"repeats": "Int64"} if rows else {})


def ranked(found: Search) -> list[Trial]:
    """The complete trials, the best first; then the others by number."""
    order = {"complete": 0, "unfinished": 1, "pruned": 2, "failed": 3}
    return sorted(found.trials, key=lambda each: (order[each.state], -_value(each), each.number))


def _row(trial: Trial) -> dict[str, Any]:
    """What the page's table says of a trial."""
    first = max(trial.first_fold.values(), default=None)
    seen = f"{first:.4f} by epoch {max(trial.first_fold)}" if first is not None else "–"
    return {
        "trial": trial,
        "score": str(trial.score) if trial.score is not None else "–",
        "first_fold": seen,
        "minutes": "–" if trial.seconds is None else f"{trial.seconds / 60:.1f}",
        "told": f"as trial {trial.repeats}" if trial.repeats is not None else trial.reason,
    }


# ----------------------------------------------------------------------------- the charts


def _history(found: Search) -> str:
    """Every trial by its number, and the best so far."""
    line: list[tuple[float, float]] = []
    for trial in found.of("complete"):
        line.append((trial.number, max(_value(trial), line[-1][1] if line else 0.0)))
    dots = [_dot(trial, float(trial.number)) for trial in found.trials]
    if not dots:
        return ""
    numbers = [trial.number for trial in found.trials]
    return scatter.draw(
        dots, scatter.counted(numbers), "trial", title="Score of each trial", line=line
    )


def _plot(found: Search, key: Key) -> str:
    """Every trial by its value of one key."""
    values = [trial.values.get(key.name) for trial in found.trials]
    if key.kind == "choices":
        axis = scatter.named(key.choices)
        places = [None if value is None else float(key.choices.index(value)) for value in values]
    else:
        places = [None if value is None else float(value) for value in values]
        axis = scatter.measured([x for x in places if x is not None], log=key.kind == "log")
    dots = [_dot(t, x) for t, x in zip(found.trials, places, strict=True) if x is not None]
    return scatter.draw(dots, axis, key.name, f"Score against {key.name}")


def _dot(trial: Trial, x: float) -> scatter.Dot:
    told = f"trial {trial.number}"
    if trial.score is not None:
        score = trial.score
        return scatter.Dot(x, f"{told}: {score}", (score.value, score.low, score.high))
    return scatter.Dot(x, f"{told}: {trial.state}", None, trial.state)


def _importance(found: Search) -> list[tuple[str, Score]]:
    told = (found.importance or {}).items()
    return sorted(told, key=lambda each: -each[1].value)
