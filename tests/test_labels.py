"""The 18 classes, each rule derived a second way."""

import itertools

import numpy as np
import pytest

from maskgate import labels

ALL = [(6 * m + 3 * g + b, m, g, b) for m, g, b in itertools.product(range(3), range(2), range(3))]
EVERY_CODE = np.array(
    list(itertools.product((-1, 0, 1, 2), (-1, 0, 1), (-1, 0, 1, 2))), dtype=np.int8
)


@pytest.mark.parametrize(("label", "mask", "gender", "band"), ALL)
def test_all_18_encode_and_decode(label: int, mask: int, gender: int, band: int) -> None:
    assert labels.encode([mask], [gender], [band]).tolist() == [label]
    assert [part.tolist() for part in labels.decode([label])] == [[mask], [gender], [band]]
    words = (labels.MASKS[mask], labels.GENDERS[gender], labels.AGE_BANDS[band])
    assert labels.CLASSES[label] == " ".join(words)


def test_the_18_are_all_there_is() -> None:
    assert sorted(label for label, *_ in ALL) == list(range(labels.COUNT))
    assert len(set(labels.CLASSES)) == labels.COUNT == 18
    assert labels.SIZES == (3, 2, 3)


def test_any_unknown_attribute_makes_the_label_unknown() -> None:
    encoded_labels = labels.encode(*EVERY_CODE.T)
    for codes, label in zip(EVERY_CODE, encoded_labels, strict=True):
        assert (label == labels.UNKNOWN) == (-1 in codes.tolist())
    for part in labels.decode([labels.UNKNOWN, 5]):
        assert part[0] == labels.UNKNOWN
        assert part[1] != labels.UNKNOWN


@pytest.mark.parametrize("wrong", [-2, 18, 100])
def test_labels_out_of_range_raise(wrong: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        labels.decode(np.array([0, wrong]))


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("wrong", [-2, 3, 100])
def test_codes_out_of_range_raise(place: int, wrong: int) -> None:
    codes = [np.zeros(2, dtype=np.int64) for _ in range(3)]
    codes[place][1] = wrong
    with pytest.raises(ValueError, match=list(labels.ATTRIBUTES)[place]):
        labels.encode(*codes)


def test_gender_has_two_codes_only() -> None:
    with pytest.raises(ValueError, match="gender"):
        labels.encode([0], [2], [0])


@pytest.mark.parametrize("wrong", [256 + 3, -256 + 3, 65536])
def test_numbers_wider_than_a_byte_do_not_wrap_around_into_a_class(wrong: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        labels.decode(np.array([wrong]))
    with pytest.raises(ValueError, match="outside"):
        labels.encode(np.array([wrong - 3]), np.array([0]), np.array([0]))


@pytest.mark.parametrize(
    ("age", "band"),
    [(0, 0), (29, 0), (29.99, 0), (30, 1), (59, 1), (60, 2), (61, 2), (100, 2), (-1, -1)],
)
def test_age_bands_at_their_ends(age: float, band: int) -> None:
    assert labels.age_band([age]).tolist() == [band]
    assert labels.age_band(np.array([age], dtype=np.float32)).tolist() == [band]


def test_a_missing_age_is_unknown() -> None:
    assert labels.age_band([np.nan, 40]).tolist() == [labels.UNKNOWN, 1]


def test_agrees_equals_a_triple_loop() -> None:
    agreement = labels.agrees(*EVERY_CODE.T)
    for row, (mask, gender, band) in zip(agreement, EVERY_CODE.tolist(), strict=True):
        for label, m, g, b in ALL:
            expected = mask in (-1, m) and gender in (-1, g) and band in (-1, b)
            assert row[label] == expected, (mask, gender, band, label)
    counts = {
        tuple(codes): int(row.sum())
        for codes, row in zip(EVERY_CODE.tolist(), agreement, strict=True)
    }
    assert counts[0, 0, 0] == 1
    assert counts[-1, -1, -1] == 18


def test_marginals_equal_naive_sums() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(18), size=7)
    parts = labels.marginals(probabilities)
    assert [part.shape for part in parts.values()] == [(7, 3), (7, 2), (7, 3)]
    for row in range(7):
        for at, (name, values) in enumerate(labels.ATTRIBUTES.items()):
            for value in range(len(values)):
                naive = sum(probabilities[row, every[0]] for every in ALL if every[at + 1] == value)
                assert parts[name][row, value] == pytest.approx(naive)
            assert parts[name][row].sum() == pytest.approx(1)
