"""The version of a run's JSON files: older ones load, newer ones are refused, and what this version
does not know is kept."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from maskgate.errors import MaskgateError
from maskgate.runs.records import stored
from maskgate.runs.records.fold import FoldResult
from maskgate.runs.records.learned import Learned
from maskgate.runs.records.results import Results
from maskgate.runs.records.run_files import RunFiles
from maskgate.runs.records.status import Status

STATUS: Final = {"recipe": "r", "digest": "1a2b3c4d"}
FOLD: Final = {"seconds": 0.5, "photos": 2, "epochs": 1, "mixed": {}, "drawn": [0] * 18}
FILES: Final[dict[str, tuple[type[stored.File], dict[str, Any]]]] = {
    "run.json": (Status, STATUS),
    "metrics.json": (Results, {"validated": False}),
    "fold.json": (FoldResult, FOLD),
    "combination.json": (Learned, {"weights": {"mask": [0.5, 0.5]}}),
}


@pytest.mark.parametrize("name", FILES)
def test_the_version_is_the_first_key(name: str, tmp_path: Path) -> None:
    model, values = FILES[name]
    path = tmp_path / name
    stored.write(path, model, values)
    written = json.loads(path.read_text())
    assert list(written)[: len(values) + 1] == ["version", *values]
    assert written["version"] == model.version == 1
    assert (stored.SEAL in written) == (name == "run.json")
    assert (
        stored.parse(path.read_bytes(), model, path).model_dump(
            exclude_unset=True, exclude={stored.SEAL}
        )
        == values
    )


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_a_version_is_read_the_same(name: str, tmp_path: Path) -> None:
    model, values = FILES[name]
    stored.write(tmp_path / name, model, values)
    new = stored.parse((tmp_path / name).read_bytes(), model, tmp_path)
    old = stored.parse(json.dumps(values).encode(), model, tmp_path)
    assert old.model_copy(update={stored.SEAL: None}) == new.model_copy(update={stored.SEAL: None})


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_a_newer_version_is_refused(name: str, tmp_path: Path) -> None:
    """Whatever else it holds: its form may be another one."""
    model, _ = FILES[name]
    content = json.dumps({"version": model.version + 1, "validated": "a new word"}).encode()
    with pytest.raises(MaskgateError) as refused:
        stored.parse(content, model, tmp_path / name)
    assert str(refused.value) == (
        f"{tmp_path / name}: made by a newer maskgate (version 2 of the file; this one reads up to"
        " 1); update maskgate"
    )


@pytest.mark.parametrize("version", ["1", 1.0, -1, True, None, [1]])
def test_a_version_that_is_none_is_damage(version: Any, tmp_path: Path) -> None:
    content = json.dumps({"version": version, "validated": False}).encode()
    with pytest.raises(MaskgateError, match=r"damaged \(its version is no whole number\)"):
        stored.parse(content, Results, tmp_path / "metrics.json")


def test_a_changed_version_breaks_the_seal(tmp_path: Path) -> None:
    """So that a flipped bit is told as damage, and not as a newer version."""
    files = RunFiles(tmp_path)
    files.update_status(**STATUS)
    text = files.status_file.read_text()
    files.status_file.write_text(text.replace('"version": 1', '"version": 9'))
    with pytest.raises(MaskgateError, match="it has changed since it was written"):
        files.status()


def test_keys_that_are_not_known_stay(tmp_path: Path) -> None:
    """Those of another version, at the top and within, through the rewriting of an older file."""
    files = RunFiles(tmp_path)
    versions = {"maskgate": "0.1.0", "torch": "2", "timm": "1"}
    older = {"note": "mine", **STATUS, "versions": versions}
    files.status_file.write_text(json.dumps(older))
    files.update_status(photos=7)
    written = json.loads(files.status_file.read_text())
    assert list(written) == ["version", "note", "recipe", "digest", "versions", "photos", "sha256"]
    assert {key: written[key] for key in older} == older
    assert files.status().photos == 7


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("photos", -1, "photos: "),
        ("recipe", "\ud800", "not JSON: .*surrogates"),
        ("twins", [("a",)], r"twins\.0: "),
        ("seconds", float("nan"), "seconds: "),
    ],
)
def test_what_could_not_be_read_is_not_written(
    name: str, value: Any, reason: str, tmp_path: Path
) -> None:
    files = RunFiles(tmp_path)
    files.update_status(**STATUS)
    before = files.status_file.read_bytes()
    with pytest.raises(MaskgateError, match=rf"run\.json: not written: .*\({reason}") as refused:
        files.update_status(**{name: value})
    assert "\n" not in str(refused.value)
    assert files.status_file.read_bytes() == before


def test_a_status_is_not_parsed_again_and_never_stale(tmp_path: Path) -> None:
    files = RunFiles(tmp_path)
    files.update_status(**STATUS)
    first = files.status()
    assert files.status() is first
    files.update_status(photos=1)
    assert (first.photos, files.status().photos) == (0, 1)
    files.status_file.unlink()
    with pytest.raises(MaskgateError, match=r"run\.json: missing or damaged"):
        files.status()
