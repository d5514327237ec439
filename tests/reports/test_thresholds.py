"""Thresholds and costs on an operator's own photos: the tables, the page and the command."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.door.costs import Costs
from maskgate.evaluation import thresholds
from maskgate.reports import thresholds as report
from maskgate.synthetic.people import sample_people

Call = Callable[..., tuple[int, str, str]]
OPTIONS = report.Options(
    None, Path(), {"mask": 0.05, "gender": 0.0001}, "worn", Costs(let_in=5, stopped=1, look=0.2)
)


@pytest.fixture
def measured() -> report.Measured:
    """Of 200 people whose age is not known."""
    random = np.random.default_rng(0)
    codes = {name: random.integers(0, len(v), 200) for name, v in labels.ATTRIBUTES.items()}
    probabilities = random.dirichlet(np.full(18, 0.1), 200)
    probabilities[np.arange(200), labels.encode(*codes.values())] += 1
    probabilities /= probabilities.sum(1, keepdims=True)
    person = np.arange(200)
    table = pd.DataFrame({"person": person, "cluster": person, "fold": 0, **codes})
    table = table.assign(age_band=labels.UNKNOWN)
    lowest = {"mask": 0.8}
    return report.of_probabilities(probabilities, table, lowest, options=OPTIONS)  # type: ignore[arg-type]


def test_the_models_own_and_fitted_thresholds(measured: report.Measured) -> None:
    selection = measured.selections["mask"]["all"]
    assert selection.another_look is not None
    assert selection.another_look.value > 0
    assert measured.fitted["mask"].confidence is not None
    assert measured.fitted["mask"].confidence >= thresholds.LEAST
    assert measured.fitted["gender"].confidence is None  # .0001 cannot be seen among 200 people
    assert measured.passing is not None
    assert measured.passing.costs == {"let_in": 5, "stopped": 1, "look": 0.2}
    lines = list(report.summary(measured))
    assert f": --unsure-below {measured.fitted['mask'].confidence:.4f}" in lines[0]
    assert lines[1] == "gender: no threshold has an error of 0.01% on these photos"


def test_the_page_has_the_tables_and_curves(measured: report.Measured, tmp_path: Path) -> None:
    text = report.markdown(measured, "a <b> on c")
    assert "Answers on the mask, unsure below 0.800:" in text
    assert "By costs of 5 for letting in somebody who may not pass" in text
    report.write(tmp_path / "page.html", measured, "a <b> on c")
    page = (tmp_path / "page.html").read_text()
    assert "<b>" not in page
    assert page.count("<figure>") == 3
    assert report.plain_text(measured, "a <b> on c").startswith("# Thresholds: a <b> on c\n")


@pytest.mark.slow
def test_the_command(call: Call, tmp_path: Path, cache: Path) -> None:
    sample_people.make(tmp_path / "data", people=12, eval_people=1, size=(64, 48), twins=0)
    page = tmp_path / "page.html"
    code, text, error = call(
        "thresholds", tmp_path / "data", "--error", "mask=.4", "--cost", "let_in=3", "--cost",
        "stopped=1", "--cost", "look=.1", "--out", page, "--cache", cache,
    )  # fmt: skip
    assert code == 0, error
    assert text.startswith("# Thresholds: the default model on data\n")
    assert "On 84 photos of 12 people" in text
    assert "By costs of 3 for letting in" in text
    assert text.endswith(f"{page}\n")
    assert "<figure>" in page.read_text()
    code, _, error = call("thresholds", tmp_path / "data", "--out", tmp_path / "page.txt")
    assert (code, error.count("\n")) == (2, 1)
    assert "page.txt: a page ends in .html; name such a file" in error
