"""Combinations, each a second, naive way."""

import itertools
from collections import Counter

import numpy as np
import pytest

from maskgate import labels
from maskgate.config.settings import Component
from maskgate.ensemble import combining
from maskgate.ensemble.combining import Combination, EnsembleSpec
from maskgate.ensemble.votes import MemberProbabilities
from maskgate.errors import MaskgateError

ALL = tuple(labels.ATTRIBUTES)
PLAIN = ("soft_vote", "hard_vote", "attributes")
CODES = list(zip(*(part.tolist() for part in labels.decode(np.arange(labels.COUNT))), strict=True))


def random_probabilities(seed: int, rows: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(labels.COUNT, 0.3), rows)


def combine(name: str, *members: MemberProbabilities) -> np.ndarray:
    result = Combination(EnsembleSpec(Component(name=name)), {})(members)
    np.testing.assert_allclose(result.sum(1), 1)
    assert (result >= 0).all()
    return result


@pytest.mark.parametrize("weights", [(1, 1, 1), (1, 2, 5), (0.1, 0.3, 0.7)])
def test_a_soft_vote_is_the_weighted_mean(weights: tuple[float, ...]) -> None:
    members = [
        MemberProbabilities(random_probabilities(seed), ALL, weight)
        for seed, weight in enumerate(weights)
    ]
    result = combine("soft_vote", *members)
    for row, c in itertools.product(range(40), range(labels.COUNT)):
        total = sum(v.weight * v.probabilities[row, c] for v in members)
        assert result[row, c] == pytest.approx(total / sum(weights))


@pytest.mark.parametrize(
    "weights", [(1, 1, 1), (1, 1), (1, 2, 5), (3, 1, 1, 1), (1, 1, 1.004), (0.1, 0.2, 0.3)]
)
def test_a_hard_vote_counts_votes_and_breaks_ties_by_attribute(weights: tuple[float, ...]) -> None:
    members = [
        MemberProbabilities(random_probabilities(seed, 200), ALL, weight)
        for seed, weight in enumerate(weights)
    ]
    result = combine("hard_vote", *members)
    mean = combine("soft_vote", *members)
    ties = even = 0
    for row in range(200):
        votes: Counter[int] = Counter()
        for member in members:
            votes[int(member.probabilities[row].argmax())] += member.weight  # type: ignore[assignment]
        most = max(votes.values())
        leading = [c for c, count in votes.items() if most - count < 1e-9]
        ties += len(leading) > 1
        shared = {
            c: sum(
                count
                for other, count in votes.items()
                for code, other_code in zip(CODES[c], CODES[other], strict=True)
                if code == other_code
            )
            for c in leading
        }
        nearest = [c for c in leading if max(shared.values()) - shared[c] < 1e-9]
        even += len(nearest) > 1
        assert result[row].argmax() == max(nearest, key=lambda c: mean[row, c])
        for c in range(labels.COUNT):
            assert result[row, c] == pytest.approx(votes[c] / sum(weights), abs=0.01)
    assert (ties and even) or weights not in [(1, 1, 1), (1, 1), (3, 1, 1, 1)]


def test_a_tie_goes_to_the_class_whose_attributes_others_share() -> None:
    """One says a young man, one a man of 40, one a woman of 40, and one an old woman barefaced."""
    classes = [labels.CLASSES.index(name) for name in (
        "wear male <30", "wear male 30-59", "wear female 30-59", "not_wear female >=60"
    )]  # fmt: skip
    sure = [0.9, 0.4, 0.5, 0.99]  # the mean would take the first or the last
    members = []
    for c, p in zip(classes, sure, strict=True):
        each = np.full((1, labels.COUNT), (1 - p) / (labels.COUNT - 1))
        each[0, c] = p
        members.append(MemberProbabilities(each, ALL))
    assert combine("soft_vote", *members).argmax() == classes[3]
    # wear 3, male 2, 30-59 2 against wear 3, female 2, 30-59 2: even, and the mean decides.
    assert combine("hard_vote", *members).argmax() == classes[2]
    assert combine("hard_vote", *members[:3]).argmax() == classes[1]


def test_the_likeliest_on_average_does_not_outvote_a_majority() -> None:
    sure, unsure = np.full((1, 18), 0.001), np.full((1, 18), 0.001)
    sure[0, 5], unsure[0, 2], unsure[0, 5] = 1 - 0.017, 0.5, 1 - 0.5 - 0.016
    members = [
        MemberProbabilities(sure, ALL),
        MemberProbabilities(unsure, ALL),
        MemberProbabilities(unsure, ALL),
    ]
    assert combine("soft_vote", *members).argmax() == 5
    assert combine("hard_vote", *members).argmax() == 2


def alone(name: str, seed: int, weight: float = 1.0) -> MemberProbabilities:
    """Probabilities of a member that predicts one attribute: the others are all as likely."""
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(len(labels.ATTRIBUTES[name])), 40)
    at = ALL.index(name)
    others = labels.COUNT / len(labels.ATTRIBUTES[name])
    return MemberProbabilities(
        np.array([[row[c[at]] / others for c in CODES] for row in probabilities]), (name,), weight
    )


def test_attributes_are_multiplied() -> None:
    members = [alone(name, seed) for seed, name in enumerate(ALL)]
    result = combine("attributes", *members)
    for row, (c, codes) in itertools.product(range(40), enumerate(CODES)):
        product = 1.0
        for name, code, member in zip(ALL, codes, members, strict=True):
            at = ALL.index(name)
            agreeing = [k for k, other in enumerate(CODES) if other[at] == code]
            product *= sum(member.probabilities[row, k] for k in agreeing)
        assert result[row, c] == pytest.approx(product)


def test_several_who_know_an_attribute_are_averaged_by_weight() -> None:
    joint, mask, age = (
        MemberProbabilities(random_probabilities(5), ALL, 3.0),
        alone("mask", 6, 2.0),
        alone("age_band", 7, 0.5),
    )
    result = combine("attributes", mask, joint, age)
    parts = {id(v): labels.marginals(v.probabilities) for v in (joint, mask, age)}
    expected = {
        "mask": (3 * parts[id(joint)]["mask"] + 2 * parts[id(mask)]["mask"]) / 5,
        "gender": parts[id(joint)]["gender"],
        "age_band": (3 * parts[id(joint)]["age_band"] + 0.5 * parts[id(age)]["age_band"]) / 3.5,
    }
    for name, part in labels.marginals(result).items():
        np.testing.assert_allclose(part, expected[name])
    for c, (m, g, a) in enumerate(CODES):
        product = expected["mask"][:, m] * expected["gender"][:, g] * expected["age_band"][:, a]
        np.testing.assert_allclose(result[:, c], product)


@pytest.mark.parametrize("name", PLAIN)
def test_one_member_alone_decides(name: str) -> None:
    member = MemberProbabilities(random_probabilities(3), ALL, 0.2)
    if name != "attributes":
        assert (combine(name, member).argmax(1) == member.probabilities.argmax(1)).all()
    else:
        result, expected = (
            labels.marginals(combine(name, member)),
            labels.marginals(member.probabilities),
        )
        for each in ALL:
            np.testing.assert_allclose(result[each], expected[each])


@pytest.mark.parametrize("name", PLAIN)
def test_the_order_of_photos_does_not_matter(name: str) -> None:
    members = [MemberProbabilities(random_probabilities(seed), ALL, 1 + seed) for seed in range(3)]
    turned = [MemberProbabilities(v.probabilities[::-1], v.attributes, v.weight) for v in members]
    np.testing.assert_allclose(combine(name, *turned)[::-1], combine(name, *members))


@pytest.mark.parametrize(
    ("component", "attributes", "message"),
    [
        (
            Component(name="soft_vot"),
            [ALL],
            r"unknown combination soft_vot; did you mean soft_vote\?",
        ),
        (
            Component(name="zzz"),
            [ALL],
            "known are attributes, hard_vote, soft_vote, stacking, weights",
        ),
        (Component(name="soft_vote", power=2), [ALL], "soft_vote takes no arguments; remove power"),
        (Component(name="attributes"), [("mask",), ("gender",)], "no member predicts age_band"),
        (Component(name="attributes"), [("mask",)], "no member predicts age_band, gender"),
        (Component(name="soft_vote"), [ALL, ("mask",)], "use attributes"),
        (Component(name="hard_vote"), [("mask",), ("gender",), ("age_band",)], "use attributes"),
    ],
)
def test_what_cannot_be_combined_is_refused(
    component: Component, attributes: list[tuple[str, ...]], message: str
) -> None:
    with pytest.raises(MaskgateError, match=message):
        combining.check(EnsembleSpec(component), attributes)
