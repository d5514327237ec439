"""Files of a run from elsewhere, whatever they hold: one sentence, and never a traceback.

The runs here have no list of their files, so that it is what a file holds that is looked at.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest

from maskgate import runs
from maskgate.cluster.bulk import parts
from maskgate.errors import MaskgateError
from maskgate.evaluation import groups
from maskgate.inference import loading
from maskgate.reports import listing
from maskgate.reports import run as run_report
from maskgate.runs import RunFolder, tables
from maskgate.runs.records import fold, stored
from maskgate.runs.records.results import Results
from maskgate.runs.records.status import Status
from maskgate.studies import study
from maskgate.training import checkpoint
from maskgate.training.options import TrainOptions
from tests.runs.older import unlisted

Call = Callable[..., tuple[int, str, str]]

JUNK: Final[dict[str, bytes]] = {
    "null": b"null",
    "a list": b"[]",
    "nothing in it": b"{}",
    "a string": b'"text"',
    "a number": b"7",
    "nested": b"[" * 100_000 + b"]" * 100_000,
    "nested keys": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a number of 5,000 digits": b'{"seconds": ' + b"9" * 5000 + b"}",
    "empty": b"",
    "binary": bytes(range(256)),
    "not UTF-8": b'{"recipe": "\xff"}',
    "UTF-16": '{"recipe": "x"}'.encode("utf-16"),
    "half a character": b'{"recipe": "\\ud800"}',
}


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> RunFolder:
    """A finished run without a list of its files."""
    return unlisted(RunFolder(Path(shutil.copytree(trained, tmp_path / "run"))))


def show(run: RunFolder) -> None:
    listing.show(run.path.parent)


def report(run: RunFolder) -> None:
    run_report.write(runs.open_run(run.path), photos=False)


def compare(run: RunFolder) -> None:
    groups._read(groups._runs([run.path])[0])


def load(run: RunFolder) -> None:
    loading.load(run.path)


def refuses(work: Callable[[RunFolder], object], run: RunFolder, path: Path) -> None:
    with pytest.raises(MaskgateError) as error:
        work(run)
    text = str(error.value)
    assert text.startswith(str(path))
    assert "missing or damaged (" in text
    assert len(text) < len(str(path)) + 330
    text.encode("utf-8")


def stays(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """The list of runs shows it as damaged."""
    show(run)
    assert "damaged" in capsys.readouterr().out


# ------------------------------------------------------------------------------------ JSON


@pytest.mark.parametrize("content", JUNK.values(), ids=JUNK)
@pytest.mark.parametrize("name", ["run.json", "metrics.json"])
def test_json_of_another_kind(
    name: str, content: bytes, run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    (run.path / name).write_bytes(content)
    for work in (report, compare, *([load] if name == "run.json" else [])):
        refuses(work, run, run.path / name)
    stays(run, capsys)


@pytest.mark.parametrize("name", ["run.json", "metrics.json"])
def test_a_folder_in_place_of_a_file(
    name: str, run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    (run.path / name).unlink()
    (run.path / name).mkdir()
    for work in (report, compare, load):
        refuses(work, run, run.path / name)
    stays(run, capsys)


@pytest.mark.parametrize("content", [*JUNK.values(), None], ids=[*JUNK, "a folder"])
def test_a_folds_result_of_another_kind(content: bytes | None, run: RunFolder) -> None:
    path = run.fold_file(0)
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    refuses(RunFolder.fold_seconds, run, path)
    # Of an unfinished run, that fold alone is trained again.
    run.update_status(finished=None)
    with pytest.raises(MaskgateError, match=r"remove .*fold-0 and repeat the command"):
        run.fold_seconds()


def _changed(path: Path, keys: tuple[str | int, ...], value: Any) -> None:
    record = json.loads(path.read_text())
    place = record
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(record))


INSIDE: Final[list[tuple[str, tuple[str | int, ...], Any]]] = [
    ("run.json", ("members",), 3),
    ("run.json", ("seconds",), "x"),
    ("run.json", ("seconds",), None),
    ("run.json", ("seconds",), float("inf")),
    ("run.json", ("seconds",), float("nan")),
    ("run.json", ("photos",), 10**400),
    ("run.json", ("photos",), -1),
    ("run.json", ("photos",), True),
    ("run.json", ("finished",), "no"),
    ("run.json", ("finished",), True),
    ("run.json", ("recipe",), ["tiny"]),
    ("run.json", ("root",), "a\0b"),
    ("run.json", ("warnings",), "one"),
    ("run.json", ("versions",), {}),
    ("run.json", ("twins",), [["a"]]),
    ("run.json", ("did",), {}),
    ("run.json", ("did", "there"), [1.0]),
    ("run.json", ("did", "pseudo"), {}),
    ("run.json", ("files",), {"../secret": {"sha256": "0" * 64, "bytes": 1}}),
    ("metrics.json", ("validated",), "yes"),
    ("metrics.json", ("score",), 0.5),
    ("metrics.json", ("score", "low"), "x"),
    ("metrics.json", ("score", "value"), float("nan")),
    ("metrics.json", ("attributes",), {"hat": {}}),
    ("metrics.json", ("attributes", "mask", "classes"), []),
    ("metrics.json", ("confusion", "value"), [[1.0]]),
    ("metrics.json", ("confusion", "share", "low", 3), [1.0]),
    ("metrics.json", ("classes", 2, "f1"), None),
    ("metrics.json", ("macro_f1",), None),
    ("metrics.json", ("knows",), ["hat"]),
    ("metrics.json", ("without_tta",), None),
    ("metrics.json", ("faces",), {"found": {"photos": 1, "people": 1}}),
]


@pytest.mark.parametrize(("name", "keys", "value"), INSIDE)
def test_wrong_types_within(
    name: str,
    keys: tuple[str | int, ...],
    value: Any,
    run: RunFolder,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _changed(run.path / name, keys, value)
    for work in (report, compare):
        refuses(work, run, run.path / name)
    stays(run, capsys)


@pytest.mark.slow
def test_a_key_that_a_finished_run_needs(run: RunFolder) -> None:
    content = run.status_file.read_text()
    for key in json.loads(content):
        record = json.loads(content)
        del record[key]
        run.status_file.write_text(json.dumps(record))
        try:
            report(run)
            show(run)
        except MaskgateError as error:
            assert "run.json: missing or damaged" in str(error) or key == "finished"
    run.status_file.write_text(content)
    content = run.metrics_file.read_text()
    for key in json.loads(content):
        record = json.loads(content)
        del record[key]
        run.metrics_file.write_text(json.dumps(record))
        try:
            report(run)
            compare(run)
        except MaskgateError as error:
            assert "metrics.json: missing or damaged" in str(error)


def test_what_is_written_is_read_back(trained: Path, joint: Path, tmp_path: Path) -> None:
    for path in (trained, joint):
        Status.model_validate(json.loads((path / "run.json").read_text()))
        Results.model_validate(json.loads((path / "metrics.json").read_text()))
    result = fold.FoldResult(seconds=0.5, photos=2, epochs=1, mixed={"plain": 1}, drawn=[0] * 18)
    fold.write(tmp_path / "fold.json", result)
    assert (tmp_path / "fold.json").read_text() == (
        '{"version": 1, "seconds": 0.5, "photos": 2, "epochs": 1, "mixed": {"plain": 1}, "drawn": ['
        + ", ".join(["0"] * 18)
        + "]}\n"
    )
    assert fold.parse((tmp_path / "fold.json").read_bytes(), tmp_path) == result
    stored.write(tmp_path / "a.json", stored.File, {"a": [1]})
    assert (tmp_path / "a.json").read_text() == ('{\n  "version": 1,\n  "a": [\n    1\n  ]\n}\n')


LEARNED: Final[list[tuple[tuple[str | int, ...], Any]]] = [
    (("weights",), 3),
    (("weights", "mask"), [1.0]),
    (("weights", "mask"), [0.0, 0.0]),
    (("weights", "mask"), ["x", "y"]),
    (("weights", "gender"), [0.5, 0.25, 0.25]),
    (("near_tie", "best"), [0]),
    (("near_tie", "best"), [0, 7]),
    (("offsets", "offsets"), [0.0]),
    (("offsets",), []),
    (("weights",), {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("keys", "value"), LEARNED)
def test_what_a_system_has_learned(
    keys: tuple[str | int, ...], value: Any, joint: Path, tmp_path: Path
) -> None:
    run = unlisted(RunFolder(Path(shutil.copytree(joint, tmp_path / "runs" / "joint"))))
    _changed(run.combination_file, keys, value)
    for work in (load, report):
        refuses(work, run, run.combination_file)


@pytest.mark.parametrize("content", JUNK.values(), ids=JUNK)
def test_a_combination_of_another_kind(content: bytes, joint: Path, tmp_path: Path) -> None:
    run = unlisted(RunFolder(Path(shutil.copytree(joint, tmp_path / "runs" / "joint"))))
    run.combination_file.write_bytes(content)
    for work in (load, report):
        refuses(work, run, run.combination_file)


@pytest.mark.parametrize("keys", [("members",), ("members", "one"), ("combine",), ("steps", 0)])
def test_results_of_a_system(keys: tuple[str | int, ...], joint: Path, tmp_path: Path) -> None:
    run = unlisted(RunFolder(Path(shutil.copytree(joint, tmp_path / "runs" / "joint"))))
    values: tuple[Any, ...] = (None, {}, [], "x", 3)
    for value in values:
        content = run.metrics_file.read_bytes()
        _changed(run.metrics_file, keys, value)
        if (keys, value) not in ((("combine",), "x"), (("members", "one"), {})):
            refuses(report, run, run.metrics_file)
        run.metrics_file.write_bytes(content)


# ---------------------------------------------------------------------------------- tables


def _is_refused(run: RunFolder, name: str) -> None:
    works = [report, compare] if name != "history.csv" else [report]
    for work in works:
        refuses(work, run, run.path / name)


@pytest.mark.parametrize("name", ["photos.parquet", "oof.parquet", "history.csv"])
def test_a_table_that_is_none(name: str, run: RunFolder) -> None:
    path = run.path / name
    for content in (b"", b"no table", bytes(range(256)), b"PAR1" + bytes(40) + b"PAR1", b"\xff,\n"):
        path.write_bytes(content)
        _is_refused(run, name)
    path.unlink()
    _is_refused(run, name)
    path.mkdir()
    _is_refused(run, name)


PHOTOS: Final[dict[str, Callable[[pd.DataFrame], pd.DataFrame]]] = {
    "no columns": lambda table: table[[]],
    "no label": lambda table: table.drop(columns="label"),
    "no fold": lambda table: table.drop(columns="fold"),
    "fewer rows": lambda table: table.iloc[:-3],
    "no rows": lambda table: table.iloc[:0],
    "a photo twice": lambda table: pd.concat([table, table.iloc[:1]]),
    "names that are numbers": lambda table: table.assign(photo=range(len(table))),
    "no name": lambda table: table.assign(photo=table["photo"].where(table.index > 0, None)),
    "labels that are words": lambda table: table.assign(label="wear"),
    "labels that are fractions": lambda table: table.assign(label=0.5),
    "labels there are not": lambda table: table.assign(label=np.int8(18)),
    "a fold there is not": lambda table: table.assign(fold=-2),
    "folds that are words": lambda table: table.assign(fold="a"),
    "lists": lambda table: table.assign(digest=pd.Series([[1]] * len(table), table.index)),
}


@pytest.mark.parametrize("change", PHOTOS.values(), ids=PHOTOS)
def test_a_photo_table_of_another_kind(
    change: Callable[[pd.DataFrame], pd.DataFrame], run: RunFolder
) -> None:
    change(tables.photos(run)).to_parquet(run.photos_file, index=False)
    for work in (report, compare):
        with pytest.raises(MaskgateError, match=r"(photos|oof)\.parquet: missing or damaged|folds"):
            work(run)


PREDICTIONS: Final[dict[str, Callable[[pd.DataFrame], pd.DataFrame]]] = {
    "no probabilities": lambda table: table.drop(columns="p07"),
    "probabilities that are words": lambda table: table.assign(p07="much"),
    "probabilities that are true": lambda table: table.assign(p07=True),
    "fewer rows": lambda table: table.iloc[:-3],
    "a photo twice": lambda table: pd.concat([table, table.iloc[:1]]),
    "other photos": lambda table: table.assign(photo=[f"{n}" for n in range(len(table))]),
    "no photo": lambda table: table.drop(columns="photo"),
}


@pytest.mark.parametrize("change", PREDICTIONS.values(), ids=PREDICTIONS)
def test_predictions_of_another_kind(
    change: Callable[[pd.DataFrame], pd.DataFrame], run: RunFolder
) -> None:
    change(pd.read_parquet(run.oof_file)).to_parquet(run.oof_file, index=False)
    _is_refused(run, "oof.parquet")


@pytest.mark.slow
def test_one_bit_of_a_table_is_a_sentence_or_nothing(run: RunFolder) -> None:
    places = np.random.default_rng(0)
    for path in (run.history_file, run.photos_file, run.oof_file):
        content = path.read_bytes()
        for bit in places.integers(8 * len(content), size=25).tolist():
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            path.write_bytes(changed)
            for work in (compare, tables.history):
                try:
                    work(run)
                except MaskgateError as error:
                    assert "missing or damaged" in str(error)
        path.write_bytes(content)


# ----------------------------------------------------------------------- weights and the rest


def test_weights_that_are_none(run: RunFolder) -> None:
    path = run.weights_file(0)
    for content in (b"", b"no weights", bytes(64), (2**63).to_bytes(8, "little") + b"{}" * 20):
        path.write_bytes(content)
        refuses(load, run, path)


def test_a_bit_of_a_checkpoint(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "checkpoint.pt"
    state = {"weights": {"a": torch.arange(4000.0)}, "position": {"epoch": 3}}
    checkpoint.save(path, state)
    content = path.read_bytes()
    places = np.random.default_rng(0)
    refused = 0
    for bit in places.integers(8 * len(content), size=300).tolist():
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            loaded = checkpoint.load(path)
        except MaskgateError as error:
            assert "remove it to restart the fold" in str(error)
            refused += 1
            continue
        # In what pads the file, and says nothing.
        assert loaded is not None
        assert loaded["weights"]["a"].equal(state["weights"]["a"])  # type: ignore[index]
        assert loaded["position"] == {"epoch": 3}
    assert refused > 250


@pytest.mark.parametrize("state", [[1], 7, "x", {}, None], ids=repr)
def test_a_checkpoint_of_another_kind(state: Any, tmp_path: Path) -> None:
    import torch

    path = tmp_path / "checkpoint.pt"
    torch.save(state, path)
    with pytest.raises(MaskgateError, match="remove it to restart the fold"):
        checkpoint.load(path)


def test_a_checkpoint_of_another_training(
    trained: Path, train: Callable[..., Path], tmp_path: Path
) -> None:
    run = RunFolder(Path(shutil.copytree(trained, tmp_path / "run")))
    run.update_status(finished=None)
    run.fold_file(1).unlink()
    path = run.fold_folder(1) / "checkpoint.pt"
    for state in ({}, {"position": 3}, {"position": {"epoch": 1}}, {"position": {"hat": 1}}):
        checkpoint.save(path, state)
        with pytest.raises(MaskgateError, match="remove it to restart the fold"):
            train(run.path)


@pytest.mark.parametrize("content", [*JUNK.values(), None], ids=[*JUNK, "a folder"])
def test_a_studys_file_of_another_kind(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / study.MANIFEST
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    options = TrainOptions("tiny", tmp_path, tmp_path)
    search = study.Search("tiny", tmp_path, [], options, 1, 7, 5, name="tiny-1a2b3c4d")
    with pytest.raises(MaskgateError, match=r"study\.json: missing or damaged .* another --out"):
        study._create_folder(search)


@pytest.mark.parametrize("content", [*JUNK.values(), None], ids=[*JUNK, "a folder"])
def test_a_manifest_of_bulk_predictions_of_another_kind(
    content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / parts.MANIFEST
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(MaskgateError, match=r"_parts\.json: damaged; remove the folder"):
        parts._matches(path, parts.Manifest("a", "b", 1, 1, False))
