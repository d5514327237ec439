"""A search's study: what it is of, where it is kept, and which trial comes next.

One process at a time asks for a trial, under a claim of its own; so trials are numbered without a
gap, and their number alone makes the random numbers that they are drawn with.
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
from maskgate.model import heads
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
_ASKING: Final = -1  # claimed by the one process that asks for a trial
_ATTEMPTS: Final = 3
# Seconds that a process waits: for another one that writes, for a host that is away.
_WAITS: Final = {"sqlite": {"timeout": 60}, "postgresql": {"connect_timeout": 15}}


class Manifest(stored.File):
    """study.json: which study the folder is of, and where that is kept."""

    indent: ClassVar[int | None] = None
    nullable = frozenset({"storage"})

    study: str
    storage: str | None


@dataclass(frozen=True)
class Search:
    """What is searched: a recipe with its changes, a space, and how many trials in all.

    `options` tells the data and how to train; its `out` is the study's folder, `storage` the URL of
    a database, None for a file in that folder. Trials are pruned once `prune_after` are complete.
    """

    recipe: str  # as it was asked for
    path: Path  # of the recipe's file
    changes: list[str]
    options: TrainOptions
    trials: int
    seed: int
    prune_after: int
    storage: str | None = None
    space: Space = NOTHING
    name: str = ""  # of the study: by its recipe, space, data and seed
    folds: tuple[int, ...] = ()  # that are validated

    @property
    def folder(self) -> Path:
        assert self.options.out is not None
        return self.options.out

    def load(self, more: list[str]) -> Recipe:
        """The recipe with `more` changes. Raises MaskgateError."""
        return recipes.load(self.path, [*self.changes, *more])

    def trial_folder(self, number: int) -> Path:
        """Of the trial of that number, which counts from 0; people count from 1."""
        return self.folder / "trials" / f"{number + 1:03d}"


def check(recipe: Recipe, attributes: tuple[str, ...], name: str, trust: bool = False) -> None:
    """Make all a recipe names, of which nothing is downloaded. Raises MaskgateError."""
    if recipe.folds.kind == "all":
        raise MaskgateError("folds.kind is all, which validates nobody; a search needs scores")
    if heads.attributes(recipe.model.head) != attributes:
        raise MaskgateError("its head knows other attributes, and its score would be another one")
    model = recipe.model.model_copy(update={"pretrained": False})
    preflight.check_recipe(recipe.model_copy(update={"model": model}), name, trust)


def prepared(search: Search) -> Search:
    """The search with its folds and its name, once the data is checked, decoded and split.

    All faults of the data are told here, before any trial could fail for them. Raises
    MaskgateError.
    """
    recipe, options = search.load([]), search.options
    preflight.check_recipe(recipe, options.name, options.trust)
    ready = preflight.with_detector(recipe, options, options.name)
    data = prepare(ready, options)
    preflight.check_data(ready, data, processes=1)
    told = (data.digest, search.space.digest, str(search.seed), *warm_start.weight_digests(recipe))
    name = f"{options.name}-{recipe.digest(*told)}"
    out = options.out or Path("tune") / name
    return replace(search, name=name, folds=tuple(data.folds), options=replace(options, out=out))


# ------------------------------------------------------------------------------ the storage


def open_study(search: Search) -> "tuple[optuna.Study, Engine]":
    """The search's study, made where it is new, and the engine of its database.

    Raises MaskgateError where it cannot be. Then no folder is left that would keep to a database
    which cannot be used.
    """
    if search.storage is None:
        _settle(search)  # its database is a file in that folder
        return _opened(search)
    _is_settled(search)
    opened = _opened(search)
    _settle(search)
    return opened


def _opened(search: Search) -> "tuple[optuna.Study, Engine]":
    import optuna
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = address(search)
    waits = _WAITS.get(url.get_backend_name(), {})
    for left in reversed(range(_ATTEMPTS)):
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
            if not left:
                raise unanswered(search, error) from error
            time.sleep(1)  # another process may be making the tables just now
    raise AssertionError


def unanswered(search: Search, error: Exception) -> MaskgateError:
    """The fault of a database that cannot be used."""
    if isinstance(error, ImportError):
        return MaskgateError(
            f"{address(search)}: the driver of that database is missing;"
            f" {extras.install('search')} has PostgreSQL's, that of another is installed by its own"
            " name"
        )
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()
    return MaskgateError(
        f"{address(search)}: the study's database cannot be used ({cause[0] if cause else error});"
        " see that it runs and that --storage names it rightly, then repeat the command"
    )


def address(search: Search) -> "URL":
    """Where the study is kept; shown without its password. Raises MaskgateError."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    if search.storage is None:
        return make_url(f"sqlite:///{search.folder / DATABASE}")
    try:
        url = make_url(search.storage)
        kind = url.get_backend_name()
    except SQLAlchemyError as error:
        raise MaskgateError(
            "--storage is no URL of a database; write it as postgresql://USER:PASSWORD@HOST/NAME"
        ) from error
    if kind in ("postgres", "postgresql") and "+" not in url.drivername:
        return url.set(drivername="postgresql+psycopg")
    return url


def _is_settled(search: Search) -> bool:
    """Whether the study's folder is there. Raises MaskgateError where it holds another's."""
    path, folder = search.folder / MANIFEST, search.folder
    files.check_folder(folder)
    if path.exists():
        before = stored.parse(contents.read(path, None, _REMEDY), Manifest, path, _REMEDY)
        if before.study != search.name:
            raise MaskgateError(
                f"{folder}: holds the study {before.study}, and this one is {search.name}: the"
                " recipe, the space, the data or the seed differs; give another --out"
            )
        if before.storage != _shown(search):
            kept = before.storage or f"{DATABASE} in that folder, without --storage"
            raise MaskgateError(
                f"{folder}: its study is kept in {kept}; go on with it there, or give another --out"
            )
        return True
    if folder.is_dir() and not all(map(files.is_left, folder.iterdir())):
        raise MaskgateError(f"{folder}: not empty and no study; give another --out")
    return False


def _settle(search: Search) -> None:
    """Make the study's folder. Raises MaskgateError where it holds another's."""
    if _is_settled(search):
        return
    search.folder.mkdir(parents=True, exist_ok=True)
    manifest = {"study": search.name, "storage": _shown(search)}
    stored.write(search.folder / MANIFEST, Manifest, manifest)


def _shown(search: Search) -> str | None:
    """The database's URL without its password, None for the file in the study's folder."""
    return None if search.storage is None else str(address(search))


# -------------------------------------------------------------------------- the next trial


def next_trial(study: "optuna.Study", search: Search, claims: "Claims") -> "Trial | None":
    """A trial that nobody works at, claimed: one that was cut off, or else a new one.

    None where there is none, or another process is asking just now.
    """
    from optuna.trial import Trial

    claims.bury_the_dead()
    if not claims.take(_ASKING):
        return None
    try:
        trials = study.get_trials(deepcopy=False)
        for left in trials:
            if not left.state.is_finished() and claims.take(left.number):
                if not _again(study, left).state.is_finished():  # it may have ended just now
                    study.sampler = sampler(search.seed, left.number)
                    trial = Trial(study, left._trial_id)
                    search.space.suggest(trial)  # what was not drawn before the cut
                    return trial
                claims.free(left.number)
        if len(trials) >= search.trials:
            return None
        study.sampler = sampler(search.seed, len(trials))
        trial = study.ask()
        claims.take(trial.number)
        search.space.suggest(trial)
        return trial
    finally:
        claims.free(_ASKING)


def _again(study: "optuna.Study", trial: "FrozenTrial") -> "FrozenTrial":
    return study.get_trials(deepcopy=False)[trial.number]


def sampler(seed: int, number: int) -> Any:
    """The tree-structured Parzen estimator of one trial (Bergstra et al. 2011; multivariate, and
    shy of what others try just now). The first ten trials are drawn at random.

    Made anew for each trial: a search that was cut off draws what it would have drawn.
    """
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=derive(seed, "trial", number) % 2**32)


def pruner(search: Search) -> Any:
    """Ends a trial whose best score so far is under the median of the complete ones' at its epoch.

    The median rule (Golovin et al. 2017) suits tens of trials; successive halving keeps one in
    four, which takes hundreds. A quarter of the epochs is waited for: before, the scores tell how
    fast a learning rate is, not how far it gets. Where the number of epochs itself is searched, no
    trial is ended: a long one, whose learning rate is still high, would be held against the ends
    of short ones.
    """
    import optuna

    if any(overlap(each.key, "training.epochs") for each in search.space.parameters):
        return optuna.pruners.NopPruner()
    epochs = search.load([]).training.epochs
    return optuna.pruners.MedianPruner(search.prune_after, math.ceil(epochs / 4))
