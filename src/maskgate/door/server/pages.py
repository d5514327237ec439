"""The pages of the service: files of the package, most with the texts of a language filled in."""

import html
import json
import string
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from maskgate.door.server.kiosk_settings import BROWSER, KioskSettings, Language
from maskgate.door.server.request_errors import RequestError

_FOLDER: Final = Path(__file__).parent / "pages"
_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_RELOAD: Final = "5"  # seconds until a kiosk whose camera is unknown asks again
_PAGE: Final = "page.html"  # what all pages but the kiosk share


class Pages:
    """The pages in each language of the service. Raises MaskgateError for a language that cannot be
    used."""

    def __init__(self, settings: KioskSettings) -> None:
        self._languages = settings.loaded()
        self._follows_browser = not settings.languages

    def language(self, request: Request) -> Language:
        """The language of the query `lang`, else the browser's first, else the service's first."""
        codes = [request.query_params.get("lang", "")]
        if self._follows_browser:
            codes += _accepted(request.headers.get("accept-language", ""))
        for code in codes:
            for language in self._languages:
                if f"{code.lower()}-".startswith(f"{language.code.lower()}-"):
                    return language
        return self._languages[0]

    def response(
        self,
        request: Request,
        name: str,
        texts: Mapping[Any, str],
        *,
        links: Mapping[str, str] | None = None,
        markup: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """The page `name`: its file, with `texts` in the language of the request and with `markup`.

        `links` are addresses and their texts. The script of the page gets the texts too.
        """
        language = self.language(request)
        chosen = request.query_params.get("lang")
        query = "" if chosen is None else f"?lang={language.code}"
        anchors = [
            f'<a href="{address}{query}">{html.escape(title)}</a>'
            for address, title in (links or {}).items()
        ]
        for each in self._languages if len(self._languages) > 1 else ():
            current = ' aria-current="true"' if each is language else ""
            code, title = html.escape(each.code), html.escape(each.name)
            anchors.append(f'<a href="?lang={code}" lang="{code}"{current}>{title}</a>')
        script = f'<script src="/assets/{name}.js" defer></script>'
        data = {**texts, "labels": language.labels, "errors": language.errors}
        escaped = {key: html.escape(each) for key, each in texts.items()}
        main = string.Template(text(f"{name}.html")).substitute(escaped, **(markup or {}))
        page = string.Template(text(_PAGE)).substitute(
            code=html.escape(language.code),
            title=escaped["title"],
            script=script if (_FOLDER / f"{name}.js").exists() else "",
            links="\n".join(anchors),
            main=main,
            texts=json.dumps(data).replace("<", "\\u003c"),
        )
        return HTMLResponse(page)


@cache
def text(name: str) -> str:
    """The content of a file of the pages."""
    return (_FOLDER / name).read_text("utf-8")


def _accepted(header: str) -> list[str]:
    """The languages in a header Accept-Language, the best first."""
    weighted: list[tuple[float, str]] = []
    for part in header.split(","):
        code, _, quality = part.partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=") or 1)
        except ValueError:
            weight = 0.0
        weighted.append((weight, code.strip()))
    weighted.sort(key=lambda each: -each[0])
    return [code for weight, code in weighted if weight > 0 and code]


def router(pages: Pages, cameras: Sequence[str], *, has_pairing: bool) -> APIRouter:
    """Routes of the page for photos, of the kiosk, and of the pages' files. `cameras` are the names
    of those that the service reads."""
    routes = APIRouter(include_in_schema=False)
    loaded = {
        path.name: Response(path.read_bytes(), media_type=_MEDIA_TYPES[path.suffix])
        for path in sorted(_FOLDER.iterdir())
        if path.suffix in _MEDIA_TYPES
    }
    kiosk = HTMLResponse(text("kiosk.html"))

    @routes.get("/")
    async def photos_page(request: Request) -> Response:
        texts = pages.language(request).photos
        links = {"/kiosk": texts["kiosk"]}
        if has_pairing:
            links["/pairing"] = texts["pairing"]
        links["/sign"] = texts["sign"]
        return pages.response(request, "photos", texts, links=links)

    @routes.get("/kiosk")
    async def kiosk_page(camera: str = BROWSER) -> Response:
        if camera != BROWSER and camera not in cameras:
            known = ", ".join([*cameras, BROWSER])
            problem = RequestError("not_found", f"no such camera; this service has {known}")
            return JSONResponse(problem.body(), problem.status, {"Refresh": _RELOAD})
        return kiosk

    @routes.get("/assets/{name}")
    async def asset(name: str) -> Response:
        if name not in loaded:
            raise RequestError("not_found", "no such file")
        return loaded[name]

    return routes
