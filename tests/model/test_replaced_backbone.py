"""Another backbone leaves out the arguments of the recipe's own that it does not take."""

from collections.abc import Callable
from pathlib import Path

import pytest

from maskgate.config import recipe, system
from maskgate.config.recipe import Recipe
from maskgate.errors import MaskgateError
from maskgate.model import network, replaced_backbone
from maskgate.runs import RunFolder

BASE = recipe.find("baseline")  # resnet10t with channels and stem_width
BASE_ARGUMENTS = {"channels": [32, 64, 128, 256], "stem_width": 16}


@pytest.fixture(autouse=True)
def messages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(replaced_backbone, "_say_once", lines.append)
    return lines


def fitted(*overrides: str) -> Recipe:
    return replaced_backbone.fitted(recipe.load(BASE, list(overrides)), overrides)


def test_what_the_new_one_takes_is_kept(messages: list[str]) -> None:
    assert fitted("model.backbone=resnet18").model.arguments == BASE_ARGUMENTS
    assert fitted("seed=3").model.arguments == BASE_ARGUMENTS
    assert messages == []


def test_what_it_does_not_take_is_left_out_and_said(messages: list[str]) -> None:
    changed = fitted("model.backbone=mobilenetv3_small_050", "photo.height=64", "photo.width=48")
    assert changed.model.arguments == {}
    assert messages == [
        "model.backbone=mobilenetv3_small_050 does not take the recipe's channels, stem_width in"
        " model.arguments: left out"
    ]
    network.create(changed)


def test_arguments_that_are_given_are_kept(messages: list[str]) -> None:
    for more in ("model.arguments={channels: 3}", "model.arguments.drop_rate=0.1"):
        changed = fitted("model.backbone=mobilenetv3_small_050", more)
        assert messages == []
        with pytest.raises(MaskgateError, match="unexpected keyword argument 'channels'"):
            network.create(changed)


def test_a_factory_may_take_anything(messages: list[str]) -> None:
    assert fitted("model.backbone=my.package:make").model.arguments == BASE_ARGUMENTS
    assert messages == []


def test_a_second_backbone(messages: list[str]) -> None:
    loaded = recipe.load(
        BASE, ["model.beside=mobilenetv3_small_050", "model.beside_arguments={channels: 3}"]
    )
    changed = replaced_backbone.fitted(loaded, ["model.beside=mobilenetv3_small_050"])
    assert (changed.model.beside_arguments, changed.model.arguments) == ({}, BASE_ARGUMENTS)
    assert len(messages) == 1


def test_members_of_a_system(tmp_path: Path, messages: list[str]) -> None:
    file = tmp_path / "two.yaml"
    file.write_text(
        "members:\n"
        "- {name: one, recipe: baseline}\n"
        "- {name: two, recipe: baseline, changes: {model.backbone: mobilenetv3_small_050}}\n"
    )
    changed = replaced_backbone.fitted_members(system.load(file, ["seed=3"])).recipes()
    assert (changed["one"].model.arguments, changed["two"].model.arguments) == (BASE_ARGUMENTS, {})
    assert changed["two"].seed == 3
    assert len(messages) == 1


@pytest.mark.slow
def test_a_run_of_another_backbone_trains(
    call: Callable[..., tuple[int, str, str]], people: Path, tmp_path: Path, messages: list[str]
) -> None:
    out = tmp_path / "run"
    words = ("model.backbone=test_vit", "photo.height=32", "photo.width=32", "--smoke")
    code, _, err = call("train", "baseline", people, *words, "--out", out)
    assert code == 0, err
    assert messages == [
        "model.backbone=test_vit does not take the recipe's channels, stem_width in"
        " model.arguments: left out"
    ]
    assert RunFolder(out).recipe().model.arguments == {}
