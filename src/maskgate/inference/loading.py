"""The predictor of a run's folder, or of a bundle."""

from collections.abc import Callable, Sequence
from pathlib import Path

from maskgate import bundle, runs
from maskgate.config.settings import Component
from maskgate.core import extras
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
    model: str | Path,
    cache: Path | None = None,
    tta: Sequence[Component] | None = None,
    trust: bool = False,
) -> Predictor:
    """The predictor of a run folder: the average of its folds, or a system's members combined; or
    that of a bundle, which is a folder or a zip and needs no torch.

    A face detector's model is the one that the run keeps; that of a run by an older version is
    looked for in the folder `cache`, the user's unless given. The test-time augmentation is that of
    the recipe, of each member its own, unless `tta` is given.

    Raises MaskgateError; so too, before anything is imported, where the run brings code (a backbone
    `package.module:factory`) and is not to be trusted.
    """
    if bundle.is_bundle(Path(model)):
        return Predictor(bundles.classifier(bundle.open_bundle(Path(model)), tta))
    return Predictor(of_run(runs.open_run(model, trust=trust), cache, tta))


def of_run(
    run: runs.Run, cache: Path | None = None, tta: Sequence[Component] | None = None
) -> Classifier:
    """The classifier of a run that is open, and its members with it; see `load`. Raises
    MaskgateError."""
    if not run.is_system:
        return of_folds(run, run.folds, cache, tta)
    system = run.system()
    members = []
    for member, inner in zip(system.members, run.members(), strict=True):
        own = member.tta if tta is None else tta
        members.append((of_run(inner, cache, own), member.weight))
    spec, learned = EnsembleSpec.from_system(system), run.learned()
    if reason := learned.mismatch(spec, [member.attributes for member, _ in members]):
        raise damaged(run.combination_file, reason)
    return Ensemble(members, Combination(spec, learned.by_name()))


def of_folds(
    run: runs.Run,
    folds: Sequence[int],
    cache: Path | None = None,
    tta: Sequence[Component] | None = None,
) -> SingleModel:
    """The classifier of these folds of a single model's run; see `load`. Raises MaskgateError."""
    recipe = run.recipe()
    check_trusted(run, recipe)
    wanted = recipe.tta if tta is None else tta
    try:
        seen = view.create(recipe.photo, cache, run.kept_detector())
        tta_views(wanted, seen.geometry)
    except MaskgateError as error:
        raise MaskgateError(f"{run.path}: {error}") from error
    restore = _torch(run)
    return SingleModel([restore(fold) for fold in folds], seen, wanted, recipe.folds.vote)


def _torch(run: runs.Run) -> Callable[[int], Backend]:
    """What gives the network of a fold of a run. Raises MaskgateError where torch is missing."""
    with extras.needed_by(f"{run.path}: the run of a training"):
        from maskgate.inference.backends import torch

    return lambda fold: torch.TorchBackend(torch.restore(run, fold))
