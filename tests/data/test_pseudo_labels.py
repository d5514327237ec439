"""Thresholds, partial labels and caps, told a second time photo by photo."""

import itertools

import numpy as np
import pytest

from maskgate import labels
from maskgate.config.recipe import Pseudo
from maskgate.data.column_values import BARRED, CAPPED, TRAINED, UNSURE
from maskgate.data.pseudo_labels import choose

NAMES = [f"{number:03}.jpg" for number in range(400)]


def settings(**changes: object) -> Pseudo:
    return Pseudo.model_validate({"photos": "photos", "run": "run"} | changes)


def drawn(seed: int = 0) -> np.ndarray:
    """Probabilities (400, 18), from sure of everything to sure of nothing."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(400, 18)) * random.uniform(0, 6, size=(400, 1))
    parts = np.exp(logits - logits.max(1, keepdims=True))
    return (parts / parts.sum(1, keepdims=True)).astype(np.float32)


def naive(row: np.ndarray, least: dict[str, float]) -> tuple[list[int], float]:
    """The codes of a photo and how sure they are, from the 18 classes one by one."""
    classes = list(itertools.product(range(3), range(2), range(3)))
    codes = []
    for place, name in enumerate(("mask", "gender", "age_band")):
        sums: dict[int, float] = {}
        for values, probability in zip(classes, row, strict=True):
            sums[values[place]] = sums.get(values[place], 0.0) + float(probability)
        value = max(sums, key=lambda each: sums[each])
        codes.append(value if sums[value] >= least[name] else -1)
    right = [
        float(probability)
        for values, probability in zip(classes, row, strict=True)
        if all(code in (-1, value) for code, value in zip(codes, values, strict=True))
    ]
    return codes, sum(right)


@pytest.mark.parametrize("cap", [None, 1, 7])
def test_labels_are_those_of_the_naive_rule(cap: int | None) -> None:
    least = {"mask": 0.8, "gender": 0.9, "age_band": 0.7}
    probabilities, barred = drawn(), np.arange(400) % 9 == 0
    chosen = choose(probabilities, NAMES, barred, settings(thresholds=least, cap=cap))
    groups: dict[tuple[int, ...], list[tuple[float, str]]] = {}
    kinds = set()
    for number, row in enumerate(chosen.itertuples()):
        codes, sure = naive(probabilities[number], least)
        assert [row.mask, row.gender, row.age_band] == codes
        assert row.sure == pytest.approx(min(sure, 1), abs=1e-6)
        known = sum(code != labels.UNKNOWN for code in codes)
        kinds.add(known)
        m, g, a = codes
        assert row.label == (m * 6 + g * 3 + a if known == 3 else labels.UNKNOWN)
        if barred[number]:
            assert row.use == BARRED
        elif not known:
            assert row.use == UNSURE
        else:
            groups.setdefault(tuple(codes), []).append(
                (-chosen["sure"].iloc[number], chosen["photo"].iloc[number])
            )
    assert kinds == {0, 1, 2, 3}, "the photos drawn do not show every case"
    for members in groups.values():
        kept = {name for _, name in sorted(members)[: cap or len(members)]}
        for _, name in members:
            assert chosen["use"].iloc[int(name[:3])] == (TRAINED if name in kept else CAPPED)


def test_a_threshold_counts_itself() -> None:
    row = np.zeros((1, 18), dtype=np.float32)
    row[0, [0, 6]] = 0.75, 0.25  # mask 0 or 1; gender 0, age band 0
    for least, code in ((0.75, 0), (0.7500001, -1)):
        chosen = choose(row, ["a"], np.zeros(1, bool), settings(thresholds={"mask": least}))
        assert chosen["mask"][0] == code


def test_what_a_model_does_not_know_stays_unknown() -> None:
    """Its marginals are even, and a low threshold would take them for an answer."""
    least = {"mask": 0.3, "gender": 0.3, "age_band": 0.3}
    chosen = choose(drawn(), NAMES, np.zeros(400, bool), settings(thresholds=least), ["gender"])
    assert (chosen[["mask", "age_band", "label"]] == labels.UNKNOWN).all(axis=None)
    assert (chosen["gender"] != labels.UNKNOWN).all()


def test_ties_at_the_cap_are_broken_by_name_whatever_the_order() -> None:
    row = np.full(18, 0.0, dtype=np.float32)
    row[4] = 1
    for order in (slice(None), slice(None, None, -1)):
        names = NAMES[:6][order]
        chosen = choose(np.tile(row, (6, 1)), names, np.zeros(6, bool), settings(cap=2))
        assert set(chosen.loc[chosen["use"] == TRAINED, "photo"]) == set(NAMES[:2])


def test_a_photo_that_may_not_be_used_takes_nobody_s_place_under_the_cap() -> None:
    probabilities, nobody = np.repeat(drawn()[:1], 3, axis=0), np.array([True, False, False])
    probabilities[0] = np.eye(18)[probabilities[0].argmax()]  # the surest of all
    least = dict.fromkeys(labels.ATTRIBUTES, 0.01)
    chosen = choose(probabilities, ["a", "b", "c"], nobody, settings(cap=2, thresholds=least))
    assert chosen["use"].tolist() == [BARRED, TRAINED, TRAINED]
