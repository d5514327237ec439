"""The names that are checked before torch is imported are those of the implementations."""

from collections.abc import Mapping

import pytest
import timm
import timm.optim

from maskgate.config.recipe import Recipe
from maskgate.errors import MaskgateError
from maskgate.model import averages, heads, losses, names, schedules
from maskgate.model.losses.class_losses import CLASS_LOSSES
from maskgate.pipeline import mixing, sampling, transforms


@pytest.mark.parametrize(
    ("listed", "implemented"),
    [
        (names.CLASS_LOSSES, CLASS_LOSSES),
        (names.LOSSES, losses.LOSSES),
        (names.HEADS, heads.HEADS),
        (names.SCHEDULES, schedules.SCHEDULES),
        (names.AVERAGES, averages.AVERAGES),
        (names.SAMPLERS, sampling.SAMPLERS),
        (names.MIXES, mixing.MIXES),
        (names.TRANSFORMS, transforms.TRANSFORMS),
    ],
)
def test_the_names_are_those_of_the_implementations(
    listed: tuple[str, ...], implemented: Mapping[str, object]
) -> None:
    assert sorted(listed) == sorted(implemented)


@pytest.mark.slow
def test_the_names_in_timms_source_are_those_that_timm_lists() -> None:
    assert set(timm.list_models()) <= names.timm_backbones()
    for optimizer in timm.optim.list_optimizers():
        names.check(Recipe.model_validate({"optimizer": {"name": optimizer}}))
    assert {"adamw", "sgd", "lamb"} <= names.timm_optimizers()


@pytest.mark.parametrize(
    "content",
    [
        {"model": {"backbone": "resnet18.a1_in1k", "beside": "efficientnet_b0"}},
        {"model": {"backbone": "tf_efficientnet_b0_ns"}},  # an old name, which timm still accepts
        {"model": {"backbone": "my.package:resnt"}},
        {"optimizer": {"name": "Lookahead_Adam"}},
        {"loss": {"name": "sum", "parts": ["f1", {"name": "focal", "weight": 2}]}},
        {"loss": {"name": "per_attribute", "mask": "focal", "age_band": {"name": "ldam"}}},
        {"loss": {"name": "sum", "parts": 3}},  # training says what is wrong with it
        {"loss": {"name": "sum", "parts": [3]}},
    ],
)
def test_right_names_pass(content: dict[str, object]) -> None:
    names.check(Recipe.model_validate(content))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"model": {"backbone": "resnt18"}}, "unknown backbone resnt18; did you mean resnet18?"),
        ({"model": {"beside": "resnt18.in1k"}}, "unknown backbone resnt18; did you mean resnet18?"),
        ({"model": {"backbone": "ñ"}}, "unknown backbone ñ; see docs/recipe.md"),
        ({"optimizer": {"name": "adamv"}}, "unknown optimizer adamv; did you mean adam"),
        ({"model": {"head": "factord"}}, "unknown head factord; did you mean factored?"),
        ({"schedule": {"name": "cosin"}}, "unknown schedule cosin; did you mean cosine?"),
        ({"training": {"average": "emma"}}, "unknown average emma; did you mean ema?"),
        ({"sampling": "wieghted"}, "unknown sampling wieghted; did you mean weighted?"),
        ({"mixing": [{"name": "mixpu"}]}, "unknown mixing mixpu; did you mean mixup?"),
        ({"augment": [{"name": "blurr"}]}, "unknown transform blurr; did you mean blur?"),
        ({"loss": "focl"}, "unknown loss focl; did you mean focal?"),
        (
            {"loss": {"name": "sum", "parts": ["f1", {"name": "sum", "parts": ["focl"]}]}},
            "unknown loss focl; did you mean focal?",
        ),
        (
            {"loss": {"name": "per_attribute", "gender": "f"}},
            "unknown class loss f; did you mean f1?",
        ),
    ],
)
def test_a_wrong_name_gets_the_nearest(content: dict[str, object], sentence: str) -> None:
    with pytest.raises(MaskgateError) as error:
        names.check(Recipe.model_validate(content))
    assert str(error.value).startswith(sentence)


def test_without_timm_its_names_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_timm_source", lambda _: "")
    names.check(Recipe.model_validate({"model": {"backbone": "resnt18"}}))
