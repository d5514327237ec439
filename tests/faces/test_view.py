"""Training, validation, prediction and the door see the same face; another detector is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.metrics import f1_score

import maskgate
from maskgate import labels, runs
from maskgate.config.recipe import Photo
from maskgate.config.settings import Component
from maskgate.data import layouts
from maskgate.ensemble.combining import Combination, EnsembleSpec
from maskgate.errors import MaskgateError
from maskgate.faces import boxes, detectors, view
from maskgate.faces.model_files import Folders
from maskgate.faces.protocol import NO_FACES, Faces
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels
from maskgate.inference.backends.torch import TorchBackend
from maskgate.inference.classifier import Ensemble, SingleModel
from maskgate.inference.predictor import Predictor
from maskgate.model.heads import HEADS, Output
from maskgate.model.network import Network
from maskgate.pipeline import cache
from maskgate.pipeline.loader import Loader
from maskgate.pipeline.transforms import Augment
from maskgate.runs import tables

NetworkInput = Callable[..., "np.ndarray"]

Train = Callable[..., Path]
FACE = "photo.face={detector: {name: toy, side: 0.6}, margin: 0.1}"


class Toy:
    """A face in the middle, and a smaller one at the left; none in photos that are dark there.

    The sha256 can be changed, as another model's would be.
    """

    name = "toy"
    sha256 = "0" * 64

    def __init__(self, folders: Folders, side: float = 0.5) -> None:
        self.arguments: dict[str, Any] = {"side": side}
        self.files: dict[str, Path] = {}

    def __call__(self, photo: Pixels) -> Faces:
        height, width = photo.shape[:2]
        if photo[height // 2, width // 2].mean() < 60:
            return NO_FACES
        side = self.arguments["side"] / 2
        both = np.array([[0.5 - side, 0.4 - side, 0.5 + side, 0.4 + side], [0.0, 0.2, 0.2, 0.4]])
        scale = np.array([width, height] * 2)
        points = np.zeros((2, 5, 2), dtype=np.float32)
        points[:, 1] = (4, 1)
        return Faces((both * scale).astype(np.float32), points, np.array([0.9, 0.8], "f4"))


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> type[Toy]:
    monkeypatch.setitem(detectors.DETECTORS, "toy", Toy)
    monkeypatch.setattr(Toy, "sha256", "0" * 64)
    return Toy


def photo_of(**face: object) -> Photo:
    return Photo.model_validate({"height": 24, "width": 20, "margin": 0.25, "face": face})


@pytest.mark.slow
def test_the_crop_is_the_same_in_training_prediction_and_submission(
    network_input: NetworkInput,
    train: Train,
    people: Path,
    tmp_path: Path,
    toy: type[Toy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = train(tmp_path / "run", FACE)
    batches: list[np.ndarray] = []
    forward = Network.forward

    def spy(self: Network, photos: torch.Tensor) -> Any:
        batches.append(photos.cpu().numpy().copy())
        return forward(self, photos)

    monkeypatch.setattr(Network, "forward", spy)
    photos = layouts.read(people)
    names = photos.table["photo"][:30]
    paths = [photos.root / name for name in names]
    predictions = maskgate.load(run).predict(paths).to_pandas()
    predicted = batches[0]

    recipe = runs.open_run(run).recipe()
    face_view = view.create(recipe.photo, tmp_path)
    expected = np.stack([network_input(path.read_bytes(), face_view) for path in paths])
    np.testing.assert_array_equal(predicted, expected)

    some = photos.take(np.arange(30))
    assert face_view.detector is not None
    known, _, _ = boxes.find(some, face_view.detector, tmp_path / "cache")
    store, _ = cache.build(some, face_view, tmp_path / "cache", known)
    geometry = face_view.geometry
    loader = Loader(store, some.table, geometry, Augment((), geometry))
    (trained, _), *_ = loader.training([np.arange(30)], start=0, rank=0, ranks=1, place=(7,))
    (validated, _), *_ = loader.validation(np.arange(30), 99, 0, 1)
    np.testing.assert_array_equal(trained.numpy(), expected)
    np.testing.assert_array_equal(validated.numpy(), expected)

    # And it is the face: the window of the box, in the middle of what is stored.
    with_face = predictions["face_left"].notna()
    assert 0 < with_face.sum() < 30
    for row in np.flatnonzero(with_face):
        image = pixels.decode(paths[row])
        box = predictions.loc[
            row, ["face_left", "face_top", "face_right", "face_bottom"]
        ].to_numpy()
        wide, tall = (0.6 * length for length in image.size)
        np.testing.assert_allclose(box[2:] - box[:2], [wide, tall], rtol=1e-5)


def test_a_photo_without_a_face_shows_its_centre(toy: type[Toy]) -> None:
    with_face = view.create(photo_of(detector="toy"), Path())
    plain = view.create(Photo(height=24, width=20, margin=0.25), Path())
    dark = Image.new("RGB", (80, 60), (10, 20, 30))
    dark.paste(Image.linear_gradient("L").resize((80, 20)), (0, 0))
    np.testing.assert_array_equal(with_face.stored(dark), plain.stored(dark))
    bright = Image.linear_gradient("L").resize((80, 60)).convert("RGB")
    assert (with_face.stored(bright) != plain.stored(bright)).any()


@pytest.mark.parametrize(
    "change", [{"margin": 0.5}, {"align": True}, {"background": "remove"}, {"crop": 0.5}]
)
def test_views_that_differ_are_cached_apart(change: dict[str, Any], toy: type[Toy]) -> None:
    reference = view.create(photo_of(detector="toy"), Path())
    if "crop" in change:
        other = view.create(photo_of(detector="toy").model_copy(update=change), Path())
    else:
        other = view.create(photo_of(detector="toy", **change), Path())
    assert reference.name != other.name
    again = view.create(photo_of(detector={"name": "toy", "side": 0.5}), Path())
    assert again.name == reference.name
    smaller = view.create(photo_of(detector={"name": "toy", "side": 0.4}), Path())
    assert smaller.name != reference.name


def test_the_run_names_its_detector_and_refuses_another(
    train: Train, people: Path, tmp_path: Path, toy: type[Toy], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(tmp_path / "run", FACE)
    face = runs.open_run(run).recipe().photo.face
    assert face is not None and face.sha256 == "0" * 64
    assert face.detector.arguments == {"side": 0.6}
    photo = next((people / "eval" / "images").iterdir())
    maskgate.load(run).predict([photo])
    monkeypatch.setattr(Toy, "sha256", "1" * 64)
    with pytest.raises(MaskgateError, match=r"toy and its model 000000000000….*111111111111…"):
        maskgate.load(run)
    # A recipe that tells the hash is refused for training as well.
    with pytest.raises(MaskgateError, match="train again"):
        train(tmp_path / "other", FACE, f"photo.face.sha256={'0' * 64!r}")


def test_the_report_tells_of_photos_without_a_face(
    train: Train, tmp_path: Path, toy: type[Toy]
) -> None:
    run = runs.open_run(train(tmp_path / "run", FACE))
    table = pd.read_parquet(run.photos_file)
    missed = table["faces"] == 0
    face_results = run.metrics().faces
    assert face_results.missed.photos == missed.sum() > 0
    assert face_results.detected.photos == (~missed).sum() > 0
    assert table["left"].isna().tolist() == missed.tolist()
    oof, probabilities = tables.oof(run)
    has_face = oof["photo"].map(table.set_index("photo")["faces"]).to_numpy() > 0
    for which, part in (("detected", has_face), ("missed", ~has_face)):
        truth, predicted = oof["label"].to_numpy()[part], probabilities.argmax(1)[part]
        score = f1_score(truth, predicted, labels=range(18), average="macro", zero_division=0)
        assert getattr(face_results, which).score.value == pytest.approx(score)
        parts = labels.marginals(probabilities[part])
        right = parts["gender"].argmax(1) == truth // 3 % 2
        assert getattr(face_results, which).accuracy["gender"].value == pytest.approx(right.mean())
    page = run.report_file.read_text("utf-8")
    assert f"No face was found in {missed.sum()} of {len(table)} photos" in " ".join(page.split())
    assert "detected by toy (side: 0.6)" in " ".join(page.split())


def test_all_faces_give_a_row_each(
    train: Train, people: Path, tmp_path: Path, toy: type[Toy], call: Callable[..., Any]
) -> None:
    run = train(tmp_path / "run", FACE)
    photos = layouts.read(people)
    paths = [photos.root / name for name in photos.table["photo"][:12]]
    one = maskgate.load(run).predict(paths).to_pandas()
    every = maskgate.load(run).predict(paths, all_faces=True).to_pandas()
    assert len(one) == 12
    counts = every.groupby("photo").size()
    row: Any
    for row in one.itertuples(index=False):
        rows = every[every["photo"] == row.photo]
        assert counts[row.photo] == (1 if np.isnan(row.face_left) else 2)
        # The face that counts is among them, and is answered alike.
        same = rows[(rows["face_left"] == row.face_left) | rows["face_left"].isna()]
        assert len(same) == 1
        np.testing.assert_allclose(same["p00"].item(), row.p00, atol=1e-5)
    out = tmp_path / "all.csv"
    code, _, _ = call("predict", run, *paths[:3], "--all-faces", "-o", out)
    assert code == 0 and len(pd.read_csv(out)) == counts[[str(path) for path in paths[:3]]].sum()


def test_all_faces_of_a_model_of_whole_photos_are_refused(
    trained: Path, people: Path, call: Callable[..., Any]
) -> None:
    photo = next((people / "eval" / "images").iterdir())
    code, _, stderr = call("predict", trained, photo, "--all-faces")
    assert code == 2 and "takes whole photos" in stderr


def test_a_training_in_which_nobody_has_a_face_ends_well(
    train: Train, people: Path, tmp_path: Path, toy: type[Toy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Toy, "__call__", lambda self, photo: NO_FACES)
    # Another key than that of the faces which other tests found.
    run = runs.open_run(train(tmp_path / "run", FACE.replace("0.6", "0.61")))
    face_results = run.metrics().faces
    assert face_results.detected.model_dump(exclude_unset=True) == {"photos": 0, "people": 0}
    assert face_results.missed.score == run.metrics().score
    page = " ".join(run.report_file.read_text("utf-8").split())
    assert f"No face was found in {face_results.missed.photos} of" in page
    assert "of the others is" not in page


def test_views_of_one_stored_size_show_their_own_inputs(
    people: Path, network_input: NetworkInput
) -> None:
    """Two members that store alike, one with a margin for random crops and one without."""
    with_margin = view.create(Photo(height=96, width=72, margin=0.25), Path())
    without = view.create(Photo(height=120, width=90, margin=0), Path())
    assert with_margin.name == without.name
    photo = next((people / "eval" / "images").iterdir())
    batches: list[np.ndarray] = []

    class Spy(torch.nn.Module):
        head = HEADS["joint"](4)

        def forward(self, batch: torch.Tensor) -> Output:
            batches.append(batch.cpu().numpy())
            return Output(torch.zeros(len(batch), labels.COUNT).log_softmax(1), {})

    views = (with_margin, without)
    members = [(SingleModel([TorchBackend(Spy())], each), 1.0) for each in views]  # type: ignore[arg-type]
    vote = Combination(EnsembleSpec(Component(name="soft_vote")), {})
    Predictor(Ensemble(members, vote)).predict([photo])
    assert [picture.shape for picture in batches] == [(1, 96, 72, 3), (1, 120, 90, 3)]
    for picture, alone in zip(batches, views, strict=True):
        np.testing.assert_array_equal(picture[0], network_input(photo, alone))


def test_a_photo_that_changes_between_the_passes_is_told(
    people: Path, tmp_path: Path, toy: type[Toy]
) -> None:
    photos = layouts.read(people).take(np.arange(3))
    face_view = view.create(photo_of(detector="toy"), Path())
    assert face_view.detector is not None
    known, _, _ = boxes.find(photos.take(np.arange(2)), face_view.detector, tmp_path)
    _, problems = cache.build(photos, face_view, tmp_path, known)
    assert [problem.detail for problem in problems] == ["changed while it was read"]


def test_a_model_file_by_name_stays_in_the_recipe_unless_it_is_at_hand(
    toy: type[Toy], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def of_file(folders: Folders, file: str | None = None) -> Toy:
        detector = Toy(folders)
        detector.arguments = {}
        detector.sha256 = "0" * 64 if file in (None, "same") else "f" * 64
        return detector

    monkeypatch.setitem(detectors.DETECTORS, "toy", of_file)
    monkeypatch.setattr(detectors, "is_available", lambda component, folder: True)
    for file, kept in (("same", {}), ("other", {"file": str(Path("other").absolute())})):
        face = view.resolved(photo_of(detector={"name": "toy", "file": file}), tmp_path).face
        assert face is not None and face.detector.arguments == kept


@pytest.mark.slow
def test_who_was_drawn_on_counts_as_seen(
    train: Train, people: Path, tmp_path: Path, call: Callable[..., Any]
) -> None:
    """A backbone trained on dressed people may not start a model that is validated on them."""
    dressed = tmp_path / "dressed"
    code, _, stderr = call("wear", people, dressed, "--detector", "mtcnn", "--workers", 1)
    assert code == 0, stderr
    first = train(tmp_path / "first", "folds.kind=all", data=dressed)
    with pytest.raises(MaskgateError, match="trained on validation people of fold 0"):
        train(tmp_path / "second", f"model.init={first}")
