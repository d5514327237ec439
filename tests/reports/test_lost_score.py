"""Where a score is lost, as the report says it."""

import html
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from maskgate import runs
from maskgate.core.score import Score
from maskgate.evaluation import age_by_year, agreement, majority, metrics
from maskgate.evaluation.age_by_year import Years
from maskgate.reports import links, lost_score
from maskgate.reports import run as run_report
from maskgate.runs import RunFolder, tables
from tests.conftest import Call

ZERO = Score(0.0, 0.0, 0.1)


@pytest.fixture(scope="module")
def text(trained: Path) -> str:
    """What a reader reads of the report, without photos."""
    page = run_report.write(runs.open_run(trained), photos=False).read_text("utf-8")
    body = re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(body).split())


def ends(score: Score) -> str:
    return f"{score.low:.3f} – {score.high:.3f}"


def scored(score: Score) -> str:
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"


def test_every_score_stands_beside_the_most_frequent_class(trained: Path, text: str) -> None:
    table, _ = tables.oof(RunFolder(trained))
    for name, baseline in majority.scores(table).items():
        title = {"label": "18 classes"}.get(name, name.replace("_", " "))
        tile = rf"Macro F1, {title} \S+ \S+ – \S+ most frequent class: "
        score = baseline.macro_f1
        assert re.search(tile + re.escape(f"{score.value:.3f}, {ends(score)}"), text)
        assert (
            f"Always “{baseline.value.replace('_', ' ')}”, the most frequent class: macro F1"
            f" {scored(score)}, accuracy {scored(baseline.accuracy)}."
        ) in text


def test_errors_by_year_and_agreement_have_their_intervals(trained: Path, text: str) -> None:
    table, probabilities = tables.oof(RunFolder(trained))
    years = age_by_year.errors(probabilities, table)
    assert years
    for each in years:
        scores = (each.wrong, each.younger, each.older)
        numbers = " ".join(f"{score.value:.3f} {ends(score)}" for score in scores)
        assert f"{each.name} ({each.band}) {each.photos} {each.people} {numbers}" in text
    agreements = agreement.evaluate(probabilities, table)
    assert list(agreements) == ["gender", "age_band"]
    for of_attribute in agreements.values():
        by_photo, together = of_attribute.by_photo, of_attribute.together
        assert f"of single photos {scored(by_photo)} are" in text
        assert f"photos {scored(together)} of the people" in text
        for row in of_attribute.differing:
            right = "too few people"
            if row.right is not None:
                assert row.people >= metrics.FEW
                right = rf".*{row.right.value:.3f} {ends(row.right)}"
            share = f"{row.people} {row.share.value:.3f} {ends(row.share)}"
            assert re.search(f"(agree|differs?) {share} {right}", text)


def test_the_command_prints_the_baseline(trained: Path) -> None:
    from maskgate.training import scoring

    table, _ = tables.oof(RunFolder(trained))
    last = scoring.summary(RunFolder(trained)).splitlines()[-1]
    assert last.endswith(f"; always the most frequent class: {majority.main_score(table)}")


def test_a_bar_is_as_high_as_its_share() -> None:
    years = [
        Years(28, 28, "<30", 20, 10, Score(0.2, 0.1, 0.4), ZERO, Score(0.2, 0.1, 0.4)),
        Years(29, 29, "<30", 20, 10, ZERO, ZERO, ZERO),
        Years(30, 33, "30-59", 20, 10, Score(0.8, 0.6, 0.9), Score(0.5, 0.3, 0.6),
              Score(0.3, 0.2, 0.4)),
    ]  # fmt: skip
    drawn = lost_score.chart(years)
    bars = np.array(
        re.findall(r'<rect x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)"', drawn), float
    )
    heights = bars[:, 3].reshape(3, 2)
    assert heights / heights[0, 1] * 0.2 == pytest.approx(
        np.array([[0, 0.2], [0, 0], [0.5, 0.3]]), abs=0.002
    )
    younger, older = bars[4], bars[5]
    assert older[1] + older[3] == pytest.approx(younger[1], abs=0.2), "one stands on the other"
    assert "30–33 years, 10 people: 80% [60, 90] wrong; 50% [30, 60] younger" in drawn
    assert drawn.count('class="mark"') == 1, "of 30 and 60 only one lies in the chart"


def test_nothing_is_said_of_what_is_unknown(trained: Path) -> None:
    results = runs.open_run(trained).metrics()
    table, probabilities = tables.oof(RunFolder(trained))
    alone = table.assign(age=np.nan, person=table["photo"])
    context = lost_score.context(results, alone, probabilities)
    assert context["years"] == context["agreement"] == []
    assert context["chart"] == ""


@pytest.mark.slow
def test_runs_are_linked(
    call: Call, train: Callable[..., Path], trained: Path, tmp_path: Path
) -> None:
    other = train(tmp_path / "other", "seed=8", "training.epochs=1")
    code, _, err = call("combine", trained, other, "--out", tmp_path / "both")
    assert code == 0, err
    both = RunFolder(tmp_path / "both")
    page = both.report_file.read_text("utf-8")
    for member in (trained, other):
        assert f'href="{links.relative(both.path, member / "report.html")}"' in page
    code, _, err = call("compare", trained, tmp_path / "both", "--out", tmp_path / "page")
    assert code == 0, err
    page = (tmp_path / "page" / "compare.html").read_text("utf-8")
    hrefs = re.findall(r'<a href="([^"]+report.html)">', page)
    assert len(hrefs) == 2
    assert all((tmp_path / "page" / href).is_file() for href in hrefs)


def test_a_member_leads_to_its_system_and_a_student_to_its_teacher(
    trained: Path, tmp_path: Path
) -> None:
    member = RunFolder(Path(shutil.copytree(trained, tmp_path / "a system" / "members" / "one")))
    assert links.related(member) == []
    (tmp_path / "a system" / "system.yaml").touch()
    assert links.related(member) == [("Member of", "a system", "../../report.html")]
    recipe = member.recipe_file.read_text("utf-8") + f"teacher: {trained}\n"
    member.recipe_file.write_text(recipe.replace("teacher: null\n", "", 1), "utf-8")
    member.finish()
    assert links.related(member)[1:] == [
        ("Teacher", trained.name, links.relative(member.path, trained / "report.html"))
    ]
    assert links.to_report(tmp_path, tmp_path / "gone") == ""
    assert links.relative(tmp_path, tmp_path / "javascript:x" / "a b") == "javascript%3Ax/a%20b"
