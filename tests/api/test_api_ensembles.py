"""Comparisons, ensembles and submissions from Python."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import maskgate
from maskgate import labels
from maskgate.api.comparison import ComparedRuns
from maskgate.errors import MaskgateError

pytestmark = pytest.mark.slow  # most of it trains or exports

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def other(train: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> maskgate.Run:
    return maskgate.Run(train(tmp_path_factory.mktemp("runs") / "other", "training.epochs=1"))


@pytest.fixture(scope="module")
def compared(trained: Path, other: maskgate.Run) -> ComparedRuns:
    return maskgate.compare(trained, other)


def test_a_comparison_says_what_the_page_says(compared: ComparedRuns, tmp_path: Path) -> None:
    assert list(compared.scores) == ["tiny", "other"]
    assert list(compared.verdicts) == list(compared.differences) == ["other"]
    assert compared.sentences[0].startswith("Of these two models, other ")
    page = compared.write(tmp_path / "page.html")
    text = page.read_text("utf-8")
    assert all(sentence in text for sentence in compared.sentences)
    written = pd.read_csv(tmp_path / "page.csv", keep_default_na=False)
    assert written["measure"].tolist() == compared.table["measure"].tolist()
    assert set(compared.people_needed(0.5)) == {"other"}


def test_a_comparison_shows_itself_in_a_notebook(compared: ComparedRuns) -> None:
    assert repr(compared) == f"ComparedRuns({compared.verdicts})"
    text = compared._repr_html_()
    assert f"<td>tiny</td><td>{compared.scores['tiny']}</td><td></td><td>reference</td>" in text
    assert f"<td>{compared.verdicts['other']}</td><td>training.epochs=1</td>" in text


def test_a_comparison_needs_two_runs(trained: Path) -> None:
    with pytest.raises(MaskgateError, match="one run alone"):
        maskgate.compare(trained)
    with pytest.raises(MaskgateError, match="no run; give the folder of one, or several"):
        maskgate.compare()


def test_combined_runs_are_a_run(
    trained: Path, other: maskgate.Run, cache: Path, tmp_path: Path, call: Call
) -> None:
    both = maskgate.combine(
        trained, other, out=tmp_path / "both", combine="weights", adjust=["offsets"], cache=cache
    )
    assert [step.name for step in both.metrics.steps] == ["weights", "offsets"]
    assert both.status.command.startswith("maskgate combine ")
    code, _, err = call(*both.status.command.split()[1:-1], tmp_path / "again")
    assert code == 0, err
    assert maskgate.Run(tmp_path / "again").status.digest == both.status.digest
    for arguments, error in (
        ({"combine": "wieghts"}, "unknown combination wieghts"),
        ({"adjust": [{"name": "ofsets"}]}, "unknown adjustment ofsets"),
        ({"tta": ["flp"]}, "unknown test-time augmentation flp"),
    ):
        with pytest.raises(MaskgateError, match=error):
            maskgate.combine(trained, other, out=tmp_path / "none", **arguments)
    assert not (tmp_path / "none").exists()


def test_a_submission_is_that_of_the_command(
    trained: Path, other: maskgate.Run, people: Path, tmp_path: Path, call: Call
) -> None:
    file = tmp_path / "python.csv"
    submission = maskgate.submit(
        trained, other, data=people, out=file, adjust=[{"name": "near_tie", "within": 0.2}]
    )
    options = ["--adjust", "{name: near_tie, within: 0.2}", "-o", tmp_path / "command.csv"]
    code, _, err = call("submit", trained, other, people, *options)
    assert code == 0, err
    assert file.read_bytes() == (tmp_path / "command.csv").read_bytes()
    table = submission.table
    assert table["label"].tolist() == [labels.CLASSES[answer] for answer in table["ans"]]
    assert submission.score is not None and submission.score_of in submission._repr_html_()
    name, count = next(iter(table["label"].value_counts().items()))
    assert f"<td>{str(name).replace('<', '&lt;').replace('>', '&gt;')}</td><td>{count}</td>" in (
        submission._repr_html_()
    )


def test_a_bundle_submits_as_it_was_exported(bundle: Path, people: Path, tmp_path: Path) -> None:
    file = tmp_path / "bundle.csv"
    submission = maskgate.submit(bundle, data=people, out=file)
    assert submission.score is not None and submission.score_of in submission._repr_html_()
    with pytest.raises(MaskgateError, match="a bundle combines its networks as it was exported"):
        maskgate.submit(bundle, data=people, out=file, combine="weights")
    with pytest.raises(MaskgateError, match="bundle"):
        maskgate.submit(bundle, bundle, data=people, out=file)
    with pytest.raises(MaskgateError, match="no photo in it"):
        maskgate.submit(bundle, data=tmp_path, out=file)


def test_load_takes_a_run_and_predictions_show_themselves(
    other: maskgate.Run, people: Path
) -> None:
    predictions = maskgate.load(other).predict(people / "eval" / "images")
    assert len(predictions) == len(list((people / "eval" / "images").iterdir()))
    assert repr(predictions) == f"Predictions({len(predictions)} rows: mask, gender, age band)"
    text = predictions._repr_html_()
    assert f"{predictions.mask[0]} {predictions.confidence('mask')[0]:.2f}" in text
    table = predictions.class_probabilities()
    assert list(table) == list(labels.CLASSES) and list(table.index) == list(predictions.photos)
