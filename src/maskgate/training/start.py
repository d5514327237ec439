"""Starts a network from another run's backbone, without letting validation people leak in."""

from pathlib import Path

from maskgate import runs
from maskgate.errors import MaskgateError
from maskgate.model.network import Network


def from_run(network: Network, path: Path, validation_digests: set[str], fold: int) -> None:
    """Fill the network's backbone from the run at `path`.

    Of the run's folds the one with this number is taken first. One that was trained on any
    photo of the people now validated on is not taken; where none is left, MaskgateError.
    """
    run = runs.open_run(path)
    photos = run.photos()
    for other in sorted(run.folds, key=lambda other: (other != fold, other)):
        trained = photos.loc[photos["fold"] != other, "digest"]
        if not validation_digests.intersection(trained):
            _fill(network, run, other)
            return
    raise MaskgateError(
        f"model.init={path}: every model of that run was trained on people of fold {fold}, on"
        f" which this one is to be validated; set folds.file={run.folds_file} to share its folds"
    )


def _fill(network: Network, run: runs.Run, fold: int) -> None:
    prefix = "backbone."
    found = {
        name.removeprefix(prefix): tensor
        for name, tensor in run.weights(fold).items()
        if name.startswith(prefix)
    }
    wanted = network.backbone.state_dict()
    odd = [
        name
        for name in wanted.keys() | found.keys()
        if name not in found or name not in wanted or found[name].shape != wanted[name].shape
    ]
    if odd:
        raise MaskgateError(
            f"model.init={run.path}: its backbone {run.recipe().model.backbone} does not fit"
            f" ({len(odd)} tensors differ, first {min(odd)}); use the same backbone"
        )
    network.backbone.load_state_dict(found)
