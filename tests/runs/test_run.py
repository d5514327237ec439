"""A finished run is whole or refused: whatever is missing, forbidden or changed is one sentence."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from maskgate import runs
from maskgate.config import recipe
from maskgate.config.settings import Component
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.errors import MaskgateError
from maskgate.evaluation import ensemble, groups, oof
from maskgate.imaging.tta import PLAIN_VIEW, tta_digest
from maskgate.inference import loading
from maskgate.reports import run as run_report
from maskgate.runs import RunFolder, tables
from maskgate.synthetic.people import sample_people
from maskgate.training import ensemble_run, warm_start
from tests.runs.older import unlisted

Call = Callable[..., tuple[int, str, str]]
Command = Callable[[RunFolder], object]

FLIPS = 300


@pytest.fixture(scope="module")
def rich(
    train: Callable[..., Path],
    trained: Path,
    people: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A run with every file there is: further data, pseudo labels, weights of another run."""
    more = tmp_path_factory.mktemp("more")
    sample_people.make(more, people=12, eval_people=1, size=(64, 48), seed=70, twins=0)
    return train(
        tmp_path_factory.mktemp("rich") / "run",
        f"data=[{{path: {more}}}]",
        f"pseudo.photos={people / 'eval'}",
        f"pseudo.run={trained}",
        "pseudo.thresholds={mask: 0.36, gender: 0.51, age_band: 0.36}",
        f"model.init={trained}",
        f"folds.file={trained / 'folds.csv'}",
        "tta=[flip]",
        "training.epochs=1",
    )


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], RunFolder]:
    return lambda path: RunFolder(Path(shutil.copytree(path, tmp_path / "copy")))


def init(run: RunFolder) -> None:
    """What a training does that starts from the run."""
    new_recipe = recipe.Recipe.model_validate({"model": {"init": str(run.path)}})
    warm_start.weight_digests(new_recipe)
    warm_start._thumbnails(run)
    for fold in run.folds:
        tables.training_digests(run, fold)
        run.weights(fold)


def epochs(run: RunFolder) -> None:
    """What a training does whose epochs the run has found."""
    warm_start.with_best_epochs(
        recipe.Recipe.model_validate(
            {"folds": {"kind": "all"}, "training": {"epochs_from": str(run.path)}}
        )
    )


def compare(run: RunFolder) -> None:
    groups._read(groups._runs([run.path])[0])


def combine(run: RunFolder) -> None:
    system = ensemble.system_of([run.path])
    ensemble.fit(ensemble.open_members(system), EnsembleSpec.from_system(system))


def copy_folds(run: RunFolder) -> None:
    """What `combine` does with the folds of its first member."""
    ensemble_run._copy(run, run.folds_file, run.path.parent / "folds.csv")


def folds_file(run: RunFolder) -> None:
    """What a training does with `folds.file`."""
    runs.verify(run.folds_file)


COMMANDS: dict[str, Command] = {
    "predict": lambda run: loading.load(run.path),
    "report": lambda run: run_report.write(runs.open_run(run.path), photos=False),
    "compare": compare,
    "combine": combine,
    "init": init,
    "epochs_from": epochs,
    "folds.file": folds_file,
    "copied folds": copy_folds,
    "plain predictions": lambda run: tables.oof(run, path_in(run, "oof-plain")),
    "time": lambda run: run.fold_seconds(),
}
OF_SINGLE = ("init", "epochs_from", "time")
# Who reads a file, at least.
READERS = {
    "run.json": ("predict", "report", "compare", "combine", "init", "epochs_from"),
    "recipe.yaml": ("predict", "report", "compare", "combine", "init"),
    "system.yaml": ("predict", "report", "compare", "combine"),
    "recipes/one.yaml": ("compare",),
    "combination.json": ("predict", "report"),
    "folds.csv": ("folds.file", "copied folds"),
    "photos.parquet": ("report", "compare", "combine", "init"),
    "more.parquet": ("init",),
    "thumbnails.parquet": ("init",),
    "history.csv": ("report", "epochs_from"),
    "oof.parquet": ("report", "compare", "combine"),
    "oof-plain": ("plain predictions",),
    "metrics.json": ("report", "compare", "combine"),
    "fold-1/fold.json": ("time",),
    "fold-1/model.safetensors": ("predict", "init"),
    "fold-0/inherited.txt": ("init",),
    "fold-0/pseudo.parquet": ("init",),
}
OF_SYSTEM = ("run.json", "system.yaml", "recipes/one.yaml", "combination.json", "oof.parquet")


def path_in(run: RunFolder, name: str) -> Path:
    if name == "oof-plain":
        return run.oof_file_with(tta_digest([PLAIN_VIEW]))
    return run.path / name


def refuses(command: Command, run: RunFolder, path: Path) -> None:
    """The command ends with one sentence that names the file, and says what to do."""
    with pytest.raises(MaskgateError) as error:
        command(run)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert "remove the run and train it again" in str(error.value) or "permission" in str(
        error.value
    )


def flips(content: bytes) -> Iterator[bytes]:
    """The content with one bit turned over, at places that are the same every time."""
    places = random.Random(0)
    for _ in range(FLIPS):
        bit = places.randrange(8 * len(content))
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


# ------------------------------------------------------------------------ whole or refused


def test_a_finished_run_lists_what_it_consists_of(rich: Path, joint: Path) -> None:
    plain = path_in(RunFolder(rich), "oof-plain").name
    status = RunFolder(rich).status()
    assert set(status.files or ()) == {
        "recipe.yaml", "folds.csv", "photos.parquet", "more.parquet", "history.csv", "oof.parquet",
        "thumbnails.parquet", plain, "metrics.json",
        *(f"fold-{fold}/{name}" for fold in (0, 1) for name in (
            "fold.json", "model.safetensors", "inherited.txt", "pseudo.parquet")),
    }  # fmt: skip
    for name, entry in status.files.items():
        assert entry.bytes == (rich / name).stat().st_size
    assert set(RunFolder(joint).status().files or ()) == {
        "system.yaml", "recipes/one.yaml", "recipes/two.yaml", "folds.csv", "photos.parquet",
        "oof.parquet", "combination.json", "metrics.json",
    }  # fmt: skip
    assert list(json.loads(RunFolder(rich).status_file.read_text()))[-1] == "sha256"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in READERS if name not in OF_SYSTEM[1:4]])
def test_a_flipped_bit_is_refused_by_all_who_read_the_file(
    name: str, rich: Path, copied: Callable[[Path], RunFolder]
) -> None:
    _flip(copied(rich), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_SYSTEM)
def test_so_in_the_run_of_a_system(
    name: str, joint: Path, copied: Callable[[Path], RunFolder]
) -> None:
    _flip(copied(joint), name)


def _flip(run: RunFolder, name: str) -> None:
    path = path_in(run, name)
    content = path.read_bytes()
    readers = [COMMANDS[each] for each in READERS[name]]
    readers = [each for each in readers if not (run.is_system and each in _single())]
    for each in readers:
        each(run)
    for number, changed in enumerate(flips(content)):
        path.write_bytes(changed)
        quick = RunFolder.status if name == "run.json" else lambda folder: folder.files.read(path)
        refuses(quick, run, path)
        if number % 30 == 0:
            for each in readers:
                refuses(each, run, path)
    path.write_bytes(content)
    for each in readers:
        each(run)


def _single() -> list[Command]:
    return [COMMANDS[name] for name in OF_SINGLE]


MAIN_COMMANDS = ("predict", "report", "compare", "combine", "init", "epochs_from")


def forbid(patch: pytest.MonkeyPatch, path: Path) -> None:
    """Nobody may read the file; root may read any, so that the permission alone would not do."""
    opened = Path.open

    def denied(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self == path:
            raise PermissionError(13, "Permission denied")
        return opened(self, *args, **kwargs)

    patch.setattr(Path, "open", denied)


@pytest.mark.parametrize("how", ["removed", "forbidden", "a folder", "another size"])
def test_a_file_that_is_not_there_is_refused_by_every_command(
    how: str, rich: Path, copied: Callable[[Path], RunFolder]
) -> None:
    run = copied(rich)
    kept = path_in(run, "oof-plain").name
    for name in sorted(set(run.status().files or ()) - {kept}):
        path = run.path / name
        content = path.read_bytes()
        with pytest.MonkeyPatch.context() as patch:
            if how == "removed":
                path.unlink()
            elif how == "forbidden":
                forbid(patch, path)
            elif how == "a folder":
                path.unlink()
                path.mkdir()
            else:
                path.write_bytes(content + b"\n")
            for command in MAIN_COMMANDS:
                refuses(COMMANDS[command], run, path)
            assert [str(fault) for _, fault in runs.scan(run.path.parent)] != ["None"]
        if path.is_dir():
            path.rmdir()
        path.write_bytes(content)
    for command in MAIN_COMMANDS:
        COMMANDS[command](run)


@pytest.mark.parametrize("listed", [True, False], ids=["this version", "the one before"])
def test_a_fold_that_is_gone_is_missed(
    listed: bool, trained: Path, copied: Callable[[Path], RunFolder], call: Call, people: Path
) -> None:
    run = copied(trained)
    if not listed:
        unlisted(run)
    eval_photo = next((people / "eval" / "images").glob("*.jpg"))
    commands: list[tuple[object, ...]] = [
        ("predict", run.path, eval_photo),
        ("submit", run.path, people / "eval", "-o", run.path.parent / "submission.csv"),
        ("report", run.path),
        ("compare", run.path, trained),
        ("combine", run.path, trained, "-o", run.path.parent / "both"),
    ]
    shutil.rmtree(run.fold_folder(1))
    for command in commands:
        code, _, err = call(*command)
        assert code == 2, command
        assert err.count("\n") == 1, err
        assert f"{run.fold_folder(1)}" in err
        assert "missing or damaged" in err
    refuses(init, run, run.fold_folder(1))
    assert not (run.path.parent / "submission.csv").exists()
    assert not (run.path.parent / "both").exists()


def test_a_member_that_is_damaged_or_another_is_missed(
    joint: Path, copied: Callable[[Path], RunFolder]
) -> None:
    run = copied(joint)
    weights = run.members()[0].weights_file(1)
    weights.rename(weights.with_suffix(".gone"))
    for command in ("predict", "report", "compare", "combine"):
        refuses(COMMANDS[command], run, weights)
    weights.with_suffix(".gone").rename(weights)
    shutil.rmtree(run.path / "members" / "one")
    shutil.copytree(run.path / "members" / "two", run.path / "members" / "one")
    for command in ("predict", "report", "compare", "combine"):
        with pytest.raises(MaskgateError, match="one: is another run than the one that"):
            COMMANDS[command](run)


def test_a_system_in_a_circle_is_refused(trained: Path, tmp_path: Path) -> None:
    system = ensemble.system_of([trained])
    run = ensemble_run.combine(system, tmp_path / "both", "both", "")
    text = run.system_file.read_text()
    run.system_file.write_text(text.replace(text.split("run: ")[1].split("\n")[0], "."))
    run.update_status(members={"tiny": run.status().digest}, files=None)
    with pytest.raises(MaskgateError, match="is a member of itself"):
        loading.load(run.path)


# -------------------------------------------------------------- what may change, and older runs


@pytest.mark.slow
def test_what_may_change_does_not_make_it_another_run(
    rich: Path, copied: Callable[[Path], RunFolder], tmp_path: Path
) -> None:
    run = copied(rich)
    run.report_file.unlink()
    run.mistakes_file.write_text("photo\n")
    (run.path / "notes.txt").write_text("mine")
    run.update_status(note="mine")
    for command in MAIN_COMMANDS:
        COMMANDS[command](run)
    moved = RunFolder(run.path.rename(tmp_path / "moved"))
    for command in MAIN_COMMANDS:
        COMMANDS[command](moved)


def test_kept_predictions_are_listed_and_made_again(
    trained: Path, copied: Callable[[Path], RunFolder], cache: Path
) -> None:
    run, tta = copied(trained), [Component(name="flip")]
    _, expected = oof.oof_with(run, tta, cache)
    (path,) = run.path.glob("oof-*.parquet")
    before = path.read_bytes()
    assert path.name in (run.status().files or ())
    path.write_bytes(before.replace(b"ARROW", b"arrow"))
    with pytest.raises(MaskgateError, match=f"{path.name}: missing or damaged"):
        oof.oof_with(run, tta, cache)
    path.unlink()
    for command in MAIN_COMMANDS:
        COMMANDS[command](run)
    _, again = oof.oof_with(run, tta, cache)
    assert (again == expected).all()
    assert path.read_bytes() == before
    # Left by a process that was killed before it could list them: nobody knows whether it is whole.
    files = run.files.listed()
    assert files is not None
    run.update_status(files={name: entry for name, entry in files.items() if name != path.name})
    path.write_bytes(b"half")
    _, again = oof.oof_with(run, tta, cache)
    assert (again == expected).all()


def test_a_run_of_the_version_before_still_works(
    rich: Path, joint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    single = unlisted(RunFolder(Path(shutil.copytree(rich, tmp_path / "single"))))
    system = RunFolder(Path(shutil.copytree(joint, tmp_path / "whole")))
    for run in (*system.members(), system):
        unlisted(run)
    for command in MAIN_COMMANDS:
        COMMANDS[command](single)
    for command in ("predict", "report", "compare", "combine"):
        COMMANDS[command](system)
    assert single.folds == [0, 1]
    assert capsys.readouterr().err == ""


def test_what_can_be_checked_of_a_run_of_the_version_before(
    rich: Path, joint: Path, copied: Callable[[Path], RunFolder], tmp_path: Path
) -> None:
    run = unlisted(copied(rich))
    content = run.recipe_file.read_bytes()
    for text in ("", "{}", "seed: 7\n"):
        run.recipe_file.write_text(text)
        for command in ("predict", "compare", "init"):
            refuses(COMMANDS[command], run, run.recipe_file)
    run.recipe_file.write_bytes(content)
    for path in (run.inherited_file(0), run.extra_file, run.pseudo_file(0)):
        content = path.read_bytes()
        path.unlink()
        refuses(init, run, path)
        path.write_bytes(content)
    table = pd.read_csv(run.folds_file)
    table.assign(fold=0).to_csv(run.folds_file, index=False)
    for command in MAIN_COMMANDS:
        refuses(COMMANDS[command], run, run.folds_file)
    learned = RunFolder(Path(shutil.copytree(joint, tmp_path / "learned")))
    unlisted(learned).combination_file.unlink()
    refuses(COMMANDS["predict"], learned, learned.combination_file)


def test_folds_are_those_it_was_split_in(
    trained: Path, copied: Callable[[Path], RunFolder]
) -> None:
    run = unlisted(copied(trained))
    shutil.rmtree(run.fold_folder(1))
    assert run.folds == [0, 1]
    run.photos_file.unlink()
    assert run.folds == [0, 1]
    run.folds_file.unlink()
    assert run.folds == [0, 1]


@pytest.mark.slow
def test_a_damaged_run_does_not_take_down_the_others(
    trained: Path,
    train: Callable[..., Path],
    tmp_path: Path,
    call: Call,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(trained, folder / "a-good")
    train(folder / "b-other", "seed=8", "training.epochs=1")
    for name, file, content in (
        ("c-status", "run.json", "null"),
        ("d-metrics", "metrics.json", "[]"),
        ("e-oof", "oof.parquet", "no parquet"),
        ("f-fold", "fold-0/model.safetensors", ""),
    ):
        shutil.copytree(trained, folder / name)
        (folder / name / file).write_text(content)
    capsys.readouterr()
    code, out, err = call("runs", folder)
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert "damaged" not in rows["a-good"] + rows["b-other"]
    for name in ("c-status", "d-metrics", "e-oof", "f-fold"):
        assert "damaged" in rows[name]
        assert f"{name}/" in out  # below the table: which file, what is wrong, what to do
    code, out, err = call("compare", folder)
    assert code == 0, err
    assert err.count("warning: left out, ") == 4
    assert "Of these two models, b-other" in out
    # Component itself, a damaged one is a fault.
    code, _, err = call("compare", folder / "a-good", folder / "b-other", folder / "e-oof")
    assert (code, "e-oof/oof.parquet: missing or damaged" in err) == (2, True)
    for name in ("b-other", "d-metrics", "e-oof", "f-fold"):
        shutil.rmtree(folder / name)
    assert runs.open_run(folder).path.name == "a-good"
    shutil.rmtree(folder / "a-good")
    with pytest.raises(MaskgateError, match=r"c-status/run\.json: missing or damaged"):
        runs.open_run(folder)
