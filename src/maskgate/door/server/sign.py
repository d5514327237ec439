"""The sign for the entrance, to print: what is judged, what is kept, and whom to ask."""

import html
import string
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from maskgate.door.server import pages
from maskgate.door.server.kiosk_settings import Language
from maskgate.door.server.request_errors import RequestError
from maskgate.door.server.settings import Settings

_SHEET: Final = """<section class="sheet" lang="$code">
<h1>$title</h1>
<p class="rule"><svg viewBox="0 0 100 100" aria-hidden="true">$icon</svg>$rule</p>
<ul>
<li>$camera</li>
<li>$judged</li>
<li>$identity</li>
<li>$not_kept</li>
<li>$staff</li>
</ul>
<p class="contact"><strong>$contact</strong> $name</p>
</section>
"""
_HEAD: Final = '<path d="M50 6c-24 0-31 18-31 40s12 48 31 48 31-26 31-48S74 6 50 6z"/>'
_EYES: Final = '<path d="M35 38h6M59 38h6"/>'
_ICONS: Final = {
    "worn": f'{_HEAD}{_EYES}<path class="solid" d="M21 54q29-10 58 0-3 34-29 40-26-6-29-40z"/>',
    "bare": f'{_HEAD}{_EYES}<path d="M50 44v16M36 74q14 8 28 0"/>',
}


def router(settings: Settings) -> APIRouter:
    """The route of the sign, one page for each language of the kiosk. Raises MaskgateError for a
    language that cannot be used."""
    routes = APIRouter()
    template = string.Template(pages.text("sign.html"))
    languages = settings.kiosk.loaded()

    @routes.get("/sign")
    async def sign(lang: str | None = None) -> Response:
        chosen = [each for each in languages if lang in (None, each.code)]
        if not chosen:
            codes = ", ".join(each.code for each in languages)
            raise RequestError("not_found", f"no sign in this language; this door has {codes}")
        page = template.substitute(
            code=html.escape(chosen[0].code),
            title=html.escape(chosen[0].sign["title"]),
            print=html.escape(chosen[0].sign["print"]),
            sheets="".join(_sheet(each, settings) for each in chosen),
        )
        return HTMLResponse(page)

    return routes


def _sheet(language: Language, settings: Settings) -> str:
    """The sign in one language."""
    texts, policy = language.sign, settings.kiosk.policy
    texts_by_place = {
        "code": language.code,
        "title": texts["title"],
        "rule": texts[policy],
        "camera": texts["camera"],
        "judged": texts["mask_only"],
        "identity": texts["identity"],
        "not_kept": texts["not_kept"],
        "staff": texts["staff"],
        "contact": texts["contact"],
    }
    if settings.purpose:
        texts_by_place["judged"] = f"{texts['purpose']} {settings.purpose}"
    escaped = {place: html.escape(text) for place, text in texts_by_place.items()}
    blank = '<span class="blank"></span>'  # to be filled in by hand
    name = html.escape(settings.contact) if settings.contact else blank
    return string.Template(_SHEET).substitute(escaped, icon=_ICONS[policy], name=name)
