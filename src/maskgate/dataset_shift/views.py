"""Photos as a model sees them: faces, inputs, features and probabilities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from maskgate import labels
from maskgate.bundle import drift_measures, open_bundle
from maskgate.bundle.manifest import leaves
from maskgate.core.progress import say, track
from maskgate.dataset_shift.onnx_features import OnnxFeatures
from maskgate.errors import MaskgateError
from maskgate.faces import reader
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels
from maskgate.inference import bundles, loading
from maskgate.inference.classifier import Classifier
from maskgate.runs import RunFolder

Features = Callable[[Pixels], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Model:
    """A `classifier` with a name, and the features of its first network, None where they cannot be
    had."""

    name: str
    classifier: Classifier
    features: Features | None


@dataclass(frozen=True)
class ModelView:
    """N photos as a model sees them: `faces` (N, 5), BOX and score, NaN without one; `measures` by
    name, (N,) each, of its input; `features` (N, F), None where they cannot be had; `probabilities`
    (N, 18); `attributes` that the model predicts."""

    faces: npt.NDArray[np.float32]
    measures: dict[str, npt.NDArray[np.float64]]
    features: npt.NDArray[np.float32] | None
    probabilities: npt.NDArray[np.float32]
    attributes: tuple[str, ...]


def of_bundle(path: Path, name: str, cache: Path, detector_file: Path | None) -> Model:
    """The model of a bundle. Raises MaskgateError."""
    bundle = open_bundle(path)
    classifier = bundles.classifier(bundle, cache=cache, detector_file=detector_file)
    if sentence := bundles.detector_sentence(bundle.manifest, classifier.views):
        say(sentence)
    network = next(leaves(bundle.manifest.model)).networks[0]
    features: Features | None = None
    try:
        features = OnnxFeatures(bundle.read(network), str(path / network))
    except MaskgateError as error:
        say(f"warning: no features are compared: {error}")
    return Model(name, classifier, features)


def of_run(run: RunFolder, cache: Path) -> Model:
    """The model of a single model's run; features are those of its first fold's network, which is
    all that predicts. Raises MaskgateError."""
    from maskgate.explain import features

    network = features.load(run, run.folds[0])
    classifier = loading.of_folds(run, run.folds[:1], cache)
    return Model(run.path.name, classifier, lambda each: features.of_pictures(network, each))


def look(model: Model, paths: Sequence[Path]) -> ModelView:
    """The photos as the model sees them, in the first of its views where it has several. Raises
    MaskgateError for a photo that cannot be read."""
    classifier = model.classifier
    faces, rows, features, probabilities = [], [], [], []
    batches = reader.read_batches(paths, classifier.views, all_faces=False)
    for batch in track(batches, "looking at photos", len(paths), size=reader.BATCH):
        photos = [_readable(each) for each in batch]
        boxes = np.concatenate([photo.boxes for photo in photos])
        stored = [
            np.concatenate([photo.pictures[view] for photo in photos])
            for view in range(len(classifier.views))
        ]
        inputs = np.ascontiguousarray(pixels.centre(stored[0], classifier.views[0].geometry))
        faces.append(boxes)
        rows += [drift_measures.of_picture(picture) for picture in inputs]
        probabilities.append(classifier(stored).probabilities)
        if model.features is not None:
            features.append(model.features(inputs))
    return ModelView(
        np.concatenate(faces),
        {name: np.array([row[name] for row in rows]) for name in rows[0]},
        np.concatenate(features) if features else None,
        probabilities=np.concatenate(probabilities),
        attributes=classifier.attributes,
    )


def _readable(photo: reader.PreparedPhoto | str) -> reader.PreparedPhoto:
    if isinstance(photo, str):
        raise MaskgateError(f"a photo has changed while it was read ({photo}); repeat the command")
    return photo


def confidences(view: ModelView) -> dict[str, npt.NDArray[np.float64]]:
    """By attribute, the probability (N,) of its likeliest value."""
    marginals = labels.marginals(view.probabilities)
    return {name: marginals[name].max(1).astype(np.float64) for name in view.attributes}


def predicted(view: ModelView) -> dict[str, npt.NDArray[np.int64]]:
    """By attribute, the code (N,) of its likeliest value."""
    marginals = labels.marginals(view.probabilities)
    return {name: marginals[name].argmax(1).astype(np.int64) for name in view.attributes}
