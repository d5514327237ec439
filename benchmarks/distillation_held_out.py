"""Scores a student, its teacher and a single model on people whom none of them saw.

    python benchmarks/distillation_held_out.py SINGLE ENSEMBLE STUDENT… DATA
        [--people 300] [--folds 0 1] [--seed 0]

DATA are photos with all labels of other people than the runs' (docs/data.md), such as FairFace's
held-out people with drawn masks (see `default_model.py`); of them `--people` are drawn at random.
Out of fold a photo is scored by the network of its fold, or by those of the ensemble's members. So
here each photo is scored by the networks of each of the `--folds`, and the scores are averaged.

If a student's gain over the single model is much smaller here than out of fold, and the ensemble's
is not, the student's score out of fold is too high. Prints macro F1 over the 18 classes and the
paired differences, with 95% intervals from a bootstrap over people.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core.progress import track
from maskgate.data import layouts
from maskgate.evaluation import metrics
from maskgate.evaluation.bootstrap import Resamples
from maskgate.faces import reader
from maskgate.inference import loading
from maskgate.inference.classifier import Classifier
from maskgate.runs import open_run

_BATCH: Final = reader.BATCH
Probabilities = npt.NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", help="the single model, the ensemble, the students")
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--seed", type=int, default=0, help="of the choice of people")
    arguments = parser.parse_args()
    table, paths = photos(arguments.data, arguments.people, arguments.seed)
    classifiers = {
        name: [
            loading.of_run(open_run(name), folds=lambda _, fold=fold: [fold])  # type: ignore[misc]
            for fold in arguments.folds
        ]
        for name in arguments.runs
    }
    report(table, probabilities(classifiers, paths))


def photos(data: Path, people: int, seed: int) -> tuple[pd.DataFrame, list[Path]]:
    """The photo table of some people (N rows), and the files."""
    read = layouts.read(data)
    known = read.table[read.table["label"] != labels.UNKNOWN]
    names = np.sort(known["person"].unique())
    chosen = np.random.default_rng(seed).permutation(names)[:people]
    table = known[known["person"].isin(chosen)].reset_index(drop=True)
    return table, [read.root / name for name in table["photo"]]


def probabilities(
    classifiers: dict[str, list[Classifier]], paths: list[Path]
) -> dict[str, list[Probabilities]]:
    """The probabilities (N, 18) by each run's networks of each fold. A photo is read once."""
    parts: dict[str, list[list[Probabilities]]] = {
        name: [[] for _ in each] for name, each in classifiers.items()
    }
    views = {name: len(each[0].views) for name, each in classifiers.items()}
    every_view = [view for each in classifiers.values() for view in each[0].views]
    batches = reader.read_batches(paths, every_view, all_faces=False)
    for batch in track(batches, "predicting", len(paths), size=_BATCH):
        readable = [each for each in batch if not isinstance(each, str)]
        if len(readable) < len(batch):
            raise SystemExit("a photo cannot be read")
        pictures = [
            np.concatenate(each) for each in zip(*(r.pictures for r in readable), strict=True)
        ]
        start = 0
        for name, each in classifiers.items():
            run_pictures = pictures[start : start + views[name]]
            for part, classifier in zip(parts[name], each, strict=True):
                part.append(classifier(run_pictures).probabilities)
            start += views[name]
    return {name: list(map(np.concatenate, each)) for name, each in parts.items()}


def report(table: pd.DataFrame, by_run: dict[str, list[Probabilities]]) -> None:
    """Print the scores, and the differences from the first run."""
    weights = Resamples(table, metrics.RESAMPLES, seed=0)
    scores = {name: mean_score(table, each, weights) for name, each in by_run.items()}
    print(f"{len(table):,} photos of {weights.people:,} people")
    (_, reference), *_ = scores.items()
    for name, (value, drawn) in scores.items():
        difference = metrics.interval(value - reference[0], drawn - reference[1])
        print(f"{name}: {metrics.interval(value, drawn)}, less the first: {difference}")


def mean_score(
    table: pd.DataFrame, of_folds: list[Probabilities], weights: Resamples
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The mean over folds of macro F1, on all people () and in each resample (R,)."""

    def each() -> Iterator[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
        for one in of_folds:
            yield metrics.main_score(one, table, weights)

    values, drawn = zip(*each(), strict=True)
    return np.mean(values, axis=0), np.mean(drawn, axis=0)


if __name__ == "__main__":
    main()
