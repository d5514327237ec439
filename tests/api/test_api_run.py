"""A finished run from Python: the same numbers as in its files, in words."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import maskgate
from maskgate import labels
from maskgate.errors import MaskgateError
from maskgate.runs import open_run, tables

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def run(trained: Path) -> maskgate.Run:
    return maskgate.Run(trained)


def test_a_run_is_named_by_its_path_and_stands_for_it(trained: Path, run: maskgate.Run) -> None:
    assert maskgate.Run(str(trained)) == run == maskgate.Run(run)
    assert Path(run) == Path(str(run)) == run.path == trained
    assert (run.name, run.status.recipe, run.settings["seed"]) == ("tiny", "tiny", 7)
    assert maskgate.Run(trained.parent).path == trained  # the only run in the folder
    with pytest.raises(MaskgateError, match="no run; give a folder"):
        maskgate.Run("/gone")
    with pytest.raises(AttributeError):
        run.path = Path("other")  # type: ignore[misc]


def test_out_of_fold_predictions_have_words_and_class_names(run: maskgate.Run) -> None:
    table, probabilities = tables.oof(open_run(run.path))
    oof = run.oof
    assert list(oof)[-18:] == list(labels.CLASSES)
    np.testing.assert_array_equal(oof[list(labels.CLASSES)].to_numpy(), probabilities)
    for name, values in labels.ATTRIBUTES.items():
        true = table[name].map(lambda code, values=values: None if code < 0 else values[code])
        assert oof[f"true_{name}"].where(oof[f"true_{name}"].notna(), None).tolist() == [
            None if pd.isna(each) else each for each in true
        ]
        predicted = labels.marginals(probabilities)[name].argmax(1)
        assert oof[name].tolist() == [values[code] for code in predicted]
    photos = run.table
    assert set(photos["mask"].dropna()) <= set(labels.MASKS)
    assert photos["label"].dropna().isin(labels.CLASSES).all()
    assert len(photos) == run.status.photos
    assert {"fold", "epoch", "train_loss"} <= set(run.history)


@pytest.mark.slow
def test_confusion_and_mistakes_are_those_of_the_report(run: maskgate.Run) -> None:
    by_class, mask = run.confusion(), run.confusion("mask")
    assert by_class.shape == (18, 18) and list(by_class) == list(labels.CLASSES)
    assert list(mask.index) == list(mask) == list(labels.MASKS)
    oof = run.oof
    assert (
        mask.loc["wear", "not_wear"]
        == ((oof.true_mask == "wear") & (oof["mask"] == "not_wear")).sum()
    )
    assert by_class.to_numpy().sum() == run.metrics.fully_labelled
    page = run.report(photos=False)
    written = pd.read_csv(page.with_name("mistakes.csv"), keep_default_na=False)
    mistakes = run.mistakes()
    assert mistakes["photo"].tolist() == written["photo"].tolist()
    assert list(mistakes) == list(written)
    with pytest.raises(
        MaskgateError, match="no scores of age; it has mask, gender, age_band, label"
    ):
        run.confusion("age")


def test_it_shows_itself_in_a_notebook(trained: Path, tmp_path: Path) -> None:
    run = maskgate.Run(shutil.copytree(trained, tmp_path / "<b>run"))
    run.note("a | b | <script>", "kim")
    assert [str(note) for note in run.notes] == [f"{run.notes[0].date} kim: a | b | <script>"]
    text = run._repr_html_()
    assert "&lt;b&gt;run: tiny" in text and "a | b | &lt;script&gt;" in text
    assert f"<td>18 classes</td><td>{run.metrics.macro_f1}</td>" in text
    assert text.count("<table>") == 1
    assert "p00" not in text


def test_a_system_shows_its_members() -> None:
    run = maskgate.Run(GOLDEN / "together")
    text = run._repr_html_()
    for name, member in run.metrics.members.items():
        assert f"<td>{name}</td><td>{member.score}</td>" in text
    assert "over " in text and run.confusion("gender").shape == (2, 2)


def test_what_nobody_validated_is_not_out_of_fold(
    train: Callable[..., Path], tmp_path: Path
) -> None:
    run = maskgate.Run(train(tmp_path / "all", "folds.kind=all", "training.epochs=1"))
    assert run._repr_html_().count("trained on all photos, without validation") == 1
    works: list[Callable[[], object]] = [lambda: run.oof, run.mistakes, run.confusion]
    for work in works:
        with pytest.raises(MaskgateError, match="no validation people, so nothing is out of fold"):
            work()


def test_a_model_of_one_attribute_predicts_it_alone(
    train: Callable[..., Path], tmp_path: Path
) -> None:
    path = train(
        tmp_path / "mask",
        "model.head={name: one_attribute, of: mask}",
        "training.epochs=1",
    )
    run = maskgate.Run(path)
    assert "mask" in run.oof and "gender" not in run.oof
    assert run.confusion("mask").shape == (3, 3)
    for of in ("label", "gender"):
        with pytest.raises(MaskgateError, match=f"no scores of {of}; it has mask"):
            run.confusion(of)


def test_a_changed_file_is_refused(trained: Path, tmp_path: Path) -> None:
    run = maskgate.Run(shutil.copytree(trained, tmp_path / "run"))
    metrics = run.path / "metrics.json"
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"photos": 1}))
    with pytest.raises(MaskgateError, match="it has changed since the run ended"):
        _ = run.metrics
