"""A bundle stands where a run does: predict, submit and `maskgate.load`, without what trains."""

import csv
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import maskgate
from maskgate.core.extras import EXTRA_OF

Call = Callable[..., tuple[int, str, str]]

# The command line where no package of an extra can be imported; of each command the exit code.
BASE_INSTALL = f"""
import json, sys
sys.modules.update(dict.fromkeys({sorted(EXTRA_OF)!r}))
from maskgate import cli
codes = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["maskgate", *words]
    try:
        cli.main()
        codes.append(0)
    except SystemExit as error:
        codes.append(error.code or 0)
sys.exit(f"codes {{codes}}")
"""


@pytest.fixture(scope="module")
def archive(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of whole photos as a zip."""
    return Path(shutil.make_archive(str(tmp_path_factory.mktemp("zip") / "b"), "zip", bundle))


@pytest.fixture
def photos(people: Path) -> list[Path]:
    return sorted((people / "eval" / "images").iterdir())[:12]


def same_table(text: str, expected: str) -> None:
    """The same columns, labels and boxes; probabilities within 1e-3."""
    rows, expected_rows = (list(csv.DictReader(io.StringIO(each))) for each in (text, expected))
    assert len(rows) == len(expected_rows) > 0
    for row, other in zip(rows, expected_rows, strict=True):
        assert list(row) == list(other)
        for name in row:
            if name.endswith("_probability") or (name[0] == "p" and name[1:].isdigit()):
                assert float(row[name]) == pytest.approx(float(other[name]), abs=1e-3)
            else:
                assert row[name] == other[name], name


def test_predict_writes_the_same_table(
    call: Call, trained: Path, bundle: Path, archive: Path, photos: list[Path], tmp_path: Path
) -> None:
    code, expected, error = call("predict", trained, *photos)
    assert code == 0, error
    for model in (bundle, archive):
        out = tmp_path / "table.csv"
        code, text, error = call("predict", model, *photos)
        assert code == 0, error
        same_table(text, expected)
        assert call("predict", model, *photos, "-o", out)[0] == 0
        assert out.read_text() == text


def test_all_faces(
    call: Call, face_run: Path, face_bundle: Path, bundle: Path, photos: list[Path]
) -> None:
    code, expected, error = call("predict", face_run, *photos, "--all-faces")
    assert code == 0, error
    code, text, error = call("predict", face_bundle, *photos, "--all-faces")
    assert code == 0, error
    same_table(text, expected)
    code, _, error = call("predict", bundle, *photos, "--all-faces")
    assert code == 2
    assert "photo.face" in error


def test_submit_writes_the_same_file(
    call: Call, trained: Path, bundle: Path, archive: Path, people: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(trained, tmp_path / "run")  # which keeps what it predicts out of fold
    for options in ([], ["--tta", "flip"]):
        out = tmp_path / "run.csv"
        assert call("submit", run, people, "-o", out, *options)[0] == 0
        for model in (bundle, archive):
            code, text, error = call("submit", model, people, "-o", tmp_path / "b.csv", *options)
            assert code == 0, error
            assert "42 rows, " in text
            assert "with 2 networks" in text
            assert (tmp_path / "b.csv").read_bytes() == out.read_bytes()


def test_submit_takes_a_bundle_from_the_environment(
    call: Call, bundle: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SM_CHANNEL_EVAL", str(people))
    monkeypatch.setenv("SM_OUTPUT_DATA_DIR", str(tmp_path))
    assert call("submit", bundle)[0] == 0
    monkeypatch.setenv("SM_CHANNEL_MODEL", str(bundle))
    assert call("submit")[0] == 0
    assert len((tmp_path / "output.csv").read_text().splitlines()) == 43


def test_a_loaded_bundle_predicts_as_a_loaded_run(
    trained: Path, bundle: Path, archive: Path, photos: list[Path]
) -> None:
    expected = maskgate.load(trained).predict(photos)
    for model in (bundle, archive, str(bundle)):
        predictions = maskgate.load(model).predict(photos)
        np.testing.assert_allclose(predictions.probabilities, expected.probabilities, atol=1e-3)
        assert predictions.to_pandas()["label"].tolist() == expected.to_pandas()["label"].tolist()


@pytest.mark.slow
def test_the_base_install_is_enough(
    call: Call, bundle: Path, archive: Path, face_bundle: Path, people: Path, photos: list[Path],
    tmp_path: Path,
) -> None:  # fmt: skip
    """In a process of its own, in which no package of an extra can be imported."""
    import json

    models = {"whole": bundle, "zip": archive, "face": face_bundle}
    commands: list[list[object]] = []
    for name, model in models.items():
        faces = ["--all-faces"] if name == "face" else []
        commands.append(["predict", model, *photos, *faces, "-o", tmp_path / f"{name}.csv"])
        commands.append(["submit", model, people, "-o", tmp_path / f"{name}-submission.csv"])
    words = json.dumps([[str(word) for word in command] for command in commands])
    process = subprocess.run(
        [sys.executable, "-c", BASE_INSTALL, words], capture_output=True, text=True, check=False
    )
    assert process.stderr.splitlines()[-1] == f"codes {[0] * 6}", process.stderr
    for name, model in models.items():
        faces = ["--all-faces"] if name == "face" else []
        code, text, error = call("predict", model, *photos, *faces)
        assert code == 0, error
        assert (tmp_path / f"{name}.csv").read_text() == text
        assert call("submit", model, people, "-o", tmp_path / "here.csv")[0] == 0
        submission = (tmp_path / "here.csv").read_bytes()
        assert (tmp_path / f"{name}-submission.csv").read_bytes() == submission


NOT_A_RUN = "a bundle, not a run; give the run that it was exported from"


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_commands_that_need_a_run_say_so(
    kind: str, call: Call, bundle: Path, archive: Path, trained: Path, people: Path, tiny: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    model, out = bundle if kind == "folder" else archive, tmp_path / "out"
    for words in (
        ("report", model),
        ("compare", model, trained),
        ("compare", trained, model),
        ("combine", model, trained, "-o", out),
        ("combine", trained, model, "-o", out),
        ("submit", model, trained, people, "-o", tmp_path / "a.csv"),
        ("submit", trained, model, people, "-o", tmp_path / "a.csv"),
        ("submit", model, model, people, "-o", tmp_path / "a.csv"),
        ("export", model, out),
        ("train", tiny, people, f"model.init={model}", "--out", out),
        ("train", tiny, people, f"pseudo={{photos: {people}, run: {model}}}", "--out", out),
    ):
        code, text, error = call(*words)
        assert (code, text) == (2, ""), words
        assert error.count("\n") == 1, error
        assert f"{model}: {NOT_A_RUN}" in error
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", [("--combine", "soft_vote"), ("--adjust", "none")])
def test_a_bundle_is_combined_as_it_was_exported(
    option: tuple[str, str], call: Call, bundle: Path, people: Path, tmp_path: Path
) -> None:
    code, _, error = call("submit", bundle, people, "-o", tmp_path / "a.csv", *option)
    assert code == 2
    assert "a bundle combines its networks as it was exported" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_cluster_predicts_with_a_bundle(
    nodes: str, call: Call, bundle: Path, archive: Path, photos: list[Path], tmp_path: Path
) -> None:
    import pandas as pd

    expected = maskgate.load(bundle).predict(photos).to_pandas()
    for number, model in enumerate((bundle, archive)):
        out = tmp_path / f"parts-{number}"
        code, _, error = call("predict", model, *photos, "--on", nodes, "--out", out)
        assert code == 0, error
        table: Any = pd.read_parquet(out)
        assert table["label"].tolist() == expected["label"].tolist()
        assert table["photo"].tolist() == [os.fspath(photo) for photo in photos]
