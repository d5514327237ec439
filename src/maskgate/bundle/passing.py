"""What a door does, by two rules for the mask: who is let in or stopped wrongly."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from maskgate.bundle.thresholds import Share
from maskgate.runs.records.results import Figure
from maskgate.runs.records.stored import Count, Positive, Record


class Tradeoff(Record):
    """Of K limits on the probability that a person may pass, rising: the share of people who may
    not pass that is `let_in`, and of those who may that is `stopped`, where whoever is at or above
    the limit is let in."""

    limit: list[Share]
    let_in: list[Share]
    stopped: list[Share]

    @model_validator(mode="after")
    def _of_one_length(self) -> "Tradeoff":
        if not len(self.limit) == len(self.let_in) == len(self.stopped) >= 1:
            raise ValueError("its lists are not of one length")
        return self


class Rates(Record):
    """Of photos of people who may not pass the share that is `let_in`, of those who may the share
    that is `stopped`, and of all the share sent for `another_look`."""

    let_in: Figure
    stopped: Figure
    another_look: Figure


class Outcome(Record):
    """The rates of the rule of the `threshold` and of that of `costs`; only the counts where there
    are too few people who may pass, or who may not."""

    photos: Count
    people: Count
    threshold: Rates | None = None
    costs: Rates | None = None


class Passing(Record):
    """What a door with this policy does, by a `threshold` for the mask and by example costs, in all
    and by group."""

    policy: Literal["worn", "bare"]
    threshold: Share
    costs: dict[Literal["let_in", "stopped", "look"], Positive]
    all: Outcome
    tradeoff: Tradeoff
    groups: dict[str, Outcome] = Field({})


Passings = Annotated[list[Passing], Field(max_length=2)]
