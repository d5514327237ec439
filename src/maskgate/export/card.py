"""The model card of a bundle, as Markdown and as a page (Mitchell et al., Model cards for model
reporting, FAT* 2019). It shows what the manifest holds, and nothing else."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from importlib import resources

from markdown_it import MarkdownIt

from maskgate import labels
from maskgate.bundle.held_out import WORN, DataScores, GroupScores
from maskgate.bundle.manifest import (
    EnsembleModelSpec,
    Manifest,
    SingleModelSpec,
    TrainingFacts,
    leaves,
)
from maskgate.core import reliability
from maskgate.ensemble.combining import CALIBRATIONS
from maskgate.evaluation.calibration import TARGET
from maskgate.runs.records.results import ClassScores, Figure, Results, SubsetScores

_ATTRIBUTES = {"mask": "mask", "gender": "gender", "age_band": "age band"}
_VALUES = {
    "wear": "worn",
    "incorrect": "worn incorrectly",
    "not_wear": "not worn",
    "<30": "under 30",
    "30-59": "30 to 59",
    ">=60": "60 and over",
}
_HELD_OUT = {
    "macro_f1": f"all {labels.COUNT} classes, macro F1",
    "balanced_recall": "mask, balanced recall",
    "wear_recall": "mask worn, recall",
    "incorrect_recall": "mask worn incorrectly, recall",
    "not_wear_recall": "mask not worn, recall",
    "incorrect_at_worn": f"worn incorrectly, recall where that of worn is {WORN:.0%}",
    "mask_accuracy": "mask, accuracy",
    "gender_accuracy": "gender, accuracy",
    "age_band_accuracy": "age band, accuracy",
    "age_error": "age, mean absolute error in years",
    "mask_calibration_error": "mask, expected calibration error",
    "gender_calibration_error": "gender, expected calibration error",
    "age_band_calibration_error": "age band, expected calibration error",
}
_BY_GROUP = {
    "balanced_recall": "mask, balanced recall",
    "incorrect_recall": "worn incorrectly, recall",
    "mask_accuracy": "mask",
    "gender_accuracy": "gender",
    "age_band_accuracy": "age band",
    "age_error": "age, years",
}
_DETECTORS = {"yunet": "YuNet", "mtcnn": "MTCNN", "": "photo's centre"}
_INTERVAL = re.compile(r" (\[[−.%\d]+,) (?=[−.%\d]+\])")
_MEASURES = {
    "brightness": "brightness (0–255)",
    "sharpness": "sharpness (variance of the Laplacian)",
    "face_width": "face width (pixels of the photo)",
    "face_score": "score of the face detector",
    "confidence_mask": "confidence in the mask",
    "confidence_gender": "confidence in the gender",
    "confidence_age_band": "confidence in the age band",
}


def markdown(manifest: Manifest) -> str:
    """The card as Markdown (GitHub's tables)."""
    lines = [f"# Model card: {_plain(manifest.name)}", "", *_summary(manifest)]
    for title, section in (
        ("Intended use", _use()),
        ("Scores", _scores(manifest)),
        ("Calibration", _calibration(manifest)),
        ("Accuracy by group", _groups(manifest)),
        ("Tested on other people", _held_out(manifest)),
        ("Precision", _precision(manifest)),
        ("Training", _training(manifest)),
        ("Input", _input(manifest)),
        ("Photos it was validated on", _reference(manifest)),
        ("Files", _files(manifest)),
    ):
        body = list(section)
        if body:
            lines += ["", f"## {title}", "", *body]
    return "\n".join(lines) + "\n"


def html(manifest: Manifest, text: str) -> str:
    """The card's Markdown `text` as a page that needs no other file."""
    style = (resources.files("maskgate.export") / "card.css").read_text("utf-8")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    body = body.replace("<table>", '<div class="table"><table>').replace(
        "</table>", "</table></div>"
    )
    body = _with_diagrams(body, manifest)
    body = _INTERVAL.sub("\u00a0\\1\u00a0", body)  # a score and its interval stay on one line
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Model card: {escape(manifest.name)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def _with_diagrams(body: str, manifest: Manifest) -> str:
    """The card's body with reliability diagrams at the end of the section on calibration."""
    if manifest.calibration is None:
        return body
    before, after = manifest.calibration.before, manifest.calibration.after
    diagrams = "".join(
        reliability.draw({"before": before[name].points, "calibrated": each.points}, title)
        for name, title in _ATTRIBUTES.items()
        for key, each in after.items()
        if key == name
    )
    start = body.index("<h2>Calibration</h2>")
    end = body.index("<h2>", start + 1)
    return f'{body[:end]}<div class="charts">{diagrams}</div>\n{body[end:]}'


def _summary(manifest: Manifest) -> Iterator[str]:
    models = list(leaves(manifest.model))
    predicted = {name for model in models for name in model.attributes}
    names = [title for name, title in _ATTRIBUTES.items() if name in predicted]
    yield f"Predicts {_and(names)} of a person from a photo of the face."
    mask = None if manifest.scores is None else manifest.scores.attributes.get("mask")
    if mask is not None:
        recalls = {each.name: each.recall for each in mask.classes}
        yield ""
        yield (
            f"Of people without a mask it noticed {_percent(recalls['not_wear'])}, of masks worn"
            f" incorrectly {_percent(recalls['incorrect'])}; of masks worn it confirmed"
            f" {_percent(recalls['wear'])}."
        )
    count = sum(len(model.networks) for model in models)
    created = datetime.fromisoformat(manifest.created).strftime("%Y-%m-%d %H:%M UTC")
    rows = [
        (title, ", ".join(_VALUES.get(value, value) for value in labels.ATTRIBUTES[name]))
        for name, title in _ATTRIBUTES.items()
        if name in predicted
    ]
    rows.append(("networks", f"{count}, {manifest.precision}"))
    if count > 1:
        rows.append(("combined by", _ensemble(manifest.model)))
    rows.append(("exported", f"{created}, maskgate {manifest.software.maskgate}"))
    yield ""
    yield from _table(("this model", "predicts"), rows)


def _ensemble(model: SingleModelSpec | EnsembleModelSpec) -> str:
    if isinstance(model, SingleModelSpec):
        return "mean of the folds" if model.vote == "soft_vote" else "vote of the folds"
    members = ", ".join(f"{each.name} (weight {each.weight:g})" for each in model.members)
    steps = [model.combine.name, *(each.name for each in model.adjust)]
    return f"{', then '.join(steps)}, of {members}".replace("_", " ")


def _use() -> Iterator[str]:
    yield (
        "For a mask check at an entrance where somebody can correct a wrong answer. Gender and age"
        " band are estimates from a face: do not base decisions about a person on them. Test the"
        " model with people and cameras of the place where it is used, above all for groups with"
        " few people in the tables below."
    )


def _scores(manifest: Manifest) -> Iterator[str]:
    scores = manifest.scores
    if scores is None or not scores.validated or scores.score is None:
        yield "The model was not validated, so there are no scores."
        if manifest.held_out is not None:
            yield "See “Tested on other people”."
        return
    yield (
        f"On {scores.photos:,} photos of {scores.people:,} people, none of whom was in the training"
        f" data of the network that was scored on them. In brackets: {scores.interval}."
    )
    if manifest.precision != "fp32":
        yield ""
        yield "These are scores in full precision; see Precision for the loss."
    yield ""
    title = scores.score_of
    if title == "macro F1":
        title = f"all {labels.COUNT} classes, macro F1"
    rows = [(title, _figure(scores.score))]
    for name, each in scores.attributes.items():
        rows.append((f"{_ATTRIBUTES[name]}, macro F1", _figure(each.macro_f1)))
        rows.append((f"{_ATTRIBUTES[name]}, accuracy", _figure(each.accuracy)))
    yield from _table(("score", "value"), rows)
    yield ""
    yield from _classes(scores)


def _classes(scores: Results) -> Iterator[str]:
    def row(attribute: str, each: ClassScores) -> tuple[object, ...]:
        value = _VALUES.get(each.name, each.name)
        return attribute, value, each.photos, each.people, _figure(each.recall), _figure(each.f1)

    rows = [
        row(_ATTRIBUTES[name], each)
        for name, attribute in scores.attributes.items()
        for each in attribute.classes
    ]
    yield from _table(("attribute", "value", "photos", "people", "recall", "F1"), rows)


def _calibration(manifest: Manifest) -> Iterator[str]:
    fitted = manifest.calibration
    if fitted is None:
        yield _uncalibrated(manifest)
        return
    yield (
        "Probabilities are calibrated: of photos with a probability of 90%, about nine in ten are"
        " right. The logits of each attribute are divided by a temperature, which changes the"
        f" likeliest value of none. It was fitted to {fitted.photos:,} out-of-fold photos of"
        f" {fitted.people:,} people. The expected calibration error is the mean gap between"
        " confidence and the share that is right, in 15 bins of as many photos; each person is"
        " scored with temperatures that were fitted to others."
    )
    if len(list(manifest.networks())) > 1:
        yield ""
        yield (
            "Each photo was predicted by the network of its fold. The bundle takes the mean of"
            " several networks, which is less confident, so that its probabilities may be slightly"
            " too low."
        )
    yield ""
    yield from _table(
        ("attribute", "temperature", "error before", "error, calibrated"),
        [
            (_ATTRIBUTES[name], f"{fitted.temperatures[name]:.3f}",
             _figure(fitted.before[name].error), _figure(each.error))
            for name, each in fitted.after.items()
        ],
    )  # fmt: skip
    above = [_ATTRIBUTES[n] for n, each in fitted.after.items() if each.error.value > TARGET]
    if above:
        yield ""
        yield f"The error of the {_and(above)} is above the target of {TARGET:g}."


def _uncalibrated(manifest: Manifest) -> str:
    model = manifest.model
    if isinstance(model, EnsembleModelSpec) and any(
        each.name in CALIBRATIONS for each in model.adjust
    ):
        return "Probabilities are calibrated as in the run, which adjusts them so."
    if manifest.scores is None or not manifest.scores.validated:
        return "Probabilities are not calibrated: the run has no validation people to fit it to."
    return "Probabilities are not calibrated: a probability need not be the share that is right."


def _groups(manifest: Manifest) -> Iterator[str]:
    if not manifest.groups or manifest.scores is None:
        return
    names = list(manifest.scores.attributes)
    yield "A dash: too few people."
    yield ""
    yield from _table(
        ("group", "photos", "people", *(_ATTRIBUTES[name] for name in names)),
        [
            (_group(title), part.photos, part.people, *_accuracies(part, list(map(str, names))))
            for title, part in manifest.groups.items()
        ],
    )


def _group(title: str) -> str:
    """The title of a group, such as `mask: not_wear` or `male, >=60`, in words."""
    for separator in (": ", ", "):
        first, delimiter, value = title.partition(separator)
        if delimiter:
            return f"{_ATTRIBUTES.get(first, first)}{separator}{_VALUES.get(value, value)}"
    return title


def _accuracies(part: SubsetScores, names: Sequence[str]) -> list[str]:
    by_name = {str(name): figure for name, figure in part.accuracy.items()}
    return [_figure(by_name[name]) if name in by_name else "–" for name in names]


def _held_out(manifest: Manifest) -> Iterator[str]:
    held_out = manifest.held_out
    if held_out is None:
        return
    yield (
        "None of these photos was trained on, nor the photo that a mask was drawn on. The networks"
        f" were scored in full precision. In brackets: {_plain(held_out.interval)}."
    )
    if any(name.endswith("_calibration_error") for each in held_out.data for name in each.measures):
        how = "calibrated, and nothing was fitted here" if held_out.calibrated else "not calibrated"
        yield ""
        yield f"Probabilities were {how}."
    for name in dict.fromkeys(each.name for each in held_out.data):
        results = [each for each in held_out.data if each.name == name]
        yield from ("", f"### {_plain(name)}", "")
        yield from _held_out_data(results)


def _held_out_data(results: Sequence[DataScores]) -> Iterator[str]:
    """One data set, scored with one face detector or with several."""
    first = results[0]
    yield f"{_plain(first.description)} {first.photos:,} photos of {first.people:,} people."
    yield ""
    titles = [_detector(each) for each in results]
    rows: list[Sequence[object]] = [
        (title, *(_held_out_cell(each, name) for each in results))
        for name, title in _HELD_OUT.items()
        if any(name in each.measures for each in results)
    ]
    if any(each.detector for each in results):
        rows.append(("photos without a detected face", *(f"{r.without_face:,}" for r in results)))
    yield from _table(("score", *titles), rows)
    if first.groups and len(results) > 1:
        yield from ("", f"By group, with {titles[0]}:")
    for kind, groups in first.groups.items():
        present = {str(name) for each in groups.values() for name in each.measures}
        # An accuracy over all mask states depends on how many photos show which.
        present.discard("mask_accuracy" if "balanced_recall" in present else "incorrect_recall")
        names = [name for name in _BY_GROUP if name in present]
        yield ""
        yield from _table(
            (_plain(kind), "photos", "people", *(_BY_GROUP[name] for name in names)),
            [
                (group, each.photos, each.people, *(_held_out_cell(each, name) for name in names))
                for group, each in groups.items()
            ],
        )


def _detector(scores: DataScores) -> str:
    return _DETECTORS.get(scores.detector, _plain(scores.detector))


def _held_out_cell(scores: GroupScores, measure: str) -> str:
    figure = {str(name): each for name, each in scores.measures.items()}.get(measure)
    return "–" if figure is None else _figure(figure)


def _precision(manifest: Manifest) -> Iterator[str]:
    loss = manifest.loss
    method = {
        "fp32": "Full: weights and computation in 32-bit floats, as trained.",
        "fp16": "Weights in 16-bit floats, computed in 32 bits.",
        "int8": "Weights and activations in 8-bit integers, calibrated on training photos.",
    }[manifest.precision]
    if loss is None:
        is_full = manifest.precision == "fp32"
        yield method if is_full else f"{method} What that costs was not measured."
        return
    yield (
        f"{method} The same {loss.photos:,} photos of {loss.people:,} people in both precisions:"
    )
    yield ""
    yield from _table(
        (loss.score_of, "value"),
        [
            ("fp32", _figure(loss.before)),
            (manifest.precision, _figure(loss.after)),
            ("loss (paired)", _figure(loss.loss)),
            ("limit", f"{loss.limit:g}"),
        ],
    )


def _training(manifest: Manifest) -> Iterator[str]:
    yield f"Terms of the training photos: {_plain(manifest.terms or 'not stated')}."
    yield ""
    rows: list[Sequence[object]] = []
    for facts in manifest.training:
        rows += _training_rows(facts, "")
    head = ("model", "recipe", "data", "photos", "people", "extra photos", "backbone",
            "initial weights")  # fmt: skip
    yield from _table(head, rows)
    warnings = dict.fromkeys(text for each in manifest.training for text in each.warnings)
    if warnings:
        yield ""
        yield from (f"- {_plain(text)}" for text in warnings)


def _training_rows(facts: TrainingFacts, indent: str) -> Iterator[Sequence[object]]:
    """A row of a training, then those of the trainings that its initial weights come from."""
    yield (
        f"{indent}{facts.model}", facts.recipe, facts.data, facts.photos, facts.people,
        facts.extra_photos, facts.backbone, facts.weights,
    )  # fmt: skip
    for before in facts.before:
        yield from _training_rows(before, f"{indent}← ")


def _input(manifest: Manifest) -> Iterator[str]:
    rows = []
    for model, facts in zip(leaves(manifest.model), manifest.training, strict=True):
        face = model.photo.face
        crop = f"the photo's centre, {model.photo.crop:.0%} of it"
        if face is not None:
            crop = f"the face ({_detectors(model)}) with a margin of {face.margin:.0%}"
            crop += ", the eyes level" if face.align else ""
        tta = ", ".join(each.name for each in model.tta) or "none"
        rows.append((facts.model, f"{model.photo.width}×{model.photo.height}", crop, tta))
    yield from _table(("model", "pixels", "crop", "test-time augmentation"), rows)


def _detectors(model: SingleModelSpec) -> str:
    """The face detectors of a model in words."""
    assert model.photo.face is not None
    bundled = model.photo.face.detector.name
    names = [each.detector.name for each in model.preferred]
    if not names:
        return bundled
    return f"{' or '.join(names)} where its file is at hand, as in training, else {bundled}"


def _reference(manifest: Manifest) -> Iterator[str]:
    if not manifest.reference:
        return
    yield "The scores do not apply to photos outside these ranges."
    yield ""
    yield from _table(
        ("measure", "photos", "5%", "25%", "median", "75%", "95%"),
        [
            (_MEASURES.get(name, name), each.photos, *(f"{value:.3g}" for value in each.quantiles))
            for name, each in manifest.reference.items()
        ],
    )


def _files(manifest: Manifest) -> Iterator[str]:
    yield from _table(
        ("file", "bytes", "SHA-256"),
        [(name, each.bytes, f"`{each.sha256}`") for name, each in sorted(manifest.files.items())],
    )


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _figure(figure: Figure) -> str:
    values = (f"{value:.3f}".replace("-", "−") for value in (figure.value, figure.low, figure.high))
    value, low, high = ("0.000" if each == "−0.000" else each for each in values)
    return f"{value} [{low}, {high}]"


def _percent(figure: Figure) -> str:
    return f"{figure.value:.1%} [{figure.low:.1%}, {figure.high:.1%}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    yield _row(head)
    yield _row(["---:" if _is_count(rows, at) else "---" for at in range(len(head))])
    for row in rows:
        yield _row([_plain(f"{each:,}" if isinstance(each, int) else str(each)) for each in row])


def _is_count(rows: Sequence[Sequence[object]], column: int) -> bool:
    return bool(rows) and all(isinstance(row[column], int) for row in rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text with everything escaped that means something in Markdown; code stays code."""
    if not text.startswith("`"):
        text = "".join(f"\\{letter}" if letter in "\\`*_<>[]#" else letter for letter in text)
    return " ".join(text.replace("|", "\\|").split())
