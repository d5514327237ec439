"""Scores a run on labelled photos of another data set.

    python benchmarks/other_photos.py RUN DATA [--source TEXT]

For each attribute that both have: the confusion matrix, the recall of each value and their mean
(balanced recall), with 95% intervals from a bootstrap over people. With --source, only photos whose
value in the CSV's column `source` starts with TEXT. An error if RUN was trained on any of them.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from maskgate import labels, runs
from maskgate.core import confusions
from maskgate.core.score import Score
from maskgate.data import checks, layouts
from maskgate.data.contents import digest
from maskgate.errors import MaskgateError
from maskgate.evaluation import metrics
from maskgate.evaluation.bootstrap import Resamples
from maskgate.inference import loading
from maskgate.runs import tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--source", default="", help="the start of the CSV's column source")
    arguments = parser.parse_args()
    photos = layouts.read(arguments.data)
    checks.refuse(photos.problems, arguments.data, skip=False)
    if arguments.source:
        csv = arguments.data if arguments.data.is_file() else arguments.data / "photos.csv"
        rows = pd.read_csv(csv, dtype="str").set_index("photo")["source"]
        chosen = photos.table["photo"].map(rows).str.startswith(arguments.source).to_numpy()
        photos = photos.take(np.flatnonzero(chosen))
    run = runs.open_run(arguments.run)
    training_digests = set().union(*(tables.training_digests(run, fold) for fold in run.folds))
    if any(
        digest((photos.root / name).read_bytes()).hex() in training_digests
        for name in photos.table["photo"]
    ):
        raise MaskgateError(f"{run.path}: was trained on photos of {arguments.data}")
    predictor = loading.load(arguments.run)
    paths = [photos.root / name for name in photos.table["photo"]]
    probabilities, faults = predictor.probabilities(paths)
    if faults:
        raise MaskgateError(f"{len(faults)} photos cannot be read, first {paths[min(faults)]}")
    report = metrics.evaluate(probabilities, photos.table, attributes=predictor.attributes)
    print(f"{run.path} on {report['photos']} photos of {arguments.data} {arguments.source}\n")
    for name, part in report["attributes"].items():
        values = labels.ATTRIBUTES[name]
        present = [c for c, each in enumerate(part["classes"]) if each["photos"]]
        print(
            f"| {name} | photos | recall | {' | '.join(f'predicted {value}' for value in values)} |"
        )
        print("|---|---|---|" + "---|" * len(values))
        for c in present:
            each = part["classes"][c]
            counts = " | ".join(f"{count:.0f}" for count in part["confusion"]["value"][c])
            recall = metrics.read_score(each["recall"])
            print(f"| {values[c]} | {each['photos']} | {recall} | {counts} |")
        print(f"\nbalanced recall {_balanced(photos.table, probabilities, name, present)}\n")


def _balanced(
    table: pd.DataFrame, probabilities: "np.ndarray", name: str, present: list[int]
) -> Score:
    """The mean recall of the values that occur, with its interval."""
    weights = Resamples(table, metrics.RESAMPLES, seed=0)
    truth = table[name].to_numpy()
    predicted = labels.marginals(probabilities)[name].argmax(1)
    size = len(labels.ATTRIBUTES[name])
    recall = confusions.recall(confusions.confusion(truth, predicted, size))[present].mean()
    drawn = confusions.recall(weights.confusions(name, truth, predicted))[:, present].mean(1)
    return metrics.interval(recall, drawn)


if __name__ == "__main__":
    main()
