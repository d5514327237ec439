"""From a camera's frame to a verdict on every face in it: detect, crop, classify.

A frame passes the same functions as a photo in training; nothing of it is kept.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from maskgate.bundle import drift_measures, open_bundle
from maskgate.core import default_model
from maskgate.door import detection
from maskgate.door.verdict import UNSURE_BELOW, Measured, Verdict, verdicts
from maskgate.faces.arguments import check_integer, check_number
from maskgate.faces.protocol import Faces
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels
from maskgate.inference import bundles
from maskgate.synthetic.people.drawing import Person, photo

_MAX_SIZES: Final = 4  # of frames whose detectors are kept, at least
_PROBE_SIZE: Final = (360, 640)  # height and width of a frame with a drawn person
_PERSON: Final = Person(
    skin=(215, 178, 153),
    hair=(61, 43, 29),
    iris=(117, 82, 49),
    jaw=0.3,
    length=1.0,
    eyes=1.1,
    brows=0.075,
    lashes=0.8,
    lips=1.0,
    nose=1.0,
    hair_length=1.1,
    volume=0.2,
    fringe="swept",
    tied="loose",
    parting=0.0,
    grey=0.2,
    recede=0.1,
    wrinkles=0.4,
    sag=0.5,
    beard=0.0,
    glasses=False,
    earrings=False,
    mole=0.0,
)
# Where a face may be there, for the classifier of a bundle whose detector finds none.
_PROBE_FACE: Final = Faces(
    np.array([[270, 120, 370, 240]], np.float32),
    np.array([[[298, 166], [342, 166], [320, 190], [302, 214], [338, 214]]], np.float32),
    np.ones(1, np.float32),
)
Frame = Pixels | bytes | bytearray | memoryview


class Engine:
    """The model of a bundle at a door, the default model unless one is given; it may be called from
    several threads.

    `threads` are what the networks use for one batch of faces. `smallest_face` is the width in
    pixels of the narrowest face that is judged (faces below three quarters of it are not): the
    smaller, the more detail of a frame the detector gets, and the longer it takes. By default the
    detector is used as in training, which suits portraits. Answers are unsure below the thresholds
    of the bundle; `unsure_below` replaces that of the mask, which is .6 in a bundle without.
    `detector_file` is the file of the face
    detector that the model was trained with, where the bundle does not contain it. Raises
    MaskgateError if the bundle is damaged, its model has no face detector, or the file is another
    one's, and ValueError for other arguments.
    """

    thresholds: Mapping[str, float] = UNSURE_BELOW

    def __init__(
        self,
        bundle: str | Path | None = None,
        threads: int = 1,
        smallest_face: float | None = None,
        detector_file: str | Path | None = None,
        unsure_below: float | None = None,
    ) -> None:
        check_integer("threads", threads, 1, 256)
        if smallest_face is not None:
            check_number("smallest_face", smallest_face, 1, 100_000)
        if unsure_below is not None:
            check_number("unsure_below", unsure_below, 0, 1)
        self._bundle = open_bundle(default_model.folder() if bundle is None else Path(bundle))
        file = None if detector_file is None else Path(detector_file)
        self._classifier = bundles.classifier(self._bundle, threads=threads, detector_file=file)
        self._views = self._classifier.views
        spec = detection.of_manifest(self._bundle.manifest)
        self._photo, self._detector_folder = bundles.choose_detector(spec, detector_file=file)
        self._detectors: dict[tuple[int, int], detection.Detector] = {}
        self._max_sizes = _MAX_SIZES
        self.smallest_face = smallest_face
        self.thresholds = {**UNSURE_BELOW, **self._bundle.manifest.lowest_confidences()}
        if unsure_below is not None:
            self.thresholds["mask"] = unsure_below

    @property
    def digest(self) -> str:
        """The SHA-256 in the bundle's manifest, which is that of the whole bundle."""
        return self._bundle.manifest.sha256

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that the model predicts."""
        return self._classifier.attributes

    def warm_up(self, cameras: int = 0) -> None:
        """Run all networks once, so that no visitor waits for what they load late, and keep the
        detectors of the frames of so many cameras, which may differ in size. The later networks of
        some detectors, such as MTCNN, run only where the first one sees a face."""
        self._max_sizes = max(_MAX_SIZES, cameras)
        probe = _drawn_person()
        self._faces(probe)
        pictures = [view.stored(probe, _PROBE_FACE, 0)[None] for view in self._views]
        self._classifier(pictures)

    def __call__(self, frame: Frame) -> list[Verdict]:
        """Verdicts for one frame; see `batch`."""
        return self.batch([frame])[0]

    def batch(self, frames: Sequence[Frame]) -> list[list[Verdict]]:
        """The verdicts on the faces of each frame, an array (H, W, 3) of uint8 in RGB or the bytes
        of a photo's file; the most certain face first. A frame without a face has none.

        Faces of all frames are classified together. Raises PhotoError where bytes are no photo, and
        ValueError for another array.
        """
        boxes, pictures = self._look(frames)
        every = iter(self._judge(boxes, pictures))
        return [[next(every) for _ in of_frame] for of_frame in boxes]

    def measure(self, frames: Sequence[Frame]) -> list[list[Measured]]:
        """As `batch`, with the measures of each face by which a bundle knows its validation photos;
        see `drift_measures`. The picture that they are taken of is that of the first model."""
        boxes, pictures = self._look(frames)
        geometry = self._views[0].geometry
        measured = [
            Measured(
                verdict,
                drift_measures.of_picture(pixels.centre(picture, geometry))
                | drift_measures.of_face(box)
                | drift_measures.of_probabilities(verdict.probabilities, self.attributes),
            )
            for verdict, picture, box in zip(
                self._judge(boxes, pictures), pictures[0], itertools.chain(*boxes), strict=True
            )
        ]
        every = iter(measured)
        return [[next(every) for _ in of_frame] for of_frame in boxes]

    def _look(self, frames: Sequence[Frame]) -> tuple[list[np.ndarray], list[list[Pixels]]]:
        """The boxes and scores (F, 5) of the faces of each frame, and for each view the pictures of
        the faces of all frames."""
        boxes: list[np.ndarray] = []
        pictures: list[list[Pixels]] = [[] for _ in self._views]
        for frame in frames:
            image = _array(frame)
            faces = self._faces(image)
            boxes.append(np.column_stack([faces.boxes, faces.scores]))
            stored: dict[str, list[Pixels]] = {}
            for view, of_view in zip(self._views, pictures, strict=True):
                if view.name not in stored:
                    numbers = range(len(faces))
                    stored[view.name] = [view.stored(image, faces, number) for number in numbers]
                of_view += stored[view.name]
        return boxes, pictures

    def _judge(
        self, boxes: Sequence[np.ndarray], pictures: Sequence[Sequence[Pixels]]
    ) -> list[Verdict]:
        """The verdicts on the faces of all frames."""
        if not any(map(len, boxes)):
            return []
        predicted = self._classifier([np.stack(of_view) for of_view in pictures])
        every = np.concatenate(boxes)
        return verdicts(every, predicted.probabilities, self.attributes, self.thresholds)

    def _faces(self, frame: Pixels) -> Faces:
        """The faces of a frame that are wide enough."""
        faces = self._detector(frame)(frame)
        if self.smallest_face is None:
            return faces
        wide = faces.boxes[:, 2] - faces.boxes[:, 0] >= detection.TOLERANCE * self.smallest_face
        return Faces(faces.boxes[wide], faces.landmarks[wide], faces.scores[wide])

    def _detector(self, frame: Pixels) -> detection.Detector:
        """The detector for frames of this size."""
        if self.smallest_face is None:
            detector = self._views[0].detector
            assert detector is not None  # of_manifest has refused a model without one
            return detector
        height, width = size = frame.shape[0], frame.shape[1]
        detector = self._detectors.get(size)
        if detector is None:
            while len(self._detectors) >= self._max_sizes:
                self._detectors.pop(next(iter(self._detectors)), None)
            photo = detection.for_frames(self._photo, height, width, self.smallest_face)
            detector = bundles.create_view(self._bundle, photo, self._detector_folder).detector
            assert detector is not None
            self._detectors[size] = detector
        return detector


def _drawn_person() -> Pixels:
    """A frame with a person's face in its middle."""
    height, width = _PROBE_SIZE
    size = height, height * 3 // 4
    portrait = photo(_PERSON, "not_wear", size, np.random.default_rng(4))
    frame = np.full((height, width, 3), 150, np.uint8)
    left = (width - size[1]) // 2
    frame[:, left : left + size[1]] = np.asarray(portrait)
    return frame


def _array(frame: Frame) -> Pixels:
    """The frame as an array. Raises PhotoError, and ValueError."""
    if isinstance(frame, bytes | bytearray | memoryview):
        return np.asarray(pixels.decode(bytes(frame)))
    if not (isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.ndim == 3):
        raise ValueError("a frame is an array (H, W, 3) of uint8")
    if frame.shape[2] != 3 or not frame.size:
        raise ValueError(f"a frame is an array (H, W, 3), not {frame.shape}")
    return frame
