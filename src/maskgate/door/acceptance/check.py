"""From the options of `maskgate accept` to the page."""

import re
from dataclasses import dataclass
from pathlib import Path

from maskgate.door.acceptance import page as pages
from maskgate.door.acceptance import record as records
from maskgate.door.acceptance.feed import Feed
from maskgate.door.acceptance.guide import Guide
from maskgate.door.acceptance.keyboard import Keyboard
from maskgate.door.acceptance.page import Check
from maskgate.door.acceptance.passages import passages
from maskgate.door.acceptance.rule import Limits
from maskgate.door.acceptance.service import Service
from maskgate.door.acceptance.texts import Texts
from maskgate.door.server.kiosk_settings import DOOR
from maskgate.errors import MaskgateError


@dataclass(frozen=True)
class Options:
    """What to check and by which rule; see `maskgate accept --help`."""

    url: str
    door: str
    out: Path
    texts: Texts
    token: str | None = None
    certificate: Path | None = None
    site: str | None = None
    date: str | None = None
    let_through: int | None = None
    stopped: int | None = None
    median: float = 3.0
    slowest: float = 8.0
    partial: bool = False


def run(options: Options, page: Path, keyboard: Keyboard | None = None) -> Check:
    """Lead through the passages that are not done, unless the page is `partial`, and write it.
    Raises MaskgateError."""
    if not re.fullmatch(DOOR, options.door):
        raise MaskgateError(
            f"--door {options.door}: no such name of a door; give small letters, digits and hyphens"
        )
    service = Service(options.url, options.token, options.certificate)
    checked = records.checked(service.get("/v1/kiosk"), service.get("/v1/settings"), options.door)
    if checked is None:
        raise MaskgateError(f"{options.url}: not a service of this version; update it")
    record = records.load(options.out, checked)
    all_passages = passages(checked.policy)
    check = Check(
        all_passages,
        record,
        _limits(
            options,
            [each.may_pass for each in all_passages].count(True),
            [each.may_not_pass for each in all_passages].count(True),
        ),
        options.texts,
        site=options.site,
        date=options.date,
    )
    if options.partial:
        if not record.attempts:
            raise MaskgateError(f"{records.record_file(options.out)}: no passage is done yet")
        pages.write(page, check)
        return check
    feed = Feed(service, options.door)
    feed.start()
    try:
        Guide(
            all_passages,
            record,
            options.texts,
            feed=feed,
            keyboard=keyboard or Keyboard(),
            save=lambda: records.save(options.out, record),
        ).run()
    finally:
        feed.stop()
    pages.write(page, check)
    records.record_file(options.out).unlink(missing_ok=True)
    return check


def _limits(options: Options, go: int, stop: int) -> Limits:
    """The limits as given; by default one of those who may pass may fail, and two of the others.
    Raises MaskgateError for more than there are."""
    for name, value, count in (
        ("let-through", options.let_through, go),
        ("stopped", options.stopped, stop),
    ):
        if value is not None and value > count:
            raise MaskgateError(f"--{name} {value}: there are only {count}; give that at most")
    return Limits(
        let_through=go - 1 if options.let_through is None else options.let_through,
        stopped=stop - 2 if options.stopped is None else options.stopped,
        median=options.median,
        slowest=options.slowest,
    )
