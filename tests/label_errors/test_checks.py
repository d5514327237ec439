"""Planted errors in drawn labels are the most suspicious ones."""

import numpy as np
import pytest

from maskgate import labels
from maskgate.label_errors import checks, same_people, swaps
from maskgate.label_errors.checks import Check
from maskgate.label_errors.evidence import Evidence
from tests.label_errors.drawn_evidence import drawn, relabelled, rows_of

WRONG = [3, 50, 120, 200]
NO_PAIRS = np.zeros((0, 2), dtype=np.int64)


def worst(check: Check | None, count: int = len(WRONG)) -> set[str]:
    assert check is not None
    order = np.argsort(-check.estimate.probability)[:count]
    return set(check.table["person"].iloc[order])


def test_wrong_genders_come_first() -> None:
    table, run = drawn()
    changed = rows_of(table, WRONG)
    table = relabelled(table, gender=np.where(changed, 1 - table["gender"], table["gender"]))
    check = checks.gender(table, [run], NO_PAIRS)
    assert worst(check) == {f"{one:03d}" for one in WRONG}
    assert check.estimate.share == pytest.approx(len(WRONG) / 240, abs=0.01)
    *_, right, least, _, _, _ = np.sort(check.estimate.probability)
    assert right < 0.05 < 0.1 < least


def test_ages_far_off_come_first_and_those_near_a_bound_do_not() -> None:
    table, run = drawn()
    true = table["age"].to_numpy()
    age = np.where(rows_of(table, WRONG), np.where(true < 50, true + 35, true - 35), true)
    check = checks.age_band(relabelled(table, age=age), [run], NO_PAIRS)
    assert worst(check) == {f"{one:03d}" for one in WRONG}
    off = np.abs(check.table["predicted_age"] - true[::7])
    assert off.mean() < 6, "of the photos, not of the wrong labels"


def test_bands_without_years_are_checked_too() -> None:
    table, run = drawn()
    band = table["age_band"].to_numpy()
    young = sorted(set(table.loc[table["age"] < 25, "person"]))[:4]
    changed = np.where(table["person"].isin(young), 2, band).astype(np.int8)
    table = table.assign(age=np.nan, age_band=changed)
    check = checks.age_band(table, [run], NO_PAIRS)
    assert worst(check) == set(young)
    assert check.table["predicted_age"].isna().all()


def test_swapped_photos_come_first() -> None:
    table, run = drawn()
    rows = swaps.pairs_of(table)
    assert len(rows) == 240
    probabilities = run.probabilities["mask"].copy()
    for pair in rows[WRONG]:
        probabilities[pair] = probabilities[pair[::-1]]
    run = Evidence(run.name, {**run.probabilities, "mask": probabilities}, run.ages)
    check = swaps.swapped(table, [run])
    assert worst(check) == {f"{one:03d}" for one in WRONG}
    assert (check.table["predicted"].to_numpy()[WRONG] == swaps.SWAPPED).all()
    assert checks.mask(table, [run]) is not None


def test_a_photo_each_is_enough() -> None:
    table, run = drawn(people=200, stems=("normal",))
    changed = rows_of(table, WRONG)
    table = relabelled(table, gender=np.where(changed, 1 - table["gender"], table["gender"]))
    assert swaps.swapped(table, [run]) is None
    assert checks.mask(table, [run]) is None, "all masks are the same"
    assert len(worst(checks.gender(table, [run], NO_PAIRS), 8) & {"003", "050", "120"}) >= 2


def test_unknown_labels_are_left_out_and_few_are_not_checked() -> None:
    table, run = drawn(people=60)
    gender = np.where(table["person"] < "030", labels.UNKNOWN, table["gender"])
    check = checks.gender(table.assign(gender=gender), [run], NO_PAIRS)
    assert check.table["person"].min() == "030"
    assert (check.group[: 30 * 7] == -1).all()
    few = np.where(table["person"] < "045", labels.UNKNOWN, table["gender"])
    assert checks.gender(table.assign(gender=few), [run], NO_PAIRS) is None
    assert checks.gender(table, [Evidence("", {}, run.ages)], NO_PAIRS) is None


def test_an_opinion_about_some_people_joins() -> None:
    table, run = drawn(seed=3)
    weak = Evidence("weak", {"gender": 0.5 + 0.1 * (run.probabilities["gender"] - 0.5)}, run.ages)
    changed = rows_of(table, WRONG)
    table = relabelled(table, gender=np.where(changed, 1 - table["gender"], table["gender"]))
    known = run.probabilities["gender"].copy()
    known[~rows_of(table, [*range(0, 240, 2), *WRONG])] = np.nan
    opinion = Evidence("opinion", {"gender": known}, np.full(len(table), np.nan))
    assert worst(checks.gender(table, [weak, opinion], NO_PAIRS)) == {f"{w:03d}" for w in WRONG}


def test_near_duplicates_who_disagree_are_more_suspicious() -> None:
    table, run = drawn()
    first, second = np.flatnonzero(rows_of(table, [10]))[0], np.flatnonzero(rows_of(table, [20]))[0]
    gender = np.where(rows_of(table, [10]), 0, np.where(rows_of(table, [20]), 1, table["gender"]))
    table = table.assign(gender=gender)
    alone = checks.gender(table, [run], NO_PAIRS)
    joined = checks.gender(table, [run], np.array([[first, second]]))
    for one in (10, 20):
        assert joined.estimate.probability[one] >= alone.estimate.probability[one]
    assert (joined.conflicts[10], joined.conflicts[20]) == (["020"], ["010"])


def test_the_more_pairs_disagree_the_less_it_means() -> None:
    pairs = np.arange(40).reshape(20, 2)
    few, many = np.arange(20) < 1, np.arange(20) < 15
    for differs in (few, many):
        ratio, changed = same_people.ratios(pairs, differs, 50)
        share = (differs.sum() + 1) / 40
        weight = max(0, np.log((1 - share) / share))
        assert ratio[:40] == pytest.approx(np.repeat(differs, 2) * weight)
        assert changed[:40] == pytest.approx(np.repeat(~differs, 2) * weight)
        assert not ratio[40:].any()
        assert not changed[40:].any()
