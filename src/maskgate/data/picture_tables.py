"""Reads Parquet and Arrow files of labelled photos, such as those of Hugging Face's `datasets`.

A data set of `datasets` is a folder of `save_to_disk`, or one with Parquet files. Its pictures are
a column of structs with `bytes` and `path`; of a column of classes, the file stores numbers and,
in the metadata of its schema, their names. See https://huggingface.co/docs/datasets/about_dataset_features
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from maskgate.core import files
from maskgate.data import columns, csv_photos, embedded_pictures, labelled_rows
from maskgate.data.label_map import LabelMap
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed

SUFFIXES: Final = (".parquet", ".arrow")
_TRAIN: Final = "train"
_SPLIT: Final = re.compile(r"(train|test|validation|valid|val|dev|eval)(?![a-z])", re.IGNORECASE)
_ROWS: Final = 64  # per batch: so many pictures are in memory


def data_set(folder: Path) -> list[Path]:
    """The files of the data set that `datasets` saved in `folder` with `save_to_disk`, of several
    splits those of `train`; empty if it is none. Raises MaskgateError."""
    splits_file, state_file = folder / "dataset_dict.json", folder / "state.json"
    if splits_file.is_file():
        splits = [str(split) for split in _json(splits_file).get("splits", [])]
        split = _TRAIN if _TRAIN in splits else splits[0] if len(splits) == 1 else None
        if split is None or any(files.outside([split], folder)):
            raise MaskgateError(
                f"{folder}: has the splits {listed(splits) or 'none'} and no train; name the folder"
                " of the one to read"
            )
        return data_set(folder / split)
    if not state_file.is_file() or not (folder / "dataset_info.json").is_file():
        return []
    names = [str(entry.get("filename")) for entry in _json(state_file).get("_data_files", [])]
    if not names or any(files.outside(names, folder)):
        raise MaskgateError(f"{state_file}: names no files of a data set; save the data set again")
    return [folder / name for name in names]


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(files.content(path, "a data set"))
    except ValueError as error:
        raise MaskgateError(f"{path}: is not JSON ({error}); save the data set again") from error
    return content if isinstance(content, dict) else {}


def parquet_files(data: Path, label_map: LabelMap) -> list[Path]:
    """The Parquet files of labelled photos in `data`, or in `data` or `train` in it; of files named
    after splits, those of `train`. Empty if there are none. Raises MaskgateError."""
    for folder in (data, data / "data", data / _TRAIN):
        tables = [
            path
            for path in sorted(folder.glob("*.parquet"))
            if path.name[0] != "." and _is_table(path, label_map)
        ]
        if not tables:
            continue
        split_of = {path: _split(path) for path in tables}
        splits = set(split_of.values())
        if _TRAIN in splits:
            return [path for path in tables if split_of[path] == _TRAIN]
        if len(splits) > 1:
            names = listed([path.name for path in tables])
            raise MaskgateError(f"{folder}: has files of several splits ({names}); name one file")
        return tables
    return []


def _split(path: Path) -> str:
    match = _SPLIT.match(path.stem)
    return match[0].lower() if match else ""


def _is_table(path: Path, label_map: LabelMap) -> bool:
    try:
        schema = _schema(path)
    except MaskgateError:  # other files beside the table do not matter
        return False
    names = [field.name for field in schema]
    has_pictures = any(map(embedded_pictures.is_column, schema))
    return csv_photos.is_table([*names, *(["photo"] if has_pictures else [])], label_map)


def read(shards: Sequence[Path], folder: Path, label_map: LabelMap, cache: Path | None) -> Photos:
    """The photos in files of one data set, and all problems. Pictures in the files are written into
    `cache`; names of other photos are relative to `folder`. Raises MaskgateError."""
    schemas = [_schema(path) for path in shards]
    names = schemas[0].names
    for path, schema in zip(shards, schemas, strict=True):
        csv_photos.check_labels(path, schema.names)
        if schema.names != names:
            raise MaskgateError(
                f"{path}: has other columns than {shards[0].name}; name the file to read"
            )
    place = shards[0] if len(shards) == 1 else folder
    picture_column = _picture_column(schemas[0], label_map, place)
    class_names = _class_names(schemas[0], shards[0])
    text_names = [field.name for field in schemas[0] if _is_text(field.type)]
    rows = pd.DataFrame(
        {
            name: pd.Series(_texts(shards, name, class_names.get(name)), dtype="str")
            for name in text_names
        }
    )
    if picture_column is None:
        return labelled_rows.parse(rows, place, folder, label_map)
    columns_of_map = {k: name for k, name in label_map.columns.items() if k != "photo"}
    label_map = LabelMap(columns_of_map, label_map.words)
    has_paths = embedded_pictures.has_paths(schemas[0].field(picture_column))
    pictures = embedded_pictures.Pictures(shards, picture_column, has_paths, batches)
    root, photos = embedded_pictures.extract(pictures, folder, cache)
    rows = rows.drop(columns="photo", errors="ignore")
    rows.insert(0, "photo", pd.Series([name or None for name in photos], dtype="str"))
    return labelled_rows.parse(rows, place, root, label_map)


def _picture_column(schema: pa.Schema, label_map: LabelMap, place: Path) -> str | None:
    """The column with the pictures; None if the photos are files. Raises MaskgateError."""
    of_pictures = [field.name for field in schema if embedded_pictures.is_column(field)]
    if (name := label_map.columns.get("photo")) is not None:
        return name if name in of_pictures else None
    known = [n for n in of_pictures if columns.is_name_of(n, "photo", columns.PHOTOS)]
    candidates = known if len(known) == 1 else of_pictures
    if len(candidates) > 1:
        raise MaskgateError(
            f"{place}: several columns have pictures ({listed(of_pictures)}); name one with"
            f" --photo-column, such as {candidates[0]}"
        )
    return candidates[0] if candidates else None


def batches(path: Path, names: list[str]) -> Iterator[pa.RecordBatch]:
    """The rows of a file in batches, with these columns; `image.path` is a part of a struct. Raises
    MaskgateError."""
    try:
        if path.suffix.lower() == ".parquet":
            with pq.ParquetFile(path) as parquet:
                yield from parquet.iter_batches(_ROWS, columns=names)
            return
        with pa.memory_map(str(path)) as source, _open_arrow(source) as reader:
            for batch in _record_batches(reader):
                part = batch.select([name.partition(".")[0] for name in names])
                yield from (part.slice(start, _ROWS) for start in range(0, part.num_rows, _ROWS))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _schema(path: Path) -> pa.Schema:
    try:
        if path.suffix.lower() == ".parquet":
            return pq.read_schema(path)
        with pa.memory_map(str(path)) as source, _open_arrow(source) as reader:
            return reader.schema
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _open_arrow(source: pa.MemoryMappedFile) -> Any:
    """A reader of an Arrow stream, as `datasets` writes them, or of an Arrow file."""
    try:
        return pa.ipc.open_stream(source)
    except pa.ArrowInvalid:
        source.seek(0)
        return pa.ipc.open_file(source)


def _record_batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, pa.ipc.RecordBatchFileReader):
        yield from (reader.get_batch(number) for number in range(reader.num_record_batches))
    else:
        yield from reader


def _damaged(path: Path, error: Exception) -> MaskgateError:
    kind = "Parquet" if path.suffix.lower() == ".parquet" else "Arrow"
    return MaskgateError(f"{path}: not a {kind} file ({error}); get it again, or remove it")


# ------------------------------------------------------------------------------ text


def _is_text(kind: pa.DataType) -> bool:
    """Whether values of that type are read as text: words, numbers and truth values."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    types = pa.types
    is_word = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    is_number = types.is_integer(kind) or types.is_floating(kind)
    return is_word or is_number or types.is_boolean(kind)


def _texts(
    shards: Sequence[Path], name: str, class_names: list[str] | None
) -> Iterator[str | None]:
    """The values of a column as text, None where empty; numbers of classes by their names."""
    for path in shards:
        for batch in batches(path, [name]):
            for value in batch.column(0).to_pylist():
                if value is None or value != value:
                    yield None
                elif class_names is not None:
                    yield class_names[value] if 0 <= value < len(class_names) else None
                else:
                    yield str(value).strip() or None


def _class_names(schema: pa.Schema, shard: Path) -> dict[str, list[str]]:
    """The names of the classes of each column that `datasets` calls a ClassLabel."""
    metadata = (schema.metadata or {}).get(b"huggingface")
    info_file = shard.parent / "dataset_info.json"
    if metadata is not None:
        try:
            features = json.loads(metadata)["info"]["features"]
        except (ValueError, LookupError, TypeError):
            features = {}
    else:
        features = _json(info_file).get("features") if info_file.is_file() else {}
    if not isinstance(features, dict):
        return {}
    return {
        name: list(map(str, feature["names"]))
        for name, feature in features.items()
        if isinstance(feature, dict)
        and feature.get("_type") == "ClassLabel"
        and isinstance(feature.get("names"), list)
        and name in schema.names
        and pa.types.is_integer(schema.field(name).type)
    }
