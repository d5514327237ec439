"""A search's study: its settings, its storage, and the next trial.

One process at a time asks for a trial, under a claim of its own. So trials are numbered without
gaps, and the random numbers of a trial depend only on its number.
"""

import math
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from maskgate.config import recipe as recipes
from maskgate.config.recipe import Recipe
from maskgate.core import extras, files
from maskgate.core.seeding import derive
from maskgate.errors import MaskgateError
from maskgate.model import heads, replaced_backbone
from maskgate.runs.records import contents, stored
from maskgate.studies.space import NOTHING, Space, overlap
from maskgate.training import preflight, warm_start
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import prepare

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial, Trial
    from sqlalchemy import URL, Engine

    from maskgate.studies.leases import Claims

DATABASE: Final = "study.db"
MANIFEST: Final = "study.json"
_REMEDY: Final = "put back a copy of it, or give another --out"
_ASK_LOCK: Final = -1  # claimed by the process that asks for a trial
_ATTEMPTS: Final = 3
# Timeouts in seconds: for another process that writes, for a host that does not answer.
_WAITS: Final = {"sqlite": {"timeout": 60}, "postgresql": {"connect_timeout": 15}}


class Manifest(stored.File):
    """study.json: the folder's study, and its storage."""

    indent: ClassVar[int | None] = None
    nullable = frozenset({"storage"})

    study: str
    storage: str | None


@dataclass(frozen=True)
class Search:
    """A search: a recipe with changes, a search space, and the number of trials.

    `options` has the data and how to train; its `out` is the study's folder. `storage` is the URL
    of a database, None for a file in that folder. Pruning starts when `prune_after` trials are
    complete.
    """

    recipe: str  # as given on the command line
    path: Path  # of the recipe's file
    changes: list[str]
    options: TrainOptions
    trials: int
    seed: int
    prune_after: int
    storage: str | None = None
    space: Space = NOTHING
    name: str = ""  # of the study: from recipe, space, data and seed
    folds: tuple[int, ...] = ()  # to validate

    @property
    def folder(self) -> Path:
        assert self.options.out is not None
        return self.options.out

    def load(self, more: list[str]) -> Recipe:
        """The recipe with `more` changes. Raises MaskgateError."""
        changes = [*self.changes, *more]
        return replaced_backbone.fitted(recipes.load(self.path, changes), changes)

    def trial_folder(self, number: int) -> Path:
        """The folder of a trial; `number` counts from 0, folders from 1."""
        return self.folder / "trials" / f"{number + 1:03d}"


def check(recipe: Recipe, attributes: tuple[str, ...], name: str, trust: bool = False) -> None:
    """Check all names in a recipe, without downloads. Raises MaskgateError."""
    if recipe.folds.kind == "all":
        raise MaskgateError("folds.kind is all, which has no validation; a search needs scores")
    if heads.attributes(recipe.model.head) != attributes:
        raise MaskgateError(
            "its head predicts other attributes, so its score would not be comparable"
        )
    model = recipe.model.model_copy(update={"pretrained": False})
    preflight.check_recipe(recipe.model_copy(update={"model": model}), name, trust)


def prepare_search(search: Search) -> Search:
    """The search with its folds and its name, after the data is checked, decoded and split.

    Raises MaskgateError for all problems of the data, before any trial could fail because of them.
    """
    recipe, options = search.load([]), search.options
    preflight.check_recipe(recipe, options.name, options.trust)
    ready = preflight.with_detector(recipe, options, options.name)
    data = prepare(ready, options)
    preflight.check_data(ready, data, processes=1)
    parts = (data.digest, search.space.digest, str(search.seed), *warm_start.weight_digests(recipe))
    name = f"{options.name}-{recipe.digest(*parts)}"
    out = options.out or Path("tune") / name
    return replace(search, name=name, folds=tuple(data.folds), options=replace(options, out=out))


# ------------------------------------------------------------------------------ the storage


def open_study(search: Search) -> "tuple[optuna.Study, Engine]":
    """The search's study, created if it is new, and the engine of its database.

    Raises MaskgateError if the database cannot be used; then no folder is left that refers to it.
    """
    if search.storage is None:
        _create_folder(search)  # its database is a file in that folder
        return _opened(search)
    _folder_exists(search)
    opened = _opened(search)
    _create_folder(search)
    return opened


def _opened(search: Search) -> "tuple[optuna.Study, Engine]":
    import optuna
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = address(search)
    waits = _WAITS.get(url.get_backend_name(), {})
    for attempts_left in reversed(range(_ATTEMPTS)):
        try:
            storage = RDBStorage(
                url.render_as_string(hide_password=False),
                engine_kwargs={"connect_args": waits, "pool_pre_ping": True},
            )
            study = optuna.create_study(
                study_name=search.name, storage=storage, direction="maximize", load_if_exists=True
            )
            return study, storage.engine
        except (SQLAlchemyError, ImportError, RuntimeError) as error:
            if not attempts_left:
                raise storage_error(search, error) from error
            time.sleep(1)  # another process may be making the tables just now
    raise AssertionError


def storage_error(search: Search, error: Exception) -> MaskgateError:
    """The error for a database that cannot be used."""
    if isinstance(error, ImportError):
        return MaskgateError(
            f"{address(search)}: the driver of that database is missing;"
            f" {extras.install('search')} includes PostgreSQL's, other drivers are packages of"
            " their own"
        )
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()
    return MaskgateError(
        f"{address(search)}: the study's database cannot be used ({cause[0] if cause else error});"
        " check that it runs and that --storage is right, then repeat the command"
    )


def address(search: Search) -> "URL":
    """The URL of the database; printed without its password. Raises MaskgateError."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    if search.storage is None:
        return make_url(f"sqlite:///{search.folder / DATABASE}")
    try:
        url = make_url(search.storage)
        kind = url.get_backend_name()
    except SQLAlchemyError as error:
        raise MaskgateError(
            "--storage is not the URL of a database; write it as postgresql://USER:PASSWORD@HOST/NAME"
        ) from error
    if kind in ("postgres", "postgresql") and "+" not in url.drivername:
        return url.set(drivername="postgresql+psycopg")
    return url


def _folder_exists(search: Search) -> bool:
    """Whether the study's folder exists. Raises MaskgateError if it has another study."""
    path, folder = search.folder / MANIFEST, search.folder
    files.check_folder(folder)
    if path.exists():
        before = stored.parse(contents.read(path, None, _REMEDY), Manifest, path, _REMEDY)
        if before.study != search.name:
            raise MaskgateError(
                f"{folder}: has the study {before.study}, but this one is {search.name}: the"
                " recipe, the space, the data or the seed differs; give another --out"
            )
        if before.storage != _public_url(search):
            kept = before.storage or f"{DATABASE} in that folder, without --storage"
            raise MaskgateError(
                f"{folder}: its study is stored in {kept}; continue it there, or give another --out"
            )
        return True
    if folder.is_dir() and not all(map(files.is_leftover, folder.iterdir())):
        raise MaskgateError(f"{folder}: not empty, and not a study; give another --out")
    return False


def _create_folder(search: Search) -> None:
    """Create the study's folder. Raises MaskgateError if it has another study."""
    if _folder_exists(search):
        return
    search.folder.mkdir(parents=True, exist_ok=True)
    manifest = {"study": search.name, "storage": _public_url(search)}
    stored.write(search.folder / MANIFEST, Manifest, manifest)


def _public_url(search: Search) -> str | None:
    """The database's URL without its password, None for the file in the study's folder."""
    return None if search.storage is None else str(address(search))


# -------------------------------------------------------------------------- the next trial


def next_trial(study: "optuna.Study", search: Search, claims: "Claims") -> "Trial | None":
    """A trial, claimed by this process: an interrupted one that nobody works on, or a new one.

    None if there is none, or if another process is asking at the moment.
    """
    from optuna.trial import Trial

    claims.remove_dead_claims()
    if not claims.take(_ASK_LOCK):
        return None
    try:
        trials = study.get_trials(deepcopy=False)
        for unfinished in trials:
            if not unfinished.state.is_finished() and claims.take(unfinished.number):
                if not _reload(study, unfinished).state.is_finished():  # it may just have ended
                    study.sampler = sampler(search.seed, unfinished.number)
                    trial = Trial(study, unfinished._trial_id)
                    search.space.suggest(trial)  # values not drawn before the interruption
                    return trial
                claims.free(unfinished.number)
        if len(trials) >= search.trials:
            return None
        study.sampler = sampler(search.seed, len(trials))
        trial = study.ask()
        claims.take(trial.number)
        search.space.suggest(trial)
        return trial
    finally:
        claims.free(_ASK_LOCK)


def _reload(study: "optuna.Study", trial: "FrozenTrial") -> "FrozenTrial":
    return study.get_trials(deepcopy=False)[trial.number]


def sampler(seed: int, number: int) -> Any:
    """The tree-structured Parzen estimator for one trial (Bergstra et al. 2011). The first ten
    trials are drawn at random.

    Created for each trial, so that an interrupted search draws the same values.
    """
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=derive(seed, "trial", number) % 2**32)


def pruner(search: Search) -> Any:
    """Prunes a trial whose best score so far is below the median of complete trials at its epoch.

    The median rule (Golovin et al. 2017) suits tens of trials; successive halving keeps one in
    four, which takes hundreds. It starts after a quarter of the epochs: earlier scores favour fast
    learning rates, not good ones. If the number of epochs is searched, no trial is pruned: a long
    one, whose learning rate is still high, would be compared with the ends of short ones.
    """
    import optuna

    if any(overlap(each.key, "training.epochs") for each in search.space.parameters):
        return optuna.pruners.NopPruner()
    epochs = search.load([]).training.epochs
    return optuna.pruners.MedianPruner(search.prune_after, math.ceil(epochs / 4))
