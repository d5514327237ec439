"""The pages for photos and for pairing: their languages, links and accessibility."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from maskgate.door.server import access, gate
from maskgate.door.server.access import Access
from maskgate.door.server.kiosk_settings import PACKAGED, KioskSettings
from maskgate.door.server.settings import Settings
from tests.door.server import screens
from tests.door.server.conftest import FakeEngine, Open, Running, Serve, encoded

TITLES = {
    "en": ("Mask check", "Pair this browser", "Pair another browser"),
    "ko": ("마스크 확인", "이 브라우저 연결", "다른 브라우저 연결"),
}
PATHS = ("/", "/pair", "/pairing")


@pytest.fixture
def tokens(tmp_path: Path) -> Access:
    return access.open_access(tmp_path / "state")[0]


def cookie(tokens: Access) -> dict[str, str]:
    return {"Cookie": f"{gate.COOKIE}={tokens.pair(tokens.new_code())}"}


def heading(running: Running, path: str, **headers: str) -> str:
    page = running.get(path, **headers).body.decode()
    title = re.search("<h1>(.*?)</h1>", page)
    language = re.search('<html lang="(.*?)">', page)
    assert title and language
    assert "$" not in page
    assert language[1] == ("ko" if re.search("[가-힣]", title[1]) else "en")
    return title[1]


@pytest.mark.parametrize("language", PACKAGED)
def test_every_page_has_every_language(language: str, serve: Serve, tokens: Access) -> None:
    running = serve(access=tokens)
    for path, title in zip(PATHS, TITLES[language], strict=True):
        assert heading(running, f"{path}?lang={language}", **cookie(tokens)) == title


@pytest.mark.slow
@pytest.mark.parametrize(
    ("header", "path", "language"),
    [
        ("ko-KR,ko;q=0.9,en-US;q=0.8", "/", "ko"),
        ("fr-FR, en;q=0.5, ko;q=0.7", "/", "ko"),
        ("en-GB", "/", "en"),
        ("fr", "/", "en"),
        ("ko;q=0, en;q=0.1", "/", "en"),
        ("ko;q=x;;,", "/", "en"),
        ("", "/", "en"),
        ("ko", "/?lang=en", "en"),
        ("en", "/?lang=ko-KR", "ko"),
        ("ko", "/?lang=<script>", "ko"),
    ],
)
def test_the_query_decides_and_else_the_browser(
    header: str, path: str, language: str, serve: Serve
) -> None:
    assert heading(serve(), path, **{"Accept-Language": header}) == TITLES[language][0]


def test_a_language_of_the_service_comes_before_the_browsers(serve: Serve) -> None:
    running = serve(settings=Settings(kiosk=KioskSettings(languages=("ko", "en"))))
    assert heading(running, "/", **{"Accept-Language": "en"}) == TITLES["ko"][0]
    assert heading(running, "/?lang=en") == TITLES["en"][0]
    running = serve(settings=Settings(kiosk=KioskSettings(languages=("ko",))))
    assert b"?lang=" not in running.get("/").body


def test_the_first_page_leads_to_the_others(serve: Serve, tokens: Access) -> None:
    page = serve().get("/").body.decode()
    assert 'href="/kiosk"' in page and "/pairing" not in page
    page = serve(access=tokens).get("/?lang=ko", **cookie(tokens)).body.decode()
    assert 'href="/kiosk?lang=ko"' in page and 'href="/pairing?lang=ko"' in page


def test_texts_are_no_markup(serve: Serve, tmp_path: Path) -> None:
    folder = Path(gate.__file__).parent / "pages"
    language: dict[str, Any] = json.loads((folder / "kiosk-en.json").read_text("utf-8"))
    language["photos"]["title"] = language["name"] = "</script><b>$lead"
    file = tmp_path / "language.json"
    file.write_text(json.dumps(language), "utf-8")
    settings = Settings(kiosk=KioskSettings(languages=(str(file), "ko")))
    page = serve(settings=settings).get("/").body.decode()
    assert "<b>" not in page
    assert page.count("&lt;/script&gt;&lt;b&gt;$lead") == 3


def test_photos_are_judged_and_refused_in_the_language(serve: Serve, browse: Open) -> None:
    running = serve(settings=Settings(purpose="통계"))
    page = browse(f"http://127.0.0.1:{running.port}/", locale="ko-KR")
    page.wait_for_selector("#purpose:not([hidden]):text('목적: 통계')")
    page.wait_for_selector("#model:text('모델: tiny')")
    photo = {"name": "a.png", "mimeType": "image/png", "buffer": encoded(_grey())}
    broken = {"name": "b.png", "mimeType": "image/png", "buffer": b"x"}
    page.set_input_files("#files", [photo, broken])
    page.wait_for_selector("#status:text('사진 1장 · 얼굴 1개')")
    texts = page.text_content("#photos")
    for text in ("마스크 착용", "성별", "남성", "60세 이상", "읽을 수 없는 사진"):
        assert text in texts
    screens.save(page, "photos-ko")
    screens.check_accessibility(page)
    assert not page.errors


def test_a_wrong_code_is_refused_in_the_language(
    serve: Serve, browse: Open, tokens: Access
) -> None:
    running = serve(access=tokens)
    page = browse(f"http://127.0.0.1:{running.port}/", locale="ko-KR")
    assert page.url.endswith("/pair")
    page.fill("#code", "WRONGONE")
    page.click("button")
    page.wait_for_selector("#status:text('코드가 틀렸거나')")
    page.fill("#code", tokens.new_code())
    page.click("button")
    page.wait_for_selector("#drop")
    assert not page.errors


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(360, 740), (1280, 800)])
def test_the_pages_fit_and_are_accessible(
    scheme: str, size: tuple[int, int], *, serve: Serve, browse: Open, tokens: Access
) -> None:
    running = serve(FakeEngine(), access=tokens)
    page = browse(f"http://127.0.0.1:{running.port}/pair#{tokens.new_code()}", color_scheme=scheme)
    page.wait_for_selector("#drop")
    page.set_viewport_size({"width": size[0], "height": size[1]})
    for path in PATHS:
        for language in PACKAGED:
            page.goto(f"http://127.0.0.1:{running.port}{path}?lang={language}")
            page.wait_for_load_state("networkidle")
            assert not screens.faults(page, 14, may_scroll=True), (path, language)
            screens.check_accessibility(page)
            name = path.strip("/") or "first"
            screens.save(page, f"{name}-{scheme}-{size[0]}-{language}")
    assert not page.errors


def _grey() -> Any:
    from PIL import Image

    return Image.new("RGB", (200, 150), (120, 120, 120))
