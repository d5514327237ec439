"""Every key of a recipe, and every name it can look up, changes what is trained.

A key that nothing reads would leave batches, weights and scores as they are. A new key, or a new
name, fails here until it stands in one of the tables.
"""

import hashlib
import itertools
import math
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from maskgate.config import recipe, settings
from maskgate.config.recipe import Recipe
from maskgate.faces.detectors import DETECTORS
from maskgate.faces.model_files import Folders
from maskgate.faces.protocol import Faces
from maskgate.imaging.pixels import Pixels
from maskgate.reports.reference import TABLES
from maskgate.synthetic.people import sample_people
from maskgate.training import preflight, processes
from maskgate.training.epoch_progress import RunProgress
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import prepare

REFERENCE = """
seed: 1
photo: {height: 16, width: 12, margin: 0.25}
folds: {kind: kfold, count: 3}
model: {backbone: "tiny_net:net", arguments: {width: 8}}
optimizer: {name: adamw, lr: 3.0e-3}
training: {epochs: 2, batch_size: 16}
"""
NET = """
from torch import nn


def net(width):
    return nn.Sequential(
        nn.Conv2d(3, width, 3, stride=2), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, width, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )
"""

# A change of each key against the reference, or against it with the `CONTEXT` of the key.
KEYS = {
    "seed": "seed=2",
    "data": "data=[{path: MORE}]",
    "data.path": "data.0.path=OTHER",
    "data.weight": "data.0.weight=0.5",
    "data.map": "data.0.map={gender: {male: female}}",
    "labels.corrections": "labels.corrections=FIXES",
    "labels.columns": "labels.columns={age: id}",
    "labels.map": "labels.map={gender: {male: female}}",
    "labels.tier": "labels.tier=doubtful",
    "labels.truth": "labels.truth=sure",
    "labels.old_from": "labels.old_from=35",
    "labels.leave_out_ages": "labels.leave_out_ages=[20, 21, 22, 23, 24, 25, 40, 41, 42]",
    "photo.height": "photo.height=20",
    "photo.width": "photo.width=14",
    "photo.margin": "photo.margin=0.5",
    "photo.crop": "photo.crop=0.7",
    "photo.face.detector": "photo.face={detector: middle}",
    "photo.face.margin": "photo.face.margin=0.6",
    "photo.face.align": "photo.face.align=true",
    "photo.face.background": "photo.face.background=remove",
    "folds.kind": "folds.kind=holdout",
    "folds.count": "folds.count=2",
    "folds.fraction": "folds.fraction=0.6",
    "folds.seed": "folds.seed=8",
    "folds.file": "folds.file=FOLDS",
    "sampling": "sampling=weighted",
    "sampling.worn_per_person": "sampling.worn_per_person=1",
    "augment": "augment=[{name: horizontal_flip}]",
    "mixing": "mixing=[{name: mixup}]",
    "mixing.probability": "mixing.0.probability=0.5",
    "model.backbone": "model={backbone: test_resnet}",
    "model.arguments": "model.arguments.width=9",
    "model.beside": "model.beside=test_resnet",
    "model.beside_arguments": "model.beside_arguments={stem_width: 4}",
    "model.hidden": "model.hidden=8",
    "model.dropout": "model.dropout=0.5",
    "model.head": "model.head=joint",
    "model.normalise": "model.normalise=data",
    "loss": "loss=focal",
    "optimizer.name": "optimizer.name=sgd",
    "optimizer.lr": "optimizer.lr=1e-3",
    "optimizer.weight_decay": "optimizer.weight_decay=0.5",
    "optimizer.layer_decay": "optimizer.layer_decay=0.5",
    "optimizer.arguments": "optimizer.arguments={betas: [0.5, 0.9]}",
    "schedule.name": "schedule.name=none",
    "schedule.warmup_epochs": "schedule.warmup_epochs=1",
    "schedule.min_lr": "schedule.min_lr=1e-3",
    "schedule.arguments": "schedule.arguments={decay_epochs: 1}",
    "training.epochs": "training.epochs=3",
    "training.batch_size": "training.batch_size=24",
    "training.accumulate": "training.accumulate=2",
    "training.validation_batch_size": "training.validation_batch_size=7",
    "training.clip_norm": "training.clip_norm=0.1",
    "training.precision": "training.precision=bf16",
    "training.freeze_epochs": "training.freeze_epochs=1",
    "training.average": "training.average=ema",
    "training.select": "training.select=best",
    "training.patience": "training.patience=1",
    "training.validation_epochs": "training.validation_epochs=1",
    "tta": "tta=[flip]",
}
# Rates at which the score goes up and down.
WILD = ("training.epochs=5", "optimizer.lr=0.3", "schedule.name=none")
# What a key needs to have an effect at all.
CONTEXT: dict[str, tuple[str, ...]] = {
    "data.path": ("data=[{path: MORE}]",),
    "data.weight": ("data=[{path: MORE}]",),
    "data.map": ("data=[{path: MORE}]",),
    "labels.tier": ("labels.corrections=FIXES",),
    "labels.truth": ("labels.corrections=FIXES",),
    "photo.margin": ("augment=[{name: random_crop}]",),
    "photo.face.margin": ("photo.face={detector: middle}",),
    "photo.face.align": ("photo.face={detector: middle}",),
    "photo.face.background": ("photo.face={detector: middle, margin: 0.5}",),
    "folds.fraction": ("folds.kind=holdout",),
    "mixing.probability": ("mixing=[{name: mixup}]",),
    "model.beside_arguments": ("model.beside=test_resnet",),
    "optimizer.layer_decay": ("model={backbone: test_resnet}",),
    "schedule.arguments": ("schedule.name=step", "schedule.arguments={decay_epochs: 2}"),
    "training.select": WILD,
    "training.patience": WILD,
}
# Keys that need another run, a file of weights, or other people.
TESTED_ELSEWHERE = {
    "data.columns": "data/test_label_map.py",
    "photo.face.sha256": "faces/test_view.py",
    "model.pretrained": "model/test_network.py",
    "model.weights": "model/test_network.py",
    "model.init": "training/test_crossval.py",
    "model.start_head": "training/test_warm_start.py",
    "training.epochs_from": "training/test_warm_start.py",
    "teacher": "training/test_soft_labels.py",
    "soft_labels": "training/test_soft_labels.py",
    "pseudo.photos": "training/test_pseudo.py",
    "pseudo.run": "training/test_pseudo.py",
    "pseudo.thresholds.mask": "training/test_pseudo.py",
    "pseudo.thresholds.gender": "training/test_pseudo.py",
    "pseudo.thresholds.age_band": "training/test_pseudo.py",
    "pseudo.cap": "training/test_pseudo.py",
    "pseudo.weight": "training/test_pseudo.py",
    "folds.vote": "inference/test_predictor.py",
    "sampling.incorrect_per_person": "pipeline/test_sampling.py",
    **{
        f"tracking.{key}": "config/test_trackers.py"
        for key in ("name", "folder", "uri", "experiment", "project", "mode", "photos")
    },
}


class Middle:
    """A detector: there is a face in the middle of every photo, its eyes aslant."""

    name, sha256 = "middle", "0" * 64

    def __init__(self, folders: Folders) -> None:
        self.arguments: dict[str, object] = {}
        self.files: dict[str, Path] = {}

    def __call__(self, photo: Pixels) -> Faces:
        height, width = photo.shape[:2]
        box = np.array([[0.3 * width, 0.2 * height, 0.7 * width, 0.6 * height]], dtype=np.float32)
        points = np.array([[[3, 3], [6, 5], [5, 6], [4, 8], [6, 8]]], dtype=np.float32)
        return Faces(box, points, np.ones(1, dtype=np.float32))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[Path]:
    """A folder with three data sets, corrections, folds, a network and a teacher."""
    root = tmp_path_factory.mktemp("keys")
    for name, seed in (("people", 0), ("more", 1), ("other", 2)):
        sample_people.make(root / name, people=12, eval_people=0, size=(24, 18), seed=seed, twins=0)
    (root / "tiny_net.py").write_text(NET)
    shutil.copytree(bundle, root / "teacher")
    sys.path.insert(0, str(root))
    DETECTORS["middle"] = Middle
    table = prepare(
        load(root), TrainOptions("keys", root / "people", cache=root / "cache")
    ).photos.table
    people = table.drop_duplicates("person")
    tiers = itertools.cycle(["sure", "likely", "doubtful"])
    other = {0: "female", 1: "male"}
    fixes = [
        f"{person},gender,{other[gender]},{tier},test"
        for person, gender, tier in zip(people["person"], people["gender"], tiers, strict=False)
    ]
    folds = [f"{person},{number % 4}" for number, person in enumerate(people["person"])]
    (root / "fixes.csv").write_text("\n".join(["person,field,value,tier,reason", *fixes]))
    (root / "folds.csv").write_text("\n".join(["person,fold", *folds]))
    yield root
    sys.path.remove(str(root))
    del DETECTORS["middle"]


def load(place: Path, *overrides: str) -> Recipe:
    """The reference with changes, in which the files of `place` have short names."""
    (place / "reference.yaml").write_text(REFERENCE)
    files = {"MORE": "more", "OTHER": "other", "FIXES": "fixes.csv", "FOLDS": "folds.csv"}
    files |= {"TEACHER": "teacher"}
    changes = list(overrides)
    for name, file in files.items():
        changes = [change.replace(name, str(place / file)) for change in changes]
    return recipe.load(place / "reference.yaml", changes)


def trained(place: Path, *overrides: str) -> str:
    """A hash of batches, weights, probabilities and scores of a training with these changes."""
    changed_recipe = load(place, *overrides)
    options = TrainOptions(
        "keys", place / "people", cache=place / "cache", checkpoint_seconds=math.inf
    )
    prepared = prepare(changed_recipe, options)
    accelerator = processes.start(changed_recipe.training.precision)
    try:
        preflight.check_recipe(changed_recipe, "keys")
        checkpoint = place / "checkpoint.pt"
        checkpoint.unlink(missing_ok=True)
        data = prepared.fold_data(prepared.folds[0])
        fit = preflight.create_trainer(
            changed_recipe,
            prepared,
            data,
            options=options,
            checkpoint=checkpoint,
            accelerator=accelerator,
            run_progress=RunProgress([data.fold]),
        )
        shapes: list[tuple[int, ...]] = []
        fit.step.bare_network.register_forward_hook(
            lambda _, inputs, __: shapes.append(inputs[0].shape)
        )
        fitted = fit.run()
    finally:
        processes.stop(accelerator)
    scores = [{k: v for k, v in row.items() if k != "accumulate"} for row in fitted.history]
    digest = hashlib.sha256(repr((shapes, scores)).encode())
    for name, tensor in fitted.weights.items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    digest.update(fitted.probabilities.tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def once(place: Path) -> Callable[..., str]:
    """`trained`, each training done once."""
    done: dict[tuple[str, ...], str] = {}

    def train(*overrides: str) -> str:
        if overrides not in done:
            done[overrides] = trained(place, *overrides)
        return done[overrides]

    return train


def leaves(model: type[BaseModel] = Recipe, path: str = "") -> Iterator[str]:
    """Every key of a recipe; of a name with arguments, those that stand beside all such names."""
    for name, field in model.model_fields.items():
        key = f"{path}.{name}".lstrip(".")
        section = settings.section_of(field.annotation)
        is_named = section is not None and issubclass(section, settings.Component)
        if section is None or is_named or key == "data":
            yield key
        if section is not None:
            inner = leaves(section, key)
            yield from (leaf for leaf in inner if not (is_named and leaf == f"{key}.name"))


def test_every_key_is_in_a_table() -> None:
    assert set(leaves()) == KEYS.keys() | TESTED_ELSEWHERE.keys()


@pytest.mark.parametrize("key", TESTED_ELSEWHERE)
def test_what_is_tested_elsewhere_is(key: str) -> None:
    tests = (Path(__file__).parent / TESTED_ELSEWHERE[key]).read_text("utf-8")
    assert f"{key}=" in tests or f"{key.rpartition('.')[2]}=" in tests


def test_the_same_recipe_trains_the_same(place: Path, once: Callable[..., str]) -> None:
    assert trained(place) == once()


@pytest.mark.parametrize("key", KEYS)
def test_a_key_changes_the_training(key: str, once: Callable[..., str]) -> None:
    context = CONTEXT.get(key, ())
    assert once(*context, KEYS[key]) != once(*context), f"{key} is ignored"


# --------------------------------------------------------------- names that are looked up

# The reference has these names already.
SAME = {"sampling shuffle", "loss cross_entropy", "model.head factored", "schedule cosine"}
# What a name is given beside its defaults, to have an effect on so few photos.
WITH = {
    "augment affine": "degrees: 10",
    "augment color_jitter": "brightness: 0.3",
    "augment rand_augment": "magnitude: 20",
    "sampling copies": "people: 40",
    "loss per_attribute": "mask: focal",
    "loss sum": "parts: [{name: focal}, {name: f1, weight: 0.5}]",
    "loss ldam": "defer: 0.5",
    "model.head one_attribute": "of: mask",
    "schedule multistep": "arguments: {decay_milestones: [1]}",
    "schedule step": "arguments: {decay_epochs: 1}",
    "schedule wsd": "arguments: {decay_epochs: 1}",
    "schedule plateau": "arguments: {patience_epochs: 0}",
}
# What the reference has besides, where a name needs it.
NAME_CONTEXT: dict[str, tuple[str, ...]] = {
    "loss binary_cross_entropy": ("model.head=multi_label",),
    "loss arcface": ("model.head=cosine",),
    "loss label_distribution": ("model.head={name: factored, age: years}",),
    "loss distillation": ("teacher=TEACHER",),
    "loss mean_variance": ("model.head={name: factored, age: years}",),
    "loss fine_age": ("model.head={name: factored, age: fine}",),
    "loss age_regression": ("model.head={name: factored, regress_age: true}",),
    "schedule plateau": WILD,
}
ELSEWHERE = {
    "combine": "of systems; see ensemble/",
    "adjust": "of systems; see ensemble/",
    "photo.face.detector": "finds faces, which drawn people hardly have; see faces/",
}
# Losses beside a classifier's.
NOT_ALONE = {
    "loss age_regression",
    "loss distillation",
    "loss mean_variance",
    "loss supervised_contrastive",
    "loss triplet",
}
TABLE_OF = {f"{table.key} {name}": table for table in TABLES for name in table.table}


@pytest.mark.slow
@pytest.mark.parametrize("which", [which for which in TABLE_OF if which not in SAME])
def test_a_name_changes_the_training(which: str, once: Callable[..., str]) -> None:
    key, name = which.split()
    if key in ELSEWHERE:
        pytest.skip(ELSEWHERE[key])
    entry = f"{{name: {name}, {WITH.get(which, '')}}}"
    context = reference = NAME_CONTEXT.get(which, ())
    change = f"{key}=[{entry}]" if key in ("augment", "mixing", "tta") else f"{key}={entry}"
    if which in NOT_ALONE:
        reference = ()
        change = f"loss={{name: sum, parts: [{{name: cross_entropy}}, {entry}]}}"
    assert once(*context, change) != once(*reference), f"{which} changes nothing"
