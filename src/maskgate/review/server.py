"""The page of a review, served on this machine alone, to whoever has the token."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from maskgate.core.progress import say
from maskgate.door.server import pages, private_page
from maskgate.errors import MaskgateError
from maskgate.review.session import RefusedError, Session

_FOLDER: Final = Path(__file__).parent / "pages"
_ASSETS: Final = {
    "review.js": "text/javascript; charset=utf-8",
    "review.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}

Number = Annotated[int, Field(ge=0, le=10_000_000)]


class AskBody(BaseModel):
    """Another attribute of the person of a question; for masks, the row of the photo."""

    number: Number
    attribute: str
    row: Number | None = None


class DecisionBody(BaseModel):
    """A decision on a question."""

    number: Number
    choice: str
    value: str = ""
    tier: str
    note: Annotated[str, Field(max_length=2000)] = ""


def create(session: Session, token: str, port: int) -> FastAPI:
    """The application. The address with `?token=` sets a cookie, which all other requests need."""
    page = (_FOLDER / "review.html").read_text("utf-8")
    app = private_page.create("review", token, port, page=lambda: page)
    assets = {name: Response(_asset(name), media_type=kind) for name, kind in _ASSETS.items()}

    @app.exception_handler(RefusedError)
    async def refuse(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, 404)

    @app.exception_handler(MaskgateError)
    async def fail(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": f"not written: {error}"}, 507)

    @app.get("/assets/{name}")
    async def asset(name: str) -> Response:
        if name not in assets:
            raise RefusedError("no such file")
        return assets[name]

    @app.get("/overview")
    def overview() -> dict[str, Any]:
        return session.overview()

    @app.get("/questions/{number}")
    def question(number: int) -> dict[str, Any]:
        return session.question(number)

    @app.post("/questions")
    def ask(body: AskBody) -> dict[str, Any]:
        return {"number": session.ask(body.number, body.attribute, body.row)}

    @app.get("/photos/{row}")
    def photo(row: int) -> Response:
        return Response(session.photo(row), media_type="image/jpeg")

    @app.post("/decisions")
    def decide(body: DecisionBody) -> dict[str, Any]:
        session.decide(body.number, body.choice, body.value, tier=body.tier, note=body.note)
        return session.overview()

    @app.post("/undo")
    def undo() -> dict[str, Any]:
        number = session.undo()
        return {"number": number, "overview": session.overview()}

    return app


def _asset(name: str) -> str:
    """A file of the page; its colours and buttons are those of the door's pages."""
    if name == "icon.svg":
        return pages.text(name)
    text = (_FOLDER / name).read_text("utf-8")
    return pages.text("door.css") + text if name.endswith(".css") else text


def serve(start: Callable[[], Session], port: int, opens: bool) -> None:
    """Serve the session that `start` makes, until a signal. `opens` also opens a browser. Raises
    MaskgateError if the port cannot be had."""
    private_page.serve(lambda token, number: create(start(), token, number), port, opens)
    say("stopped; every decision is written")
