"""What networks look at of which it is known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from maskgate.errors import MaskgateError
from maskgate.explain import explaining, features, measures
from maskgate.explain.explaining import Explanation, Options
from maskgate.runs import open_run, tables
from tests.explain.conftest import PatchNetwork


def check(explanation: Explanation, name: str) -> None:
    """A model that looks at the wall is caught, and one that looks at the mask is not."""
    (measured,) = explanation.sensitivities
    place = "the face" if name == "mask" else "the scenery"
    assert measured.sentence.startswith(f"mask: looks at {place}: the score")
    assert ("hardly falls" in measured.sentence) == (name == "wall")
    assert measured.suspicious == (name == "wall")
    drops = {key: change.drop.value for key, change in measured.changes.items()}
    larger, smaller = measures.SCENERY, measures.COVERED
    if name == "mask":
        larger, smaller = smaller, larger
    assert drops[larger] > 3 * abs(drops[smaller])


@pytest.mark.slow
@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize("name", ["mask", "wall"])
def test_a_network_that_looks_at_the_wall_is_caught(
    scene_run: "Callable[..., Path]",
    looking_at: "Callable[[str], PatchNetwork]",
    name: str,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(features, "load", lambda run, fold: looking_at(name))
    run = open_run(scene_run(name))
    explanation = explaining.of_validation(run, Options(cache, "occlusion", photos=60))
    check(explanation, name)
    assert explanation.without_face == 0
    quotients = {each.region: each.quotient for each in explanation.shares}
    near, far = quotients["lower half of the face"], quotients["scenery"]
    assert near is not None and far is not None
    if name == "mask":
        assert near.low > 2 and far.high < 0.5
    else:
        assert near.high < 0.1 and far.low > 1.3
    assert {card.is_right for card in explanation.cards} == {True}
    assert len(explanation.cards) == explaining.CARDS
    assert explanation.map is not None
    assert len(explanation.map.points) == len(explanation.map.table)


@pytest.mark.slow
@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize("method", ["grad_cam", "occlusion"])
@pytest.mark.parametrize("name", ["mask", "wall"])
def test_a_run_that_has_learned_the_wall_is_caught(
    scene_run: "Callable[..., Path]", name: str, method: str, cache: Path
) -> None:
    if method == "grad_cam":
        pytest.importorskip("pytorch_grad_cam")
    run = open_run(scene_run(name, 12))
    check(explaining.of_validation(run, Options(cache, method, photos=120)), name)


@pytest.mark.usefixtures("detector")
def test_one_fold_alone(
    scene_run: "Callable[..., Path]",
    looking_at: "Callable[[str], PatchNetwork]",
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = []

    def load(run: object, fold: int) -> PatchNetwork:
        loaded.append(fold)
        return looking_at("mask")

    monkeypatch.setattr(features, "load", load)
    run = open_run(scene_run("mask"))
    explanation = explaining.of_validation(run, Options(cache, "occlusion", photos=20, fold=1))
    assert explanation.folds == [1] and set(loaded) == {1}
    with pytest.raises(MaskgateError, match="has no fold 7; it has 0, 1"):
        explaining.of_validation(run, Options(cache, "occlusion", fold=7))


@pytest.mark.usefixtures("detector")
def test_photos_without_labels(
    scene_run: "Callable[..., Path]",
    looking_at: "Callable[[str], PatchNetwork]",
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(features, "load", lambda run, fold: looking_at("wall"))
    run = open_run(scene_run("wall"))
    paths = sorted((run.path.parent / "photos").glob("*.png"))[:4]
    explanation = explaining.of_photos(run, paths, Options(cache, "occlusion"))
    assert explanation.folds == [0] and not explanation.sensitivities
    table = tables.photos(run).set_index("photo")
    trained = sum(table.loc[path.name, "fold"] != 0 for path in paths)
    assert explanation.trained == trained
    assert [card.photo for card in explanation.cards] == list(map(str, paths))
    for card in explanation.cards:
        assert card.probability > 0.9
        assert card.shares["face"] < 0.05
        row, column = np.unravel_index(card.heat.argmax(), card.heat.shape)
        assert row < 16 and column < 16
