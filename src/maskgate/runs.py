"""A run: the folder one training leaves, and what the others read from it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load_file

from maskgate import files, finite, labels, recipe, system
from maskgate.data.pseudo_labels import TRAINED
from maskgate.errors import MaskgateError, listed
from maskgate.recipe import Recipe
from maskgate.system import System

PROBABILITIES = [f"p{c:02d}" for c in range(labels.COUNT)]


@dataclass(frozen=True)
class Run:
    """The files of a run folder by what they hold; reading one that is missing says so.

    `trusted` where the user vouches for whoever made it, and for its members; see `trust`.
    """

    path: Path
    trusted: bool = False

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
        return self.path / "run.json"

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

    def seen(self, fold: int) -> set[str]:
        """Contents of all photos the fold's weights were ever trained on, by way of others too."""
        photos, inherited = self.photos(), self.inherited_file(fold)
        trained = photos["fold"] != fold
        if self.recipe().training.validation_epochs:
            trained[:] = True
        own = _contents(photos[trained])
        if self.more_file.exists():
            more = self.more()
            own |= _contents(more[[fold not in kept_out for kept_out in more["not_in"]]])
        if self.pseudo_file(fold).exists():
            pseudo, _ = self.pseudo(fold)
            own |= _contents(pseudo[pseudo["use"] == TRAINED])
        return own | set(inherited.read_text().split() if inherited.exists() else [])

    def seconds(self) -> list[float]:
        """How long the fit of each finished fold took, in the order of folds."""
        found = self.path.glob("fold-*/fold.json")
        told = sorted((int(path.parent.name.removeprefix("fold-")), path) for path in found)
        return [float(self._json(path)["seconds"]) for _, path in told]

    @property
    def folds(self) -> list[int]:
        """The folds whose weights are there."""
        found = self.path.glob("fold-*/model.safetensors")
        return sorted(int(path.parent.name.removeprefix("fold-")) for path in found)

    def recipe(self) -> Recipe:
        return recipe.load(self.recipe_file, alone=True)

    def system(self) -> System:
        return system.load(self.system_file, [], alone=True)

    def members(self) -> "list[Run]":
        """The runs of a system's members, in its order. Raises MaskgateError where one that was
        there before it is gone, or another by now."""
        found = []
        for member in self.system().members:
            if member.run is None:
                found.append(Run(self.path / "members" / member.name, self.trusted))
                continue
            run = Run(Path(member.run), self.trusted)
            if not run.status_file.is_file():
                raise MaskgateError(
                    f"{self.path}: its member {member.name} was the run {run.path}, which is gone;"
                    " put it back, or combine anew"
                )
            then = self.status().get("members", {}).get(member.name)
            if then is None:  # who does not know it has no say in which runs of mine are read
                raise MaskgateError(
                    f"{self.status_file}: does not tell the digest of its member {member.name};"
                    " get the run again from where it comes, or combine anew"
                )
            if run.status()["digest"] != then:
                raise MaskgateError(
                    f"{self.path}: its member {run.path} was trained anew with another recipe or"
                    " other data; remove the folder and combine anew"
                )
            found.append(run)
        return found

    def learned(self) -> dict[str, Any]:
        """What a system's combination has learned, by name; nothing where there is nothing to."""
        if not self.combination_file.exists():
            return {}
        return self._json(self.combination_file)

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
        """What run.json tells: recipe, digest, data, root, command, warnings, seconds, finished."""
        return self._json(self.status_file)

    def metrics(self) -> dict[str, Any]:
        return self._json(self.metrics_file)

    def photos(self) -> pd.DataFrame:
        """The photo table of the data validated on, labelled with the truth that the scores are
        taken against, with `cluster`, `fold` and `digest`."""
        return self._table(pd.read_parquet, self.photos_file)

    def more(self) -> pd.DataFrame:
        """The photos of further data sets as they were trained on, with `data`, `weight`,
        `digest`, `cluster`, and `not_in`: the folds whose training they were kept out of."""
        return self._table(pd.read_parquet, self.more_file)

    def pseudo(self, fold: int) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
        """The photos without labels, with what became of them in a fold (`use`), what they were
        labelled as, and their probabilities (N, 18); see `data.pseudo_labels.choose`."""
        return read_probabilities(self.pseudo_file(fold))

    def oof(self, path: Path | None = None) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
        """The photo table of the validated photos and their probabilities (N, 18), those in the
        `oof_file` unless another is given."""
        told, probabilities = read_probabilities(path or self.oof_file)
        return self.photos().set_index("photo").loc[told["photo"]].reset_index(), probabilities

    def history(self) -> pd.DataFrame:
        return self._table(pd.read_csv, self.history_file)

    def weights(self, fold: int) -> dict[str, Any]:
        try:
            return load_file(self.weights_file(fold))
        except (OSError, SafetensorError) as error:
            raise _damaged(self.weights_file(fold)) from error

    def tell(self, **news: Any) -> None:
        """Add to run.json."""
        told = self.status() if self.status_file.exists() else {}
        files.replace_text(self.status_file, json.dumps(told | news, indent=2) + "\n")

    def _json(self, path: Path) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _damaged(path) from error
        return content

    def _table(self, read: Callable[[Path], pd.DataFrame], path: Path) -> pd.DataFrame:
        try:
            return read(path)
        except (OSError, ValueError) as error:
            raise _damaged(path) from error


def _damaged(path: Path) -> MaskgateError:
    return MaskgateError(f"{path}: missing or damaged; remove the run and train it again")


def _contents(photos: pd.DataFrame) -> set[str]:
    """Digests of the photos, and of those that they were drawn on."""
    below = photos.get("drawn_from", pd.Series(dtype="str")).dropna()
    return {*photos["digest"], *below} - {""}


def open_run(path: str | Path, finished: bool = True, trust: bool = False) -> Run:
    """The run in a folder, or the only (finished) one among the folders in it.

    `trust` where the user vouches for it. Raises MaskgateError where there is none, several, or it
    is unfinished.
    """
    run = Run(Path(path), trust)
    if not run.status_file.is_file():
        run = Run(_only_run(run.path).path, trust)
    if finished and not run.status().get("finished"):
        raise MaskgateError(f"{run.path}: the run is unfinished; repeat the command that began it")
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
    found = [Run(file.parent) for file in sorted(folder.glob("*/run.json"))]
    found = [run for run in found if run.status().get("finished")] or found
    if not found:
        raise MaskgateError(f"{folder}: no run; give a folder that `maskgate train` has left")
    if len(found) > 1:
        names = listed([run.path.name for run in found])
        raise MaskgateError(f"{folder}: holds {len(found)} runs ({names}); give one of them")
    return found[0]


def write_probabilities(
    path: Path, table: pd.DataFrame, probabilities: npt.NDArray[np.floating]
) -> None:
    """Parquet of `table`'s columns and the 18 probabilities p00…p17 (float32) of its rows. Raises
    MaskgateError where one is not finite."""
    finite.check(probabilities, str(path))
    columns = pd.DataFrame(probabilities.astype(np.float32), columns=PROBABILITIES)
    whole = pd.concat([table.reset_index(drop=True), columns], axis=1)
    files.replace(path, lambda beside: whole.to_parquet(beside, index=False))


def read_probabilities(path: Path) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    """The other columns and the probabilities (N, 18) of such a file. Raises MaskgateError."""
    try:
        whole = pd.read_parquet(path)
        table = whole.drop(columns=PROBABILITIES)
        probabilities = whole[PROBABILITIES].to_numpy(np.float32)
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(path) from error
    finite.check(probabilities, str(path))
    return table, probabilities
