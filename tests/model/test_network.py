from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from maskgate.config.recipe import Model, Recipe
from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError
from maskgate.faces.view import View
from maskgate.model import backbone, network
from maskgate.model.network import Normalise
from maskgate.pipeline import cache

SMALL = Geometry(32, 24)


def recipe(**model: object) -> Recipe:
    return Recipe.model_validate(
        {"photo": {"height": 32, "width": 24}, "model": {"backbone": "test_resnet", **model}}
    )


def photos(count: int = 4) -> torch.Tensor:
    return torch.randint(0, 256, (count, 32, 24, 3), dtype=torch.uint8)


def test_normalise_is_the_first_layer_and_takes_raw_photos() -> None:
    model = network.create(recipe())
    assert isinstance(next(model.children()), Normalise)
    batch = photos()
    naive = (batch.numpy() / 255 - backbone.statistics(model.backbone)[0]) / backbone.statistics(
        model.backbone
    )[1]
    torch.testing.assert_close(
        model.normalise(batch), torch.from_numpy(naive).permute(0, 3, 1, 2).float()
    )
    assert model(batch).log_probabilities.shape == (4, 18)


def test_normalising_by_the_data_gives_unit_variance(people: Path, tmp_path: Path) -> None:
    from maskgate.data import layouts

    store, _ = cache.build(layouts.read(people), View(SMALL), tmp_path)
    rows = np.arange(len(store))
    model = network.create(recipe(normalise="data"), cache.statistics(store, rows))
    everything = model.normalise(torch.from_numpy(store.rows(rows)))
    torch.testing.assert_close(everything.mean((0, 2, 3)), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(everything.std((0, 2, 3)), torch.ones(3), atol=1e-2, rtol=0)


class Tiny(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3, features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.mean((2, 3)))


def test_a_factory_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_nets.py").write_text(
        "from torch import nn\n"
        "def tiny(features):\n"
        "    pool = nn.AdaptiveAvgPool2d(1)\n"
        "    return nn.Sequential(pool, nn.Flatten(), nn.Linear(3, features))\n"
        "def maps(): return nn.Conv2d(3, 4, 1)\n"
        "def number(): return 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    own_recipe = recipe(backbone="own_nets:tiny", arguments={"features": 9})
    assert network.create(own_recipe)(photos()).log_probabilities.shape == (4, 18)
    for name, fault in (
        ("maps", "one vector per photo"),
        ("number", "no torch module"),
        ("x", "x"),
    ):
        with pytest.raises(MaskgateError, match=fault):
            network.create(recipe(backbone=f"own_nets:{name}"))


def test_unknown_backbone_suggests_the_near_one() -> None:
    with pytest.raises(MaskgateError, match="did you mean resnet18"):
        network.create(recipe(backbone="resnet_18"))


def test_vision_transformers_take_the_size_of_the_recipe() -> None:
    sized = Recipe.model_validate(
        {"photo": {"height": 64, "width": 48}, "model": {"backbone": "test_vit"}}
    )
    batch = torch.randint(0, 256, (2, 64, 48, 3), dtype=torch.uint8)
    assert network.create(sized)(batch).log_probabilities.shape == (2, 18)


def test_weights_of_a_local_file_are_loaded_in_full(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = timm.create_model("test_resnet", num_classes=1000)
    for suffix in (".safetensors", ".pth"):
        file = tmp_path / f"weights{suffix}"
        if suffix == ".pth":
            torch.save(source.state_dict(), file)
        else:
            save_file(source.state_dict(), file)
        state = network.create(recipe(weights=str(file))).backbone.state_dict()
        assert len(state) > 20
        for name, tensor in state.items():
            torch.testing.assert_close(tensor, source.state_dict()[name])


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    state = timm.create_model("test_resnet", num_classes=0).state_dict()
    name = next(iter(state))
    for fault, changed in {
        "missing": {k: v for k, v in state.items() if k != name},
        "another shape": state | {name: torch.zeros(2)},
        "unknown": state | {"extra.weight": torch.zeros(2)},
    }.items():
        file = tmp_path / "odd.safetensors"
        save_file(changed, file)
        with pytest.raises(MaskgateError, match=fault):
            network.create(recipe(weights=str(file)))
    with pytest.raises(MaskgateError, match="no such file"):
        network.create(recipe(weights=str(tmp_path / "none.pth")))


def test_pretrained_weights_that_cannot_be_had_name_the_three_ways_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("timm.models._builder.load_pretrained", offline)
    with pytest.raises(MaskgateError) as error:
        network.create(recipe(backbone="resnet18", pretrained=True))
    for way in ("model.pretrained=false", "model.weights=FILE", "network"):
        assert way in str(error.value)


def test_a_caller_with_weights_of_its_own_asks_for_no_others(tmp_path: Path) -> None:
    network.create(recipe(weights=str(tmp_path / "gone.pth")), with_weights=False)


def test_backbones_that_crash_channels_last_are_left_alone() -> None:
    convolution = network.create(recipe()).backbone.conv1
    first: Any = convolution[0] if isinstance(convolution, nn.Sequential) else convolution
    assert first.weight.is_contiguous(memory_format=torch.channels_last)
    model = network.create(recipe(backbone="repvgg_a0"))
    model(
        photos()
    ).log_probabilities.sum().backward()  # died with a segmentation fault in channels-last


def test_features_that_cannot_be_had_are_told() -> None:
    with pytest.raises(MaskgateError, match="8×8"):
        backbone.feature_count(nn.Conv2d(3, 4, 16), Geometry(8, 8))


def test_model_section_keeps_its_words() -> None:
    assert Model().head.name == "factored"
