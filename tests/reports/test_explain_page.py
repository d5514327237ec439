"""The page of an explanation, by the command that a user types."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskgate.explain import explaining
from maskgate.explain.embedding_map import EmbeddingMap
from maskgate.explain.explaining import Card
from maskgate.reports import explain as explain_page
from maskgate.reports import explain_pictures, pages
from maskgate.runs import RunFolder, open_run
from tests.conftest import Call

CARD = Card(
    "gender",
    photo="p/1.jpg",
    picture=np.full((40, 30, 3), 90, np.uint8),
    heat=np.eye(40, 30, dtype=np.float32),
    box=np.array([5.0, 6.0, 25.0, 30.0]),
    predicted=1,
    probability=0.8,
    truth=0,
)


@pytest.mark.slow
def test_the_command_explains_validated_photos(call: Call, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "page"
    words = ("--method", "occlusion", "--sample", 20, "--with", trained, "--detector", "mtcnn")
    code, stdout, err = call("explain", trained, "--out", out, *words)
    assert code == 0, err
    *sentences, page = stdout.splitlines()
    assert page == str(out / "explain.html")
    assert all(" the score " in each or "undecided" in each for each in sentences)
    html = (out / "explain.html").read_text()
    assert "This page contains photos of people" in html and "data:image/jpeg" in html
    assert "all 2 models predict" in html and "occlusion" in html
    assert {path.name for path in out.iterdir()} == {
        "explain.html", "heat.csv", "changes.csv", "hard_people.csv"
    }  # fmt: skip
    hard = pd.read_csv(out / "hard_people.csv")
    assert (hard["wrong"] * 2 >= hard["photos"]).all()
    assert all(person in html.replace("<wbr>", "") for person in hard["person"])


@pytest.mark.slow
def test_the_command_explains_photos(
    call: Call, trained: Path, people: Path, tmp_path: Path
) -> None:
    photos = sorted((people / "eval" / "images").iterdir())[:2]
    words = ("--method", "occlusion", "--detector", "mtcnn", "--fold", 1)
    code, stdout, err = call("explain", trained, *photos, "--out", tmp_path / "e", *words)
    assert (code, stdout) == (0, f"{tmp_path / 'e' / 'explain.html'}\n"), err
    html = (tmp_path / "e" / "explain.html").read_text()
    assert "2 photos, explained by the network of fold 1" in html
    assert "Map of the photos" not in html
    table = pd.read_csv(tmp_path / "e" / "heat.csv")
    assert table["photo"].tolist() == list(map(str, photos)) * 3
    assert set(table["attribute"]) == {"mask", "gender", "age_band"}
    code, _, _ = call("explain", trained, *photos, "--out", tmp_path / "n", *words, "--no-photos")
    html = (tmp_path / "n" / "explain.html").read_text()
    assert code == 0 and "data:image" not in html and "Photos were turned off" in html


def test_what_cannot_be_explained_is_refused(
    call: Call,
    trained: Path,
    people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photo = sorted((people / "eval" / "images").iterdir())[0]
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "manifest.json").write_text("{}")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    together = Path(__file__).parents[1] / "golden" / "together"
    out = tmp_path / "out"
    occlusion = ("--method", "occlusion")
    monkeypatch.setattr("maskgate.cli.explain._MOST", 1)
    for words, sentence in [
        ((bundle, *occlusion), f"{bundle}: a bundle, not a run"),
        ((together, *occlusion), "the run of a system, not of a single model; give the run of one"),
        ((trained, "--fold", 4, *occlusion), "has no fold 4; it has 0"),
        ((trained, photo, "--with", trained), "--with compares validated photos; leave out PHOTOS"),
        ((trained, broken, *occlusion), f"1 of 1 photos cannot be read: {broken} (not an image"),
        ((trained, photo, photo, *occlusion), "2 photos are too many to look at; give at most 1"),
    ]:
        code, _, err = call("explain", *words, "--out", out)
        assert code == 2 and sentence in err.splitlines()[-1], err
    monkeypatch.setattr("maskgate.core.extras.find_spec", lambda name: None)
    code, _, err = call("explain", trained, "--out", out)
    assert code == 2 and 'pip install "maskgate[explain]"' in err
    assert not out.exists()


def test_a_run_without_validation_needs_photos(
    call: Call,
    train: "Callable[..., Path]",
    people: Path,
    tmp_path: Path,
) -> None:
    run = train(tmp_path / "all", "folds.kind=all", "training.epochs=1")
    out = tmp_path / "out"
    code, _, err = call("explain", run, "--out", out, "--method", "occlusion")
    assert code == 2 and "was trained on all photos" in err and not out.exists()
    photo = sorted((people / "eval" / "images").iterdir())[0]
    assert call("explain", run, photo, "--out", out, "--method", "occlusion")[0] == 0


def test_heat_is_drawn_on_the_photo() -> None:
    overlay = np.asarray(explain_pictures.overlay(CARD))
    assert overlay.shape == (224, 168, 3)
    hot, cold = overlay[60, 60].astype(int), overlay[200, 20].astype(int)
    assert hot[0] - hot[2] > 60  # red
    assert cold[0] == cold[1] == cold[2]
    plain = np.asarray(explain_pictures.photo(CARD))
    assert (plain == 255).all(2).sum() > 600  # the box of the face
    without = replace(CARD, box=np.full(4, np.nan))
    assert not (np.asarray(explain_pictures.photo(without)) == 255).any()


def test_photos_are_dots_and_failures_have_rings() -> None:
    table = pd.DataFrame({"gender": [0, 1, -1], "photo": ["a", "b", "c"]})
    photos = EmbeddingMap(0, table, np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0]]))
    picture = explain_pictures.scatter(photos, "gender", [False, True, False])
    assert picture.count("<circle") == 4 and picture.count('class="hard"') == 1
    assert "#6b7280" in picture and "female" in picture


def test_a_failed_page_leaves_no_folder(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    explanation = explaining.Explanation(
        open_run(trained),
        explaining.Options(cache),
        "",
        folds=[0],
        attributes=("gender",),
        photos=1,
        people=1,
        without_face=0,
        cards=[CARD],
    )

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk")

    monkeypatch.setattr(pages, "write", fail)
    with pytest.raises(OSError, match="disk"):
        explain_page.write(explanation, tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_photos_that_were_moved_are_read_from_their_new_place(
    call: Call, trained: Path, people: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    RunFolder(run).update_status(root=str(tmp_path / "old"))
    words = ("explain", run, "--sample", 20, "--method", "occlusion", "--detector", "mtcnn")
    code, _, err = call(*words, "--out", tmp_path / "without")
    assert code == 2 and str(tmp_path / "old") in err
    code, _, err = call(*words, "--out", tmp_path / "with", "--data", people)
    assert code == 0, err
    photo = next((people / "eval" / "images").iterdir())
    code, _, err = call("explain", run, photo, "--out", tmp_path / "no", "--data", people)
    assert code == 2 and "leave out PHOTOS, or --data" in err
