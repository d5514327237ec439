"""Predicts and scores the validation photos of a fold."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, gather_object
from torch import nn

from maskgate import labels
from maskgate.config.recipe import Recipe
from maskgate.core import confusions, finite
from maskgate.core.progress import log, track
from maskgate.evaluation import metrics
from maskgate.imaging.tta import PLAIN_VIEW, TtaView, tta_views
from maskgate.model import predicting
from maskgate.pipeline.loader import Loader
from maskgate.training.step import is_out_of_memory

Probabilities = npt.NDArray[np.float32]
Ages = npt.NDArray[np.float32]


class Validator:
    """Predicts the validation photos of a fold, `rows` (V,) of the loader's table, in every
    process. If memory runs out, it goes on with smaller batches."""

    def __init__(
        self,
        recipe: Recipe,
        fold: int,
        loader: Loader,
        rows: npt.NDArray[np.int64],
        accelerator: Accelerator,
    ) -> None:
        self.fold, self.loader, self.rows, self.accelerator = fold, loader, rows, accelerator
        self.at_once = recipe.training.photos_per_validation_batch
        self.tta_views = tta_views(recipe.tta, recipe.photo.geometry)

    def predict(self, network: nn.Module, tta_view: TtaView = PLAIN_VIEW) -> Probabilities:
        """Probabilities (V, 18), with every photo predicted exactly once.

        `network` must not be Accelerate's wrapped one: that would exchange buffers at every batch,
        and processes may have different numbers of batches. Raises MaskgateError if a probability
        is not finite.
        """
        if not len(self.rows):
            return np.empty((0, labels.COUNT), dtype=np.float32)
        probabilities = self._predicted(predicting.probabilities, network, tta_view)
        finite.check(probabilities, f"fold {self.fold}", finite.LOWER_LR)
        return probabilities

    def ages(self, network: nn.Module) -> Ages:
        """Mean ages (V,) in years, without test-time augmentation; as `predict`."""
        if not len(self.rows):
            return np.empty(0, dtype=np.float32)
        return self._predicted(predicting.ages, network, PLAIN_VIEW)

    def _predicted(
        self,
        predict: Callable[[nn.Module, Any, torch.device], npt.NDArray[np.float32]],
        network: nn.Module,
        tta_view: TtaView,
    ) -> npt.NDArray[np.float32]:
        rank, ranks = self.accelerator.process_index, self.accelerator.num_processes
        if ranks > 1:
            for buffer in network.buffers():
                broadcast(buffer)
        while True:
            try:
                loader = self.loader.validation(
                    self.rows, self.at_once, rank=rank, ranks=ranks, tta_view=tta_view
                )
                share = predict(network, loader, self.accelerator.device)
                break
            except Exception as error:
                if not is_out_of_memory(error) or self.at_once == 1 or ranks > 1:
                    raise
                self.at_once //= 2
                log(f"warning: out of memory in validation; now {self.at_once} photos at once")
        if ranks == 1:
            return share
        merged = np.full((len(self.rows), *share.shape[1:]), np.nan, dtype=np.float32)
        for number, part in enumerate(gather_object([share])):
            merged[number::ranks] = part
        return merged

    def augmented(self, network: nn.Module, plain: Probabilities) -> Probabilities:
        """Probabilities (V, 18) with the recipe's test-time augmentation, whose first view's
        probabilities are `plain`."""
        _, *others = self.tta_views
        if not others or not len(plain):
            return plain
        views: Iterable[TtaView] = others
        if self.accelerator.is_main_process:
            views = track(others, f"fold {self.fold}, test-time augmentation", len(others))
        total = plain.astype(np.float64)
        for tta_view in views:
            total += self.predict(network, tta_view)
        return (total / (1 + len(others))).astype(np.float32)


def scores(
    probabilities: Probabilities, rows: pd.DataFrame, attributes: Collection[str]
) -> dict[str, float]:
    """An epoch's scores for the history: of probabilities (V, 18) against the table's rows (V).

    Epochs are selected by `valid_score`: macro F1 over the 18 classes, or the mean macro F1 of the
    known attributes if no photo has all three labels or the model predicts only some `attributes`.
    Scores without labels are NaN.
    """
    rows = metrics.keep_labels(rows, attributes)
    targets = labels.agrees(*(rows[name].to_numpy() for name in labels.ATTRIBUTES))
    likelihood = (probabilities.astype(np.float64) * targets).sum(1).clip(1e-12)
    row = {"valid_loss": float(-np.log(likelihood).mean())}
    truths = {"": (rows["label"], probabilities)}
    for name, part in labels.marginals(probabilities).items():
        truths[f"{name}_"] = (rows[name], part)
    for name, (truth, part) in truths.items():
        known = bool((truth != labels.UNKNOWN).any())
        counts = confusions.confusion(truth, part.argmax(1), part.shape[1])
        for key, measure in (("macro_f1", confusions.macro_f1), ("accuracy", confusions.accuracy)):
            row[f"valid_{name}{key}"] = float(measure(counts)) if known else float("nan")
    score = row["valid_macro_f1"]
    if np.isnan(score):
        score = float(np.nanmean([row[f"valid_{name}_macro_f1"] for name in labels.ATTRIBUTES]))
    return row | {"valid_score": score}


def history_line(row: dict[str, Any]) -> str:
    """A row of the history in one line."""
    line = f"fold {row['fold']}, epoch {row['epoch']}: training loss {row['train_loss']:.3f}"
    if "valid_score" in row:
        line += f", validation loss {row['valid_loss']:.3f}, macro F1 {row['valid_score']:.3f}"
    return line
