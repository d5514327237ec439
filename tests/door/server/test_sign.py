"""The sign for the entrance: what it says, and that it prints on one A4 page a language."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from maskgate.door.server import kiosk_settings
from maskgate.door.server.kiosk_settings import KioskSettings
from maskgate.door.server.settings import Settings
from tests.door.server.conftest import Serve

PAGES = Path(kiosk_settings.__file__).parent / "pages"
CHROMIUM = shutil.which("chromium") or ""


def sign_texts(code: str) -> dict[str, str]:
    texts: dict[str, str] = json.loads((PAGES / f"kiosk-{code}.json").read_text("utf-8"))["sign"]
    return texts


def test_it_says_what_is_judged_and_whom_to_ask(serve: Serve) -> None:
    contact = "Lee & Kim <02-123-4567>"
    page = serve(settings=Settings(contact=contact)).get("/sign").body.decode()
    for code in ("en", "ko"):
        texts = sign_texts(code)
        for name in ("title", "worn", "camera", "mask_only", "identity", "not_kept", "staff"):
            assert texts[name] in page, name
        assert texts["bare"] not in page and texts["purpose"] not in page
        assert f"{texts['contact']}</strong> Lee &amp; Kim &lt;02-123-4567&gt;" in page
    assert page.count('class="sheet"') == 2 and "$" not in page


def test_it_follows_policy_purpose_and_language(serve: Serve) -> None:
    running = serve(
        settings=Settings(purpose="<Statistics>", kiosk=KioskSettings("bare", ("ko", "en")))
    )
    page = running.get("/sign?lang=ko").body.decode()
    texts = sign_texts("ko")
    assert page.startswith('<!doctype html>\n<html lang="ko">')
    assert texts["bare"] in page and texts["worn"] not in page and texts["mask_only"] not in page
    assert f"{texts['purpose']} &lt;Statistics&gt;" in page
    assert 'class="blank"' in page, "a line for the contact"
    assert sign_texts("en")["title"] not in page
    assert running.get("/sign").body.decode().index(texts["title"]) > 0
    refused = running.get("/sign?lang=fr")
    assert (refused.status, refused.reason) == (404, "not_found")
    assert refused.json["error"]["message"].endswith("this door has ko, en")


@pytest.mark.parametrize("code", kiosk_settings.PACKAGED)
def test_it_promises_only_what_is_tested(code: str) -> None:
    text = " ".join(sign_texts(code).values()).casefold()
    for word in ("anonym", "complian", "secure", "guarantee", "익명", "보장", "준수"):
        assert word not in text


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_each_language_is_one_page_of_a4(serve: Serve) -> None:
    playwright: Any = pytest.importorskip("playwright.sync_api")
    contact = "Door team of the house, 1 Long Street, Town, 02-123-4567, door@example.com"
    purpose = "counting visitors by age group, to plan the opening hours of the coming season"
    port = serve(settings=Settings(contact=contact, purpose=purpose)).port
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/sign")
        page.emulate_media(media="print")
        for sheet in page.locator(".sheet").all():
            assert sheet.evaluate("each => each.scrollHeight <= each.clientHeight")
        assert page.is_hidden("#print")
        pdf = page.pdf(prefer_css_page_size=True)
        browser.close()
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 2
    assert re.search(rb"/MediaBox\s*\[\s*0 0 (594|595)[.\d]* (841|842)", pdf)
