"""From a finished run to a bundle in a folder or a zip."""

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

import torch

import maskgate
from maskgate import labels
from maskgate.bundle import MANIFEST, ZIP, check_out
from maskgate.bundle.manifest import Manifest, Precision
from maskgate.bundle.thresholds import ERRORS
from maskgate.core import files
from maskgate.core.progress import track
from maskgate.evaluation import held_out as held_out_scores
from maskgate.export import (
    calibration,
    card,
    graph,
    precision,
    precision_loss,
    thresholds,
    validation_results,
)
from maskgate.export.models import ModelRun, models, specification
from maskgate.imaging.pixels import Pixels
from maskgate.inference.backends import torch as torch_backend
from maskgate.runs import RunFolder
from maskgate.runs.records import stored
from maskgate.runs.records.results import Attribute

NOTICE: Final = "NOTICE.txt"


@dataclass(frozen=True)
class ExportOptions:
    """What a bundle is to be: a zip where the name of `out` ends so, else a folder.

    `name` is what the card calls it, the run's by default. `held_out` is a file with scores of the
    run on other people, by `benchmarks/default_model.py`. `max_loss` is how much of the score a
    reduced `precision` may lose; None does not measure it, for a run without validation people.
    `photos` is the folder with the validated photos, the run's data folder unless given. `terms`
    are those of the training photos, and `notice` is a text on them that goes along. `detector`
    names the face detector that the bundle is to hold in place of the model's own, which is then
    preferred where its file is at hand. With `calibrate`, its probabilities are calibrated where
    the run has validation people; with `has_thresholds` it has thresholds for the stated share of
    wrong answers among the sure ones, ERRORS but for `errors`. `fold_batch_norm` is that of
    `graph.to_onnx`.
    Without `has_reference` the validation photos are not measured, which may take minutes.
    """

    out: Path
    precision: Precision = "fp32"
    name: str | None = None
    max_loss: float | None = 0.005
    photos: Path | None = None
    terms: str | None = None
    held_out: Path | None = None
    notice: str | None = None
    detector: str | None = None
    calibrate: bool = True
    has_thresholds: bool = True
    errors: Mapping[Attribute, float] = field(default_factory=dict)
    fold_batch_norm: bool = True
    has_reference: bool = True
    cache: Path | None = None


def export(run: RunFolder, options: ExportOptions) -> Manifest:
    """Write the bundle of a finished run to a new folder or zip.

    Nothing is left where it fails. Raises MaskgateError where the run cannot be exported, loses
    more than `max_loss` in a reduced precision, is not the one that `held_out` scores, or does not
    predict an attribute of `errors`.
    """
    check_out(options.out)
    thresholds.check(run, options.errors)
    held_out = (
        None if options.held_out is None else held_out_scores.read_of_run(options.held_out, run)
    )
    cache = options.cache or files.cache_folder()
    singles = models(run, cache, options.detector)
    for single in singles:
        single.check()
    photos = None
    if options.precision != "fp32" and options.max_loss is not None:
        photos = precision_loss.read_photos(run, singles, options.precision, options.photos)
    contents: dict[str, bytes] = {}
    total = sum(len(single.run.folds) for single in singles)
    for single, fold in track(_folds(singles), "exporting networks", total):
        contents[single.network_file(fold)] = _network(single, fold, options)
    loss = None
    if photos is not None and options.max_loss is not None:
        networks = precision_loss.ReducedNetworks(singles, contents, photos, cache)
        loss = precision_loss.measure(run, networks, options.max_loss)
        precision_loss.check_limit(loss, options.precision)
    for single in singles:
        contents |= _detector_files(single)
    if options.notice is not None:
        contents[NOTICE] = options.notice.encode("utf-8")
    fit = calibration.fit(run, singles, cache) if options.calibrate else None
    fitted = None if fit is None else fit.calibration
    confidences, passings = {}, []
    if options.has_thresholds:
        confidences = thresholds.fit(run, singles, fit, errors={**ERRORS, **options.errors})
        passings = thresholds.passing_of(run, fit, confidences)
    values: dict[str, Any] = {
        "name": options.name or run.path.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": {
            "maskgate": maskgate.__version__,
            "torch": str(torch.__version__),
            "opset": graph.OPSET,
        },
        "labels": {name: list(values) for name, values in labels.ATTRIBUTES.items()},
        "precision": options.precision,
        "model": specification(run, singles),
        **({} if fitted is None else {"calibration": fitted}),
        **({"thresholds": confidences} if confidences else {}),
        **({"passing": passings} if passings else {}),
        "training": [single.facts() for single in singles],
        **({} if loss is None else {"loss": loss}),
        **({} if options.terms is None else {"terms": options.terms}),
        **({} if held_out is None else {"held_out": held_out}),
        **validation_results.scores(run),
        **(
            validation_results.statistics(run, singles, options.photos, cache, calibration=fitted)
            if options.has_reference
            else {}
        ),
    }
    return _write(options.out, values, contents)


def _network(single: ModelRun, fold: int, options: ExportOptions) -> bytes:
    """The ONNX file of the network of a fold. Raises MaskgateError."""
    name = f"{single.title}, fold {fold}"
    network = torch_backend.restore(single.run, fold)
    geometry = single.recipe.photo.geometry
    content = graph.to_onnx(network, geometry, name, options.fold_batch_norm)

    def photos() -> Pixels:
        return precision.calibration_photos(single, fold, options.photos)

    return precision.reduce(content, options.precision, name, photos)


def _folds(singles: list[ModelRun]) -> list[tuple[ModelRun, int]]:
    return [(single, fold) for single in singles for fold in single.run.folds]


def _detector_files(single: ModelRun) -> dict[str, bytes]:
    """The files of its detector with their notice, by their names in the bundle."""
    detector, folder = single.bundled_view.detector, single.detector_folder
    if detector is None:
        return {}
    notice = resources.files("maskgate.export") / "notices" / f"{detector.name}.txt"
    contents = {f"{folder}/{NOTICE}": notice.read_bytes()}
    for name, path in detector.files.items():
        contents[f"{folder}/{name}"] = files.content(path, "the file of a detector")
    return contents


def _write(out: Path, values: Mapping[str, Any], contents: Mapping[str, bytes]) -> Manifest:
    """The bundle of these values of the manifest and these files, written beside and renamed."""
    with files.staged_folder(out) as folder:
        manifest = _fill(folder, values, contents)
        if out.suffix.lower() == ZIP:
            files.replace(out, lambda target: _zip(folder, target))
        else:
            folder.replace(out)
        return manifest


def _fill(folder: Path, values: Mapping[str, Any], contents: Mapping[str, bytes]) -> Manifest:
    """Write the files, the cards and the manifest."""
    entries: dict[str, dict[str, Any]] = {}

    def add(name: str, content: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        entries[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}

    for name, content in contents.items():
        add(name, content)
    manifest = _write_manifest(folder, values, entries)
    text = card.markdown(manifest)
    add("card.md", text.encode("utf-8"))
    add("card.html", card.html(manifest, text).encode("utf-8"))
    return _write_manifest(folder, values, entries)


def _write_manifest(
    folder: Path, values: Mapping[str, Any], entries: Mapping[str, Any]
) -> Manifest:
    path = folder / MANIFEST
    stored.write(path, Manifest, {**values, "files": entries})
    return stored.parse(path.read_bytes(), Manifest, path)


def _zip(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            # Weights hardly get smaller.
            kind = zipfile.ZIP_STORED if path.suffix == ".onnx" else zipfile.ZIP_DEFLATED
            archive.write(path, path.relative_to(folder).as_posix(), kind)
