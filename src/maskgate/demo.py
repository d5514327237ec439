"""The whole product on generated people: train → submit → report, scored against the truth."""

import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import typer

from maskgate import labels, metrics, recipe, submission
from maskgate.data import sample_people, table
from maskgate.errors import MaskgateError
from maskgate.progress import say, track
from maskgate.training import crossval
from maskgate.training.prepare import Order

EVAL_PEOPLE = 60
SIZE = (96, 72)
TWINS = 1


def run(out: Path, people: int) -> None:
    """Make `people` in `out`, train the demo recipe on them and say how it did."""
    since = time.monotonic()
    data = out / "people"
    if not (data / "truth" / "eval.csv").exists():
        shutil.rmtree(data, ignore_errors=True)  # half-made
        _draw(data, people)
    there = len(pd.read_csv(data / "train" / "train.csv")) - TWINS
    if there != people:
        raise MaskgateError(f"{data}: holds {there} people; give another --out to draw {people}")
    say("2/4 training recipes/demo.yaml on them")
    path = recipe.find("demo")
    order = Order("demo", data, out / "run", out / "cache", command="maskgate demo")
    trained = crossval.train(recipe.load(path), order)
    say("3/4 answering the test photos")
    answers = out / "submission.csv"
    submission.submit(trained.path, data, answers)
    say("4/4 scoring the answers against the generator's truth")
    typer.echo(crossval.told(trained))
    typer.echo(f"{answers}: test macro F1 {_score(answers, data)} on {EVAL_PEOPLE} new people")
    typer.echo(f"{time.monotonic() - since:.0f} seconds; look at {trained.report_file}")


def _draw(data: Path, people: int) -> None:
    total = people + TWINS + EVAL_PEOPLE
    say(f"1/4 drawing {people + EVAL_PEOPLE} people into {data}")
    shown = track(range(total), "drawing people", total)

    def drawn() -> None:
        next(shown, None)

    sample_people.make(data, people, EVAL_PEOPLE, SIZE, twins=TWINS, on_person=drawn)


def _score(answers: Path, data: Path) -> metrics.Score:
    """Macro F1 of the answers with an interval over the people who were drawn."""
    truth = pd.read_csv(data / "truth" / "eval.csv").set_index("ImageID")
    given = pd.read_csv(answers).set_index("ImageID").loc[truth.index, "ans"]
    mask, gender, band = labels.decode(truth["ans"])
    nothing = np.full(len(truth), np.nan)
    people = table.build(truth.index, truth["person"].astype("str"), mask, gender, nothing, band)
    certain = np.eye(labels.COUNT)[given]
    return metrics.read_score(metrics.evaluate(certain, people)["macro_f1"])
