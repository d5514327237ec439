"""What goes in, and what the bundle holds."""

from collections.abc import Iterator
from typing import Final

from maskgate.bundle.manifest import Manifest, SingleModelSpec, leaves
from maskgate.export.card.markup import table

_MEASURES: Final = {
    "brightness": "brightness (0–255)",
    "sharpness": "sharpness (variance of the Laplacian)",
    "face_width": "face width (pixels of the photo)",
    "face_score": "score of the face detector",
    "confidence_mask": "confidence in the mask",
    "confidence_gender": "confidence in the gender",
    "confidence_age_band": "confidence in the age band",
}


def inputs(manifest: Manifest) -> Iterator[str]:
    """How each model sees a photo."""
    rows = []
    for model, facts in zip(leaves(manifest.model), manifest.training, strict=True):
        face = model.photo.face
        crop = f"the photo's centre, {model.photo.crop:.0%} of it"
        if face is not None:
            crop = f"the face ({_detectors(model)}) with a margin of {face.margin:.0%}"
            crop += ", the eyes level" if face.align else ""
        tta = ", ".join(each.name for each in model.tta) or "none"
        rows.append((facts.model, f"{model.photo.width}×{model.photo.height}", crop, tta))
    yield from table(("model", "pixels", "crop", "test-time augmentation"), rows)


def _detectors(model: SingleModelSpec) -> str:
    """The face detectors of a model in words."""
    assert model.photo.face is not None
    bundled = model.photo.face.detector.name
    names = [each.detector.name for each in model.preferred]
    if not names:
        return bundled
    return f"{' or '.join(names)} where its file is at hand, as in training, else {bundled}"


def reference(manifest: Manifest) -> Iterator[str]:
    """How the validation photos are distributed in what `bundle.drift_measures` measures."""
    if not manifest.reference:
        return
    yield "The scores do not apply to photos outside these ranges."
    yield ""
    yield from table(
        ("measure", "photos", "5%", "25%", "median", "75%", "95%"),
        [
            (_MEASURES.get(name, name), each.photos, *(f"{value:.3g}" for value in each.quantiles))
            for name, each in manifest.reference.items()
        ],
    )


def files(manifest: Manifest) -> Iterator[str]:
    """The files of the bundle with their digests."""
    yield from table(
        ("file", "bytes", "SHA-256"),
        [(name, each.bytes, f"`{each.sha256}`") for name, each in sorted(manifest.files.items())],
    )
