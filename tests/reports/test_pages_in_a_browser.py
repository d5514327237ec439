"""Pages in Chromium: readable in light and dark, on a phone and a desk; filters and intervals
without a mouse. $MASKGATE_AXE names the file of axe-core, $MASKGATE_SCREENSHOTS a folder."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskgate import runs
from maskgate.core import charts
from maskgate.pipeline import inspection
from maskgate.reports import compare, compare_data, door_report, inspect, mistakes, pages, tune
from maskgate.reports import run as run_report
from maskgate.runs import tables
from maskgate.training.lr_finder import Sweep, sentence
from tests.door.server import screens
from tests.reports.test_compare_data_page import comparison
from tests.reports.test_compare_page import comparisons as comparisons
from tests.reports.test_door_report import sample as sample_of_door
from tests.reports.test_tune_page import SEARCH_REPORT

CHROMIUM = shutil.which("chromium") or ""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
]
WIDTHS = {"phone": 390, "desk": 1280}
Open = Callable[..., Any]
Call = Callable[..., tuple[int, str, str]]
SYSTEM = """
folds: {kind: kfold, count: 2}
members:
  - {name: plain, recipe: tiny.yaml}
  - {name: joint, recipe: tiny.yaml, changes: {model.head: joint}}
combine: soft_vote
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def show(browser: Any) -> Iterator[Open]:
    """`show(file, width=…, color_scheme=…)` opens a page; no script may fail on it."""
    errors: list[str] = []
    contexts = []

    def open_page(file: Path, width: int = 1280, **options: Any) -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, **options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="module")
def report(trained: Path) -> Path:
    return run_report.write(runs.open_run(trained))


@pytest.fixture
def every_page(
    report: Path, comparisons: Any, people: Path, cache: Path, tmp_path: Path
) -> dict[str, Path]:
    """Pages of several kinds, on which everything is that the shared style colours."""
    compare.write(comparisons, tmp_path / "compare.html", tmp_path / "compare.csv")
    inspected, _ = inspect.write(
        inspection.inspect(people, cache), tmp_path / "inspect", pictures=True
    )
    rates = np.geomspace(1e-4, 1, 20)
    sweep = Sweep(rates, np.linspace(3, 2, 20), np.linspace(3, 2, 20), False)
    curve = {"smoothed": list(zip(rates.tolist(), sweep.smoothed.tolist(), strict=True))}
    pages.write(
        tmp_path / "lr.html", "lr.html", recipe="tiny", changes=[], sweep=sweep,
        sentence=sentence(sweep), chart=charts.lines(curve, "learning rate", "Training loss"),
    )  # fmt: skip
    door, manifest = sample_of_door()
    door_report.write(tmp_path / "door.html", door, manifest.reference)
    compare_data.write(comparison(), tmp_path / "compare-data.html")
    return {
        "door-report": tmp_path / "door.html",
        "compare-data": tmp_path / "compare-data.html",
        "report": report,
        "compare": tmp_path / "compare.html",
        "inspect": inspected,
        "lr": tmp_path / "lr.html",
        "tune": tune.write(SEARCH_REPORT, tmp_path),
    }


@pytest.fixture
def pages_of_commands(
    trained: Path, tiny: Path, people: Path, call: Call, tmp_path: Path
) -> dict[str, Path]:
    """Pages that need a training or a model, as their commands write them."""
    run = shutil.copytree(trained, tmp_path / "run")
    shutil.copy(tiny, tmp_path / "tiny.yaml")
    (tmp_path / "vote.yaml").write_text(SYSTEM)
    (tmp_path / "unlabelled").mkdir()
    for number, photo in enumerate(sorted((people / "train").rglob("[!.]*.jpg"))[:24]):
        shutil.copy(photo, tmp_path / "unlabelled" / f"{number}.jpg")
    quick = ("training.epochs=1", "folds.kind=holdout")
    commands: dict[str, tuple[object, ...]] = {
        "suspects": ("suspects", run),
        "explain": ("explain", run, "--sample", 20, "--out", tmp_path / "explain"),
        "ablate": (
            "ablate", tiny, people, *quick, "--seeds", 1, "--change", "model.dropout=0.5",
            "--out", tmp_path / "ablate",
        ),
        "pseudo": (
            "pseudo", tiny, people, tmp_path / "unlabelled", *quick, "--rounds", 1, "--keep-going",
            "--out", tmp_path / "p",
        ),
        "thresholds": ("thresholds", people, "--out", tmp_path / "thresholds.html"),
        "system": (
            "train", tmp_path / "vote.yaml", people, "training.epochs=1", "--out", tmp_path / "s",
        ),
    }  # fmt: skip
    for words in commands.values():
        code, _, error = call(*words)
        assert code == 0, error
    return {
        "suspects": run / "suspects.html",
        "explain": tmp_path / "explain" / "explain.html",
        "ablate": tmp_path / "ablate" / "ablate.html",
        "pseudo": tmp_path / "p" / "pseudo.html",
        "thresholds": tmp_path / "thresholds.html",
        "system": tmp_path / "s" / "report.html",
    }


def check(page_files: dict[str, Path], show: Open, scheme: str) -> None:
    """Every page fits its screen and is readable, with everything that can be opened open."""
    for name, file in page_files.items():
        for screen, width in WIDTHS.items():
            page = show(file, width, color_scheme=scheme)
            page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, screen)
            screens.save(page, f"{name}-{scheme}-{screen}")
            screens.check_accessibility(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_readable(scheme: str, show: Open, every_page: dict[str, Path]) -> None:
    check(every_page, show, scheme)


def test_pages_of_commands_are_readable(show: Open, pages_of_commands: dict[str, Path]) -> None:
    for scheme in ("light", "dark"):
        check(pages_of_commands, show, scheme)


def test_mistakes_are_filtered_by_keyboard(show: Open, report: Path) -> None:
    table = mistakes.find(*tables.oof(runs.open_run(report.parent)))
    page = show(report)
    cards = page.locator(".mistake:visible")
    assert cards.count() == len(mistakes.examples(table))
    assert page.locator("#filters output").inner_text() == (
        f"Shows {cards.count()} of {len(table)} such mistakes."
    )
    attribute, truth, predicted, mask, _ = page.locator("#filters select").all()
    assert truth.is_disabled() and predicted.is_disabled()
    attribute.focus()
    page.keyboard.type("age band")
    assert attribute.input_value() == "age_band"
    truth.select_option("30-59")
    predicted.select_option("<30")
    mask.select_option("wear")
    kind = table[
        (table["true_age_band"] == "30-59")
        & (table["age_band"] == "<30")
        & (table["true_mask"] == "wear")
    ]
    assert page.locator("#filters output").inner_text().endswith(f" of {len(kind)} such mistakes.")
    for card in cards.all():
        assert card.get_attribute("data-true_age_band") == "30-59"
        assert card.get_attribute("data-age_band") == "<30"
        assert card.get_attribute("data-true_mask") == "wear"
    page.get_by_role("button", name="Show all").focus()
    page.keyboard.press("Enter")
    assert cards.count() == len(mistakes.examples(table))
    link = page.locator("table.shares a").last
    link.focus()
    page.keyboard.press("Enter")
    assert f" of {link.inner_text()} such mistakes." in page.locator("#filters output").inner_text()


def test_without_javascript_all_mistakes_are_shown(show: Open, report: Path) -> None:
    page = show(report, java_script_enabled=False)
    assert page.locator(".mistake:visible").count() > 0
    assert not page.locator("#filters").is_visible()


def test_intervals_are_shown_by_tap_and_by_keyboard(show: Open, report: Path) -> None:
    page = show(report, 390, has_touch=True)
    bubble = page.locator(".bubble")
    cell = page.locator("table.confusion td.hit").first
    cell.tap()
    assert bubble.inner_text() == cell.get_attribute("title")
    box = bubble.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    page.keyboard.press("Escape")
    assert not bubble.is_visible()
    chart = page.locator("#lost svg").first
    chart.focus()
    first = chart.locator("title").first.text_content()
    page.keyboard.press("ArrowRight")
    assert bubble.inner_text() == first and "[" in first
    page.keyboard.press("ArrowRight")
    assert bubble.inner_text() == chart.locator("title").nth(1).text_content()
    dot = page.locator("figure svg circle:has(title)").first
    dot.scroll_into_view_if_needed()
    at = dot.bounding_box()
    page.touchscreen.tap(at["x"] + 6, at["y"] + 6)  # a finger is not exact
    assert "[" in bubble.inner_text()
