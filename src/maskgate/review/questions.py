"""What is reviewed: labels that may be wrong, the likeliest first, from a CSV or from a run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from maskgate import labels
from maskgate.core.progress import say
from maskgate.data import csv_files, label_words, names, seven_photos
from maskgate.errors import MaskgateError, listed
from maskgate.review.decisions import Subject
from maskgate.review.people import People, Rows

_NEEDED: Final = ("person", "attribute", "label", "predicted_label")
_ATTRIBUTES: Final = {name: name for name in labels.ATTRIBUTES} | {"age": "age_band"}


@dataclass(frozen=True)
class Question:
    """A label that may be wrong. `reason` says why, `probability` (0–1) how likely that is, if it
    is known; `predicted` is the likeliest value in words, or empty."""

    subject: Subject
    predicted: str = ""
    reason: str = ""
    probability: float | None = None


def rows_of(subject: Subject, people: People) -> Rows:
    """The rows of the photo table that a decision concerns."""
    if subject.photo:
        return np.array([people.row_by_photo[subject.photo]], np.int64)
    return people.rows_by_name[subject.person]


def of_run(people: People) -> list[Question]:
    """The labels that a run contradicts, by the mean out-of-fold probability of the label over the
    person's photos, lowest first. Masks are compared photo by photo."""
    ranked = []
    for subject in _subjects(people):
        rows = rows_of(subject, people)
        label = people.label(rows, subject.attribute)
        marginal = people.marginal(rows, subject.attribute)
        prediction = people.prediction(rows, subject.attribute)
        if not label or marginal is None or prediction is None or prediction.value == label:
            continue
        values = labels.ATTRIBUTES[subject.attribute]
        confidence = float(marginal[values.index(label)])
        where = "in this photo" if subject.photo else f"in {_photos(len(rows))}"
        reason = (
            f"out of fold, the model gives {prediction.value} {prediction.probability:.2f} and the"
            f" label {label} {confidence:.2f} {where}"
        )
        ranked.append((confidence, Question(subject, prediction.value, reason)))
    return [question for _, question in sorted(ranked, key=lambda each: (each[0], each[1].subject))]


def _photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count} photos"


def _subjects(people: People) -> Iterator[Subject]:
    photos = people.table["photo"].map(names.normalise).to_numpy()
    for person, rows in people.rows_by_name.items():
        for attribute in people.attributes:
            if attribute == "mask":
                yield from (Subject(person, photos[row], attribute) for row in rows)
            else:
                yield Subject(person, "", attribute)


def read(path: Path, people: People) -> list[Question]:
    """The rows of a CSV with the columns person, attribute, label, predicted_label and, if they are
    present, photo, reason and probability; in its order.

    `attribute` is one of the labels, or one of the seven photos whose mask label is meant. Rows of
    other people are left out with a warning. Raises MaskgateError.
    """
    columns = csv_files.read(path)
    if missing := [name for name in _NEEDED if name not in columns]:
        raise MaskgateError(
            f"{path}: lacks the columns {listed(missing)}; give a CSV with {','.join(_NEEDED)}, as"
            " `maskgate suspects` writes it"
        )
    questions: dict[Subject, Question] = {}
    unknown, errors = [], []
    count = len(columns["person"])
    texts = {name: [cell or "" for cell in cells] for name, cells in columns.items()}
    for line in range(count):
        row = {name: cells[line] for name, cells in texts.items()}
        if (person := people.find(row["person"])) is None:
            unknown.append(row["person"])
            continue
        try:
            of_row = list(_of_row(row, person, people))
        except ValueError as error:
            errors.append(f"line {line + 2} ({error})")
            continue
        for question in of_row:
            questions.setdefault(question.subject, question)
    if errors:
        raise MaskgateError(f"{path}: {listed(errors)}; fix the file")
    if unknown and not questions:
        raise MaskgateError(
            f"{path}: none of its people is in {people.root} ({listed(unknown, 2)}); give the"
            " --data that it was made from"
        )
    if unknown:
        rows = f"{len(unknown)} row{'' if len(unknown) == 1 else 's'} of nobody"
        say(f"warning: {path}: {rows} in {people.root}: {listed(unknown, 3)}")
    return list(questions.values())


def _of_row(row: dict[str, str], person: str, people: People) -> Iterator[Question]:
    """The questions of a row. Raises ValueError that says what is wrong with it."""
    word = row["attribute"].strip().lower()
    attribute = "mask" if word in seven_photos.STEMS else _ATTRIBUTES.get(word)
    if attribute is None:
        raise ValueError(f"unknown attribute {label_words.quoted(row['attribute'])}")
    # Swapped photos are one row with two values in each cell.
    wrong, right = (
        [value(attribute, word) for word in row[name].split(",")]
        for name in ("label", "predicted_label")
    )
    if len(wrong) != len(right):
        raise ValueError(f"label and predicted_label have {len(wrong)} and {len(right)} values")
    for label, predicted in zip(wrong, right, strict=True):
        for photo in _photos_of(
            row.get("photo", ""), word, people, attribute=attribute, person=person, label=label
        ):
            yield Question(
                Subject(person, photo, attribute),
                predicted,
                " ".join(row.get("reason", "").split()),
                _number(row.get("probability", "")),
            )


def value(attribute: str, word: str) -> str:
    """The value of a label in words of any origin, or years; empty if it is not clear."""
    word = word.strip()
    values = labels.ATTRIBUTES[attribute]
    if word.lower() in values:
        return word.lower()
    try:
        if attribute == "mask":
            return values[label_words.mask(word)]
        if attribute == "gender":
            return values[label_words.gender(word)]
        return values[int(labels.age_band(label_words.years(word)))]
    except ValueError:
        return ""


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number <= 1 else None


def _photos_of(
    photo: str, word: str, people: People, *, attribute: str, person: str, label: str
) -> list[str]:
    """The photos that a row is about, in normal form; an empty name stands for all of a person's.

    A mask label belongs to a photo: without one, the row is about those of the person's photos that
    have the `label`.
    """
    if attribute != "mask":
        return [""]
    rows = people.rows_by_name[person]
    of_rows = {names.normalise(people.table["photo"].iloc[row]): row for row in rows}
    if photo:
        photo = names.normalise(photo)
        matches = [name for name in of_rows if photo in (name, name.rpartition("/")[2])]
        if not matches:
            raise ValueError(f"{person} has no photo {label_words.quoted(photo)}")
        return matches[:1]
    if word in seven_photos.STEMS:
        stems = {name: name.rpartition("/")[2].rpartition(".")[0].lower() for name in of_rows}
        return [name for name, stem in stems.items() if stem == word]
    return [
        name
        for name, row in of_rows.items()
        if not label or people.label(np.array([row], np.int64), "mask") == label
    ]
