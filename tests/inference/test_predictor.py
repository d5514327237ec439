"""One path from photo to pixels: training, validation, predict and submit see the same."""

import os
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import maskgate
from maskgate import runs
from maskgate.data import layouts
from maskgate.errors import MaskgateError
from maskgate.evaluation import submission
from maskgate.faces.view import View
from maskgate.imaging import photo_files
from maskgate.inference.backends import torch as torch_backend
from maskgate.model.heads import Output
from maskgate.model.network import Network
from maskgate.pipeline import cache
from maskgate.pipeline.loader import Loader
from maskgate.pipeline.transforms import Augment

NetworkInput = Callable[..., "np.ndarray"]


def drawn(size: tuple[int, int] = (61, 45)) -> np.ndarray:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, (6, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC))


def odd_photos(folder: Path) -> list[str]:
    """One picture as JPEG in all eight EXIF orientations, in grey and with alpha."""
    folder.mkdir(parents=True)
    image = Image.fromarray(drawn())
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(folder / f"exif{orientation}.jpg", exif=exif, quality=95)
    image.convert("L").save(folder / "grey.jpg")
    with_alpha = image.convert("RGBA")
    with_alpha.putalpha(Image.linear_gradient("L").resize(image.size))
    with_alpha.save(folder / "alpha.png")
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def network_photos(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The photos that reach the network, in order."""
    batches: list[np.ndarray] = []
    forward = Network.forward

    def spy(self: Network, photos: torch.Tensor) -> Output:
        batches.append(photos.cpu().numpy().copy())
        return forward(self, photos)

    monkeypatch.setattr(Network, "forward", spy)
    return batches


def test_equal_pixels_through_train_predict_and_submit(
    network_input: NetworkInput, trained: Path, tmp_path: Path, network_photos: list[np.ndarray]
) -> None:
    names = odd_photos(tmp_path / "eval" / "images")
    data = tmp_path / "eval"
    pd.DataFrame({"ImageID": names, "ans": 0}).to_csv(data / "info.csv", index=False)
    labelled = pd.DataFrame({"photo": [f"images/{name}" for name in names], "mask": "wear"})
    labelled.to_csv(data / "photos.csv", index=False)

    predictor = maskgate.load(trained)
    (view,) = predictor.views
    geometry = view.geometry
    predictor.predict([data / "images" / name for name in names])
    predicted = network_photos.pop()
    network_photos.clear()
    submission.submit(predictor, "run", data, tmp_path / "submission.csv")
    submitted = network_photos.pop()

    photos = layouts.read(data / "photos.csv")
    store, _ = cache.build(photos, view, tmp_path / "cache")
    loader = Loader(store, photos.table, geometry, Augment((), geometry))
    rows = np.arange(len(names))
    (trained_on, _), *_ = loader.training([rows], start=0, rank=0, ranks=1, place=(7,))
    (validated_on, _), *_ = loader.validation(rows, 99, 0, 1)

    for other in (submitted, trained_on.numpy(), validated_on.numpy()):
        np.testing.assert_array_equal(predicted, other)
    door = np.stack([network_input((data / "images" / n).read_bytes(), view) for n in names])
    np.testing.assert_array_equal(predicted, door)
    assert predicted.shape == (len(names), geometry.height, geometry.width, 3)


def test_predictions_are_the_mean_of_the_folds(
    network_input: NetworkInput, trained: Path, people: Path
) -> None:
    paths = sorted((people / "eval" / "images").iterdir())[:70]  # more than a batch, if there were
    predictions = maskgate.load(trained).predict(paths).to_pandas()
    run = runs.open_run(trained)
    batch = np.stack([network_input(path, View(run.recipe().photo.geometry)) for path in paths])
    with torch.inference_mode():
        folds = [torch_backend.restore(run, k).eval()(torch.from_numpy(batch)) for k in (0, 1)]
    mean = sum(fold.log_probabilities.exp().numpy() for fold in folds) / 2
    columns = [f"p{c:02d}" for c in range(18)]
    np.testing.assert_allclose(predictions[columns].to_numpy(), mean, atol=1e-5)
    assert predictions["photo"].tolist() == [str(path) for path in paths]
    assert predictions["label"].tolist() == mean.argmax(1).tolist()
    worn = mean[:, :6].sum(1)
    right = predictions["mask"] == "wear"
    np.testing.assert_allclose(predictions["mask_probability"][right], worn[right], atol=1e-5)


def test_folds_may_vote_by_the_class(
    network_input: NetworkInput, train: Callable[..., Path], people: Path, tmp_path: Path
) -> None:
    path = train(tmp_path / "run", "folds.vote=hard_vote", "folds.kind=kfold", "folds.count=3")
    run = runs.open_run(path)
    paths = sorted((people / "eval" / "images").iterdir())[:30]
    batch = np.stack([network_input(path, View(run.recipe().photo.geometry)) for path in paths])
    with torch.inference_mode():
        folds = [torch_backend.restore(run, k).eval()(torch.from_numpy(batch)) for k in run.folds]
    likeliest = [fold.log_probabilities.argmax(1).tolist() for fold in folds]
    classes = maskgate.load(path).predict(paths).classes
    agreed = 0
    for row, votes in enumerate(zip(*likeliest, strict=True)):
        label, count = Counter(votes).most_common(1)[0]
        if count > 1:
            agreed += len(set(votes)) > 1
            assert classes[row] == label
    assert agreed, "no photo shows a vote from a mean"


def test_unreadable_photos_are_told_together(trained: Path, people: Path, tmp_path: Path) -> None:
    good = sorted((people / "eval" / "images").iterdir())[0]
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no photo")
    empty = tmp_path / "empty.png"
    empty.touch()
    model = maskgate.load(trained)
    with pytest.raises(MaskgateError) as error:
        model.predict([good, bad, empty])
    assert str(bad) in str(error.value)
    assert str(empty) in str(error.value)
    left = model.predict([good, bad, empty], skip_faulty=True)
    assert left.photos == [str(good)]


def test_submission_keeps_the_order_of_info_csv(
    trained: Path, people: Path, tmp_path: Path
) -> None:
    out = tmp_path / "submission.csv"
    model = maskgate.load(trained)
    summary = submission.submit(model, "run", people, out)
    assert (summary.rows, summary.networks) == (42, 2)
    assert summary.photos_per_second > 0
    info, answers = pd.read_csv(people / "eval" / "info.csv"), pd.read_csv(out)
    assert list(answers.columns) == ["ImageID", "ans"]
    assert answers["ImageID"].tolist() == info["ImageID"].tolist()
    predictions = maskgate.load(trained).predict(
        people / "eval" / "images" / n for n in info["ImageID"]
    )
    assert answers["ans"].tolist() == predictions.classes.tolist()


def test_a_submission_names_photos_as_info_csv_does(trained: Path, tmp_path: Path) -> None:
    nfc, nfd = (unicodedata.normalize(form, "김") for form in ("NFC", "NFD"))
    (tmp_path / "images").mkdir()
    for name in (f"{nfd}.png", "b.png"):
        Image.fromarray(drawn()).save(tmp_path / "images" / name)
    (tmp_path / "info.csv").write_text(f"ImageID;ans\n{nfc}.png;0\nb.png;0\n", encoding="utf-16")
    out = tmp_path / "submission.csv"
    submission.submit(maskgate.load(trained), "run", tmp_path, out)
    lines = out.read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == ["ImageID", f"{nfc}.png", "b.png"]


def test_a_photo_whose_name_is_not_utf8_is_predicted(
    trained: Path, call: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    odd = tmp_path / os.fsdecode("김.png".encode("cp949"))
    Image.fromarray(drawn()).save(tmp_path / "a.png")
    try:
        odd.write_bytes((tmp_path / "a.png").read_bytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    out = tmp_path / "found.csv"
    assert call("predict", trained, tmp_path, "-o", out)[0] == 0
    predictions = pd.read_csv(out)
    assert predictions["photo"].tolist() == [f"{tmp_path}/a.png", rf"{tmp_path}/\xb1\xe8.png"]
    assert predictions["p00"].nunique() == 1
    result = call("predict", trained, odd)
    assert (result[0], result[1].splitlines()[1].split(",")[0]) == (0, rf"{tmp_path}/\xb1\xe8.png")


def test_a_submission_with_missing_photos_is_refused(
    trained: Path, people: Path, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "info.csv").write_text("ImageID,ans\ngone.jpg,0\nlost.jpg,0\n")
    with pytest.raises(MaskgateError, match=r"gone\.jpg \(no such file\), lost\.jpg"):
        submission.submit(maskgate.load(trained), "run", tmp_path, tmp_path / "submission.csv")
    assert not (tmp_path / "submission.csv").exists()


def test_what_is_no_run_is_told(tmp_path: Path, train: Callable[..., Path]) -> None:
    with pytest.raises(MaskgateError, match="no run"):
        maskgate.load(tmp_path)
    with pytest.raises(MaskgateError, match="no such photo"):
        photo_files.list_photos([tmp_path / "none.jpg"])
    with pytest.raises(MaskgateError, match="no photo in it"):
        photo_files.list_photos([tmp_path])
    os.mkfifo(tmp_path / "x.jpg")
    with pytest.raises(MaskgateError, match=r"x\.jpg: a pipe, socket or device, not a file"):
        photo_files.list_photos([tmp_path / "x.jpg"])
