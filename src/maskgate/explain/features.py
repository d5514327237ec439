"""Features: what a network's head gets of a photo; similar photos have similar features."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from maskgate import __version__
from maskgate.core import files
from maskgate.core.progress import track
from maskgate.data import csv_files
from maskgate.errors import MaskgateError, listed
from maskgate.faces import reader, view
from maskgate.faces.reader import BATCH
from maskgate.faces.view import View
from maskgate.imaging import photo_files, pixels
from maskgate.imaging.pixels import Pixels
from maskgate.inference.backends import torch as torch_backend
from maskgate.model.network import Network
from maskgate.runs import RunFolder

Features = npt.NDArray[np.float32]  # (N, F)

KEY: Final = b"maskgate"  # of the file's metadata
_TABLES: Final = (".csv", ".tsv")


@torch.inference_mode()
def of_pictures(network: Network, pictures: Pixels) -> Features:
    """The features (N, F) of pictures (N, H, W, 3), which the network's head gets."""
    device = next(network.parameters()).device
    network.eval()
    parts = [
        network(torch.from_numpy(pictures[start : start + BATCH]).to(device)).loss_inputs[
            "features"
        ]
        for start in range(0, len(pictures), BATCH)
    ]
    return np.asarray(torch.cat(parts).float().cpu().numpy(), dtype=np.float32)


def load(run: RunFolder, fold: int) -> Network:
    """The network of a fold in evaluation mode, on the GPU where there is one. Raises
    MaskgateError."""
    network = torch_backend.restore(run, fold)
    return network.to(torch.device("cuda" if torch.cuda.is_available() else "cpu")).eval()


def fold_number(run: RunFolder, fold: int | None) -> int:
    """The `fold`, by default the run's first. Raises MaskgateError where the run has no such
    fold."""
    if fold is None:
        return run.folds[0]
    if fold not in run.folds:
        known = listed([str(number) for number in run.folds], 20)
        raise MaskgateError(f"{run.path}: has no fold {fold}; it has {known}")
    return fold


@dataclass(frozen=True)
class Embedding:
    """The features of photos: how many `photos` and `features` were written, and which `fold`'s
    network computed them."""

    photos: int
    features: int
    fold: int
    faults: list[str]


def write(
    run: RunFolder,
    places: Sequence[Path],
    out: Path,
    fold: int | None = None,
    cache: Path | None = None,
    skip_faulty: bool = False,
) -> Embedding:
    """Write the features of photos as parquet: `photo`, `face` (whether one was detected; null
    without a detector) and `features`, a list of float32 of one length. The file's metadata has
    under KEY a JSON that names the run, its digest, recipe, backbone and the fold.

    `places` are photos, folders of them, or tables with a column `photo`. One fold's network is
    used, as each fold has features of its own. Raises MaskgateError that names all photos that
    cannot be read, unless `skip_faulty`.
    """
    number = fold_number(run, fold)
    network, recipe = load(run, number), run.recipe()
    try:
        photo_view = view.create(recipe.photo, cache, run.kept_detector())
    except MaskgateError as error:
        raise MaskgateError(f"{run.path}: {error}") from error
    paths = _photos(places)
    width = _width(network, photo_view)
    status = run.status()
    metadata: dict[str, Any] = {
        "run": run.path.name,
        "digest": status.digest,
        "recipe": status.recipe,
        "backbone": recipe.model.backbone,
        "beside": recipe.model.beside,
        "fold": number,
        "features": width,
        "height": photo_view.geometry.height,
        "width": photo_view.geometry.width,
        "maskgate": __version__,
    }
    faults: list[str] = []

    def fill(temporary: Path) -> int:
        batches = _batches(network, photo_view, paths, faults)
        count = _write(temporary, batches, width, metadata)
        if faults and not skip_faulty:
            raise MaskgateError(
                f"{len(faults)} of {len(paths)} photos cannot be read: {listed(faults)}; fix them,"
                " or skip them with --skip-faulty"
            )
        return count

    counts: list[int] = []
    files.replace(out, lambda temporary: counts.append(fill(temporary)))
    return Embedding(counts[0], width, number, faults)


def _photos(places: Sequence[Path]) -> list[Path]:
    """The photos in these places, each once. Raises MaskgateError."""
    photos: list[Path] = []
    for place in places:
        if place.suffix.lower() in _TABLES and place.is_file():
            photos += _listed_photos(place)
        else:
            photos += photo_files.list_photos([place])
    return list(dict.fromkeys(photos))


def _listed_photos(table: Path) -> list[Path]:
    """The photos in the column `photo` of a table, whose paths are relative to its folder."""
    columns = csv_files.read(table)
    names = [name for name in columns.get("photo", ()) if name]
    if not names:
        raise MaskgateError(f"{table}: lists no photo in a column 'photo'; add it")
    return [table.parent / name for name in names]


def _width(network: Network, photo_view: View) -> int:
    """The number of features."""
    geometry = photo_view.geometry
    grey = np.full((1, geometry.height, geometry.width, 3), pixels.GREY, dtype=np.uint8)
    return int(of_pictures(network, grey).shape[1])


def _batches(
    network: Network, photo_view: View, paths: Sequence[Path], faults: list[str]
) -> Iterator[tuple[list[str], list[bool | None], Features]]:
    """Names, whether a face was detected, and features of the photos that can be read; `faults`
    gets a line for each other one."""
    names = iter(paths)
    batches = reader.read_batches(paths, [photo_view], all_faces=False)
    for batch in track(batches, "computing features", len(paths), size=BATCH):
        pairs = [(next(names), each) for each in batch]
        faults += [f"{path} ({each})" for path, each in pairs if isinstance(each, str)]
        readable = [(path, each) for path, each in pairs if not isinstance(each, str)]
        if readable:
            stored = np.concatenate([each.pictures[0] for _, each in readable])
            has_detector = photo_view.detector is not None
            faces = [
                bool(np.isfinite(each.boxes[0, 0])) if has_detector else None
                for _, each in readable
            ]
            inputs = np.ascontiguousarray(pixels.centre(stored, photo_view.geometry))
            yield [str(path) for path, _ in readable], faces, of_pictures(network, inputs)


def _write(
    path: Path,
    batches: Iterator[tuple[list[str], list[bool | None], Features]],
    width: int,
    metadata: dict[str, Any],
) -> int:
    """Write batches as row groups; the number of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [("photo", pa.string()), ("face", pa.bool_()), ("features", pa.list_(pa.float32(), width))],
        metadata={KEY: json.dumps(metadata).encode()},
    )
    count = 0
    with pq.ParquetWriter(path, schema) as writer:
        for names, faces, features in batches:
            columns = [
                pa.array(names, pa.string()),
                pa.array(faces, pa.bool_()),
                pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), width),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            count += len(names)
    return count
