"""Runs as older versions of maskgate left them."""

import json

from maskgate.runs import RunFolder


def unlisted(run: RunFolder) -> RunFolder:
    """The run without a list of its files."""
    status = json.loads(run.status_file.read_text())
    rest = {key: value for key, value in status.items() if key not in ("files", "sha256")}
    run.status_file.write_text(json.dumps(rest, indent=2) + "\n")
    return run
