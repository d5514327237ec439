"""What users get wrong and what fails around them: one line that names the file, the fault and
the remedy, exit code 2, no traceback, and every file as it was."""

import errno
import io
import itertools
import json
import os
import pkgutil
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pytest
from PIL import Image

from maskgate.core import files
from maskgate.errors import LONGEST, DiskError, DiskFullError, MaskgateError, disk_error
from maskgate.runs import RunFolder

Call = Callable[..., tuple[int, str, str]]

# Besides the fault, stderr may hold what tells how far the work is; nothing else.
PROGRESS = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d )?(reading \d+ photos into |fold \d+, epoch \d+: "
    r"|fold \d+: resuming at epoch |warning: \d+ × |warning: updates of the weights per fold: "
    r"|.*: \d+ photos of \d+ people; |skipped \d+ other file)"
)


@dataclass(frozen=True)
class Place:
    """The folder a case is staged and run in; what lies elsewhere is shared and only read."""

    folder: Path
    people: Path
    trained: Path
    patch: pytest.MonkeyPatch

    def write(self, name: str, content: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def photos(self, *names: str) -> None:
        """A photo under each name; no two are alike."""
        for number, name in enumerate(names):
            picture = Image.effect_noise((40, 48), 60 + 5 * number).convert("RGB")
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            picture.save(self.folder / name)

    def empty(self) -> None:
        (self.folder / "empty").mkdir()

    def persons(self, count: int) -> list[Path]:
        """`data/`: the first few sample people; their folders."""
        images = self.people / "train" / "images"
        chosen = sorted(path for path in images.iterdir() if path.is_dir())[:count]
        return [shutil.copytree(path, self.folder / "data" / path.name) for path in chosen]

    def run(self) -> Path:
        """`run/`: a finished run of two folds."""
        return shutil.copytree(self.trained, self.folder / "run")

    def unfinished_run(self) -> Path:
        """`run/`, killed in its second fold."""
        run = self.run()
        RunFolder(run).update_status(finished=None)
        (run / "fold-1" / "fold.json").unlink()
        return run


@pytest.fixture
def place(
    tmp_path: Path, people: Path, trained: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    monkeypatch.chdir(tmp_path)
    shutil.copy(tiny, tmp_path / "tiny.yaml")
    return Place(tmp_path, people, trained, monkeypatch)


def everything(place: Place) -> dict[Path, object]:
    """Every file of the case by its content, every shared one by its size and time."""
    state: dict[Path, object] = {}
    for path in place.folder.rglob("*"):
        state[path] = path.read_bytes() if path.is_file() else None
    for path in [*place.people.rglob("*"), *place.trained.rglob("*")]:
        state[path] = (path.stat().st_size, path.stat().st_mtime_ns)
    return state


def the_line(outcome: tuple[int, str, str]) -> str:
    """The one line a failed command tells its fault in."""
    code, out, err = outcome
    assert code == 2, (code, out, err)
    assert out == ""
    *before, last = err.splitlines()
    assert last.startswith("maskgate: "), err
    assert all(map(PROGRESS.match, before)), err
    return last


# ------------------------------------------------------------------------- the cases


Stage = Callable[[Place], object]


def nothing(place: Place) -> None:
    """The stage is set."""


@dataclass(frozen=True)
class Fault:
    """A command line that must fail, what its line must name, and how the stage is set."""

    command: str
    names: tuple[str, ...]
    stage: Stage = nothing


def csv(text: str) -> Stage:
    """`photos.csv` beside the photos a.png, b.png and c.png."""

    def stage(place: Place) -> None:
        place.photos("a.png", "b.png", "c.png")
        place.write("photos.csv", text)

    return stage


def fixes(*rows: str) -> Stage:
    """`fixes.csv`, a file of corrections."""
    return lambda place: place.write(
        "fixes.csv", "\n".join(["person,field,value,tier,reason", *rows]) + "\n"
    )


def train(change: str, *names: str, stage: Stage = nothing) -> Fault:
    return Fault(f"train tiny.yaml {{people}} --out run {change}", names, stage)


def train_on(data: str, *names: str, stage: Stage) -> Fault:
    return Fault(f"train tiny.yaml {data} --out run", names, stage)


def damaged(name: str, stage: Callable[[Place], Path] = Place.run) -> Stage:
    """A run with a file cut to half its length."""

    def cut(place: Place) -> None:
        path = stage(place) / name
        os.truncate(path, path.stat().st_size // 2)

    return cut


def folds(place: Place) -> pd.DataFrame:
    return pd.read_csv(place.trained / "folds.csv")


def split_cluster(table: pd.DataFrame) -> pd.DataFrame:
    """The fold file with one near-duplicate of two put into the other fold."""
    twin = table["cluster"].duplicated()
    return table.assign(fold=table["fold"].where(~twin, 1 - table["fold"]))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def relisted(place: Place, name: str, old: str, new: str) -> None:
    """A run with a file that is another, and listed as it is."""
    run = RunFolder(place.run())
    edit(run.path / name, old, new)
    run.finish()


def offline(place: Place) -> None:
    place.patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    place.patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(place.folder / "hub"))


def fresh_cache(place: Place) -> None:
    place.patch.setenv("MASKGATE_CACHE", f"{place.folder}-cache")


def no_space_to_reserve(place: Place) -> None:
    def reserve(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place.patch.setattr(os, "posix_fallocate", reserve)


class _Full(io.FileIO):
    """A file on a full disk."""

    def write(self, data: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def disk_full(patch: pytest.MonkeyPatch, name: str) -> None:
    """Files whose path holds `name` can be made, but nothing can be written to them."""
    real, to_parquet = io.open, pd.DataFrame.to_parquet

    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:
        if "w" not in mode or name not in str(file):
            return real(file, mode, *args, **kwargs)
        raw = io.BufferedWriter(_Full(file, "w"))
        return raw if "b" in mode else io.TextIOWrapper(raw, encoding="utf-8")

    def parquet(table: pd.DataFrame, path: Path, **kwargs: Any) -> None:
        if name in str(path):  # written by Arrow, which words it so
            path.touch()
            message = "Error writing bytes to file. Detail: [errno 28] No space left on device"
            raise OSError(errno.ENOSPC, message)
        to_parquet(table, path, **kwargs)

    patch.setattr("builtins.open", opened)
    patch.setattr("io.open", opened)
    patch.setattr(pd.DataFrame, "to_parquet", parquet)


def locked(place: Place, name: str) -> None:
    make = os.mkdir

    def refuse(path: Any, *args: Any, **kwargs: Any) -> None:
        if Path(path).name == name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        make(path, *args, **kwargs)

    place.patch.setattr(os, "mkdir", refuse)


def in_cp949(place: Place) -> None:
    """A folder and a photo whose names are not UTF-8, beside an empty one that is."""
    for name in ("김", "김.png"):
        try:
            (place.folder / os.fsdecode(name.encode("cp949"))).mkdir()
        except OSError:
            pytest.skip("this file system takes UTF-8 alone")


DATA = {
    "no such folder": train_on("none", "none: no such file or folder", "give the folder",
        stage=nothing),
    "empty folder": train_on("empty", "empty: has neither", "see docs/data.md",
        stage=Place.empty),
    "no column photo": train_on("photos.csv", "photos.csv: lacks the column 'photo'",
        "it has name", "the columns are photo,person", stage=csv("name\na.png\n")),
    "no label": train_on("photos.csv", "photos.csv: has no label", "it needs mask",
        stage=csv("photo,person\na.png,a\n")),
    "no CSV": train_on("a.png", "a.png: not a CSV", "save it as one", stage=csv("")),
    "several CSVs": train_on(".", "several tables are in it (more.csv, photos.csv)", "name the one",
        stage=lambda place: [place.write(f"{n}.csv", "photo,mask\n") for n in ("photos", "more")]),
    "no rows": train_on("photos.csv", "photos.csv: no photo that can be used", "add some",
        stage=csv("photo,mask\n")),
    "train.csv lacks columns": train_on("data", "train.csv: lacks the columns gender, path",
        "remove the file",
        stage=lambda place: [place.persons(2), place.write("data/train.csv", "id,age\n1,20\n")]),
    "labels unknown": train_on("photos.csv", "photos.csv: 2 of its entries",
        "a.png (mask 'perhaps')", "b.png (gender 'x')", "--skip-faulty",
        stage=csv("photo,mask,gender\na.png,perhaps,male\nb.png,wear,x\nc.png,wear,male\n")),
    "label out of range": train_on("photos.csv", "photos.csv: 1 of", "a.png (age '300')",
        "fix them", "--skip-faulty", stage=csv("photo,age\na.png,300\nb.png,20\n")),
    "age of a folder out of range": train_on("data", "data: 1 of", "age '300' is not 0–120",
        "--skip-faulty",
        stage=lambda place: (p := place.persons(2)[0]).rename(p.with_name("1_male_Asian_300"))),
    "labels contradict": train_on("photos.csv", "a.png (its age says otherwise)", "fix them",
        stage=csv("photo,age,age_group\na.png,20,60+\nb.png,20,20-29\n")),
    "photo listed twice": train_on("photos.csv", "a.png (listed before)", "fix them",
        stage=csv("photo,mask\na.png,wear\na.png,wear\nb.png,wear\n")),
    "photo not there": train_on("photos.csv", "gone.png (no such file", "lost.png", "--skip-faulty",
        stage=csv("photo,mask\na.png,wear\ngone.png,wear\nb.png,wear\nlost.png,wear\n")),
    "broken photos among good": train_on("photos.csv", "2 of its entries", "x.jpg", "y.jpg",
        "--skip-faulty", stage=lambda place: [
            csv("photo,mask\na.png,wear\nx.jpg,wear\nb.png,wear\ny.jpg,wear\n")(place),
            place.write("x.jpg", b"no photo"), place.photos("y.jpg"),
            os.truncate(place.folder / "y.jpg", 300)]),
    "all broken and skipped": train_on("photos.csv --skip-faulty",
        "photos.csv: no photo that can be used", "add some",
        stage=csv("photo,mask\nx.png,wear\ny.png,wear\n")),
    "row longer than the header": train_on("photos.csv",
        "photos.csv: line 3 has 3 fields where the header has 2", "quote a field",
        stage=csv("photo,mask\na.png,wear\nb.png,wear,male\n")),
    "row shorter than the header": train_on("photos.csv",
        "photos.csv: line 2 has 2 fields where the header has 3", "leave an empty field",
        stage=csv("photo,mask,gender\na.png,wear\nb.png,wear,male\n")),
    "a column twice": train_on("photos.csv", "photos.csv: several columns are called mask",
        "rename all but one", stage=csv("photo,mask, mask\na.png,wear,normal\n")),
    "two columns for the person": train_on("photos.csv", "the columns subject, identity may be",
        "rename the right one", stage=csv("photo,subject,identity,mask\na.png,a,x,wear\n"
            "b.png,b,x,wear\n")),
    "NUL in a cell": train_on("photos.csv", "photos.csv: not a CSV", "line 2 has a NUL",
        "save it as one", stage=csv("photo,mask\na\0.png,wear\n")),
    "numbers without end": train_on("photos.csv", "2 of its entries cannot be used",
        "2 × age '999", "--skip-faulty",
        stage=csv(f"photo,age\na.png,{'9' * 5000}\nb.png,{'9' * 5000}대\n")),
    "a group of two bands": train_on("photos.csv",
        "a.png (age_group '(25, 32)', it spans the bands <30 and 30-59)", "fix them",
        stage=csv('photo,age_group\na.png,"(25, 32)"\nb.png,30대\n')),
    "train.csv without a row": train_on("data", "train.csv: has no row below its header",
        "remove the file", stage=lambda place: [place.persons(2),
            place.write("data/train.csv", "id,gender,race,age,path\n")]),
    "Excel workbook": train_on("photos.csv", "photos.csv: not a CSV", "Excel workbook",
        stage=csv("PK\x03\x04")),
    "data below CP949": train_on("{folder}/\udcb1\udce8", r"the name \xb1\xe8 is not UTF-8",
        "in CP949 it reads 김; rename it", stage=in_cp949),
    "a photo in CP949": train_on("photos.csv", "김.png (its name on disk is not UTF-8",
        "rename it", "--skip-faulty", stage=lambda place: [in_cp949(place),
            csv("photo,mask\na.png,wear\n김.png,wear\n")(place)]),
    "inspect into CP949": Fault("inspect {people} --out \udcb1\udce8",
        (r"the name \xb1\xe8 is not UTF-8", "rename it")),
    "train into CP949": Fault("train tiny.yaml {people} --out \udcb1\udce8",
        (r"the name \xb1\xe8 is not UTF-8", "rename it")),
    "predict into CP949": Fault("predict {trained} {people}/eval --out \udcb1\udce8",
        (r"the name \xb1\xe8 is not UTF-8", "rename it")),
    "too few people": train_on("photos.csv folds.count=5",
        "{folder}: 3 people cannot be split in 5", "lower folds.count",
        stage=csv("photo,mask\na.png,wear\nb.png,wear\nc.png,wear\n")),
    "too few photos": train_on("photos.csv", "{folder}: fold 0 leaves 1 photos", "add photos",
        stage=csv("photo,mask\na.png,wear\nb.png,wear\n")),
    "nothing given": Fault("train tiny.yaml training.epochs=2", ("give DATA", "SM_CHANNEL_TRAIN")),
    "inspect no such folder": Fault("inspect none --out page", ("none: no such file", "give the")),
    "inspect into a file": Fault("inspect {people} --out tiny.yaml",
        ("tiny.yaml: is a file", "name a folder")),
}  # fmt: skip

RECIPES = {
    "unknown key": train("training.epoch=2", "tiny.yaml: unknown key training.epoch",
        "did you mean epochs?"),
    "unknown section": train("trainin.epochs=2", "tiny.yaml: unknown key trainin",
        "did you mean training?"),
    "unknown backbone": train("model.backbone=test_resnt",
        "recipe tiny: unknown backbone test_resnt", "did you mean test_resnet?"),
    "unknown sampler": train("sampling.name=shufle",
        "recipe tiny: unknown sampling shufle", "did you mean shuffle?"),
    "unknown transform": train("augment.0.name=random_crp",
        "recipe tiny: unknown transform random_crp", "did you mean random_crop?"),
    "unknown loss": train("loss.name=cross_entrpy",
        "recipe tiny: unknown loss cross_entrpy", "did you mean cross_entropy?"),
    "unknown head": train("model.head=factord",
        "recipe tiny: unknown head factord", "did you mean factored?"),
    "unknown optimiser": train("optimizer.name=adamv",
        "recipe tiny: unknown optimizer adamv", "did you mean adam"),
    "unknown schedule": train("schedule.name=cosin",
        "recipe tiny: unknown schedule cosin", "did you mean cosine?"),
    "plateau without validation": train("schedule.name=plateau folds.kind=all",
        "tiny.yaml: ", "no validation to select or stop by", "no plateau"),
    "argument of a schedule": train("schedule.arguments.decay_epoch=2",
        "recipe tiny: schedule cosine: no argument decay_epoch", "it takes cycle_limit, cycle_mul"),
    "argument of a schedule missing": train("schedule.name=step",
        "recipe tiny: schedule step: decay_epochs must be given", "schedule.arguments"),
    "argument of a schedule out of range": train("schedule.arguments.cycle_limit=0",
        "recipe tiny: schedule cosine: cycle_limit must be at least 1", "see docs/recipe.md"),
    "optimiser of second order": train("optimizer.name=adahessian",
        "recipe tiny: optimizer adahessian", "use another"),
    "layers not told": train("optimizer.layer_decay=0.5 model.backbone=layerless:net",
        "optimizer.layer_decay: the layers of the backbone Sequential are not known",
        "leave layer_decay out",
        stage=lambda place: place.write("layerless.py", "from torch import nn\ndef net():\n"
            "    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))\n")),
    "unknown backbone beside": train("model.beside=test_vitt",
        "recipe tiny: unknown backbone test_vitt", "did you mean test_vit"),
    "argument of a backbone beside": train("model.beside=test_resnet model.beside_arguments.x=2",
        "backbone test_resnet", "'x'", "see model.beside_arguments"),
    "weights of two backbones": train("model.weights=w.pth model.beside=test_resnet",
        "weights are for one backbone"),
    "learning rates upside down": Fault("lr tiny.yaml {people} --low 1 --high 0.1",
        ("learning rates from 1 to 0.1", "give 0 < --low < --high")),
    "too few learning rates": Fault("lr tiny.yaml {people} --updates 3",
        ("'--updates'", "10", "see maskgate lr --help")),
    "learning rates into a file": Fault("lr tiny.yaml {people} --out tiny.yaml",
        ("tiny.yaml: is a file", "name a folder")),
    "learning rates of no data": Fault("lr tiny.yaml gone", ("gone: no such file or folder",)),
    "learning rates of no recipe": Fault("lr tyny.yaml {people}",
        ("tyny.yaml: no such recipe", "did you mean tiny.yaml?")),
    "argument of a loss": train("loss.name=cross_entropy loss.gamma=2",
        "recipe tiny: loss cross_entropy", "'gamma'", "see docs/recipe.md"),
    "argument of a sampler": train("sampling.name=shuffle sampling.power=2", "sampling shuffle",
        "'power'", "see docs/recipe.md"),
    "argument of an optimiser": train("optimizer.arguments.momentun=2", "optimizer adamw",
        "'momentun'", "see optimizer.arguments"),
    "argument of a backbone": train("model.arguments.drop_pth_rate=2", "backbone test_resnet",
        "drop_pth_rate", "see model.arguments"),
    "probability over 1": train("augment.1.p=1.4", "recipe tiny: augment horizontal_flip",
        "[0.0, 1.0]; see docs/recipe.md"),
    "probability of a transform": train("augment.1.name=solarize augment.1.p=-1",
        "recipe tiny: augment solarize", "see docs/recipe.md"),
    "argument of a transform": train("augment.1.name=shift_scale_rotate augment.1.scale=1",
        "recipe tiny: augment shift_scale_rotate: scale is 1, not below 1", "see docs/recipe.md"),
    "crop out of range": train("photo.crop=0", "tiny.yaml: photo.crop", "greater than 0"),
    "sampler by what is no group": train("sampling.name=weighted sampling.by=age",
        "sampling weighted: by is class or gender_age, not age", "see docs/recipe.md"),
    "sampler with a power below 0": train("sampling.name=weighted sampling.power=-1",
        "sampling weighted: power is -1, below 0", "see docs/recipe.md"),
    "copies of nobody": train("sampling.name=copies sampling.people=0",
        "sampling copies: people is 0", "see docs/recipe.md"),
    "no worn photos": train("sampling.worn_per_person=0", "tiny.yaml: sampling.worn_per_person",
        "greater than or equal to 1"),
    "unknown mixing": train("'mixing=[{{name: mixpu}}]'",
        "recipe tiny: unknown mixing mixpu", "did you mean mixup?"),
    "argument of a mixing": train("'mixing=[{{name: mixup, alpha: 0}}]'",
        "recipe tiny: mixing mixup: alpha is 0, not above 0", "see docs/recipe.md"),
    "a cut that lies nowhere": train("'mixing=[{{name: half_cutmix, low: 0.6, high: 0.4}}]'",
        "recipe tiny: mixing half_cutmix: low is 0.6 and high 0.4", "see docs/recipe.md"),
    "probabilities over 1": train(
        "'mixing=[{{name: mixup, probability: 0.6}}, {{name: cutmix, probability: 0.6}}]'",
        "tiny.yaml: ", "add up to more than 1", "lower them"),
    "inspect with no such recipe": Fault("inspect {people} --out page --recipe basline",
        ("basline: no such recipe", "did you mean baseline?")),
    "inspect with an unknown transform": Fault("inspect {people} --out page --recipe odd.yaml",
        ("recipe odd: unknown transform blurr", "did you mean blur?"),
        lambda place: place.write("odd.yaml", "augment: [{name: blurr}]\n")),
    "value out of range": train("photo.height=4", "tiny.yaml: photo.height",
        "greater than or equal to 8"),
    "value not known": train("training.precision=fp8", "training.precision: ", "'fp16' or 'bf16'"),
    "several values": train("optimizer.lr=-1 training.epochs=many", "optimizer.lr: ",
        "greater than 0", "training.epochs: ", "valid integer"),
    "keys that exclude": train("model.pretrained=true model.weights=w.pth",
        "exclude each other", "keep one"),
    "no override": Fault("train tiny.yaml {people} --out run epochs",
        ("epochs: an override is written key.sub=value",)),
    "no place": train("augment.9.name=affine", "augment.9.name=affine: the recipe has no place",
        "see docs/recipe.md"),
    "override not YAML": train("optimizer.lr=[1", "optimizer.lr=[1: the value is not YAML",
        "fix it"),
    "no such recipe": Fault("train tyny.yaml {people} --out run",
        ("tyny.yaml: no such recipe", "did you mean tiny.yaml?")),
    "no such shipped recipe": Fault("train basline {people} --out run",
        ("basline: no such recipe", "did you mean baseline?")),
    "no recipe at all": Fault("train qqq {people} --out run",
        ("qqq: no such recipe", "shipped are baseline, corrected")),
    "not YAML": Fault("train odd.yaml {people} --out run",
        ("odd.yaml: not a recipe in YAML (line 3: ", "fix it, or copy a shipped one"),
        lambda place: place.write("odd.yaml", "training:\n  epochs: [1\nmodel: x\n")),
    "not text": Fault("train odd.yaml {people} --out run",
        ("odd.yaml: not a recipe in YAML ('utf-8'", "fix it, or copy a shipped one"),
        lambda place: place.write("odd.yaml", b"\xff\xfe\x00\x01")),
    "no mapping": Fault("train odd.yaml {people} --out run",
        ("odd.yaml: a recipe is a mapping of keys",),
        lambda place: place.write("odd.yaml", "- epochs\n")),
    "weights not to be had": train("model.pretrained=true", "pretrained weights of test_resnet",
        "model.pretrained=false", "model.weights=FILE", "connect this machine",
        stage=offline),
    "weights missing": train("model.weights=gone.pth", "gone.pth: no such file",
        "see model.weights"),
    "weights are none": train("model.weights=tiny.yaml", "tiny.yaml: not a file of weights",
        "give a .safetensors or .pth"),
    "weights do not fit": train("model.weights={trained}/fold-0/model.safetensors",
        "model.safetensors: does not fit the backbone", "missing", "model.init=RUN"),
    "init is no run": train("model.init=empty", "empty: no run", "give a folder",
        stage=Place.empty),
    "init is unfinished": train("model.init=run --out other", "run: the run is unfinished",
        "repeat the command", stage=Place.unfinished_run),
    "init does not fit": train(
        "model.init={trained} model.backbone=test_vit photo.height=64 photo.width=48",
        "its backbone test_resnet does not fit", "use the same backbone"),
    "init leaks": train("model.init={trained} folds.seed=3 folds.kind=holdout",
        "was trained on validation people of fold", "set folds.file="),
    "folds missing": train("folds.file=gone.csv", "gone.csv: not a fold file",
        "give a run's folds.csv"),
    "folds of 40 digits": train("folds.file=folds.csv", "folds.csv: not a fold file",
        "is too large", "give a run's folds.csv",
        stage=lambda place: place.write("folds.csv", f"person,fold\n1,{'9' * 40}\n")),
    "folds leak": train("folds.file=folds.csv", "folds.csv: leaks", "are in two folds",
        "give each one fold",
        stage=lambda place: folds(place).pipe(
            lambda t: pd.concat([t, t.iloc[:1].assign(fold=1 - t["fold"])])
        ).to_csv("folds.csv", index=False)),
    "folds split a near-duplicate": train("folds.file=folds.csv", "folds.csv: leaks",
        "near-duplicate photos", "give those people one fold",
        stage=lambda place: split_cluster(folds(place)).to_csv("folds.csv", index=False)),
    "folds of other data": train("folds.file=folds.csv", "folds.csv: gives no fold for",
        "belongs to other data",
        stage=lambda place: folds(place).iloc[4:].to_csv("folds.csv", index=False)),
    "folds contradict": train("folds.kind=all folds.file={trained}/folds.csv",
        "folds.csv: validates people", "change one"),
    "further data missing": train("'data=[{{path: none}}]'",
        "none: no such file or folder, but the recipe's data names it", "fix the path"),
    "further data are DATA": train("'data=[{{path: {people}}}]'", "{people}: the recipe's data",
        "is trained on already", "remove one"),
    "further data broken": train("'data=[{{path: photos.csv}}]'", "photos.csv: 2 of its entries",
        "x.jpg (not an image", "gone.jpg (no such file", "--skip-faulty", stage=lambda place: [
            csv("photo,mask\na.png,wear\nx.jpg,wear\ngone.jpg,wear\n")(place),
            place.write("x.jpg", b"no photo")]),
    "corrections missing": train("labels.corrections=gone.csv",
        "gone.csv: no such file of corrections", "shipped are competition"),
    "corrections mistyped": train("labels.corrections=competitoin",
        "competitoin: no such file of corrections", "did you mean competition?"),
    "corrections without a column": train("labels.corrections=fixes.csv",
        "fixes.csv: lacks the columns value", "person,field,value,tier,reason",
        stage=lambda place: place.write("fixes.csv", "person,field,tier\n1,age,sure\n")),
    "corrections make no sense": train("labels.corrections=fixes.csv", "fixes.csv: row 2 (unknown",
        "did you mean gender?", "row 3 (age '200' is not 0–120)", "fix the file",
        stage=fixes("1,gendre,male,sure,", "1,age,200,sure,")),
    "corrections contradict": train("labels.corrections=fixes.csv",
        "fixes.csv: rows 2 and 3 contradict each other about 1", "fix the file",
        stage=fixes("1,age,20,sure,", "1,age,30,doubtful,")),
    "corrections of an id of two": Fault(
        "train tiny.yaml data --out run labels.corrections=fixes.csv",
        ("fixes.csv: row 2: 2 people have the id 7 (7_male_Asian_20, 7_male_Asian_30)",
            "name the folder instead"),
        lambda place: [fixes("7,gender,female,sure,")(place),
            *(path.rename(path.with_name(f"7_male_Asian_{age}"))
                for path, age in zip(place.persons(2), (20, 30), strict=True))]),
    "truth of no corrections": train("labels.truth=sure", "tiny.yaml: labels: truth names a tier",
        "name the file"),
}  # fmt: skip

RUNS = {
    "another recipe's run": train("seed=8", "run: has a run of tiny with another recipe",
        "give another --out", stage=Place.run),
    "not a run": train("", "run: not empty and no run", "give another --out",
        stage=lambda place: place.write("run/letter.txt", "dear")),
    "a file": Fault("train tiny.yaml {people} --out tiny.yaml",
        ("tiny.yaml: is a file", "give another --out")),
    "run.json cut": train("", "run/run.json: missing or damaged", "remove the run",
        stage=damaged("run.json")),
    "checkpoint damaged": train("", "fold-1/checkpoint.pt: the checkpoint cannot be read",
        "remove it to restart the fold",
        stage=lambda place: (Place.unfinished_run(place) / "fold-1/checkpoint.pt").write_text("x")),
    "submit what is no run": Fault("submit {people} {people} -o answers.csv",
        ("{people}: no run", "give a folder written by `maskgate train`")),
    "submit a folder without photos": Fault("submit {trained} empty -o answers.csv",
        ("empty: no photo in it", "photos end in"),
        Place.empty),
    "submit without ImageID": Fault("submit {trained} eval -o answers.csv",
        ("eval/info.csv: lacks the column 'ImageID'", "it needs ImageID,ans"),
        lambda place: place.write("eval/info.csv", "image,ans\na.png,0\n")),
    "submit without a row": Fault("submit {trained} eval -o answers.csv",
        ("eval/info.csv: has no row below its header", "list the test photos"),
        lambda place: place.write("eval/info.csv", "ImageID,ans\n")),
    "submit a row too long": Fault("submit {trained} eval -o answers.csv",
        ("eval/info.csv: line 3 has 3 fields where the header has 2", "quote"),
        lambda place: place.write("eval/info.csv", "ImageID,ans\na.png,0\nb, c.png,0\n")),
    "submit a photo that is not there": Fault("submit {trained} eval -o answers.csv",
        ("eval/images: 1 of 2 photos", "gone.png (no such file)", "fix them"),
        lambda place: [place.photos("eval/images/a.png"), place.write("answers.csv", "old"),
            place.write("eval/info.csv", "ImageID,ans\na.png,0\ngone.png,0\n")]),
    "submit into a folder": Fault("submit {trained} {people} -o empty",
        ("empty: is a folder", "name a file"), Place.empty),
    "submit into no folder": Fault("submit {trained} {people} -o none/answers.csv",
        ("none/answers.csv: the folder none does not exist", "make it first")),
    "submit an unfinished run": Fault("submit run {people} -o answers.csv",
        ("run: the run is unfinished", "repeat the command"), Place.unfinished_run),
    "submit one of several runs": Fault("submit . {people} -o answers.csv",
        ("contains 2 runs (other, run)", "give one of them"),
        lambda place: shutil.copytree(place.run(), "other")),
    "predict into a folder": Fault("predict {trained} {people}/eval -o empty",
        ("empty: is a folder", "name a file"), Place.empty),
    "predict no photo": Fault("predict {trained} tiny.yaml -o found.csv",
        ("1 of 1 photos", "tiny.yaml (not an image", "--skip-faulty"),
        lambda place: place.write("found.csv", "old")),
    "predict half a photo": Fault("predict {trained} a.jpg b.jpg -o found.csv",
        ("1 of 2 photos", "b.jpg (damaged", "--skip-faulty"),
        lambda place: [place.photos("a.jpg", "b.jpg"), os.truncate("b.jpg", 400)]),
    "predict an empty folder": Fault("predict {trained} empty",
        ("empty: no photo in it", "photos end in .avif, .bmp"), Place.empty),
    "predict what is not there": Fault("predict {trained} gone.jpg",
        ("gone.jpg: no such photo or folder", "fix the path")),
    "predict with weights cut": Fault("predict run {people}/eval",
        ("run/fold-1/model.safetensors: missing or damaged", "remove the run and train it again"),
        damaged("fold-1/model.safetensors")),
    "predict with another recipe": Fault("predict run {people}/eval",
        ("run/fold-0/model.safetensors: does not hold the weights of run/recipe.yaml",
            "remove the run"),
        lambda place: relisted(place, "recipe.yaml", "test_resnet", "test_efficientnet")),
    "report with metrics cut": Fault("report run",
        ("run/metrics.json: missing or damaged", "remove the run"), damaged("metrics.json")),
    "report with history gone": Fault("report run",
        ("run/history.csv: missing or damaged", "remove the run"),
        lambda place: (place.run() / "history.csv").unlink()),
    "no runs": Fault("runs empty", ("empty: contains no runs", "`maskgate train` makes them"),
        Place.empty),
}  # fmt: skip

USAGE = {
    "no such command": Fault("trian x", ("'trian'", "'train'", "see maskgate --help")),
    "no such option": Fault("train tiny.yaml {people} --smok", ("--smok", "--smoke",
        "see maskgate train --help")),
    "missing argument": Fault("train", ("'RECIPE'", "see maskgate train --help")),
    "missing data": Fault("inspect", ("'DATA'", "SM_CHANNEL_TRAIN", "see maskgate inspect --help")),
    "missing value": Fault("train tiny.yaml {people} --out", ("'--out'", "see maskgate")),
    "no number": Fault("train tiny.yaml {people} --workers few", ("'--workers'", "integer",
        "see maskgate train --help")),
    "too much": Fault("report {trained} more", ("(more)", "see maskgate report --help")),
}  # fmt: skip

# A full disk and folders that may not be written.
DISK = {
    "no room for the cache": train("", "-cache/", "the disk is full", "free some space",
        "--cache", stage=lambda place: [fresh_cache(place), no_space_to_reserve(place)]),
    "no right to the cache": train("--cache tiny.yaml", "tiny.yaml/", "cannot be written",
        "--cache"),
    "no right to the run": train("", "run: Permission denied", "can be read and written",
        stage=lambda place: locked(place, "run")),
    "no room for the report": Fault("report run",
        ("run/report.html: No space left", "free some space"),
        lambda place: [place.run(), disk_full(place.patch, "report.html")]),
    "no room for the answers": Fault("submit {trained} {people} -o answers.csv",
        ("answers.csv: No space left", "free some space"),
        lambda place: [place.write("answers.csv", "old"), disk_full(place.patch, "answers.csv")]),
    "no room for the predictions": Fault("predict {trained} {people}/eval -o found.csv",
        ("found.csv: No space left", "free some space"),
        lambda place: [place.write("found.csv", "old"), disk_full(place.patch, "found.csv")]),
}  # fmt: skip

# Files of YAML, in every place where one is read, and what they are told for.
BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
)
ODD: dict[str, tuple[bytes, str]] = {
    "twice": (b"seed: 1\nlabels: {}\nseed: 2\n", "line 3: the key 'seed' is in line 1 already"),
    "multiplied": (BOMB.encode(), "has more than 100,000 values"),
    "circle": (b"seed: &a [*a]", "line 1: an alias refers to what it is a part of"),
    "deep": (b"[" * 5000, "line 1: lists and mappings are nested more than 50 deep"),
    "tag": (b"seed: !!int x", "line 1: 'x' is not a whole number"),
    "object": (b"seed: !!python/object/apply:os.system [x]", "line 1: the tag !!python/object"),
    "huge": (b"seed: 1 # " + b"x" * 300_000, "more than 256 KiB long"),
    "NUL": (b"seed: 1\nloss: a\0b\n", "line 2: contains the character U+0000"),
    "escape": (b"seed: 1\nloss: \x1b[31m\n", "line 2: contains the character U+001B"),
    "bytes": (b"seed: 1\nloss: \xb0\xa1\n", "'utf-8' codec can't decode byte 0xb0"),
    "tab": (b"seed: 1\n\tloss: a\n", "line 2: found character"),
    "digits": (b"seed: " + b"9" * 5000, "line 1: a whole number of more than 64 bits"),
}
PLACES = {
    "recipe": "train odd.yaml {people} --out run",
    "system": "train systems/odd.yaml {people} --out run",
    "system of runs": "combine systems/odd.yaml --out run",
    "search space": "tune tiny.yaml {people} --space odd.yaml --out run",
    "list of changes": "ablate tiny.yaml {people} --changes odd.yaml --out run",
}


@pytest.mark.parametrize("where", PLACES)
def test_odd_yaml_is_one_sentence_in_every_place(call: Call, place: Place, where: str) -> None:
    command = PLACES[where]
    for content, message in ODD.values():
        place.write("odd.yaml", content)
        place.write("systems/odd.yaml", content + b"\nmembers: []\n")  # told from a recipe by that
        before = everything(place)
        line = the_line(call(*(word.format(**vars(place)) for word in shlex.split(command))))
        assert "odd.yaml: " in line
        assert message in line
        assert len(line) < 1100
        assert everything(place) == before


def test_odd_values_of_overrides_are_one_sentence(call: Call, place: Place) -> None:
    for value, message in {
        "&a [*a]": "an alias refers to what it is a part of",
        "[" * 5000: "lists and mappings are nested more than 50 deep",
        "!!int x": "'x' is not a whole number",
        "!!binary aGk=": "the tag !!binary is unknown",
        "{a: 1, a: 2}": "the key 'a' is in line 1 already",
        "x" * 300_000: "more than 256 KiB long",
        "9" * 5000: "a whole number of more than 64 bits",
        '"\\0"': "contains the character U+0000",
        "2020-01-01": "seed: Input should be a valid integer, not '2020-01-01'",
    }.items():
        line = the_line(call(*TRAIN, place.people, f"seed={value}"))
        assert message in line
        assert len(line) < 1100


# Options that are numbers, of commands that would work with others.
OPTIONS = {
    "train tiny.yaml {people}": ("--workers", "--checkpoint-seconds"),
    "lr tiny.yaml {people}": ("--low", "--high", "--updates", "--workers"),
    "tune tiny.yaml {people}": ("--trials", "--prune-after", "--workers"),
    "ablate tiny.yaml {people}": ("--seeds", "--workers"),
    "pseudo tiny.yaml {people} {people}": ("--rounds", "--workers"),
    "predict {trained} {people}/eval": ("--part",),
    "wear {people} out": ("--workers",),
    "demo": ("--people",),
}


@pytest.mark.slow
@pytest.mark.parametrize("command", OPTIONS)
def test_numbers_of_options_have_bounds(call: Call, place: Place, command: str) -> None:
    words = [word.format(**vars(place)) for word in shlex.split(command)]
    for option in OPTIONS[command]:
        wrong = ["-1", "nan", "x", "true", "-inf"]
        if option != "--checkpoint-seconds":  # `inf` and huge ones mean never
            wrong += ["inf", "1e999", "9" * 5000]
            wrong += [] if option in ("--low", "--high") else [str(10**12), str(10**40), "0.5"]
        for value in wrong:
            line = the_line(call(*words, option, value))
            assert f"'{option}'" in line
            assert len(line) < 1100
    assert not [path for path in place.folder.iterdir() if path.name != "tiny.yaml"]


@pytest.mark.parametrize("command", ["runs", "train tiny.yaml", "predict {trained}", "report"])
def test_a_path_may_not_hold_nul(call: Call, place: Place, command: str) -> None:
    words = [word.format(**vars(place)) for word in command.split()]
    assert "contains the character U+0000" in the_line(call(*words, "a\0b"))


# --------------------------------------------------------------------------- the messages


def test_a_message_is_short_and_keeps_its_remedy() -> None:
    error = MaskgateError(f"photos.csv: {'x' * 5000} is no label; {'y' * 100}; mend it")
    assert len(str(error)) == LONGEST == 1000
    assert str(error).startswith("photos.csv: xxx")
    assert str(error).endswith(f"x is no label; {'y' * 100}; mend it")
    assert " … " in str(error)
    assert str(MaskgateError("y" * 1000)) == "y" * 1000


@pytest.mark.parametrize(
    ("code", "kind", "remedy"),
    [
        (errno.ENOSPC, DiskFullError, "free some space"),
        (errno.EDQUOT, DiskFullError, "free some space"),
        (errno.EACCES, DiskError, "check that it can be read and written"),
    ],
)
def test_a_full_disk_is_an_error_of_its_own(code: int, kind: type, remedy: str) -> None:
    error = disk_error(OSError(code, "any words"), "file.csv")
    assert type(error) is kind
    assert str(error) == f"file.csv: {os.strerror(code)}; {remedy} and repeat the command"


def test_a_message_controls_no_terminal() -> None:
    text = str(MaskgateError("a\x1b[2J\x07b\x9b31m\r\nc\u202egpj.exe 홍길동\udcb0"))
    assert text == "a\\x1b[2J\\x07b\\x9b31m c\\u202egpj.exe 홍길동\\xb0"


# ------------------------------------------------------------------------- without a home


HOMELESS = {
    "no home": {},
    "empty": {"XDG_CACHE_HOME": ""},
    "relative": {"XDG_CACHE_HOME": "cache"},
    "home is relative": {"HOME": "somewhere"},
    "home is empty": {"HOME": ""},
}


@pytest.mark.parametrize("name", HOMELESS)
def test_without_a_home_the_cache_is_asked_for(
    call: Call, place: Place, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in ("HOME", "XDG_CACHE_HOME", "MASKGATE_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in HOMELESS[name].items():
        monkeypatch.setenv(variable, value)

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert call("predict", place.trained, place.people / "eval")[0] == 0  # which needs no cache
    line = the_line(call("inspect", place.people, "--out", "page"))
    assert "there is no home folder to keep decoded photos in" in line
    assert "--cache" in line
    assert "MASKGATE_CACHE" in line
    assert not Path("page").exists()
    if "HOME" not in HOMELESS[name]:
        face = "photo.face={detector: {name: yunet, file: ~/x}}"
        line = the_line(call(*TRAIN, place.people, "--cache", "c", face))
        assert "~/x: " in line
        assert "write the whole path" in line
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    line = the_line(call("inspect", place.people, "--out", "page"))
    assert "/dev/null/maskgate/" in line
    assert "the cache cannot be written" in line


def test_the_cache_is_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASKGATE_CACHE")
    monkeypatch.setenv("HOME", "/home/kim")
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert files.cache_folder() == Path("/home/kim/.cache/maskgate")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert files.cache_folder() == Path("/var/cache/maskgate")
    monkeypatch.setenv("MASKGATE_CACHE", "mine")
    assert files.cache_folder() == Path("mine")


FAULTS = DATA | RECIPES | RUNS | USAGE | DISK


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_and_changes_no_file(call: Call, place: Place, name: str) -> None:
    fault, known = FAULTS[name], vars(place)
    fault.stage(place)
    before = everything(place)
    line = the_line(call(*(word.format(**known) for word in shlex.split(fault.command))))
    place.patch.undo()
    for part in fault.names:
        assert part.format(**known) in line
    assert everything(place) == before


@pytest.mark.slow
def test_photos_that_cannot_be_used_are_left_out_on_demand(call: Call, place: Place) -> None:
    broken = [folder / "mask1.jpg" for folder in place.persons(12)[:2]]
    for path in broken:
        path.write_bytes(path.read_bytes()[:300])
    command = ("train", "tiny.yaml", "data", "--out", "run", "training.epochs=1")
    line = the_line(call(*command))
    assert all(str(path.relative_to(place.folder / "data")) in line for path in broken)
    assert call(*command, "--skip-faulty")[0] == 0
    assert json.loads(Path("run", "run.json").read_text())["photos"] == 12 * 7 - 2


# ------------------------------------------------------------------------- in the middle

TRAIN = ("train", "tiny.yaml", "--out", "run", "--checkpoint-seconds", "0")
WRITTEN = (
    "run.json", "photos.parquet", "checkpoint.pt", "fold-0/.model.safetensors",
    "fold-1/.oof.parquet", "fold-1/.fold.json", "metrics.json", "report.html",
)  # fmt: skip


def finished_as_if_undisturbed(call: Call, place: Place) -> None:
    code, out, _ = call(*TRAIN, place.people)
    assert code == 0
    assert "out-of-fold macro F1" in out
    for name in ("oof.parquet", "history.csv", "metrics.json", "fold-1/model.safetensors"):
        assert Path("run", name).read_bytes() == (place.trained / name).read_bytes()


@pytest.mark.slow
def test_a_disk_that_fills_up_costs_no_work(call: Call, place: Place) -> None:
    for name in WRITTEN:
        with pytest.MonkeyPatch.context() as patch:
            disk_full(patch, name)
            line = the_line(call(*TRAIN, place.people))
        assert f"{name.replace('/.', '/')}: No space left on device; free some space" in line
        assert not list(Path("run").rglob("*.part"))
    finished_as_if_undisturbed(call, place)


# Function, and the call of it in which the user presses Ctrl-C.
INTERRUPTED = (
    ("maskgate.imaging.pixels.decode", 100),
    ("maskgate.data.folds.split", 1),
    ("maskgate.training.run_folder.describe", 1),
    ("maskgate.training.step.TrainingStep.update", 2),
    ("torch.save", 3),
    ("maskgate.model.predicting.probabilities", 1),
    ("maskgate.training.warm_start.inherited_contents", 1),
    ("maskgate.reports.run.write", 1),
)


@pytest.mark.slow
def test_interrupted_at_any_point_it_goes_on(call: Call, place: Place) -> None:
    fresh_cache(place)
    for function, number in INTERRUPTED:
        with pytest.MonkeyPatch.context() as patch:
            press_ctrl_c(patch, function, number)
            assert "interrupted" in the_line(call(*TRAIN, place.people))
        assert not list(Path("run").rglob("*.part"))
    finished_as_if_undisturbed(call, place)


def press_ctrl_c(patch: pytest.MonkeyPatch, function: str, number: int) -> None:
    owner, _, name = function.rpartition(".")
    real = pkgutil.resolve_name(function)
    calls = itertools.count(1)

    def pressed(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == number:
            # Another thread might take it, and the main one go on meanwhile, perhaps to its end.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return real(*args, **kwargs)

    patch.setattr(pkgutil.resolve_name(owner), name, pressed)


@contextmanager
def started(place: Place, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`python … -m maskgate train` in a process group of its own, as a terminal starts it."""
    command = [sys.executable, *options, "-m", "maskgate", *TRAIN, str(place.people)]
    command += ["training.epochs=500", "--workers", "1"]
    with subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ctrl_c(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.slow
def test_ctrl_c_while_modules_are_imported(place: Place) -> None:
    with started(place, "-X", "importtime") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.endswith(" torch._C\n"):
                break
        code, out, err = ctrl_c(process)
    messages = [line for line in err.splitlines() if not line.startswith("import time:")]
    assert "interrupted" in the_line((code, out, "\n".join(messages)))


@pytest.mark.slow
def test_ctrl_c_in_an_epoch(call: Call, place: Place, cache: Path) -> None:
    place.patch.setenv("MASKGATE_CACHE", str(cache))
    checkpoint = place.folder / "run" / "fold-0" / "checkpoint.pt"
    with started(place) as process:
        while process.poll() is None and not checkpoint.exists():
            time.sleep(0.01)
        assert "interrupted" in the_line(ctrl_c(process))
    press_ctrl_c(place.patch, "maskgate.training.step.TrainingStep.update", 2)
    again = call(*TRAIN, place.people, "training.epochs=500")
    assert "interrupted" in the_line(again)
    assert "fold 0: resuming at epoch" in again[2]
