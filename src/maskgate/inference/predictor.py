"""Photos → predictions."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt

from maskgate import labels
from maskgate.core.progress import say, track
from maskgate.errors import MaskgateError, listed
from maskgate.faces import reader
from maskgate.faces.reader import BATCH, Photo
from maskgate.faces.view import View
from maskgate.inference import photos as inputs
from maskgate.inference.classifier import Classifier
from maskgate.inference.predictions import FACE, Predictions
from maskgate.inference.resume_cache import Answer, ResumeCache


class Predictor:
    """Applies a classifier to photos. By attribute, answers below the confidence in `thresholds`
    are unsure."""

    def __init__(
        self, classifier: Classifier, thresholds: Mapping[str, float] | None = None
    ) -> None:
        self.classifier, self.thresholds = classifier, dict(thresholds or {})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.attributes)})"

    @property
    def views(self) -> Sequence[View]:
        """How a photo becomes pictures for the model."""
        return self.classifier.views

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that the model predicts; the values of the others are all as likely."""
        return self.classifier.attributes

    @property
    def predicts_ages(self) -> bool:
        """Whether predictions have ages in years."""
        return self.classifier.predicts_ages

    @property
    def count(self) -> int:
        """The number of networks."""
        return self.classifier.count

    @property
    def digest(self) -> str:
        """A digest of everything but the photos that its predictions depend on."""
        if not self.thresholds:
            return self.classifier.digest
        text = f"{self.classifier.digest} {sorted(self.thresholds.items())}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @property
    def finds_faces(self) -> bool:
        """Whether predictions have the boxes of faces."""
        return any(view.detector is not None for view in self.views)

    def predict(
        self,
        photos: inputs.PhotoInputs,
        skip_faulty: bool = False,
        all_faces: bool = False,
        cache: ResumeCache | None = None,
    ) -> Predictions:
        """A row for each photo, in their order; with `all_faces` a row for each face.

        `photos` is a path, a folder, the bytes of a file, a PIL image or an array (H, W, 3) of
        uint8, or an iterable of these; they are named by their paths, or `photo 0` and so on.
        Photos in the `cache` are not predicted again. Raises MaskgateError that names all
        unreadable photos, unless `skip_faulty` is set, and where the model cannot predict
        `all_faces`.
        """
        if all_faces:
            self.check_all_faces()
        names, contents = inputs.read_inputs(photos)
        answers = self._answers(contents, all_faces, cache)
        _, predictions, faults = self._collect(names, answers)
        if faults and not skip_faulty:
            reasons = listed([f"{names[place]} ({reason})" for place, reason in faults.items()])
            raise MaskgateError(
                f"{len(faults)} of {len(names)} photos cannot be read: {reasons}; fix them, or skip"
                " them with --skip-faulty (in Python: skip_faulty=True)"
            )
        return predictions

    def rows(
        self, photos: Sequence[Photo], names: Sequence[str], all_faces: bool = False
    ) -> tuple[list[int], Predictions, dict[int, str]]:
        """As `predict`, without output: the index of each row's photo, the predictions, and by
        index the reason for each photo that cannot be read, which has no row. `names` are the
        photos'."""
        batches = self._batches(photos, all_faces)
        return self._collect(names, (answer for batch in batches for answer in batch))

    def probabilities(
        self, photos: Sequence[Path | bytes], cache: ResumeCache | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[int, str]]:
        """Probabilities (N, 18), and by index the reason for each photo that cannot be read, whose
        row is NaN. Photos in the `cache` are not predicted again."""
        probabilities = np.full((len(photos), labels.COUNT), np.nan, dtype=np.float32)
        faults: dict[int, str] = {}
        for place, answer in enumerate(self._answers(photos, False, cache)):
            if isinstance(answer, str):
                faults[place] = answer
            else:
                probabilities[place] = answer.probabilities[0]
        return probabilities, faults

    def _collect(
        self, names: Sequence[str], answers: Iterable[Answer | str]
    ) -> tuple[list[int], Predictions, dict[int, str]]:
        places: list[int] = []
        boxes = [np.empty((0, len(FACE)), np.float32)]
        probabilities = [np.empty((0, labels.COUNT), np.float32)]
        ages = [np.empty(0, np.float32)]
        faults: dict[int, str] = {}
        for place, answer in enumerate(answers):
            if isinstance(answer, str):
                faults[place] = answer
                continue
            places += [place] * len(answer.probabilities)
            boxes.append(answer.boxes)
            probabilities.append(answer.probabilities)
            ages.append(answer.ages)
        predictions = Predictions(
            [names[place] for place in places],
            np.concatenate(probabilities),
            self.attributes,
            boxes=np.concatenate(boxes) if self.finds_faces else None,
            ages=np.concatenate(ages) if self.predicts_ages else None,
            thresholds=self.thresholds,
        )
        return places, predictions, faults

    def _answers(
        self, photos: Sequence[Photo], all_faces: bool, cache: ResumeCache | None
    ) -> Iterator[Answer | str]:
        """The predictions for each photo, or the reason why it cannot be read; reports how many had
        no face."""
        batches = [photos[start : start + BATCH] for start in range(0, len(photos), BATCH)]
        kept = [None if cache is None else cache.get(batch) for batch in batches]
        pairs = list(zip(batches, kept, strict=True))
        missing = [photo for batch, cached in pairs if cached is None for photo in batch]
        done = sum(len(batch) for batch, cached in pairs if cached is not None)
        new = self._batches(missing, all_faces)
        new = track(new, "predicting", len(photos), done, size=BATCH)
        without_face = 0
        with closing(new):
            for batch, cached in pairs:
                answers: Sequence[Answer | str] = next(new) if cached is None else cached
                if cache is not None and cached is None:
                    cache.add(batch, answers)
                yield from answers
                readable = [each for each in answers if not isinstance(each, str)]
                without_face += sum(bool(np.isnan(each.boxes[0, 0])) for each in readable)
        if without_face and self.finds_faces:
            say(
                f"no face was found in {without_face} of {len(photos)} photos: they were"
                " predicted without a crop to the face"
            )

    def _batches(self, photos: Sequence[Photo], all_faces: bool) -> Iterator[list[Answer | str]]:
        for batch in reader.read_batches(photos, self.views, all_faces):
            readable = [each for each in batch if not isinstance(each, str)]
            answers: Iterator[tuple[npt.NDArray[np.float32], ...]] = iter(())
            if readable:
                by_view = zip(*(each.pictures for each in readable), strict=True)
                pictures = [np.concatenate(view_pictures) for view_pictures in by_view]
                ends = np.cumsum([len(each.boxes) for each in readable])[:-1]
                of_photos = [np.split(each, ends) for each in self.classifier(pictures)]
                answers = zip(*of_photos, strict=True)
            yield [
                each if isinstance(each, str) else Answer(each.boxes, *next(answers))
                for each in batch
            ]

    def check_all_faces(self) -> None:
        """Raise MaskgateError unless the model has exactly one face detector."""
        keys = {view.detector_key for view in self.views}
        if keys == {""}:
            raise MaskgateError(
                "all faces are requested, but the model takes whole photos; train it with"
                " photo.face"
            )
        if len(keys) > 1:
            raise MaskgateError(
                "all faces are requested, but the members use different face detectors; give one of"
                " them"
            )
