"""A manifest that says what no bundle is, sealed as by whoever wrote it, is refused in one
sentence."""

import functools
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import maskgate
from maskgate.core import onnx_sessions
from maskgate.errors import MaskgateError
from maskgate.faces import model_files

Reseal = Callable[..., Path]
Values = dict[str, Any]
Change = Callable[[Values], object]


@pytest.fixture(autouse=True)
def no_local_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a manifest says, no detector's file of this machine is taken."""
    monkeypatch.setattr(
        model_files, "local_file", lambda *_: pytest.fail("a file from outside the bundle")
    )


def change(path: str, value: object) -> Change:
    """Sets the value at a path such as `model.photo.height`."""

    def apply(values: Values) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            values = values[int(parent) if isinstance(values, list) else parent]
        values[last] = value

    return apply


def remove(path: str) -> Change:
    def apply(values: Values) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            values = values[parent]
        del values[last]

    return apply


def several(*changes: Change) -> Change:
    def apply(values: Values) -> None:
        for each in changes:
            each(values)

    return apply


def sentence(folder: Path) -> str:
    """With which the bundle is refused."""
    with pytest.raises(MaskgateError) as error:
        maskgate.load(folder).predict(np.zeros((60, 40, 3), np.uint8))
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(folder))
    return str(error.value)


def calibration(**temperatures: object) -> Values:
    """The calibration of a manifest with these temperatures."""
    return {"temperatures": temperatures, "photos": 8, "people": 4, "before": {}, "after": {}}


HUGE = 10**400  # no float, and an integer that JSON may hold
CHANGES: list[tuple[Change, str]] = [
    (change("version", 2), "made by a newer maskgate (version 2 of the file"),
    (change("version", "1"), "its version is no whole number"),
    (change("version", HUGE), "made by a newer maskgate"),
    (change("labels.age_band", ["<40", "40-59", ">=60"]), "labels: other classes"),
    (change("labels", {}), "labels: other classes"),
    (remove("labels.mask"), "labels: other classes"),
    (change("precision", "fp8"), "precision: "),
    (change("name", 3), "name: "),
    (change("name", None), "name is null"),
    (change("software", []), "software: not an object"),
    (change("software.opset", -1), "software.opset: "),
    (change("created", "today"), "created: "),
    (change("training", []), "training: "),
    (change("training.0.photos", HUGE), "training.0.photos: "),
    (change("training.0.photos", 1.5), "training.0.photos: "),
    (change("files", []), "files: "),
    (change("files", {}), "files: models/fold-0.onnx is missing"),
    (change("reference.brightness.quantiles", [1.0]), "reference.brightness.quantiles: "),
    (change("reference.brightness.mean", float("inf")), "reference.brightness.mean: "),
    (change("reference.brightness.mean", float("nan")), "reference.brightness.mean: "),
    (change("scores", 1), "scores: "),
    (change("groups", {"all": 1}), "groups.all: "),
    (change("held_out", []), "held_out: not an object"),
    (change("held_out", {"model": 3}), "held_out.model: "),
    (remove("model"), "model: Field required"),
    (change("model", "models/fold-0.onnx"), "model: "),
    (change("model.kind", "double"), "model: "),
    (remove("model.kind"), "model: "),
    (change("model.networks", []), "model.single.networks: "),
    (change("model.networks", ["models/fold-7.onnx"]), "files: models/fold-7.onnx is missing"),
    (change("model.networks", ["../fold-0.onnx"]), "model.single.networks.0: "),
    (change("model.networks", ["models/fold-0.onnx"] * 2), "a network is named twice"),
    (change("model.networks", ["card.md"]), "card.md: not a model that ONNX Runtime can load"),
    (change("model.attributes", []), "model.single.attributes: "),
    (change("model.attributes", ["mask", "height"]), "model.single.attributes.1: "),
    (change("model.attributes", ["mask", "mask"]), "each once, in the order of the labels"),
    (change("model.attributes", ["gender", "mask"]), "each once, in the order of the labels"),
    (change("model.photo", None), "model.single: photo is null"),
    (change("model.photo.height", 10**9), "model.single.photo.height: "),
    (change("model.photo.height", HUGE), "model.single.photo.height: "),
    (change("model.photo.height", 0), "model.single.photo.height: "),
    (change("model.photo.height", 64), "takes tensor(uint8) ['N', 32, 24, 3], not photos"),
    (change("model.photo.crop", 0), "model.single.photo.crop: "),
    (change("model.photo.widht", 24), "photo"),
    (change("model.photo.face", {}), "a detector goes with photo.face"),
    (change("model.detector", "detectors/mtcnn"), "a detector goes with photo.face"),
    (change("model.detector", "/etc"), "model.single.detector: "),
    (change("model.tta", [{"name": "flp"}]), "unknown test-time augmentation flp"),
    (change("model.tta", [{"name": "flip", "by": 3}]), "flip"),
    (change("model.tta", {"name": "flip"}), "model.single.tta: "),
    (change("model.vote", "loud"), "model.single.vote: "),
    (change("calibration", []), "calibration: not an object"),
    (change("calibration", calibration()), "calibration.temperatures: "),
    (change("calibration", calibration(mask=0.0)), "calibration.temperatures.mask: "),
    (change("calibration", calibration(mask=-1.5)), "calibration.temperatures.mask: "),
    (change("calibration", calibration(mask=float("inf"))), "calibration.temperatures.mask: "),
    (change("calibration", calibration(mask=float("nan"))), "calibration.temperatures.mask: "),
    (change("calibration", calibration(mask=1e-300)), "calibration.temperatures.mask: "),
    (change("calibration", calibration(mask=HUGE)), "calibration.temperatures.mask: "),
    (change("calibration", calibration(mask="1")), "calibration.temperatures.mask: "),
    (change("calibration", calibration(height=1.0)), "calibration.temperatures.height"),
    (
        several(
            change("model.attributes", ["mask"]), change("calibration", calibration(gender=2.0))
        ),
        "calibration: of an attribute that the model does not predict",
    ),
    (remove("sha256"), "sha256"),
]  # fmt: skip


def ids(changes: list[tuple[Change, str]]) -> Iterator[str]:
    yield from (f"{place}: {sentence}" for place, (_, sentence) in enumerate(changes))


@pytest.mark.parametrize(("edit", "expected"), CHANGES, ids=ids(CHANGES))
def test_it_is_refused(edit: Change, expected: str, broken: Path, reseal: Reseal) -> None:
    folder = reseal(broken, edit)
    if expected == "sha256":  # which resealing has put back
        maskgate.load(folder)
        values = json.loads((folder / "manifest.json").read_text())
        del values["sha256"]
        (folder / "manifest.json").write_text(json.dumps(values, indent=2) + "\n")
    assert expected in sentence(folder)


FACE = "model.photo.face"
DETECTOR = f"{FACE}.detector"
FACE_CHANGES: list[tuple[Change, str]] = [
    (remove("model.detector"), "a detector goes with photo.face"),
    (change(FACE, None), "a detector goes with photo.face"),
    (change("model.detector", "detectors/other"), "files: detectors/other/mtcnn_pnet.onnx is"),
    (change(f"{FACE}.sha256", "0" * 64), "was trained with detector mtcnn"),
    (change(f"{FACE}.sha256", None), "photo.face has no sha256"),
    (change(f"{FACE}.background", "remove"), "photo.face removes the background"),
    (change(DETECTOR, {"name": "yunet"}), "yunet.onnx is missing"),
    (change(DETECTOR, {"name": "retinaface"}), "the detector retinaface cannot be bundled"),
    (change(DETECTOR, {"name": "auto"}), "the detector auto cannot be bundled"),
    (change(DETECTOR, {"name": "os"}), "the detector os cannot be bundled"),
    (change(DETECTOR, {"name": "mtcnn", "file": "/etc/passwd"}), "names a file outside the bundle"),
    (change(DETECTOR, {"name": "mtcnn", "side": 3}), "detector mtcnn: no argument side"),
    (change(DETECTOR, {"name": "mtcnn", "min_face": "small"}), "min_face"),
    (change(DETECTOR, {"name": "mtcnn", "thresholds": [0.1]}), "thresholds"),
    (change(DETECTOR, {"name": "mtcnn", "factor": HUGE}), "factor"),
    (change(f"{FACE}.margin", -1), "model.single.photo.face.margin: "),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "expected"), FACE_CHANGES, ids=ids(FACE_CHANGES))
def test_a_detector_is_refused(
    edit: Change, expected: str, broken_face: Path, reseal: Reseal
) -> None:
    before = sorted(broken_face.rglob("*"))
    assert expected in sentence(reseal(broken_face, edit))
    assert sorted(broken_face.rglob("*")) == before


def test_a_folder_of_a_detector_that_is_missing_is_refused(
    broken_face: Path, reseal: Reseal
) -> None:
    shutil.rmtree(broken_face / "detectors")

    def unlist(values: Values) -> None:
        values["files"] = {
            name: each for name, each in values["files"].items() if "detectors" not in name
        }

    assert "mtcnn_pnet.onnx is missing" in sentence(reseal(broken_face, unlist))


# ----------------------------------------------------------------------------- ensembles


def ensemble(**keys: object) -> Change:
    """The two folds as the members `one` and `two`, and other keys of the model."""

    def apply(values: Values) -> None:
        single = values["model"]
        members = [
            {"name": name, "model": {**single, "networks": [network]}}
            for name, network in zip(("one", "two"), single["networks"], strict=True)
        ]
        vote = {"combine": {"name": "soft_vote"}, "learned": {}}
        values["model"] = {"kind": "ensemble", "members": members, **vote, **keys}

    return apply


WEIGHTS = {name: [0.5, 0.5] for name in ("mask", "gender", "age_band")}


def weights(**keys: object) -> Values:
    return {"combine": {"name": "weights"}, "learned": {"weights": WEIGHTS | keys}}


OFFSETS: Values = {"adjust": [{"name": "offsets"}]}
ENSEMBLES: list[tuple[Change, str]] = [
    (ensemble(members=[]), "model.ensemble.members: "),
    (ensemble(combine={"name": "stackin"}), "unknown combination stackin"),
    (ensemble(combine={"name": "soft_vote", "power": 2}), "soft_vote"),
    (ensemble(adjust=[{"name": "ofsets"}]), "unknown adjustment ofsets"),
    (ensemble(combine={"name": "weights"}), "nothing is learned for weights"),
    (ensemble(combine={"name": "stacking"}), "nothing is learned for stacking"),
    (ensemble(**weights(mask=[1.0])), "weights are not of 2 members that predict mask"),
    (ensemble(**weights(mask=[0.0, 0.0])), "weights are not of 2 members that predict mask"),
    (ensemble(**weights(mask=[-1.0, 2.0])), "learned.weights.mask.0: "),
    (ensemble(**weights(mask=[HUGE, 1])), "learned.weights.mask.0: "),
    (ensemble(**weights(height=[1.0, 1.0])), "learned.weights.height"),
    (
        ensemble(
            combine={"name": "stacking"},
            learned={"stacking": {"mask": {"weights": [[1.0]], "bias": [0.0]}}},
        ),
        "stacking is not of 2 members that predict mask",
    ),
    (ensemble(**OFFSETS), "nothing is learned for offsets"),
    (ensemble(**OFFSETS, learned={"offsets": {"offsets": [0.0] * 17}}), "learned.offsets.offsets"),
    (ensemble(**OFFSETS, learned={"offsets": {"offsets": ["0"] * 18}}), "learned.offsets.offsets"),
    (ensemble(learned={"near_tie": {"best": [0, 5]}}), "near_tie names members"),
    (several(ensemble(), change("model.members.0.weight", 0)), "members.0.weight: "),
    (several(ensemble(), change("model.members.0.weight", "1")), "members.0.weight: "),
    (several(ensemble(), change("model.members.0.model.attributes", [])), "attributes: "),
    (several(ensemble(), change("model.members.1.model.attributes", ["mask"])), "soft_vote is"),
    (several(ensemble(), change("model.members.1.model", {})), "members.1.model: "),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "expected"), ENSEMBLES, ids=ids(ENSEMBLES))
def test_an_ensemble_is_refused(edit: Change, expected: str, broken: Path, reseal: Reseal) -> None:
    assert expected in sentence(reseal(broken, edit))


def test_the_same_ensemble_is_one_where_all_fits(broken: Path, reseal: Reseal) -> None:
    fitting = {**weights(), **OFFSETS}
    fitting["learned"]["offsets"] = {"offsets": [0.0] * 18}
    assert maskgate.load(reseal(broken, ensemble(**fitting))).count == 2


def test_ensembles_in_ensembles_end_somewhere(broken: Path, reseal: Reseal) -> None:
    def nest(values: Values) -> None:
        for _ in range(300):
            member = {"name": "one", "model": values["model"]}
            vote = {"combine": {"name": "soft_vote"}, "learned": {}}
            values["model"] = {"kind": "ensemble", "members": [member], **vote}

    try:
        maskgate.load(reseal(broken, nest))
    except MaskgateError as error:
        assert str(broken) in str(error)


def test_json_that_is_nested_too_deep_is_refused(broken: Path) -> None:
    (broken / "manifest.json").write_text('{"model": ' + "[" * 10**5 + "]" * 10**5 + "}")
    assert "nested too deep" in sentence(broken)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'{"a": 1' + b"0" * 5000])
def test_what_is_no_manifest_is_refused(content: bytes, broken: Path) -> None:
    (broken / "manifest.json").write_bytes(content)
    assert "manifest.json: missing or damaged" in sentence(broken)


# -------------------------------------------------------------------------- random edits

VALUES: list[object] = [
    None, True, False, 0, 1, -1, 2**63, HUGE, 0.5, -0.0, 1e308, float("nan"), float("inf"), "",
    "mask", "../..", "models/fold-0.onnx", "\0", "\ud800", "a" * 10_000, [], [[]], [0.5] * 18, {},
    {"name": "flip"}, {"name": "mtcnn"}, {"sha256": "0" * 64, "bytes": 3}, ["mask", "gender"],
]  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every key and index in JSON, with what it is of."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in list(items):
        yield value, key
        if isinstance(each, dict | list):
            yield from places(each)


def edited(values: Values, draw: random.Random) -> None:
    for _ in range(draw.choice([1, 1, 2, 4])):
        parent, key = draw.choice(list(places(values)))
        kind = draw.randrange(4)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, dict):
            parent[draw.choice(["name", "file", "face", "weights", "unknown"])] = parent[key]
        elif kind == 2:
            other, place = draw.choice(list(places(values)))
            parent[key] = json.loads(json.dumps(other[place]))
        else:
            parent[key] = json.loads(json.dumps(draw.choice(VALUES)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["whole", "face", "ensemble"])
def test_random_edits_are_refused_or_without_effect(
    kind: str, broken: Path, broken_face: Path, reseal: Reseal, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = functools.cache(onnx_sessions.create)
    monkeypatch.setattr(onnx_sessions, "create", create)
    folder = broken_face if kind == "face" else broken
    if kind == "ensemble":
        reseal(folder, ensemble(**weights(), **OFFSETS))
    manifest = folder / "manifest.json"
    original = manifest.read_text()
    draw = random.Random(kind)
    refused = 0
    for _ in range(100):
        manifest.write_text(original)
        reseal(folder, lambda values: edited(values, draw))
        try:
            maskgate.load(folder).predict(np.zeros((60, 40, 3), np.uint8))
        except MaskgateError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 30
