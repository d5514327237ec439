"""Answers that are kept: made once, for the same photos and the same model only."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.config.settings import Component
from maskgate.core import interruption
from maskgate.faces import reader
from maskgate.inference import loading, predictor, resume_cache
from maskgate.inference.backends.protocol import Prediction
from maskgate.inference.classifier import SingleModel
from maskgate.inference.resume_cache import Answer, ResumeCache

Call = Callable[..., tuple[int, str, str]]


def random_answer(number: int, faces: int = 1) -> Answer:
    """What might be said of a photo."""
    random = np.random.default_rng(number)
    boxes = random.random((faces, 5)).astype(np.float32)
    probabilities = random.random((faces, 18)).astype(np.float32)
    return Answer(boxes, probabilities, random.random(faces).astype(np.float32))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is added is written."""
    monkeypatch.setattr(resume_cache, "_EVERY", 0.0)
    monkeypatch.setattr(resume_cache, "time", SimpleNamespace(monotonic=lambda: 0.0))


@pytest.fixture(scope="session")
def other(train: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("other") / "run", "seed=8", "training.epochs=1")


@pytest.mark.usefixtures("at_once")
def test_answers_come_back_as_they_were(tmp_path: Path) -> None:
    photos = [tmp_path / f"{number}.jpg" for number in range(5)]
    for photo in photos[:4]:
        photo.write_bytes(b"a photo")
    first, second = photos[:2], photos[2:]
    kept = ResumeCache(tmp_path / "out.csv", "a model")
    assert kept.get(first) is None
    kept.add(first, [random_answer(0, faces=3), random_answer(1)])
    kept.add(second, [random_answer(2), random_answer(3), "no such file"])
    again = ResumeCache(tmp_path / "out.csv", "a model")
    answers = again.get(first)
    assert answers is not None
    assert [len(each.boxes) for each in answers] == [3, 1]
    for each, expected in zip(answers, (random_answer(0, faces=3), random_answer(1)), strict=True):
        np.testing.assert_array_equal(each.boxes, expected.boxes)
        np.testing.assert_array_equal(each.probabilities, expected.probabilities)
    assert again.reused == 2
    assert again.get(second) is None, "with a photo that cannot be read"
    assert again.get(photos[1::-1]) is None, "in another order"
    assert ResumeCache(tmp_path / "out.csv", "another model").get(first) is None
    os.utime(photos[0], ns=(1, 1))
    assert again.get(first) is not None, "its content is the same"
    status = photos[0].stat()
    photos[0].write_bytes(b"another")
    os.utime(photos[0], ns=(status.st_atime_ns, status.st_mtime_ns))
    assert photos[0].stat().st_size == status.st_size
    assert again.get(first) is None, "a photo has changed"
    again.delete()
    assert sorted(tmp_path.iterdir()) == photos[:4]


def test_photos_that_are_swapped_are_predicted_again(tmp_path: Path) -> None:
    first, second = (tmp_path / f"{number}.jpg" for number in range(2))
    kept = ResumeCache(tmp_path / "out.csv", "a model")
    for path, content in ((first, b"one"), (second, b"two")):
        path.write_bytes(content)
        os.utime(path, ns=(1, 1))
    kept.add([first, second], [random_answer(0), random_answer(1)])
    assert kept.get([first, second]) is not None
    first.rename(tmp_path / "other")
    second.rename(first)
    (tmp_path / "other").rename(second)
    assert kept.get([first, second]) is None


def test_photos_that_change_while_they_are_predicted_are_not_kept(tmp_path: Path) -> None:
    photo = tmp_path / "0.jpg"
    photo.write_bytes(b"one")
    kept = ResumeCache(tmp_path / "out.csv", "a model")
    assert kept.get([photo]) is None
    photo.write_bytes(b"two")
    kept.add([photo], [random_answer(0)])
    assert kept.get([photo]) is None


def test_what_is_damaged_is_answered_again(tmp_path: Path) -> None:
    (tmp_path / ".out.csv.kept").write_bytes(b"no arrays")
    assert ResumeCache(tmp_path / "out.csv", "a model").get([]) is None


def test_a_digest_tells_models_and_their_augmentation_apart(trained: Path, other: Path) -> None:
    models = [
        loading.load(trained),
        loading.load(other),
        loading.load(trained, tta=[Component(name="flip")]),
    ]
    digests = [model.digest for model in models]
    assert len(set(digests)) == 3
    assert loading.load(trained).digest == digests[0]


@pytest.mark.parametrize("command", ["submit", "predict"])
@pytest.mark.usefixtures("at_once")
def test_an_interrupted_command_answers_the_rest(
    command: str, trained: Path, people: Path, call: Call, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    images = people / "eval" / "images"
    photos = [path for path in sorted(images.iterdir()) if not path.name.startswith(".")]
    source = people / "eval" if command == "submit" else images
    expected_file, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    assert call(command, trained, source, "--out", expected_file)[0] == 0
    assert list(tmp_path.iterdir()) == [expected_file]

    monkeypatch.setattr(predictor, "BATCH", 8)
    monkeypatch.setattr(reader, "BATCH", 8)
    batches, real = iter(range(100)), SingleModel.__call__

    def cut(self: SingleModel, pictures: list[np.ndarray]) -> Prediction:
        if next(batches) == 3:
            raise interruption.Interrupted
        return real(self, pictures)

    monkeypatch.setattr(SingleModel, "__call__", cut)
    code, _, err = call(command, trained, source, "--out", out)
    assert (code, "interrupted" in err, out.exists()) == (2, True, False)
    assert call(command, trained, source, "--out", out)[0] == 0
    assert next(batches) - 4 == -(-len(photos) // 8) - 3, "three batches were there"
    predictions, expected = pd.read_csv(out), pd.read_csv(expected_file)
    name = "ImageID" if command == "submit" else "photo"
    assert predictions[name].tolist() == expected[name].tolist()
    if command == "predict":
        columns = list(labels.PROBABILITY_COLUMNS)
        np.testing.assert_allclose(predictions[columns], expected[columns], atol=2e-6)
    assert sorted(tmp_path.iterdir()) == [out, expected_file]
