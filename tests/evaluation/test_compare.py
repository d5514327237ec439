"""Paired differences against loops; intervals against what they must cover; what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from maskgate import labels
from maskgate.config.recipe import Recipe
from maskgate.core import confusions
from maskgate.core.score import Score
from maskgate.data import table as photo_table
from maskgate.errors import MaskgateError
from maskgate.evaluation import compare as comparison
from maskgate.evaluation import groups, metrics
from maskgate.evaluation.bootstrap import Floats, Resamples
from maskgate.evaluation.compare import SCORE, Comparisons, compare
from maskgate.evaluation.differences import Difference
from maskgate.reports import compare as compare_page
from maskgate.runs import RunFolder, tables

Call = Callable[..., tuple[int, str, str]]
PEOPLE, PHOTOS = 60, 7


def photos() -> pd.DataFrame:
    """PEOPLE in two folds, PHOTOS of each; the last ten people are never validated."""
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(PEOPLE), PHOTOS)
    gender = (np.arange(PEOPLE) % 2).astype(np.int8)[person]
    band = random.integers(0, 3, PEOPLE)[person]
    mask = np.array([0, 0, 0, 0, 0, 1, 2])[np.arange(len(person)) % PHOTOS]
    names = [f"{who:03d}/{at % PHOTOS}.jpg" for at, who in enumerate(person)]
    ages = np.array([20, 40, 70])[band]
    table = photo_table.build(names, [f"p{who:03d}" for who in person], mask, gender, ages)
    fold = np.where(person < PEOPLE - 10, person % 2, -1)
    return table.assign(cluster=person, fold=fold, digest=[f"d{name}" for name in names])


def guesses(share: float, seed: int) -> npt.NDArray[np.float64]:
    """Probabilities (N, 18) of all photos that are right for about `share` of them."""
    random = np.random.default_rng(seed)
    truth = photos()["label"].to_numpy()
    right = random.random(len(truth)) < share
    predicted = np.where(right, truth, random.integers(0, labels.COUNT, len(truth)))
    return 0.1 / labels.COUNT + 0.9 * np.eye(labels.COUNT)[predicted]


def write_run(
    path: Path,
    probabilities: npt.NDArray[np.float64],
    seed: int = 7,
    table: pd.DataFrame | None = None,
    status: dict[str, Any] | None = None,
    results: dict[str, Any] | None = None,
    **recipe: Any,
) -> Path:
    """A run folder as a training leaves it, its photos given these probabilities."""
    table = photos() if table is None else table
    path.mkdir(parents=True)
    run = RunFolder(path)
    Recipe(seed=seed, **recipe).write(run.recipe_file)
    table.to_parquet(run.photos_file)
    people = table.drop_duplicates("person")[["person", "fold", "cluster"]]
    people.to_csv(run.folds_file, index=False)
    validated = np.flatnonzero(table["fold"] >= 0)
    validated = validated[np.argsort(table["fold"].to_numpy()[validated], kind="stable")]
    rows = table.iloc[validated]
    columns = rows[["photo", "person", "label", "fold"]]
    tables.write_probabilities(run.oof_file, columns, probabilities[validated])
    scores = metrics.evaluate(probabilities[validated], rows.reset_index(drop=True), resamples=5)
    scores |= {"validated": True, "selection": "last"} | (results or {})
    run.metrics_file.write_text(json.dumps(scores))
    for fold in (0, 1):
        run.fold_folder(fold).mkdir()
        run.weights_file(fold).write_bytes(b"weights, which no comparison reads")
        run.fold_file(fold).write_text("{}")
    counts = {"photos": len(table), "people": len(people), "largest_cluster": 1}
    speed = {"seconds": 1.0, "photos_per_second": 1.0}
    versions = {"maskgate": "0.1.0", "torch": "2"}
    texts = {"recipe": "r", "digest": "1a2b3c4d", "truth": "as read", "root": "", "command": ""}
    rest = {"smoke": False, "warnings": [], "twins": [], "versions": versions}
    run.update_status(**texts, **rest, **counts, **speed)
    run.finish()
    run.update_status(**(status or {}))
    return path


def other(epochs: int = 20) -> dict[str, Any]:
    """What makes a recipe another one."""
    return {"training": {"epochs": epochs}}


def only(result: Comparisons) -> comparison.Comparison:
    (one,) = result.comparisons
    return one


# ------------------------------------------------------------------------ the difference


def naive(first: Path, second: Path, resamples: int) -> Score:
    """The difference and its percentiles, cell by cell, on the resamples that evaluate takes."""
    table, first_probabilities = tables.oof(RunFolder(first))
    _, second_probabilities = tables.oof(RunFolder(second))
    drawn = Resamples(table, resamples, seed=0)
    truth = table["label"].to_numpy()

    def f1(confusion: Floats) -> float:
        """From a photo for every cell, which weighs as much as the cell holds."""
        true, predicted = np.divmod(np.arange(18 * 18), 18)
        options: dict[str, Any] = {"average": "macro", "zero_division": 0}
        weight = confusion.ravel()
        return float(f1_score(true, predicted, labels=range(18), sample_weight=weight, **options))

    def both(of: Callable[[npt.NDArray[np.int64]], Floats]) -> Floats:
        pairs = zip(
            of(second_probabilities.argmax(1)), of(first_probabilities.argmax(1)), strict=True
        )
        return np.array([f1(other) - f1(one) for other, one in pairs])

    (value,) = both(lambda predicted: confusions.confusion(truth, predicted, 18)[None])
    low, high = np.quantile(
        both(lambda predicted: drawn.confusions("label", truth, predicted)), [0.025, 0.975]
    )
    return Score(float(value), float(low), float(high))


def test_two_models_differ_by_the_percentiles_of_a_loop(tmp_path: Path) -> None:
    paths = [
        write_run(tmp_path / "a", guesses(0.7, 1)),
        write_run(tmp_path / "b", guesses(0.8, 2), **other()),
    ]
    score = only(compare(paths, resamples=40)).score
    expected = naive(paths[0], paths[1], resamples=40)
    assert (score.value, score.low, score.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )


def test_scores_are_those_of_the_runs(tmp_path: Path) -> None:
    paths = [
        write_run(tmp_path / "a", guesses(0.7, 1)),
        write_run(tmp_path / "b", guesses(0.8, 2), seed=8),
        write_run(tmp_path / "c", guesses(0.8, 3), **other()),
    ]
    comparisons = compare(paths, resamples=5)
    reported: list[Any] = [RunFolder(path).metrics() for path in paths]
    assert comparisons.score_of == "macro F1"
    for name in labels.ATTRIBUTES:
        expected = [results.attributes[name].macro_f1.value for results in reported]
        assert comparisons.scores[0][name].value.tolist() == pytest.approx(expected[:2])
        assert comparisons.scores[1][name].value.tolist() == pytest.approx(expected[2:])
        assert only(comparisons).differences[name].corrected.value == pytest.approx(
            expected[2] - np.mean(expected[:2])
        )
    expected = [results.score.value for results in reported]
    assert only(comparisons).score.value == pytest.approx(expected[2] - np.mean(expected[:2]))


@pytest.mark.parametrize("hidden", [{}, {"gender": np.int8(-1), "label": np.int8(-1)}])
def test_a_run_has_the_interval_of_its_own_scores(tmp_path: Path, hidden: dict[str, Any]) -> None:
    table = photos().assign(**hidden)
    paths = [
        write_run(tmp_path / "a", guesses(0.7, 1), table=table),
        write_run(tmp_path / "b", guesses(0.8, 2), table=table, **other()),
    ]
    for reference in (paths, paths[::-1]):
        result = compare(reference)
        assert result.resamples == metrics.RESAMPLES
        for path, scores in zip(reference, result.scores, strict=True):
            truth, probabilities = tables.oof(RunFolder(path))
            reported = metrics.evaluate(probabilities, truth)
            expected = {SCORE: reported["score"]} | {
                name: each["macro_f1"] for name, each in reported["attributes"].items()
            }
            assert expected.keys() == scores.keys()
            for name, ends in expected.items():
                score = scores[name].score
                assert (score.value, score.low, score.high) == pytest.approx(tuple(ends.values()))


def test_photos_in_another_order_are_compared_by_name(tmp_path: Path) -> None:
    table, backwards = photos(), photos().iloc[::-1]
    first = write_run(tmp_path / "a", guesses(0.7, 1), table=table)
    same = write_run(tmp_path / "b", guesses(0.8, 2), table=table, **other())
    reversed_run = write_run(
        tmp_path / "c", guesses(0.8, 2)[::-1], table=backwards.reset_index(drop=True), **other()
    )
    assert only(compare([first, same])).score == only(compare([first, reversed_run])).score


def test_without_fully_labelled_photos_the_attributes_are_compared(tmp_path: Path) -> None:
    table = photos().assign(gender=np.int8(-1), label=np.int8(-1))
    paths = [
        write_run(tmp_path / "a", guesses(0.7, 1), table=table),
        write_run(tmp_path / "b", guesses(0.9, 2), table=table, **other()),
    ]
    comparisons = compare(paths, resamples=50)
    reported = [RunFolder(path).metrics().score.value for path in paths]
    assert list(comparisons.scores[0]) == [SCORE, "mask", "age_band"]
    assert comparisons.score_of == "macro F1, mean of mask, age band"
    assert only(comparisons).score.value == pytest.approx(reported[1] - reported[0])
    assert only(comparisons).verdict == "better"


def test_identical_predictions_differ_by_nothing(tmp_path: Path) -> None:
    paths = [
        write_run(tmp_path / "a", guesses(0.7, 1)),
        write_run(tmp_path / "b", guesses(0.7, 1), **other()),
    ]
    result = only(compare(paths, resamples=50))
    same = Score(0.0, 0.0, 0.0)
    assert set(result.differences.values()) == {Difference(same, same, 0.0, 0.0)}
    assert result.verdict == "undecided"


def test_an_improvement_is_found_and_is_the_others_loss(tmp_path: Path) -> None:
    paths = []
    for seed in (1, 2):
        weak, strong = tmp_path / f"weak-{seed}", tmp_path / f"strong-{seed}"
        paths.append(write_run(weak, guesses(0.6, seed), seed))
        paths.append(write_run(strong, guesses(0.9, 10 + seed), seed, **other()))
    comparisons = compare(paths)
    assert [group.name for group in comparisons.groups] == ["weak", "strong"]
    assert [group.seeds for group in comparisons.groups] == [[1, 2], [1, 2]]
    assert only(comparisons).verdict == "better"
    assert only(comparisons).scope == "these recipes"
    back = only(compare(paths[::-1]))
    assert back.verdict == "worse"
    assert back.score.value == pytest.approx(-only(comparisons).score.value)


def test_pairing_narrows_the_interval_of_runs_that_err_on_the_same_people(tmp_path: Path) -> None:
    first = guesses(0.7, 1)
    second = np.where(
        np.random.default_rng(3).random((len(first), 1)) < 0.9, first, guesses(0.7, 2)
    )
    paths = [write_run(tmp_path / "a", first), write_run(tmp_path / "b", second, **other())]
    comparisons = compare(paths)
    paired = only(comparisons).score
    first_scores, second_scores = (scores[SCORE].drawn[0] for scores in comparisons.scores)
    apart = np.quantile(
        np.random.default_rng(0).permutation(second_scores) - first_scores, [0.025, 0.975]
    )
    assert paired.high - paired.low < 0.7 * (apart[1] - apart[0])


@pytest.mark.parametrize(
    ("reference_seeds", "group_seeds", "words"),
    [
        (1, 1, "these two models"),
        (1, 2, "these three models"),
        (3, 1, "these four models"),
        (2, 2, "these recipes"),
        (2, 3, "these recipes"),
        (1, 12, "these 13 models"),
    ],
)
def test_one_seed_is_a_model_and_several_are_a_recipe(
    tmp_path: Path, reference_seeds: int, group_seeds: int, words: str
) -> None:
    write_run(tmp_path / "run", guesses(0.7, 1))
    (entry,) = (groups._read(run) for run in groups._runs([tmp_path / "run"]))
    reference, group = (
        groups.RunGroup("x", tuple(replace(entry, seed=seed) for seed in range(count)))
        for count in (reference_seeds, group_seeds)
    )
    result = comparison.Comparison(
        reference,
        group,
        {SCORE: Difference(Score(0.1, 0.09, 0.11), Score(0.1, 0.05, 0.2), 0.1, 0.0)},
        {},
    )
    assert result.scope == words
    assert compare_page.sentence(result).startswith(f"Of {words}, x is better than x: +0.1000 [")


def test_what_a_reader_must_know_is_told(tmp_path: Path) -> None:
    best = {"selection": "best"}
    paths = [
        write_run(tmp_path / "a", guesses(0.7, 1)),
        write_run(tmp_path / "b", guesses(0.7, 2), **other()),
        write_run(tmp_path / "c", guesses(0.7, 3), results=best, **other(30)),
    ]
    notes = " ".join(compare(paths, resamples=5).notes)
    for phrase in (
        "one seed is a single model",
        "The intervals are corrected for 2 comparisons: if nothing differs",
        "inflates the score, in c.",
    ):
        assert phrase in notes
    pairs = [
        *(write_run(tmp_path / f"d-{seed}", guesses(0.7, 4), seed) for seed in (1, 2)),
        *(write_run(tmp_path / f"e-{seed}", guesses(0.7, 5), seed, **other()) for seed in (1, 2)),
    ]
    assert compare(pairs, resamples=5).notes == []


# ------------------------------------------------------------------------------ groups


def test_runs_are_found_in_folders_and_the_first_one_leads(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_run(tmp_path / f"plain-{seed}", guesses(0.7, seed), seed)
        write_run(tmp_path / f"long-{seed}", guesses(0.7, seed), seed, **other())
    names_and_seeds = [
        [(group.name, group.seeds) for group in groups.read_groups(paths)]
        for paths in (
            [tmp_path],
            [tmp_path / "plain-2", tmp_path],
            [tmp_path / "plain-2", tmp_path / "long-1"],
        )
    ]
    assert names_and_seeds == [
        [("long", [1, 2]), ("plain", [1, 2])],
        [("plain", [2, 1]), ("long", [1, 2])],
        [("plain-2", [2]), ("long-1", [1])],
    ]


def test_sides_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    paths = [
        write_run(tmp_path / "a" / "run", guesses(0.7, 1)),
        write_run(tmp_path / "b" / "run", guesses(0.7, 2), **other()),
    ]
    assert [group.name for group in groups.read_groups(paths)] == list(map(str, paths))


def test_rows_are_matched_by_photo(tmp_path: Path) -> None:
    turned = photos().iloc[::-1].reset_index(drop=True)
    paths = [
        write_run(tmp_path / "a", guesses(0.7, 1)),
        write_run(tmp_path / "b", guesses(0.7, 1)[::-1], table=turned, **other()),
    ]
    assert only(compare(paths, resamples=5)).score == Score(0.0, 0.0, 0.0)


def relabelled() -> pd.DataFrame:
    table = photos()
    table.loc[3, "mask"] = (table["mask"].iloc[3] + 1) % 3
    return table


def refolded() -> pd.DataFrame:
    table = photos()
    return table.assign(fold=table["fold"].where(table["person"] != "p002", 1))


REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "unfinished": ({"status": {"finished": None}}, ("b: the run is unfinished", "repeat the")),
    "smoke": ({"status": {"smoke": True}}, ("b: a smoke run", "without --smoke")),
    "not validated": ({"results": {"validated": False}}, ("b: trained on all", "folds.kind")),
    "other truth": ({"status": {"truth": "corrected"}}, ("(corrected; as read)",)),
    "other labels": ({"table": relabelled()}, ("the labels of 000/3.jpg differ", "same labels")),
    "other folds": ({"table": refolded()}, ("people are in other folds", "folds.file set to")),
    "other people": ({"table": photos().iloc[PHOTOS:]}, ("people are in other folds",)),
    "other photos": ({"table": photos().drop(index=3)}, ("on other photos", "same data")),
    "other contents": ({"table": photos().assign(digest="x")}, ("on other photos",)),
    "other score": ({"results": {"score_of": "luck"}}, ("another score", "(luck; macro F1)")),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_runs_that_cannot_be_compared_are_refused(call: Call, tmp_path: Path, name: str) -> None:
    changes, phrases = REFUSED[name]
    table = changes.get("table", photos())
    probabilities = pd.Series(list(guesses(0.7, 2)), index=photos()["photo"]).loc[table["photo"]]
    first = write_run(tmp_path / "a", guesses(0.7, 1))
    second = write_run(tmp_path / "b", np.stack(list(probabilities)), **changes, **other())
    code, out, err = call("compare", first, second, "-o", tmp_path / "page.html")
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("maskgate: ")
    assert str(second) in line
    assert all(part in line for part in phrases), line
    assert not (tmp_path / "page.html").exists()


def test_too_few_sides_are_refused(tmp_path: Path) -> None:
    first = write_run(tmp_path / "runs" / "a", guesses(0.7, 1))
    with pytest.raises(MaskgateError, match="a: one run alone; give a run of another recipe"):
        compare([first])
    second = write_run(tmp_path / "runs" / "b", guesses(0.7, 2), seed=8)
    with pytest.raises(
        MaskgateError, match=r"runs of one recipe that differ only in their seed: .* give a run"
    ) as error:
        compare([first, second])
    scores = [RunFolder(run).metrics().score.value for run in (first, second)]
    assert f"they score {scores[0]:.4f}, {scores[1]:.4f}" in str(error.value)
    spread = abs(scores[0] - scores[1]) / 2**0.5
    assert f"a standard deviation of {spread:.4f} between seeds" in str(error.value)
    with pytest.raises(MaskgateError, match="no run; give a folder"):
        compare([first, tmp_path / "none"])


def test_the_same_run_does_not_count_twice(tmp_path: Path) -> None:
    first = write_run(tmp_path / "runs" / "a", guesses(0.7, 1))
    second = write_run(tmp_path / "runs" / "b", guesses(0.7, 2), **other())
    for paths in ([first, second, first], [tmp_path / "runs", first], [tmp_path / "runs"] * 2):
        with pytest.raises(MaskgateError, match="is given twice"):
            compare(paths)
    copy = write_run(tmp_path / "copy", guesses(0.7, 1))
    with pytest.raises(MaskgateError, match=r"copy: has the recipe and the seed of .*a; give one"):
        compare([first, second, copy])


# --------------------------------------------------------------------------- the command


def test_links_in_a_circle_are_one_sentence(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, seed in (("first", 0), ("second", 1), ("odd", 2)):
        write_run(Path(name), guesses(0.8, seed), **other(20 + seed))
    odd = Path("odd/run.json")
    odd.unlink()
    odd.symlink_to("run.json")
    sentence = "odd/run.json: missing or damaged (Too many levels of symbolic links); "
    code, _, err = call("compare", "odd", "second")
    assert (code, err.count("\n")) == (2, 1) and f"maskgate: {sentence}" in err
    Path("link").symlink_to("link")
    code, _, err = call("compare", ".")  # a folder of runs: the others are compared
    assert code == 0 and f"warning: left out, {sentence}" in err


@pytest.mark.slow
def test_trained_runs_are_compared(
    call: Call,
    train: Callable[..., Path],
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = train(tmp_path / "seed", "seed=8")
    short = train(tmp_path / "short", "training.epochs=1")
    capsys.readouterr()
    code, out, err = call("compare", trained, seed, short, "--out", tmp_path / "page")
    assert (code, err) == (0, "")
    score = np.mean([RunFolder(path).metrics().score.value for path in (trained, seed)])
    less = RunFolder(short).metrics().score.value - score
    assert f"{score:.4f}" in out
    assert f"{less:+.4f} [" in out
    assert "short, seed 7: training.epochs=1" in out
    assert "Of these three models, short" in out
    assert out.splitlines()[-1] == str(tmp_path / "page" / "compare.html")
    assert {path.name for path in (tmp_path / "page").iterdir()} == {"compare.html", "compare.csv"}


def test_too_few_people_of_a_class_leave_every_verdict_open(tmp_path: Path) -> None:
    table = photos()
    old_men = table.loc[(table["gender"] == 0) & (table["age_band"] == 2), "person"].unique()
    few = table[~table["person"].isin(old_men[3:])].reset_index(drop=True)
    kept = np.isin(table["person"], few["person"].unique())
    paths = []
    for name, share, changes in (("weak", 0.5, {}), ("strong", 1.0, other())):
        paths.append(write_run(tmp_path / name, guesses(share, 1)[kept], table=few, **changes))
    comparisons = compare(paths, resamples=100)
    assert only(comparisons).score.low > 0  # the interval is given all the same
    assert only(comparisons).verdict == "undecided"
    validated = few[few["fold"] >= 0]
    count = validated.loc[validated["label"] == 2, "person"].nunique()
    assert 0 < count < comparison.FEWEST
    assert any(f"wear male >=60 ({count})" in note for note in comparisons.notes)


def test_a_seed_with_another_tracker_is_of_the_same_recipe(tmp_path: Path) -> None:
    tracked = ({"name": "tensorboard"},)
    paths = [
        write_run(tmp_path / "a", guesses(0.7, 1)),
        write_run(tmp_path / "b", guesses(0.7, 2), seed=8, tracking=tracked),
    ]
    with pytest.raises(MaskgateError, match="runs of one recipe that differ only in their seed"):
        compare(paths)
    again = write_run(tmp_path / "c", guesses(0.7, 3), tracking=tracked)
    with pytest.raises(MaskgateError, match="has the recipe and the seed of"):
        compare([*paths, again])


def test_how_many_people_a_difference_needs(tmp_path: Path, call: Call) -> None:
    paths = [
        write_run(tmp_path / "a", guesses(0.7, 1)),
        write_run(tmp_path / "b", guesses(0.8, 2), **other()),
    ]
    code, out, _ = call("compare", *map(str, paths), "--power", "0.03")
    assert code == 0
    assert "b against a: about " in out
    assert "people are needed to show a true difference of 0.030 in 80% of studies" in out
    code, _, err = call("compare", *map(str, paths), "--power", "0")
    assert code == 2
    assert "--power" in err
