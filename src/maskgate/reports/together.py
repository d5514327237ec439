"""What several models score alone and together, as a table on the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from maskgate import terminal
from maskgate.metrics import read_score
from maskgate.progress import say
from maskgate.reports.compare import signed


def show(results: Mapping[str, Any]) -> None:
    """Print the `members` and `steps` of a metrics.json; a line where nobody was validated."""
    members, steps = results["members"], results.get("steps", [])
    if not steps:
        say("not every model validated people: there is no out-of-fold score of all together")
        return
    table = Table("", "out-of-fold", "", "gain", "", box=None, pad_edge=False)
    for name, told in members.items():
        table.add_row(name, str(read_score(told["score"])), told["score_of"], "", "")
    for step in steps if len(members) > 1 or len(steps) > 1 else []:
        gain = signed(read_score(step["gain"])) if "gain" in step else ""
        over = f"over {step['before']}" if gain else ""
        table.add_row(
            step["name"],
            str(read_score(step["score"])),
            step["score_of"],
            gain,
            over,
        )
    terminal.console().print(table)
