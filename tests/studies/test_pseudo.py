"""Rounds of pseudo labels: what they train on, when the guard speaks, and how they go on."""

import itertools
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.core.score import Score
from maskgate.data.column_values import TRAINED
from maskgate.evaluation import metrics, rounds
from maskgate.reports import pseudo as page
from maskgate.runs import RunFolder, tables

pytestmark = pytest.mark.slow  # most of it trains or exports

Call = Callable[..., tuple[int, str, str]]

QUICK = ("training.epochs=1", "pseudo.thresholds={mask: 0.36, gender: 0.51, age_band: 0.36}")


@pytest.fixture(scope="module")
def photos(people: Path) -> Path:
    return people / "eval"


# ----------------------------------------------------------------------------- the guard


def answered(trained: Path, to: Path, share_right: float, seed: int) -> RunFolder:
    """A copy of a run whose out-of-fold answers are right for this share of the photos."""
    shutil.copytree(trained, to)
    run = RunFolder(to)
    recipe = run.recipe_file.read_text()
    run.recipe_file.write_text(recipe.replace("lr: 0.003", f"lr: 0.003{seed}"))
    rows, _ = tables.read_probabilities(run.oof_file)
    random = np.random.default_rng(seed)
    right = random.random(len(rows)) < share_right
    answer = np.where(right, rows["label"], random.integers(0, 18, len(rows)))
    probabilities = np.eye(labels.COUNT)[answer]
    tables.write_probabilities(run.oof_file, rows, probabilities)
    run.finish()
    results = metrics.evaluate(probabilities, tables.oof(run)[0])
    run.metrics_file.write_text(json.dumps(json.loads(run.metrics_file.read_text()) | results))
    for fold in (0, 1):
        pseudo_rows = pd.DataFrame({"photo": ["a", "b"], "use": [TRAINED, TRAINED]})
        pseudo_rows = pseudo_rows.assign(
            mask=0, gender=[-1, 1], age_band=2, label=[-1, 5], digest=["", ""]
        )
        tables.write_probabilities(run.pseudo_file(fold), pseudo_rows, np.full((2, 18), 1 / 18))
    run.finish()
    return run


def test_the_guard_warns_where_a_round_lowers_the_score_and_not_otherwise(
    trained: Path, tmp_path: Path
) -> None:
    shares = (0.5, 0.9, 0.3, 0.29)
    runs = [
        answered(trained, tmp_path / str(place), share, place) for place, share in enumerate(shares)
    ]
    verdict = rounds.judge(runs)
    for each, run in zip(verdict.rounds, runs, strict=True):
        assert each.score.value == run.metrics().score.value
    sentences = [page.sentence(verdict, each) for each in verdict.rounds]
    better, worse, chance = verdict.rounds[1:]
    assert (better.lowered, better.certain) == (False, True)
    assert sentences[1].startswith("round 1 raised the out-of-fold macro F1: +")
    assert "above zero" in sentences[1]
    assert (worse.lowered, worse.certain) == (True, True)
    assert sentences[2].startswith("warning: round 2 lowered the out-of-fold macro F1: -")
    assert "made the model worse" in sentences[2]
    assert not chance.certain
    assert "may be chance" in sentences[3]
    assert verdict.best is better
    assert (verdict.recommended, verdict.over_recommended) == (better, None)
    assert (
        page.conclusion(verdict) == f"Round 1 is better than those before it: use {runs[1].path}."
    )
    for each, before in zip(verdict.rounds[1:], verdict.rounds, strict=False):
        assert each.difference is not None
        assert each.difference.value == pytest.approx(each.score.value - before.score.value)
    first = rounds.judge([runs[1], runs[0]])
    assert "use" in page.conclusion(first)
    assert "without pseudo labels" in page.conclusion(first)


def test_where_it_is_undecided_the_simpler_round_is_recommended(
    trained: Path, tmp_path: Path
) -> None:
    runs = [
        answered(trained, tmp_path / str(place), share, place)
        for place, share in enumerate((0.3, 0.9, 0.91))
    ]
    # The third answers as the second, but for five photos of the largest class.
    table, answers = tables.read_probabilities(runs[1].oof_file)
    probabilities = answers.copy()
    truth = table["label"].to_numpy()
    largest, right = truth == np.bincount(truth).argmax(), probabilities.argmax(1) == truth
    more_right, more_wrong = np.flatnonzero(largest & ~right)[:4], np.flatnonzero(largest & right)
    probabilities[more_right] = np.eye(labels.COUNT)[truth[more_right]]
    probabilities[more_wrong[-1]] = np.eye(labels.COUNT)[probabilities[more_right[0]].argmax() - 1]
    tables.write_probabilities(runs[2].oof_file, table, probabilities)
    results = metrics.evaluate(probabilities, tables.oof(runs[1])[0])
    record = json.loads(runs[2].metrics_file.read_text()) | results
    runs[2].metrics_file.write_text(json.dumps(record))
    runs[2].finish()
    judged = rounds.judge(runs)
    assert (judged.best.number, judged.recommended.number) == (2, 1)
    sentence = page.conclusion(judged)
    assert sentence.startswith("Undecided: round 2 scores highest, but only by +0.0")
    assert sentence.endswith(f"against round 1, which is simpler: use {runs[1].path}.")
    assert page.as_table(judged)["use"].tolist() == [False, True, False]
    undecided = rounds.judge(runs[1:])
    assert undecided.recommended.number == 0
    assert page.conclusion(undecided).endswith(f"use {runs[1].path}, without pseudo labels.")


def test_means_of_counts_are_whole_where_they_can_be() -> None:
    assert [page.mean_count(mean) for mean in (17.0, 17.5, 1234.0, 0.0)] == [
        "17", "17.5", "1,234", "0"]  # fmt: skip


@pytest.mark.parametrize(
    ("difference", "lowered", "certain"),
    [
        (Score(-0.1, -0.2, -0.01), True, True),
        (Score(-0.1, -0.2, 0.01), True, False),
        (Score(0.0, 0.0, 0.0), False, False),
        (Score(0.1, -0.1, 0.2), False, False),
        (Score(0.1, 0.01, 0.2), False, True),
    ],
)
def test_lowered_and_certain(difference: Score, lowered: bool, certain: bool) -> None:
    each = rounds.Round(1, RunFolder(Path("run")), Score(0.5, 0.4, 0.6), difference, [])
    assert (each.lowered, each.certain) == (lowered, certain)


def test_classes_are_counted_over_folds() -> None:
    def table(uses: list[str]) -> pd.DataFrame:
        codes = {"mask": [0, 0, 2], "gender": [1, 1, -1], "age_band": [2, 2, -1]}
        return pd.DataFrame({"use": uses, **codes})

    each = rounds.Round(
        1, RunFolder(Path("run")), Score(0.5, 0.4, 0.6), None,
        [table([TRAINED] * 3), table([TRAINED, "unsure", "unsure"])],
    )  # fmt: skip
    assert each.trained == 2
    assert each.classes().to_dict() == {"wear female >=60": 1.5, "not_wear – –": 0.5}


# ------------------------------------------------------------------------ the command line


@pytest.fixture(scope="module")
def done(
    tiny: Path, people: Path, photos: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Two rounds, whatever they score."""
    from maskgate.config import recipe
    from maskgate.studies import pseudo
    from maskgate.training.options import TrainOptions

    out = tmp_path_factory.mktemp("rounds") / "tiny"
    overrides = [f"pseudo.photos={photos}", "pseudo.run=round"]
    base = recipe.load(tiny, [*QUICK, *overrides])
    assert base.pseudo is not None
    pseudo.train(base, TrainOptions("tiny", people, out, cache), base.pseudo, 2, keep_going=True)
    return out


def test_every_round_is_a_run_told_by_the_one_before(done: Path, call: Call) -> None:
    runs = [RunFolder(done / f"round-{number}") for number in range(3)]
    assert runs[0].recipe().pseudo is None
    for before, run in itertools.pairwise(runs):
        settings = run.recipe().pseudo
        assert settings is not None
        assert settings.run == str(before.path)
        assert settings.thresholds.mask == 0.36
        assert run.folds_file.read_bytes() == runs[0].folds_file.read_bytes()
        for fold in (0, 1):
            photos = tables.photos(run)
            assert not tables.training_digests(run, fold) & set(
                photos.loc[photos["fold"] == fold, "digest"]
            )
            assert tables.training_digests(before, fold) <= tables.training_digests(run, fold)
    html = (done / "pseudo.html").read_text("utf-8")
    table = pd.read_csv(done / "pseudo.csv")
    assert table["round"].tolist() == [0, 1, 2]
    assert table["use"].sum() == 1
    scores = [run.metrics().score.value for run in runs]
    assert table["score"].tolist() == pytest.approx(scores)
    html_of_use = re.search(r'<tr class="best"><th scope="row">(\d)', html)
    assert html_of_use is not None and table["use"].to_numpy().argmax() == int(html_of_use[1])
    assert not re.search(r">\d+\.0</td>", html), "counts are whole numbers"
    for number, run in enumerate(runs):
        assert f"{scores[number]:.4f}" in html
        used = (
            [(tables.pseudo(run, fold)[0]["use"] == TRAINED).sum() for fold in (0, 1)]
            if number
            else []
        )
        if used:
            assert table["photos trained on"][number] == pytest.approx(np.mean(used))
    code, out, _ = call("compare", *(run.path for run in runs))
    assert code == 0
    assert "pseudo.run" in out or "pseudo=" in out


def test_the_command_stops_at_the_guard_goes_on_and_tells_which_run_to_use(
    done: Path, tiny: Path, people: Path, photos: Path, call: Call, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = tmp_path / "rounds"
    words = ("pseudo", tiny, people, photos, *QUICK, "--out", out, "--rounds", "2")
    trained: list[str] = []
    # A model with planted mistakes: its round's score falls for certain.
    from maskgate.training import crossval

    train = crossval.train

    def mistaken(recipe: object, options: object) -> RunFolder:
        run = train(recipe, options)  # type: ignore[arg-type]
        trained.append(run.path.name)
        if run.path.name == "round-0":
            rows, _ = tables.read_probabilities(run.oof_file)
            best = np.eye(labels.COUNT)[rows["label"]]
            tables.write_probabilities(run.oof_file, rows, best)
            run.finish()
            results = json.loads(run.metrics_file.read_text())
            results |= metrics.evaluate(best, tables.oof(run)[0])
            run.metrics_file.write_text(json.dumps(results))
            run.finish()
        return run

    monkeypatch.setattr(crossval, "train", mistaken)
    code, printed, progress = call(*words)
    assert code == 0
    assert trained == ["round-0", "round-1"]
    assert "warning: round 1 lowered the out-of-fold macro F1" in progress
    assert "made the model worse" in printed
    assert f"No round scored higher than round 0: use {out / 'round-0'}" in printed
    assert "<h2>Warnings</h2>" in (out / "pseudo.html").read_text("utf-8")
    trained.clear()
    code, printed, _ = call(*words, "--keep-going")
    assert code == 0
    assert trained == ["round-0", "round-1", "round-2"], "finished rounds are looked at, not redone"
    assert (out / "round-2" / "metrics.json").exists()
    assert len(rounds.judge([RunFolder(out / f"round-{n}") for n in range(3)]).rounds) == 3


def test_a_run_that_is_there_is_round_0_on_its_folds(
    trained: Path, tiny: Path, people: Path, photos: Path, call: Call, tmp_path: Path
) -> None:
    out = tmp_path / "rounds"
    words = ("pseudo", tiny, people, photos, *QUICK, "--run", trained, "--out", out)
    code, printed, _ = call(*words, "folds.seed=99", "pseudo.cap=2")
    assert code == 0, printed
    assert not (out / "round-0").exists()
    assert (
        RunFolder(out / "round-1").folds_file.read_bytes()
        == RunFolder(trained).folds_file.read_bytes()
    )
    assert "Round 0 is a run of another recipe" in printed
    assert "training.epochs=1" in printed


def test_where_nothing_is_sure_the_rounds_end_with_a_warning(
    trained: Path, tiny: Path, people: Path, photos: Path, call: Call, tmp_path: Path
) -> None:
    hard = "pseudo.thresholds={mask: 1, gender: 1, age_band: 1}"
    place = ("--run", trained, "--out", tmp_path / "rounds", "--rounds", "3", "--keep-going")
    code, printed, progress = call("pseudo", tiny, people, photos, hard, *place)
    assert code == 0
    assert "warning: round 1 has no pseudo labels: no photo reaches the thresholds" in progress
    assert not (tmp_path / "rounds" / "round-2").exists()
    assert "without pseudo labels" in printed
    assert (tmp_path / "rounds" / "pseudo.html").exists()


def test_faults_are_one_sentence_before_anything_is_trained(
    trained: Path, tiny: Path, people: Path, photos: Path, call: Call, tmp_path: Path
) -> None:
    busy = tmp_path / "busy"
    busy.mkdir()
    (busy / "letter.txt").write_text("mine")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "half.jpg").write_bytes(b"\xff\xd8 half")
    faults = {
        "no such folder": (tmp_path / "nowhere",),
        "half.jpg": (broken,),
        "folds.kind is all": (photos, "folds.kind=all"),
        "sets its own": (photos, "pseudo.run=somewhere"),
        "unknown key pseudo.caps, did you mean cap": (photos, "pseudo.caps=3"),
        "no run": (photos, "--run", photos),
    }
    for sentence, words in faults.items():
        out = tmp_path / "rounds"
        code, _, message = call("pseudo", tiny, people, *words, "--out", out)
        assert code == 2, sentence
        assert sentence in message
        assert not out.exists(), sentence
    code, _, message = call("pseudo", tiny, people, photos, "--out", busy)
    assert (code, "letter.txt" in message) == (2, True)
    assert [path.name for path in busy.iterdir()] == ["letter.txt"]
