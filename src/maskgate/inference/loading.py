"""The predictor of a run's folder, or of a bundle."""

from collections.abc import Callable, Sequence
from pathlib import Path

from maskgate import bundle, runs
from maskgate.config.settings import Component
from maskgate.core import default_model, extras
from maskgate.core.progress import say
from maskgate.ensemble.combining import Combination, EnsembleSpec
from maskgate.errors import MaskgateError
from maskgate.faces import view
from maskgate.imaging.tta import tta_views
from maskgate.inference import bundles
from maskgate.inference.backends.protocol import Backend
from maskgate.inference.classifier import Classifier, Ensemble, SingleModel
from maskgate.inference.predictor import Predictor
from maskgate.runs.records.faults import damaged
from maskgate.runs.trust import check_trusted


def load(
    model: str | Path | None = None,
    cache: Path | None = None,
    tta: Sequence[Component] | None = None,
    trust: bool = False,
    detector_file: Path | None = None,
) -> Predictor:
    """The predictor of a run folder: the average of its folds, or a system's members combined; or
    that of a bundle, which is a folder or a zip and needs no torch. Without a `model` it is that of
    the default model.

    The face detector's model is the one in the run. A run by an older version has none; then it is
    looked up in the folder `cache`, by default the user's; so is the file of a detector that a
    bundle prefers to its own, unless `detector_file` is that file, and a line says which one is
    used. The test-time augmentation is that
    of the recipe, or of each member's recipe, unless `tta` is given.

    Raises MaskgateError. It does so before anything is imported if the run needs code (a backbone
    `package.module:factory`) and is not trusted.
    """
    model = default_model.folder() if model is None else model
    if bundle.is_bundle(Path(model)):
        opened = bundle.open_bundle(Path(model))
        classifier = bundles.classifier(opened, tta, cache=cache, detector_file=detector_file)
        if sentence := bundles.detector_sentence(opened.manifest, classifier.views):
            say(sentence)
        return Predictor(classifier, opened.manifest.lowest_confidences())
    if detector_file is not None:
        raise detector_file_error(model)
    return Predictor(of_run(runs.open_run(model, trust=trust), cache, tta))


def detector_file_error(model: str | Path) -> MaskgateError:
    """The error for a run or a system with a `detector_file`."""
    return MaskgateError(
        f"{model}: a run uses the face detector of its training; leave out --detector-file, which"
        " is for bundles (for a run by an older version, set $MASKGATE_YUNET)"
    )


def of_run(
    run: runs.RunFolder,
    cache: Path | None = None,
    tta: Sequence[Component] | None = None,
    folds: Callable[[runs.RunFolder], Sequence[int]] = lambda run: run.folds,
) -> Classifier:
    """The classifier of an open run, with its members; see `load`. `folds` says which of a single
    model's networks are used. Raises MaskgateError."""
    if not run.is_system:
        return of_folds(run, folds(run), cache, tta)
    system = run.system()
    members = []
    for member, inner in zip(system.members, run.members(), strict=True):
        member_tta = member.tta if tta is None else tta
        members.append((of_run(inner, cache, member_tta, folds), member.weight))
    spec, learned = EnsembleSpec.from_system(system), run.learned()
    if reason := learned.mismatch(spec, [member.attributes for member, _ in members]):
        raise damaged(run.combination_file, reason)
    return Ensemble(members, Combination(spec, learned.by_name()))


def of_folds(
    run: runs.RunFolder,
    folds: Sequence[int],
    cache: Path | None = None,
    tta: Sequence[Component] | None = None,
) -> SingleModel:
    """The classifier of these folds of a single model's run; see `load`. Raises MaskgateError."""
    recipe = run.recipe()
    check_trusted(run, recipe)
    tta = recipe.tta if tta is None else tta
    try:
        photo_view = view.create(recipe.photo, cache, run.kept_detector())
        tta_views(tta, photo_view.geometry)
    except MaskgateError as error:
        raise MaskgateError(f"{run.path}: {error}") from error
    restore = _torch(run)
    return SingleModel([restore(fold) for fold in folds], photo_view, tta, recipe.folds.vote)


def _torch(run: runs.RunFolder) -> Callable[[int], Backend]:
    """A function that loads the network of a fold. Raises MaskgateError where torch is missing."""
    with extras.needed_by(f"{run.path}: the run of a training"):
        from maskgate.inference.backends import torch

    return lambda fold: torch.TorchBackend(torch.restore(run, fold))
