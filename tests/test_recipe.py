"""Recipes: what is refused and how it is told, overrides, digests, those that ship."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from maskgate import recipe
from maskgate.errors import MaskgateError
from maskgate.recipe import Recipe

SHIPPED = sorted(recipe.shipped().glob("*.yaml"))
FULL: dict[str, Any] = {
    "augment": [{"name": "random_crop"}, {"name": "horizontal_flip", "p": 0.5}],
    "model": {"arguments": {"drop_path_rate": 0.1}},
    "optimizer": {"arguments": {"betas": [0.9, 0.99]}},
    "schedule": {"warmup_epochs": 1.0},
    "training": {"clip_norm": 1.0, "patience": 2},
    "loss": {"name": "cross_entropy", "weight": 2},
}


def load(content: str, *overrides: str, folder: Path) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(content, encoding="utf-8")
    return recipe.load(path, list(overrides))


def leaves(node: Any, *place: str | int) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every place in nested dicts and lists that holds a plain value."""
    parts = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in parts:
        if isinstance(value, dict | list) and value:
            yield from leaves(value, *place, key)
        else:
            yield (*place, key), value


def other(key: str | int, value: Any) -> Any:
    """Another value that is allowed where `value` stands."""
    words = {"kind": "holdout", "select": "best", "precision": "bf16", "normalise": "data"}
    if key in words:
        return words[str(key)]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value + 0.0625
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, dict):
        return {"x": 1}
    return "x"  # None: all such fields of FULL are texts


FIELDS = list(leaves(Recipe.model_validate(FULL).model_dump(mode="json")))


def test_an_empty_file_is_the_default_recipe(tmp_path: Path) -> None:
    assert load("", folder=tmp_path) == Recipe()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("optimiser: {}", "unknown key optimiser, did you mean optimizer?"),
        ("training: {epoch: 3}", "unknown key training.epoch, did you mean epochs?"),
        ("model: {backbon: resnet18}", "unknown key model.backbon, did you mean backbone?"),
        ("photo: {zzz: 1}", "unknown key photo.zzz, known are height, width, margin"),
    ],
)
def test_an_unknown_key_names_the_nearest(content: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=re.escape(told)):
        load(content, folder=tmp_path)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    content = "training: {epochs: 0, batch_size: many}\nphoto: {heigth: 3}\nfolds: {kind: loo}"
    with pytest.raises(MaskgateError) as caught:
        load(content, folder=tmp_path)
    for part in ("training.epochs", "training.batch_size", "height?", "folds.kind", "recipe.yaml"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "override",
    [
        "photo.height=7",
        "photo.width=9999",
        "photo.margin=-0.1",
        "photo.margin=2",
        "photo.height=12.5",
        "folds.kind=random",
        "folds.count=1",
        "folds.fraction=0",
        "folds.fraction=1",
        "model.dropout=1.5",
        "model.normalise=yes",
        "optimizer.lr=0",
        "optimizer.lr=fast",
        "optimizer.lr=",
        "optimizer.weight_decay=-1",
        "training.epochs=0",
        "training.batch_size=1",
        "training.accumulate=0",
        "training.clip_norm=0",
        "training.precision=fp8",
        "training.select=worst",
        "training.patience=0",
        "schedule.warmup_epochs=10",
        "augment=random_crop",
        "augment=[{p: 1}]",
        "seed=seven",
        "seed=1.5",
        "training=3",
        "model=[]",
    ],
)
def test_bad_values_are_refused_and_the_key_is_named(override: str, tmp_path: Path) -> None:
    section = override.split("=")[0].split(".")[0]
    with pytest.raises(MaskgateError, match=section):
        load("", override, folder=tmp_path)


@pytest.mark.parametrize("kind", ["training.select=best", "training.patience=2"])
def test_all_photos_leave_no_validation_to_select_by(kind: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match="no validation"):
        load("", "folds.kind=all", kind, folder=tmp_path)


@pytest.mark.parametrize(
    "overrides",
    [
        ("model.pretrained=true", "model.weights=a.pt"),
        ("model.pretrained=true", "model.init=runs/a"),
        ("model.weights=a.pt", "model.init=runs/a"),
        ("model.pretrained=true", "model.weights=a.pt", "model.init=runs/a"),
    ],
)
def test_only_one_start_of_the_weights(overrides: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match="exclude each other"):
        load("", *overrides, folder=tmp_path)
    for alone in overrides:
        load("", alone, folder=tmp_path)


def test_overrides_reach_nested_keys_lists_and_what_the_file_lacks(tmp_path: Path) -> None:
    made = load(
        "augment: [{name: random_crop}, {name: horizontal_flip, p: 0.5}]\nmodel: {head: joint}",
        "augment.1.p=0.25",
        "augment.0={name: color_jitter, brightness: 0.2}",
        "model.backbone=resnet34",
        "model.arguments.drop_path_rate=0.1",
        "training.epochs=3",
        "model.weights=a=b.pt",
        "folds.file=",
        folder=tmp_path,
    )
    assert made.augment[1].arguments == {"p": 0.25}
    assert made.augment[0].name == "color_jitter"
    assert made.augment[0].arguments == {"brightness": 0.2}
    assert (made.model.head, made.model.backbone) == ("joint", "resnet34")
    assert made.model.arguments == {"drop_path_rate": 0.1}
    assert made.training.epochs == 3
    assert made.model.weights == "a=b.pt"
    assert made.folds.file is None


def test_the_last_override_of_a_key_holds(tmp_path: Path) -> None:
    assert load("seed: 1", "seed=2", "seed=3", folder=tmp_path).seed == 3


@pytest.mark.parametrize("text", ["5e-4", "5E-4", "0.0005", "5.0e-4"])
def test_a_number_in_powers_of_ten_is_a_number(text: str, tmp_path: Path) -> None:
    assert load("", f"optimizer.lr={text}", folder=tmp_path).optimizer.lr == 0.0005
    assert load(f"optimizer: {{lr: {text}}}", folder=tmp_path).optimizer.lr == 0.0005


@pytest.mark.parametrize("text", ["1e-8", "1E-8", "-2e-3", "1e3"])
def test_a_number_in_powers_of_ten_is_a_number_among_free_arguments(
    text: str, tmp_path: Path
) -> None:
    by_override = load(
        "augment: [{name: color_jitter}]",
        f"optimizer.arguments.eps={text}",
        f"augment.0.hue={text}",
        folder=tmp_path,
    )
    in_file = load(
        f"optimizer: {{arguments: {{eps: {text}}}}}\n"
        f"augment: [{{name: color_jitter, hue: {text}}}]",
        folder=tmp_path,
    )
    for made in (by_override, in_file):
        assert made.optimizer.arguments == {"eps": float(text)}
        assert made.augment[0].arguments == {"hue": float(text)}


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("training.epochs", "key.sub=value"),
        ("=3", "key.sub=value"),
        ("seed=[1", "not YAML"),
        ("augment.5.p=1", "no place augment.5.p"),
        ("augment.first.p=1", "no place augment.first.p"),
        ("seed.deep=1", "no place seed.deep"),
        ("seed.deeper.still=1", "no place seed.deeper.still"),
        ("training.epoch=3", "did you mean epochs"),
    ],
)
def test_bad_overrides_are_told(override: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=re.escape(told)):
        load("seed: 7\naugment: [{name: random_crop}]", override, folder=tmp_path)


@pytest.mark.parametrize("content", ["[1, 2]", "just text", "a: [", "\t- x", "3"])
def test_a_file_that_is_no_recipe_is_told(content: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=r"recipe\.yaml"):
        load(content, folder=tmp_path)


def test_a_missing_or_binary_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match="none"):
        recipe.load(tmp_path / "none.yaml")
    (tmp_path / "photo.yaml").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(MaskgateError, match="photo"):
        recipe.load(tmp_path / "photo.yaml")


@pytest.mark.parametrize(("place", "value"), FIELDS, ids=[".".join(map(str, p)) for p, _ in FIELDS])
def test_the_digest_changes_with_every_field(place: tuple[str | int, ...], value: Any) -> None:
    before = Recipe.model_validate(FULL)
    content = before.model_dump(mode="json")
    node: Any = content
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = other(place[-1], value)
    after = Recipe.model_validate(content)
    assert after != before
    assert after.digest() != before.digest()


def test_the_digest_is_of_the_resolved_recipe_and_of_what_is_added(tmp_path: Path) -> None:
    default = Recipe()
    assert re.fullmatch("[0-9a-f]{8}", default.digest())
    assert default.digest() == load("seed: 7\nmodel: {head: factored}", folder=tmp_path).digest()
    told = [default.digest(*more) for more in ((), ("a",), ("b",), ("a", "b"), ("ab",), ("b", "a"))]
    assert len(set(told)) == len(told)


def test_the_order_of_transforms_changes_the_digest(tmp_path: Path) -> None:
    one, two = "{name: random_crop}", "{name: horizontal_flip}"
    made = [load(f"augment: [{a}, {b}]", folder=tmp_path) for a, b in ((one, two), (two, one))]
    assert made[0].digest() != made[1].digest()


def test_a_written_recipe_is_the_same_recipe(tmp_path: Path) -> None:
    path = tmp_path / "resolved.yaml"
    for made in (Recipe.model_validate(FULL), *map(recipe.load, SHIPPED)):
        made.write(path)
        again = recipe.load(path)
        assert again == made
        assert again.digest() == made.digest()
        written = yaml.safe_load(path.read_text())
        assert written["training"]["accumulate"] == 1  # defaults are spelled out


def test_recipes_ship() -> None:
    assert {"baseline", "demo"} <= {path.stem for path in SHIPPED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_recipe_loads_and_tells_its_launch_command(path: Path) -> None:
    assert recipe.load(path).training.epochs >= 1
    header = []
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        header.append(line.removeprefix("#").strip())
    if path.stem == "demo":
        assert "maskgate demo" in header
    else:
        commands = [line for line in header if line.startswith("maskgate train ")]
        assert commands, f"{path.name} lacks its launch command"
        assert commands[0].startswith(f"maskgate train recipes/{path.name} DATA")


def test_a_recipe_is_found_by_path_or_by_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 3")
    assert recipe.find(str(path)) == path
    assert recipe.find("baseline") == recipe.shipped() / "baseline.yaml"
    with pytest.raises(MaskgateError, match=r"did you mean baseline\?"):
        recipe.find("recipes/baselin.yaml")
    with pytest.raises(MaskgateError, match="shipped are baseline"):
        recipe.find("qqqqqq")


def test_lookup_names_the_nearest() -> None:
    known = {"shuffle": 1, "weighted": 2}
    assert recipe.lookup("sampling", "weighted", known) == 2
    with pytest.raises(MaskgateError, match=r"unknown sampling shufle; did you mean shuffle\?"):
        recipe.lookup("sampling", "shufle", known)
    with pytest.raises(MaskgateError, match="known are shuffle, weighted"):
        recipe.lookup("sampling", "zzz", known)
