"""Scores on people whom the model was not trained on."""

from collections.abc import Iterator, Sequence
from typing import Final

from maskgate import labels
from maskgate.bundle.held_out import WORN, DataScores, GroupScores
from maskgate.bundle.manifest import Manifest
from maskgate.export.card.markup import plain, score_text, table
from maskgate.export.card.words import ATTRIBUTES

_MEASURES: Final = {
    "macro_f1": f"all {labels.COUNT} classes, macro F1",
    "balanced_recall": "mask, balanced recall",
    "wear_recall": "mask worn, recall",
    "incorrect_recall": "mask worn incorrectly, recall",
    "not_wear_recall": "mask not worn, recall",
    "not_called_worn": "mask not called worn",
    "incorrect_at_worn": f"worn incorrectly, recall where that of worn is {WORN:.0%}",
    "mask_accuracy": "mask, accuracy",
    "gender_accuracy": "gender, accuracy",
    "age_band_accuracy": "age band, accuracy",
    "age_error": "age, mean absolute error in years",
    "mask_calibration_error": "mask, expected calibration error",
    "gender_calibration_error": "gender, expected calibration error",
    "age_band_calibration_error": "age band, expected calibration error",
    "mask_accepted_error": "mask, error of sure answers",
    "mask_another_look": "mask, share sent for another look",
    "gender_accepted_error": "gender, error of sure answers",
    "gender_another_look": "gender, share sent for another look",
    "age_band_accepted_error": "age band, error of sure answers",
    "age_band_another_look": "age band, share sent for another look",
}
_BY_GROUP: Final = {
    "balanced_recall": "mask, balanced recall",
    "incorrect_recall": "worn incorrectly, recall",
    "mask_accuracy": "mask",
    "not_called_worn": "not called worn",
    "gender_accuracy": "gender",
    "age_band_accuracy": "age band",
    "age_error": "age, years",
}
_DETECTORS: Final = {"yunet": "YuNet", "mtcnn": "MTCNN", "": "photo's centre"}


def section(manifest: Manifest) -> Iterator[str]:
    """The scores of each data set, by face detector and by group."""
    held_out = manifest.held_out
    if held_out is None:
        return
    yield (
        "None of these photos was trained on, nor the photo that a mask was drawn on. The networks"
        f" were scored in full precision. In brackets: {plain(held_out.interval)}."
    )
    if any(name.endswith("_calibration_error") for each in held_out.data for name in each.measures):
        how = "calibrated, and nothing was fitted here" if held_out.calibrated else "not calibrated"
        yield ""
        yield f"Probabilities were {how}."
    if held_out.thresholds:
        lowest = [f"{ATTRIBUTES[name]} {each:.3f}" for name, each in held_out.thresholds.items()]
        yield ""
        yield (
            f"Answers were unsure below these thresholds, which were not fitted here either:"
            f" {', '.join(lowest)}."
        )
    for name in dict.fromkeys(each.name for each in held_out.data):
        results = [each for each in held_out.data if each.name == name]
        yield from ("", f"### {plain(name)}", "")
        yield from _held_out_data(results)


def _held_out_data(results: Sequence[DataScores]) -> Iterator[str]:
    """One data set, scored with one face detector or with several."""
    first = results[0]
    yield f"{plain(first.description)} {first.photos:,} photos of {first.people:,} people."
    yield ""
    titles = [_detector(each) for each in results]
    rows: list[Sequence[object]] = [
        (title, *(_held_out_cell(each, name) for each in results))
        for name, title in _MEASURES.items()
        if any(name in each.measures for each in results)
    ]
    if any(each.detector for each in results):
        rows.append(("photos without a detected face", *(f"{r.without_face:,}" for r in results)))
    yield from table(("score", *titles), rows)
    if first.groups and len(results) > 1:
        yield from ("", f"By group, with {titles[0]}:")
    for kind, groups in first.groups.items():
        present = {str(name) for each in groups.values() for name in each.measures}
        # An accuracy over all mask states depends on how many photos show which.
        present.discard("mask_accuracy" if "balanced_recall" in present else "incorrect_recall")
        names = [name for name in _BY_GROUP if name in present]
        yield ""
        yield from table(
            (plain(kind), "photos", "people", *(_BY_GROUP[name] for name in names)),
            [
                (group, each.photos, each.people, *(_held_out_cell(each, name) for name in names))
                for group, each in groups.items()
            ],
        )


def _detector(scores: DataScores) -> str:
    return _DETECTORS.get(scores.detector, plain(scores.detector))


def _held_out_cell(scores: GroupScores, measure: str) -> str:
    figure = {str(name): each for name, each in scores.measures.items()}.get(measure)
    return "–" if figure is None else score_text(figure)
