"""How many planted label errors `maskgate suspects` lists, against cleanlab photo by photo.

    python benchmarks/suspects.py OUT [--people 500] [--epochs 8] [--seeds 1 2 3]

For each seed, people are drawn in OUT and their labels are changed: 3% of the people get the other
gender, of 2% `incorrect_mask` and `normal` are swapped, and 3% get an age of another band, at least
ten years away. The recipe `demo` is trained in four folds on these labels. A Markdown table gives,
for each kind of error, the recall at the longest list of which at least half is right, by the
ranking of `maskgate suspects` and by that of cleanlab: a person ranks as the photo with the lowest
label quality. It also gives precision and recall of what each flags by itself: a probability of at
least .5, and the label issues of cleanlab's confident learning (Northcutt et al., Confident
Learning: Estimating Uncertainty in Dataset Labels, JAIR 2021). Numbers are sums over the seeds.
Runs that exist are not trained again.
"""

import argparse
import csv
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

from maskgate import labels, runs
from maskgate.config import recipe
from maskgate.label_errors import suspects
from maskgate.runs import RunFolder, tables
from maskgate.synthetic.people import sample_people
from maskgate.training import crossval
from maskgate.training.options import TrainOptions

KINDS: Final = {"gender": 0.03, "mask": 0.02, "age_band": 0.03}
FAR: Final = 10  # years
SIZE: Final = (96, 72)
Errors = set[tuple[str, str]]  # person and attribute


@dataclass(frozen=True)
class Ranking:
    """People by one attribute, most suspicious first: whether each is an error (P,), and whether it
    is flagged (P,)."""

    is_error: npt.NDArray[np.bool_]
    flagged: npt.NDArray[np.bool_]


def plant(images: Path, out: Path, seed: int) -> None:
    """Copy the people in `images` to `out`/images with wrong labels, and list these in
    `out`/planted.csv."""
    random = np.random.default_rng([seed, 1])
    names = sorted(path.name for path in images.iterdir() if path.is_dir())
    ages = np.array([int(name.rsplit("_", 1)[1]) for name in names])
    bands = labels.age_band(ages)
    chosen = {
        kind: set(random.choice(len(names), round(share * len(names)), replace=False).tolist())
        for kind, share in KINDS.items()
    }
    planted = []
    for place, name in enumerate(names):
        number, gender, race, age = name.split("_")
        if place in chosen["gender"]:
            gender = labels.GENDERS[1 - labels.GENDERS.index(gender)]
        if place in chosen["age_band"]:
            is_far = (bands != bands[place]) & (np.abs(ages - ages[place]) >= FAR)
            age = str(random.choice(ages[is_far]))
        person = f"{number}_{gender}_{race}_{age}"
        folder = out / "images" / person
        shutil.copytree(images / name, folder)
        if place in chosen["mask"]:
            (folder / "incorrect_mask.jpg").rename(folder / "swap.jpg")
            (folder / "normal.jpg").rename(folder / "incorrect_mask.jpg")
            (folder / "swap.jpg").rename(folder / "normal.jpg")
        planted += [(person, kind) for kind in KINDS if place in chosen[kind]]
    with (out / "planted.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("person", "attribute"), *planted])


def trained(out: Path, people: int, epochs: int, seed: int) -> RunFolder:
    """The run on planted errors in `out`, which is trained unless it exists."""
    noisy = out / "noisy"
    if not (noisy / "planted.csv").exists():
        shutil.rmtree(out, ignore_errors=True)
        sample_people.make(
            out / "people", people, eval_people=1, size=SIZE, seed=seed, irregular_files=False,
            label_errors=0, twins=0,
        )  # fmt: skip
        plant(out / "people" / "train" / "images", noisy, seed)
    overrides = ["folds.kind=kfold", "folds.count=4", f"training.epochs={epochs}", f"seed={seed}"]
    options = TrainOptions("demo", noisy / "images", out / "run", out / "cache")
    if not runs.is_run(out / "run") or not RunFolder(out / "run").files.is_finished:
        crossval.train(recipe.load(recipe.find("demo"), overrides), options)
    return runs.open_run(out / "run")


def by_person(run: RunFolder, errors: Errors) -> Iterator[tuple[str, Ranking]]:
    """The rankings of `maskgate suspects`; people who are not listed come last."""
    result = suspects.of_run(run, [], run.path)
    people = tables.photos(run)["person"].unique()
    table = result.table[result.table["photo"] == ""]
    for kind in KINDS:
        of_kind = table[table["attribute"] == kind]
        rest = [person for person in people if person not in set(of_kind["person"])]
        flagged = [*(of_kind["probability"] >= 0.5), *[False] * len(rest)]
        ranked = [*of_kind["person"], *rest]
        yield (
            kind,
            Ranking(np.array([(each, kind) in errors for each in ranked]), np.array(flagged)),
        )


def by_photo(run: RunFolder, errors: Errors) -> Iterator[tuple[str, Ranking]]:
    """The rankings of cleanlab: a person ranks as the photo with the lowest quality, and is flagged
    if a photo is."""
    table, probabilities = tables.oof(run)
    for kind, values in labels.marginals(probabilities.astype(np.float64)).items():
        label = table[kind].to_numpy(np.int64)
        quality = get_label_quality_scores(label, values, method="normalized_margin")
        issues = find_label_issues(label, values, n_jobs=1)
        photos = pd.DataFrame({"person": table["person"], "quality": quality, "flagged": issues})
        people = photos.groupby("person").agg({"quality": "min", "flagged": "any"})
        people = people.sort_values("quality", kind="stable")
        is_error = np.array([(str(person), kind) in errors for person in people.index])
        yield kind, Ranking(is_error, people["flagged"].to_numpy())


def longest_half_right(ranking: Ranking) -> int:
    """The number of errors in the longest head of the list of which at least half are errors."""
    hits = ranking.is_error.cumsum()
    enough = hits / np.arange(1, len(hits) + 1) >= 0.5
    return int(hits[enough].max(initial=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    rankings: dict[tuple[str, str], list[Ranking]] = {}
    for seed in arguments.seeds:
        run = trained(arguments.out / str(seed), arguments.people, arguments.epochs, seed)
        planted = pd.read_csv(arguments.out / str(seed) / "noisy" / "planted.csv")
        errors = set(zip(planted["person"], planted["attribute"], strict=True))
        for method, find in (("suspects", by_person), ("cleanlab by photo", by_photo)):
            for kind, ranking in find(run, errors):
                rankings.setdefault((kind, method), []).append(ranking)
    print("| errors | method | recall at precision ≥ .5 | by seed | flagged | precision | recall |")
    print("|---|---|---|---|---|---|---|")
    for kind in KINDS:
        for method in ("suspects", "cleanlab by photo"):
            of_seeds = rankings[kind, method]
            total = sum(int(each.is_error.sum()) for each in of_seeds)
            heads = [longest_half_right(each) for each in of_seeds]
            by_seed = " ".join(
                f"{head / each.is_error.sum():.2f}"
                for head, each in zip(heads, of_seeds, strict=True)
            )
            flagged = sum(int(each.flagged.sum()) for each in of_seeds)
            hits = sum(int((each.flagged & each.is_error).sum()) for each in of_seeds)
            print(
                f"| {kind.replace('_', ' ')} ({total}) | {method} | {sum(heads) / total:.2f} |"
                f" {by_seed} | {flagged} | {hits / max(flagged, 1):.2f} | {hits / total:.2f} |"
            )


if __name__ == "__main__":
    main()
