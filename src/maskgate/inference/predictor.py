"""Photos → predictions."""

from collections.abc import Iterable, Iterator, Sequence
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
    """What a classifier says of photos."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier

    @property
    def views(self) -> Sequence[View]:
        """How it sees a photo."""
        return self.classifier.views

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that the model tells; the others are all as likely."""
        return self.classifier.attributes

    @property
    def count(self) -> int:
        """How many networks answer."""
        return self.classifier.count

    @property
    def digest(self) -> str:
        """Of all that its answers depend on but the photos."""
        return self.classifier.digest

    @property
    def finds_faces(self) -> bool:
        """Whether predictions have the boxes of faces."""
        return any(view.detector is not None for view in self.views)

    def predict(
        self,
        photos: inputs.Given,
        skip_faulty: bool = False,
        all_faces: bool = False,
        cache: ResumeCache | None = None,
    ) -> Predictions:
        """A row for each photo, in their order; with `all_faces` a row for each face.

        `photos` is a path, the bytes of a file, a PIL image or an array (H, W, 3) of uint8, or
        an iterable of these; they are named by their paths, or `photo 0` and so on. What is in the
        `cache` is not predicted again. Raises MaskgateError that names all unreadable photos,
        unless they are to be skipped, and where `all_faces` cannot be.
        """
        if all_faces:
            self.check_all_faces()
        names, given = inputs.named(photos)
        _, predictions, faults = self._collected(names, self._answers(given, all_faces, cache))
        if faults and not skip_faulty:
            reasons = listed([f"{names[place]} ({why})" for place, why in faults.items()])
            raise MaskgateError(
                f"{len(faults)} of {len(names)} photos cannot be read: {reasons}; mend them, or"
                " leave them out with --skip-faulty (in Python: skip_faulty=True)"
            )
        return predictions

    def rows(
        self, photos: Sequence[Photo], names: Sequence[str], all_faces: bool = False
    ) -> tuple[list[int], Predictions, dict[int, str]]:
        """As `predict`, without a word: for each row the place of its photo, the predictions, and
        by their places why photos cannot be read, which have no row. `names` are the photos'."""
        batches = self._batches(photos, all_faces)
        return self._collected(names, (answer for batch in batches for answer in batch))

    def probabilities(
        self, photos: Sequence[Path | bytes], cache: ResumeCache | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[int, str]]:
        """(N, 18) probabilities, and per unreadable photo (whose row is NaN) the reason; what is
        in the `cache` is not predicted again."""
        probabilities = np.full((len(photos), labels.COUNT), np.nan, dtype=np.float32)
        faults: dict[int, str] = {}
        for place, answer in enumerate(self._answers(photos, False, cache)):
            if isinstance(answer, str):
                faults[place] = answer
            else:
                probabilities[place] = answer.probabilities[0]
        return probabilities, faults

    def _collected(
        self, names: Sequence[str], answers: Iterable[Answer | str]
    ) -> tuple[list[int], Predictions, dict[int, str]]:
        places: list[int] = []
        boxes = [np.empty((0, len(FACE)), np.float32)]
        probabilities = [np.empty((0, labels.COUNT), np.float32)]
        faults: dict[int, str] = {}
        for place, answer in enumerate(answers):
            if isinstance(answer, str):
                faults[place] = answer
                continue
            places += [place] * len(answer.probabilities)
            boxes.append(answer.boxes)
            probabilities.append(answer.probabilities)
        predictions = Predictions(
            [names[place] for place in places],
            np.concatenate(probabilities),
            self.attributes,
            np.concatenate(boxes) if self.finds_faces else None,
        )
        return places, predictions, faults

    def _answers(
        self, photos: Sequence[Photo], all_faces: bool, cache: ResumeCache | None
    ) -> Iterator[Answer | str]:
        """The answer to each photo, or why it cannot be read; says how many had no face."""
        batches = [photos[start : start + BATCH] for start in range(0, len(photos), BATCH)]
        kept = [None if cache is None else cache.get(batch) for batch in batches]
        pairs = list(zip(batches, kept, strict=True))
        rest = [photo for batch, known in pairs if known is None for photo in batch]
        done = sum(known is not None for known in kept)
        new = track(self._batches(rest, all_faces), f"predicting (× {BATCH})", len(batches), done)
        missed = 0
        with closing(new):
            for batch, known in pairs:
                answers: Sequence[Answer | str] = next(new) if known is None else known
                if cache is not None and known is None:
                    cache.add(batch, answers)
                yield from answers
                readable = [each for each in answers if not isinstance(each, str)]
                missed += sum(bool(np.isnan(each.boxes[0, 0])) for each in readable)
        if missed and self.finds_faces:
            say(f"no face was found in {missed} of {len(photos)} photos: their centre was shown")

    def _batches(self, photos: Sequence[Photo], all_faces: bool) -> Iterator[list[Answer | str]]:
        for batch in reader.read_batches(photos, self.views, all_faces):
            readable = [each for each in batch if not isinstance(each, str)]
            answers: Iterator[npt.NDArray[np.float32]] = iter(())
            if readable:
                per_view = zip(*(shown.pictures for shown in readable), strict=True)
                pictures = [np.concatenate(of_view) for of_view in per_view]
                ends = np.cumsum([len(shown.boxes) for shown in readable])[:-1]
                answers = iter(np.split(self.classifier(pictures), ends))
            yield [
                each if isinstance(each, str) else Answer(each.boxes, next(answers))
                for each in batch
            ]

    def check_all_faces(self) -> None:
        """Raise MaskgateError where there is not one detector to tell the faces of a photo."""
        keys = {view.detector_key for view in self.views}
        if keys == {""}:
            raise MaskgateError(
                "all faces are asked for, but the model looks at whole photos; train it with"
                " photo.face"
            )
        if len(keys) > 1:
            raise MaskgateError(
                "all faces are asked for, but the members find faces differently; give one of them"
            )
