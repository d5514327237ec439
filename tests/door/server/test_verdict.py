"""POST /v1/verdict: the verdicts of the engine, for photos of every kind."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskgate import labels
from maskgate.door.costs import Costs
from maskgate.door.engine import Engine
from maskgate.door.server.kiosk_settings import KioskSettings
from maskgate.door.server.settings import Settings
from maskgate.imaging.pixels import Pixels
from tests.door.server.conftest import Running, Serve, encoded


@pytest.fixture(scope="module")
def engine(bundle: Path) -> Engine:
    return Engine(bundle)


@pytest.fixture
def running(serve: Serve, engine: Engine) -> Running:
    return serve(engine)


def test_the_answer_is_the_engines_verdict(running: Running, engine: Engine, photo: Pixels) -> None:
    answer = running.post(encoded(photo))
    assert answer.status == 200
    (part,) = answer.json["photos"]
    verdicts = engine(photo)
    assert verdicts
    assert (part["width"], part["height"]) == (480, 640)
    for face, verdict in zip(part["faces"], verdicts, strict=True):
        assert face["box"] == pytest.approx(verdict.box, abs=0.06)
        assert face["score"] == pytest.approx(verdict.score, abs=1e-4)
        assert verdict.mask is not None
        assert face["mask"]["value"] == verdict.mask.value
        marginal = labels.marginals(verdict.probabilities[None])["mask"][0]
        assert list(face["mask"]["probabilities"].values()) == pytest.approx(marginal, abs=1e-4)
        assert face["unsure"] == face["mask"]["unsure"] == verdict.mask.is_unsure
        assert set(face) == {"box", "score", "mask", "unsure", "reading"}


def test_costs_decide_what_a_face_should_do(serve: Serve, engine: Engine, photo: Pixels) -> None:
    def readings(**values: float) -> tuple[set[str], object]:
        running = serve(engine, Settings(kiosk=KioskSettings(costs=Costs(**values))))
        (part,) = running.post(encoded(photo)).json["photos"]
        return {face["reading"] for face in part["faces"]}, running.get("/v1/settings").json[
            "costs"
        ]

    assert readings(let_in=1e-9, stopped=1, look=1)[0] == {"go"}
    assert readings(let_in=1, stopped=1e-9, look=1)[0] <= {"cover", "put_on"}
    free_look = {"let_in": 1.0, "stopped": 1.0, "look": 1e-9}
    assert readings(**free_look) == ({"moment"}, free_look)


def test_gender_and_age_only_with_a_purpose(serve: Serve, engine: Engine, photo: Pixels) -> None:
    running = serve(engine, Settings(purpose="opening study"))
    assert running.get("/v1/settings").json["costs"] is None
    (part,) = running.post(encoded(photo)).json["photos"]
    assert set(part["faces"][0]) >= {"gender", "age_band"}
    assert part["faces"][0]["gender"]["unsure"] is False
    assert running.get("/v1/settings").json["purpose"] == "opening study"
    metrics = running.get("/metrics").body
    assert b"male" not in metrics and b"<30" not in metrics


def test_a_form_may_have_several_photos(running: Running, photo: Pixels) -> None:
    alone = running.post(encoded(photo)).json["photos"][0]
    empty = np.full((120, 160, 3), 128, np.uint8)
    answer = running.form(encoded(photo), b"no photo", encoded(empty))
    assert answer.status == 200
    first, second, third = answer.json["photos"]
    assert first == alone
    assert second == {
        "error": {"reason": "not_a_photo", "message": "not a photo in JPEG, PNG, WebP or BMP"}
    }
    assert third == {"width": 160, "height": 120, "faces": []}
    assert running.metric('maskgate_rejections_total{reason="not_a_photo"}') == 1
    assert running.metric('maskgate_photos_total{source="photo"}') == 3


def test_eight_orientations_give_one_verdict(running: Running, photo: Pixels) -> None:
    expected = running.post(encoded(photo)).json
    image = Image.fromarray(photo)
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    for orientation, turn in turns.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = encoded(image.transpose(turn), "PNG", exif=exif)
        assert running.post(content).json == expected, orientation


def test_photos_of_every_kind_are_judged(running: Running, photo: Pixels) -> None:
    image = Image.fromarray(photo)
    frames = [image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    deep = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    for name, content in {
        "jpeg": encoded(image, "JPEG", quality=95),
        "cmyk": encoded(image.convert("CMYK"), "JPEG"),
        "grey": encoded(image.convert("L")),
        "alpha": encoded(image.convert("RGBA")),
        "deep": encoded(deep),
        "webp": encoded(image, "WEBP"),
        "animated": encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
        "bmp": encoded(image, "BMP"),
        "polyglot": encoded(image) + b"PK\3\4<script>alert(1)</script>",
    }.items():
        answer = running.post(content, "application/octet-stream")
        assert answer.status == 200, (name, answer.body)
        assert answer.json["photos"][0]["width"] == 480, name


def test_bad_photos_are_refused_and_the_next_one_is_judged(running: Running, photo: Pixels) -> None:
    good = encoded(photo, "JPEG")
    for content, status, reason in (
        (b"", 422, "no_photo"),
        (b"\0" * 3000, 422, "not_a_photo"),
        (good[: len(good) // 2], 422, "not_a_photo"),
        (good[:30], 422, "not_a_photo"),
        (encoded(photo, "TIFF"), 415, "unsupported"),
        (encoded(photo, "AVIF"), 415, "unsupported"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422, "not_a_photo"),
    ):
        answer = running.post(content)
        assert (answer.status, answer.reason) == (status, reason)
        assert running.post(good).status == 200
