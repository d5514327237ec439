import html
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from maskgate import labels
from maskgate.data import checks
from maskgate.pipeline import inspection
from maskgate.pipeline.inspection import Inspection
from maskgate.reports import inspect
from maskgate.synthetic.people import sample_people


@pytest.fixture(scope="module")
def inspected(people: Path, cache: Path) -> Inspection:
    return inspection.inspect(people, cache)


def numbers(page: str) -> str:
    """The page's text without tags, blanks run together."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page.replace("<wbr>", ""))))


def test_the_page_counts_what_is_there(inspected: Inspection, tmp_path: Path) -> None:
    page, _ = inspect.write(inspected, tmp_path, pictures=True)
    text = numbers(page.read_text())
    table = inspected.photos.table
    for label, name in enumerate(labels.CLASSES):
        rows = table[table["label"] == label]
        people = len({*rows["person"]})
        assert f" {label} {name.replace('_', ' ')} {len(rows)} {people} " in text
    for gender, name in enumerate(labels.GENDERS):
        of_gender = table[table["gender"] == gender].drop_duplicates("person")
        counts = [(of_gender["age_band"] == band).sum() for band in range(3)]
        assert f" {name} {' '.join(map(str, counts))} {sum(counts)} " in text
    assert f" 48 × 64 {len(table)} 100.0%" in text


def test_the_page_shows_every_problem_and_pair(inspected: Inspection, tmp_path: Path) -> None:
    page, listing = inspect.write(inspected, tmp_path, pictures=True)
    text = numbers(page.read_text())
    assert inspected.problems, "the sample people have twins and hidden files"
    for problem in inspected.problems:
        assert problem.where in text
        assert checks.KINDS[problem.kind] in text
    written = pd.read_csv(listing)
    assert written["where"].tolist() == [problem.where for problem in inspected.problems]
    assert written["kind"].tolist() == [problem.kind for problem in inspected.problems]
    pairs = {
        frozenset(name.split("/")[0] for name in pair) for pair in inspected.near_duplicates.pairs
    }
    assert len(pairs) == 2
    pairs_on_page = {frozenset(pair) for pair in re.findall(r"(\S+_\d+) = (\S+_\d+)", text)}
    assert pairs <= pairs_on_page


def test_the_page_is_whole_in_itself(inspected: Inspection, tmp_path: Path) -> None:
    page = inspect.write(inspected, tmp_path, pictures=True)[0].read_text()
    assert not re.search(r'(src|href)="?(http|//|file)', page)
    assert re.findall(r'href="([^"]*)"', page) == ["problems.csv"]
    assert page.count("<img") > 50
    assert 'name="viewport"' in page


def test_without_photos_the_page_shows_none(inspected: Inspection, tmp_path: Path) -> None:
    page = inspect.write(inspected, tmp_path, pictures=False)[0].read_text()
    assert "<img" not in page
    assert "data:image" not in page


def test_the_same_data_gives_the_same_page(inspected: Inspection, tmp_path: Path) -> None:
    first, second = (
        inspect.write(inspected, tmp_path / name, pictures=True)[0].read_bytes() for name in "ab"
    )
    assert first == second


def test_partial_labels_have_sheets_of_what_is_known(
    people: Path, cache: Path, tmp_path: Path
) -> None:
    photos = sorted((people / "train" / "images").rglob("mask1.jpg"))[:6]
    csv = tmp_path / "photos.csv"
    (tmp_path / "people").symlink_to(people)
    names = [f"people/{path.relative_to(people)}" for path in photos]
    rows = [f"{name},{word}" for name, word in zip(names, ["male", "female", ""] * 2, strict=True)]
    csv.write_text("\n".join(["photo,gender", *rows, ""]))
    inspected = inspection.inspect(csv, cache)
    page = numbers(inspect.write(inspected, tmp_path / "out", pictures=True)[0].read_text())
    assert "The 18 classes" not in page
    assert "male 2 photos" in page
    assert "unlabelled 2 photos" in page
    assert " unknown 2 2 33.3%" in page


def test_data_without_a_readable_photo_has_a_page(cache: Path, tmp_path: Path) -> None:
    sample_people.make(
        tmp_path / "p", 12, 1, (64, 48), irregular_files=False, label_errors=0, twins=0
    )
    for path in (tmp_path / "p" / "train" / "images").rglob("*.jpg"):
        path.write_bytes(b"")
    inspected = inspection.inspect(tmp_path / "p", cache)
    page = numbers(inspect.write(inspected, tmp_path / "out", pictures=True)[0].read_text())
    assert "84 unreadable photo" in page
    assert "The first 50 of 84" in page


def test_an_earlier_page_is_kept(
    people: Path,
    cache: Path,
    call: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ("inspect", people, "--cache", cache)
    for name in ("inspect", "inspect-2"):
        code, out, _ = call(*command)
        assert (code, out.splitlines()[-1]) == (0, str(Path(name, "inspect.html")))
    code, _, err = call(*command, "--out", "inspect")
    assert code == 2
    assert err == (
        f"maskgate: {Path('inspect', 'inspect.html')}: exists already; name another --out, or"
        " remove it\n"
    )
