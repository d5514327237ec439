"""The default model in the package: small enough, with its terms, and right about drawn people."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import maskgate
from maskgate import labels
from maskgate.bundle import open_bundle
from maskgate.bundle.manifest import leaves
from maskgate.config.recipe import Model
from maskgate.core import default_model
from maskgate.core.extras import EXTRA_OF
from maskgate.core.geometry import Geometry
from maskgate.data import layouts
from maskgate.export import default_model as maker
from maskgate.model import backbone, pretrained
from maskgate.synthetic.people import sample_people

pytestmark = pytest.mark.skipif(
    not (default_model.FOLDER / "manifest.json").is_file(),
    reason="the package has no default model: make default-model RUN=… writes it",
)

# Prediction with no package of an extra, no file of a detector and no cache.
BASE_INSTALL = f"""
import sys
sys.modules.update(dict.fromkeys({sorted(EXTRA_OF)!r}))
from maskgate import cli
cli.main()
"""


def test_it_is_small_and_has_its_terms() -> None:
    bundle = open_bundle(default_model.folder())
    (model,) = leaves(bundle.manifest.model)
    assert model.networks == [default_model.NETWORK]
    assert bundle.manifest.files[default_model.NETWORK].bytes <= maker.MAX_BYTES
    assert max(model.photo.height, model.photo.width) <= maker.MAX_SIDE
    assert bundle.manifest.terms == maker.TERMS
    assert [each.detector.name for each in model.preferred] == ["yunet"]
    assert model.photo.face is not None and model.photo.face.detector.name == "mtcnn"
    assert b"CC BY 4.0" in bundle.read("NOTICE.txt")
    assert b"MIT License" in bundle.read(f"{model.detector}/NOTICE.txt")
    paths = {path for path in default_model.FOLDER.rglob("*") if path.is_file()}
    listed = {default_model.FOLDER / name for name in bundle.manifest.files}
    assert paths == {*listed, default_model.FOLDER / "manifest.json"}


@pytest.mark.slow
def test_it_sees_the_masks_of_drawn_people(tmp_path: Path) -> None:
    model, right = maskgate.load(), []
    for seed in (3, 4, 5):
        root = tmp_path / str(seed)
        sample_people.make(
            root, people=40, eval_people=0, size=(128, 96), twins=0, label_errors=0, seed=seed
        )
        photos = layouts.read(root)
        paths = [photos.root / name for name in photos.table["photo"]]
        masks = labels.marginals(model.predict(paths).probabilities)["mask"].argmax(1)
        right.append(np.mean(masks == photos.table["mask"].to_numpy()))
    assert np.mean(right) >= 0.95


def test_the_base_install_predicts_with_it(people: Path, tmp_path: Path) -> None:
    photos = sorted((people / "eval" / "images").iterdir())[:4]
    process = subprocess.run(
        [sys.executable, "-c", BASE_INSTALL, "predict", *map(str, photos)],
        env={"PATH": "", "MASKGATE_CACHE": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr.startswith("face detector: mtcnn; yunet, as in training, needs its file")
    assert len(process.stdout.splitlines()) == 1 + len(photos)


def test_its_backbone_is_what_a_training_starts_from() -> None:
    (name,) = pretrained.WEIGHTS["faces"]
    model = Model(backbone=name, weights="faces")
    loaded = backbone.create(model, Geometry(112, 88))
    untrained = backbone.create(model, Geometry(112, 88), with_weights=False)
    for key, tensor in loaded.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert (tensor != untrained.state_dict()[key]).any(), key
    assert pretrained.statistics(model) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    facts = json.loads((default_model.FOLDER / "manifest.json").read_text("utf-8"))["training"]
    assert [each["backbone"] for each in facts] == [name]
