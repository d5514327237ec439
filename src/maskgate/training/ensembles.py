"""Trains a system: every member as a run of its own, then their answers combined."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from maskgate import ensemble, files, labels, metrics, runs
from maskgate.ensemble import Voice
from maskgate.errors import MaskgateError
from maskgate.model import heads
from maskgate.progress import say
from maskgate.reports import run as run_report
from maskgate.runs import Run
from maskgate.system import System
from maskgate.training import crossval
from maskgate.training.prepare import Order


def train(system: System, order: Order) -> Run:
    """Train the members of a system in its folder and score what they say together.

    Finished members are left as they are, an unfinished one is resumed. Raises MaskgateError.
    """
    recipes = {member.name: system.recipe_of(member) for member in system.members}
    ensemble.check(system.combine, [heads.knows(r.model.head) for r in recipes.values()])
    smoke = "-smoke" if order.smoke else ""
    digest = system.digest(str(order.data.resolve()))
    run = Run(order.out or order.runs / f"{order.name}{smoke}-{digest}")
    if run.status_file.exists() and not run.is_system:
        raise MaskgateError(f"{run.path}: holds a run of a recipe; give another --out")
    (run.path / "members").mkdir(parents=True, exist_ok=True)
    system.write(run.system_file)
    for number, (name, recipe) in enumerate(recipes.items(), 1):
        say(f"member {number} of {len(recipes)}: {name}")
        crossval.train(recipe, replace(order, name=name, out=run.path / "members" / name))
    _conclude(run, system, order, digest)
    return run


def _conclude(run: Run, system: System, order: Order, digest: str) -> None:
    members = run.members()
    told = [member.status() for member in members]
    first = told[0]
    run.tell(
        recipe=order.name,
        digest=digest,
        data=str(order.data),
        root=first["root"],
        smoke=order.smoke,
        command=order.command,
        started=first["started"],
        versions=first["versions"],
        truth=first["truth"],
        photos=first["photos"],
        people=first["people"],
        largest_cluster=first["largest_cluster"],
        twins=first["twins"],
        warnings=sorted({warning for each in told for warning in each["warnings"]}),
        seconds=round(sum(each["seconds"] for each in told), 1),
        photos_per_second=round(1 / sum(1 / each["photos_per_second"] for each in told), 1),
    )
    for name in ("folds.csv", "photos.parquet"):
        files.replace(
            run.path / name,
            lambda beside, name=name: beside.write_bytes((members[0].path / name).read_bytes()),  # type: ignore[misc]
        )
    results = [member.metrics() for member in members]
    found: dict[str, object] = {"validated": results[0]["validated"]}
    if found["validated"]:
        found |= _score(run, system, members, results)
    files.replace_text(run.metrics_file, json.dumps(found, indent=2) + "\n")
    run_report.write(run)
    run.tell(finished=datetime.now(UTC).isoformat(timespec="seconds"))


def _score(
    run: Run, system: System, members: list[Run], results: list[dict[str, object]]
) -> dict[str, object]:
    """Combine the out-of-fold probabilities and score them, each member's score beside."""
    table: pd.DataFrame | None = None
    voices = []
    for wanted, member in zip(system.members, members, strict=True):
        rows, probabilities = member.oof()
        if table is None:
            table = rows
        place = pd.Index(rows["photo"]).get_indexer(pd.Index(table["photo"]))
        if len(rows) != len(table) or (place < 0).any():
            raise MaskgateError(f"{member.path}: validated other photos; remove it, train it anew")
        knows = heads.knows(member.recipe().model.head)
        voices.append(Voice(probabilities[place], knows, wanted.weight))
    assert table is not None
    combined = ensemble.combine(system.combine, voices).astype(np.float32)
    told = table[["photo", "person", "label", "fold"]]
    runs.write_probabilities(run.oof_file, told, combined)
    scores = {
        wanted.name: {"score": result["score"], "score_of": result["score_of"]}
        for wanted, result in zip(system.members, results, strict=True)
    }
    return metrics.evaluate(combined, table) | {
        "knows": list(labels.ATTRIBUTES),
        "selection": "members",
        "members": scores,
        "combine": system.combine.name,
    }
