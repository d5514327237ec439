"""Report of a search: `tune.html`, `trials.csv`, and the final lines on the terminal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd

from maskgate.core import charts, files
from maskgate.core.score import Score
from maskgate.reports import pages, scatter

State = Literal["complete", "pruned", "failed", "unfinished"]
ENOUGH: Final = 50  # trials for reliable importances: PED-ANOVA uses the best tenth


@dataclass(frozen=True)
class Key:
    """A searched key: its values in words, and the kind of its axis."""

    name: str
    description: str
    kind: Literal["choices", "log", "numbers"]
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """One trial; `first_fold` are the reported scores of the first fold by epoch."""

    number: int  # from 1
    state: State
    values: Mapping[str, str]
    score: Score | None = None
    first_fold: Mapping[int, float] = field(default_factory=dict)
    seconds: float | None = None
    reason: str = ""  # of a pruned or failed trial
    folder: str = ""  # of its run; empty if there is none
    repeats: int | None = None  # the earlier trial with the same values


@dataclass(frozen=True)
class SearchReport:
    """A search: its trials in the order of their numbers, of `planned` in total.

    `importance` is by key, with a bootstrap interval over trials; None if there are too few.
    `undecided` of the `compared` trials do not differ significantly from the best; None if they
    were not compared.
    """

    recipe: str
    data: str
    changes: tuple[str, ...]
    space: str
    keys: tuple[Key, ...]
    trials: tuple[Trial, ...]
    planned: int
    score_of: str
    people: int | None
    command: str  # that trains the best trial again
    importance: Mapping[str, Score] | None = None
    undecided: int | None = None
    compared: int = 0

    def of(self, state: State) -> list[Trial]:
        return [trial for trial in self.trials if trial.state == state]

    @property
    def best(self) -> Trial | None:
        """The complete trial with the highest score; the first if several share it."""
        return max(
            self.of("complete"),
            key=lambda trial: (_value(trial), -trial.number),
            default=None,
        )


def _value(trial: Trial) -> float:
    return trial.score.value if trial.score is not None else float("-inf")


def sentences(search: SearchReport) -> list[str]:
    """The results of the search in sentences; the first one is about the best trial."""
    best, complete = search.best, len(search.of("complete"))
    if best is None:
        return [f"no trial of {len(search.trials)} is complete"]
    lines = [
        f"best of {complete} complete trials: trial {best.number}, out-of-fold {search.score_of}"
        f" {best.score}" + (f" on {search.people} people" if search.people else "")
    ]
    if complete > 1:
        lines.append(
            f"That score is optimistic: it is the highest of {complete} on the photos that it was"
            " selected on, and its interval ignores that selection. Expect less on new people."
        )
    if search.undecided is not None:
        lines.append(
            f"{search.undecided} of {search.compared} other runs are undecided against the best:"
            " the interval of the paired difference includes zero."
        )
    return lines


# ------------------------------------------------------------------------------ the files


def write(search: SearchReport, folder: Path) -> Path:
    """Write `trials.csv` and `tune.html` into the folder; the page's path."""
    table = as_table(search)
    files.replace(folder / "trials.csv", lambda target: table.to_csv(target, index=False))
    page = folder / "tune.html"
    pages.write(
        page,
        "tune.html",
        search=search,
        sentences=sentences(search),
        history=_history(search),
        importance=_importance(search),
        enough=ENOUGH,
        plots=[_plot(search, key) for key in search.keys] if search.of("complete") else [],
        rows=[_row(trial) for trial in ranked(search)],
        bar=charts.interval_bar,
    )
    return page


def as_table(search: SearchReport) -> pd.DataFrame:
    """One row per trial, in the order of their numbers."""
    rows: list[dict[str, Any]] = []
    for trial in search.trials:
        score = trial.score
        rows.append(
            {
                "trial": trial.number,
                "state": trial.state,
                "score": None if score is None else score.value,
                "low": None if score is None else score.low,
                "high": None if score is None else score.high,
                **{key.name: trial.values.get(key.name, "") for key in search.keys},
                "epochs_of_first_fold": max(trial.first_fold, default=0),
                "best_of_first_fold": max(trial.first_fold.values(), default=None),
                "seconds": trial.seconds,
                "repeats": trial.repeats,
                "run": trial.folder,
                "reason": trial.reason,
            }
        )
    return pd.DataFrame(rows).astype({"repeats": "Int64"} if rows else {})


def ranked(search: SearchReport) -> list[Trial]:
    """The complete trials, the best first; then the others by number."""
    order = {"complete": 0, "unfinished": 1, "pruned": 2, "failed": 3}
    return sorted(search.trials, key=lambda each: (order[each.state], -_value(each), each.number))


def _row(trial: Trial) -> dict[str, Any]:
    """A row of the page's table."""
    first = max(trial.first_fold.values(), default=None)
    best = f"{first:.4f} by epoch {max(trial.first_fold)}" if first is not None else "–"
    return {
        "trial": trial,
        "score": str(trial.score) if trial.score is not None else "–",
        "first_fold": best,
        "minutes": "–" if trial.seconds is None else f"{trial.seconds / 60:.1f}",
        "note": f"as trial {trial.repeats}" if trial.repeats is not None else trial.reason,
    }


# ----------------------------------------------------------------------------- the charts


def _history(search: SearchReport) -> str:
    """A chart of scores by trial number, with the best so far."""
    line: list[tuple[float, float]] = []
    for trial in search.of("complete"):
        line.append((trial.number, max(_value(trial), line[-1][1] if line else 0.0)))
    dots = [_dot(trial, float(trial.number)) for trial in search.trials]
    if not dots:
        return ""
    numbers = [trial.number for trial in search.trials]
    return scatter.draw(
        dots, scatter.integer_axis(numbers), "trial", title="Score of each trial", line=line
    )


def _plot(search: SearchReport, key: Key) -> str:
    """A chart of scores by the value of one key."""
    values = [trial.values.get(key.name) for trial in search.trials]
    if key.kind == "choices":
        axis = scatter.category_axis(key.choices)
        places = [None if value is None else float(key.choices.index(value)) for value in values]
    else:
        places = [None if value is None else float(value) for value in values]
        axis = scatter.number_axis([x for x in places if x is not None], log=key.kind == "log")
    dots = [_dot(t, x) for t, x in zip(search.trials, places, strict=True) if x is not None]
    return scatter.draw(dots, axis, key.name, f"Score against {key.name}")


def _dot(trial: Trial, x: float) -> scatter.Dot:
    label = f"trial {trial.number}"
    if trial.score is not None:
        score = trial.score
        return scatter.Dot(x, f"{label}: {score}", (score.value, score.low, score.high))
    return scatter.Dot(x, f"{label}: {trial.state}", None, trial.state)


def _importance(search: SearchReport) -> list[tuple[str, Score]]:
    importance = (search.importance or {}).items()
    return sorted(importance, key=lambda each: -each[1].value)
