"""What a reduced precision costs: scores of the same out-of-fold photos in full and in reduced
precision, and their paired difference."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.bundle.manifest import Precision, PrecisionLoss
from maskgate.config.settings import Component
from maskgate.core.progress import track
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.ensemble.learning import combinations
from maskgate.errors import MaskgateError
from maskgate.evaluation import ensemble, metrics, oof
from maskgate.evaluation.bootstrap import Resamples
from maskgate.evaluation.validation_photos import ValidationPhotos
from maskgate.export import precision as precisions
from maskgate.export.models import ModelRun, member_path
from maskgate.imaging.tta import tta_views
from maskgate.inference.backends.onnx import OnnxBackend
from maskgate.model import heads
from maskgate.runs import RunFolder, tables
from maskgate.runs.records.results import Figure, known_attributes

Probabilities = npt.NDArray[np.float32]


def read_photos(
    run: RunFolder, singles: list[ModelRun], precision: Precision, root: Path | None
) -> dict[str, ValidationPhotos]:
    """The validated photos of the single models of a run, by their names, on which the loss of a
    precision can be measured; in each run's data folder unless a `root` is given.

    Raises MaskgateError where nothing can be predicted out of fold, or photos are gone or changed.
    """
    for each in (run, *(single.run for single in singles)):
        try:
            oof.check(each)
        except MaskgateError as error:
            raise MaskgateError(
                f"{error}, or export it in fp32: the loss in {precision} cannot be measured"
            ) from error
    return {
        single.name: precisions.read_photos(single, tables.oof(single.run)[0], root)
        for single in singles
    }


def measure(run: RunFolder, networks: "ReducedNetworks", limit: float) -> PrecisionLoss:
    """The score of a run, that of its reduced `networks` on the same out-of-fold photos, and the
    difference, which should be at most `limit`."""
    table, full = tables.oof(run)
    rows, reduced = networks.out_of_fold(run)
    reduced = reduced[pd.Index(rows["photo"]).get_indexer(pd.Index(table["photo"]))]
    weights = Resamples(table, metrics.RESAMPLES, seed=0)
    table = metrics.keep_labels(table, known_attributes(run.metrics()))
    before, drawn_before = metrics.main_score(full, table, weights)
    after, drawn_after = metrics.main_score(reduced, table, weights)
    loss = metrics.interval(before - after, drawn_before - drawn_after)
    return PrecisionLoss(
        score_of=metrics.main_score_name(table),
        photos=len(table),
        people=weights.people,
        before=Figure.from_score(metrics.interval(before, drawn_before)),
        after=Figure.from_score(metrics.interval(after, drawn_after)),
        loss=Figure.from_score(loss),
        limit=limit,
    )


def check_limit(loss: PrecisionLoss, precision: Precision) -> None:
    """Raise MaskgateError where more is lost than the limit."""
    if loss.loss.value > loss.limit:
        ways = "--precision fp16 or fp32" if precision == "int8" else "--precision fp32"
        raise MaskgateError(
            f"{line(loss, precision)}: more than --max-loss {loss.limit:g}; export it with {ways},"
            " or allow more"
        )


def line(loss: PrecisionLoss, precision: Precision) -> str:
    """The loss in one line."""
    return (
        f"{precision}: {loss.score_of} {loss.before.value:.4f} → {loss.after.value:.4f}, a loss of"
        f" {loss.loss} on {loss.photos:,} out-of-fold photos"
    )


def warning(loss: PrecisionLoss) -> str:
    """What to know of a loss within its limit whose interval reaches beyond; empty otherwise."""
    if loss.loss.high <= loss.limit:
        return ""
    return (
        f"warning: the interval of the loss reaches {loss.loss.high:.4f}, beyond --max-loss"
        f" {loss.limit:g}: {loss.people} people are too few to be sure that less is lost"
    )


@dataclass(frozen=True)
class ReducedNetworks:
    """The reduced networks of the single models of a run: `contents` are the ONNX files by their
    names in the bundle, `photos` what `read_photos` gives."""

    singles: list[ModelRun]
    contents: Mapping[str, bytes]
    photos: Mapping[str, ValidationPhotos]
    cache: Path

    def out_of_fold(
        self, run: RunFolder, name: str = "", tta: tuple[Component, ...] | None = None
    ) -> tuple[pd.DataFrame, Probabilities]:
        """The validated photos of a run, or of the member `name`, and their probabilities (N, 18).

        Each photo is predicted by the network of its fold, and members are combined by what was
        learned from the others' probabilities in full precision, as for the run's own scores.
        `tta` takes the place of the members' own.
        """
        if not run.is_system:
            return self._of_single(next(each for each in self.singles if each.name == name))
        members = ensemble.member_runs(run, tta)
        table, full = ensemble.member_probabilities(members, self.cache)
        reduced = []
        for member, each in zip(members, full, strict=True):
            below = member_path(name, member.name)
            rows, probabilities = self.out_of_fold(member.run, below, member.tta)
            place = pd.Index(rows["photo"]).get_indexer(pd.Index(table["photo"]))
            reduced.append(replace(each, probabilities=probabilities[place]))
        spec = EnsembleSpec.from_system(run.system())
        steps = combinations.out_of_fold(spec, full, table, reduced)
        return table, steps[-1].astype(np.float32)

    def _of_single(self, single: ModelRun) -> tuple[pd.DataFrame, Probabilities]:
        photos = self.photos[single.name]
        table = photos.table
        geometry, head = single.recipe.photo.geometry, single.recipe.model.head
        known = heads.attributes(head)

        def network(fold: int) -> OnnxBackend:
            file = single.network_file(fold)
            return OnnxBackend(self.contents[file], file, geometry=geometry, attributes=known)

        views = tta_views(single.tta, geometry)
        folds = [fold for fold in single.run.folds if (table["fold"] == fold).any()]
        what = f"predicting {single.run.path.name} out of fold, reduced"
        steps = oof.by_fold(photos, folds, views, network)
        predicted = list(track(steps, what, len(folds) * len(views)))
        probabilities = np.empty((len(table), labels.COUNT), np.float32)
        for at, fold in enumerate(folds):
            of_views = predicted[at * len(views) : (at + 1) * len(views)]
            probabilities[(table["fold"] == fold).to_numpy()] = np.mean(of_views, axis=0)
        return table, probabilities
