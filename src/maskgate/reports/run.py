"""`report.html` of a run: one file that holds all it shows."""

from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from maskgate import files, labels, metrics
from maskgate.reports import charts
from maskgate.runs import Run

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("maskgate.reports"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def write(run: Run) -> Path:
    """Write the report from the run's files; its path."""
    results = run.metrics()
    page = _TEMPLATES.get_template("run.html").render(
        status=run.status(),
        results=results,
        attributes=labels.ATTRIBUTES,
        confusions=_confusions(results) if results["validated"] else [],
        curves=_curves(run.history()),
        recipe=run.recipe_file.read_text(encoding="utf-8"),
        bar=charts.interval_bar,
        score=lambda told: str(metrics.read_score(told)),
    )
    files.replace_text(run.report_file, page)
    return run.report_file


def _curves(history: pd.DataFrame) -> list[str]:
    wanted = {
        "Training loss": "train_loss",
        "Validation loss": "valid_loss",
        "Validation macro F1": "valid_score",
        "Learning rate": "lr",
    }
    drawn = []
    for title, column in wanted.items():
        if column in history:
            series = {
                f"fold {fold}": list(zip(rows["epoch"], rows[column], strict=True))
                for fold, rows in history.groupby("fold")
            }
            drawn.append(charts.lines(series, "epoch", title))
    return drawn


def _confusions(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Per table its title, class names and rows of (count, low, high, share of the true class)."""
    tables = [("All 18 classes", results)] if results["fully_labelled"] else []
    tables += [(name.replace("_", " "), part) for name, part in results["attributes"].items()]
    return [
        {
            "title": title,
            "names": [entry["name"] for entry in part["classes"]],
            "rows": _cells(part["confusion"]),
        }
        for title, part in reversed(tables)
    ]


def _cells(confusion: dict[str, Any]) -> list[list[dict[str, float]]]:
    value, low, high = (np.array(confusion[key]) for key in ("value", "low", "high"))
    share = value / np.maximum(value.sum(1, keepdims=True), 1)
    return [
        [
            {"count": value[i, j], "low": low[i, j], "high": high[i, j], "share": share[i, j]}
            for j in range(value.shape[1])
        ]
        for i in range(value.shape[0])
    ]
