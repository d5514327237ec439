"""The page in Chromium: readable on every screen, by keyboard, and live. $MASKGATE_AXE names the
file of axe-core, $MASKGATE_SCREENSHOTS a folder."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from maskgate.dashboard import page as dashboard_page
from maskgate.dashboard import verdicts
from maskgate.runs import RunFolder
from maskgate.runs.sources import Source
from maskgate.training import checkpoint
from tests.dashboard.conftest import HOSTILE, change, stopped_after
from tests.door.server import screens
from tests.reports.test_pages_in_a_browser import CHROMIUM, WIDTHS
from tests.reports.test_pages_in_a_browser import browser as browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
]
Open = Callable[..., Any]
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def show(browser: Any) -> Iterator[Open]:
    """`show(address, width=…, color_scheme=…)` opens a page; no script may fail on it."""
    errors: list[str] = []
    contexts = []

    def open_page(address: str, width: int = 1280, **options: Any) -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, **options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(dialog.message))
        page.goto(address)
        page.wait_for_selector("#rows tr")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="module")
def written(team: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of Kim and Lee, with hostile notes."""
    root = Path(shutil.copytree(team, tmp_path_factory.mktemp("pages") / "team"))
    run = RunFolder(root / "kim" / "plain-7")
    run.add_note(f"{HOSTILE} | worse | blurred faces", HOSTILE)
    folders = [Source(root / "kim", "kim"), Source(root / "lee", "lee")]
    dashboard_page.write(folders, root / "all.html")
    return (root / "all.html").as_uri()


def names(page: Any) -> list[str]:
    """Of the rows that are shown, without those of seeds."""
    return [text.strip() for text in page.locator("#rows button.name").all_inner_texts()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", WIDTHS)
def test_the_page_is_readable(scheme: str, screen: str, show: Open, written: str) -> None:
    page = show(written, WIDTHS[screen], color_scheme=scheme)
    page.locator("button.seeds").first.click()
    page.locator("#axes summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[screen]
    screens.save(page, f"dashboard-{scheme}-{screen}")
    screens.check_accessibility(page)
    page.get_by_role("button", name="kim/plain", exact=True).click()
    page.wait_for_selector("dialog[open]")
    titles = page.locator("dialog .note strong").all_inner_texts()
    assert [title.strip() for title in titles] == ["Hypothesis:", "Result:", "Cause:"]
    assert HOSTILE in page.locator("dialog .note").inner_text()
    screens.save(page, f"dashboard-details-{scheme}-{screen}")
    screens.check_accessibility(page)


def test_sorted_by_keyboard(show: Open, written: str) -> None:
    page = show(written)
    heading = page.get_by_role("columnheader", name="Run")
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert names(page) == sorted(names(page), key=str.lower)
    assert heading.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Enter")  # the focus has stayed
    assert names(page) == sorted(names(page), key=str.lower, reverse=True)
    page.get_by_role("columnheader", name="Score").get_by_role("button").click()
    rows = page.locator("#rows tr:not(.seed)").all_inner_texts()
    matches = [None if "smoke test" in row else re.search(r"(\d\.\d+) \[", row) for row in rows]
    scores = [float(match[1]) for match in matches if match]
    assert scores == sorted(scores, reverse=True) and len(scores) > 2
    assert all(matches[: len(scores)])  # smoke tests and those without a score are last


def test_filtered_by_text_state_and_folder(show: Open, written: str) -> None:
    page = show(written)
    everything = names(page)
    page.locator("[name=text]").focus()
    page.keyboard.type("BLURRED faces")
    assert names(page) == ["kim/plain"]
    assert page.locator("[name=count]").inner_text() == (
        f"Shows 1 of {len(everything)} rows, 2 runs."
    )
    page.locator("[name=text]").fill("")
    page.locator("[name=state]").select_option("damaged")
    assert names(page) == ["lee/damaged"]
    assert "metrics.json" in page.locator("#rows .fault").inner_text()
    page.locator("[name=state]").select_option("")
    page.locator("[name=source]").select_option("kim")
    assert all(name.startswith("kim/") for name in names(page))
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function(
        "count => document.querySelectorAll('#rows button.name').length === count",
        arg=len(everything),
    )


def test_seeds_are_joined_or_each_a_row(show: Open, written: str) -> None:
    page = show(written)
    assert "kim/plain" in names(page)
    button = page.locator("button.seeds")
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    seeds = page.locator("#rows tr.seed th").all_inner_texts()
    assert [text.split()[0] for text in seeds] == ["kim/plain-7", "kim/plain-1"]
    page.get_by_label("Join seeds").uncheck()
    assert {"kim/plain-7", "kim/plain-1"} < set(names(page))
    page.get_by_label("Join seeds").check()
    assert "kim/plain" in names(page)


def test_picked_rows_have_a_verdict_and_curves(show: Open, written: str) -> None:
    page = show(written)
    assert page.locator("#verdicts .tag").inner_text() in ("better", "worse", "undecided")
    assert page.locator(".forest figcaption").inner_text() == "Difference in macro F1"
    lines = page.locator("#curves svg").first.locator("polyline")
    assert lines.count() == (2 * 2 + 1) + (2 + 1)  # each fold of two seeds, and the mean; and so on
    page.get_by_label("Show each fold").uncheck()
    assert lines.count() == 2
    page.get_by_role("button", name="Clear").click()
    assert "Pick two rows" in page.locator("#verdicts").inner_text()
    page.get_by_label("Compare kim/plain").check()
    page.get_by_label("Compare lee/three").check()
    reason = page.locator("#verdicts").inner_text()
    assert "lee/three: people are in other folds than in kim/plain" in reason
    page.get_by_label("Compare lee/three").uncheck()
    page.get_by_label("Compare lee/unfinished").check()
    assert (
        "lee/unfinished is not compared: it is unfinished" in page.locator("#verdicts").inner_text()
    )
    drawing = page.locator("#curves svg").first
    drawing.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#bubble").inner_text().splitlines()[0] == "epoch 1"
    assert "lee/unfinished: " in page.locator("#bubble").inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("#bubble").is_visible()


def test_copies_of_a_run_count_once(
    show: Open, golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(golden / "two", ("lr: 0.01", "lr: 0.02"))
    shutil.copytree(golden / "one", golden.parent / "lee" / "one")
    folders = [Source(golden, "kim"), Source(golden.parent / "lee", "lee")]
    monkeypatch.setattr(verdicts, "MOST", 0)  # so that the page has a command instead
    dashboard_page.write(folders, golden.parent / "all.html")
    page = show((golden.parent / "all.html").as_uri())
    row = page.locator("#rows tr", has_text="kim/one")
    assert "1 seed, 2 runs" in row.inner_text() and "mean of" not in row.inner_text()
    assert re.search(r"\d\.\d+ \[", row.inner_text())  # a single run's score has its interval
    row.locator("button.seeds").click()
    assert page.locator("#rows tr.seed small").all_inner_texts() == [
        "seed 7, not compared",
        "seed 7",
    ]
    assert page.locator("#curves svg").first.locator("polyline").count() == 2 * (2 + 1)
    command = page.locator("#verdicts code").inner_text()
    assert set(command.split()[2:]) == {str(golden / "two"), str(golden.parent / "lee" / "one")}
    page.get_by_role("button", name="kim/one", exact=True).click()
    details = page.locator("dialog[open]").inner_text()
    assert "mean of" not in details and "not compared, as a newer run has this seed" in details


def test_settings_and_scores_are_parallel_lines(show: Open, written: str) -> None:
    page = show(written)
    axes = page.locator("svg.parallel text.axis > title").all_text_contents()
    assert set(axes) == {"optimizer.lr", "folds.count", "training.epochs", "score"}
    assert page.locator("svg.parallel path.unit").count() == 3
    page.locator("#axes summary").click()
    page.get_by_role("checkbox", name="folds.count").uncheck()
    assert page.locator("svg.parallel text.axis").count() == 3
    page.locator("[name=text]").fill("no such run")
    assert page.locator("svg.parallel").count() == 0


@pytest.fixture
def served(team: Path, system: Callable[..., None], tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """`maskgate dashboard --serve` in a process of its own: its folder of runs, and its address."""
    runs = Path(shutil.copytree(team / "kim", tmp_path / "runs"))
    shutil.copytree(team / "lee" / "unfinished", runs / "unfinished")
    with stopped_after(8):
        system(runs / "vote")
    words = [sys.executable, "-m", "maskgate", "dashboard", str(runs), "--serve", "--author", "Kim"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    address = next(
        (match[0] for line in process.stderr if (match := re.search(r"http://\S+", line))), ""
    )
    yield runs, address
    process.terminate()
    assert "stopped" in process.communicate(timeout=60)[1]


def test_the_live_page_takes_notes_and_follows_training(
    show: Open, served: tuple[Path, str], call: Call
) -> None:
    runs, address = served
    page = show(address)
    assert "token" not in page.url
    assert page.locator("#verdicts .tag").count() == 1
    page.get_by_role("button", name="plain", exact=True).click()
    page.locator("dialog [name=run]").select_option("plain-1")
    page.get_by_label("New note by Kim").fill(f"{HOSTILE} | better | luck")
    page.get_by_role("button", name="Save note").click()
    page.wait_for_selector("dialog .note")
    assert HOSTILE in page.locator("dialog .note").inner_text()
    screens.check_accessibility(page)
    page.keyboard.press("Escape")
    code, out, _ = call("note", runs / "plain-1")
    assert code == 0 and out.strip().endswith(f"Kim: {HOSTILE} | better | luck")
    page.get_by_label("Compare unfinished").check()
    rows = page.locator("#rows").inner_text()
    assert "fold 2 of 2, epoch 1 of 3" in rows
    assert "1 of 3 members trained" in rows and "two: fold 1 of 2, epoch 2 of 3" in rows
    place = RunFolder(runs / "unfinished").fold_folder(1) / "checkpoint.pt"
    content = checkpoint.load(place)
    assert content is not None
    history = content["position"]["history"]
    content["position"] |= {"history": [*history, {**history[0], "epoch": 2}], "epoch": 2}
    checkpoint.save(place, content)
    page.locator("#rows", has_text="epoch 2 of 3").wait_for(timeout=60_000)


def test_the_live_page_compares_on_request(show: Open, served: tuple[Path, str]) -> None:
    page = show(served[1])
    page.route("**/data", lambda route: _without_verdicts(route))
    page.reload()
    page.wait_for_selector("#verdicts .tag", timeout=60_000)
    assert page.locator("#verdicts .tag").inner_text() in ("better", "worse", "undecided")


def _without_verdicts(route: Any) -> None:
    """The data as those of a server that has compared nothing yet."""
    answer = route.fetch()
    data = answer.json() if answer.status == 200 else {}
    route.fulfill(response=answer, json={**data, "verdicts": []})
