"""Search spaces: what they hold, and every bad one told before a trial."""

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from maskgate.config import recipe, settings
from maskgate.config.recipe import Recipe
from maskgate.errors import MaskgateError
from maskgate.studies import space


def read(tmp_path: Path, text: str, **changes: object) -> space.Space:
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return space.load(path, Recipe.model_validate(changes))


def drawn(search_space: space.Space, count: int = 60) -> list[dict[str, str]]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    return [search_space.suggest(study.ask()) for _ in range(count)]


def test_values_are_what_stands_after_a_key(tmp_path: Path) -> None:
    search_space = read(
        tmp_path,
        """
optimizer.lr: {low: 1e-4, high: 1e-1, log: true}
training.batch_size: [16, 20]
training.epochs: {low: 2, high: 10, step: 2}
model.hidden: {low: 8, high: 64}
model.dropout: {low: 0, high: 1}
training.clip_norm: [null, 0.5]
loss: [focal, {name: focal, gamma: 3}]
augment: [[], [{name: horizontal_flip, p: 0.5}]]
optimizer.name: [adam, "no"]
""",
    )
    values = drawn(search_space)
    parsed = [
        {key: settings.split(f"{key}={text}")[1] for key, text in each.items()} for each in values
    ]
    rates = [each["optimizer.lr"] for each in parsed]
    assert all(isinstance(rate, float) and 1e-4 <= rate <= 1e-1 for rate in rates)
    assert sum(rate < 10**-2.5 for rate in rates) in range(15, 46)  # half of the logarithms
    assert {each["training.batch_size"] for each in parsed} == {16, 20}
    assert {each["training.epochs"] for each in parsed} == {2, 4, 6, 8, 10}
    assert all(isinstance(each["model.hidden"], int) for each in parsed)
    assert len({each["model.dropout"] for each in parsed}) > 50  # the recipe's is a broken number
    assert {each["training.clip_norm"] for each in parsed} == {None, 0.5}
    losses = [each["loss"] for each in parsed]
    assert all(each in losses for each in ("focal", {"name": "focal", "gamma": 3}))
    assert [] in [each["augment"] for each in parsed]
    assert [{"name": "horizontal_flip", "p": 0.5}] in [each["augment"] for each in parsed]
    assert {each["optimizer.name"] for each in parsed} == {"adam", "no"}


def test_what_was_drawn_is_read_back(tmp_path: Path) -> None:
    search_space = read(
        tmp_path, "optimizer.lr: {low: 1e-4, high: 1e-1, log: true}\nloss: [focal, f1]"
    )
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(20):
        trial = study.ask()
        values = search_space.suggest(trial)
        assert search_space.suggest(trial) == values == search_space.of(study.trials[trial.number])
        assert len(values["optimizer.lr"].lstrip("0.").replace(".", "")) <= 6


def test_the_digest_is_of_what_is_searched(tmp_path: Path) -> None:
    texts = ("loss: [focal, f1]", "loss: [f1, focal]", "optimizer.lr: {low: 1, high: 2}",
             "optimizer.lr: {low: 1, high: 2, log: true}")  # fmt: skip
    digests = [read(tmp_path, text).digest for text in texts]
    assert len(set(digests)) == len(texts)
    assert read(tmp_path, "# said otherwise\nloss: [focal, 'f1']").digest == digests[0]


BAD = {
    "": "has no keys",
    "- a": "is a mapping",
    "a: [": "not a search space in YAML",
    "optimizer.lr: 0.1": "write a list of choices, or a range",
    "optimizer.lr: {low: 1}": "optimizer.lr: high: Field required",
    "optimizer.lr: {low: 1, hihg: 2}": "unknown key hihg, did you mean high",
    "optimizer: {lr: {low: 1, high: 2}}": "unknown key lr",
    "optimizer.lr: {low: 2, high: 1}": "low must be below high",
    "optimizer.lr: {low: 1, high: 1}": "low must be below high",
    "optimizer.lr: {low: 0, high: 1, log: true}": "log needs a low above 0",
    "optimizer.lr: {low: 1, high: 2, log: true, step: 1}": "exclude each other",
    "optimizer.lr: {low: 1, high: 2, step: 0.3}": "whole number of steps",
    "optimizer.lr: {low: 1, high: 2, step: 0}": "greater than 0",
    "optimizer.lr: {low: a, high: 2}": "low",
    "optimizer.lr: {low: .inf, high: .inf}": "low",
    "optimizer.lr: {low: .nan, high: 1}": "low",
    "optimizer.lr: {low: true, high: 2}": "low",
    "optimizer.lr: {low: -1e308, high: 1e308, step: 1}": "low: Input should be greater than",
    "optimizer.lr: {low: 0, high: 1e15, step: 1e-300}": "over 1,000,000,000 steps",
    "optimizer.lr: {low: 1, high: 1e400}": "high",
    f"optimizer.lr: {{low: 1, high: {10**40}}}": "a whole number of more than 64 bits",
    "optimizer.lr: {low: no, high: 2}": "low",
    "optimizer.lr: {low: 1, high: 2, log: yes}": "log: Input should be true or false, not 'yes'",
    "optimizer.lr: [1, 2]\nseed: [1, 2]\noptimizer.lr: [3, 4]": "line 3: the key 'optimizer.lr'",
    "optimizer.lr: []": "needs two choices",
    "optimizer.lr: [0.1]": "needs two choices",
    "optimizer.lr: [0.1, 1e-1]": "is listed twice",
    "loss: [a, b]\nloss.gamma: [1, 2]": "is part of loss",
    "seed: [1, 2]": "scored on the same folds",
    "folds.count: [2, 3]": "scored on the same folds",
    "folds: [{count: 2}, {count: 3}]": "scored on the same folds",
    "labels: [{truth: sure}, {}]": "scored on the same folds",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_space_is_one_sentence(text: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=BAD[text]) as error:
        read(tmp_path, text)
    assert str(tmp_path / "space.yaml") in str(error.value)
    assert "\n" not in str(error.value)


def test_corrections_may_be_searched_unless_they_are_the_truth(tmp_path: Path) -> None:
    text = "labels.corrections: [null, competition]"
    assert read(tmp_path, text)
    with pytest.raises(MaskgateError, match="scored on the same folds"):
        read(tmp_path, text, labels={"corrections": "competition", "truth": "sure"})


UNTRIED = {
    "optimizer.lrr: [1, 2]": "unknown key optimizer.lrr, did you mean lr",
    "optimizer.lr: [0.1, -1]": "optimizer.lr=-1 cannot be tried",
    "training.batch_size: {low: 1, high: 8}": "training.batch_size=1 cannot be tried",
    "loss: [focal, focall]": "did you mean focal",
    "loss: [focal, {name: focal, gama: 2}]": "gama",
    "schedule.warmup_epochs: {low: 0, high: 5}": "the warm-up would not end",
    "model.head: [factored, {name: one_attribute, of: age_band}]": "predicts other attributes",
    "model.backbone: [test_resnet, resnet999]": "resnet999",
}


@pytest.mark.parametrize("text", UNTRIED)
def test_what_the_recipe_refuses_is_told_before_a_trial(
    text: str, plan: Callable[..., object], tmp_path: Path
) -> None:
    with pytest.raises(MaskgateError, match=UNTRIED[text]):
        plan(tmp_path / "out", space=text)
    assert not (tmp_path / "out").exists()


def test_what_the_command_line_sets_is_not_searched(
    plan: Callable[..., object], tmp_path: Path
) -> None:
    with pytest.raises(MaskgateError, match="is set on the command line and searched"):
        plan(tmp_path / "out", "loss=f1", space="loss.gamma: [1, 2]")


@pytest.mark.parametrize("path", sorted(space.shipped().glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_space_suits_a_recipe(path: Path, tiny: Path) -> None:
    from maskgate.studies.study import check

    search_space = space.load(space.find(path.stem), recipe.load(tiny))
    attributes = ("mask", "gender", "age_band")
    space.check(
        search_space,
        path,
        lambda changes: recipe.load(tiny, changes),
        lambda changed: check(changed, attributes, "tiny"),
    )
