"""Systems through the command line: trained, resumed, refused, reported, predicted, compared."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from maskgate import labels, runs
from maskgate.config import system
from maskgate.errors import MaskgateError
from maskgate.inference import loading
from maskgate.runs import RunFolder, tables
from maskgate.training import crossval, ensembles
from maskgate.training.options import TrainOptions

Call = Callable[..., tuple[int, str, str]]

VOTE = """
# A vote of two.
folds: {kind: kfold, count: 2}
members:
  - {name: plain, recipe: tiny.yaml}
  - {name: joint, recipe: tiny.yaml, changes: {model.head: joint, seed: 8}, weight: 2}
combine: soft_vote
"""
PARTS = """
folds: {kind: kfold, count: 2}
members:
  - {name: mask, recipe: tiny.yaml, changes: {model.head: {name: one_attribute, of: mask}}}
  - {name: gender, recipe: tiny.yaml, changes: {model.head: {name: one_attribute, of: gender}}}
  - {name: age, recipe: tiny.yaml, changes: {model.head: {name: one_attribute, of: age_band}}}
combine: attributes
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A folder of systems with the tiny recipe beside them."""
    folder = tmp_path_factory.mktemp("systems")
    shutil.copy(tiny, folder / "tiny.yaml")
    (folder / "vote.yaml").write_text(VOTE)
    (folder / "parts.yaml").write_text(PARTS)
    return folder


def train_system(file: Path, out: Path, people: Path, cache: Path, *overrides: str) -> RunFolder:
    loaded = system.load(file, ["training.epochs=1", *overrides])
    return ensembles.train(loaded, TrainOptions(file.stem, people, out, cache))


@pytest.fixture(scope="module")
def vote(place: Path, people: Path, cache: Path) -> RunFolder:
    return train_system(place / "vote.yaml", place / "runs" / "vote", people, cache)


@pytest.fixture(scope="module")
def parts(place: Path, people: Path, cache: Path) -> RunFolder:
    return train_system(place / "parts.yaml", place / "runs" / "parts", people, cache)


def bare(page: Path) -> str:
    """The text of a page."""
    body = re.sub(
        r"<style>.*?</style>|<[^>]+>", " ", page.read_text().replace("<wbr>", ""), flags=re.DOTALL
    )
    return " ".join(body.split())


def test_the_combined_answer_is_the_naive_one(vote: RunFolder) -> None:
    table, combined = tables.read_probabilities(vote.oof_file)
    assert table["photo"].is_unique
    answers = []
    for member in vote.members():
        rows, probabilities = tables.read_probabilities(member.oof_file)
        answers.append(dict(zip(rows["photo"], probabilities.astype(float), strict=True)))
    for row, photo in enumerate(table["photo"]):
        np.testing.assert_allclose(
            combined[row], (answers[0][photo] + 2 * answers[1][photo]) / 3, atol=1e-6
        )
    results = vote.metrics()
    right = (combined.argmax(1) == table["label"])[table["label"] != labels.UNKNOWN].mean()
    assert results.accuracy.value == pytest.approx(right)
    assert list(results.members) == ["plain", "joint"]
    for member in vote.members():
        assert results.members[member.path.name].score == member.metrics().score
        assert tables.photos(RunFolder(vote.path))["fold"].equals(tables.photos(member)["fold"])


def test_members_of_one_attribute_are_multiplied_and_their_reports_say_so(parts: RunFolder) -> None:
    table, combined = tables.oof(parts)
    naive = np.ones_like(combined, dtype=float)
    for member, name in zip(parts.members(), labels.ATTRIBUTES, strict=True):
        rows, probabilities = tables.oof(member)
        assert rows["photo"].tolist() == table["photo"].tolist()
        naive *= labels.marginals(probabilities)[name][:, labels.decode(np.arange(18))[
            list(labels.ATTRIBUTES).index(name)]]  # fmt: skip
        assert member.metrics().known_attributes == [name]
        text = bare(member.report_file)
        word = name.replace("_", " ")
        assert f"This model predicts {word} only" in text
        assert f"Accuracy, {word}" in text
        assert "18 classes" not in text.replace("there are no 18 classes", "")
        wrong = pd.read_csv(member.mistakes_file)
        others = [n for n in labels.ATTRIBUTES if n != name]
        assert wrong[[f"true_{other}" for other in others]].isna().all(axis=None)
    np.testing.assert_allclose(combined, naive, atol=1e-6)
    assert parts.metrics().score_of == "macro F1"


def test_the_report_lists_the_members_beside_the_whole(vote: RunFolder, parts: RunFolder) -> None:
    for run in (vote, parts):
        page, text = run.report_file.read_text(), bare(run.report_file)
        results = run.metrics()
        together = results.combine.replace("_", " ")
        scores = {name: each.score for name, each in results.members.items()}
        for name, score in (scores | {together: results.score}).items():
            figures = f"{score.value:.3f} {score.low:.3f} – {score.high:.3f}"
            assert re.search(rf"{name} .*{re.escape(figures)}", text)
            if name != together:
                assert f'href="members/{name}/report.html"' in page
                assert (run.path / "members" / name / "report.html").is_file()
        assert "validation photos; the scores" not in text
    assert "combined by soft vote" in bare(vote.report_file)


@pytest.mark.slow
def test_through_the_command_line(
    place: Path, vote: RunFolder, people: Path, call: Call, tmp_path: Path
) -> None:
    command = ("train", place / "vote.yaml", people, "training.epochs=1", "--out", vote.path)
    code, out, err = call(*command)
    assert code == 0, err
    assert "this run is finished" in err
    assert "out-of-fold macro F1" in out
    code, out, _ = call("runs", vote.path.parent)
    assert code == 0
    assert "vote (system)" in out
    assert f"{vote.metrics().score.value:.4f}" in out
    before, _, _ = vote.report_file.read_text().partition("What to do next")  # with what run
    assert call("report", vote.path)[0] == 0
    assert vote.report_file.read_text().partition("What to do next")[0] == before
    code, _, err = call("submit", vote.path, people / "eval", "-o", tmp_path / "answers.csv")
    assert code == 0, err
    photos = people / "eval" / "images"
    code, out, err = call("predict", vote.path, photos, "-o", tmp_path / "said.csv")
    assert code == 0, err
    predictions = pd.read_csv(tmp_path / "said.csv")
    parts = [
        loading.load(member.path).predict(sorted(photos.iterdir())) for member in vote.members()
    ]
    columns = list(labels.PROBABILITY_COLUMNS)
    expected = (parts[0].probabilities + 2 * parts[1].probabilities) / 3
    options = predictions["photo"].map({photo: row for row, photo in enumerate(parts[0].photos)})
    np.testing.assert_allclose(predictions[columns], expected[options], atol=2e-6)
    answers = pd.read_csv(tmp_path / "answers.csv").set_index("ImageID")["ans"]
    for photo, label in zip(predictions["photo"], predictions["label"], strict=True):
        assert answers[Path(photo).name] == label


def test_a_photo_that_cannot_be_read_is_left_out(
    vote: RunFolder, people: Path, tmp_path: Path
) -> None:
    good = sorted((people / "eval" / "images").iterdir())[0]
    (tmp_path / "bad.jpg").write_bytes(b"no photo")
    predictor = loading.load(vote.path)
    probabilities, faults = predictor.probabilities([tmp_path / "bad.jpg", good])
    assert list(faults) == [0]
    assert np.isnan(probabilities[0]).all()
    assert probabilities[1].sum() == pytest.approx(1, abs=1e-5)
    with pytest.raises(MaskgateError, match=r"bad\.jpg"):
        predictor.predict([tmp_path / "bad.jpg", good])
    assert len(predictor.predict([tmp_path / "bad.jpg", good], skip_faulty=True)) == 1


def test_what_a_member_does_not_know_is_not_told(
    parts: RunFolder, people: Path, call: Call, tmp_path: Path
) -> None:
    mask = parts.members()[0]
    photo = sorted((people / "eval" / "images").iterdir())[0]
    (prediction,) = loading.load(mask.path).predict([photo]).to_pandas().to_dict("records")
    assert prediction["mask"] in labels.MASKS
    assert prediction["mask_probability"] > 1 / 3
    assert (prediction["gender"], prediction["age_band"]) == ("", "")
    assert pd.isna(prediction["label"])
    assert pd.isna(prediction["gender_probability"])
    code, _, err = call("submit", mask.path, people / "eval", "-o", tmp_path / "a.csv")
    assert code == 2
    assert "no member predicts age_band, gender; add one" in err
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.slow
def test_a_system_is_resumed_after_a_member(
    place: Path, vote: RunFolder, people: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, train, member_names = place / "resumed", crossval.train, []

    def killed(recipe: object, options: TrainOptions) -> RunFolder:
        member_names.append(options.name)
        if options.name == "joint" and member_names.count("joint") == 1:
            raise KeyboardInterrupt
        return train(recipe, options)  # type: ignore[arg-type]

    monkeypatch.setattr(crossval, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        train_system(place / "vote.yaml", out, people, cache)
    assert not RunFolder(out).status().finished
    with pytest.raises(MaskgateError, match="unfinished"):
        runs.open_run(out)
    weights = RunFolder(out / "members" / "plain").weights_file(0)
    before = weights.stat().st_mtime_ns
    again = train_system(place / "vote.yaml", out, people, cache)
    assert weights.stat().st_mtime_ns == before
    assert again.oof_file.read_bytes() == vote.oof_file.read_bytes()
    assert again.metrics() == vote.metrics()


@pytest.mark.slow
def test_members_of_a_finished_system_are_sent_to_trackers(
    place: Path, vote: RunFolder, people: Path, cache: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    out = Path(shutil.copytree(vote.path, tmp_path / "vote"))
    train_system(place / "vote.yaml", out, people, cache, "tracking=tensorboard")
    boards = {path.parent.name for path in out.rglob("tensorboard")}
    assert boards == {"vote", "plain", "joint"}


def test_a_locked_system_is_refused(
    place: Path, vote: RunFolder, people: Path, cache: Path
) -> None:
    status = vote.status()
    vote.update_status(finished=None)
    try:
        with FileLock(vote.path / ".lock"), pytest.raises(MaskgateError, match="another process"):
            train_system(place / "vote.yaml", vote.path, people, cache)
    finally:
        vote.update_status(**status.model_dump(exclude_unset=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["members.1.weight=3"], "has a run of vote with another recipe or other data"),
        (["training.batch_size=16"], "has a run of vote with another recipe or other data"),
        (["members.0.recipe=baselin"], "member plain: baselin: no such recipe; did you mean"),
        (["combine=sofd_vote"], "unknown combination sofd_vote; did you mean soft_vote"),
        (["combine=attributes", "members.1.weight=-1"], "members.1.weight: "),
        (["mixing=[{name: mixup, probability: 1.4}]"], "member plain: .*mixing.0.probability"),
        (["members.1.changes.loss={name: focl}"], "member joint: unknown loss focl; did you mean"),
        (["members.1.changes.data=[{path: nowhere}]"], "member joint: nowhere: no such file"),
    ],
)
def test_another_system_and_faults_of_members_are_refused_at_the_start(
    changes: list[str],
    message: str,
    place: Path,
    vote: RunFolder,
    people: Path,
    call: Call,
    tmp_path: Path,
) -> None:
    before = sorted(path for path in vote.path.rglob("*"))
    for out in (vote.path, tmp_path / "new"):
        command = ("train", place / "vote.yaml", people, "training.epochs=1", *changes)
        if "has a run" in message and out != vote.path:
            continue
        code, _, err = call(*command, "--out", out)
        assert code == 2
        assert re.search(f"^maskgate: .*{message}", err, re.MULTILINE), err
        assert "member 1 of" not in err
    assert sorted(path for path in vote.path.rglob("*")) == before
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_other_data_and_a_recipes_run_are_refused(
    place: Path, vote: RunFolder, people: Path, trained: Path, call: Call, tmp_path: Path
) -> None:
    fewer = tmp_path / "fewer"
    shutil.copytree(people, fewer)
    shutil.rmtree(sorted((fewer / "train" / "images").iterdir())[0])
    command = ("train", place / "vote.yaml", fewer, "training.epochs=1", "--skip-faulty")
    code, _, err = call(*command, "--out", vote.path)
    assert (code, "other data; give another --out" in err) == (2, True), err
    code, _, err = call("train", place / "vote.yaml", people, "--out", trained)
    assert (code, "has a run of tiny" in err) == (2, True), err
    code, _, err = call("train", place / "tiny.yaml", people, "--out", vote.path)
    assert (code, "has a run of vote" in err) == (2, True), err
    code, _, err = call(
        "train", place / "tiny.yaml", people, f"model.init={vote.path}", "--out", tmp_path / "a"
    )
    assert code == 2
    assert "the run of a system" in err
    assert "members/plain" in err


def test_members_validated_on_other_folds_are_not_combined(
    place: Path, vote: RunFolder, people: Path, cache: Path, tmp_path: Path
) -> None:
    run = RunFolder(Path(shutil.copytree(vote.path, tmp_path / "run")))
    member = run.members()[1]
    photos = tables.photos(member)
    photos["fold"] = 1 - photos["fold"]
    photos.to_parquet(member.photos_file, index=False)
    member.finish()
    run.update_status(finished=None)
    with pytest.raises(MaskgateError, match="joint: people are in other folds"):
        train_system(place / "vote.yaml", run.path, people, cache)


def test_members_scored_against_other_truths_are_refused(
    place: Path, people: Path, cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "fix.csv").write_text("person,field,value,tier,reason\n")
    change = f"members.1.changes.labels={{corrections: {tmp_path / 'fix.csv'}, truth: sure}}"
    with pytest.raises(MaskgateError, match="member joint: scored against another truth"):
        train_system(place / "vote.yaml", tmp_path / "run", people, cache, change)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_compared_with_a_recipe_and_with_another_system(
    vote: RunFolder, parts: RunFolder, train: Callable[..., Path], call: Call, tmp_path: Path
) -> None:
    single = train(tmp_path / "single", "training.epochs=1")
    code, out, err = call("compare", single, vote.path, parts.path, "-o", tmp_path / "page.html")
    assert code == 0, err
    assert "vote, seed 7: a system" in out
    code, out, err = call("compare", vote.path, parts.path)
    assert code == 0, err
    assert "combine.name=attributes" in out
    code, _, err = call("compare", vote.path, shutil.copytree(vote.path, tmp_path / "twin"))
    assert code == 2
    assert "has the recipe and the seed of" in err


@pytest.mark.slow
def test_epochs_that_nothing_validates_are_told(
    place: Path, people: Path, cache: Path, call: Call, tmp_path: Path
) -> None:
    file = place / "half.yaml"
    text = VOTE.replace("kind: kfold, count: 2", "kind: holdout")
    file.write_text(text.replace("seed: 8", "training.validation_epochs: 1"))
    run = train_system(file, tmp_path / "runs" / "half", people, cache)
    warning = (
        "were trained 1 more epoch on the validation photos; the scores are of the weights before"
        " that, and do not validate the weights used for prediction."
    )
    plain, joint = run.members()
    assert f"The weights kept of joint {warning}" in bare(run.report_file)
    assert f"The weights kept {warning}" in bare(joint.report_file)
    assert "do not validate the weights used for prediction" not in bare(plain.report_file)
    for folder, count in ((run.path.parent, 1), (run.path / "members", 1)):
        assert call("runs", folder)[1].count("before 1 epoch unvalidated") == count


@pytest.mark.slow
def test_without_validation_there_is_no_score(
    place: Path, people: Path, cache: Path, tmp_path: Path
) -> None:
    run = train_system(place / "vote.yaml", tmp_path / "all", people, cache, "folds.kind=all")
    assert run.metrics().validated is False
    assert not run.oof_file.exists()
    assert "so it has no score" in bare(run.report_file)
    assert len(loading.load(run.path).predict(sorted((people / "eval/images").iterdir())[:2])) == 2


@pytest.mark.slow
def test_a_smoke_run_of_a_system(place: Path, people: Path, cache: Path, tmp_path: Path) -> None:
    loaded = system.load(place / "parts.yaml", [])
    options = TrainOptions("parts", people, None, cache, runs=tmp_path, smoke=True)
    first = ensembles.train(loaded, options)
    assert first.path.name.startswith("parts-smoke-")
    assert json.loads(first.status_file.read_text())["smoke"]
    assert ensembles.train(loaded, options).path == first.path


@pytest.mark.slow
def test_two_processes_train_a_system(
    place: Path, people: Path, cache: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2",
        "--master_port", str(20000 + os.getpid() % 20000), "-m", "maskgate", "train",
        str(place / "vote.yaml"), str(people), "training.epochs=1", "folds.kind=holdout",
        "members.1.changes.training.precision=bf16",
        "--out", str(tmp_path / "run"), "--cache", str(cache),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    run = runs.open_run(tmp_path / "run")
    assert done.stdout.count("out-of-fold macro F1") == 1
    assert done.stderr.count("member 1 of 2: plain") == 1
    assert len(run.metrics().members) == 2
    assert tables.oof(run)[0]["photo"].is_unique
