"""From a frame to verdicts: the same as `predict --all-faces`, whatever the frame's form."""

import gc
import io
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import maskgate
from maskgate import labels
from maskgate.bundle import drift_measures
from maskgate.bundle.manifest import Manifest
from maskgate.door.detection import Detector
from maskgate.door.engine import Engine
from maskgate.door.verdict import Verdict
from maskgate.errors import MaskgateError
from maskgate.export import exporter
from maskgate.export.exporter import ExportOptions
from maskgate.faces.protocol import Faces
from maskgate.imaging import pixels
from maskgate.imaging.pixels import PhotoError, Pixels
from maskgate.runs import RunFolder


@pytest.fixture(scope="module")
def engine(bundle: Path) -> Engine:
    return Engine(bundle)


@pytest.fixture(scope="module")
def frames(people: Path) -> list[Pixels]:
    """Frames of one, three and no face, of several sizes."""
    photos = [pixels.decode(path) for path in sorted(people.glob("train/images/*/normal.*"))[:4]]
    row = Image.new("RGB", (48 * 4 * 3, 64 * 4), (90, 110, 130))
    for number, photo in enumerate(photos[1:]):
        row.paste(photo.resize((48 * 4, 64 * 4)), (48 * 4 * number, 0))
    empty = Image.new("RGB", (160, 120), (90, 110, 130))
    large = photos[0].resize((480, 640))
    return [np.asarray(image) for image in (large, row, empty)]


def same(verdicts: list[Verdict], others: list[Verdict]) -> bool:
    pairs = list(zip(verdicts, others, strict=True))
    return all(
        each.box == other.box and np.abs(each.probabilities - other.probabilities).max() < 1e-5
        for each, other in pairs
    )


def test_verdicts_are_those_of_predict(engine: Engine, bundle: Path, frames: list[Pixels]) -> None:
    predictor = maskgate.load(bundle)
    for frame in frames[:2]:
        predictions = predictor.predict(frame, all_faces=True)
        verdicts = engine(frame)
        assert len(verdicts) == len(predictions) > 0
        assert predictions.boxes is not None
        for row, verdict in enumerate(verdicts):
            np.testing.assert_allclose([*verdict.box, verdict.score], predictions.boxes[row])
            expected = predictions.probabilities[row]
            np.testing.assert_allclose(verdict.probabilities, expected, atol=1e-6)
            for name in labels.ATTRIBUTES:
                answer = getattr(verdict, name)
                assert answer.value == predictions.words(name)[row]
                assert answer.probability == pytest.approx(predictions.confidence(name)[row])


def test_answers_below_the_thresholds_are_unsure(
    bundle: Path, frames: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the bundle, but of the mask the one that is given, or .6."""
    monkeypatch.setattr(Manifest, "lowest_confidences", lambda self: {"gender": 1.0})
    assert Engine(bundle).thresholds == {"mask": 0.6, "gender": 1.0}
    for lowest, is_unsure in ((1.0, True), (0.0, False)):
        engine = Engine(bundle, unsure_below=lowest)
        for verdict in engine(frames[1]):
            assert verdict.mask is not None and verdict.gender is not None
            assert verdict.age_band is not None
            assert verdict.mask.is_unsure is is_unsure
            assert verdict.gender.is_unsure is True
            assert verdict.age_band.is_unsure is False
    monkeypatch.setattr(Manifest, "lowest_confidences", lambda self: {"mask": 0.9})
    assert Engine(bundle).thresholds["mask"] == 0.9
    predictions = maskgate.load(bundle).predict(frames[0])
    expected = predictions.confidence("mask") < 0.9
    np.testing.assert_array_equal(predictions.is_unsure("mask"), expected)
    assert "mask_unsure" in predictions.to_csv()


def test_a_frame_without_a_face_has_no_verdict(engine: Engine, frames: list[Pixels]) -> None:
    assert engine(frames[2]) == []
    assert engine.batch([]) == []
    assert engine.batch([frames[2]] * 2) == [[], []]


def test_frames_in_a_batch_get_the_verdicts_they_get_alone(
    engine: Engine, frames: list[Pixels]
) -> None:
    mixed = [frames[2], frames[1], frames[0], frames[2], frames[1]]
    together = engine.batch(mixed)
    assert [len(each) for each in together] == [len(engine(frame)) for frame in mixed]
    assert all(same(each, engine(frame)) for each, frame in zip(together, mixed, strict=True))


def test_measures_are_those_of_validation_photos(engine: Engine, frames: list[Pixels]) -> None:
    """Of the same picture: the middle of what the view stores of a face."""
    view, measured = engine._views[0], engine.measure([frames[2], *frames[:2]])
    assert engine.measure([frames[2]]) == [[]]
    for frame, of_frame in zip([frames[2], *frames[:2]], measured, strict=True):
        assert same([each.verdict for each in of_frame], engine(frame))
        faces = view.faces(frame)
        for number, each in enumerate(of_frame):
            picture = pixels.centre(view.stored(frame, faces, number), view.geometry)
            box = np.array([*each.verdict.box, each.verdict.score])
            assert each.measures["brightness"] == drift_measures.brightness(picture)
            assert each.measures["sharpness"] == drift_measures.sharpness(picture)
            assert each.measures["face_width"] == pytest.approx(box[2] - box[0])
            assert each.measures["face_score"] == pytest.approx(box[4])
            assert each.measures["confidence_mask"] == pytest.approx(each.verdict.mask.probability)


def test_bytes_of_a_photo_are_a_frame(engine: Engine, frames: list[Pixels]) -> None:
    content = io.BytesIO()
    Image.fromarray(frames[0]).save(content, "PNG")
    for photo in (content.getvalue(), bytearray(content.getvalue()), content.getbuffer()):
        assert same(engine(photo), engine(frames[0]))


def test_a_photo_on_its_side_gets_the_same_verdict(engine: Engine, frames: list[Pixels]) -> None:
    content, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    Image.fromarray(np.rot90(frames[0])).save(content, "PNG", exif=exif)
    assert same(engine(content.getvalue()), engine(frames[0]))


def test_frames_need_not_lie_in_one_piece_of_memory(engine: Engine, frames: list[Pixels]) -> None:
    bgr = np.ascontiguousarray(frames[1][..., ::-1])
    wide = np.zeros((frames[1].shape[0], frames[1].shape[1] + 7, 3), np.uint8)
    wide[:, 3:-4] = frames[1]
    for view in (bgr[..., ::-1], wide[:, 3:-4], np.asfortranarray(frames[1])):
        assert same(engine(view), engine(frames[1]))


def test_the_frame_is_left_as_it_is(engine: Engine, frames: list[Pixels]) -> None:
    frame = frames[1].copy()
    engine(frame)
    assert (frame == frames[1]).all()
    frame.flags.writeable = False
    engine(frame)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"a frame is an array \(H, W, 3\) of uint8"),
        (np.zeros((4, 4, 3), np.float32), r"a frame is an array \(H, W, 3\) of uint8"),
        (np.zeros((4, 4, 4), np.uint8), r"not \(4, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), r"not \(0, 4, 3\)"),
    ],
)
def test_other_arrays_are_refused(engine: Engine, frame: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine(frame)


@pytest.mark.parametrize(
    "arguments",
    [
        {"smallest_face": 0},
        {"smallest_face": float("nan")},
        {"smallest_face": float("inf")},
        {"smallest_face": "48"},
        {"unsure_below": 1.5},
        {"threads": 0},
        {"threads": 1.5},
        {"threads": True},
    ],
)
def test_wrong_arguments_are_refused_before_the_first_frame(
    bundle: Path, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        Engine(bundle, **arguments)


def test_bytes_that_are_no_photo_are_refused_and_the_next_frame_is_judged(
    engine: Engine, frames: list[Pixels]
) -> None:
    for content in (b"", b"no photo", b"\xff\xd8\xff\xe0" + bytes(40)):
        with pytest.raises(PhotoError):
            engine(content)
    assert engine(frames[0])


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (13, 11)])
def test_tiny_frames_have_no_face(engine: Engine, bundle: Path, size: tuple[int, int]) -> None:
    frame = np.full((*size, 3), 128, np.uint8)
    assert engine(frame) == Engine(bundle, smallest_face=40)(frame) == []


def test_threads_may_share_an_engine(engine: Engine, frames: list[Pixels]) -> None:
    expected = [engine(frame) for frame in frames]
    matches: list[bool] = []

    def judge() -> None:
        matches.extend(
            same(engine(frame), each) for frame, each in zip(frames * 3, expected * 3, strict=True)
        )

    threads = [threading.Thread(target=judge) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert matches == [True] * 36


@pytest.mark.slow
def test_only_faces_that_are_wide_enough_are_judged(bundle: Path, frames: list[Pixels]) -> None:
    widths = sorted(verdict.box[2] - verdict.box[0] for verdict in Engine(bundle)(frames[1]))
    assert len(widths) == 3
    for smallest, count in ((widths[0], 3), (widths[0] / 0.8, 3), (widths[-1] / 0.74, 0)):
        assert len(Engine(bundle, smallest_face=smallest)(frames[1])) == count


@pytest.mark.slow
def test_a_model_of_whole_photos_is_refused(trained: Path, cache: Path, tmp_path: Path) -> None:
    exporter.export(RunFolder(trained), ExportOptions(tmp_path / "bundle", cache=cache))
    with pytest.raises(MaskgateError, match=r"uses whole photos; train it with the same photo"):
        Engine(tmp_path / "bundle")


@pytest.mark.slow
def test_a_zip_is_a_bundle_too(bundle: Path, cache: Path, frames: list[Pixels]) -> None:
    run = bundle.parent / "run"
    exporter.export(RunFolder(run), ExportOptions(bundle.parent / "bundle.zip", cache=cache))
    assert same(Engine(bundle.parent / "bundle.zip")(frames[0]), Engine(bundle)(frames[0]))


@pytest.mark.slow
def test_memory_does_not_grow_with_frames(engine: Engine, frames: list[Pixels]) -> None:
    """What Python and NumPy hold after a hundred frames they held after twenty."""
    rng = np.random.default_rng(0)

    def judge(count: int) -> None:
        for number in range(count):
            frame = frames[0].copy()
            frame[:8] = rng.integers(0, 255, frame[:8].shape, dtype=np.uint8)
            engine(frame if number % 2 else frame[:, : 300 + number % 5])

    judge(20)
    gc.collect()
    tracemalloc.start()
    try:
        judge(10)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        judge(100)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 50_000, f"{grown} bytes more; a frame takes {frames[0].nbytes}"


def test_warming_up_reaches_the_last_network_of_the_detector(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later networks of MTCNN run only where the ones before see a face."""
    detector = engine._detector
    counts: list[int] = []

    def counting(frame: Pixels) -> Detector:
        def detect(photo: Pixels) -> Faces:
            faces = detector(frame)(photo)
            counts.append(len(faces))
            return faces

        return detect  # type: ignore[return-value]

    monkeypatch.setattr(engine, "_detector", counting)
    engine.warm_up()
    assert counts == [1]


def test_warming_up_runs_every_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the classifier, which does not run where there is no face."""
    engine = Engine(smallest_face=60)
    ran: list[str] = []
    classifier, detector = engine._classifier, engine._detector
    monkeypatch.setattr(engine, "_classifier", lambda p: ran.append("classifier") or classifier(p))
    monkeypatch.setattr(engine, "_detector", lambda f: ran.append("detector") or detector(f))
    engine.warm_up(6)
    assert ran == ["detector", "classifier"]
    for width in range(400, 408):
        engine(np.zeros((300, width, 3), np.uint8))
    assert len(engine._detectors) == 6
