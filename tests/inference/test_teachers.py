"""The recipe of a student, and the model that it is compared with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maskgate.config import recipe
from maskgate.config.recipe import Recipe
from maskgate.errors import MaskgateError
from maskgate.evaluation import ensemble
from maskgate.inference import teachers
from maskgate.runs import RunFolder
from maskgate.training import ensemble_run

Train = Callable[..., Path]

TAUGHT = {"name": "distillation", "temperature": 3.0, "weight": 0.75}


def student(taught: Recipe, run: Path, **options: Any) -> Recipe:
    return teachers.student(taught, RunFolder(run), weight=0.75, temperature=3.0, **options)


@pytest.mark.parametrize(
    ("loss", "parts"),
    [
        ("focal", [{"name": "focal", "weight": 0.25}]),
        ("{name: focal, gamma: 1.5}", [{"name": "focal", "gamma": 1.5, "weight": 0.25}]),
        (
            "{name: sum, parts: [f1, {name: focal, weight: 0.6}]}",
            [{"name": "f1", "weight": 0.25}, {"name": "focal", "weight": 0.15}],
        ),
        (
            "{name: sum, parts: [{name: focal, weight: x}, 3]}",
            [{"name": "focal", "weight": "x"}, 3],
        ),
    ],
)
def test_a_student_learns_the_teacher_beside_its_own_loss(
    loss: str, parts: list[Any], tiny: Path, trained: Path
) -> None:
    taught = recipe.load(tiny, [f"loss={loss}"])
    student_recipe = student(taught, trained)
    assert student_recipe.loss.model_dump() == {"name": "sum", "parts": [*parts, TAUGHT]}
    assert (student_recipe.teacher, student_recipe.soft_labels) == (str(trained), None)
    assert student_recipe.folds.file == str(RunFolder(trained).folds_file)
    changed = {"loss": taught.loss, "folds": taught.folds, "teacher": None}
    assert student_recipe.model_copy(update=changed) == taught
    assert student(taught, trained, out_of_fold=True).soft_labels == "out_of_fold"


def test_a_recipe_with_a_teacher_is_refused(tiny: Path, trained: Path) -> None:
    loss = "loss={name: sum, parts: [cross_entropy, distillation]}"
    for changes in ([f"teacher={trained}"], [loss]):
        with pytest.raises(MaskgateError, match="has a teacher, or the loss distillation"):
            student(recipe.load(tiny, changes), trained)


def test_photos_without_labels_are_labelled_by_the_single_model(
    tiny: Path, trained: Path, people: Path
) -> None:
    taught = recipe.load(tiny, [])
    student_recipe = student(taught, trained, pseudo=(trained, people))
    assert student_recipe.pseudo is not None
    assert (student_recipe.pseudo.run, student_recipe.pseudo.photos) == (str(trained), str(people))
    with pytest.raises(MaskgateError, match="leave out --unlabelled or --out-of-fold"):
        student(taught, trained, pseudo=(trained, people), out_of_fold=True)
    with pytest.raises(MaskgateError, match="has pseudo labels, which --unlabelled sets"):
        student(
            student_recipe.model_copy(update={"teacher": None, "loss": taught.loss}),
            trained,
            pseudo=(trained, people),
        )


def test_a_recipe_for_all_photos_is_made_one_with_folds(
    tiny: Path, trained: Path, train: Train, tmp_path: Path
) -> None:
    assert student(recipe.load(tiny, ["folds.kind=all"]), trained).folds.kind == "kfold"
    changes = ["folds.kind=all", f"training.epochs_from={trained}"]
    with pytest.raises(MaskgateError, match=f"taught by {trained}: .*epochs_from"):
        student(recipe.load(tiny, changes), trained)
    unvalidated = train(tmp_path / "all", "folds.kind=all", "training.epochs=1")
    with pytest.raises(MaskgateError, match="has no validation people, so there is no gain"):
        student(recipe.load(tiny), unvalidated)


@pytest.mark.slow
def test_the_best_member_is_the_one_with_the_best_score(
    train: Train, trained: Path, cache: Path, tmp_path: Path
) -> None:
    other = train(tmp_path / "other", "seed=8")
    masks = train(tmp_path / "masks", "model.head={name: one_attribute, of: mask}")
    both = tmp_path / "both"
    system = ensemble.system_of([masks, trained, other])
    ensemble_run.combine(system, both, "both", command="", cache=cache)
    scores = {}
    for path in (trained, other):
        score = RunFolder(path).metrics().score
        assert score is not None
        scores[path.resolve()] = score.value
    best = teachers.best_member(RunFolder(both)).path.resolve()
    assert scores[best] == max(scores.values())
    with pytest.raises(MaskgateError, match="give one with --single"):
        teachers.best_member(RunFolder(trained))
