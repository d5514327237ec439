"""Folders and buckets in bulk: the rows that `predict` gives, whatever is killed."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from maskgate.cluster.bulk import listing, parts
from maskgate.cluster.bulk.block_predictor import BlockPredictor, WorkerSettings, schema
from maskgate.cluster.bulk.parts import Manifest
from maskgate.errors import MaskgateError
from maskgate.imaging import photo_files
from maskgate.imaging.pixels import PhotoError
from maskgate.inference import loading

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def photos(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 photos in folders, and what is none."""
    folder = tmp_path_factory.mktemp("photos")
    for person in sorted((people / "train" / "images").iterdir())[:6]:
        shutil.copytree(person, folder / person.name)
    (folder / "notes.txt").write_text("no photo")
    return folder


@pytest.fixture(scope="module")
def bucket(photos: Path) -> Iterator[str]:
    """The address of a bucket with these photos, on an S3 server on this machine."""
    pytest.importorskip("moto", reason="moto is not installed")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = f"endpoint_override={host}:{port}&scheme=http&allow_bucket_creation=true"
    store, _ = fs.FileSystem.from_uri(f"s3://some:secret@door?{options}")
    store.create_dir("door")
    fs.copy_files(str(photos), "door/photos", destination_filesystem=store)
    yield f"s3://some:secret@door/photos?{options}"
    server.stop()


def rows_of(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder)


def same(actual: pd.DataFrame, expected: pd.DataFrame, prefix: str = "") -> None:
    """The rows in their order; all but the column `fault`, where nothing is told."""
    assert actual["fault"].isna().all()
    assert actual["photo"].tolist() == [prefix + photo for photo in expected["photo"]]
    columns = [name for name in expected if name != "photo"]
    pd.testing.assert_frame_equal(
        actual[columns].reset_index(drop=True),
        expected[columns].reset_index(drop=True),
        check_dtype=False,
        rtol=0,
        atol=1e-6,
    )


@pytest.mark.slow
def test_a_folder_is_answered_as_by_predict_and_faults_are_told(
    nodes: str, trained: Path, photos: Path, cache: Path, tmp_path: Path, call: Call
) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    shutil.copytree(photos, folder)
    expected = loading.load(trained).predict(photo_files.list_photos([folder])).to_pandas()
    broken = folder / "broken.jpg"  # in listing order the first or the last
    broken.write_bytes(b"no photo")
    command = ["predict", trained, folder, "--on", nodes, "--out", out, "--part", "16"]
    code, _, err = call(*command, "--cache", cache)
    assert code == 2
    assert f"1 of {len(expected) + 1} photos cannot be read: {broken} (not an image" in err
    table = rows_of(out)
    assert len(table) == len(expected) + 1
    (faulty,) = table[table["fault"].notna()].to_dict("records")
    assert faulty["photo"] == str(broken)
    assert pd.isna(faulty["mask"])
    same(table[table["fault"].isna()], expected)

    written = {file: file.stat().st_mtime_ns for file in out.glob("*.parquet")}
    code, stdout, _ = call(*command, "--cache", cache, "--skip-faulty")
    assert code == 0
    assert "1 of them unreadable" in stdout
    assert written == {file: file.stat().st_mtime_ns for file in out.glob("*.parquet")}
    (folder / "broken.jpg").unlink()
    code, _, err = call(*command, "--cache", cache)
    assert code == 2
    assert "other photos" in err


@pytest.mark.slow
def test_a_bucket_is_answered_though_the_command_is_killed(
    nodes: str, trained: Path, photos: Path, bucket: str, cache: Path, tmp_path: Path, call: Call,
    kill: Callable[..., None],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    command = ["predict", str(trained), bucket, "--on", nodes, "--out", str(out), "--part", "8"]
    kill("maskgate.cluster.bulk.parts:Parts._write", 3, *command)
    before = {file: file.stat().st_mtime_ns for file in out.glob("*.parquet")}
    assert len(before) == 2
    code, stdout, err = call(*command)
    assert code == 0, err
    assert "photos/s" in stdout
    assert all(file.stat().st_mtime_ns == changed for file, changed in before.items())
    expected = loading.load(trained).predict(photo_files.list_photos([photos])).to_pandas()
    same(rows_of(out), expected.assign(photo=expected["photo"].str.removeprefix(str(photos))),
         "s3://door/photos")  # fmt: skip
    assert "secret" not in "".join(file.read_text() for file in out.glob("*.json"))
    assert not (rows_of(out)["photo"].str.contains("secret")).any()


@pytest.mark.slow
def test_what_a_node_cannot_read_is_one_sentence(
    nodes: str, trained: Path, bucket: str, tmp_path: Path, call: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from maskgate.cluster.bulk import block_predictor

    def down(source: str, path: str) -> bytes:
        raise MaskgateError(f"{path}: the store is down; wait")

    def call_with_it_down(self: block_predictor.BlockPredictor, block: pa.Table) -> pa.Table:
        from maskgate.cluster.bulk import listing

        listing.fetch = down  # in the worker
        return answer(self, block)

    answer = block_predictor.BlockPredictor.__call__
    broken = type("Broken", (block_predictor.BlockPredictor,), {"__call__": call_with_it_down})
    monkeypatch.setattr("maskgate.cluster.bulk.BlockPredictor", broken)
    code, _, err = call("predict", trained, bucket, "--on", nodes, "--out", tmp_path / "out")
    assert code == 2
    assert err.splitlines()[-1].endswith("the store is down; wait")


def test_a_bucket_is_listed_in_the_order_of_a_folder(photos: Path, bucket: str) -> None:
    local, remote = listing.find([str(photos)]), listing.find([bucket])
    names = [listing.name(bucket, path) for path in remote.paths]
    assert names == [path.replace(str(photos), "s3://door/photos") for path in local.paths]
    first = listing.fetch(bucket, remote.paths[0])
    assert first == Path(local.paths[0]).read_bytes()
    with pytest.raises(PhotoError, match="no such file"):
        listing.fetch(bucket, "door/photos/none.jpg")


def test_an_address_of_this_machine_names_photos_so(photos: Path) -> None:
    spaced = photos.as_uri()
    photo_listing = listing.find([spaced])
    assert listing.name(spaced, photo_listing.paths[0]) == f"file://{photo_listing.paths[0]}"
    assert (
        listing.fetch(spaced, photo_listing.paths[0]) == Path(photo_listing.paths[0]).read_bytes()
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere", "no such photo or folder"),
        ("file:///nowhere/at/all", "no such photo or folder"),
        ("gopher://hole", "not an address that can be opened"),
        ("s3://a:secret@b/c?endpoint_override=127.0.0.1:1&scheme=http", "cannot be reached"),
    ],
)
def test_a_place_that_is_not_there_is_told(
    place: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(MaskgateError, match=message) as error:
        listing.find([place])
    assert "secret" not in str(error.value)


def test_a_changed_photo_is_another_listing(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    before = listing.find([str(tmp_path / "photos")])
    assert listing.find([str(tmp_path / "photos")]).digest == before.digest
    os.utime(before.paths[3], (1, 1))
    assert listing.find([str(tmp_path / "photos")]).digest != before.digest


def answers(rows: list[int]) -> pa.Table:
    return pa.table({"row": rows, "photo": [f"{row}.jpg" for row in rows]})


def test_a_part_is_written_when_it_is_whole_and_sorted(tmp_path: Path) -> None:
    manifest = Manifest("m", "p", count=7, part=4, all_faces=True)
    with parts.opened(tmp_path / "out", manifest) as output:
        assert output.add(answers([4, 3, 5])) == 3  # of two parts
        assert output.add(answers([2, 2])) == 1  # two faces in one photo
        assert output.missing() == [0, 1]
        assert output.add(answers([6])) == 1
        assert output.missing() == [0]
        with (
            pytest.raises(MaskgateError, match="another process is writing"),
            parts.opened(tmp_path / "out", manifest),
        ):
            pass
    with parts.opened(tmp_path / "out", manifest) as output:  # what was not whole begins anew
        assert output.missing() == [0]
        output.add(answers([0, 1, 2, 2, 3]))
    table = pq.read_table(tmp_path / "out" / "part-000000.parquet")
    assert table.to_pydict() == {"photo": ["0.jpg", "1.jpg", "2.jpg", "2.jpg", "3.jpg"]}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"model": "n"}, "another model"),
        ({"photos": "q"}, "other photos"),
        ({"part": 2}, "another --part"),
        ({"all_faces": True}, "--all-faces"),
    ],
)
def test_a_folder_of_other_answers_is_refused(
    changed: dict[str, object], reason: str, tmp_path: Path
) -> None:
    manifest = Manifest("m", "p", count=7, part=4, all_faces=False)
    with parts.opened(tmp_path, manifest):
        pass
    other = Manifest(**{**vars(manifest), **changed})
    with pytest.raises(MaskgateError, match=reason), parts.opened(tmp_path, other):
        pass


def swapped(first: Path, second: Path) -> None:
    """Two files that change places, of equal age and, in names and sizes, as they were."""
    size = max(path.stat().st_size for path in (first, second))
    contents = [path.read_bytes().ljust(size, b"\0") for path in (first, second)]
    for path, content in zip((second, first), contents, strict=True):
        path.write_bytes(content)
        os.utime(path, ns=(10**18, 10**18))


def test_photos_are_looked_at_again_where_their_stamps_differ(
    photos: Path, trained: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    (folder / "broken.jpg").write_bytes(b"no photo")
    photo_listing = listing.find([str(folder)])
    swapped(*map(Path, photo_listing.paths[2:4]))
    swapped(*map(Path, photo_listing.paths[2:4]))  # both are of one size and age now
    predictor = loading.load(trained)
    columns = schema(predictor)
    settings = WorkerSettings(
        model=trained,
        cache=None,
        trust=False,
        all_faces=False,
        sources=photo_listing.sources,
        columns=columns,
        digest=predictor.digest,
        driver=SimpleNamespace(set_up=lambda: None),  # type: ignore[arg-type]
    )
    block_predictor = BlockPredictor(settings)

    def listed() -> tuple[Manifest, listing.Listing]:
        photo_listing = listing.find([str(folder)])
        return Manifest(
            "m", photo_listing.digest, len(photo_listing), 8, False, photo_listing.names
        ), photo_listing

    manifest, photo_listing = listed()
    with parts.opened(tmp_path / "out", manifest, photo_listing.contents) as output:
        rows = range(16)
        block = {
            "row": rows,
            "source": [0] * 16,
            "path": [photo_listing.paths[row] for row in rows],
        }
        output.add(block_predictor(pa.table(block)))
        assert output.missing() == [2, 3, 4, 5]
    table = pq.read_table(tmp_path / "out" / "part-000000.parquet")
    assert table.schema.names == [name for name in columns.names if name != "row"]
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.parquet")}

    shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(folder)
    (tmp_path / "copy").rename(folder)  # the same names, sizes and times, and other inodes
    copied, photo_listing = listed()
    assert (copied.photos != manifest.photos, copied.names) == (True, manifest.names)
    with parts.opened(tmp_path / "out", copied, photo_listing.contents) as output:
        assert output.missing() == [2, 3, 4, 5]
    with parts.opened(tmp_path / "out", copied, lambda rows: pytest.fail("read again")):
        pass
    assert written == {path: path.stat().st_mtime_ns for path in written}

    before = [Path(path).stat() for path in photo_listing.paths[2:4]]
    swapped(*map(Path, photo_listing.paths[2:4]))
    after = [Path(path).stat() for path in photo_listing.paths[2:4]]
    assert [(s.st_size, s.st_mtime_ns) for s in after] == [
        (s.st_size, s.st_mtime_ns) for s in before
    ]
    other, photo_listing = listed()
    with (
        pytest.raises(MaskgateError, match="some of them have changed"),
        parts.opened(tmp_path / "out", other, photo_listing.contents),
    ):
        pass


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    manifest = Manifest("m", "p", count=7, part=4, all_faces=False)
    with pytest.raises(MaskgateError, match="not empty"), parts.opened(tmp_path, manifest):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--on", "ray"], "name it with --out"),
        (["--part", "5"], "--part needs --on"),
        (["s3://door/photos"], "photos at a URL need --on ray"),
    ],
)
def test_what_does_not_go_together_is_told(
    options: list[str], message: str, trained: Path, photos: Path, call: Call
) -> None:
    code, _, err = call("predict", trained, photos, *options)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err
