"""Parquet and Arrow files with pictures in them, as Hugging Face's `datasets` writes them."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from maskgate.data import layouts
from maskgate.data.label_map import LabelMap
from maskgate.errors import MaskgateError

FEATURES = {
    "image": {"_type": "Image"},
    "label": {"names": ["with_mask", "bare_face"], "_type": "ClassLabel"},
    "years": {"dtype": "float64", "_type": "Value"},
}
BARE = LabelMap(words={"class": {"bare_face": "bare"}})


def rows(**columns: Any) -> pa.Table:
    """Three pictures, one of which has no class, with the metadata of `datasets`."""
    pictures = [{"bytes": f"picture {n}".encode(), "path": f"p{n}.png"} for n in range(3)]
    values = {"image": pictures, "label": [0, 1, -1]} | columns
    metadata = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    return pa.table(values).replace_schema_metadata(metadata)


def stream(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def parquet(path: Path, table: pa.Table) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def saved(folder: Path, *tables: pa.Table) -> Path:
    """A folder as of `save_to_disk`."""
    names = [f"data-{n:05d}-of-{len(tables):05d}.arrow" for n in range(len(tables))]
    for name, table in zip(names, tables, strict=True):
        stream(folder / name, table)
    state = {"_data_files": [{"filename": name} for name in names]}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))
    return folder


def test_parquet_with_pictures(tmp_path: Path) -> None:
    data, cache = tmp_path / "data_set", tmp_path / "cache"
    parquet(data / "data" / "train-00000-of-00001.parquet", rows())
    parquet(data / "data" / "test-00000-of-00001.parquet", rows())
    photos = layouts.read(data, BARE, cache)
    assert photos.table["photo"].tolist() == ["p0.png", "p1.png", "p2.png"]
    assert photos.table["mask"].tolist() == [0, 2, -1]
    assert photos.root.parent == cache / "pictures"
    assert (photos.root / "p1.png").read_bytes() == b"picture 1"
    before = (photos.root / "p1.png").stat().st_mtime_ns
    assert layouts.read(data, BARE, cache).root == photos.root
    assert (photos.root / "p1.png").stat().st_mtime_ns == before  # written once
    (photos.root / "p1.png").unlink()
    assert layouts.read(data, BARE, cache).root == photos.root
    assert (photos.root / "p1.png").read_bytes() == b"picture 1"


def test_a_saved_data_set_of_two_splits_and_two_files(tmp_path: Path) -> None:
    more = rows(image=[{"bytes": b"m", "path": f"m{n}.png"} for n in range(3)])
    saved(tmp_path / "d" / "train", rows(), more)
    saved(tmp_path / "d" / "test", rows())
    (tmp_path / "d" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    photos = layouts.read(tmp_path / "d", BARE, tmp_path / "cache")
    assert photos.table["photo"].tolist() == [f"{k}{n}.png" for k in "pm" for n in range(3)]
    part = layouts.read(tmp_path / "d" / "test", BARE, tmp_path / "cache")
    assert len(part.table) == 3
    one = layouts.read(tmp_path / "d" / "test" / "data-00000-of-00001.arrow", BARE, tmp_path / "c")
    assert one.table["mask"].tolist() == [0, 2, -1]
    (tmp_path / "d" / "dataset_dict.json").write_text(json.dumps({"splits": ["a", "b"]}))
    with pytest.raises(MaskgateError, match="has the splits a, b and no train"):
        layouts.read(tmp_path / "d", BARE, tmp_path / "cache")


def test_other_columns_are_labels(tmp_path: Path) -> None:
    columns = {
        "image": [b"1", b"2", None],
        "sex": pa.array(["m", "f", None]).dictionary_encode(),
        "years": [34.0, None, 61.0],
        "is_covered": [True, False, None],
        "tags": [["a"], [], None],
    }
    path = parquet(tmp_path / "faces.parquet", pa.table(columns))
    names = LabelMap({"mask": "is_covered"}, {"mask": {"True": "wear", "False": "not_wear"}})
    photos = layouts.read(path, names, tmp_path / "cache")
    assert photos.table["photo"].tolist() == ["0.jpg", "1.jpg"]
    assert photos.table["mask"].tolist() == [0, 2]
    assert photos.table["gender"].tolist() == [0, 1]
    assert [problem.kind for problem in photos.problems if problem.fatal] == ["row without photo"]


def test_names_that_repeat_become_numbers(tmp_path: Path) -> None:
    same = [{"bytes": b"x", "path": "a/photo.PNG"}] * 3
    path = parquet(tmp_path / "faces.parquet", rows(image=same))
    table = layouts.read(path, BARE, tmp_path / "cache").table
    assert table["photo"].tolist() == ["0.png", "1.png", "2.png"]


def test_photos_beside_the_table_stay_there(tmp_path: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    files = pa.array([{"bytes": None, "path": f"photos/{n}.png"} for n in range(3)], kind)
    (tmp_path / "photos").mkdir()
    parquet(tmp_path / "faces.parquet", rows(image=files))
    photos = layouts.read(tmp_path, BARE, tmp_path / "cache")
    assert photos.root == tmp_path and photos.table["photo"].tolist()[0] == "photos/0.png"
    parquet(tmp_path / "names.parquet", pa.table({"file": ["1.png"], "mask": ["wear"]}))
    photos = layouts.read(tmp_path / "names.parquet", cache=tmp_path / "cache")
    assert photos.table["photo"].tolist() == ["1.png"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.arrow"):
        (tmp_path / name).write_bytes(b"no table at all, but long enough to look for its end")
        with pytest.raises(MaskgateError, match=f"{name}: not a"):
            layouts.read(tmp_path / name)
    two = rows().append_column("picture", rows().column("image"))
    parquet(tmp_path / "two" / "x.parquet", rows())
    parquet(tmp_path / "two" / "y.parquet", two)
    with pytest.raises(MaskgateError, match=r"y\.parquet: has other columns than x\.parquet"):
        layouts.read(tmp_path / "two", BARE, tmp_path / "cache")
    with pytest.raises(MaskgateError, match=r"several columns have pictures.*--photo-column"):
        layouts.read(tmp_path / "two" / "y.parquet", BARE, tmp_path / "cache")
    column_map = LabelMap({"photo": "picture"}, BARE.words)
    assert (
        len(layouts.read(tmp_path / "two" / "y.parquet", column_map, tmp_path / "cache").table) == 3
    )
    parquet(tmp_path / "splits" / "validation-0.parquet", rows())
    parquet(tmp_path / "splits" / "test-0.parquet", rows())
    with pytest.raises(MaskgateError, match="files of several splits"):
        layouts.read(tmp_path / "splits", BARE, tmp_path / "cache")


def test_predictions_are_no_labels(tmp_path: Path) -> None:
    table = rows().append_column("mask_probability", [[0.5] * 3])
    path = parquet(tmp_path / "faces.parquet", table)
    with pytest.raises(MaskgateError, match="these are predictions"):
        layouts.read(path, BARE, tmp_path / "cache")
