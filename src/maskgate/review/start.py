"""From the options of `maskgate review` to a running page."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from maskgate.config.recipe import Tier
from maskgate.core.progress import say
from maskgate.data.label_map import NO_MAP, LabelMap
from maskgate.errors import MaskgateError
from maskgate.review import decisions, opinions, people, questions, server, session
from maskgate.review.decisions import Journal
from maskgate.review.neighbours import Neighbours
from maskgate.review.people import People
from maskgate.review.session import Session
from maskgate.runs import RunFolder


@dataclass(frozen=True)
class Options:
    """What to review; see `maskgate review --help`. There is a `run`, or `data`, or both."""

    suspects: Path | None
    run: RunFolder | None
    data: Path | None
    opinion: Path | None
    out: Path
    author: str
    tier: Tier
    label_map: LabelMap = NO_MAP


def serve(options: Options, port: int, opens: bool) -> None:
    """Serve the page until a signal. Raises MaskgateError."""
    decisions.check(options.out)
    with ExitStack() as stack:
        server.serve(lambda: load(options, stack), port, opens)


def load(options: Options, stack: ExitStack) -> Session:
    """The session of these options; the `stack` closes its journal. Raises MaskgateError, before
    anything is written."""
    say(f"reading {options.data or (options.run and options.run.path)}")
    everybody = of(options.run, options.data, options.label_map)
    suspects = options.suspects or _suspects_of(options.run)
    if suspects is None:
        asked_questions = questions.of_run(everybody)
    else:
        asked_questions = questions.read(suspects, everybody)
    if not asked_questions:
        raise MaskgateError(
            f"{suspects or everybody.root}: no label is contradicted, so there is nothing to review"
        )
    opinion = None if options.opinion is None else opinions.read(options.opinion, everybody)
    neighbours = Neighbours(everybody, options.run)
    journal = Journal(options.out)
    stack.callback(journal.close)
    loaded = Session(
        everybody,
        asked_questions,
        journal,
        session.Options(options.author, options.tier),
        neighbours=neighbours,
        opinion=opinion,
    )
    decided = sum(map(bool, loaded.overview()["states"]))
    source = "contradicted by the run" if suspects is None else f"of {suspects}"
    say(f"{len(asked_questions)} labels {source}, {decided} decided; {options.out}")
    return loaded


def _suspects_of(run: RunFolder | None) -> Path | None:
    """The suspects that were written into the folder of a run; None if there are none."""
    if run is None or not (run.path / "suspects.csv").is_file():
        return None
    return run.path / "suspects.csv"


def of(run: RunFolder | None, data: Path | None, label_map: LabelMap = NO_MAP) -> People:
    """The people of a run, or of a data set. Raises MaskgateError."""
    if run is not None:
        return people.of_run(run, data, label_map)
    assert data is not None
    return people.of_data(data, label_map)
