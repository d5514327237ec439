"""A run from a stranger runs no code, and reads nothing of mine, unless it is trusted."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

import maskgate
from maskgate import runs
from maskgate.cluster import Cluster, bulk
from maskgate.config import recipe
from maskgate.data import layouts
from maskgate.errors import MaskgateError
from maskgate.inference import loading
from maskgate.model import network
from maskgate.runs import RunFolder, trust

Call = Callable[..., tuple[int, str, str]]
Train = Callable[..., Path]

# Whoever imports it leaves a trace; its network is the tiny recipe's own.
STRANGER = """
from pathlib import Path
import timm
Path("imported").touch()
def net():
    return timm.create_model("test_resnet", num_classes=0)
def ends():
    raise SystemExit(0)
def breaks():
    raise RuntimeError("x" * 10_000)
class Odd(BaseException): pass
def odd():
    raise Odd("odd")
"""


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, in which the stranger's module lies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    (tmp_path / "stranger.py").write_text(STRANGER)
    yield tmp_path
    sys.modules.pop("stranger", None)


def of(run: Path, backbone: str, name: str = "theirs") -> Path:
    """A copy of the run in the working folder whose recipe names another backbone."""
    copy = Path(shutil.copytree(run, name)).resolve()
    path = copy / "recipe.yaml"
    text, count = re.subn(r"backbone: test_resnet\b", f"backbone: {backbone}", path.read_text())
    assert count == 1
    write(path, text)
    return copy


def write(path: Path, text: str) -> None:
    """Replace a file of a run, and list it anew: whoever makes a run makes its list as well."""
    path.write_text(text)
    RunFolder(path.parent).finish()


def refused(outcome: tuple[int, str, str], run: Path, factory: str = "stranger:net") -> None:
    """It is one sentence that names factory and run, and nothing has been imported."""
    code, out, err = outcome
    assert (code, out) == (2, "")
    (line,) = (each for each in err.splitlines() if each.startswith("maskgate: "))
    assert err.splitlines()[-1] == line
    assert "Traceback" not in err
    for word in (factory, str(run), "--trust"):
        assert word in line
    assert not Path("imported").exists()
    assert "stranger" not in sys.modules
    assert "" not in sys.path


@pytest.mark.slow
def test_no_command_runs_the_code_of_a_run(call: Call, trained: Path, people: Path) -> None:
    untrusted = of(trained, "stranger:net")
    combine = ("combine", untrusted, trained, "-o", "both", "--tta", "flip")
    words: tuple[object, ...]
    for words in (
        ("predict", untrusted, people / "eval"),
        ("predict", untrusted, people / "eval", "-o", "out.csv"),
        ("submit", untrusted, people, "-o", "out.csv"),
        ("submit", untrusted, trained, people, "-o", "out.csv"),
        combine,
    ):
        refused(call(*words), Path("theirs"))
        assert not Path("out.csv").exists()
        assert not Path("both").exists()
    for words in (
        ("report", untrusted),
        ("runs", untrusted.parent),
        ("compare", untrusted, trained),
    ):
        assert call(*words)[0] == 0  # they need no network
        assert not Path("imported").exists()
    order = bulk.BulkJob(untrusted, [str(people / "eval")], Path("answers"))
    with pytest.raises(MaskgateError, match=r"stranger:net.*--trust"):
        bulk.predict(order, Cluster("ray"))
    assert not Path("answers").exists()
    with pytest.raises(MaskgateError, match=r"stranger:net.*trust=True"):
        maskgate.load(untrusted)


@pytest.mark.parametrize(
    ("factory", "does"),
    [("os:system", "arguments: {command: touch imported}"), ("builtins:exit", "arguments: {}")],
)
def test_the_code_need_not_be_theirs(
    call: Call, trained: Path, people: Path, factory: str, does: str
) -> None:
    untrusted = of(trained, factory)
    path = untrusted / "recipe.yaml"
    write(path, path.read_text().replace("arguments: {}", does, 1))
    refused(call("predict", untrusted, people / "eval"), untrusted, factory)
    code, out, err = call("predict", untrusted, people / "eval", "--trust")
    assert (code, out) == (2, "")
    last = err.splitlines()[-1]
    assert last.startswith(f"maskgate: {untrusted}: backbone {factory}")
    assert Path("imported").exists() == (factory == "os:system")


def test_whoever_trusts_it_gets_its_predictions(call: Call, trained: Path, people: Path) -> None:
    untrusted = of(trained, "stranger:net")
    photos = people / "eval"
    code, out, err = call("predict", untrusted, photos, "--trust")
    assert code == 0, err
    assert out == call("predict", trained, photos)[1]
    assert Path("imported").exists()
    one = sorted(photos.rglob("*.jpg"))[:1]
    expected = maskgate.load(trained).predict(one).to_csv()
    assert maskgate.load(untrusted, trust=True).predict(one).to_csv() == expected


def test_so_with_the_members_of_a_bundle(call: Call, trained: Path, people: Path) -> None:
    untrusted = of(trained, "stranger:net")
    assert call("combine", untrusted, trained, "-o", "both")[0] == 0  # of what is kept: no network
    refused(call("predict", "both", people / "eval"), Path("theirs"))
    refused(call("submit", "both", people, "-o", "out.csv"), Path("theirs"))
    code, _, err = call("submit", "both", people, "-o", "out.csv", "--trust")
    assert code == 0, err


def test_the_second_backbone_counts_as_well(call: Call, trained: Path, people: Path) -> None:
    untrusted = of(trained, "test_resnet")
    path = untrusted / "recipe.yaml"
    write(path, path.read_text().replace("beside: null", "beside: stranger:net"))
    refused(call("predict", untrusted, people / "eval"), untrusted)


@pytest.mark.slow
def test_what_a_training_names_is_trusted_and_what_its_teacher_names_is_not(
    call: Call, trained: Path, tiny: Path, people: Path
) -> None:
    untrusted, photos = of(trained, "stranger:net"), people / "eval" / "images"
    words = ("train", tiny, people, "training.epochs=1", f"pseudo.photos={photos}", "--out", "run")
    teacher = f"pseudo.run={untrusted}"
    refused(call(*words, teacher), untrusted)
    refused(call("lr", tiny, people, *words[4:5], teacher), untrusted)
    assert not Path("run").exists()
    # Component by the user, the same code runs anyway.
    code, _, err = call(*words, teacher, "model.backbone=stranger:net", "training.epochs=1")
    assert code == 0, err
    code, _, err = call(*words[:-1], "other", teacher, "--trust")
    assert code == 0, err


def test_a_teacher_of_soft_labels_is_not_trusted(
    call: Call, trained: Path, tiny: Path, people: Path
) -> None:
    untrusted = of(trained, "stranger:net")
    loss = "loss={name: sum, parts: [{name: cross_entropy}, {name: distillation}]}"
    refused(call("train", tiny, people, loss, f"teacher={untrusted}", "--out", "run"), untrusted)
    assert not Path("run").exists()


@pytest.mark.slow
def test_a_start_from_a_run_imports_nothing_of_it(call: Call, trained: Path, tiny: Path,
    people: Path) -> None:  # fmt: skip
    untrusted = of(trained, "stranger:net")
    code, _, err = call("train", tiny, people, f"model.init={untrusted}", "training.epochs=1",
        f"folds.file={trained / 'folds.csv'}", "--out", "run")  # fmt: skip
    assert code == 0, err
    assert not Path("imported").exists()


@pytest.mark.slow
def test_a_folder_with_another_recipe_is_not_resumed(train: Train, working_folder: Path) -> None:
    out = train(working_folder / "run", "training.epochs=1", "folds.kind=all")
    RunFolder(out).update_status(finished=None, files=None)
    text = (out / "recipe.yaml").read_text()
    (out / "recipe.yaml").write_text(text.replace("backbone: test_resnet", "backbone: os:system"))
    with pytest.raises(MaskgateError, match=r"recipe\.yaml: is another recipe"):
        train(out, "training.epochs=1", "folds.kind=all")
    (out / "recipe.yaml").write_text(text)
    train(out, "training.epochs=1", "folds.kind=all")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("ends", r"would end the command \(0\)"), ("breaks", "…"), ("odd", "odd"), ("gone", "gone")],
)
def test_whatever_a_factory_raises_is_one_sentence(name: str, reason: str) -> None:
    stranger_recipe = recipe.Recipe.model_validate({"model": {"backbone": f"stranger:{name}"}})
    with pytest.raises(MaskgateError, match=f"stranger:{name}: .*{reason}") as error:
        network.create(stranger_recipe)
    assert len(str(error.value)) < 400


def test_a_stored_recipe_reads_no_other_file(call: Call, trained: Path, people: Path) -> None:
    untrusted = of(trained, "test_resnet")
    Path("mine.yaml").write_text("seed: 3\n")
    write(untrusted / "recipe.yaml", "base: ../mine\n")
    code, _, err = call("predict", untrusted, people / "eval")
    assert code == 2
    assert "names another file as its base" in err


def test_weights_of_my_files_are_not_read(trained: Path) -> None:
    untrusted = of(trained, "test_resnet")
    path = untrusted / "recipe.yaml"
    text = path.read_text().replace("arguments: {}", "arguments: {checkpoint_path: mine.pth}", 1)
    write(path, text)
    assert RunFolder(untrusted).recipe().model.arguments == {"checkpoint_path": "mine.pth"}
    loading.load(untrusted)  # a missing file would be told


def test_a_member_outside_is_read_only_by_who_knows_it(
    call: Call, trained: Path, people: Path
) -> None:
    assert call("combine", trained, "-o", "theirs")[0] == 0
    for members in ({}, {"tiny": "00000000"}):
        RunFolder(Path("theirs")).update_status(members=members)
        code, out, err = call("predict", "theirs", people / "eval")
        assert (code, out) == (2, "")
        assert "its member " in err.splitlines()[-1]


def test_a_detectors_file_is_read_only_where_its_hash_is_told(
    call: Call, trained: Path, people: Path
) -> None:
    untrusted = of(trained, "test_resnet")
    Path("mine.onnx").write_bytes(b"mine")
    path = untrusted / "recipe.yaml"
    face = "  face:\n    detector: {name: yunet, file: mine.onnx}\n    sha256: {}\n"
    text = path.read_text()
    assert "  face: null\n" in text
    for digest, fault in (
        ("null", "would read mine.onnx"),
        (f"'{'0' * 64}'", "was trained with detector yunet"),
    ):
        write(path, text.replace("  face: null\n", face.replace("{}", digest)))
        code, _, err = call("predict", untrusted, people / "eval")
        assert code == 2
        assert fault in err, err
        assert "ONNX Runtime" not in err  # which has not seen it


def test_trust_goes_down_to_members(trained: Path) -> None:
    assert not runs.open_run(trained).trusted
    assert runs.open_run(trained, trust=True).trusted
    stranger_recipe = recipe.Recipe.model_validate({"model": {"backbone": "stranger:net"}})
    untrusted = RunFolder(of(trained, "stranger:net"))
    assert trust.trust_if_known(untrusted, stranger_recipe.model.factories).trusted
    assert not trust.trust_if_known(untrusted, [("stranger:net", {"more": 1})]).trusted
    assert not trust.trust_if_known(RunFolder(trained), []).trusted


# ----------------------------------------------------------------------- files of the user's


def with_photos(run: Path, names: list[str], name: str = "theirs") -> Path:
    """A copy of the run whose first validated photos are called otherwise."""
    copy = Path(shutil.copytree(run, name))
    for file in ("photos.parquet", "oof.parquet"):
        table = pd.read_parquet(copy / file)
        first = sorted(pd.read_parquet(run / "oof.parquet")["photo"])[: len(names)]
        table["photo"] = table["photo"].replace(dict(zip(first, names, strict=True)))
        table.to_parquet(copy / file, index=False)
    RunFolder(copy).finish()
    return copy


def pictures(page: Path) -> int:
    return page.read_text().count("data:image/jpeg")


@pytest.mark.slow
def test_a_report_shows_no_photo_of_mine(call: Call, trained: Path, people: Path) -> None:
    assert call("report", trained)[0] == 0
    assert pictures(trained / "report.html") > 10
    # The folder holds photos of the very names, but not the photos of the run.
    status = json.loads((trained / "run.json").read_text())
    untrusted, photo_root = Path(shutil.copytree(trained, "theirs")), Path("mine").resolve()
    for photo in sorted(Path(status["root"]).rglob("*.*")):
        if photo.suffix in (".jpg", ".png", ".jpeg"):
            target = photo_root / photo.relative_to(status["root"])
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 40), "red").save(target)
    RunFolder(untrusted).update_status(root=str(photo_root))
    assert call("report", untrusted)[0] == 0
    assert pictures(untrusted / "report.html") == 0


@pytest.mark.parametrize("absolute", [False, True])
def test_names_that_leave_the_root_are_refused(
    call: Call, trained: Path, people: Path, tmp_path: Path, absolute: bool
) -> None:
    Image.new("RGB", (40, 40), "red").save("mine.jpg")
    name = str(Path("mine.jpg").resolve()) if absolute else "../mine.jpg"
    untrusted = with_photos(trained, [name])
    before = (untrusted / "report.html").read_bytes()
    words: tuple[object, ...]
    for words in (("report", untrusted), ("combine", untrusted, "-o", "both", "--tta", "flip")):
        code, out, err = call(*words)
        assert (code, out) == (2, "")
        assert name in err.splitlines()[-1]
        assert "outside" in err.splitlines()[-1]
    assert (untrusted / "report.html").read_bytes() == before
    assert not Path("both").exists()
    Path("set").mkdir()
    Path("set/theirs.csv").write_text(f"photo,mask\n{name},wear\n")
    Path("eval/images").mkdir(parents=True)
    Path("eval/info.csv").write_text(f"ImageID,ans\n{name},0\n")
    for words in (
        ("train", tmp_path / "tiny.yaml", "set/theirs.csv"),
        ("faces", "set/theirs.csv"),
        ("submit", trained, "eval", "-o", "out.csv"),
    ):
        (tmp_path / "tiny.yaml").write_text("model: {backbone: test_resnet}\n")
        code, out, err = call(*words)
        assert (code, out) == (2, "")
        assert name in err.splitlines()[-1]
        assert "outside" in err.splitlines()[-1]
    assert not Path("out.csv").exists()
    code, out, _ = call("inspect", "set/theirs.csv")
    assert code == 0
    assert "photo outside the folder" in out


def test_absolute_names_within_the_folder_are_read(tmp_path: Path) -> None:
    Path("photos").mkdir()
    Image.new("RGB", (40, 40), "red").save("photos/a.png")
    inside = (tmp_path / "photos" / "a.png").resolve()
    Path("mine.csv").write_text(f"photo,mask\n{inside},wear\nphotos/../photos/b.png,wear\n")
    (kept,) = layouts.read(Path("mine.csv")).table["photo"]
    assert kept == str(inside)


def test_links_within_a_data_set_of_mine_are_followed(
    call: Call, trained: Path, people: Path
) -> None:
    Path("data").mkdir()
    Path("data/eval").symlink_to(people / "eval")
    assert call("submit", trained, "data", "-o", "out.csv")[0] == 0


@pytest.mark.parametrize("name", ["hf-hub:timm/resnet18", "local-dir:/etc", "os.system"])
def test_other_names_with_a_colon_are_no_code(trained: Path, name: str) -> None:
    untrusted = of(trained, name)
    with pytest.raises(MaskgateError, match="unknown backbone") as error:
        loading.load(untrusted)
    assert str(untrusted) in str(error.value)


def test_arguments_that_are_set_elsewhere_are_refused_by_name(trained: Path) -> None:
    untrusted = of(trained, "test_resnet")
    path = untrusted / "recipe.yaml"
    write(path, path.read_text().replace("arguments: {}", "arguments: {pretrained: true}", 1))
    with pytest.raises(
        MaskgateError, match=r"theirs: model\.arguments: pretrained cannot be set here"
    ):
        loading.load(untrusted)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fold-0", "detector"])
def test_nothing_is_written_through_a_link_in_a_run(
    train: Train, working_folder: Path, name: str
) -> None:
    out = train(working_folder / "run", "training.epochs=1", "folds.kind=all")
    (working_folder / "elsewhere").mkdir()
    shutil.rmtree(out / name, ignore_errors=True)
    (out / name).symlink_to(working_folder / "elsewhere")
    RunFolder(out).update_status(finished=None, files=None)
    with pytest.raises(MaskgateError, match=f"{name}: is a link"):
        train(out, "training.epochs=1", "folds.kind=all")
    assert list((working_folder / "elsewhere").iterdir()) == []
