"""Folders of runs and the names of whoever they belong to."""

import re
from pathlib import Path

import pytest

from maskgate.errors import MaskgateError
from maskgate.runs import sources


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("kim/runs", "lee/runs", "old", "a=b", "other/old"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["kim/runs"], [""]),
        (["ours=kim/runs"], ["ours"]),
        (["kim/runs", "lee/runs"], ["kim", "lee"]),
        (["kim/runs", "L=lee/runs", "old"], ["kim", "L", "old"]),
        (["a=b", "old"], ["a=b", "old"]),  # there is a folder of that name
    ],
)
def test_names(words: list[str], names: list[str], homes: Path) -> None:
    assert [source.name for source in sources.read(words)] == names


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["gone"], "gone: contains no runs"),
        (["kim=gone"], "gone: contains no runs"),
        (["old", "./old"], "old: is given twice"),
        (["old", "other/old"], "both have the name old; give them others, such as kim=other/old"),
        (["=old"], "=old: write a folder as NAME=FOLDER"),
        (["k/m=old"], "k/m=old: write a folder as NAME=FOLDER"),
    ],
)
def test_what_is_refused(words: list[str], sentence: str, homes: Path) -> None:
    with pytest.raises(MaskgateError, match=re.escape(sentence)):
        sources.read(words)


def test_a_run_is_given_alone_or_with_its_folder(trained: Path) -> None:
    (alone,) = sources.read([str(trained)])
    (folder,) = sources.read([str(trained.parent)])
    assert alone.runs == [trained]
    assert trained in folder.runs
    assert folder.title(trained) == trained.name


def test_a_run_given_as_the_current_folder_has_the_name_of_that_folder(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)
    (alone,) = sources.read(["."])
    assert [alone.title(run) for run in alone.runs] == [trained.name]
    (of_kim,) = sources.read([f"kim={trained / 'fold-0' / '..'}"])
    assert [of_kim.title(run) for run in of_kim.runs] == [f"kim/{trained.name}"]
