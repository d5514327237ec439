"""The ranked table, its reasons, and the command line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.errors import MaskgateError
from maskgate.label_errors import suspects, swaps
from maskgate.label_errors.evidence import Evidence
from maskgate.runs import RunFolder
from tests.label_errors.drawn_evidence import drawn, relabelled, rows_of

pytest.importorskip("cleanlab", reason="cleanlab is not installed")
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def ranked() -> pd.DataFrame:
    """The suspects of drawn people with a wrong gender (003), a wrong age (050), swapped photos
    (120), and a wrong mask (mask1 of 200)."""
    table, run = drawn()
    masks = run.probabilities["mask"].copy()
    pair = swaps.pairs_of(table)[120]
    masks[pair] = masks[pair[::-1]]
    worn = int(np.flatnonzero(table["photo"] == "200/mask1.jpg")[0])
    masks[worn] = masks[worn, ::-1]
    gender = np.where(rows_of(table, [3]), 1 - table["gender"], table["gender"])
    true = table["age"].to_numpy()
    age = np.where(rows_of(table, [50]), np.where(true < 50, true + 35, true - 35), true)
    sources = [Evidence("the run", {**run.probabilities, "mask": masks}, run.ages)]
    result = suspects.find(relabelled(table, gender=gender, age=age), sources, [("003", "004")])
    assert [each.what for each in result.summaries] == [
        "gender", "age band", "swapped photos", "mask",
    ]  # fmt: skip
    return result.table


def row(ranked: pd.DataFrame, person: str) -> pd.Series:
    return ranked[ranked["person"] == person].iloc[0]


def test_the_planted_errors_come_first_with_a_reason(ranked: pd.DataFrame) -> None:
    assert tuple(ranked.columns) == suspects.COLUMNS
    assert ranked["probability"].is_monotonic_decreasing
    assert ranked["probability"].between(suspects.LEAST, 1).all()
    assert set(ranked.head(6)["person"]) >= {"003", "050", "120"}
    gender = row(ranked, "003")
    assert (gender["attribute"], gender["photo"]) == ("gender", "")
    assert {gender["label"], gender["predicted_label"]} == set(labels.GENDERS)
    assert f"the run says {gender['predicted_label']} in 7 of 7 photos" in gender["reason"]
    age = row(ranked, "050")
    assert age["attribute"] == "age_band"
    assert "looks " in age["reason"]
    swap = row(ranked, "120")
    assert (swap["label"], swap["predicted_label"]) == suspects.SWAP_LABELS
    assert swap["reason"].endswith("the run says not wear and incorrect")


def test_a_swap_is_not_listed_again_photo_by_photo(ranked: pd.DataFrame) -> None:
    assert len(ranked[(ranked["person"] == "120") & (ranked["attribute"] == "mask")]) == 1
    alone = row(ranked, "200")
    assert (alone["photo"], alone["label"]) == ("200/mask1.jpg", "wear")
    assert alone["predicted_label"] == "not_wear"


def test_words_of_cleanlab_mean_what_they_mean_there(ranked: pd.DataFrame) -> None:
    wrong = ranked[ranked["label"] != ranked["predicted_label"]]
    assert (wrong["self_confidence"] <= 0.5).all()
    assert (wrong["label_quality"] <= 0.5).all()
    genders = ranked[ranked["attribute"] == "gender"]
    assert genders["label_quality"].to_numpy() == pytest.approx(genders["self_confidence"])


def test_without_enough_labels_there_is_one_sentence() -> None:
    table, run = drawn(people=10)
    with pytest.raises(MaskgateError, match="no attribute has labels of 20 people"):
        suspects.find(table, [run])


# ------------------------------------------------------------------------ command line


@pytest.fixture(scope="module")
def run(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run, as the command writes into its folder."""
    return shutil.copytree(trained, tmp_path_factory.mktemp("runs") / "run")


def test_the_command_writes_a_table_and_a_page(call: Call, run: Path) -> None:
    code, out, err = call("suspects", run)
    assert code == 0, err
    assert out.splitlines()[-2:] == [str(run / "suspects.csv"), str(run / "suspects.html")]
    table = pd.read_csv(run / "suspects.csv")
    assert tuple(table.columns) == suspects.COLUMNS
    assert len(table)
    page = (run / "suspects.html").read_text(encoding="utf-8")
    assert page.count('<article class="suspect') == min(len(table), 100)
    assert "data:image/jpeg;base64" in page
    assert "only-gender" in page
    assert "<script" not in page
    assert call("report", run)[0] == 0, "the run is as it was"


def test_without_photos_the_page_shows_none(call: Call, run: Path, tmp_path: Path) -> None:
    code, _, err = call("suspects", run, "--no-photos", "--out", tmp_path / "new" / "out")
    assert code == 0, err
    page = (tmp_path / "new" / "out" / "suspects.html").read_text(encoding="utf-8")
    assert "data:image" not in page
    assert "Photos were turned off" in page


def test_moved_photos_are_missed_in_one_sentence_and_shown_from_their_new_place(
    call: Call, run: Path, people: Path, tmp_path: Path
) -> None:
    moved_run = Path(shutil.copytree(run, tmp_path / "run"))
    RunFolder(moved_run).update_status(root=str(tmp_path / "old"))
    pictures = []
    for words in ((), ("--data", people)):
        code, _, err = call("suspects", moved_run, *words)
        assert code == 0, err
        sentence = f"photos are not on the page, because {tmp_path / 'old'} does not have them"
        assert (sentence in err) == (not words)
        pictures.append("data:image/jpeg" in (moved_run / "suspects.html").read_text("utf-8"))
    assert pictures == [False, True]


def test_opinions_of_a_table_and_a_model_join_and_are_kept(
    call: Call, run: Path, bundle: Path, tmp_path: Path
) -> None:
    people = pd.read_parquet(run / "photos.parquet")["person"].unique()
    opinion = tmp_path / "service.csv"
    pd.DataFrame({"person": people, "gender": "male"}).to_csv(opinion, index=False)
    words = ("suspects", run, "--opinion", opinion, "--opinion", bundle, "--out", tmp_path)
    folder = tmp_path / "cache"
    first, again = (call(*words, "--cache", folder) for _ in range(2))
    assert first[0] == again[0] == 0, first[2]
    (kept,) = folder.glob("opinion-*.npz")
    kept.write_bytes(b"damaged")
    assert call(*words, "--cache", folder)[0] == 0
    assert len(kept.read_bytes()) > 100
    assert pd.read_csv(tmp_path / "suspects.csv")["reason"].str.contains("service.csv says").any()


def test_a_run_that_saw_the_people_is_no_opinion(call: Call, run: Path, trained: Path) -> None:
    code, _, err = call("suspects", run, "--opinion", trained)
    assert code == 2
    assert "so it repeats their labels; give a model that never saw them" in err
    assert err.count("\n") == 1
