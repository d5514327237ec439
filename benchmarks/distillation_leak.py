"""Measures how much soft labels raise a student's out-of-fold score by what they leak.

    python benchmarks/distillation_leak.py [--seeds 6] [--people 120] [--outer 120] [--epochs 12]

Out-of-fold soft labels of one person come from networks that were trained on others, whom the
student is validated on; see `maskgate.training.soft_labels`. For every seed, people are drawn, and
some of their labels are made wrong, person by person: the gender of a fifth, the age band of 3 in
10. Whoever scores above others on wrong labels must have learned them from somewhere.

On the inner people two networks are trained over three folds, and combined. Two students learn from
them, beside the labels: one from the networks of its own fold, one from the out-of-fold
probabilities. Students and the first network (which has their recipe and seed, and no teacher) are
scored out of fold on the inner people, and on outer people whom no network saw, with the same share
of wrong labels; there, each fold's network is scored, and the scores are averaged. What the inner
score has above the outer one also depends on who was drawn, for all alike. So the leak is that
difference of a student less that of the network without teacher.

Prints the scores of each seed and a Markdown table of the means with 95% intervals over the seeds
(Student's t): macro F1, and accuracy over the 18 classes.
"""

import argparse
import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from maskgate import labels
from maskgate.config import recipe as recipes
from maskgate.core import confusions
from maskgate.data import layouts
from maskgate.evaluation import ensemble
from maskgate.inference import loading, teachers
from maskgate.inference.predictor import Predictor
from maskgate.runs import RunFolder, tables
from maskgate.synthetic.people import sample_people
from maskgate.training import crossval, ensemble_run
from maskgate.training.options import TrainOptions

WRONG_GENDER: Final = 0.2  # share of the people
WRONG_AGE: Final = 0.3
WEIGHT: Final = 0.5  # as maskgate distill has them
TEMPERATURE: Final = 2.0
MEASURES: Final = ("macro F1", "accuracy")
MODELS: Final = ("without teacher", "student of its fold's networks", "student out of fold")
Floats = npt.NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--people", type=int, default=120, help="inner people")
    parser.add_argument("--outer", type=int, default=120, help="people whom no network saw")
    parser.add_argument("--epochs", type=int, default=12)
    arguments = parser.parse_args()
    by_seed = []
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory(prefix="distillation-leak-") as folder:
            scores = of_seed(Path(folder), seed, arguments)
        by_seed.append(scores)
        print(f"seed {seed}: {np.round(scores, 4).tolist()}", flush=True)
    report(np.array(by_seed))


def of_seed(root: Path, seed: int, arguments: argparse.Namespace) -> Floats:
    """Scores (3, 2, 2): of MODELS; inner and outer; by measure."""
    inner, outer = people(root, seed, arguments.people, arguments.outer)
    changes = [
        "folds={kind: kfold, count: 3}",
        "photo={height: 48, width: 36}",
        f"training.epochs={arguments.epochs}",
    ]
    cache = root / "cache"

    def trained(name: str, recipe: recipes.Recipe) -> RunFolder:
        options = TrainOptions(name, inner, out=root / name, cache=cache)
        return crossval.train(recipe, options)

    one, other = (
        recipes.load(recipes.find("demo"), [*changes, f"seed={2 * seed + n}"]) for n in (0, 1)
    )
    single = trained("single", one)
    second = trained("second", other)
    system = ensemble.system_of([single.path, second.path])
    both = ensemble_run.combine(system, root / "both", "both", command="", cache=cache)
    students = [
        teachers.student(one, both, weight=WEIGHT, temperature=TEMPERATURE, out_of_fold=out_of_fold)
        for out_of_fold in (False, True)
    ]
    runs = [single, *(trained(f"student-{n}", student) for n, student in enumerate(students))]
    return np.array([[inner_scores(run), outer_scores(run, outer)] for run in runs])


def people(root: Path, seed: int, inner: int, outer: int) -> tuple[Path, Path]:
    """The CSVs of the inner people and of the others, with the wrong labels."""
    drawn_people = sample_people.make(
        root / "people", people=inner + outer, eval_people=0, size=(64, 48), seed=seed, twins=0
    )
    table = layouts.read(drawn_people.root).table
    random = np.random.default_rng([seed, 1])
    order = random.permutation(table["person"].unique())
    folder = drawn_people.root / "train" / "images"
    csvs = []
    for name, some in (("inner", order[:inner]), ("outer", order[inner:])):
        path = folder / f"{name}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["photo", "person", "mask", "gender", "age"])
            for _, photos in table[table["person"].isin(some)].groupby("person"):
                gender, age = wrong(random, photos["gender"].iloc[0], int(photos["age"].iloc[0]))
                for photo, person, mask in zip(
                    photos["photo"], photos["person"], photos["mask"], strict=True
                ):
                    row = [photo, person, labels.ATTRIBUTES["mask"][mask], gender, age]
                    writer.writerow(row)
        csvs.append(path)
    return csvs[0], csvs[1]


def wrong(random: np.random.Generator, gender: int, age: int) -> tuple[str, int]:
    """The gender and age of a person as they are labelled."""
    if random.random() < WRONG_GENDER:
        gender = 1 - gender
    if random.random() < WRONG_AGE:
        others = [each for each in (25, 45, 65) if band(each) != band(age)]
        age = int(random.choice(others))
    return labels.ATTRIBUTES["gender"][gender], age


def band(age: int) -> int:
    return int(np.searchsorted(labels.AGE_BOUNDARIES, age, side="right"))


def inner_scores(run: RunFolder) -> list[float]:
    table, probabilities = tables.oof(run)
    return scores(table["label"].to_numpy(np.int64), probabilities)


def outer_scores(run: RunFolder, data: Path) -> list[float]:
    """The mean of the scores of the folds' networks."""
    photos = layouts.read(data)
    paths = [photos.root / name for name in photos.table["photo"]]
    codes = photos.table["label"].to_numpy(np.int64)

    def by_fold() -> Iterator[list[float]]:
        for fold in run.folds:
            predictor = Predictor(loading.of_folds(run, [fold]))
            yield scores(codes, predictor.probabilities(paths)[0])

    return list(np.mean(list(by_fold()), axis=0))


def scores(codes: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float32]) -> list[float]:
    predicted = probabilities.argmax(1)
    confusion = confusions.confusion(codes, predicted, labels.COUNT)
    return [float(confusions.macro_f1(confusion)), float((codes == predicted).mean())]


def report(by_seed: Floats) -> None:
    """Print the table of scores (S, 3, 2, 2)."""
    gap = by_seed[:, :, 0] - by_seed[:, :, 1]
    print(f"\n| {len(by_seed)} seeds | {' | '.join(MEASURES)} |\n|---|---|---|")
    rows = [
        (f"{name}, {place}", by_seed[:, model, where])
        for model, name in enumerate(MODELS)
        for where, place in enumerate(("inner", "outer"))
    ]
    rows += [(f"leak, {MODELS[n]}", gap[:, n] - gap[:, 0]) for n in (1, 2)]
    for name, values in rows:
        cells = [interval(values[:, number]) for number in range(len(MEASURES))]
        print(f"| {name} | {' | '.join(cells)} |")


def interval(values: Floats) -> str:
    count = len(values)
    half = stdtrit(count - 1, 0.975) * values.std(ddof=1) / np.sqrt(count) if count > 1 else np.nan
    mean = values.mean()
    return f"{mean:+.4f} [{mean - half:+.4f}, {mean + half:+.4f}]"


if __name__ == "__main__":
    main()
