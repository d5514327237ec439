"""Every family of backbones that the five systems name, and current ones, by their timm names."""

import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from maskgate.config.recipe import Model, Recipe
from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError
from maskgate.model import backbone, network, weight_files
from maskgate.model.backbone import ParallelBackbones

# The smallest of each family, which makes a step, and more of it, of which shapes are enough.
FAMILIES = {
    "resnet18": "resnet26 resnet34 resnet50 resnet101 resnet152",
    "resnet18d": "resnet26d resnet34d resnet50d resnet101d resnet152d",
    "skresnet18": "skresnet34",
    "mnasnet_050": "mnasnet_100",
    "efficientnet_b0": "efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4"
    " efficientnet_b5 efficientnet_b6 efficientnet_b7",
    "efficientnetv2_rw_t": "efficientnetv2_rw_s efficientnetv2_rw_m",
    "mobilenetv2_050": "mobilenetv2_100",
    "mobilenetv3_small_050": "mobilenetv3_large_100",
    "vgg11": "vgg19 vgg19_bn",
    "regnetx_002": "regnety_032",
    "vit_tiny_patch16_224": "vit_small_patch16_224 vit_base_patch16_224 vit_large_patch16_224",
    "vit_tiny_r_s16_p8_224": "vit_small_r26_s32_224 vit_base_r50_s16_224",
    "deit_tiny_patch16_224": "deit_base_patch16_224 deit_base_distilled_patch16_224",
    "swin_tiny_patch4_window7_224": "swin_base_patch4_window7_224",
    "convnext_atto": "convnext_tiny",
    "tiny_vit_5m_224": "tiny_vit_21m_224",
    "fastvit_t8": "fastvit_sa12",
    "mobilenetv4_conv_small_050": "mobilenetv4_hybrid_medium",
    "efficientformer_l1": "",
    "efficientformerv2_s0": "",
    "eva02_tiny_patch14_224": "eva_large_patch14_196 eva02_base_patch14_224",
    "caformer_s18": "",
}
MEMBERS = [name for first, more in FAMILIES.items() for name in [first, *more.split()]]
SLOW = {
    *("vgg11", "efficientformer_l1", "caformer_s18", "swin_base_patch4_window7_224"),
    *("efficientnet_b5", "efficientnet_b6", "efficientnet_b7", "efficientnetv2_rw_m"),
    *("vit_base_r50_s16_224", "vit_large_patch16_224", "eva_large_patch14_196"),
    *("resnet101d", "resnet152d"),
}
FULL = Geometry(224, 224)


def marked(names: Iterable[str]) -> list[object]:
    return [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in names]


def on_meta(name: str, classes: int = 0) -> nn.Module:
    with torch.device("meta"):
        if not classes:
            return backbone.create(Model(backbone=name), FULL, with_weights=False)
        sized = {"img_size": (224, 224)} if backbone._has_fixed_size(name) else {}
        classifier: nn.Module = timm.create_model(name, num_classes=classes, **sized)
        return classifier


@pytest.mark.slow
@pytest.mark.parametrize("name", marked(MEMBERS))
def test_every_member_gives_features_and_takes_timms_weights(name: str) -> None:
    member = on_meta(name)
    assert all(tensor.is_meta for tensor in member.parameters())
    with torch.no_grad():
        features = member.eval()(torch.zeros(3, 3, 224, 224, device="meta"))
    assert features.shape == (3, backbone.feature_count(member, FULL))
    classifier_state = on_meta(name, classes=1000).state_dict()
    state = member.state_dict()
    assert {key: state[key].shape for key in state} == {
        key: classifier_state[key].shape for key in state
    }
    left = classifier_state.keys() - state.keys()
    assert left
    assert all(weight_files._is_inside(key, backbone._classifiers(member)) for key in left), left


@pytest.mark.parametrize("name", marked(FAMILIES))
def test_the_smallest_of_each_family_makes_a_step(name: str) -> None:
    height, width = backbone.smallest_size(Model(backbone=name))
    torch.manual_seed(3)
    model = network.create(
        Recipe.model_validate(
            {"photo": {"height": height, "width": width}, "model": {"backbone": name}}
        )
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    before = {key: tensor.detach().clone() for key, tensor in model.named_parameters()}
    photos = torch.randint(0, 256, (2, height, width, 3), dtype=torch.uint8)
    log_probabilities = model.train()(photos).log_probabilities
    assert log_probabilities.shape == (2, 18)
    torch.testing.assert_close(log_probabilities.exp().sum(1), torch.ones(2))
    (-log_probabilities[:, 4].mean()).backward()
    optimizer.step()
    first = next(key for key in before if key.startswith("backbone.") and before[key].ndim == 4)
    changed = {key for key, tensor in model.named_parameters() if not tensor.equal(before[key])}
    assert {first, "head.linear.weight"} <= changed
    assert all(tensor.isfinite().all() for tensor in model.parameters())


# ---------------------------------------------------------------------- the smallest photo


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet18", 32),
        ("efficientnet_b0", 32),
        ("vit_small_r26_s32_224", 32),
        ("swin_tiny_patch4_window7_224", 32),
        pytest.param("inception_resnet_v2", 96, marks=pytest.mark.slow),
    ],
)
def test_the_smallest_photo_is_legal_and_the_next_smaller_is_not(name: str, size: int) -> None:
    model = Model(backbone=name)
    state = torch.get_rng_state()
    assert backbone.smallest_size(model) == (size, size)
    assert torch.equal(state, torch.get_rng_state())
    for smaller in [each for each in backbone.SIZES if each < size]:
        geometry = Geometry(smaller, smaller)
        with pytest.raises(MaskgateError):
            backbone.feature_count(backbone.create(model, geometry), geometry)


def create_backbone(at_least: int, real: bool = False) -> nn.Module:
    """A backbone that takes photos from a size on, and, where `real`, is never on meta."""

    class SizedBackbone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 5)
            if real:
                self.linear.weight.sum().item()

        def forward(self, photos: Tensor) -> Tensor:
            if photos.shape[-1] < at_least:
                raise ValueError("too small")
            return self.linear(photos.mean((2, 3)))

    return SizedBackbone()


@pytest.mark.parametrize("real", [False, True])
def test_the_smallest_photo_of_ones_own_backbone(
    real: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "factories", SimpleNamespace(own=create_backbone))
    arguments = {"at_least": 100, "real": real}
    model = Model(backbone="factories:own", arguments=arguments)
    assert backbone.smallest_size(model) == (128, 128)
    none = Model(backbone="factories:own", arguments=arguments | {"at_least": 999})
    with pytest.raises(MaskgateError, match="does not accept photos of 384×384"):
        backbone.smallest_size(none)


def test_the_smallest_photo_of_two_is_the_larger_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "factories", SimpleNamespace(own=create_backbone))
    second = {"beside": "factories:own", "beside_arguments": {"at_least": 90}}
    model = Model.model_validate({"backbone": "test_resnet", **second})
    assert backbone.smallest_size(model) == (96, 96)


def test_faults_are_told_where_no_photo_is_legal() -> None:
    with pytest.raises(MaskgateError, match="unknown backbone resnet_18; did you mean resnet18"):
        backbone.smallest_size(Model(backbone="resnet_18"))


# --------------------------------------------------------------------- two, and their weights


def test_the_features_of_two_backbones_stand_side_by_side() -> None:
    torch.manual_seed(0)
    size = Geometry(64, 64)
    model = Model(backbone="test_resnet", beside="test_vit", beside_arguments={"depth": 2})
    both = backbone.create(model, size).eval()
    assert isinstance(both, ParallelBackbones)
    photos = torch.randn(2, 3, 64, 64)
    parts: Any = both.parts
    first, second = parts
    torch.testing.assert_close(both(photos), torch.cat([first(photos), second(photos)], 1))
    assert backbone.feature_count(both, size) == first.num_features + second.num_features
    assert len(second.blocks) == 2
    assert backbone.statistics(both) == backbone.statistics(first)


def test_the_statistics_of_two_are_the_firsts() -> None:
    model = Model(backbone="test_vit", beside="resnet18")
    other = Model(backbone="resnet18", beside="test_vit")
    size = Geometry(64, 64)
    assert backbone.statistics(backbone.create(model, size))[0] == (0.5, 0.5, 0.5)
    assert backbone.statistics(backbone.create(other, size))[0] == backbone.IMAGENET[0]


def test_both_are_pretrained(monkeypatch: pytest.MonkeyPatch) -> None:
    pretrained_flags = {}
    create = timm.create_model

    def note(name: str, pretrained: bool, **arguments: object) -> nn.Module:
        pretrained_flags[name] = pretrained
        return create(name, **arguments)

    monkeypatch.setattr(timm, "create_model", note)
    model = Model(backbone="test_resnet", beside="resnet18", pretrained=True)
    backbone.create(model, Geometry(32, 32))
    assert pretrained_flags == {"test_resnet": True, "resnet18": True}
    backbone.create(model, Geometry(32, 32), with_weights=False)
    assert pretrained_flags == {"test_resnet": False, "resnet18": False}


def test_faults_of_the_second_are_told_as_its_own() -> None:
    size = Geometry(32, 32)
    with pytest.raises(MaskgateError, match="unknown backbone resnet_18; did you mean resnet18"):
        backbone.create(Model(backbone="test_resnet", beside="resnet_18"), size)
    odd = Model(backbone="test_resnet", beside="resnet18", beside_arguments={"colour": 2})
    with pytest.raises(MaskgateError, match=r"resnet18: .*colour.*see model.beside_arguments"):
        backbone.create(odd, size)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("resnet18", ".pth"),
        ("resnet18", ".safetensors"),
        ("vit_tiny_patch16_224", ".safetensors"),
        ("efficientnet_b0", ".pth"),
        pytest.param("caformer_s18", ".safetensors", marks=pytest.mark.slow),
    ],
)
def test_a_checkpoint_with_its_classifier_fills_the_whole_backbone(
    name: str, suffix: str, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    source = timm.create_model(name, num_classes=1000)
    state = {key: torch.randn_like(t) if t.is_floating_point() else t + 7
             for key, t in source.state_dict().items()}  # fmt: skip
    file = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": state}, file)
    else:
        save_file(state, file)
    loaded_state = backbone.create(Model(backbone=name, weights=str(file)), FULL).state_dict()
    left = state.keys() - loaded_state.keys()
    assert 2 <= len(left) <= 6
    assert len(loaded_state) > 100
    for key, tensor in loaded_state.items():
        assert torch.equal(tensor, state[key]), key
