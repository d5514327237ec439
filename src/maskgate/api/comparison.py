"""Compare runs from Python."""

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from maskgate.api.run import ModelPath, model_paths
from maskgate.core import notebook
from maskgate.core.score import Score
from maskgate.evaluation import compare as comparison
from maskgate.evaluation import power
from maskgate.evaluation.compare import SCORE, Comparisons
from maskgate.reports import compare as compare_page
from maskgate.reports import targets


@dataclass(frozen=True, repr=False)
class ComparedRuns:
    """Groups of runs compared with the first; the runs of one group differ only in their seed."""

    summary: Comparisons

    def __repr__(self) -> str:
        return f"ComparedRuns({self.verdicts})"

    @property
    def scores(self) -> dict[str, Score]:
        """The score of each group with its 95% interval, the reference first."""
        pairs = zip(self.summary.groups, self.summary.scores, strict=True)
        return {group.name: scores[SCORE].score for group, scores in pairs}

    @property
    def verdicts(self) -> dict[str, str]:
        """Of each group but the reference `better`, `worse` or `undecided`."""
        return {each.group.name: each.verdict for each in self.summary.comparisons}

    @property
    def differences(self) -> dict[str, Score]:
        """The score of each group less that of the reference, with an interval that is corrected
        for the number of comparisons."""
        return {each.group.name: each.score for each in self.summary.comparisons}

    @property
    def sentences(self) -> list[str]:
        """Every verdict, and what limits it, as a sentence."""
        verdicts = [
            compare_page.conclusion(self.summary, each) for each in self.summary.comparisons
        ]
        return verdicts + self.summary.notes

    @property
    def table(self) -> pd.DataFrame:
        """A row for each measure of each group but the reference, as the command line writes it as
        CSV."""
        return compare_page.as_table(self.summary)

    def people_needed(self, difference: float) -> dict[str, int | None]:
        """For each group, how many people are needed to detect that difference in score; None
        where no number is enough."""
        return {
            each.group.name: power.people_needed(
                each.score_difference, self.summary.people, difference
            )
            for each in self.summary.comparisons
        }

    def write(self, out: str | os.PathLike[str]) -> Path:
        """Write the page `out` (.html, or its folder) and a CSV beside it; the page's path. Raises
        MaskgateError if they cannot be written."""
        page, csv_file = targets.of_comparison(Path(out))
        compare_page.write(self.summary, page, csv_file)
        return page

    def _repr_html_(self) -> str:
        rows = [
            (
                group.name,
                self.scores[group.name],
                compare_page.signed(difference) if difference else "",
                self.verdicts.get(group.name, "reference"),
                compare_page.differs(self.summary, group),
            )
            for group in self.summary.groups
            for difference in [self.differences.get(group.name)]
        ]
        header = ["group", self.summary.score_of, "difference", "verdict", "what differs"]
        return notebook.table(header, rows) + "".join(map(notebook.paragraph, self.sentences))


def compare(*runs: ModelPath) -> ComparedRuns:
    """Compare runs, or folders of them, by their out-of-fold scores on the same photos and folds;
    the first is the reference. Raises MaskgateError where they cannot be compared."""
    return ComparedRuns(comparison.compare(model_paths(runs)))
