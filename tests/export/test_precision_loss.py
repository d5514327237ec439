"""What a reduced precision costs, on photos whose people the networks never saw."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import numpy_helper
from sklearn.metrics import f1_score

from maskgate import bundle, labels
from maskgate.core import confusions
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.ensemble.learning import combinations, groups
from maskgate.ensemble.votes import MemberProbabilities
from maskgate.errors import MaskgateError
from maskgate.evaluation import ensemble, metrics
from maskgate.evaluation.bootstrap import Resamples
from maskgate.export import exporter, graph, precision, precision_loss
from maskgate.export.exporter import ExportOptions
from maskgate.export.models import models
from maskgate.faces import view
from maskgate.imaging import pixels
from maskgate.imaging.tta import tta_views
from maskgate.inference.backends.onnx import OnnxBackend
from maskgate.runs import RunFolder, tables

pytestmark = pytest.mark.slow  # most of it trains or exports

Call = Callable[..., tuple[int, str, str]]
SYSTEM = {"combine": "weights", "adjust": ["near_tie", "offsets"]}


@pytest.fixture(scope="module")
def reduced(trained: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the tiny run in int8."""
    out = tmp_path_factory.mktemp("int8") / "bundle.zip"
    exporter.export(RunFolder(trained), ExportOptions(out, "int8", max_loss=1.0, cache=cache))
    return out


@pytest.fixture
def joint(trained: Path, people: Path, call: Call, tmp_path: Path) -> RunFolder:
    """The run of a system that learns: of the tiny run, and of a system with it and its mirror."""
    trained = Path(shutil.copytree(trained, tmp_path / "trained"))  # mirrored, it gets more files
    flipped = {"name": "flipped", "run": str(trained), "tta": ["flip"]}
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    for out, members, how in (
        (inner, [{"name": "plain", "run": str(trained), "weight": 3}, flipped], {}),
        (outer, [flipped, {"name": "inner", "run": str(inner)}], SYSTEM),
    ):
        file = tmp_path / f"{out.name}.yaml"
        file.write_text(yaml.safe_dump({"members": members, **how}))
        code, _, err = call("combine", file, "-o", out)
        assert code == 0, err
    return RunFolder(outer)


def naive(run: RunFolder, people: Path, cache: Path, content: Callable[[int], bytes]) -> np.ndarray:
    """Out-of-fold probabilities (N, 18), photo by photo from its file."""
    recipe = run.recipe()
    photo_view = view.create(recipe.photo, cache, run.kept_detector())
    backends = {
        fold: OnnxBackend(content(fold), "naive", geometry=photo_view.geometry, attributes=())
        for fold in run.folds
    }
    table, _ = tables.oof(run)
    rows = []
    for name, fold in zip(table["photo"], table["fold"], strict=True):
        stored = photo_view.stored(pixels.decode(people / "train" / "images" / name))
        views = tta_views(recipe.tta, photo_view.geometry)
        pictures = [each.apply(stored[None], photo_view.geometry) for each in views]
        rows.append(np.mean([backends[fold](each).probabilities[0] for each in pictures], axis=0))
    return np.array(rows)


def test_the_loss_is_that_of_naive_scores(
    trained: Path, reduced: Path, people: Path, cache: Path
) -> None:
    opened = bundle.open_bundle(reduced)
    loss = opened.manifest.loss
    assert loss is not None
    run = RunFolder(trained)
    after = naive(run, people, cache, lambda fold: opened.read(f"models/fold-{fold}.onnx"))
    table, before = tables.oof(run)
    scores = [
        f1_score(
            table["label"],
            each.argmax(1),
            labels=range(labels.COUNT),
            average="macro",
            zero_division=0.0,
        )
        for each in (before, after)
    ]
    assert (loss.before.value, loss.after.value) == pytest.approx(scores)
    assert loss.loss.value == pytest.approx(scores[0] - scores[1])
    truth = table["label"].to_numpy()
    drawn = [
        confusions.macro_f1(
            Resamples(table, metrics.RESAMPLES, 0).confusions("label", truth, each.argmax(1))
        )
        for each in (before, after)
    ]
    ends = np.quantile(drawn[0] - drawn[1], [0.025, 0.975])
    assert (loss.loss.low, loss.loss.high) == pytest.approx(ends)
    assert (loss.photos, loss.people) == (len(table), table["person"].nunique())
    assert (loss.limit, loss.score_of) == (1.0, "macro F1")
    assert loss.before == run.metrics().score
    assert "| loss (paired) |" in opened.read("card.md").decode()


def test_a_system_in_full_precision_scores_as_its_run(joint: RunFolder, cache: Path) -> None:
    """So its members are combined by what was learned of other people, each with its own views."""
    singles = models(joint, cache)
    assert [each.name for each in singles] == ["flipped", "inner/plain", "inner/flipped"]
    options = ExportOptions(joint.path / "no", cache=cache)
    of_folds = {fold: exporter._network(singles[0], fold, options) for fold in singles[0].run.folds}
    photos = precision_loss.read_photos(joint, singles, "int8", None)

    def networks_of(folds: dict[int, bytes]) -> precision_loss.ReducedNetworks:
        contents = {each.network_file(fold): folds[fold] for each in singles for fold in folds}
        return precision_loss.ReducedNetworks(singles, contents, photos, cache)

    networks = networks_of(of_folds)
    table, probabilities = networks.out_of_fold(joint)
    rows_of_run, before = tables.oof(joint)
    assert table["photo"].tolist() == rows_of_run["photo"].tolist()
    np.testing.assert_allclose(probabilities, before, atol=1e-3)
    assert precision_loss.measure(joint, networks, 0.0).loss.value == pytest.approx(0, abs=1e-9)

    # Reduced, they are combined by what the full ones have learned.
    calibration = precision.calibration_photos(singles[0], 0, None)
    networks = networks_of(
        {fold: precision.to_int8(each, "network", calibration) for fold, each in of_folds.items()}
    )
    _, probabilities = networks.out_of_fold(joint)
    members = ensemble.member_runs(joint)
    table, full = ensemble.member_probabilities(members, cache)
    names = ("flipped", "inner")
    alone = [networks.out_of_fold(m.run, n, m.tta)[1] for m, n in zip(members, names, strict=True)]
    spec, group = EnsembleSpec.from_system(joint.system()), groups.of_people(table)
    for number in np.unique(group):
        others = table[group != number].reset_index(drop=True)
        combination = combinations.learn(spec, [m.select(group != number) for m in full], others)
        rows = group == number
        parts = [
            MemberProbabilities(each[rows], m.attributes, m.weight)
            for each, m in zip(alone, full, strict=True)
        ]
        np.testing.assert_allclose(combination(parts), probabilities[rows], atol=1e-6)
    assert np.abs(probabilities - before).max() > 1e-4


def test_beyond_the_limit_nothing_is_written(
    trained: Path, cache: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def zeroed(content: bytes, name: str, calibration: np.ndarray) -> bytes:
        model = onnx.load_from_string(content)
        for tensor in model.graph.initializer:
            if tensor.name.endswith("head.linear.weight"):
                values = np.zeros_like(numpy_helper.to_array(tensor))
                tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        return model.SerializeToString()

    monkeypatch.setattr(precision, "to_int8", zeroed)
    out = tmp_path / "out" / "bundle"
    code, output, err = call("export", trained, out, "--precision", "int8", "--max-loss", 0)
    assert (code, output) == (2, "")
    line = err.splitlines()[-1]
    assert "int8: macro F1 0." in line
    assert "out-of-fold photos: more than --max-loss 0; export it with --precision" in line
    assert not out.exists()
    assert not out.parent.exists()


def test_a_limit_of_zero_allows_a_loss_of_zero(
    trained: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "to_fp16", lambda content: content)
    out = tmp_path / "same"
    code, output, err = call("export", trained, out, "--precision", "fp16", "--max-loss", 0)
    assert code == 0, err
    loss = bundle.open_bundle(out).manifest.loss
    assert loss is not None
    assert (loss.loss.low, loss.loss.value, loss.loss.high) == (0, 0, 0)
    assert output.splitlines()[0] == precision_loss.line(loss, "fp16")
    score = RunFolder(trained).metrics().score
    assert score is not None
    same = f"{score.value:.4f} → {score.value:.4f}, a loss of 0.0000 [0.0000, 0.0000]"
    assert f"fp16: macro F1 {same} on {loss.photos} out-of-fold photos" in output


def test_what_cannot_be_measured_is_refused(
    trained: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, out = RunFolder(trained), tmp_path / "bundle"

    def refusal(photos: Path | None = None) -> str:
        with pytest.raises(MaskgateError) as error:
            exporter.export(run, ExportOptions(out, "fp16", photos=photos, cache=cache))
        assert "\n" not in str(error.value)
        assert not any(tmp_path.iterdir())
        return str(error.value)

    monkeypatch.setattr(graph, "to_onnx", None)  # it is refused before the work
    message = refusal(photos=tmp_path / "nowhere")
    assert "cannot be read" in message
    assert message.endswith("or name their folder with --photos")
    results, recipe = run.metrics(), run.recipe()
    training = recipe.training.model_copy(update={"validation_epochs": 1})
    with monkeypatch.context() as patch:
        changed_recipe = recipe.model_copy(update={"training": training})
        patch.setattr(RunFolder, "recipe", lambda self: changed_recipe)
        assert "trained on the validation photos afterwards" in refusal()
    nobody = results.model_copy(update={"validated": False})
    monkeypatch.setattr(RunFolder, "metrics", lambda self: nobody)
    assert "has no validation people" in refusal()
