"""Numbers with intervals, and the sentences about them."""

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.core.confusions import confusion, macro_f1
from maskgate.data import table as photo_table
from maskgate.explain import measures
from maskgate.explain.measures import COVERED, SCENERY, SURROUNDINGS, Sensitivity

COUNT = 240
RANDOM = np.random.default_rng(0)


def photos() -> pd.DataFrame:
    """Three photos, one with each state of the mask, of 80 people."""
    rows = np.arange(COUNT)
    person = [f"p{row // 3}" for row in rows]
    return photo_table.build(
        map(str, rows), person, rows % 3, rows // 3 % 2, np.full(COUNT, np.nan), rows // 6 % 3
    )


def answers(attribute: str, wrong: float) -> np.ndarray:
    """Predictions of which a share is wrong."""
    truth = photos()[attribute].to_numpy()
    size = len(labels.ATTRIBUTES[attribute])
    return np.where(np.random.default_rng(1).random(COUNT) < wrong, (truth + 1) % size, truth)


def measured(attribute: str, wrong: float, **changed: float) -> Sensitivity:
    """The sensitivity if a change makes such a share of the answers wrong."""
    names = {"covered": COVERED, "surroundings": SURROUNDINGS, "scenery": SCENERY}
    every = np.ones(COUNT, dtype=bool)
    result = measures.sensitivity(
        photos(),
        attribute,
        answers(attribute, wrong),
        {names[key]: (every, answers(attribute, share)) for key, share in changed.items()},
    )
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("attribute", "changed", "sentence", "suspicious"),
    [
        ("gender", {"covered": 0.5, "surroundings": 0.06, "scenery": 0.05},
         "gender: looks at the face: the score falls by", False),
        ("gender", {"covered": 0.5, "surroundings": 0.25, "scenery": 0.05},
         "gender: looks at the face, and also at what is around the face: the score", False),
        ("gender", {"covered": 0.5, "surroundings": 0.25, "scenery": 0.2},
         "gender: looks at the face, and also at the scenery: the score", True),
        ("gender", {"covered": 0.06, "surroundings": 0.7, "scenery": 0.7},
         "gender: looks at the scenery: the score hardly falls", True),
        ("gender", {"covered": 0.2, "surroundings": 0.6, "scenery": 0.06},
         "gender: looks at what is around the face: the score falls by", False),
        ("mask", {"covered": 0.2, "surroundings": 0.6},
         "mask: looks at what is around the face: the score falls by", True),
        ("gender", {"covered": 0.3, "surroundings": 0.3}, "gender: undecided: the score", False),
        ("gender", {"covered": 0.02}, "gender: undecided: the score hardly falls (-0.0", False),
        ("gender", {}, "gender: undecided, as faces were found of too few people.", False),
    ],
)  # fmt: skip
def test_the_sentence_concludes(
    attribute: str, changed: dict[str, float], sentence: str, suspicious: bool
) -> None:
    result = measured(attribute, 0.05, **changed)
    assert result.sentence.startswith(sentence)
    assert result.suspicious == suspicious
    assert ("shows no scenery" in result.sentence) == (bool(changed) and "scenery" not in changed)


def test_of_a_score_by_chance_nothing_is_said() -> None:
    sentence = "gender: undecided, as the score is not above that of chance."
    assert measured("gender", 0.6, covered=0.6).sentence == sentence


def test_scores_and_drops_equal_those_of_the_confusions() -> None:
    result = measured("age_band", 0.1, covered=0.4, scenery=0.2)
    truth = photos()["age_band"].to_numpy()
    unchanged = macro_f1(confusion(truth, answers("age_band", 0.1), 3))
    covered = macro_f1(confusion(truth, answers("age_band", 0.4), 3))
    assert result.score.value == pytest.approx(unchanged)
    assert result.changes[COVERED].score.value == pytest.approx(covered)
    drop = result.changes[COVERED].drop
    assert drop.value == pytest.approx(unchanged - covered)
    assert drop.low < drop.value < drop.high


def test_answers_by_chance_have_a_macro_f1_of_one_over_the_values() -> None:
    random = np.random.default_rng(0)
    truth, guess = (random.choice(3, 200_000, p=[0.7, 0.2, 0.1]) for _ in range(2))
    assert macro_f1(confusion(truth, guess, 3)) == pytest.approx(1 / 3, abs=0.005)
    assert measured("age_band", 0.1).chance == 1 / 3


def test_only_labelled_photos_of_enough_people_count() -> None:
    table = photos()
    predicted = answers("gender", 0.1)
    few = table.assign(gender=np.where(np.arange(COUNT) < 27, table["gender"], labels.UNKNOWN))
    assert measures.sensitivity(few, "gender", predicted, {}) is None
    possible = np.arange(COUNT) < 27
    result = measures.sensitivity(table, "gender", predicted, {COVERED: (possible, predicted)})
    assert result is not None and not result.changes


def test_shares_are_means_with_quotients() -> None:
    table = photos()
    heat = {"face": RANDOM.uniform(0.3, 0.9, COUNT), "scenery": RANDOM.uniform(0, 0.2, COUNT)}
    heat["face"][::7] = np.nan  # maps without heat
    area = {"face": np.full(COUNT, 0.4), "scenery": np.full(COUNT, 0.004)}
    right = np.arange(COUNT) % 5 > 0
    rows = measures.region_shares(table, "mask", right, heat=heat, area=area)
    assert [(each.answers, each.region) for each in rows] == [("right", "face"), ("wrong", "face")]
    for each, chosen in zip(rows, (right, ~right), strict=True):
        values = heat["face"][chosen & np.isfinite(heat["face"])]
        assert each.photos == len(values)
        assert each.heat is not None and each.quotient is not None
        assert each.heat.value == pytest.approx(values.mean())
        assert each.quotient.value == pytest.approx(values.mean() / 0.4)
        assert each.quotient.low < each.quotient.value < each.quotient.high


def test_of_few_people_there_is_no_interval() -> None:
    few = np.arange(COUNT) >= 27
    shares = {"face": np.full(COUNT, 0.5)}
    _, wrong = measures.region_shares(photos(), "mask", few, heat=shares, area=shares)
    assert (wrong.people, wrong.heat, wrong.quotient) == (9, None, None)
