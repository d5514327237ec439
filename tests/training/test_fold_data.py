"""Which rows a fold trains on, and which never."""

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.data.column_values import (
    AGE,
    BARRED,
    CAPPED,
    DROPPED,
    EXTRA,
    NEVER,
    NO_LABELS,
    PRIMARY,
    TRAINED,
    UNLABELLED,
    UNSURE,
    VALIDATED,
)
from maskgate.training import fold_data

SOURCES = [PRIMARY] * 60 + [EXTRA] * 40 + [UNLABELLED] * 20


@pytest.fixture
def table() -> pd.DataFrame:
    """A training table with sources in its order; some clusters hold photos of all of them."""
    random = np.random.default_rng(5)
    source = np.array(SOURCES)
    cluster = random.integers(0, 30, len(source))
    fold = np.where(source == PRIMARY, random.integers(-1, 3, len(source)), NEVER)
    left_out = random.choice([AGE, DROPPED, ""], len(source), p=[0.2, 0.1, 0.7])
    codes = {name: random.integers(0, 2, len(source)) for name in (*labels.ATTRIBUTES, "label")}
    return pd.DataFrame(
        {
            **{name: column.astype(np.int8) for name, column in codes.items()},
            "source": source,
            "cluster": cluster,
            "fold": fold,
            "digest": [f"{row}" for row in range(len(source))],
            "left_out": np.where(source == UNLABELLED, NO_LABELS, left_out),
        }
    )


def truth_of(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["source"] == PRIMARY].assign(label=17)


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_rows_are_derived_one_by_one(fold: int, table: pd.DataFrame) -> None:
    data = fold_data.of_fold(fold, table, truth_of(table))
    people = {row.cluster for row in table.itertuples() if row.fold == fold}
    train, validation, afterwards, contents = [], [], [], set()
    for number, row in enumerate(table.itertuples()):
        is_validated = row.fold == fold
        is_barred = row.source != PRIMARY and row.cluster in people
        if is_validated:
            validation.append(number)
        if is_validated and not row.left_out:
            afterwards.append(number)
        if not (is_validated or is_barred or row.left_out):
            train.append(number)
        if row.cluster in people:
            contents.add(row.digest)
    assert data.fold == fold
    assert data.train.tolist() == train
    assert data.validation.tolist() == validation
    assert data.afterwards.tolist() == afterwards
    assert data.contents_of_people == contents
    assert data.truth.index.tolist() == validation
    assert data.truth["label"].eq(17).all()


def test_every_row_that_is_not_trained_on_says_why(table: pd.DataFrame) -> None:
    before = table.copy()
    data = fold_data.of_fold(1, table, truth_of(table))
    pd.testing.assert_frame_equal(table, before)
    pd.testing.assert_frame_equal(
        data.table.drop(columns="left_out"), table.drop(columns="left_out")
    )
    left_out = data.table["left_out"]
    assert set(left_out) == {"", AGE, DROPPED, VALIDATED, BARRED, NO_LABELS}
    np.testing.assert_array_equal(np.flatnonzero(left_out == ""), data.train)
    for reason in (AGE, DROPPED):
        assert (left_out[table["left_out"] == reason] == reason).all()
    assert (table["source"][left_out == BARRED] != PRIMARY).all()


def test_pseudo_labels_of_use_are_trained_on(table: pd.DataFrame) -> None:
    data = fold_data.of_fold(1, table, truth_of(table))
    is_unlabelled = (table["source"] == UNLABELLED).to_numpy()
    barred = (data.table["left_out"][is_unlabelled] == BARRED).to_numpy()
    assert 0 < barred.sum() < 20
    use = np.where(barred, BARRED, np.resize([TRAINED, UNSURE, CAPPED], 20))
    codes = {name: np.ones(20, dtype=np.int8) for name in (*labels.ATTRIBUTES, "label")}
    labelled = fold_data.with_pseudo_labels(data, pd.DataFrame({**codes, "use": use}))
    used = np.flatnonzero(is_unlabelled)[use == TRAINED]
    assert labelled.train.tolist() == [*data.train, *used]
    for name in codes:
        column = labelled.table[name]
        assert column.dtype == np.int8
        assert (column[used] == 1).all()
        assert (column[is_unlabelled].drop(used) == labels.UNKNOWN).all()
        pd.testing.assert_series_equal(column[~is_unlabelled], table[name][~is_unlabelled])
    np.testing.assert_array_equal(labelled.validation, data.validation)
    np.testing.assert_array_equal(labelled.afterwards, data.afterwards)
    assert data.table["left_out"][is_unlabelled].isin([NO_LABELS, BARRED]).all()
    pd.testing.assert_frame_equal(labelled.truth, data.truth)


def test_where_nobody_is_validated_all_are_trained_on(table: pd.DataFrame) -> None:
    table["fold"] = NEVER
    data = fold_data.of_fold(0, table, truth_of(table))
    np.testing.assert_array_equal(data.train, np.flatnonzero(table["left_out"] == ""))
    assert len(data.validation) == len(data.afterwards) == len(data.truth) == 0
    assert data.contents_of_people == set()
