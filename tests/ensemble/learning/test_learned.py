"""What is learned of out-of-fold probabilities: weights, stacking, offsets, S3's rule."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from maskgate import labels
from maskgate.config.settings import Component
from maskgate.core import confusions
from maskgate.data import table as photo_table
from maskgate.ensemble.combining import LEARNED, EnsembleSpec
from maskgate.ensemble.learning import combinations, groups, near_tie, offsets, stacking, weights
from maskgate.ensemble.stacking import stacking as apply_stacking
from maskgate.ensemble.votes import MemberProbabilities, product
from maskgate.ensemble.weights import weights as apply_weights
from maskgate.errors import MaskgateError

ALL = tuple(labels.ATTRIBUTES)
COMMON = {"mask": [1 / 3] * 3, "gender": [0.4, 0.6], "age_band": [0.5, 0.42, 0.08]}


def spec(combine: str, *adjust: str) -> EnsembleSpec:
    return EnsembleSpec(Component(name=combine), tuple(Component(name=name) for name in adjust))


def drawn(seed: int, people: int = 300, folds: int = 5) -> pd.DataFrame:
    """A photo table with folds and clusters: two photos a person, of one gender and age band."""
    random = np.random.default_rng(seed)
    gender, band = (
        np.repeat(random.choice(len(COMMON[name]), people, p=COMMON[name]), 2).astype(np.int8)
        for name in ("gender", "age_band")
    )
    mask = random.integers(0, 3, len(band)).astype(np.int8)
    age = np.array([20.0, 40.0, 65.0])[band]
    names = [f"{row}.jpg" for row in range(2 * people)]
    person = np.repeat([f"p{number}" for number in range(people)], 2)
    table = photo_table.build(names, person, mask, gender, age)
    cluster = np.repeat(np.arange(people), 2)
    return table.assign(cluster=cluster, fold=cluster % folds)


def guess(table: pd.DataFrame, seed: int, skill: float) -> np.ndarray:
    """Probabilities of a model that sees the truth through noise; without skill it sees nothing."""
    random = np.random.default_rng(seed)
    parts = {}
    for name, values in labels.ATTRIBUTES.items():
        logits = random.normal(0, 1, (len(table), len(values)))
        logits[np.arange(len(table)), table[name]] += skill
        parts[name] = softmax(logits + np.log(COMMON[name]), axis=1)
    return product(parts)


def macro(table: pd.DataFrame, probabilities: np.ndarray) -> float:
    codes = table["label"].to_numpy()
    return float(confusions.macro_f1(confusions.confusion(codes, probabilities.argmax(1), 18)))


def test_whoever_takes_what_is_learned_has_a_learner() -> None:
    assert set(combinations.LEARNERS) == LEARNED


# ------------------------------------------------------------------- learned a second way


def test_weights_are_those_of_the_largest_likelihood() -> None:
    table = drawn(0)
    members = [
        MemberProbabilities(guess(table, seed, skill), ALL)
        for seed, skill in ((1, 3), (2, 2), (3, 0))
    ]
    learned = weights.learn(members, table)
    for name in ALL:
        parts = [labels.marginals(v.probabilities)[name] for v in members]
        right = np.array([part[np.arange(len(table)), table[name]] for part in parts])
        best = max(
            ((a, b, 1 - a - b) for a in np.linspace(0, 1, 51) for b in np.linspace(0, 1 - a, 51)),
            key=lambda w: np.log(np.array(w) @ right).sum(),
        )
        np.testing.assert_allclose(learned[name], best, atol=0.04)
    assert learned["gender"][2] < 0.05


def test_members_that_know_some_are_weighted_where_they_know() -> None:
    table = drawn(0)
    members = [
        MemberProbabilities(guess(table, 1, 2), ALL),
        MemberProbabilities(guess(table, 2, 4), ("age_band",)),
    ]
    learned = weights.learn(members, table)
    assert [len(learned[name]) for name in ALL] == [1, 1, 2]
    assert learned["age_band"][1] > 0.8
    marginals = labels.marginals(apply_weights(members, learned))
    np.testing.assert_allclose(
        marginals["mask"], labels.marginals(members[0].probabilities)["mask"]
    )


def test_stacking_is_scikit_learns_regression() -> None:
    table = drawn(0)
    members = [MemberProbabilities(guess(table, seed, 2), ALL) for seed in (1, 2)]
    marginals = labels.marginals(apply_stacking(members, stacking.learn(members, table)))
    for name in ALL:
        features = np.hstack([np.log(labels.marginals(v.probabilities)[name]) for v in members])
        model = LogisticRegression(max_iter=1000).fit(features, table[name])
        np.testing.assert_allclose(marginals[name], model.predict_proba(features), atol=1e-6)


def test_stacking_never_says_what_it_never_saw() -> None:
    table = drawn(0)
    young = table[table["age_band"] < 2].reset_index(drop=True)
    members = [MemberProbabilities(guess(young, 1, 2), ALL)]
    probabilities = apply_stacking(members, stacking.learn(members, young))
    assert labels.marginals(probabilities)["age_band"][:, 2].max() < 1e-3
    one = young.assign(gender=np.int8(1))
    assert (
        labels.marginals(apply_stacking(members, stacking.learn(members, one)))["gender"].min()
        < 1e-3
    )


@pytest.mark.parametrize("penalty", [0.0, 0.01, 0.1])
def test_offsets_are_the_best_of_the_smooth_score(penalty: float) -> None:
    table = drawn(0)
    codes = table["label"].to_numpy(np.int64)
    logs = np.log(guess(table, 1, 3))

    def loss(values: np.ndarray) -> float:
        shares = np.exp(logs + values)
        shares /= shares.sum(1, keepdims=True)
        total = 0.0
        for c in range(labels.COUNT):
            hits = shares[codes == c, c].sum()
            total += 2 * hits / (shares[:, c].sum() + (codes == c).sum())
        return penalty * float((values**2).sum()) - total / labels.COUNT

    solution = offsets._fit(logs, codes, penalty)
    least = loss(solution)
    assert least < loss(np.zeros(labels.COUNT))
    random = np.random.default_rng(0)
    for size in (0.3, 0.03, 0.003):
        assert all(
            least <= loss(solution + size * random.normal(size=18)) + 1e-6 for _ in range(50)
        )


def test_offsets_mend_a_model_that_never_says_the_rare() -> None:
    """Its probabilities of ≥60 are a twentieth of what they should be: nested, it is mended."""
    table = drawn(0, people=900)
    probabilities = guess(table, 1, 3)
    probabilities[:, 2::3] /= 20
    probabilities /= probabilities.sum(1, keepdims=True)
    before, after = combinations.out_of_fold(
        spec("soft_vote", "offsets"), [MemberProbabilities(probabilities, ALL)], table
    )
    assert macro(table, after) > macro(table, before) + 0.1
    learned = combinations.learn(
        spec("soft_vote", "offsets"), [MemberProbabilities(probabilities, ALL)], table
    ).learned
    class_offsets = np.array(learned["offsets"]["offsets"])
    assert class_offsets[2::3].min() > max(class_offsets[0::3].max(), class_offsets[1::3].max())


def test_the_two_best_are_those_of_the_people_learned_of() -> None:
    table = drawn(0)
    members = [
        MemberProbabilities(guess(table, seed, skill), ALL)
        for seed, skill in ((1, 1), (2, 4), (3, 3))
    ]
    partly = MemberProbabilities(guess(table, 4, 9), ("age_band",))
    probabilities = members[0].probabilities
    assert near_tie.learn(probabilities, [*members, partly], table) == {"best": [1, 2]}


# ------------------------------------------------------------------------------ honesty

LEARNING = [
    spec("weights"),
    spec("stacking"),
    spec("soft_vote", "offsets"),
    spec("soft_vote", "near_tie"),
    spec("soft_vote", "calibrate"),
    spec("soft_vote", "calibrate_vector"),
    spec("weights", "near_tie", "offsets"),
    spec("weights", "offsets", "calibrate"),
]


@pytest.mark.parametrize("how", LEARNING, ids=lambda how: "+".join(how.names))
def test_nobody_is_answered_by_what_was_learned_of_them(how: EnsembleSpec) -> None:
    """Another truth of one fold's people changes nothing of their own probabilities."""
    table = drawn(0)
    members = [MemberProbabilities(guess(table, seed, 2), ALL) for seed in (1, 2, 3)]
    probabilities = combinations.out_of_fold(how, members, table)[-1]
    fold = (table["fold"] == 2).to_numpy()
    turned = table["label"].to_numpy().copy()
    turned[fold] = 17 - turned[fold]
    mask, gender, band = labels.decode(turned)
    other = table.assign(label=turned, mask=mask, gender=gender, age_band=band)
    again = combinations.out_of_fold(how, members, other)[-1]
    np.testing.assert_array_equal(probabilities[fold], again[fold])
    if how.names != ["soft_vote", "near_tie"]:  # the two best may well stay the two best
        assert (probabilities[~fold] != again[~fold]).any()


@pytest.mark.slow
@pytest.mark.parametrize("how", LEARNING, ids=lambda how: "+".join(how.names))
def test_pure_noise_gains_nothing(how: EnsembleSpec) -> None:
    """Members that know nothing, over several draws: learned and scored on the same people they
    seem to gain; nested they gain nothing."""
    gains, in_sample_gains = [], []
    for seed in range(6):
        table = drawn(seed, people=150)
        members = [MemberProbabilities(guess(table, 100 * seed + k, 0), ALL) for k in range(4)]
        plain = macro(table, combinations.out_of_fold(spec("soft_vote"), members, table)[-1])
        nested = combinations.out_of_fold(how, members, table)[-1]
        same = combinations.learn(how, members, table)(members)
        gains.append(macro(table, nested) - plain)
        in_sample_gains.append(macro(table, same) - plain)
    assert np.mean(gains) < 0.01
    if "offsets" in how.names:
        assert np.mean(in_sample_gains) > np.mean(gains)


@pytest.mark.parametrize("how", LEARNING, ids=lambda how: "+".join(how.names))
def test_noise_beside_a_good_member_neither_gains_nor_costs(how: EnsembleSpec) -> None:
    differences = []
    for seed in range(4):
        table = drawn(seed, people=200)
        good = MemberProbabilities(guess(table, 50 + seed, 3), ALL)
        noise = [MemberProbabilities(guess(table, 100 * seed + k, 0), ALL) for k in range(3)]
        alone = macro(table, good.probabilities)
        with_noise = combinations.out_of_fold(how, [good, *noise], table)[-1]
        differences.append(macro(table, with_noise) - alone)
    assert np.mean(differences) < 0.01
    if how.names[0] != "soft_vote":
        assert np.mean(differences) > -0.02


def test_a_single_fold_is_dealt_anew_by_people() -> None:
    table = drawn(0).assign(fold=0)
    table["cluster"] = table["cluster"] // 3 * 7  # three people share a shot; numbers with gaps
    group = groups.of_people(table)
    assert set(group) == set(range(5))
    assert pd.Series(group).groupby(table["cluster"]).nunique().eq(1).all()
    members = [MemberProbabilities(guess(table, seed, 2), ALL) for seed in (1, 2)]
    probabilities = combinations.out_of_fold(spec("weights", "offsets"), members, table)[-1]
    np.testing.assert_allclose(probabilities.sum(1), 1)
    with pytest.raises(MaskgateError, match="several people"):
        groups.of_people(table.assign(cluster=0))


@pytest.mark.parametrize("how", LEARNING, ids=lambda how: "+".join(how.names))
def test_unknown_attributes_are_no_truth(how: EnsembleSpec) -> None:
    """Photos of which an attribute is unknown teach the others, and break nothing."""
    table = drawn(0)
    hidden = np.arange(len(table)) % 3 == 0
    known = table["age_band"].where(~hidden, labels.UNKNOWN).astype(np.int8)
    table = table.assign(age_band=known, label=labels.encode(table["mask"], table["gender"], known))
    members = [MemberProbabilities(guess(drawn(0), seed, 2), ALL) for seed in (1, 2)]
    steps = combinations.out_of_fold(how, members, table)
    assert all(np.isfinite(each).all() for each in steps)
