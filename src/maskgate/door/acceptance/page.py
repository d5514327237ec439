"""The page of a check: whether this door may open, the rule, every passage. One HTML file, with
only counts and times."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from maskgate.core import files
from maskgate.door.acceptance import measuring, rule
from maskgate.door.acceptance.guide import describe
from maskgate.door.acceptance.passages import Passage
from maskgate.door.acceptance.record import Record
from maskgate.door.acceptance.rule import Findings, Limits, Share
from maskgate.door.acceptance.texts import Texts

_STYLE: Final = (Path(__file__).parent / "page.css").read_text("utf-8")
_NONE: Final = "–"


@dataclass(frozen=True)
class Check:
    """What a page is about. `site` and `date` are as given."""

    passages: Sequence[Passage]
    record: Record
    limits: Limits
    texts: Texts
    site: str | None = None
    date: str | None = None

    @property
    def findings(self) -> Findings:
        """What was measured."""
        return rule.find(self.passages, self.record)

    @property
    def conclusion(self) -> rule.Conclusion:
        """Whether the door may open."""
        return rule.conclude(self.findings, self.limits)


def write(path: Path, check: Check) -> None:
    """Write the page. Raises MaskgateError."""
    files.replace_text(path, html(check))


def html(check: Check) -> str:
    """The page as one text."""
    label = check.texts.labels
    title = " · ".join(filter(None, [label["title"], check.site, check.date]))
    return f"""<!doctype html>
<html lang="{escape(check.texts.code)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(label["title"])}</h1>
<p class="soft">{escape(" · ".join(filter(None, [check.site, check.date])))}</p>
<section class="conclusion {check.conclusion}">
<strong>{escape(label[check.conclusion])}</strong>
<p>{escape(explanation(check))}</p>
</section>
{_section(label["rule"], _rule(check))}
{_section(label["meaning"], _meaning(check))}
{_section(label["passages"], _passages(check) + _redone(check))}
{_section(label["settings"], _settings(check))}
<p class="soft last"><small>{escape(label["kept"])}</small></p>
</main>
</body>
</html>
"""


def explanation(check: Check) -> str:
    """The reason of the conclusion, and whether somebody was let in before a repetition."""
    let_in = check.record.redone_let_in()
    more = check.texts.label("redone_let_in", count=let_in) if let_in else ""
    return f"{_reason(check)} {more}".strip()


def _reason(check: Check) -> str:
    texts, findings = check.texts, check.findings
    if check.conclusion == "open":
        return texts.labels["open_why"]
    if check.conclusion == "incomplete":
        return texts.label("incomplete_why", missing=findings.missing, count=len(check.passages))
    met = rule.requirements(findings, check.limits)
    parts = "; ".join(texts.labels[f"rule_{name}"] for name, is_met in met.items() if not is_met)
    return texts.label("closed_why", parts=parts)


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column names the row; the cells are HTML."""
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    lines = []
    for first, *others in rows:
        cells = "".join(
            f'<td data-of="{escape(title)}">{cell}</td>'
            for title, cell in zip(titles[1:], others, strict=True)
        )
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>\n')
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(lines)}</tbody></table>"


def _mark(is_good: bool, text: str) -> str:
    kind, sign = ("yes", "✓") if is_good else ("no", "✗")
    return f'<span class="mark {kind}">{sign} {escape(text)}</span>'


def _rule(check: Check) -> str:
    texts, findings, limits = check.texts, check.findings, check.limits
    label = texts.labels
    cells = {
        "let_in": (label["at_most_none"], _share(findings.let_in, texts)),
        "let_through": (
            texts.label("at_least", limit=limits.let_through, total=findings.let_through.total),
            _share(findings.let_through, texts),
        ),
        "stopped": (
            texts.label("at_least", limit=limits.stopped, total=findings.stopped.total),
            _share(findings.stopped, texts),
        ),
        "median": (
            texts.label("at_most_seconds", seconds=limits.median),
            _seconds(findings.median, texts),
        ),
        "slowest": (
            texts.label("at_most_seconds", seconds=limits.slowest),
            _seconds(findings.slowest, texts),
        ),
        "complete": (
            texts.label("at_most", limit=rule.MAX_SKIPPED),
            escape(texts.label("no_result", skipped=findings.skipped, missing=findings.missing)),
        ),
    }
    rows = [
        (
            escape(label[f"rule_{name}"]),
            escape(cells[name][0]),
            cells[name][1],
            _mark(is_met, label["met" if is_met else "not_met"]),
        )
        for name, is_met in rule.requirements(findings, limits).items()
    ]
    held = f"{escape(label['held_share'])}: {_share(findings.held, texts)}"
    titles = [label["part"], label["required"], label["measured"], label["result"]]
    return _table(titles, rows) + f'\n<p class="soft">{held}</p>'


def _share(share: Share, texts: Texts) -> str:
    low, high = share.interval
    interval = texts.label("interval", low=100 * low, high=100 * high)
    count = texts.label("share", count=share.count, total=share.total)
    return f"{escape(count)} <small>({escape(interval)})</small>"


def _seconds(seconds: float | None, texts: Texts) -> str:
    text = texts.labels["no_times"] if seconds is None else texts.label("seconds", seconds=seconds)
    return escape(text)


def _meaning(check: Check) -> str:
    texts, let_in = check.texts, check.findings.let_in
    sentences = [
        texts.label(
            "meaning_interval",
            count=let_in.count,
            total=let_in.total,
            high=100 * let_in.interval[1],
        ),
        texts.label("meaning_through", longest=measuring.LONGEST),
        texts.label("meaning_time", go=measuring.HOLD_GO, stop=measuring.HOLD_STOP),
    ]
    return "\n".join(f"<p>{escape(each)}</p>" for each in sentences)


def _passages(check: Check) -> str:
    texts, valid = check.texts, check.record.valid()
    label = texts.labels
    rows = []
    for number, passage in enumerate(check.passages):
        name = f"{number + 1}. {texts.passages[passage.name].title}"
        right = f" {label['or']} ".join(f"“{texts.state(each)}”" for each in sorted(passage.right))
        attempt, seconds = valid.get(number), _NONE
        if attempt is None:
            result = escape(label["missing"])
        elif attempt.outcome is None:
            result = escape(f"{label['skipped']}: {label[f'reason_{attempt.skip}']}")
        else:
            outcome = attempt.outcome
            is_good = outcome.is_right and outcome.is_held and not outcome.is_let_in
            result = _mark(is_good, describe(outcome.model_copy(update={"seconds": None}), texts))
            if outcome.seconds is not None:
                seconds = texts.label("seconds", seconds=outcome.seconds)
        rows.append((escape(name), escape(right), result, escape(seconds)))
    return _table([label["who"], label["expected"], label["result"], label["time"]], rows)


def _redone(check: Check) -> str:
    texts, reasons = check.texts, check.record.redone()
    if not reasons:
        return f'\n<p class="soft">{escape(texts.labels["redone_none"])}</p>'
    counts = ", ".join(f"{texts.labels[f'reason_{each}']} ({reasons[each]})" for each in reasons)
    text = f"{texts.label('redone', count=reasons.total())}: {counts}."
    return f"\n<p>{escape(text)}</p>"


def _settings(check: Check) -> str:
    texts, checked = check.texts, check.record.checked
    values = {
        "site": check.site,
        "date": check.date,
        "door": checked.door,
        "policy": texts.labels[f"policy_{checked.policy}"],
        "model": checked.model,
        "digest": checked.digest,
        "version": checked.version,
        "unsure_below": f"{checked.unsure_below:g}",
        "near": texts.label("of_side", share=checked.near),
    }
    items = "\n".join(
        f"<dt>{escape(texts.labels[name])}</dt><dd>{escape(value)}</dd>"
        for name, value in values.items()
        if value is not None
    )
    return f"<dl>\n{items}\n</dl>"
