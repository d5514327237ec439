"""Recipes: what is refused and how it is told, overrides, digests, those that ship."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from maskgate.config import recipe, settings, yaml12
from maskgate.config.recipe import Recipe
from maskgate.errors import MaskgateError
from maskgate.reports import reference

SHIPPED = sorted(recipe.shipped().glob("*.yaml"))
FULL: dict[str, Any] = {
    "augment": [{"name": "random_crop"}, {"name": "horizontal_flip", "p": 0.5}],
    "model": {"arguments": {"drop_path_rate": 0.1}, "hidden": 8},
    "optimizer": {"arguments": {"betas": [0.9, 0.99]}, "layer_decay": 0.5},
    "schedule": {"warmup_epochs": 1.0},
    "loss": {"name": "cross_entropy", "weight": 2},
    "data": [{"path": "faces", "weight": 0.5}],
    "teacher": "ensemble",
    "pseudo": {
        "photos": "photos",
        "run": "run",
        "thresholds": {"mask": 0.5, "gender": 0.5, "age_band": 0.5},
        "cap": 5,
    },
    "labels": {"corrections": "mine.csv", "truth": "sure", "leave_out_ages": [57]},
    "photo": {"crop": 0.5, "face": {"detector": {"name": "yunet", "score": 0.5}}},
    "sampling": {"name": "shuffle", "worn_per_person": 2, "incorrect_per_person": 1},
    "mixing": [{"name": "mixup", "probability": 0.25}],
    "training": {
        "validation_batch_size": 32,
        "clip_norm": 1.0,
        "patience": 2,
        "average": {"name": "ema"},
    },
    "tta": [{"name": "sizes", "scales": [0.9]}],
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
    words |= {"tier": "doubtful", "truth": "likely", "background": "remove", "vote": "hard_vote"}
    words |= {"soft_labels": "out_of_fold"}
    if key in words:
        return words[str(key)]
    if key == "columns":
        return {"photo": "file"}
    if key == "map":
        return {"gender": {"M": "male"}}
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


FIELDS = [
    (place, value)
    for place, value in leaves(Recipe.model_validate(FULL).model_dump(mode="json"))
    # The first only where nobody is validated, the second only from weights; trackers change no
    # result, see test_trackers.py.
    if place not in (("training", "epochs_from"), ("model", "start_head"), ("tracking",))
]


def test_an_empty_file_is_the_default_recipe(tmp_path: Path) -> None:
    assert load("", folder=tmp_path) == Recipe()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("optimiser: {}", "unknown key optimiser, did you mean optimizer?"),
        ("training: {epoch: 3}", "unknown key training.epoch, did you mean epochs?"),
        ("model: {backbon: resnet18}", "unknown key model.backbon, did you mean backbone?"),
        ("photo: {zzz: 1}", "unknown key photo.zzz, known are height, width, margin"),
    ],
)
def test_an_unknown_key_names_the_nearest(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=re.escape(message)):
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
        "photo.crop=0",
        "photo.crop=1.1",
        "data=[{weight: 1}]",
        "data=[{path: a, weight: 0}]",
        "data=[{path: a, weight: -1}]",
        "pseudo={photos: a}",
        "pseudo={photos: a, run: b, cap: 0}",
        "pseudo={photos: a, run: b, weight: 0}",
        "pseudo={photos: a, run: b, thresholds: {mask: 1.1}}",
        "pseudo={photos: a, run: b, thresholds: {gender: 0}}",
        "labels.tier=certain",
        "labels.truth=sure",
        "labels.old_from=20",
        "labels.leave_out_ages=[-1]",
        "sampling.worn_per_person=0",
        "mixing=[{name: mixup, probability: 1.4}]",
        "mixing=[{name: mixup, probability: -0.1}]",
        "mixing=[{name: mixup, probability: 0.6}, {name: cutmix, probability: 0.6}]",
        "model={weights: a.pt, beside: resnet18}",
        "model.hidden=0",
        "optimizer.layer_decay=0",
        "optimizer.layer_decay=1.5",
        "training.freeze_epochs=-1",
        "training.validation_epochs=-1",
        "training.epochs_from=runs/a",
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


@pytest.mark.parametrize(
    "kind", ["training.select=best", "training.patience=2", "schedule.name=plateau"]
)
def test_all_photos_leave_no_validation_to_select_by(kind: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match="no validation"):
        load("", "folds.kind=all", kind, folder=tmp_path)


def test_all_photos_leave_none_to_train_on_at_last(tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match="validation_epochs"):
        load("", "folds.kind=all", "training.validation_epochs=1", folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "place"),
    [("loss", "loss"), ("sampling", "sampling"), ("head", "model.head"),
     ("ema", "training.average")],
)  # fmt: skip
def test_a_name_without_arguments_may_stand_alone(name: str, place: str, tmp_path: Path) -> None:
    alone = load("", f"{place}={name}", folder=tmp_path)
    assert alone == load("", f"{place}={{name: {name}}}", folder=tmp_path)


# ------------------------------------------------------------------- values as YAML has them

STRICT = {
    "seed=no": "seed: Input should be a valid integer, not 'no'",
    "seed=1:30": "seed: Input should be a valid integer, not '1:30'",
    "seed=2020-01-01": "seed: Input should be a valid integer, not '2020-01-01'",
    "seed='7'": "seed: Input should be a valid integer, not '7'",
    "seed=true": "seed: Input should be a valid integer, not true",
    "seed=2.5": "seed: Input should be a valid integer, not 2.5",
    "seed=1_000": "seed: Input should be a valid integer, not '1_000'",
    f"seed={10**40}": "a whole number of more than 64 bits",
    f"seed={'9' * 5000}": "a whole number of more than 64 bits",
    "training.epochs=true": "training.epochs: Input should be a valid integer, not true",
    "training.epochs=on": "training.epochs: Input should be a valid integer, not 'on'",
    "optimizer.lr=true": "optimizer.lr: Input should be a valid number, not true",
    "optimizer.lr=1:30": "optimizer.lr: Input should be a valid number, not '1:30'",
    "optimizer.lr='0.1'": "optimizer.lr: Input should be a valid number, not '0.1'",
    "optimizer.lr=.nan": "optimizer.lr: .nan is not a finite number",
    "model.pretrained=yes": "model.pretrained: Input should be true or false, not 'yes'",
    "model.pretrained=1": "model.pretrained: Input should be true or false, not 1",
    "model.backbone=50": "model.backbone: Input should be text, in quotes where it looks like",
    "labels.leave_out_ages=[true]": "labels.leave_out_ages.0: Input should be a valid integer",
    "loss={name: focal, alpha: .inf}": "loss.alpha: .inf is not a finite number",
    "optimizer.arguments.betas=[0.9, .nan]": "optimizer.arguments.betas.1: .nan is not a finite",
    "folds.seed=-1": "folds.seed: Input should be greater than or equal to 0",
    f"folds.seed={2**32}": "folds.seed: Input should be less than 4294967296",
    "model.hidden=1000000000000": "model.hidden: Input should be less than or equal to 16384",
    "training.epochs=1000000000": "training.epochs: Input should be less than or equal to 100000",
    "training.batch_size=1000000000": "training.batch_size: Input should be less than or equal",
    "data=[{path: a, weight: 1e30}]": "data.0.weight: Input should be less than or equal to 1000",
    ".".join("a" * 30) + "=1": "an override is written key.sub=value",
}  # fmt: skip


@pytest.mark.parametrize("override", STRICT, ids=lambda override: override[:40])
def test_a_value_of_another_kind_is_not_taken(override: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError) as caught:
        load("", override, folder=tmp_path)
    assert STRICT[override] in str(caught.value)
    assert len(str(caught.value)) <= 1000


def test_numbers_without_loss_are_taken(tmp_path: Path) -> None:
    config = load("", "seed=010", "training.epochs=2.0", "optimizer.lr=1", "folds.count=0o10",
                "labels.leave_out_ages=[57.0]", folder=tmp_path)  # fmt: skip
    assert (config.seed, config.training.epochs, config.optimizer.lr) == (10, 2, 1.0)
    assert (config.folds.count, config.labels.leave_out_ages) == (8, (57,))
    assert [type(n) for n in (config.training.epochs, config.optimizer.lr)] == [int, float]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("seed: 1\nphoto: {}\nseed: 2", "line 3: the key 'seed' is in line 1 already"),
        ("photo:\n  height: 64\n  height: 32", "line 3: the key 'height' is in line 2"),
        ("photo: {height: 64,\n height: 32}", "line 2: the key 'height' is in line 1"),
        ("seed: &s [*s]", "line 1: an alias refers to what it is a part of"),
        ("seed: !!int x", "line 1: 'x' is not a whole number"),
        ("[" * 5000, "line 1: lists and mappings are nested more than 50 deep"),
        ("1: 2", "Keys should be strings"),
    ],
)
def test_a_fault_of_the_file_is_told_with_its_line(
    content: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(MaskgateError, match=re.escape(message)) as caught:
        load(content, folder=tmp_path)
    assert "recipe.yaml" in str(caught.value)
    (tmp_path / "base.yaml").write_text(content)
    with pytest.raises(MaskgateError, match=re.escape(message)):
        load("base: base", folder=tmp_path)


NUMBERS = {
    ".".join(map(str, place)): value
    for place, value in FIELDS
    if isinstance(value, int | float) and not isinstance(value, bool)
} | {"labels.leave_out_ages.0": 57}
TRIED = ["-1", "0", "1", "2.0", "0.5", "1e30", "-1e308", "1e-300", ".inf", "-.inf", ".nan",
         str(10**40), str(2**63 - 1), "true", "x", "'1'", "null", "[1]", "{a: 1}"]  # fmt: skip


def test_every_number_of_a_recipe_is_among_those_tried() -> None:
    keys = [key for section in reference.sections() for key in section.keys]
    assert {key.path for key in keys if "number" in key.type_in_words} - {
        "labels.leave_out_ages"
    } <= set(NUMBERS)


@pytest.mark.parametrize("key", NUMBERS)
def test_a_number_is_taken_and_can_be_used_or_refused_in_a_sentence(
    key: str, tmp_path: Path
) -> None:
    """No traceback, whatever stands there; what is taken is written and read back the same."""
    content = yaml12.write(Recipe.model_validate(FULL).model_dump(mode="json"))
    for text in TRIED:
        try:
            config = load(content, f"{key}={text}", folder=tmp_path)
        except MaskgateError as error:
            assert len(str(error)) <= 1000
            continue
        assert text not in (".inf", "-.inf", ".nan", str(10**40))
        config.write(tmp_path / "written.yaml")
        assert recipe.load(tmp_path / "written.yaml").digest() == config.digest()


SMALL = "photo: {height: 32, width: 24}\nmodel: {backbone: test_resnet}\naugment: [{name: blur}]"
BUILT = [key for key in NUMBERS if key.startswith(("model.hidden", "optimizer.", "schedule.",
         "training.epochs", "model.dropout")) and ".arguments." not in key]  # fmt: skip


@pytest.mark.parametrize("key", BUILT)
def test_a_number_that_is_taken_can_be_built_with(key: str, tmp_path: Path) -> None:
    from maskgate.training import preflight

    for text in TRIED:
        try:
            preflight.check_recipe(load(SMALL, f"{key}={text}", folder=tmp_path), "small")
        except MaskgateError as error:
            assert len(str(error)) <= 1000


# ------------------------------------------------------------------------------- a base


def based(folder: Path, **files: str) -> Recipe:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return recipe.load(folder / f"{next(iter(files))}.yaml")


def test_a_recipe_may_change_a_base(tmp_path: Path) -> None:
    small = based(
        tmp_path,
        small="base: middle\nphoto: {height: 32}\ntraining: {epochs: 2}",
        middle="base: large\nphoto: {width: 24}\naugment: [{name: blur}]\nseed: 3",
        large="photo: {height: 512, width: 384, margin: 0}\naugment: [{name: random_crop}]",
    )
    assert (small.photo.height, small.photo.width, small.photo.margin) == (32, 24, 0)
    assert [transform.name for transform in small.augment] == ["blur"]
    assert (small.seed, small.training.epochs) == (3, 2)


def test_arguments_of_another_name_are_not_taken_over(tmp_path: Path) -> None:
    base = "loss: {name: focal, gamma: 3}\nsampling: {name: weighted, by: class}"
    child = based(tmp_path, mine="base: b\nloss: {name: f1}\nsampling: {power: 0.5}", b=base)
    assert child.loss.arguments == {}
    assert (child.sampling.name, child.sampling.arguments) == (
        "weighted",
        {"by": "class", "power": 0.5},
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": "base: b"}, "does not exist"),
        ({"a": "base: b", "b": "base: a"}, "circular"),
        ({"a": "base: b", "b": "[1]"}, "mapping"),
        ({"a": "base: b", "b": "photo: {heigth: 3}"}, "did you mean height"),
    ],
)
def test_a_base_that_cannot_be_is_told(files: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=message):
        based(tmp_path, **files)


def test_a_long_chain_of_bases_ends_in_a_sentence(tmp_path: Path) -> None:
    files = {f"a{n}": f"base: a{n + 1}" for n in range(300)}
    with pytest.raises(MaskgateError, match="is the last of more than 20; fix the key 'base'"):
        based(tmp_path, **files)


def test_thousands_of_faults_are_told_in_a_second(tmp_path: Path) -> None:
    before = time.process_time()
    with pytest.raises(MaskgateError, match=r"and 4,980 more\Z"):
        load("{" + ", ".join(f"key{n}: {n}" for n in range(5000)) + "}", folder=tmp_path)
    assert time.process_time() - before < 5


def test_another_optimiser_keeps_its_rate_but_not_its_arguments(tmp_path: Path) -> None:
    base = "optimizer: {name: adamw, lr: 0.5, arguments: {betas: [0.5, 0.9]}}"
    child = based(tmp_path, mine="base: b\noptimizer: {name: sgd}", b=base)
    assert (child.optimizer.name, child.optimizer.lr, child.optimizer.arguments) == ("sgd", 0.5, {})


def test_an_override_reaches_into_a_name_that_stands_alone(tmp_path: Path) -> None:
    focal_recipe = load("loss: focal", "loss.gamma=3", folder=tmp_path)
    assert (focal_recipe.loss.name, focal_recipe.loss.arguments) == ("focal", {"gamma": 3})


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("augment=blur", "augment: is a list"),
        ("optimizer=sgd", "optimizer: has several keys"),
        ("data=[{path: a, weight: .inf}]", "data.0.weight"),
        ("optimizer.lr=.inf", "optimizer.lr"),
    ],
)
def test_values_of_the_wrong_kind_are_told(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=re.escape(message)):
        load("", override, folder=tmp_path)


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
    config = load(
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
    assert config.augment[1].arguments == {"p": 0.25}
    assert config.augment[0].name == "color_jitter"
    assert config.augment[0].arguments == {"brightness": 0.2}
    assert (config.model.head.name, config.model.backbone) == ("joint", "resnet34")
    assert config.model.arguments == {"drop_path_rate": 0.1}
    assert config.training.epochs == 3
    assert config.model.weights == "a=b.pt"
    assert config.folds.file is None


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
    for config in (by_override, in_file):
        assert config.optimizer.arguments == {"eps": float(text)}
        assert config.augment[0].arguments == {"hue": float(text)}


@pytest.mark.parametrize(
    ("override", "message"),
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
def test_bad_overrides_are_told(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=re.escape(message)):
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
    digests = [
        default.digest(*more) for more in ((), ("a",), ("b",), ("a", "b"), ("ab",), ("b", "a"))
    ]
    assert len(set(digests)) == len(digests)


def test_the_digest_of_an_earlier_version_is_the_same() -> None:
    """Or its runs could not be resumed."""
    assert Recipe().digest() == "71fac0e9"


def test_a_validation_batch_is_as_large_as_a_training_batch_by_default(tmp_path: Path) -> None:
    """A larger one needs memory that training does not."""
    small = load("training: {batch_size: 10}", folder=tmp_path).training
    stated = load("training: {validation_batch_size: 256}", folder=tmp_path).training
    assert small.photos_per_validation_batch == 10
    assert stated.photos_per_validation_batch == 256


def test_the_order_of_transforms_changes_the_digest(tmp_path: Path) -> None:
    one, two = "{name: random_crop}", "{name: horizontal_flip}"
    recipes = [load(f"augment: [{a}, {b}]", folder=tmp_path) for a, b in ((one, two), (two, one))]
    assert recipes[0].digest() != recipes[1].digest()


def test_a_written_recipe_is_the_same_recipe(tmp_path: Path) -> None:
    path = tmp_path / "resolved.yaml"
    for original in (Recipe.model_validate(FULL), *map(recipe.load, SHIPPED)):
        original.write(path)
        again = recipe.load(path)
        assert again == original
        assert again.digest() == original.digest()
        written = yaml.safe_load(path.read_text())
        assert written["training"]["freeze_epochs"] == original.training.freeze_epochs  # a default


def test_a_recipe_that_an_earlier_version_wrote_is_the_same_recipe(tmp_path: Path) -> None:
    """In YAML 1.1, by PyYAML."""
    path = tmp_path / "recipe.yaml"
    odd = FULL | {"data": [{"path": name} for name in ("no", "010", "1:30", "2020-01-01", "~")]}
    for original in map(Recipe.model_validate, (FULL, odd)):
        dumped = original.model_dump(mode="json")
        path.write_text(yaml.safe_dump(dumped, sort_keys=False, allow_unicode=True), "utf-8")
        assert recipe.load(path).digest() == original.digest()
        original.write(path)
        assert recipe.load(path).digest() == original.digest()


WRITE_UPS = {
    "s0-resnet18-focal", "s0-efficientnet-b3", "s0-concatenated", "s0-resnet34", "s0-resnet152",
    "s0-per-attribute", "s1", "s2", "s3", "s3-intra-class", "s4-vit", "s4-efficientnetv2",
    "s4-resnet34",
}  # fmt: skip


def test_recipes_ship() -> None:
    known = {path.stem for path in SHIPPED}
    assert {"baseline", "demo", "default"} <= known
    assert WRITE_UPS | {f"{name}-small" for name in WRITE_UPS} <= known


@pytest.mark.parametrize("name", sorted(WRITE_UPS))
def test_every_value_of_a_write_up_is_stated_or_assumed(name: str) -> None:
    lines = (recipe.shipped() / f"{name}.yaml").read_text("utf-8").splitlines()
    for line in lines:
        value = line.split("#")[0].rstrip()
        if value and not value.endswith(":") and not value.startswith("base:"):
            assert re.search(r"# (stated|assumed)", line), f"{name}: {line}"


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
        assert re.match(f"maskgate train {path.stem} (PEOPLE|DRESSED)", commands[0])


def test_a_recipe_is_found_by_path_or_by_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 3")
    assert recipe.find(str(path)) == path
    assert recipe.find("baseline") == recipe.shipped() / "baseline.yaml"
    with pytest.raises(MaskgateError, match=r"did you mean baseline\?"):
        recipe.find("recipes/baselin.yaml")
    with pytest.raises(MaskgateError, match="shipped are baseline"):
        recipe.find("qqqqqq")


def test_a_system_is_no_recipe() -> None:
    with pytest.raises(MaskgateError, match="several models"):
        recipe.find("s4")


def test_lookup_names_the_nearest() -> None:
    known = {"shuffle": 1, "weighted": 2}
    assert settings.lookup("sampling", "weighted", known) == 2
    with pytest.raises(MaskgateError, match=r"unknown sampling shufle; did you mean shuffle\?"):
        settings.lookup("sampling", "shufle", known)
    with pytest.raises(MaskgateError, match="known are shuffle, weighted"):
        settings.lookup("sampling", "zzz", known)
