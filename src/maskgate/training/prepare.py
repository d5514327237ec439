"""Gets the photos ready to train on: read, checked, decoded and split."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import runs
from maskgate.alike import Validated
from maskgate.data import checks, corrections, folds, layouts, people, training_table
from maskgate.data.column_values import NEVER
from maskgate.data.table import Photos
from maskgate.data.training_table import Told
from maskgate.errors import MaskgateError
from maskgate.faces import boxes, view
from maskgate.faces.view import View
from maskgate.images import cache
from maskgate.images.twins import twins_of, with_more
from maskgate.recipe import DataSet, Recipe
from maskgate.training import unlabelled
from maskgate.training.order import Order

SMOKE_PHOTOS = 64
_SMOKE_PHOTOS_A_PERSON = 7


@dataclass(frozen=True)
class Prepared:
    """The photos ready to train on.

    `photos` are those of the command line (P rows), labelled with the truth that scores are taken
    against; `cluster` and `fold` (P,) are of their people. `taught` is the table that training is
    told (N rows): the same photos first, in the same order, then those of further data sets, then
    those without labels; of these only `pseudo` tells a fold what to train on. `store`,
    `twins` and `left_out` (N,) go by its rows.
    """

    photos: Photos
    taught: pd.DataFrame
    store: cache.PhotoStore
    twins: folds.Twins
    cluster: npt.NDArray[np.int64]
    fold: npt.NDArray[np.int64]
    left_out: npt.NDArray[np.bool_]  # of training, for their age or without labels
    labels: Told
    warnings: list[str]
    faces: pd.DataFrame | None = None  # of `photos`, a row each, where faces are cropped
    unlabelled: int = 0  # photos without labels: the last rows of `taught`, left out by themselves
    unlabelled_root: Path = Path()  # the folder that these are in
    folder: Path = Path()  # the cache's

    @property
    def digest(self) -> str:
        """Of truth and training table, the photos' contents, the folds and the corrections."""
        tables = [table.to_csv(index=False) for table in (self.photos.table, self.taught)]
        told = json.dumps([*tables, self.store.digests, self.labels.truth, self.labels.sha256])
        arrays = self.fold.tobytes() + self.left_out.tobytes()
        return hashlib.sha256(told.encode() + arrays).hexdigest()

    @property
    def folds(self) -> list[int]:
        """The folds to train: those validated on, or a single one without validation."""
        return sorted({int(fold) for fold in self.fold} - {NEVER}) or [0]

    @property
    def labelled(self) -> int:
        """How many photos, the first rows of `taught`, have labels of their own."""
        return len(self.taught) - self.unlabelled

    @property
    def left_out_for_age(self) -> int:
        return int(self.left_out[: self.labelled].sum())

    def table(self) -> pd.DataFrame:
        """The rows of `photos` with `cluster`, `fold`, `digest`, and what faces were found."""
        table = self.photos.table.assign(
            cluster=self.cluster,
            fold=self.fold,
            digest=self.store.digests[: len(self.fold)],
        )
        return table if self.faces is None else table.join(self.faces)

    def validated(self, name: str) -> Validated:
        """What the scores of a run by that name would be taken on."""
        return Validated(name, self.table(), self.labels.truth)

    def split(self, number: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows of `taught` to train a fold on, and rows of `photos` to validate it on.

        Further photos of whoever shares a photo with somebody validated are not trained on.
        """
        validated = np.flatnonzero(self.fold == number)
        return np.flatnonzero(~(self.barred(number) | self.left_out)), validated

    def barred(self, number: int) -> npt.NDArray[np.bool_]:
        """Which rows of `taught` show people whom a fold validates, or share a shot with them."""
        count = len(self.fold)
        validated = self.fold == number
        others = self.twins.cluster[count:]
        leaks = np.isin(others, self.twins.cluster[:count][validated])
        return np.concatenate([validated, leaks])

    def digests_of_people(self, rows: npt.NDArray[np.int64]) -> set[str]:
        """Contents of all photos of the clusters of people that `rows` belong to."""
        theirs = np.isin(self.twins.cluster, self.twins.cluster[rows])
        return {self.store.digests[row] for row in np.flatnonzero(theirs)}

    def more(self) -> pd.DataFrame:
        """The rows of further data sets, with `digest`, `cluster`, and `not_in`: the folds whose
        training they are kept out of."""
        rows = np.arange(len(self.fold), self.labelled)
        trained = {number: set(self.split(number)[0].tolist()) for number in self.folds}
        kept_out = [[n for n in self.folds if row not in trained[n]] for row in rows.tolist()]
        return self.taught.iloc[rows].assign(
            digest=[self.store.digests[row] for row in rows],
            cluster=self.twins.cluster[rows],
            not_in=pd.Series(kept_out, index=rows, dtype=object),
        )


def prepare(recipe: Recipe, order: Order) -> Prepared:
    """Read, check, decode and split the data. Raises MaskgateError that tells all faults."""
    wanted = recipe.labels
    fixes = None
    if wanted.corrections is not None:
        fixes = corrections.read(corrections.find(wanted.corrections))
    # All tables are read before any photo is: what is missing is told at once.
    read = _read(order.data, order)
    further = [(data, _read(path, order)) for data, path in _paths(recipe.data, order)]
    bare = _unlabelled(recipe, order)
    seen = view.create(recipe.photo, order.folder)
    photos, store, faces = _decoded(read, order.data, seen, order)
    told = training_table.told(read, photos, fixes, wanted)
    further += bare
    ready = [(data, *_decoded(more, Path(data.path), seen, order)) for data, more in further]

    folder = order.folder
    own = twins_of(photos, store, folder)
    # By the labels as read: neither corrections nor further photos change who is validated when.
    fold = _folds(recipe, order, photos, own)
    more = [(data, each.table) for data, each, _, _ in ready]
    training = training_table.build(told.training, more, wanted)
    store = cache.joined([store, *(each for _, _, each, _ in ready)])
    twins = with_more(own, Photos(photos.root, training.table), store, folder)
    doubts = [*people.apart(photos), *photos.problems, *people.doubtful(photos)]
    warnings = checks.summary([*doubts, *told.problems])
    for data, each, _, _ in ready:
        doubts = [*each.problems, *people.doubtful(each)]
        warnings += [f"{line} in {data.path}" for line in checks.summary(doubts)]
    warnings += _namesakes(training.table)
    unlabelled = len(ready[-1][1].table) if bare else 0
    left_out = training.left_out | (np.arange(len(store)) >= len(store) - unlabelled)
    return Prepared(
        replace(photos, table=told.true),
        training.table,
        store,
        twins,
        own.cluster,
        fold,
        left_out,
        told,
        warnings,
        faces,
        unlabelled,
        ready[-1][1].root if bare else Path(),
        folder,
    )


def _namesakes(table: pd.DataFrame) -> list[str]:
    """A sentence for each further data set with people of the same names."""
    further = table.iloc[training_table.namesakes(table)[:, 1]]
    return [
        f"{len(people)} people of {data} have names of people here (first: {people.iloc[0]}): each"
        " is taken for the same person, and not trained on where that one is validated"
        for data, people in further.groupby("data", sort=False)["person"]
    ]


def _paths(sets: tuple[DataSet, ...], order: Order) -> list[tuple[DataSet, Path]]:
    """The recipe's further data sets and where they lie, each once and all there."""
    known = {order.data.resolve()}
    for data in sets:
        path = Path(data.path)
        if not path.exists():
            raise MaskgateError(
                f"{path}: no such file or folder, but the recipe's data names it; mend the path,"
                f" which is relative to the working folder {Path.cwd()}"
            )
        if path.resolve() in known:
            raise MaskgateError(
                f"{path}: the recipe's data names it, and it is trained on already; remove one of"
                " the two, or raise its weight"
            )
        known.add(path.resolve())
    return [(data, Path(data.path)) for data in sets]


def _unlabelled(recipe: Recipe, order: Order) -> list[tuple[DataSet, Photos]]:
    """The photos without labels as a further data set, if the recipe asks for some."""
    if recipe.pseudo is None:
        return []
    photos = unlabelled.read(Path(recipe.pseudo.photos))
    known = [order.data, *(Path(data.path) for data in recipe.data)]
    same = [path for path in known if path.resolve() == photos.root.resolve()]
    if same:
        raise MaskgateError(
            f"{same[0]}: pseudo.photos names it, and it is trained on already with its own labels;"
            " give photos without labels"
        )
    return [(DataSet(path=recipe.pseudo.photos, weight=recipe.pseudo.weight), photos)]


def _read(data: Path, order: Order) -> Photos:
    photos = layouts.read(data)
    checks.refuse(photos.problems, data, order.skip_faulty)
    return photos


def _decoded(
    photos: Photos, data: Path, seen: View, order: Order
) -> tuple[Photos, cache.PhotoStore, pd.DataFrame | None]:
    """The photos that can be used, a few of them for a smoke test, their store and faces."""
    if order.smoke:
        photos = photos.take(_few(photos.table))
    found = None
    if seen.detector is not None:
        found, _, _ = boxes.find(photos, seen.detector, order.folder)
    store, broken = cache.build(photos, seen, order.folder, found)
    checks.refuse(broken, data, order.skip_faulty)
    photos = photos.without(broken)
    if not len(photos.table):
        raise MaskgateError(
            f"{data}: holds no photo that can be used; add some, or give other data"
        )
    faces = None if found is None else found.table([bytes.fromhex(d) for d in store.digests])
    return photos, store, faces


def _folds(
    recipe: Recipe, order: Order, photos: Photos, twins: folds.Twins
) -> npt.NDArray[np.int64]:
    wanted = recipe.folds
    if wanted.file is None:
        return folds.split(
            photos, twins.cluster, wanted.kind, wanted.count, wanted.fraction, wanted.seed
        )
    runs.verify(Path(wanted.file))
    fold = folds.read(Path(wanted.file), photos, twins.cluster)
    validates = bool((fold != NEVER).any())
    if validates != (wanted.kind != "all") and not order.smoke:
        does = "validates people" if validates else "validates nobody"
        raise MaskgateError(
            f"{wanted.file}: {does}, which contradicts folds.kind={wanted.kind}; change one"
        )
    return fold


def _few(table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Rows of at most SMOKE_PHOTOS photos, of people from every gender × age band in turn."""
    people = table.drop_duplicates("person")
    turn = people.groupby(["gender", "age_band"]).cumcount()
    chosen: list[int] = []
    by_person = table.groupby("person").indices
    for person in people.assign(turn=turn).sort_values("turn", kind="stable")["person"]:
        chosen += list(by_person[person])[:_SMOKE_PHOTOS_A_PERSON]
    return np.sort(np.array(chosen[:SMOKE_PHOTOS], dtype=np.int64))
