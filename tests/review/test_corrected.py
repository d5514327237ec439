"""The page of what corrections change."""

from pathlib import Path

import pytest

from maskgate.review import corrected
from maskgate.review.people import People
from tests.conftest import Call

HEADER = "person,field,value,tier,reason,author"


def test_each_correction_is_shown_before_and_after(
    tmp_path: Path, everybody: People, people: Path
) -> None:
    woman, man, other = (
        next(name for name in reversed(everybody.rows_by_name) if part in name)
        for part in ("_female_", "_male_", "Asian")
    )
    rows = [
        f"{man},gender,female,sure,<b>hair</b>,Kim",
        f"{man}/normal.jpg,mask,incorrect,likely,,",
        f"{woman},age,64,doubtful,,",
        f"{other},drop,yes,sure,,",
        "nobody,gender,male,sure,,",
    ]
    (tmp_path / "c.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    corrected.write(tmp_path / "c.html", tmp_path / "c.csv", None, people)
    text = (tmp_path / "c.html").read_text("utf-8")
    assert "gender: <s>male</s> → <b>female</b>" in text
    assert "mask: <s>not wear</s> → <b>incorrect</b>" in text
    assert "→ <b>64</b>" in text
    assert "not trained on: <s>" in text
    assert "&lt;b&gt;hair&lt;/b&gt;" in text
    assert "sure, Kim" in text
    assert "1 correction of nobody in this data: nobody (row 6)" in text
    assert text.count("data:image/jpeg") == 4
    assert "http" not in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--page", "p.html", "--out", "c.csv"), "--page shows photos; give --data, or the run"),
        (("--page", "p.html", "--out", "gone.csv"), "gone.csv: cannot be read"),
    ],
)
def test_a_page_needs_corrections_and_photos(
    words: tuple[str, ...],
    message: str,
    tmp_path: Path,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.csv").write_text(HEADER + "\n")
    code, _, err = call("review", *words)
    assert code == 2
    assert message in err
    assert not Path("p.html").exists()


def test_the_command_writes_the_page(tmp_path: Path, call: Call, people: Path) -> None:
    (tmp_path / "c.csv").write_text(HEADER + "\n")
    page = tmp_path / "p.html"
    code, out, _ = call("review", "--page", page, "--out", tmp_path / "c.csv", "--data", people)
    assert (code, out.strip()) == (0, str(page))
    assert "There are none." in page.read_text("utf-8")
