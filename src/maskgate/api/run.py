"""A finished run, as Python code reads it: with words and class names in place of codes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.core import notebook
from maskgate.data import table as photo_table
from maskgate.errors import MaskgateError, listed
from maskgate.evaluation import metrics
from maskgate.reports import mistakes
from maskgate.reports import run as run_report
from maskgate.reports.compare import signed
from maskgate.runs import RunFolder, open_run, tables
from maskgate.runs.records.notes import Note
from maskgate.runs.records.results import Results, Scores, known_attributes
from maskgate.runs.records.status import Status

ModelPath = str | os.PathLike[str]  # of a run's folder, or a `Run`; also of a system's file

_LABEL: Final = "label"


@dataclass(frozen=True, init=False)
class Run:
    """A finished run, by its folder, or by a folder with one run in it.

    `trust` allows the run's own code to run; see docs/trust.md. A run stands for its path, so that
    every function that takes a path takes a run too. Each access to a table reads the run's files
    and returns a new table, which you may change.

    Raises MaskgateError where there is no finished run or its files are missing; so does every
    property and method whose file is missing or has changed since the run ended.
    """

    path: Path
    trust: bool = False
    folder: RunFolder = field(init=False, repr=False, compare=False)

    def __init__(self, path: ModelPath, trust: bool = False) -> None:
        folder = open_run(Path(path), trust=trust)
        for name, value in (("path", folder.path), ("trust", trust), ("folder", folder)):
            object.__setattr__(self, name, value)

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.path.resolve().name

    @property
    def status(self) -> Status:
        """Recipe, data, command, times, warnings."""
        return self.folder.status()

    @property
    def settings(self) -> dict[str, Any]:
        """All keys of the recipe, or of the system and its members, with their values."""
        return self.folder.settings()

    @property
    def metrics(self) -> Results:
        """The scores, each with its 95% interval over people."""
        return self.folder.metrics()

    @property
    def table(self) -> pd.DataFrame:
        """The photo table: a row for each photo, with its labels in words, `fold` (-1 where it is
        never validated), and what else the run has recorded of it."""
        return photo_table.in_words(tables.photos(self.folder))

    @property
    def oof(self) -> pd.DataFrame:
        """The out-of-fold predictions: a row for each validated photo with `photo`, `person`,
        `fold`; for each attribute the true label `true_<name>` (missing where it is unknown) and
        the prediction `<name>`; `age_years` where ages in years are predicted; and the probability
        of each of the 18 classes, by its name. An attribute that the model does not predict has no
        prediction."""
        table, probabilities, attributes = self._out_of_fold()
        truth = photo_table.in_words(table)
        columns: dict[str, Any] = {name: table[name] for name in ("photo", "person", "fold")}
        columns |= {f"true_{name}": truth[name] for name in labels.ATTRIBUTES}
        for name, part in labels.marginals(probabilities).items():
            if name in attributes:
                columns[name] = np.array(labels.ATTRIBUTES[name])[part.argmax(1)]
        rows, _ = tables.read_probabilities(self.folder.oof_file)  # in the same order
        if "predicted_age" in rows:
            columns["age_years"] = rows["predicted_age"]
        return pd.DataFrame(columns | dict(zip(labels.CLASSES, probabilities.T, strict=True)))

    @property
    def history(self) -> pd.DataFrame:
        """A row for each epoch of each fold; a system has none."""
        return tables.history(self.folder)

    @property
    def notes(self) -> tuple[Note, ...]:
        """The notes on the run, oldest first."""
        return self.folder.notes()

    def note(self, text: str, author: str | None = None) -> Note:
        """Write down a note, such as `hypothesis | result | cause`, by default in the user's name.
        Raises MaskgateError for an empty or a very long one."""
        return self.folder.add_note(text, author)

    def confusion(self, of: str = _LABEL) -> pd.DataFrame:
        """The number of validated photos by true class (rows) and predicted class (columns): of
        the 18 classes, or `of` an attribute. Raises MaskgateError where the run has no such
        scores."""
        scores = self._scores(of)
        names = [each.name for each in scores.classes]
        return pd.DataFrame(
            np.array(scores.confusion.value).astype(np.int64),
            index=pd.Index(names, name="true"),
            columns=pd.Index(names, name="predicted"),
        )

    def mistakes(self) -> pd.DataFrame:
        """The validated photos with a wrong prediction, the lowest probability of the correct
        answer first; see `reports.mistakes.find`."""
        table, probabilities, attributes = self._out_of_fold()
        return mistakes.find(metrics.keep_labels(table, attributes), probabilities)

    def report(self, photos: bool = True) -> Path:
        """Write `report.html`, and `mistakes.csv`, again; the page's path. Without `photos` the
        page shows no photo of anyone."""
        return run_report.write(self.folder, photos)

    def _out_of_fold(self) -> tuple[pd.DataFrame, tables.Probabilities, list[str]]:
        """The photo table and the probabilities of the validated photos, and the attributes that
        the model predicts."""
        results = self._validated()
        return *tables.oof(self.folder), known_attributes(results)

    def _validated(self) -> Results:
        results = self.metrics
        if not results.validated:
            raise MaskgateError(
                f"{self.path}: has no validation people, so nothing is out of fold; give a run with"
                " folds"
            )
        return results

    def _scores(self, of: str) -> Scores:
        results = self._validated()
        known = {str(name): scores for name, scores in results.attributes.items()}
        if (all_classes := results.all_classes) is not None:
            known[_LABEL] = all_classes
        if of not in known:
            raise MaskgateError(f"{self.path}: has no scores of {of}; it has {listed([*known])}")
        return known[of]

    def _repr_html_(self) -> str:
        status, results = self.status, self.metrics
        size = f"{status.photos:,} photos of {status.people:,} people"
        parts = [
            notebook.paragraph(f"{self.name}: {status.recipe}, {size}"),
            results._repr_html_(),
            _members(results),
            *(notebook.paragraph(str(note)) for note in self.notes),
        ]
        return "".join(parts)


def model_paths(models: Sequence[ModelPath]) -> list[Path]:
    """The paths of models. Raises MaskgateError for none."""
    if not models:
        raise MaskgateError("no run; give the folder of one, or several")
    return [Path(model) for model in models]


def _members(results: Results) -> str:
    """The scores of a system's members, and the gain of each step of their combination."""
    rows = [(name, member.score or "–", "") for name, member in results.members.items()]
    for step in results.steps:
        gain = "" if step.gain is None else f"{signed(step.gain.as_score())} over {step.before}"
        rows.append((step.name, step.score, gain))
    return notebook.table(["member or step", "score", "gain"], rows) if rows else ""
