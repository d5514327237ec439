"""`maskgate faces`, and a model of faces before photos of every bad kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import binomtest

from maskgate.data import layouts

Call = Callable[..., tuple[int, str, str]]


def test_faces_tells_how_many_are_found_by_mask_state(
    call: Call, people: Path, tmp_path: Path
) -> None:
    out = tmp_path / "boxes.parquet"
    code, output, _ = call("faces", people, "--detector", "mtcnn", "-o", out)
    assert code == 0
    table = pd.read_parquet(out)
    photos = layouts.read(people).table
    assert set(table["photo"]) == set(photos["photo"])
    has_face = table.groupby("photo")["main"].any().reindex(photos["photo"]).to_numpy()
    assert table.groupby("photo")["main"].sum().max() == 1
    for mask, name in ((0, "wear"), (1, "incorrect"), (2, "not wear")):
        has_face_of_mask = has_face[(photos["mask"] == mask).to_numpy()]
        ends = binomtest(int(has_face_of_mask.sum()), len(has_face_of_mask)).proportion_ci(
            method="wilson"
        )
        line = next(line for line in output.splitlines() if line.startswith(f"  {name}:"))
        assert (
            f"{has_face_of_mask.sum()} of {len(has_face_of_mask)} ({has_face_of_mask.mean():.1%}"
            in line
        )
        assert f"{100 * ends.low:.1f}–{100 * ends.high:.1f}" in line
    assert output.startswith(f"mtcnn: a face in {has_face.sum()} of {len(has_face)}")
    assert output.splitlines()[-1] == f"{out}: {len(table)} rows"


def test_faces_of_test_photos(call: Call, people: Path, tmp_path: Path) -> None:
    out = tmp_path / "boxes.parquet"
    code, output, _ = call("faces", people / "eval", "--detector", "mtcnn", "-o", out)
    assert code == 0 and len(output.splitlines()) == 2  # nothing is known of their masks
    names = {path.name for path in (people / "eval" / "images").iterdir()}
    assert set(pd.read_parquet(out)["photo"]) == names


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--detector", "mtccn"], "did you mean mtcnn"),
        (["size=3", "--detector", "mtcnn"], "no argument size; it takes min_face"),
        (["min_face=9", "--detector", "mtcnn"], "min_face"),
        (["--recipe", "baseline"], "has no photo.face"),
        (["--recipe", "face", "--detector", "mtcnn"], "give one of them"),
        (["-o", "no/such/folder/b.parquet"], "make it first"),
    ],
)
def test_a_wrong_order_is_one_sentence(
    call: Call, people: Path, tmp_path: Path, arguments: list[str], fault: str
) -> None:
    code, output, error = call("faces", people, "-o", tmp_path / "b.parquet", *arguments)
    assert (code, output, error.count("\n")) == (2, "", 1)
    assert fault in error and not (tmp_path / "b.parquet").exists()


def test_broken_photos_are_told_together_or_skipped(call: Call, tmp_path: Path) -> None:
    Image.new("RGB", (40, 50), "pink").save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"nothing")
    rows = {"photo": ["good.png", "bad.png", "gone.png"], "mask": "wear"}
    pd.DataFrame(rows).to_csv(tmp_path / "photos.csv", index=False)
    order = ["faces", tmp_path, "--detector", "mtcnn", "-o", tmp_path / "b.parquet"]
    code, _, error = call(*order)
    assert code == 2 and "bad.png" in error and "gone.png" in error
    code, output, _ = call(*order, "--skip-faulty")
    assert code == 0 and "0 of 1 (0.0%" in output


@pytest.mark.slow
def test_photos_of_every_bad_kind_get_a_row_or_one_sentence(
    call: Call,
    train: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cache: Path,
) -> None:
    """No face, one pixel, 10,000 pixels, grey, alpha, turned by EXIF: a row each; else a reason."""
    monkeypatch.setenv("MASKGATE_CACHE", str(cache))
    run = train(tmp_path / "run", "photo.face={detector: mtcnn, align: true, background: remove}")
    photos = tmp_path / "photos"
    photos.mkdir()
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 255, (60, 45, 3), dtype=np.uint8))
    noise.save(photos / "no-face.jpg")
    noise.convert("L").save(photos / "grey.png")
    noise.convert("CMYK").save(photos / "cmyk.jpg")
    with_alpha = noise.convert("RGBA")
    with_alpha.putalpha(90)
    with_alpha.save(photos / "alpha.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    noise.save(photos / "turned.jpg", exif=exif)
    Image.new("RGB", (1, 1)).save(photos / "one.png")
    Image.new("RGB", (1, 300)).save(photos / "line.png")
    Image.new("L", (10_000, 2_000)).save(photos / "large.png")
    out = tmp_path / "out.csv"
    code, _, _ = call("predict", run, photos, "-o", out)
    assert code == 0
    table = pd.read_csv(out)
    assert len(table) == 8
    np.testing.assert_allclose(table.filter(regex=r"^p\d\d$").sum(axis=1), 1, atol=1e-3)
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    code, _, error = call("predict", run, photos)
    assert code == 2 and "1 of 9 photos cannot be read" in error and "broken.jpg" in error


def test_wear_dresses_people_and_goes_on(call: Call, people: Path, tmp_path: Path) -> None:
    out = tmp_path / "dressed"
    order: list[Any] = ["wear", people, out, "--detector", "mtcnn", "--workers", 1]
    code, output, _ = call(*order)
    assert code == 0
    dressed = layouts.read(out)
    assert not dressed.problems
    shots = dressed.table.groupby("person").size()
    assert set(shots) == {7}
    assert output.startswith(f"{out}: {len(dressed.table):,} photos of {len(shots):,} people")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    assert call(*order)[1] == output
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")} == before
    code, _, error = call(*order, "--seed", 8)
    assert code == 2 and "another seed" in error
