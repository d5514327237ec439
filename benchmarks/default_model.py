"""Scores a model on people whom it was not trained on, in all and by group.

    python benchmarks/default_model.py MODEL [--people DIR] [--masks-real DIR]
        [--fairface DRESSED --faces CSV] [--kinds DIR] [--detector yunet mtcnn] [--out scores.json]

MODEL is a run, a system's run (`maskgate combine` makes one of a system's file), or a bundle. At
least one data set is needed:

- `--people`: people with seven photos each, on which masks are drawn (docs/data.md).
- `--masks-real`: real photos with a CSV `photo,mask,source`, of which those are used whose source
  starts with `--source`.
- `--fairface`: FairFace's people who are held out, with masks drawn on them:
  `maskgate wear OUT/held-out DRESSED` after `fairface_people.py FAIRFACE OUT`. `--faces` is
  `OUT/held-out/faces.csv`, which has the race groups.
- `--kinds`: the same people with a mask in each wrong way, and with what is not a mask:
  `maskgate wear OUT/held-out DIR --each-kind`.

Each is scored with each `--detector`, by default the model's own. Prints macro F1 over the 18
classes, recalls of the mask states and their mean, accuracies, the mean absolute error of the age
in years where model and data have it, the expected calibration error of each attribute, and for
FairFace all but the last by gender, age group, race group, brightness and kind of mask, with 95%
intervals from a bootstrap over people. `--out` writes them as JSON, which
`maskgate export RUN OUT --held-out scores.json` puts into a bundle.

A run is calibrated as its bundle will be, by temperatures that are fitted to its validation people,
and its answers are unsure below thresholds that are fitted to them, for the errors that `--error`
names as in `maskgate export`: nothing is fitted to the data that it is scored on. `--no-calibrate`
leaves both out. A bundle is scored as it is. Printed are also the share of wrong answers among the
sure ones, and the share sent for another look.

It is an error if MODEL was trained on any of the photos. A bundle does not contain its training
photos: give the run that it was exported from with `--run`, or trust what the bundle says of its
training, which is printed.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

import maskgate
from maskgate import bundle, labels, runs
from maskgate.bundle import drift_measures
from maskgate.bundle.held_out import DataScores, GroupScores, HeldOutScores
from maskgate.bundle.manifest import TrainingFacts
from maskgate.bundle.thresholds import ERRORS
from maskgate.cli import numbers
from maskgate.config.settings import Component
from maskgate.core import confusions, files
from maskgate.core.progress import say, track
from maskgate.data import checks, csv_files, layouts
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.evaluation import held_out, metrics, slices
from maskgate.export import calibration, thresholds
from maskgate.export.models import models
from maskgate.faces import detectors
from maskgate.imaging import pixels
from maskgate.inference import loading
from maskgate.inference.classifier import Classifier, Ensemble, SingleModel, calibrated
from maskgate.inference.predictions import Predictions
from maskgate.inference.predictor import Predictor
from maskgate.runs.records import stored
from maskgate.runs.records.results import Attribute
from maskgate.synthetic.masks.kinds import KINDS

LIST: Final = Path(__file__).with_name("fairface-held-out.txt")
INTERVAL: Final = (
    f"95% Bayesian bootstrap over people, {metrics.RESAMPLES} resamples; Clopper–Pearson where all"
    " or none are right"
)
DARK_TO_BRIGHT: Final = ("darkest", "darker", "brighter", "brightest")
COLUMNS: Final = {
    "macro_f1": "macro F1, 18 classes",
    "balanced_recall": "mask, balanced recall",
    "mask_accuracy": "mask",
    "wear_recall": "worn, recall",
    "incorrect_recall": "incorrect, recall",
    "not_wear_recall": "not worn, recall",
    "not_called_worn": "not called worn",
    "incorrect_at_worn": "incorrect at worn ≥ .95",
    "gender_accuracy": "gender",
    "age_band_accuracy": "age band",
    "age_error": "age, years",
}
KIND_NAMES: Final = {
    "worn": "any mask",
    "clear": "transparent mask",
    "mask_under_shield": "any mask, under a face shield",
    "eyes": "eyes and nose",
    "chin": "chin only",
    "bare": "bare face",
    "collar": "turtleneck",
    "shield": "face shield alone",
}
CALIBRATION: Final = {
    "mask_calibration_error": "mask, expected calibration error",
    "gender_calibration_error": "gender, expected calibration error",
    "age_band_calibration_error": "age band, expected calibration error",
    "mask_accepted_error": "mask, error of sure answers",
    "mask_another_look": "mask, another look",
    "gender_accepted_error": "gender, error of sure answers",
    "gender_another_look": "gender, another look",
    "age_band_accepted_error": "age band, error of sure answers",
    "age_band_another_look": "age band, another look",
}


@dataclass(frozen=True)
class Data:
    """A data set to score on: its photos, and their groups (N,) by the kind of group."""

    name: str
    description: str
    photos: Photos
    kinds: dict[str, Sequence[str]] = field(default_factory=dict)

    @property
    def paths(self) -> list[Path]:
        return [self.photos.root / name for name in self.photos.table["photo"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="a run, a system's run, or a bundle")
    parser.add_argument("--people", type=Path, help="people with seven photos each")
    parser.add_argument("--masks-real", type=Path, help="the folder with photos.csv")
    parser.add_argument("--source", default="karysutariya/", help="of --masks-real: their start")
    parser.add_argument("--fairface", type=Path, help="FairFace's people held out, with masks")
    parser.add_argument("--faces", type=Path, help="the CSV with their race groups")
    parser.add_argument("--kinds", type=Path, help="the same people, each kind of photo")
    parser.add_argument("--detector", nargs="+", choices=["yunet", "mtcnn"], default=[None])
    parser.add_argument("--run", type=Path, help="the run that a bundle was exported from")
    parser.add_argument("--no-calibrate", action="store_true", help="score a run uncalibrated")
    parser.add_argument("--error", action="append", help="of a run: such as mask=0.01")
    parser.add_argument("--out", type=Path, help="the JSON file to write")
    arguments = parser.parse_args()
    if not any((arguments.people, arguments.masks_real, arguments.fairface, arguments.kinds)):
        parser.error("no data; give --people, --masks-real, --fairface or --kinds")
    try:
        if arguments.out is not None:
            files.check_target(arguments.out)
        score(arguments)
    except MaskgateError as error:
        parser.error(str(error))


def score(arguments: argparse.Namespace) -> None:
    """Print the scores, and write them where `--out` is given. Raises MaskgateError."""
    model, out = arguments.model, arguments.out
    run = training_run(model, arguments.run)
    data_sets = list(read(arguments))
    if run is not None:
        for data in data_sets:
            held_out.check_untrained(run, data.photos)
    errors = numbers.errors(arguments.error)
    fitted = Fitted() if arguments.no_calibrate else fitted_to(model, errors)
    predictors = {}
    for name in arguments.detector:
        predictor = loading.load(model)
        if not bundle.is_bundle(model):
            classifier = predictor.classifier
            if fitted.temperatures:
                classifier = calibrated(classifier, fitted.temperatures)
            predictor = Predictor(classifier, fitted.confidences)
        if name is not None:
            use_detector(predictor.classifier, name)
        predictors[name] = predictor
    results = []
    for data in data_sets:
        for predictor in predictors.values():
            predictions = predictor.predict(data.paths)
            results.append(evaluate(predictor, data, predictions))
            show(results[-1], data, predictions)
    if out is None:
        return
    confidences = fitted.confidences
    values = HeldOutScores(
        model=model.resolve().name,
        **({} if run is None else {"weights": held_out.weights_digest(run)}),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        maskgate=maskgate.__version__,
        interval=INTERVAL,
        calibrated=bool(fitted.temperatures),
        thresholds={name: confidences[name] for name in ERRORS if name in confidences},
        data=results,
    )
    stored.write(out, HeldOutScores, values.model_dump(exclude_unset=True))


# ------------------------------------------------------------------- what it was trained on


def training_run(model: Path, source: Path | None) -> runs.RunFolder | None:
    """The run that a model is, or was exported from; None, and what its bundle says, where that is
    not given. Raises MaskgateError."""
    if not bundle.is_bundle(model):
        if source is not None:
            raise MaskgateError(f"{model}: not a bundle, so give no --run")
        run = runs.open_run(model)
        trainings = [single.facts() for single in models(run, files.cache_folder())]
        for weights in {each.weights for each in everything_before(trainings) if not each.before}:
            if weights != "random":
                say(f"{model}: its training photos are compared, not those of {weights}")
        return run
    training = bundle.open_bundle(model).manifest.training
    if source is not None:
        run = runs.open_run(source)
        statuses = [run.status()]
        if run.is_system:
            statuses = [member.status() for member in run.members()]
        if {each.started for each in training} != {status.started for status in statuses}:
            raise MaskgateError(f"{source}: {model} was exported from another run")
        return run
    say(f"{model}: a bundle, so its training photos cannot be compared with these; it says:")
    for facts in everything_before(training):
        say(
            f"  {facts.model}: recipe {facts.recipe}, {facts.photos:,} photos of"
            f" {facts.people:,} people of {facts.data}, initial weights: {facts.weights}"
        )
    return None


def everything_before(training: Sequence[TrainingFacts]) -> Iterator[TrainingFacts]:
    for facts in training:
        yield facts
        yield from everything_before(facts.before)


@dataclass(frozen=True)
class Fitted:
    """By attribute, the temperatures and the lowest sure confidences of a bundle."""

    temperatures: dict[str, float] = field(default_factory=dict)
    confidences: dict[str, float] = field(default_factory=dict)


def fitted_to(model: Path, errors: Mapping[Attribute, float]) -> Fitted:
    """What a bundle holds, or what that of a run will hold. Raises MaskgateError."""
    if bundle.is_bundle(model):
        manifest = bundle.open_bundle(model).manifest
        calibrating, confidences = manifest.calibration, manifest.lowest_confidences()
    else:
        run, cache = runs.open_run(model), files.cache_folder()
        singles = models(run, cache)
        fit = calibration.fit(run, singles, cache)
        calibrating = None if fit is None else fit.calibration
        by_attribute = thresholds.fit(run, singles, fit, {**ERRORS, **errors})
        confidences = {
            str(name): each.confidence
            for name, each in by_attribute.items()
            if each.confidence is not None
        }
    by_name = {} if calibrating is None else calibrating.temperatures
    return Fitted({str(name): each for name, each in by_name.items()}, confidences)


def use_detector(classifier: Classifier, name: str) -> None:
    """Have all models look for faces with another detector than their own. Raises MaskgateError."""
    if isinstance(classifier, Ensemble):
        for member, _ in classifier.members:
            use_detector(member, name)
        return
    assert isinstance(classifier, SingleModel)
    detector = classifier.view.detector
    if detector is None:
        raise MaskgateError("the model sees the photo's centre: leave out --detector")
    if detector.name != name:
        other = detectors.create(Component(name=name), files.cache_folder())
        classifier.view = replace(classifier.view, detector=other)


# ------------------------------------------------------------------------------- the data


def read(arguments: argparse.Namespace) -> Iterator[Data]:
    """The data sets that the options name. Raises MaskgateError."""
    if arguments.people is not None:
        yield Data(
            "People",
            "Mostly East Asian people of 18 to 80 years with seven photos each, which are one photo"
            " with masks drawn on it: five worn, one worn wrongly, none. Some labels are wrong.",
            labelled(arguments.people),
        )
    if arguments.masks_real is not None:
        yield real_masks(arguments.masks_real, arguments.source)
    if arguments.fairface is not None:
        yield fairface(arguments.fairface, arguments.faces)
    if arguments.kinds is not None:
        yield each_kind(arguments.kinds)


def labelled(path: Path) -> Photos:
    """The labelled photos at `path`. Raises MaskgateError."""
    photos = layouts.read(path)
    checks.refuse(photos.problems, path, skip=False)
    return photos


def real_masks(folder: Path, source: str) -> Data:
    """The photos whose source starts with that text. Raises MaskgateError."""
    photos = labelled(folder)
    rows = csv_files.load(folder / "photos.csv").set_index("photo")["source"]
    chosen = photos.table["photo"].map(rows).str.startswith(source).to_numpy(dtype=bool)
    if not chosen.any():
        raise MaskgateError(f"{folder}: no photo is from a source that starts with {source!r}")
    photos = photos.take(np.flatnonzero(chosen))
    sources = ", ".join(sorted(set(photos.table["photo"].map(rows))))
    return Data(
        "Real masks",
        f"Real photos of people, with real masks or none, from {sources}; gender and age are not"
        " known. Each photo counts as one person.",
        photos,
    )


def fairface(folder: Path, faces: Path | None) -> Data:
    """FairFace's people who are held out, with their groups. Raises MaskgateError."""
    photos = held_out_people(folder)
    table = photos.table
    rows = csv_files.load(folder / "photos.csv").set_index("photo")
    drawn = pd.read_parquet(folder / "drawn.parquet").set_index("photo").reindex(table["photo"])
    ages = rows["age_group"].reindex(table["photo"]).fillna("").tolist()
    kinds: dict[str, Sequence[str]] = {
        "gender": [labels.GENDERS[code] for code in table["gender"]],
        "age group": [f"{age[:2]} and over" if age.endswith("-120") else age for age in ages],
    }
    if faces is not None:
        races = csv_files.load(faces).set_index("photo")["race"]
        kinds["race group"] = table["person"].map(races).str.replace("_", " ").fillna("").tolist()
    lightness = [
        drift_measures.brightness(np.asarray(pixels.decode(photos.root / name)))
        for name in track(table["photo"], "measuring brightness", len(table))
    ]
    kinds["brightness"] = slices.quarters(np.array(lightness), DARK_TO_BRIGHT)
    placement = drawn["placement"].fillna("").str.replace("_", " ").tolist()
    style = drawn["style"].fillna("").replace({"kf94": "KF94", "kn95": "KN95"}).tolist()
    is_mask = [place not in ("", "bare") for place in placement]
    kinds["kind of mask"] = [
        name if mask else "" for name, mask in zip(style, is_mask, strict=True)
    ]
    kinds["mask position"] = [
        place if mask else f"no mask, {name} before the face" if name else "no mask"
        for place, name, mask in zip(placement, style, is_mask, strict=True)
    ]
    return Data(
        "FairFace, people held out",
        "People of FairFace (Kärkkäinen and Joo, WACV 2021) who were held out of training. Masks"
        " were drawn on their photos by maskgate, as masks for training are: five worn, one worn"
        " wrongly, none, and sometimes a hand or a scarf before a bare face. Brightness is the mean"
        " luma (0–255) of the photo, in quarters.",
        photos,
        kinds,
    )


def each_kind(folder: Path) -> Data:
    """FairFace's people who are held out, with one photo of each kind. Raises MaskgateError."""
    photos = held_out_people(folder)
    drawn = pd.read_parquet(folder / "drawn.parquet").set_index("photo")["shot"]
    shots = drawn.reindex(photos.table["photo"]).fillna("").tolist()
    if unknown := sorted(set(shots) - set(KINDS)):
        raise MaskgateError(
            f"{folder}: has photos of the kind {unknown[0]!r}; write it with"
            " `maskgate wear FACES DIR --each-kind`"
        )
    return Data(
        "Wrong ways and things that are not masks",
        "The same people of FairFace, each with one photo of every kind, drawn by maskgate; a kind"
        " is left out where it would lie outside the photo. Hand, phone, mug, scarf and turtleneck"
        " hide the mouth.",
        photos,
        {"kind of photo": [kind_name(shot) for shot in shots]},
    )


def kind_name(kind: str) -> str:
    """A kind with its mask state, by which tables sort it."""
    state = {"wear": "worn", "incorrect": "worn incorrectly", "not_wear": "not worn"}[KINDS[kind]]
    return f"{state}: {KIND_NAMES.get(kind, kind.replace('_', ' '))}"


def held_out_people(folder: Path) -> Photos:
    """The labelled photos of a folder, all of people who are held out. Raises MaskgateError."""
    photos = labelled(folder)
    if others := set(photos.table["person"]) - set(LIST.read_text("utf-8").split()):
        raise MaskgateError(f"{folder}: {len(others)} of its people are not in {LIST.name}")
    return photos


# ----------------------------------------------------------------------------- the scores


def evaluate(predictor: Predictor, data: Data, predictions: Predictions) -> DataScores:
    """The scores of predictions for a data set."""
    table = data.photos.table
    detector = predictor.views[0].detector
    boxes = predictions.boxes
    return DataScores(
        name=data.name,
        description=data.description,
        detector="" if detector is None else detector.name,
        without_face=0 if boxes is None else int(np.isnan(boxes[:, 0]).sum()),
        groups=held_out.by_group(predictions, table, data.kinds),
        **held_out.scores(predictions, table).model_dump(),
    )


def show(scores: DataScores, data: Data, predictions: Predictions) -> None:
    """Print the scores as Markdown tables."""
    print(f"\n## {scores.name} ({scores.detector or 'centre of the photo'})\n")
    print(
        f"{scores.photos:,} photos of {scores.people:,} people; no face was found in"
        f" {scores.without_face:,}\n"
    )
    print("| score | value |\n|---|---|")
    for measure, figure in scores.measures.items():
        print(f"| {(COLUMNS | CALIBRATION)[measure]} | {figure} |")
    truth = data.photos.table["mask"].to_numpy()
    predicted = labels.marginals(predictions.probabilities)["mask"].argmax(1)
    counts = confusions.confusion(truth, predicted, len(labels.MASKS))
    print(f"\n| mask | {' | '.join(f'predicted {name}' for name in labels.MASKS)} |")
    print("|---|" + "---:|" * len(labels.MASKS))
    for name, row in zip(labels.MASKS, counts, strict=True):
        print(f"| {name} | {' | '.join(f'{count:.0f}' for count in row)} |")
    for kind, groups in scores.groups.items():
        show_groups(kind, groups)


def show_groups(kind: str, groups: dict[str, GroupScores]) -> None:
    present = [name for name in COLUMNS if any(name in each.measures for each in groups.values())]
    print(f"\n| {kind} | photos | people | {' | '.join(COLUMNS[name] for name in present)} |")
    print("|---|---:|---:|" + "---|" * len(present))
    for group, each in groups.items():
        by_name = {str(name): str(figure) for name, figure in each.measures.items()}
        cells = [by_name.get(name, "–") for name in present]
        print(f"| {group} | {each.photos} | {each.people} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
