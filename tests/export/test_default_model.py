"""The default model is made of a run by one command, and a training starts from its backbone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import maskgate
from maskgate.config import recipe as recipes
from maskgate.core import default_model
from maskgate.errors import MaskgateError
from maskgate.export import default_model as maker
from maskgate.inference.backends import torch as torch_backend
from maskgate.model import backbone, network, pretrained
from maskgate.runs import RunFolder

Train = Callable[..., Path]
CHANGES = ("training.epochs=1", "folds.kind=all", "photo.face={detector: mtcnn}")


@pytest.fixture(scope="module")
def run(train: Train, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that qualifies."""
    return RunFolder(train(tmp_path_factory.mktemp("runs") / "faces", *CHANGES))


@pytest.fixture(scope="module")
def written(run: RunFolder, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the default model that is made of `run`."""
    folder = tmp_path_factory.mktemp("package") / "default_model"
    with pytest.MonkeyPatch.context() as patch:
        _accept(patch, folder)
        line = maker.write(run.path, cache)
    assert line.startswith(f"{folder}: ")
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    return folder


def _accept(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the default model lie in `folder` and have the tiny backbone."""
    weights = pretrained.DefaultModelWeights(
        title="faces", licence="none", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
    )
    patch.setattr(default_model, "FOLDER", folder)
    patch.setattr(pretrained, "WEIGHTS", {"faces": {"test_resnet": weights}})


@pytest.fixture
def accepted(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the default model in its place."""
    folder = Path(shutil.copytree(written, tmp_path / "default_model"))
    _accept(monkeypatch, folder)
    return folder


def test_it_predicts_as_the_run(run: RunFolder, accepted: Path, people: Path) -> None:
    photos = sorted((people / "eval" / "images").iterdir())[:6]
    expected = maskgate.load(run.path).predict(photos).probabilities
    np.testing.assert_allclose(maskgate.load().predict(photos).probabilities, expected, atol=5e-3)


def test_card_and_notice_go_along(accepted: Path) -> None:
    manifest = json.loads((accepted / "manifest.json").read_text("utf-8"))
    assert next(iter(manifest["files"])) == default_model.NETWORK
    assert (manifest["name"], manifest["precision"]) == (maker.NAME, "fp16")
    assert {"NOTICE.txt", "card.md"} < manifest["files"].keys()
    notice = (accepted / "NOTICE.txt").read_text("utf-8")
    for text in (notice, (accepted / "card.md").read_text("utf-8")):
        for words in ("FairFace", "CC BY 4.0", "github.com/joojs/fairface", "No rights", "alone",
                      "Apache", "drawn on"):  # fmt: skip
            assert words in " ".join(text.split()).replace("\\", ""), words


def test_a_training_starts_from_its_backbone(
    run: RunFolder, accepted: Path, train: Train, tmp_path: Path
) -> None:
    source = torch_backend.restore(run, 0)
    recipe = run.recipe()
    changed = recipe.model.model_copy(update={"weights": "faces"})
    started = network.create(recipe.model_copy(update={"model": changed}))
    photos = torch.randint(0, 256, (6, *_sides(recipe), 3), dtype=torch.uint8)
    with torch.no_grad():
        outputs = [
            each.backbone(each.normalise(photos)) for each in (source.eval(), started.eval())
        ]
    torch.testing.assert_close(outputs[1], outputs[0], rtol=5e-3, atol=5e-3)
    path = train(tmp_path / "run", "training.epochs=1", "folds.kind=holdout", "model.weights=faces")
    assert RunFolder(path).recipe().model.weights == "faces"
    assert pretrained.description(changed) == "faces: maskgate's default model (none)"


def _sides(recipe: recipes.Recipe) -> tuple[int, int]:
    return recipe.photo.geometry.height, recipe.photo.geometry.width


def test_weights_that_cannot_be_had_are_refused(
    accepted: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = run.recipe()
    model = recipe.model.model_copy(update={"weights": "faces"})
    pretrained.check(model)
    file = accepted / default_model.NETWORK
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    with pytest.raises(MaskgateError, match="not the network of the default model; install"):
        backbone.create(model, recipe.photo.geometry)
    file.write_bytes(content)
    (accepted / "manifest.json").write_text("[]")
    with pytest.raises(MaskgateError, match="not the network of the default model; install"):
        pretrained.path(model)
    (accepted / "manifest.json").unlink()
    with pytest.raises(MaskgateError, match="this installation has no default model"):
        pretrained.check(model)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "limit", "reason"),
    [
        ("MAX_PARAMETERS", 1000, "parameters, more than 1,000"),
        ("MAX_SIDE", 31, "its photos have more than 31 pixels on a side"),
        ("MAX_BYTES", 10_000, "bytes, more than 10,000"),
    ],
)
def test_what_is_too_large_is_refused(
    name: str, limit: int, reason: str, run: RunFolder, accepted: Path, cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    before = sorted((path, path.stat().st_mtime_ns) for path in accepted.parent.rglob("*"))
    monkeypatch.setattr(maker, name, limit)
    with pytest.raises(MaskgateError, match=reason):
        maker.write(run.path, cache)
    after = sorted((path, path.stat().st_mtime_ns) for path in accepted.parent.rglob("*"))
    assert [path for path, _ in after] == [path for path, _ in before]
    assert [each for each in after if each[0] != accepted.parent] == [
        each for each in before if each[0] != accepted.parent
    ]


def test_other_runs_are_refused(
    trained: Path, run: RunFolder, accepted: Path, cache: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with pytest.raises(MaskgateError, match="it has several networks; train it with one fold"):
        maker.write(trained, cache)
    monkeypatch.setattr(pretrained, "WEIGHTS", {"faces": {"resnet18": None}})
    with pytest.raises(MaskgateError, match="its backbone is another than resnet18"):
        maker.write(run.path, cache)
    other = pretrained.DefaultModelWeights(
        "faces", "none", mean=(0.4, 0.5, 0.5), std=(0.5, 0.5, 0.5)
    )
    monkeypatch.setattr(pretrained, "WEIGHTS", {"faces": {"test_resnet": other}})
    with pytest.raises(MaskgateError, match="it normalises with another mean"):
        maker.write(run.path, cache)
    for words in ([], [""], ["a", "b", "c"], ["/gone"]):
        assert maker.main(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines[-4:]] == ["name one run"] * 3 + ["/gone"]
