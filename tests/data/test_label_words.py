"""Words and numbers for labels: what is certain is read, all else is refused with a true reason."""

import unicodedata

import pytest

from maskgate import labels
from maskgate.data import label_words

YOUNG, MIDDLE, OLD = range(3)


@pytest.mark.parametrize(
    ("group", "band"),
    [
        ("[20, 30)", YOUNG), ("[20,29]", YOUNG), ("(29, 59]", MIDDLE), ("(29.0, 59.0]", MIDDLE),
        ("(0, 2)", YOUNG), ("(60, 100)", OLD), ("(38, 43)", MIDDLE), ("[60, 120]", OLD),
        ("20대", YOUNG), ("30대", MIDDLE), ("30s", MIDDLE), ("50's", MIDDLE), ("60대", OLD),
        ("30대~50대", MIDDLE), ("30-40대", MIDDLE), ("20대 이하", YOUNG), ("30대 미만", YOUNG),
        ("50대 초과", OLD), ("60대 이상", OLD), ("60세 이상", OLD), ("만 60세 이상", OLD),
        ("30세 미만", YOUNG), ("29세 이하", YOUNG), ("59세 초과", OLD), ("20~29세", YOUNG),
        ("３０～３９", MIDDLE), ("20–29", YOUNG), ("20—29", YOUNG), ("20〜29", YOUNG),
        ("２０−２９", YOUNG), ("20 to 29 years old", YOUNG), ("between 20 and 29", YOUNG),
        ("60 plus", OLD), ("60 and over", OLD), ("＞＝60", OLD), ("age 34", MIDDLE),
        ("034", MIDDLE),
    ],
)  # fmt: skip
def test_age_groups_of_other_tables(group: str, band: int) -> None:
    assert labels.age_band(label_words.age_group(group)).tolist() == [band, band]


@pytest.mark.parametrize(
    ("group", "years"),
    [
        ("20-29", (20, 29)), ("[20, 30)", (20, 29)), ("(29, 59]", (30, 59)), ("30대", (30, 39)),
        ("<30", (0, 29)), ("29세 이하", (0, 29)), ("70+", (70, 120)), (">70", (71, 120)),
    ],
)  # fmt: skip
def test_an_age_group_is_its_first_and_last_year(group: str, years: tuple[int, int]) -> None:
    assert label_words.age_group(group) == years


@pytest.mark.parametrize(
    ("group", "bands"),
    [
        ("(25, 32)", "<30 and 30-59"),
        ("(25, 30)", "<30 and 30-59"),  # both ends may count
        ("[25, 30]", "<30 and 30-59"),
        ("55-64", "30-59 and >=60"),
        ("10-70", "<30 and 30-59 and >=60"),
        ("30세 이상", "30-59 and >=60"),
        ("20대 이상", "<30 and 30-59 and >=60"),
    ],
)
def test_a_group_that_spans_bands_is_refused_for_that(group: str, bands: str) -> None:
    with pytest.raises(ValueError, match=f"^it spans the bands {bands}$"):
        label_words.age_group(group)


@pytest.mark.parametrize(
    "group",
    ["", "old", "35대", "~29", "60~", "29-20", "1-2-3", "100-130", "30대 후반", "#", "20.5-29",
     "9" * 5000, "9" * 5000 + "대", "x20-29"],
)  # fmt: skip
def test_what_is_no_group_is_refused_without_a_false_reason(group: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        label_words.age_group(group)


def read(group: str) -> int:
    try:
        return int(labels.age_band(label_words.age_group(group)[0]))
    except ValueError:
        return labels.UNKNOWN


@pytest.mark.parametrize("age", range(1, 100))
def test_all_ways_to_write_a_boundary_agree(age: int) -> None:
    at_most = (f"<{age + 1}", f"<={age}", f"[0, {age + 1})", f"0-{age}", f"up to {age}")
    at_least = (f">{age - 1}", f">={age}", f"({age - 1}, 120]", f"{age}-120", f"from {age}")
    korean = (f"{age}세 이하", f"{age + 1}세 미만"), (f"{age}세 이상", f"{age - 1}세 초과")
    assert {read(group) for group in at_most + korean[0]} == {YOUNG if age < 30 else -1}
    assert {read(group) for group in at_least + korean[1]} == {OLD if age >= 60 else -1}


@pytest.mark.parametrize(
    ("text", "age"),
    [("34", 34), ("34.0", 34), ("034", 34), ("34,5", 34.5), ("３４", 34), ("34세", 34),
     ("만 34세", 34), ("34살", 34), ("34 years old", 34), ("3.4e1", 34), (" 0 ", 0), ("120", 120)],
)  # fmt: skip
def test_ages(text: str, age: float) -> None:
    assert label_words.years(text) == age


@pytest.mark.parametrize(
    "text",
    ["", "-1", "121", "nan", "inf", "1e999", "1e-", "9" * 5000, "thirty", "30대", "3_4", "20-29"],
)
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        label_words.years(text)


@pytest.mark.parametrize(
    ("word", "code"),
    [("Female", 1), ("F", 1), ("여", 1), ("여자", 1), ("여성", 1), ("WOMAN", 1), ("Ｆ", 1),
     ("Male", 0), ("m", 0), ("남", 0), ("남자", 0), ("남성", 0), (" man ", 0)],
)  # fmt: skip
def test_genders(word: str, code: int) -> None:
    assert label_words.gender(word) == code


def test_a_decomposed_word_is_read() -> None:
    assert label_words.gender(unicodedata.normalize("NFD", "남성")) == 0


@pytest.mark.parametrize(
    ("word", "code"),
    [("with_mask", 0), ("With Mask", 0), ("masked", 0), ("mask", 0), ("without_mask", 2),
     ("no_mask", 2), ("No-Mask", 2), ("unmasked", 2), ("mask_weared_incorrect", 1),
     ("Mask worn incorrectly", 1), ("normal", 2), ("착용", 0), ("미착용", 2)],
)  # fmt: skip
def test_masks(word: str, code: int) -> None:
    assert label_words.mask(word) == code


def test_a_number_is_no_word() -> None:
    with pytest.raises(ValueError, match="a number does not say which: write male or female"):
        label_words.gender("1")
    with pytest.raises(ValueError, match="write wear, incorrect or not_wear"):
        label_words.mask("0")
    with pytest.raises(ValueError, match=r"^$"):
        label_words.mask("perhaps")


def test_our_own_words_mean_themselves() -> None:
    assert [label_words.mask(word) for word in labels.MASKS] == [0, 1, 2]
    assert [label_words.gender(word) for word in labels.GENDERS] == [0, 1]
    groups = [label_words.age_group(band) for band in labels.AGE_BANDS]
    assert groups == [(0, 29), (30, 59), (60, 120)]


def test_a_long_cell_is_cut_in_messages() -> None:
    assert label_words.quoted("9" * 5000) == "'" + "9" * 60 + "…'"
    assert label_words.quoted("perhaps") == "'perhaps'"
