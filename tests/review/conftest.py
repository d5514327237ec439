"""A review of the sample people, beside the predictions of a finished run."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from maskgate.review import people as people_of
from maskgate.review import questions
from maskgate.review.decisions import Decision, Journal
from maskgate.review.neighbours import Neighbours
from maskgate.review.people import People
from maskgate.review.session import Options, Session
from maskgate.runs import RunFolder, open_run

RUN = Path(__file__).parents[1] / "golden" / "plain"

Decide = Callable[..., Decision]


def decision(words: str = "", **values: str) -> Decision:
    """A decision: `PERSON ATTRIBUTE CHOICE [VALUE]`."""
    names = ("person", "attribute", "decision", "value")
    word_values = dict(zip(names, words.split(), strict=False))
    usual = dict.fromkeys((field.name for field in fields(Decision)), "")
    usual |= {"author": "Kim", "tier": "likely", "label": "male"}
    return Decision(**(usual | word_values | values))


@pytest.fixture(scope="session")
def run() -> RunFolder:
    """The run of a model of the sample people."""
    return open_run(RUN)


@pytest.fixture(scope="session")
def everybody(run: RunFolder, people: Path) -> People:
    """The sample people with out-of-fold probabilities."""
    return people_of.of_run(run, people)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A new journal."""
    opened = Journal(tmp_path / "corrections.csv")
    yield opened
    opened.close()


@pytest.fixture
def session(everybody: People, run: RunFolder, journal: Journal) -> Session:
    """A session about what the run contradicts."""
    return Session(
        everybody,
        questions.of_run(everybody),
        journal,
        Options("Kim"),
        neighbours=Neighbours(everybody, run),
    )
