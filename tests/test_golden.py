"""What a version said of photos, the next one says to the last digit.

`golden/make.py` tells how the goldens were made. On another processor the last digit may be another
one; `MASKGATE_EXACT=1` forbids that.
"""

import csv
import importlib.util
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from maskgate.errors import MaskgateError
from maskgate.runs import RunFolder

GOLDEN = Path(__file__).parent / "golden"
CLOSE = 0.0 if os.environ.get("MASKGATE_EXACT") else 1.5e-6


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_make", GOLDEN / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = _loaded()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The runs of that version, and the people they were trained on, in the working folder."""
    from maskgate.synthetic.people import sample_people

    folder = tmp_path_factory.mktemp("golden")
    sample_people.make(folder / "people", **make.PEOPLE)
    for name in (*make.RECIPES, "together"):
        shutil.copytree(GOLDEN / name, folder / name)
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def _check_same(text: str, golden: str) -> None:
    """Raise AssertionError where two CSVs differ in more than the last digit of a number."""
    rows, expected_rows = (list(csv.reader(io.StringIO(each))) for each in (text, golden))
    assert len(rows) == len(expected_rows) and rows[0] == expected_rows[0]
    for row, expected in zip(rows, expected_rows, strict=True):
        for value, known in zip(row, expected, strict=True):
            if value != known:
                assert "." in known and abs(float(value) - float(known)) <= CLOSE, (row, expected)


@pytest.mark.parametrize("name", make.COMMANDS)
def test_predict(name: str, folder: Path, call: Any) -> None:
    code, out, _ = call(*make.COMMANDS[name])
    assert code == 0
    _check_same(out, (GOLDEN / name).read_text())


def test_submit(folder: Path, call: Any) -> None:
    code, _, _ = call("submit", "together", "people/eval", "-o", "submission.csv")
    assert code == 0
    assert Path("submission.csv").read_text() == (GOLDEN / "submission.csv").read_text()


def test_train(folder: Path, call: Any) -> None:
    """The runs themselves are made anew: by name their tables, their scores and their weights."""
    if make.processor() != (GOLDEN / "processor.txt").read_text().strip():
        pytest.skip("a training on another processor gives other last digits")
    for name in make.RECIPES:
        Path(f"{name}.yaml").write_text(make.recipe(name))
        assert call("train", f"{name}.yaml", "people", "--out", f"new-{name}")[0] == 0
    assert call(*make.COMBINE, "-o", "new-together")[0] == 0
    for name in (*make.RECIPES, "together"):
        # The ensemble is of that version's runs.
        new, known = Path(f"new-{name}"), GOLDEN / "trained" / name
        for file in ("metrics.json", "folds.csv"):
            assert (new / file).read_text() == (known / file).read_text()
        table, expected = (pd.read_parquet(at / "oof.parquet") for at in (new, known))
        pd.testing.assert_frame_equal(table, expected, check_exact=True)


# ------------------------------------------------------- its runs are runs of this version, too


def test_report(folder: Path, call: Any) -> None:
    for name in (*make.RECIPES, "together"):
        for words in ((), ("--no-photos",)):
            code, _, err = call("report", name, *words)
            assert code == 0
            assert ("photos are not on the page" in err) == (not words), "the photos lay elsewhere"
        score = json.loads(Path(name, "metrics.json").read_text())["score"]["value"]
        assert f"{score:.3f}" in Path(name, "report.html").read_text("utf-8")


def test_compare_and_list(folder: Path, call: Any) -> None:
    code, out, err = call("compare", "plain", "faces")
    assert (code, err) == (0, "")
    assert "faces" in out
    code, out, err = call("runs", ".")
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert rows.keys() >= {*make.RECIPES, "together"}
    assert "damaged" not in out


def test_train_again(folder: Path, call: Any) -> None:
    """Nothing is left to train, and nothing is written."""
    written = {path: path.read_bytes() for path in Path().glob("*/run.json")}
    Path("plain.yaml").write_text(make.recipe("plain"))
    for words in (
        ("train", "plain.yaml", "people", "--out", "plain"),
        (*make.COMBINE, "-o", "together"),
    ):
        code, _, err = call(*words)
        assert code == 0
        assert f"{words[-1]}: this run is finished" in err
    assert {path: path.read_bytes() for path in Path().glob("*/run.json")} == written


def test_resume(folder: Path, call: Any) -> None:
    """A fold that the version before has trained is kept, and the rest is trained."""
    shutil.copytree("plain", "begun")
    status = json.loads(Path("begun/run.json").read_text())
    rest = {key: status[key] for key in status if key not in ("finished", "files", "sha256")}
    Path("begun/run.json").write_text(json.dumps(rest))
    for name in ("metrics.json", "oof.parquet", "history.csv"):
        Path("begun", name).unlink()
    shutil.rmtree("begun/fold-1")
    Path("plain.yaml").write_text(make.recipe("plain"))
    kept = Path("begun/fold-0/model.safetensors").stat().st_mtime_ns
    code, _, err = call("train", "plain.yaml", "people", "--out", "begun")
    assert code == 0, err
    assert Path("begun/fold-0/model.safetensors").stat().st_mtime_ns == kept
    assert call("runs", ".")[1].count("damaged") == 0
    table, known = (pd.read_parquet(Path(at, "oof.parquet")) for at in ("begun", "plain"))
    assert table["photo"].tolist() == known["photo"].tolist()
    is_kept = (known["fold"] == 0).to_numpy()
    pd.testing.assert_frame_equal(table[is_kept], known[is_kept], check_exact=True)
    shutil.rmtree("begun")


JSON = ("run.json", "metrics.json", "fold-0/fold.json")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        *((name, change) for name in (*JSON, "recipe.yaml") for change in ("a bit", "its end")),
        *((name, "a newer version") for name in JSON),
    ],
)
def test_damaged(name: str, change: str, folder: Path, call: Any, tmp_path: Path) -> None:
    """A command that reads the file ends with one sentence, which names it."""
    place = Path(shutil.copytree("plain", tmp_path / "plain")) / name
    content = place.read_bytes()
    if change == "a bit":
        place.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif change == "its end":
        place.write_bytes(content[:-20])
    else:
        place.write_bytes(b'{"version": 2}')
        _unlist(tmp_path / "plain", name)
    if name == "fold-0/fold.json":  # which no command reads of a finished run
        with pytest.raises(
            MaskgateError, match=r"fold\.json: (missing or damaged|made by a newer)"
        ):
            RunFolder(tmp_path / "plain").fold_seconds()
        return
    for words in (("report", tmp_path / "plain"), ("compare", tmp_path / "plain", "faces")):
        code, out, err = call(*words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert str(place) in err
        assert ("made by a newer maskgate" if "version" in change else "damaged") in err


def _unlist(run: Path, name: str) -> None:
    """Let the run tell nothing of its files, so that it is their content that is looked at."""
    if name != "run.json":
        status = json.loads((run / "run.json").read_text())
        rest = {key: status[key] for key in status if key not in ("files", "sha256")}
        (run / "run.json").write_text(json.dumps(rest))


@pytest.mark.slow
def test_demo(folder: Path, call: Any) -> None:
    if make.processor() != (GOLDEN / "processor.txt").read_text().strip():
        pytest.skip("a training on another processor gives other last digits")
    assert call("demo", "--out", "demo")[0] == 0
    new, known = map(pd.read_parquet, (Path("demo/run/oof.parquet"), GOLDEN / "demo-oof.parquet"))
    columns = [f"p{number:02d}" for number in range(18)]
    assert new["photo"].tolist() == known["photo"].tolist()
    assert np.array_equal(new[columns].to_numpy(), known[columns].to_numpy())
    submission = (GOLDEN / "demo-submission.csv").read_text()
    assert Path("demo/submission.csv").read_text() == submission
