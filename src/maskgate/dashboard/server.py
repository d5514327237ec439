"""The live page: runs that are being trained, notes, and verdicts on request."""

import hashlib
import json
import threading
from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from maskgate.core.progress import say
from maskgate.dashboard import contents, page
from maskgate.dashboard.grouping import Grouper, Grouping
from maskgate.dashboard.reader import Entry, Reader
from maskgate.dashboard.verdicts import Verdicts
from maskgate.door.server import pages as door_pages
from maskgate.door.server import private_page
from maskgate.errors import MaskgateError, disk_error
from maskgate.reports import links, pages
from maskgate.runs.records.notes import LONGEST
from maskgate.runs.run import RunFolder
from maskgate.runs.sources import Source

# A report has its scripts and styles in it. It may come from a stranger, so it is kept apart from
# this page: it can neither read it nor ask this server for anything.
_REPORT_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:;"
    " sandbox allow-scripts; frame-ancestors 'none'; base-uri 'none'"
)

Name = Annotated[str, Field(min_length=1, max_length=1000)]


class NoteBody(BaseModel):
    """A note on a run."""

    run: Name
    text: Annotated[str, Field(max_length=LONGEST + 100)]


class PairBody(BaseModel):
    """Two groups to compare, by their ids."""

    first: Name
    second: Name


class Live:
    """The runs as they are now. Its methods may be called from several threads at once."""

    def __init__(self, sources: Sequence[Source], author: str) -> None:
        self.sources, self._author = list(sources), author
        self._reader, self._grouper, self._verdicts = Reader(sources), Grouper(), Verdicts()
        self._lock = threading.Lock()
        self._verdicts.compare_best(self._read()[1])

    def content(self) -> tuple[str, bytes]:
        """What the page shows, as JSON, and a tag that is another one if it has changed."""
        with self._lock:
            entries, grouping = self._read()
            data = contents.collect(entries, grouping, self._verdicts, _report)
        data |= {"author": self._author}
        same = json.dumps({**data, "written": ""}).encode()
        return f'"{hashlib.sha256(same).hexdigest()[:32]}"', json.dumps(data).encode()

    def add_note(self, name: str, text: str) -> None:
        """Write down a note, as `maskgate note` does. Raises MaskgateError."""
        self._run(name).add_note(text, self._author)

    def compare(self, first: str, second: str) -> dict[str, Any]:
        """The verdict between two groups. Raises MaskgateError where they cannot be compared."""
        with self._lock:
            by_id = {group.id: group for group in self._read()[1].groups}
            if first not in by_id or second not in by_id or first == second:
                raise MaskgateError("no such runs")
            return self._verdicts.compare(by_id[first], by_id[second]).as_json()

    def report(self, name: str) -> bytes:
        """The report of a run. Raises MaskgateError where there is none."""
        try:
            return self._run(name).report_file.read_bytes()
        except OSError as error:
            raise MaskgateError(f"{name}: has no report") from error

    def _run(self, name: str) -> RunFolder:
        with self._lock:
            for entry in self._read()[0]:
                if entry.row.name == name and entry.row.status is not None:
                    return entry.row.run
        raise MaskgateError(f"{name}: no such run")

    def _read(self) -> tuple[list[Entry], Grouping]:
        entries = self._reader.read()
        grouping = self._grouper.group([entry.row for entry in entries])
        self._verdicts.forget_changed(grouping)
        return entries, grouping


def create(live: Live, token: str, port: int) -> FastAPI:
    """The application; see `private_page.create`."""
    app = private_page.create("dashboard", token, port, page=lambda: page.live(live.sources))
    assets = {
        "dashboard.js": (pages.render("dashboard.js"), "text/javascript; charset=utf-8"),
        "dashboard.css": (
            pages.render("style.css") + pages.render("dashboard.css"),
            "text/css; charset=utf-8",
        ),
        "icon.svg": (door_pages.text("icon.svg"), "image/svg+xml"),
    }

    @app.exception_handler(MaskgateError)
    async def fail(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, 409)

    @app.exception_handler(OSError)
    async def fail_to_read(_: Request, error: Exception) -> Response:
        assert isinstance(error, OSError)
        fault = disk_error(error, error.filename or "a file")
        return JSONResponse({"error": str(fault)}, 500)

    @app.get("/assets/{name}")
    async def asset(name: str) -> Response:
        if name not in assets:
            return JSONResponse({"error": "no such file"}, 404)
        text, kind = assets[name]
        return Response(text, media_type=kind)

    @app.get("/data")
    def data(request: Request) -> Response:
        tag, content = live.content()
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return Response(content, media_type="application/json", headers={"ETag": tag})

    @app.get("/report")
    def report(run: str) -> Response:
        headers = {"Content-Security-Policy": _REPORT_POLICY}
        return Response(live.report(run), media_type="text/html; charset=utf-8", headers=headers)

    @app.post("/notes")
    def note(body: NoteBody) -> dict[str, Any]:
        live.add_note(body.run, body.text)
        return {}

    @app.post("/verdicts")
    def verdict(body: PairBody) -> dict[str, Any]:
        return live.compare(body.first, body.second)

    return app


def _report(run: RunFolder, name: str) -> str:
    return f"/report?run={quote(name, safe='')}" if links.has_report(run.path) else ""


def serve(sources: Sequence[Source], author: str, *, port: int, opens: bool) -> None:
    """Serve the page until a signal. `opens` also opens a browser. Raises MaskgateError where there
    is no run, or if the port cannot be had."""
    private_page.serve(
        lambda token, number: create(Live(sources, author), token, number), port, opens
    )
    say("stopped; notes are in the runs' folders")
