"""A run: the folder one training leaves, and what the others read from it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from safetensors.torch import load_file

from maskgate import files, finite, labels, recipe, system
from maskgate.data import folds
from maskgate.data.pseudo_labels import TRAINED
from maskgate.ensemble.combining import Wanted
from maskgate.errors import MaskgateError, listed
from maskgate.progress import say
from maskgate.recipe import Recipe
from maskgate.records import contents, fold, stored, tables
from maskgate.records.faults import damaged, no_run, unreadable
from maskgate.records.fold import FoldResult
from maskgate.records.learned import Learned
from maskgate.records.results import Results
from maskgate.records.run_files import RunFiles
from maskgate.system import System

# Kept predictions, which are made again where they are missing.
_KEPT: Final = re.compile(r"oof-[^/]*\.parquet")
_WEIGHTS: Final = re.compile(r"fold-(\d{1,9})/model\.safetensors")
# What every recipe says that a training has written.
_WRITTEN: Final = frozenset({"seed", "photo", "folds", "model", "optimizer", "training"})


@dataclass(frozen=True)
class Run:
    """The files of a run folder by what they hold; reading one that is missing says so.

    `trusted` where the user vouches for whoever made it, and for its members; see `trust`.
    """

    path: Path
    trusted: bool = False

    @property
    def files(self) -> RunFiles:
        """The same as bytes, each as it was when the run ended."""
        return RunFiles(self.path)

    @property
    def recipe_file(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def system_file(self) -> Path:
        return self.path / "system.yaml"

    @property
    def is_system(self) -> bool:
        """Whether it is the run of a system, whose members are runs in it."""
        return self.system_file.exists()

    @property
    def settings_file(self) -> Path:
        """The recipe, or the system, as resolved."""
        return self.system_file if self.is_system else self.recipe_file

    @property
    def folds_file(self) -> Path:
        return self.path / "folds.csv"

    @property
    def photos_file(self) -> Path:
        return self.path / "photos.parquet"

    @property
    def more_file(self) -> Path:
        """There where the recipe's `data` names further data sets."""
        return self.path / "more.parquet"

    @property
    def thumbnails_file(self) -> Path:
        """Thumbnails of all photos that its folds, or the runs it was started from or labelled by,
        may have been trained on: see `images.thumbnails`."""
        return self.path / "thumbnails.parquet"

    @property
    def history_file(self) -> Path:
        return self.path / "history.csv"

    @property
    def oof_file(self) -> Path:
        return self.path / "oof.parquet"

    def oof_file_of(self, variants: str) -> Path:
        """Where the same is kept with the `variants` of that digest instead of the recipe's `tta`;
        training leaves the plain one beside it where there is a `tta`."""
        return self.path / f"oof-{variants}.parquet"

    @property
    def combination_file(self) -> Path:
        """What a system's combination has learned of the out-of-fold probabilities."""
        return self.path / "combination.json"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.json"

    @property
    def mistakes_file(self) -> Path:
        return self.path / "mistakes.csv"

    @property
    def report_file(self) -> Path:
        return self.path / "report.html"

    @property
    def status_file(self) -> Path:
        return self.files.status_file

    def fold(self, fold: int) -> Path:
        """The folder of one fold's checkpoint and results."""
        return self.path / f"fold-{fold}"

    def weights_file(self, fold: int) -> Path:
        return self.fold(fold) / "model.safetensors"

    def inherited_file(self, fold: int) -> Path:
        """Contents of the photos seen by the runs it was started from or labelled by, a line
        each."""
        return self.fold(fold) / "inherited.txt"

    def pseudo_file(self, fold: int) -> Path:
        """There where the fold was trained on pseudo labels."""
        return self.fold(fold) / "pseudo.parquet"

    def fold_file(self, fold: int) -> Path:
        """What the training of a fold took and drew: there once the fold is trained."""
        return self.fold(fold) / "fold.json"

    def seen(self, fold: int) -> set[str]:
        """Contents of all photos the fold's weights were ever trained on, by way of others too."""
        photos, recipe = self.photos(), self.recipe()
        trained = photos["fold"] != fold
        if recipe.training.validation_epochs:
            trained[:] = True
        found = _contents(photos[trained])
        if recipe.data:
            more = self.more()
            found |= _contents(more[[fold not in kept_out for kept_out in more["not_in"]]])
        if recipe.pseudo is not None:
            pseudo, _ = self.pseudo(fold)
            found |= _contents(pseudo[pseudo["use"] == TRAINED])
        if recipe.model.init is not None or recipe.pseudo is not None:
            found |= set(self.files.text(self.inherited_file(fold)).split())
        return found

    def fold_result(self, number: int) -> FoldResult:
        """What the training of a fold took and drew. Raises MaskgateError."""
        path = self.fold_file(number)
        return fold.parse(self.files.read(path), path, self.files.remedy(path))

    def seconds(self) -> list[float]:
        """How long the fit of each finished fold took, in the order of folds."""
        if not self.photos_file.exists():
            return []
        trained = [number for number in self.folds if self.fold_file(number).exists()]
        return [self.fold_result(number).seconds for number in trained]

    @property
    def folds(self) -> list[int]:
        """The folds that it consists of; whether the weights of each are there, `check` tells."""
        listed = self.files.listed()
        if listed is not None:
            found = [_WEIGHTS.fullmatch(name) for name in listed]
            return sorted(int(match[1]) for match in found if match)
        if self.photos_file.exists():
            return _trained(self.photos())
        if self.folds_file.exists():
            return _trained(self._people())
        own = self.recipe().folds
        return list(range(own.count)) if own.kind == "kfold" else [0]

    def recipe(self) -> Recipe:
        self.files.digest(self.recipe_file)
        found = recipe.load(self.recipe_file, alone=True)
        if missing := sorted(_WRITTEN - found.model_fields_set):
            raise damaged(self.recipe_file, f"it says nothing of {missing[0]}")
        return found

    def system(self) -> System:
        self.files.digest(self.system_file)
        for name in self.files.listed() or {}:
            if name.startswith("recipes/"):
                self.files.digest(self.path / name)
        return system.load(self.system_file, [], alone=True)

    def members(self) -> "list[Run]":
        """The runs of a system's members, in its order. Raises MaskgateError where one that was
        there before it is gone, or another by now."""
        found = []
        digests = self.status().get("members", {})
        for member in self.system().members:
            if member.run is None:
                run = Run(self.path / "members" / member.name, self.trusted)
                if member.name in digests and run.status()["digest"] != digests[member.name]:
                    raise MaskgateError(
                        f"{run.path}: is another run than the one that {self.path} was trained"
                        f" with; put that back, or remove {self.path} and train it again"
                    )
                found.append(run)
                continue
            run = Run(Path(member.run), self.trusted)
            if not run.status_file.is_file():
                raise MaskgateError(
                    f"{self.path}: its member {member.name} was the run {run.path}, which is gone;"
                    " put it back, or combine anew"
                )
            if member.name not in digests:  # who does not know it has no say in which runs are read
                raise MaskgateError(
                    f"{self.status_file}: does not tell the digest of its member {member.name};"
                    " get the run again from where it comes, or combine anew"
                )
            if digests[member.name] != run.status()["digest"]:
                raise MaskgateError(
                    f"{self.path}: its member {run.path} was trained anew with another recipe or"
                    " other data; remove the folder and combine anew"
                )
            found.append(run)
        return found

    def learned(self) -> dict[str, Any]:
        """What a system's combination has learned, by name; nothing where there is nothing to."""
        path = self.combination_file
        if not (Wanted.of(self.system()).learns or self.files.holds(path)):
            return {}
        return stored.parse(self.files.read(path), Learned, path)

    def settings(self) -> dict[str, Any]:
        """All keys of the recipe, or of the system and its members, with their values."""
        if not self.is_system:
            return self.recipe().model_dump(mode="json")
        told = self.system().settings()
        for run, (name, keys) in zip(self.members(), list(told["members"].items()), strict=True):
            if keys.pop("run", None) is not None:  # told by what it was trained with
                own = run.settings()
                told["folds"] = own.pop("folds")
                given = {key: value for key, value in keys.items() if value is not None}
                told["members"][name] = own | given
        return told

    def status(self) -> dict[str, Any]:
        """What run.json tells: recipe, digest, data, root, command, warnings, seconds, finished;
        see `records.status.Status`. Raises MaskgateError."""
        return self.files.status()

    def metrics(self) -> dict[str, Any]:
        """What metrics.json tells; see `records.results.Results`. Raises MaskgateError."""
        return stored.parse(self.files.read(self.metrics_file), Results, self.metrics_file)

    def photos(self) -> pd.DataFrame:
        """The photo table of the data validated on, labelled with the truth that the scores are
        taken against, with `cluster`, `fold` and `digest`."""
        return tables.parquet(self.files.read(self.photos_file), tables.PHOTOS, self.photos_file)

    def more(self) -> pd.DataFrame:
        """The photos of further data sets as they were trained on, with `data`, `weight`,
        `digest`, `cluster`, and `not_in`: the folds whose training they were kept out of."""
        return tables.parquet(self.files.read(self.more_file), tables.MORE, self.more_file)

    def pseudo(self, fold: int) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
        """The photos without labels, with what became of them in a fold (`use`), what they were
        labelled as, and their probabilities (N, 18); see `data.pseudo_labels.choose`."""
        path = self.pseudo_file(fold)
        return tables.probabilities(
            self.files.read(path), tables.PSEUDO, path, self.files.remedy(path)
        )

    def oof(self, path: Path | None = None) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
        """The photo table of the validated photos and their probabilities (N, 18), those in the
        `oof_file` unless another is given. Raises MaskgateError."""
        path = path or self.oof_file
        told, probabilities = tables.probabilities(self.files.read(path), tables.OOF, path)
        photos = self.photos().set_index("photo", drop=False)
        if set(told["photo"]) != set(photos.index[photos["fold"] != folds.NEVER]):
            raise damaged(path, f"it holds other photos than {self.photos_file.name} validates")
        return photos.loc[told["photo"]].reset_index(drop=True), probabilities

    def history(self) -> pd.DataFrame:
        return tables.history(self.files.read(self.history_file), self.history_file)

    def fold_history(self, number: int) -> pd.DataFrame:
        """The history of a fold, of which the run's is put together. Raises MaskgateError."""
        path = self.fold(number) / "history.csv"
        return tables.history(contents.read(path, None), path, self.files.remedy(path))

    def fold_oof(
        self, number: int, name: str = "oof.parquet"
    ) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
        """The rows and probabilities (V, 18) of a fold's validated photos, of which the run's are
        put together. Raises MaskgateError."""
        path = self.fold(number) / name
        remedy = self.files.remedy(path)
        return tables.probabilities(contents.read(path, None), tables.OOF, path, remedy)

    def check_names(self, photos: list[str], root: Path) -> None:
        """Raise MaskgateError where names of photos, as this run holds them, leave the `root`."""
        leave = zip(photos, files.outside(photos, root), strict=True)
        if out := [photo for photo, leaves in leave if leaves]:
            raise MaskgateError(
                f"{self.photos_file}: names photos that lie outside {root} ({listed(out)}), which"
                " no training does; get the run again from where it comes (a report can be written"
                " with --no-photos)"
            )

    def weights(self, fold: int) -> dict[str, Any]:
        path = self.weights_file(fold)
        self.files.digest(path)
        try:
            return load_file(path)
        except Exception as error:  # of damaged content it raises what it likes
            raise damaged(path, f"not weights: {error}") from error

    # ------------------------------------------------------------------- whole or refused

    def tell(self, **news: Any) -> None:
        """Add to run.json."""
        self.files.tell(**news)

    def end(self) -> None:
        """Write that the run is finished, and what files it consists of. Raises MaskgateError."""
        self.files.end(self._consists_of())

    def check(self) -> None:
        """Raise MaskgateError where the run, or one that is a member of it, is finished and a file
        of it is missing, may not be read, or has another size. Contents are checked when read."""
        self._check(())

    def _check(self, above: tuple[Path, ...]) -> None:
        told, place = self.status(), self.path.resolve()
        if place in above:
            raise MaskgateError(f"{self.path}: is a member of itself; remove it, and combine anew")
        if not told.get("finished"):
            if above:
                raise unfinished(self)
            return
        listed = self.files.listed()
        if listed is None:
            self._check_unlisted()
        for name, entry in (listed or {}).items():
            if not _KEPT.fullmatch(name):
                contents.check_there(self.path / name, entry)
        for member in self.members() if self.is_system else []:
            member._check((*above, place))

    def _check_unlisted(self) -> None:
        """What can be checked of a run that an older version has made."""
        contents.check_there(self.settings_file, None)
        contents.check_there(self.metrics_file, None)
        if self.is_system:
            return
        numbers, own = self.folds, self.recipe().folds
        for number in numbers:
            contents.check_there(self.weights_file(number), None)
        if self.folds_file.exists() and _trained(self._people()) != numbers:
            raise damaged(self.folds_file, "it has other folds than the run")
        if own.kind == "kfold" and own.file is None and len(numbers) != own.count:
            why = f"it has {len(numbers)} folds, and the recipe {own.count}"
            raise damaged(self.photos_file, why)

    def _consists_of(self) -> Iterator[Path]:
        """The files of a run that is about to end. The report and the list of mistakes can be
        written anew, and what the folds were put together of is not read again."""
        yield from (self.settings_file, self.folds_file, self.photos_file, self.metrics_file)
        rest = [self.more_file, self.thumbnails_file, self.history_file, self.oof_file]
        yield from (path for path in (*rest, self.combination_file) if path.exists())
        yield from sorted(path for path in self.path.iterdir() if _KEPT.fullmatch(path.name))
        if self.is_system:
            yield from sorted(self.path.glob("recipes/*.yaml"))
            return
        for number in self.folds:
            yield from (self.weights_file(number), self.fold_file(number))
            some = (self.inherited_file(number), self.pseudo_file(number))
            yield from (path for path in some if path.exists())

    def _people(self) -> pd.DataFrame:
        return tables.csv(self.files.read(self.folds_file), tables.FOLDS, self.folds_file)


def _trained(people: pd.DataFrame) -> list[int]:
    """The folds of a run whose photos or people are in these: those validated on, or a single one
    without validation."""
    return sorted({int(fold) for fold in people["fold"]} - {folds.NEVER}) or [0]


def _contents(photos: pd.DataFrame) -> set[str]:
    """Digests of the photos, and of those that they were drawn on."""
    below = photos.get("drawn_from", pd.Series(dtype="str")).dropna()
    return {*photos["digest"], *below} - {""}


def unfinished(run: Run) -> MaskgateError:
    """The fault of a run that has not been trained to its end."""
    return MaskgateError(f"{run.path}: the run is unfinished; repeat the command that began it")


def open_run(path: str | Path, trust: bool = False) -> Run:
    """The finished run in a folder, or the only (finished) one among the folders in it.

    `trust` where the user vouches for it. Raises MaskgateError where there is none, several, or it
    is unfinished or not whole.
    """
    files.check_name(Path(path))
    run = Run(Path(path), trust)
    if not _is_there(run.status_file):
        run = Run(_only_run(run.path).path, trust)
    if not run.files.is_finished:
        raise unfinished(run)
    run.check()
    return run


def open_model(path: str | Path, trust: bool = False) -> Run:
    """As `open_run`, of a single model; raises MaskgateError for a system's run as well."""
    run = open_run(path, trust=trust)
    if run.is_system:
        raise MaskgateError(
            f"{run.path}: the run of a system, which is no single model; give the run of one of"
            f" its members, such as {run.members()[0].path}"
        )
    return run


def _only_run(folder: Path) -> Run:
    found = usable(folder)
    found = [run for run in found if run.files.is_finished] or found
    if not found:
        raise no_run(folder)
    if len(found) > 1:
        names = listed([run.path.name for run in found])
        raise MaskgateError(f"{folder}: holds {len(found)} runs ({names}); give one of them")
    return found[0]


def usable(folder: Path) -> list[Run]:
    """The runs among the folders in `folder`, by name; those that are damaged are left out, each
    with a warning. Raises the fault where all are."""
    found, faults = [], []
    for run, fault in scan(folder):
        if fault is None:
            found.append(run)
        else:
            faults.append(fault)
    if faults and not found:
        raise faults[0]
    for fault in faults:
        say(f"warning: left out, {fault}")
    return found


def scan(folder: Path) -> list[tuple[Run, MaskgateError | None]]:
    """The runs among the folders in `folder`, by name, and the fault of each that is damaged."""
    found: list[tuple[Run, MaskgateError | None]] = []
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        run = Run(place)
        try:
            if not _is_there(run.status_file):
                continue
            run.check()
            found.append((run, None))
        except MaskgateError as error:
            found.append((run, error))
    return found


def verify(path: Path) -> None:
    """Raise MaskgateError where a file is one of a finished run, and not as that lists it."""
    folder = path.parent.parent if path.parent.name.startswith("fold-") else path.parent
    run = Run(folder)
    if run.status_file.is_file() and run.files.holds(path):
        run.files.digest(path)


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unreadable(path, error) from error
    return True


def write_probabilities(
    path: Path, table: pd.DataFrame, probabilities: npt.NDArray[np.floating]
) -> None:
    """Parquet of `table`'s columns and the 18 probabilities p00…p17 (float32) of its rows. Raises
    MaskgateError where one is not finite."""
    finite.check(probabilities, str(path))
    names = list(labels.PROBABILITY_COLUMNS)
    columns = pd.DataFrame(probabilities.astype(np.float32), columns=names)
    whole = pd.concat([table.reset_index(drop=True), columns], axis=1)
    files.replace(path, lambda beside: whole.to_parquet(beside, index=False))


def read_probabilities(path: Path) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    """The other columns and the probabilities (N, 18) of such a file. Raises MaskgateError."""
    return tables.probabilities(contents.read(path, None), {}, path)
