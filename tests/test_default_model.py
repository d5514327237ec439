"""A model scored on people whom it was not trained on, from the command line to its card."""

import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskgate.bundle import held_out, open_bundle
from maskgate.export import graph
from maskgate.faces import detectors
from maskgate.faces.protocol import NO_FACES, Faces
from maskgate.synthetic.masks.kinds import KINDS

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "default_model.py"
Call = Callable[..., tuple[int, str, str]]
Score = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def default_model() -> ModuleType:
    spec = importlib.util.spec_from_file_location(BENCHMARK.stem, BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def score(
    default_model: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cache: Path,
) -> Score:
    """`score(model, …)` runs the benchmark; exit code, stdout, stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setenv("MASKGATE_CACHE", str(cache))
        monkeypatch.setattr(sys, "argv", [str(BENCHMARK), *map(str, words)])
        code = 0
        try:
            default_model.main()
        except SystemExit as error:
            code = int(error.code or 0)
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other sample people than the models were trained on."""
    from maskgate.synthetic.people import sample_people

    root = tmp_path_factory.mktemp("others")
    sample_people.make(root, people=12, eval_people=0, size=(64, 48), seed=5, twins=0)
    return root


@pytest.fixture(scope="module")
def masks_real(others: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos with a mask state and a source, as real masks have them."""
    root = tmp_path_factory.mktemp("real")
    rows = ["photo,mask,source"]
    for number, path in enumerate(sorted((others / "train" / "images").rglob("[!.]*.*"))):
        mask = {"n": "not_wear", "i": "incorrect"}.get(path.name[0], "wear")
        shutil.copy(path, root / f"{number}{path.suffix}")
        source = "karysutariya/x" if number % 3 else "other/y"
        rows.append(f"{number}{path.suffix},{mask},{source}")
    (root / "photos.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def fairface(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """FairFace's first twelve people who are held out, as `wear` leaves them, and their table."""
    root = tmp_path_factory.mktemp("fairface")
    names = BENCHMARK.with_name("fairface-held-out.txt").read_text().split()[:12]
    random = np.random.default_rng(0)
    photos, drawn = [], []
    for number, name in enumerate(names):
        for mask in ("wear", "incorrect", "not_wear"):
            photo = f"{number}-{mask}.png"
            pixels = random.integers(0, 256, (40, 40, 3), np.uint8)
            Image.fromarray(pixels).save(root / photo)
            gender, age = ("male", "female")[number % 2], ("20-29", "70-120")[number % 2]
            photos.append((photo, name, mask, gender, age))
            style, place = {"wear": ("cloth", "worn"), "incorrect": ("cloth", "nose_out")}.get(
                mask, ("hand", "bare") if number % 2 else (None, None)
            )
            drawn.append((photo, style, place))
    table = pd.DataFrame(photos, columns=["photo", "person", "mask", "gender", "age_group"])
    table.to_csv(root / "photos.csv", index=False)
    kinds = pd.DataFrame(drawn, columns=["photo", "style", "placement"])
    kinds.to_parquet(root / "drawn.parquet")
    faces = root.parent / "faces.csv"
    faces.write_text("photo,race\n" + "".join(f"{name},East_Asian\n" for name in names))
    return root, faces


@pytest.fixture(scope="module")
def each_kind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same people with some of the kinds, as `wear --each-kind` leaves them."""
    root = tmp_path_factory.mktemp("kinds")
    names = BENCHMARK.with_name("fairface-held-out.txt").read_text().split()[:12]
    random = np.random.default_rng(1)
    photos, drawn = [], []
    for number, name in enumerate(names):
        for kind in ("worn", "chin_out", "eyes", "hand"):
            photo = f"{number}-{kind}.png"
            Image.fromarray(random.integers(0, 256, (40, 40, 3), np.uint8)).save(root / photo)
            photos.append((photo, name, KINDS[kind], "male"))
            drawn.append((photo, kind))
    table = pd.DataFrame(photos, columns=["photo", "person", "mask", "gender"])
    table.to_csv(root / "photos.csv", index=False)
    pd.DataFrame(drawn, columns=["photo", "shot"]).to_parquet(root / "drawn.parquet")
    return root


@pytest.mark.slow
def test_scores_go_from_the_run_to_the_card(
    score: Score, call: Call, trained: Path, others: Path, masks_real: Path,
    fairface: tuple[Path, Path], each_kind: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    scores = tmp_path / "scores.json"
    data = ["--people", others, "--masks-real", masks_real]
    data += ["--fairface", fairface[0], "--faces", fairface[1], "--kinds", each_kind]
    code, text, error = score(trained, *data, "--out", scores)
    assert code == 0, error
    record = held_out.read(scores)
    names = [each.name for each in record.data]
    assert names == [
        "People", "Real masks", "FairFace, people held out",
        "Wrong ways and things that are not masks",
    ]  # fmt: skip
    people, real, fair, kinds = record.data
    assert (people.photos, people.people, people.detector) == (84, 12, "")
    assert {"balanced_recall", "incorrect_at_worn", "age_band_accuracy"} <= set(people.measures)
    assert (real.photos, real.people) == (56, 56)
    assert "gender_accuracy" not in real.measures
    assert {kind: list(groups) for kind, groups in fair.groups.items() if kind != "brightness"} == {
        "gender": ["female", "male"],
        "age group": ["20-29", "70 and over"],
        "race group": ["East Asian"],
        "kind of mask": ["cloth"],
        "mask position": ["no mask", "no mask, hand before the face", "nose out", "worn"],
    }
    assert [each.photos for each in fair.groups["brightness"].values()] == [9, 9, 9, 9]
    assert (fair.groups["gender"]["male"].people, fair.groups["kind of mask"]["cloth"].photos) == (
        6,
        24,
    )
    by_kind = kinds.groups["kind of photo"]
    assert list(by_kind) == [
        "not worn: hand", "worn incorrectly: chin out", "worn incorrectly: eyes and nose",
        "worn: any mask",
    ]  # fmt: skip
    assert "not_called_worn" in by_kind["not worn: hand"].measures
    assert "not_called_worn" not in by_kind["worn: any mask"].measures
    assert f"| mask, balanced recall | {people.measures['balanced_recall']} |" in text

    monkeypatch.setattr(graph, "to_onnx", lambda *_: b"a network")
    code, _, error = call("export", trained, tmp_path / "out", "--held-out", scores)
    assert code == 0, error
    manifest = open_bundle(tmp_path / "out").manifest
    assert manifest.held_out == record
    page = (tmp_path / "out" / "card.md").read_text()
    section = page.partition("## Tested on other people")[2].partition("\n## ")[0]
    for each in record.data:
        assert f"### {each.name}" in section
        assert f"{each.photos:,} photos of {each.people:,} people." in section
    assert "masks were drawn on their photos by maskgate" in section.casefold()
    assert "| race group | photos | people |" in section
    figure = re.search(r"\| mask, balanced recall \| (.*?) \\\[(.*?), (.*?)\\\] \|", section)
    html = (tmp_path / "out" / "card.html").read_text()
    assert "{}\u00a0[{},\u00a0{}]</td>".format(*figure.groups()) in html, "on one line"
    assert "| no mask, hand before the face | 6 | 6 |" in section
    assert "| kind of photo | photos | people | mask | not called worn | gender |" in section
    assert "| worn incorrectly: chin out | 12 | 12 |" in section

    other = Path(__file__).parent / "golden" / "plain"
    code, _, error = call("export", other, tmp_path / "other", "--held-out", scores)
    assert code == 2
    assert f"{scores}: scores of another run than {other}" in error
    values: dict[str, Any] = json.loads(scores.read_text())
    scores.write_text(json.dumps(values | {"interval": 3}))
    code, _, error = call("export", trained, tmp_path / "other", "--held-out", scores)
    assert code == 2
    assert "interval: Input should be a valid string" in error
    assert not (tmp_path / "other").exists()


def test_a_bundle_is_scored_with_its_run_or_without(
    score: Score, call: Call, bundle: Path, trained: Path, others: Path, people: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    scores = tmp_path / "scores.json"
    code, _, error = score(bundle, "--people", others, "--out", scores)
    assert code == 0, error
    assert f"{bundle}: a bundle, so its training photos cannot be compared" in error
    assert "recipe tiny, " in error
    assert held_out.read(scores).weights is None
    code, _, error = call("export", trained, tmp_path / "out", "--held-out", scores)
    assert code == 2
    assert "scores of a bundle, without the run" in error
    code, _, error = score(bundle, "--people", others, "--out", scores, "--run", trained)
    assert code == 0, error
    assert held_out.read(scores).weights == held_out_of(trained)
    code, _, error = score(bundle, "--people", people, "--run", trained)
    assert code == 2
    assert f"{trained}: was trained on photos of" in error
    golden = Path(__file__).parent / "golden" / "plain"
    code, _, error = score(bundle, "--people", others, "--run", golden)
    assert code == 2
    assert f"{bundle} was exported from another run" in error


def held_out_of(run: Path) -> str:
    from maskgate.evaluation.held_out import weights_digest
    from maskgate.runs import open_run

    return weights_digest(open_run(run))


@pytest.mark.slow
def test_faces_are_looked_for_with_another_detector(
    score: Score, face_run: Path, trained: Path, others: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, text, error = score(face_run, "--people", others, "--detector", "mtcnn")
    assert code == 0, error
    assert "## People (mtcnn)" in text
    code, _, error = score(trained, "--people", others, "--detector", "mtcnn")
    assert code == 2
    assert "the model sees the photo's centre: leave out --detector" in error

    class Nowhere:
        name, sha256 = "yunet", "0" * 64
        arguments: ClassVar[dict[str, Any]] = {}

        def __call__(self, image: np.ndarray) -> Faces:
            return NO_FACES

    monkeypatch.setitem(detectors.DETECTORS, "yunet", lambda _: Nowhere())
    code, text, error = score(face_run, "--people", others, "--detector", "yunet", "mtcnn")
    assert code == 0, error
    assert "## People (yunet)\n\n84 photos of 12 people; no face was found in 84" in text
    assert "## People (mtcnn)" in text


def test_what_cannot_be_scored_is_one_sentence(
    score: Score, trained: Path, others: Path, masks_real: Path, people: Path,
    fairface: tuple[Path, Path], each_kind: Path, tmp_path: Path,
) -> None:  # fmt: skip
    strangers = tmp_path / "strangers"
    shutil.copytree(fairface[0], strangers)
    text = (strangers / "photos.csv").read_text()
    first = text.splitlines()[1].split(",")[1]
    (strangers / "photos.csv").write_text(text.replace(first, "images/00000.webp"))
    seven = tmp_path / "seven"
    shutil.copytree(each_kind, seven)
    drawn = pd.read_parquet(seven / "drawn.parquet").replace("hand", "mask1")
    drawn.to_parquet(seven / "drawn.parquet")
    for words, sentence in (
        ([trained], "no data; give --people, --masks-real, --fairface or --kinds"),
        ([trained, "--people", people], f"{trained}: was trained on photos of"),
        ([tmp_path / "gone", "--people", others], "gone: no run"),
        ([trained, "--people", others, "--run", trained], "not a bundle, so give no --run"),
        ([trained, "--masks-real", masks_real, "--source", "z"], "a source that starts with 'z'"),
        ([trained, "--fairface", strangers], "1 of its people are not in fairface-held-out.txt"),
        ([trained, "--kinds", strangers], "1 of its people are not in fairface-held-out.txt"),
        ([trained, "--kinds", seven], "has photos of the kind 'mask1'; write it with `maskgate"),
        ([trained, "--people", others, "--out", "/dev/null/x"], "/dev/null/x"),
    ):
        code, output, error = score(*words)
        assert (code, output) == (2, ""), words
        assert sentence in error.splitlines()[-1]
