"""Trained networks, run by torch."""

import hashlib

import torch

from maskgate.core import finite
from maskgate.errors import MaskgateError
from maskgate.imaging.pixels import Pixels
from maskgate.inference.backends.protocol import Prediction
from maskgate.model import network, predicting
from maskgate.model.network import Network
from maskgate.runs import RunFolder
from maskgate.runs.trust import check_trusted


class TorchBackend:
    """A network on the GPU where there is one, else on the CPU; see `Backend`."""

    def __init__(self, model: Network) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device).eval()

    @property
    def attributes(self) -> tuple[str, ...]:
        return self.model.head.attributes

    @property
    def digest(self) -> str:
        hasher = hashlib.blake2b(repr(self.model).encode(), digest_size=16)
        for tensor in self.model.state_dict().values():
            hasher.update(tensor.cpu().numpy().tobytes())
        return hasher.hexdigest()

    @property
    def predicts_ages(self) -> bool:
        return "age_distribution" in self.model.head.provides

    def __call__(self, pictures: Pixels) -> Prediction:
        photos = torch.from_numpy(pictures).to(self.device)
        return Prediction(*predicting.predict_batch(self.model, photos))


def restore(run: RunFolder, fold: int) -> Network:
    """The network of one fold with its trained weights. Raises MaskgateError."""
    recipe = run.recipe()
    check_trusted(run, recipe)
    try:
        model = network.create(recipe, with_weights=False)
    except MaskgateError as error:
        raise MaskgateError(f"{run.path}: {error}") from error
    never_finite = finite.non_finite(model.state_dict())
    try:
        model.load_state_dict(run.weights(fold))
    except (RuntimeError, OSError) as error:
        raise MaskgateError(
            f"{run.weights_file(fold)}: does not hold the weights of {run.recipe_file};"
            " remove the run and train it again"
        ) from error
    finite.check_weights(model.state_dict(), never_finite, str(run.weights_file(fold)))
    return model
