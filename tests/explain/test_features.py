"""Features in a file are those that the head gets."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from maskgate.errors import MaskgateError
from maskgate.explain import features
from maskgate.faces import reader
from maskgate.faces.view import View
from maskgate.imaging import pixels
from maskgate.inference.backends import torch as torch_backend
from maskgate.runs import open_run
from tests.conftest import Call


def test_features_are_those_of_the_head(trained: Path, people: Path, tmp_path: Path) -> None:
    run = open_run(trained)
    photos = people / "eval" / "images"
    out = tmp_path / "features.parquet"
    embedding = features.write(run, [photos], out, fold=1)
    table = pd.read_parquet(out)
    assert (embedding.photos, embedding.fold) == (len(table), 1)
    assert table["photo"].tolist() == sorted(map(str, photos.iterdir()))
    assert table["face"].isna().all()  # the run has no detector
    network = torch_backend.restore(run, 1).eval()
    heads = []
    network.head.register_forward_hook(lambda module, inputs, output: heads.append(inputs[0]))
    geometry = run.recipe().photo.geometry
    for name, row in zip(table["photo"][:3], table["features"], strict=False):
        stored = reader.read_photo(Path(name), [View(geometry)]).pictures[0]
        network(torch.from_numpy(pixels.centre(stored, geometry).copy()))
        assert row.dtype == np.float32 and len(row) == embedding.features
        assert row == pytest.approx(heads[-1][0].detach().numpy(), abs=1e-4)
    metadata = json.loads(pq.read_schema(out).metadata[features.KEY])
    assert metadata["digest"] == run.status().digest
    assert (metadata["fold"], metadata["backbone"]) == (1, "test_resnet")
    assert metadata["features"] == embedding.features


def test_faces_are_told(face_run: Path, tmp_path: Path, cache: Path, people: Path) -> None:
    out = tmp_path / "features.parquet"
    features.write(open_run(face_run), [people / "eval" / "images"], out, cache=cache)
    assert pd.read_parquet(out)["face"].notna().all()


def test_the_command_reads_folders_photos_and_tables(
    call: Call, trained: Path, people: Path, tmp_path: Path
) -> None:
    photos = sorted((people / "eval" / "images").iterdir())[:3]
    csv = tmp_path / "photos.csv"
    names = [os.path.relpath(path, tmp_path) for path in photos[:2]]
    pd.DataFrame({"photo": names, "note": ["a", "b"]}).to_csv(csv, index=False)
    out = tmp_path / "features.parquet"
    code, stdout, err = call("embed", trained, csv, photos[2], photos[2], "--out", out)
    assert code == 0, err
    assert stdout == f"{out}: 96 features of 3 photos, by the network of fold 0\n"
    read = [Path(name).resolve() for name in pd.read_parquet(out)["photo"]]
    assert read == [path.resolve() for path in photos]
    csv.write_text("picture\na.jpg\n")
    code, _, err = call("embed", trained, csv, "--out", out)
    assert code == 2 and f"{csv}: lists no photo in a column 'photo'; add it" in err


def test_broken_photos_are_named_together(
    call: Call, trained: Path, people: Path, tmp_path: Path
) -> None:
    good = sorted((people / "eval" / "images").iterdir())[0]
    broken = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for path in broken:
        path.write_bytes(b"no photo")
    out = tmp_path / "features.parquet"
    code, _, err = call("embed", trained, good, *broken, "--out", out)
    assert code == 2 and err.splitlines()[-1].startswith("maskgate: 2 of 3 photos cannot be read: ")
    assert all(str(path) in err for path in broken) and "--skip-faulty" in err
    assert not list(tmp_path.glob("*features*"))
    assert call("embed", trained, good, *broken, "--out", out, "--skip-faulty")[0] == 0
    assert len(pd.read_parquet(out)) == 1


def test_what_has_no_features_is_refused(
    call: Call, trained: Path, people: Path, tmp_path: Path
) -> None:
    out, photos = tmp_path / "features.parquet", people / "eval" / "images"
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "manifest.json").write_text("{}")
    code, _, err = call("embed", bundle, photos, "--out", out)
    assert code == 2 and f"{bundle}: a bundle, not a run" in err
    code, _, err = call("embed", trained, photos, "--out", out, "--fold", 5)
    assert code == 2 and f"{trained}: has no fold 5; it has 0" in err
    together = Path(__file__).parents[1] / "golden" / "together"
    code, _, err = call("embed", together, photos, "--out", out)
    assert code == 2 and "the run of a system, not of a single model" in err
    assert not out.exists()


def test_a_fold_that_a_run_lacks(trained: Path) -> None:
    run = open_run(trained)
    assert features.fold_number(run, None) == 0 and features.fold_number(run, 1) == 1
    with pytest.raises(MaskgateError, match="has no fold 2; it has 0"):
        features.fold_number(run, 2)
