"""Who may ask, and what for: the token, this machine, the photos of the data and nothing else."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from maskgate.errors import MaskgateError
from maskgate.review import decisions, server
from maskgate.review.people import People
from maskgate.review.session import Session

PORT = 8123
TOKEN = "a-token-of-this-test"


@pytest.fixture
def client(session: Session) -> Iterator[TestClient]:
    """A browser that has opened the printed address."""
    app = server.create(session, TOKEN, PORT)
    with TestClient(app, f"http://127.0.0.1:{PORT}", raise_server_exceptions=False) as browser:
        assert browser.get(f"/?token={TOKEN}").status_code == 200
        yield browser


def post(client: TestClient, path: str, **body: Any) -> Any:
    return client.post(path, json=body)


def decide(client: TestClient, number: int, choice: str, value: str = "", **more: Any) -> Any:
    body = {"number": number, "choice": choice, "value": value, "tier": "likely", **more}
    return post(client, "/decisions", **body)


@pytest.mark.parametrize(
    "path", ["/", "/overview", "/questions/0", "/photos/0", "/assets/review.js"]
)
def test_without_the_token_nothing_is_answered(path: str, session: Session) -> None:
    app = server.create(session, TOKEN, PORT)
    with TestClient(app, f"http://127.0.0.1:{PORT}") as stranger:
        for query in ("", "?token=", "?token=wrong"):
            assert stranger.get(path + query).status_code == 401
        assert stranger.get(path, headers={"cookie": "maskgate-review-8123=x"}).status_code == 401


def test_the_token_leaves_the_address_and_stays_in_a_cookie(session: Session) -> None:
    app = server.create(session, TOKEN, PORT)
    with TestClient(app, f"http://127.0.0.1:{PORT}", follow_redirects=False) as browser:
        answer = browser.get(f"/?token={TOKEN}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie
        assert browser.get("/").status_code == 200
        assert browser.get(f"/overview?token={TOKEN}").status_code == 200  # by the cookie
        browser.cookies.clear()
        assert browser.get(f"/overview?token={TOKEN}").status_code == 401


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "http://evil.example"}])
def test_other_hosts_and_sites_are_refused(headers: dict[str, str], client: TestClient) -> None:
    assert client.get("/overview", headers=headers).status_code == 403
    assert client.post("/undo", json={}, headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/", "/overview", "/photos/0", "/assets/review.css", "/gone"])
def test_every_answer_forbids_storing_and_foreign_scripts(path: str, client: TestClient) -> None:
    headers = client.get(path).headers
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["permissions-policy"].startswith("camera=()")


def test_photos_are_those_of_the_data_reduced_and_without_metadata(client: TestClient) -> None:
    answer = client.get("/photos/0")
    assert answer.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (48, 64)
        assert not image.getexif()
    for path in ("/photos/224", "/photos/-1"):
        assert client.get(path).status_code == 404
    for path in ("/photos/..%2f..%2fetc%2fpasswd", "/photos/etc", "/assets/..%2fserver.py"):
        assert client.get(path).status_code in (404, 422)


def test_a_photo_that_has_changed_is_not_shown(
    client: TestClient, everybody: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = everybody.table["photo"].iloc[3]
    monkeypatch.setitem(everybody.digests, name, "another digest")
    answer = client.get("/photos/3")
    assert answer.status_code == 404
    assert answer.json() == {"error": "not the photo that the run was trained on"}


def test_decisions_are_on_the_disk_when_they_are_answered(
    client: TestClient, tmp_path: Path
) -> None:
    first = client.get("/questions/0").json()
    other = next(each for each in first["values"] if each != first["label"])
    overview = decide(client, 0, "change", other, note="  seen \n twice ").json()
    assert overview["states"][0] == "change"
    assert overview["first"] == 1
    (row,) = decisions.read(tmp_path / "corrections.csv")
    assert (row.person, row.attribute, row.value) == (first["person"], first["attribute"], other)
    assert (row.reason, row.author, row.tier, row.label) == (
        "seen twice", "Kim", "likely", first["label"],
    )  # fmt: skip
    decide(client, 1, "unsure")
    assert decide(client, 0, "change", first["label"]).json()["states"][0] == "keep"
    assert client.get("/questions/0").json()["decision"]["choice"] == "keep"
    answer = post(client, "/undo").json()
    assert (answer["number"], answer["overview"]["states"][0]) == (0, "change")


def test_without_a_note_the_reason_is_that_of_the_question(
    client: TestClient, tmp_path: Path
) -> None:
    decide(client, 0, "drop", tier="doubtful")
    (row,) = decisions.read(tmp_path / "corrections.csv")
    assert row.reason.startswith("out of fold, the model gives")
    assert row.tier == "doubtful"


def test_whoever_is_dropped_is_not_asked_about_again(client: TestClient) -> None:
    states = client.get("/overview").json()["states"]
    people = [client.get(f"/questions/{number}").json() for number in range(len(states))]
    gender = next(each for each in people if each["attribute"] != "mask")
    states = decide(client, gender["number"], "drop").json()["states"]
    for each, state in zip(people, states, strict=True):
        assert (state == "drop") == (each["person"] == gender["person"])


def test_another_attribute_of_the_person_can_be_asked(client: TestClient) -> None:
    count = len(client.get("/overview").json()["states"])
    original = client.get("/questions/0").json()
    photo = original["photos"][-1]["row"]
    numbers = [
        post(client, "/questions", number=0, attribute="mask", row=photo).json()["number"]
        for _ in range(2)
    ]
    assert numbers[0] == numbers[1] <= count
    question = client.get(f"/questions/{numbers[0]}").json()
    assert (question["person"], question["photo"]) == (original["person"], photo)
    assert question["values"] == ["wear", "incorrect", "not_wear"]
    for body in (
        {"attribute": "hair"},
        {"attribute": "mask"},
        {"attribute": "gender", "row": photo},
        {"attribute": "mask", "row": 99_999},
    ):
        assert post(client, "/questions", number=0, **body).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"number": 99_999, "choice": "keep", "tier": "sure"}, 404),
        ({"number": 0, "choice": "kept", "tier": "sure"}, 404),
        ({"number": 0, "choice": "change", "value": "x", "tier": "sure"}, 404),
        ({"number": 0, "choice": "keep", "tier": "shure"}, 404),
        ({"number": 0, "choice": "keep", "tier": "sure", "note": "x" * 3000}, 422),
        ({"number": 0, "choice": "keep", "tier": "sure", "note": "x" * 30_000}, 413),
        ({"number": -1, "choice": "keep", "tier": "sure"}, 422),
        ({}, 422),
    ],
)
def test_what_no_page_sends_is_refused(
    body: dict[str, Any], status: int, client: TestClient, tmp_path: Path
) -> None:
    assert client.post("/decisions", json=body).status_code == status
    assert decisions.read(tmp_path / "corrections.csv") == []


def test_what_cannot_be_written_is_said(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise MaskgateError("corrections-reviews.csv: No space left on device")

    monkeypatch.setattr(decisions.Journal, "add", fail)
    answer = decide(client, 0, "keep")
    assert answer.status_code == 507
    assert answer.json()["error"].startswith("not written: corrections-reviews.csv: No space")
    assert post(client, "/undo").json()["number"] is None
