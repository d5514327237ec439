"""The demo on generated people: train, submit and score against the true labels."""

import io
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.config import recipe
from maskgate.core import files, terminal, units
from maskgate.core.progress import say, track
from maskgate.core.score import Score
from maskgate.data import table
from maskgate.errors import MaskgateError
from maskgate.evaluation import metrics, submission
from maskgate.inference import loading
from maskgate.inference.predictions import Predictions
from maskgate.reports import prediction_picture
from maskgate.synthetic.people import drawing, sample_people
from maskgate.training import crossval, scoring
from maskgate.training.options import TrainOptions

EVAL_PEOPLE = 60
SIZE = (96, 72)
TWINS = 1
SEED = 1  # of the people in the picture
# Gender, age and mask of the people in the picture.
PORTRAITS = ((1, 23, 0), (0, 41, 1), (1, 70, 2), (0, 27, 0), (1, 45, 0), (0, 68, 1))


def run(out: Path, people: int) -> None:
    """Draw `people` in `out`, train the demo recipe on them and print its scores."""
    started = time.monotonic()
    data = out / "people"
    if not (data / "truth" / "eval.csv").exists():
        shutil.rmtree(data, ignore_errors=True)  # unfinished
        _draw(data, people)
    people_drawn = len(pd.read_csv(data / "train" / "train.csv")) - TWINS
    if people_drawn != people:
        raise MaskgateError(
            f"{data}: has {people_drawn} people; give another --out to draw {people}"
        )
    say("2/4 training recipes/demo.yaml on them")
    path = recipe.find("demo")
    options = TrainOptions("demo", data, out / "run", out / "cache", command="maskgate demo")
    trained = crossval.train(recipe.load(path), options)
    say("3/4 predicting the test photos")
    predictions_file = out / "submission.csv"
    submission.submit(loading.load(trained.path), str(trained.path), data, predictions_file)
    say("4/4 scoring the predictions against the true labels")
    terminal.show(scoring.summary(trained))
    score = _score(predictions_file, data)
    terminal.show(f"{predictions_file}: test macro F1 {score} on {EVAL_PEOPLE} new people")
    picture = out / "verdicts.png"
    _draw_verdicts(trained.path, picture)
    terminal.show(
        f"{units.duration(time.monotonic() - started)}; look at {picture} and {trained.report_file}"
    )


def _draw(data: Path, people: int) -> None:
    total = people + TWINS + EVAL_PEOPLE
    say(f"1/4 drawing {people + EVAL_PEOPLE} people into {data}")
    progress = track(range(total), "drawing people", total)

    def drawn() -> None:
        next(progress, None)

    sample_people.make(data, people, EVAL_PEOPLE, SIZE, twins=TWINS, on_person=drawn)


def _score(predictions_file: Path, data: Path) -> Score:
    """Macro F1 of the predictions, with an interval over people."""
    truth = pd.read_csv(data / "truth" / "eval.csv").set_index("ImageID")
    predicted = pd.read_csv(predictions_file).set_index("ImageID").loc[truth.index, "ans"]
    mask, gender, band = labels.decode(truth["ans"])
    nothing = np.full(len(truth), np.nan)
    people = table.build(
        truth.index, truth["person"].astype("str"), mask, gender=gender, age=nothing, age_band=band
    )
    certain = np.eye(labels.COUNT)[predicted]
    return metrics.read_score(metrics.evaluate(certain, people)["macro_f1"])


def _draw_verdicts(model: Path, picture: Path) -> None:
    """Draw a picture of a few new people with the model's predictions."""
    photos, truth = [], []
    for number, (gender, age, mask) in enumerate(PORTRAITS):
        random = np.random.default_rng([SEED, number])
        face = sample_people.person(random, gender, age)
        photos.append(drawing.photo(face, labels.MASKS[mask], (534, 400), random))
        truth.append(int(labels.encode(mask, gender, labels.age_band(age))))
    buffers = [io.BytesIO() for _ in photos]
    for photo, buffer in zip(photos, buffers, strict=True):
        photo.save(buffer, "PNG")
    probabilities, _ = loading.load(model).probabilities([b.getvalue() for b in buffers])
    predictions = Predictions([""] * len(photos), probabilities)
    sheet = prediction_picture.sheet(photos, predictions, truth, columns=len(photos))
    files.replace(picture, lambda target: sheet.save(target, "PNG"))
