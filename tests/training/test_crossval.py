import gc
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from maskgate import runs
from maskgate.core.geometry import Geometry
from maskgate.data import layouts
from maskgate.errors import MaskgateError
from maskgate.evaluation import metrics
from maskgate.faces.view import View
from maskgate.imaging import pixels
from maskgate.inference import loading
from maskgate.inference.backends import torch as torch_backend
from maskgate.model.network import Network
from maskgate.pipeline import cache as caches
from maskgate.runs import RunFolder, tables
from maskgate.runs.records.results import Results
from maskgate.training import scoring
from maskgate.training.callbacks import Callbacks, Row

NetworkInput = Callable[..., "np.ndarray"]

Train = Callable[..., Path]


def test_a_run_holds_what_design_promises(trained: Path, people: Path) -> None:
    run = runs.open_run(trained)
    assert {path.name for path in trained.iterdir() if path.name[0] != "."} == {
        "recipe.yaml", "run.json", "folds.csv", "photos.parquet", "history.csv", "oof.parquet",
        "thumbnails.parquet",
        "metrics.json", "mistakes.csv", "report.html", "fold-0", "fold-1",
    }  # fmt: skip
    history = tables.history(run)
    assert history[["fold", "epoch"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
    table = layouts.read(people).table
    out_of_fold, probabilities = tables.read_probabilities(run.oof_file)
    assert sorted(out_of_fold["photo"]) == sorted(table["photo"])
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)


def test_metrics_are_those_of_the_out_of_fold_file(trained: Path, people: Path) -> None:
    run = runs.open_run(trained)
    oof, probabilities = tables.read_probabilities(run.oof_file)
    table = layouts.read(people).table.set_index("photo").loc[oof["photo"]].reset_index()
    again = json.loads(json.dumps(metrics.evaluate(probabilities, table)))
    results = json.loads(run.metrics_file.read_text())
    assert {key: results[key] for key in again} == again


def test_out_of_fold_probabilities_come_from_a_model_that_never_saw_the_person(
    network_input: NetworkInput, trained: Path, people: Path
) -> None:
    run = runs.open_run(trained)
    oof, probabilities = tables.read_probabilities(run.oof_file)
    photos = tables.photos(run)
    geometry = run.recipe().photo.geometry
    for fold in run.folds:
        rows = np.flatnonzero(oof["fold"] == fold)
        training_photos = photos[photos["fold"] != fold]
        tested = photos.set_index("photo").loc[oof["photo"].iloc[rows]]
        for key in ("person", "cluster", "digest"):
            assert not set(training_photos[key]) & set(tested[key]), key
        images = people / "train" / "images"
        batch = np.stack(
            [network_input(images / oof["photo"][row], View(geometry)) for row in rows]
        )
        with torch.inference_mode():
            again = (
                torch_backend.restore(run, fold)
                .eval()(torch.from_numpy(batch))
                .log_probabilities.exp()
                .numpy()
            )
        np.testing.assert_allclose(again, probabilities[rows], atol=1e-5)
        other = (
            torch_backend.restore(run, 1 - fold)
            .eval()(torch.from_numpy(batch))
            .log_probabilities.exp()
        )
        assert np.abs(other.detach().numpy() - probabilities[rows]).max() > 1e-3


def test_the_same_command_on_a_finished_run_says_so(
    train: Train, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()}
    assert train(trained) == trained
    assert "this run is finished" in capsys.readouterr().err
    after = {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()}
    assert {k: v for k, v in after.items() if k.name != ".lock"} == {
        k: v for k, v in before.items() if k.name != ".lock"
    }


def test_another_recipe_or_a_used_folder_is_refused(
    train: Train, trained: Path, tmp_path: Path
) -> None:
    with pytest.raises(MaskgateError, match="has a run of tiny with another recipe"):
        train(trained, "optimizer.lr=0.1")
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(MaskgateError, match="not empty and no run"):
        train(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_the_fold_file_can_be_given_back(train: Train, trained: Path, tmp_path: Path) -> None:
    folds = trained / "folds.csv"
    again = train(tmp_path / "again", f"folds.file={folds}", "folds.seed=99", "training.epochs=1")
    assert (again / "folds.csv").read_bytes() == folds.read_bytes()


def test_one_hold_out(train: Train, tmp_path: Path) -> None:
    run = RunFolder(
        train(tmp_path / "run", "folds.kind=holdout", "folds.fraction=0.25", "training.epochs=1")
    )
    assert run.folds == [0]
    oof, _ = tables.read_probabilities(run.oof_file)
    folds = pd.read_csv(run.folds_file)
    assert set(oof["person"]) == set(folds.loc[folds["fold"] == 0, "person"])
    assert abs(oof["person"].nunique() - 8) <= 1


def test_all_data_for_a_fixed_number_of_epochs(train: Train, tmp_path: Path) -> None:
    run = RunFolder(train(tmp_path / "run", "folds.kind=all"))
    assert run.metrics() == Results(validated=False)
    assert not run.oof_file.exists()
    assert len(tables.history(run)) == 2
    assert "so it has no score" in run.report_file.read_text()
    assert loading.load(run.path).predict([]).to_pandas().empty


def test_best_epoch_selection_reports_the_last_beside_it(train: Train, tmp_path: Path) -> None:
    run = RunFolder(train(tmp_path / "run", "folds.kind=holdout", "training.select=best"))
    results = run.metrics()
    assert results.last_epoch.low <= results.last_epoch.value
    assert "The macro F1 of the last epoch is" in run.report_file.read_text()


@pytest.mark.slow
def test_smoke_takes_at_most_64_photos_and_reads_no_others(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, people: Path
) -> None:
    read: set[bytes] = set()  # the report shows some of those trained on again
    decode = pixels.decode

    def noted(source: Path | bytes) -> Image.Image:
        read.add(source if isinstance(source, bytes) else source.read_bytes())
        return decode(source)

    monkeypatch.setattr(pixels, "decode", noted)
    from maskgate.config import recipe
    from maskgate.training import crossval
    from maskgate.training.options import TrainOptions

    options = TrainOptions("baseline", people, tmp_path / "run", tmp_path / "cache", smoke=True)
    small_recipe = recipe.load(recipe.find("baseline"), ["photo.height=32", "photo.width=24"])
    run = crossval.train(small_recipe, options)
    assert 32 < len(read) <= 64
    assert run.metrics().photos == len(read)
    first_start = run.status().started
    crossval.train(small_recipe, options)  # anew, in the same folder
    assert run.status().started >= first_start


def test_smoke_takes_a_few_photos_of_each_person(
    train: Train, people: Path, tmp_path: Path
) -> None:
    (tmp_path / "eval").symlink_to(people / "eval")
    images = sorted((people / "eval" / "images").iterdir())[:40]
    rows = [
        {"photo": f"eval/images/{p.name}", "person": n % 2, "mask": "wear"}
        for n, p in enumerate(images)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "photos.csv", index=False)
    run = RunFolder(train(tmp_path / "run", data=tmp_path / "photos.csv", smoke=True))
    assert run.metrics().photos == 14


def copy_people(people: Path, to: Path, count: int) -> Path:
    import shutil

    folders = sorted((people / "train" / "images").iterdir())
    for folder in [path for path in folders if path.is_dir()][:count]:
        shutil.copytree(folder, to / folder.name)
    return to


@pytest.mark.slow
def test_broken_photos_are_told_together_or_left_out(
    train: Train, people: Path, tmp_path: Path
) -> None:
    data = copy_people(people, tmp_path / "data", 12)
    broken = sorted(data.rglob("mask[12].jpg"))[:2]
    for path in broken:
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(MaskgateError) as error:
        train(tmp_path / "run", data=data)
    for path in broken:
        assert str(path.relative_to(data)) in str(error.value)
    assert not (tmp_path / "run").exists()
    run = RunFolder(train(tmp_path / "run", "training.epochs=1", data=data, skip_faulty=True))
    assert run.metrics().photos == 12 * 7 - 2
    assert "2 × unreadable photo" in " ".join(run.status().warnings)


def test_init_starts_from_the_backbone_of_another_run(
    train: Train, trained: Path, tmp_path: Path
) -> None:
    frozen = "optimizer.lr=1e-12"
    shared = ("model.head=joint", frozen, "training.epochs=1", "optimizer.weight_decay=0")
    run = RunFolder(train(tmp_path / "run", f"model.init={trained}", *shared))
    for fold in (0, 1):  # the folds are the same, so each starts from its own
        source, weights = RunFolder(trained).weights(fold), run.weights(fold)
        name = "backbone.conv1.0.weight" if "backbone.conv1.0.weight" in weights else None
        names = [name] if name else [k for k in weights if k.endswith("conv1.weight")]
        for key in names:
            torch.testing.assert_close(weights[key], source[key], atol=1e-6, rtol=0)


def test_init_refuses_to_leak(train: Train, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=r"folds\.file="):
        train(tmp_path / "run", f"model.init={trained}", "folds.seed=3", "folds.kind=holdout")
    with pytest.raises(MaskgateError, match="use the same backbone"):
        train(tmp_path / "other", f"model.init={trained}", "model.backbone=test_vit",
              "photo.height=64", "photo.width=48")  # fmt: skip


@pytest.mark.slow
def test_init_does_not_leak_by_way_of_a_third_run(
    train: Train, people: Path, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    for number in range(8):
        picture = random.integers(0, 255, (40, 30, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    rows = [{"photo": f"{n}.png", "mask": "wear"} for n in range(8)]
    pd.DataFrame(rows).to_csv(tmp_path / "photos.csv", index=False)
    short = ("training.epochs=1", "folds.kind=all")
    first = train(tmp_path / "first", *short)
    second = train(tmp_path / "second", *short, f"model.init={first}", data=tmp_path / "photos.csv")
    with pytest.raises(MaskgateError, match="was trained on validation people of fold"):
        train(tmp_path / "third", "training.epochs=1", f"model.init={second}")


def copies_of_people(people: Path, to: Path) -> str:
    """The recipe's change that trains on a copy of one photo of each of the sample people too."""
    images = people / "train" / "images"
    photos = [
        next(folder.glob("mask1.*")) for folder in sorted(images.iterdir()) if folder.is_dir()
    ]
    (to / "linked").symlink_to(images)
    names = [f"linked/{path.relative_to(images)}" for path in photos]
    rows = [{"photo": name, "person": number} for number, name in enumerate(names)]
    pd.DataFrame(rows).assign(mask="wear").to_csv(to / "more.csv", index=False)
    return f"data=[{{path: {to / 'more.csv'}, weight: 2}}]"


@pytest.mark.slow
def test_what_training_is_told_changes_no_truth(
    train: Train, trained: Path, people: Path, tmp_path: Path
) -> None:
    plain, person_names = RunFolder(trained), layouts.read(people).table["person"].unique()
    lines = [f"{person},gender,male,sure," for person in person_names] + ["nobody,age,30,sure,"]
    fixes = tmp_path / "fixes.csv"
    fixes.write_text("\n".join(["person,field,value,tier,reason", *lines]) + "\n")
    short, wrong = ("training.epochs=1", "optimizer.lr=1e-3"), f"labels.corrections={fixes}"
    more = copies_of_people(people, tmp_path)
    changes = (wrong, more, "labels.old_from=58", "labels.leave_out_ages=[27, 28, 29, 57, 58, 59]")
    run = RunFolder(train(tmp_path / "run", *short, *changes))
    assert run.status().truth == plain.status().truth == "bands 30/60, labels as read"
    pd.testing.assert_frame_equal(tables.photos(run), tables.photos(plain))
    assert run.folds_file.read_bytes() == plain.folds_file.read_bytes()
    oof, probabilities = tables.oof(run)
    again = json.loads(json.dumps(metrics.evaluate(probabilities, oof)))
    results = json.loads(run.metrics_file.read_text())
    assert {key: results[key] for key in again} == again
    assert set(oof["gender"]) == {0, 1}
    status = run.status()
    females = (tables.photos(plain)["gender"] == 1).sum()
    assert (status.corrected, status.more) == (females, len(person_names))
    assert "1 × correction of nobody here (first: nobody)" in status.warnings
    # What training was told shows in the weights; scored against it, the run would look better.
    corrected = RunFolder(train(tmp_path / "truth", *short, wrong, "labels.truth=sure"))
    assert corrected.status().truth.startswith("bands 30/60, labels corrected by fixes.csv up")
    assert corrected.folds_file.read_bytes() == plain.folds_file.read_bytes()
    assert set(tables.photos(corrected)["gender"]) == {0}
    classes = corrected.metrics().attributes["gender"].classes
    assert [each.photos for each in classes] == [len(oof), 0]


@pytest.mark.slow
def test_further_data_count_as_seen(train: Train, people: Path, tmp_path: Path) -> None:
    short, more = ("training.epochs=1", "folds.count=2"), copies_of_people(people, tmp_path)
    first = RunFolder(train(tmp_path / "first", *short, more))
    further = tables.extra(first)
    assert further["weight"].eq(2).all()
    assert set(further["cluster"]) <= set(tables.photos(first)["cluster"])
    for fold in (0, 1):
        photos = tables.photos(first)
        assert not tables.training_digests(first, fold) & set(
            photos.loc[photos["fold"] == fold, "digest"]
        )
        kept_out = further["not_in"].map(lambda folds, fold=fold: fold in folds)
        assert set(further.loc[~kept_out, "digest"]) <= tables.training_digests(first, fold)
    # Each fold may go on from its own: no copy of the people it is validated on was trained on.
    train(tmp_path / "second", *short, f"model.init={first.path}")
    random = np.random.default_rng(0)
    for number in range(8):
        picture = random.integers(0, 255, (40, 30, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    noise = tmp_path / "noise.csv"
    noise.write_text("photo,mask\n" + "".join(f"{n}.png,wear\n" for n in range(8)))
    third = train(tmp_path / "third", *short, more, data=noise)
    with pytest.raises(MaskgateError, match="was trained on validation people of fold"):
        train(tmp_path / "fourth", *short, f"model.init={third}")


@pytest.mark.slow
def test_weights_that_change_make_another_run(train: Train, tmp_path: Path) -> None:
    short = ("training.epochs=1", "folds.kind=all")
    first = train(tmp_path / "first", *short)
    init = (*short, f"model.init={first}")
    train(tmp_path / "second", *init)
    import shutil

    shutil.rmtree(first)
    train(first, *short, "seed=8")
    with pytest.raises(MaskgateError, match="another recipe or other data"):
        train(tmp_path / "second", *init)


def test_a_fold_file_that_contradicts_the_kind_is_refused(
    train: Train, trained: Path, tmp_path: Path
) -> None:
    folds = pd.read_csv(trained / "folds.csv")
    nobody = tmp_path / "nobody.csv"
    folds.assign(fold=-1).to_csv(nobody, index=False)
    with pytest.raises(MaskgateError, match="validates nobody"):
        train(tmp_path / "run", f"folds.file={nobody}")
    with pytest.raises(MaskgateError, match="validates people"):
        train(tmp_path / "run", f"folds.file={trained / 'folds.csv'}", "folds.kind=all")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("left", [(), ("recipe.yaml", "folds.csv", ".recipe.yaml.1.part")])
def test_a_kill_while_the_folder_is_set_up_is_resumed(
    train: Train, tmp_path: Path, left: tuple[str, ...]
) -> None:
    out = tmp_path / "run"
    short = ("training.epochs=1", "folds.kind=all")
    train(out, *short)
    run = RunFolder(out)
    run.update_status(finished=None)
    status = run.status_file.read_text()
    for path in sorted(out.rglob("*"), reverse=True):
        if path.is_file() and path.name != "run.json":
            path.unlink()
        elif path.is_dir():
            path.rmdir()
    (out / ".lock").touch()
    for name in left:
        (out / name).write_text("half")
    if left:
        run.status_file.write_text(status)
    else:
        run.status_file.unlink()
    assert RunFolder(train(out, *short)).status().finished
    assert not list(out.rglob("*.part"))


@pytest.mark.slow
def test_a_csv_with_partial_labels_trains(train: Train, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = []
    for number in range(24):
        picture = random.integers(0, 255, (40, 30, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        rows.append({"photo": f"{number}.png", "mask": ["wear", "not_wear", ""][number % 3],
                     "gender": ["male", "female"][number % 2]})  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "photos.csv", index=False)
    run = RunFolder(train(tmp_path / "run", "training.epochs=1", data=tmp_path / "photos.csv"))
    results = run.metrics()
    assert results.fully_labelled == 0
    assert sum(c.photos for c in results.attributes["mask"].classes) == 16
    assert set(results.attributes) == {"mask", "gender"}  # nothing is said of the age
    assert results.macro_f1 is None
    assert results.score_of == "macro F1, mean of mask, gender"
    means = [part.macro_f1.value for part in results.attributes.values()]
    assert results.score.value == pytest.approx(np.mean(means))
    assert tables.history(run)["valid_score"].notna().all()
    assert tables.history(run)["valid_macro_f1"].isna().all()
    assert "mean of mask" in scoring.summary(run)


@pytest.mark.slow
def test_another_search_for_near_duplicates_is_not_answered_by_an_old_result(
    tiny: Path, people: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maskgate.config import recipe
    from maskgate.data import near_duplicates
    from maskgate.training.options import TrainOptions
    from maskgate.training.training_data import prepare

    options = TrainOptions("tiny", people, tmp_path / "run", tmp_path / "cache")
    assert prepare(recipe.load(tiny), options).near_duplicates.largest == 2
    monkeypatch.setattr(near_duplicates, "confirmed", lambda pairs, _: np.zeros(len(pairs), bool))
    assert prepare(recipe.load(tiny), options).near_duplicates.largest == 2  # remembered
    monkeypatch.setattr(near_duplicates, "VERSION", near_duplicates.VERSION + 1)
    assert prepare(recipe.load(tiny), options).near_duplicates.largest == 1


def test_two_runs_of_one_folder_do_not_meet(train: Train, tmp_path: Path) -> None:
    from filelock import FileLock

    out = tmp_path / "run"
    out.mkdir()
    with FileLock(out / ".lock"), pytest.raises(MaskgateError, match="another process"):
        train(out)


def test_the_cache_is_not_needed_to_resume(people: Path, tmp_path: Path) -> None:
    photos = layouts.read(people)
    store, problems = caches.build(photos, View(Geometry(16, 12)), tmp_path)
    assert len(store) == len(photos.table)
    assert not problems


@pytest.mark.slow
def test_the_networks_of_finished_folds_leave_memory(train: Train, tmp_path: Path) -> None:
    """Accelerate keeps what it has prepared: networks, optimisers, and the loss scaling of fp16."""
    counts: list[int] = []

    def count(row: Row) -> None:
        gc.collect()
        counts.append(sum(type(each) is Network for each in gc.get_objects()))

    train(tmp_path / "run", "training.epochs=1", callbacks=(Callbacks(on_epoch_end=count),))
    assert len(counts) == 2, "one epoch in each of two folds"
    assert counts[0] == counts[1]
