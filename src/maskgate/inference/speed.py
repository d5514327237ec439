"""How long classifiers take for a prediction, on the same faces."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Final

from maskgate.core.progress import track
from maskgate.errors import MaskgateError
from maskgate.faces import reader
from maskgate.imaging.pixels import PhotoError, Pixels
from maskgate.inference.classifier import Classifier, Ensemble, SingleModel

_ROUNDS: Final = 3  # over all photos, after one to warm up


def milliseconds(
    classifiers: Mapping[str, Classifier], photos: Sequence[Path]
) -> dict[str, list[float]]:
    """The milliseconds of every prediction, of a single face each, by classifier.

    The classifiers take turns on each photo, so that whatever else the machine does slows all of
    them: entry i of all lists is of the same photo at nearly the same time. Decoding, detection and
    cropping are not counted. Raises MaskgateError for a photo that cannot be read.
    """
    prepared = [
        {name: _pictures(photo, each) for name, each in classifiers.items()} for photo in photos
    ]
    seconds: dict[str, list[float]] = {name: [] for name in classifiers}
    turns = prepared * (1 + _ROUNDS)
    for number, pictures in enumerate(track(turns, "measuring the speed", len(turns))):
        for name, classifier in classifiers.items():
            start = perf_counter()
            classifier(pictures[name])
            if number >= len(photos):
                seconds[name].append(1000 * (perf_counter() - start))
    return seconds


def _pictures(photo: Path, classifier: Classifier) -> list[Pixels]:
    try:
        return reader.read_photo(photo, classifier.views).pictures
    except PhotoError as error:
        raise MaskgateError(f"{photo}: cannot be read ({error}); put it back") from error


def passes(classifier: Classifier) -> int:
    """How many pictures its networks see for one prediction: each sees every test-time view."""
    if isinstance(classifier, Ensemble):
        return sum(passes(member) for member, _ in classifier.members)
    if isinstance(classifier, SingleModel):
        return classifier.count * len(classifier.tta_views)
    return classifier.count
