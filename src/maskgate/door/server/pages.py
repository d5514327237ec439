"""The pages of the service: plain files of the package, read once, looked up by name."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Response

from maskgate.door.server.request_errors import RequestError

_FOLDER: Final = Path(__file__).parent / "pages"
_MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
# The pages, by path; every other file is at /assets/NAME.
PAGES: Final = {"/": "photos.html", "/kiosk": "kiosk.html"}


def load() -> dict[str, Response]:
    """Every file, by its name."""
    return {
        path.name: Response(path.read_bytes(), media_type=_MEDIA_TYPES[path.suffix])
        for path in sorted(_FOLDER.iterdir())
        if path.suffix in _MEDIA_TYPES
    }


def router() -> APIRouter:
    """Routes of the pages and their files."""
    routes, loaded = APIRouter(include_in_schema=False), load()

    def add(path: str, page: Response) -> None:
        async def show() -> Response:
            return page

        routes.add_api_route(path, show, methods=["GET"])

    for path, name in PAGES.items():
        add(path, loaded[name])

    @routes.get("/assets/{name}")
    async def asset(name: str) -> Response:
        if name not in loaded:
            raise RequestError("not_found", "no such file")
        return loaded[name]

    return routes
