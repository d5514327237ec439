"""The list of FairFace's people who are held out is what its rule says, and splits the table."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def fairface_people() -> ModuleType:
    path = BENCHMARKS / "fairface_people.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def fairface(fairface_people: ModuleType, tmp_path: Path) -> Path:
    """A FairFace without photos: everybody who is held out, and five others."""
    others = [f"images/{number:05d}.webp" for number in (0, 2, 4, 5, 7)]
    names = sorted([*fairface_people.held_out(), *others])
    rows = [f"{name},20-29,male,East Asian\n" for name in names]
    folder = tmp_path / "fairface"
    (folder / "images").mkdir(parents=True)
    (folder / "faces.csv").write_text("photo,age_group,gender,race\n" + "".join(rows))
    return folder


def test_the_list_is_what_the_rule_says(fairface_people: ModuleType) -> None:
    lines = (BENCHMARKS / "fairface-held-out.txt").read_text("utf-8").splitlines()
    assert lines == sorted(set(lines))
    # FairFace's copy has 24,853 of the numbers below 29,353; about as many of a tenth of them.
    by_rule = {
        name
        for name in (f"images/{number:05d}.webp" for number in range(29_353))
        if int.from_bytes(hashlib.sha256(name.encode()).digest()) % 10 == 0
    }
    assert set(lines) <= by_rule
    assert len(lines) == 2479
    assert len(lines) / len(by_rule) == pytest.approx(24_853 / 29_353, abs=0.02)


def test_a_table_is_split_by_the_list(
    fairface_people: ModuleType, fairface: Path, tmp_path: Path
) -> None:
    counts = fairface_people.split(fairface, tmp_path / "out")
    assert counts == {"train": 5, "held-out": 2479}
    train, held_out = (
        (tmp_path / "out" / name / "faces.csv").read_text().splitlines() for name in counts
    )
    assert train[0] == held_out[0] == "photo,age_group,gender,race"
    assert train[1] == "images/00000.webp,20-29,male,East Asian"
    names = {line.partition(",")[0] for line in held_out[1:]}
    assert names == fairface_people.held_out()
    for name in counts:
        assert (tmp_path / "out" / name / "images").samefile(fairface / "images")


def test_another_fairface_and_another_folder_are_refused(
    fairface_people: ModuleType,
    fairface: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def sentence(*words: Path) -> str:
        monkeypatch.setattr(sys, "argv", ["fairface_people.py", *map(str, words)])
        with pytest.raises(SystemExit) as error:
            fairface_people.main()
        assert error.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]

    table, out = fairface / "faces.csv", tmp_path / "out"
    assert "faces.csv: cannot be read" in sentence(tmp_path, out)
    text = table.read_text()
    first = sorted(fairface_people.held_out())[0]
    table.write_text(text.replace(f"{first},20-29,male,East Asian\n", ""))
    assert f"1 people differ from fairface-held-out.txt ({first})" in sentence(fairface, out)
    table.write_text("name,race\na,b\n")
    assert "lacks the column 'photo'" in sentence(fairface, out)
    assert not out.exists()
    table.write_text(text)
    out.mkdir()
    assert "exists already" in sentence(fairface, out)
