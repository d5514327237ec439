"""Verdicts of `maskgate compare` between two groups of runs, and the score of a group."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, Final

from maskgate.core.progress import say
from maskgate.core.score import Score
from maskgate.dashboard import stamps
from maskgate.dashboard.grouping import Group, Grouping
from maskgate.errors import MaskgateError
from maskgate.evaluation import compare, groups
from maskgate.evaluation.compare import SCORE, ScoredGroups
from maskgate.reports import compare as compare_page
from maskgate.reports.run_rows import RunRow

MOST: Final = 15  # groups of which all pairs are compared when a page is written

Pair = tuple[str, str]  # ids of groups
Stamps = tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """How a group compares with a `reference`, as a verdict, sentences and differences by
    measure."""

    reference: str  # the id of a group, as `group`
    group: str
    verdict: str
    sentence: str
    notes: list[str]
    differences: dict[str, Score]

    def as_json(self) -> dict[str, Any]:
        """Its fields; `differences` is a list of titles, each with a value, low and high."""
        ends = [
            (name, [score.value, score.low, score.high]) for name, score in self.differences.items()
        ]
        return vars(self) | {"differences": ends}


@dataclass
class Verdicts:
    """The verdicts so far, by the ids of both groups, and the scores of groups by id.

    `faults` are of damaged runs that were left out, by name.
    """

    by_pair: dict[Pair, Verdict] = field(default_factory=dict)
    scores: dict[str, Score] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    _compared: dict[str, Stamps] = field(default_factory=dict)  # their runs, by group
    _damaged: dict[str, Stamps] = field(default_factory=dict)  # those left out, by name

    def compare_best(self, grouping: Grouping) -> None:
        """Compare all pairs of the MOST best groups on each set of photos."""
        for place in range(len(grouping.sets)):
            best = sorted(
                (group for group in grouping.groups if group.validation_set == place),
                key=lambda group: -(group.mean or 0.0),
            )[:MOST]
            if len(best) < 2 and all(len(group.compared) < 2 for group in best):
                continue
            try:
                self._compare_all(best)
            except MaskgateError as error:
                say(f"warning: not all compared, {error}")
                self._compare_pairs(best)

    def forget_changed(self, grouping: Grouping) -> None:
        """Forget what is about groups that have other runs now, such as a new seed, or runs whose
        files have changed, such as a damaged one that was put back."""
        files = _files(grouping.groups)
        now = {group.id: _of_group(group, files) for group in grouping.groups}
        for name in [name for name, known in self._compared.items() if now.get(name) != known]:
            del self._compared[name]
            self.scores.pop(name, None)
            for pair in [pair for pair in self.by_pair if name in pair]:
                del self.by_pair[pair]
        for name in list(self.faults):
            if files.get(name) != self._damaged[name]:
                del self.faults[name], self._damaged[name]

    def compare(self, one: Group, two: Group) -> Verdict:
        """The verdict between two groups. Raises MaskgateError where they cannot be compared."""
        self._compare_all([one, two])
        first, second = _ordered(one, two)
        if (first.id, second.id) not in self.by_pair:  # all runs of one are damaged
            rows = (*first.compared, *second.compared)
            raise MaskgateError(
                next(self.faults[row.name] for row in rows if row.name in self.faults)
            )
        return self.by_pair[first.id, second.id]

    def _compare_pairs(self, compared_groups: Sequence[Group]) -> None:
        """Compare each pair on its own, so that a pair that cannot be compared is the only one."""
        for pair in combinations(compared_groups, 2):
            with suppress(MaskgateError):
                self._compare_all(pair)

    def _compare_all(self, compared_groups: Sequence[Group]) -> None:
        """Compare all pairs of groups, leaving out runs that are damaged."""
        rows = {group.id: group.compared for group in compared_groups}
        files = _files(compared_groups)
        try:
            scored = _score(rows)
        except MaskgateError:
            faults = _faults(rows)
            if not faults:
                raise
            self.faults |= faults
            self._damaged |= {name: files[name] for name in faults}
            rows = {
                name: tuple(row for row in each if row.name not in faults)
                for name, each in rows.items()
            }
            scored = _score(rows)
        kept = [group for group in compared_groups if rows[group.id]]
        for group, scores in zip(kept, scored.scores, strict=True):
            self._compared[group.id] = _of_group(group, files)
            for row in rows[group.id]:
                self.faults.pop(row.name, None)
                self._damaged.pop(row.name, None)
            if len(rows[group.id]) > 1:
                self.scores[group.id] = scores[SCORE].score
        for verdict in _verdicts(kept, scored):
            self.by_pair[verdict.reference, verdict.group] = verdict


def _score(rows: Mapping[str, Sequence[RunRow]]) -> ScoredGroups:
    """Score the rows of each group, by its id; a group without rows is left out. Raises
    MaskgateError."""
    paths = [row.run.path for each in rows.values() for row in each]
    if not paths:
        raise MaskgateError("all runs are damaged")
    scored = compare.score(groups.group_runs(paths))
    if len(scored.groups) != sum(1 for each in rows.values() if each):
        raise MaskgateError("a run has changed; repeat the command")
    return scored


def _faults(rows: Mapping[str, Sequence[RunRow]]) -> dict[str, str]:
    """The faults of the damaged ones among the rows of groups, by name, with a warning for each."""
    faults = {}
    for row in (row for each in rows.values() for row in each):
        if (error := groups.damage(row.run)) is not None:
            say(f"warning: left out, {error}")
            faults[row.name] = str(error)
    return faults


def _verdicts(compared_groups: Sequence[Group], scored: ScoredGroups) -> Iterator[Verdict]:
    places = {group.id: place for place, group in enumerate(compared_groups)}
    for pair in combinations(compared_groups, 2):
        reference, group = _ordered(*pair)
        summary = scored.compared([places[reference.id], places[group.id]])
        (comparison,) = summary.comparisons
        with_titles = replace(
            comparison,
            reference=replace(comparison.reference, name=reference.name),
            group=replace(comparison.group, name=group.name),
        )
        yield Verdict(
            reference=reference.id,
            group=group.id,
            verdict=comparison.verdict,
            sentence=compare_page.conclusion(summary, with_titles),
            notes=summary.notes,
            differences={
                compare_page.titles_of(summary)[name]: difference.corrected
                for name, difference in comparison.differences.items()
            },
        )


def _files(compared_groups: Sequence[Group]) -> dict[str, Stamps]:
    """What changes when files of a run change, by its name."""
    rows = (row for group in compared_groups for row in group.compared)
    return {row.name: stamps.of_scores(row.run) for row in rows}


def _of_group(group: Group, files: Mapping[str, Stamps]) -> Stamps:
    """What changes when other runs belong to a group, or `files` of one change."""
    return tuple(text for row in group.compared for text in (row.name, *files[row.name]))


def _ordered(one: Group, two: Group) -> tuple[Group, Group]:
    """The group with the lower mean, which is the reference, and the other."""
    first, second = sorted((one, two), key=lambda group: (group.mean or 0.0, group.id))
    return first, second
