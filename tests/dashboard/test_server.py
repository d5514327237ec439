"""The live page: who may ask; notes, verdicts and reports; what has changed."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from maskgate.dashboard import server
from maskgate.runs import RunFolder, sources
from tests.dashboard.conftest import change, lock

PORT, TOKEN = 8124, "a-token-of-this-test"
ADDRESS = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def runs(team: Path, tmp_path: Path) -> Path:
    """Kim's runs, which a test may change."""
    return Path(shutil.copytree(team / "kim", tmp_path / "runs"))


@pytest.fixture
def client(runs: Path) -> Iterator[TestClient]:
    """A browser that has opened the printed address."""
    app = server.create(server.Live(sources.read([str(runs)]), "Kim"), TOKEN, PORT)
    with TestClient(app, ADDRESS, raise_server_exceptions=False) as browser:
        assert browser.get(f"/?token={TOKEN}").status_code == 200
        yield browser


def test_without_the_token_nothing_is_answered(client: TestClient) -> None:
    client.cookies.clear()
    for path in ("/", "/data", "/report?run=plain-1", "/assets/dashboard.js"):
        assert client.get(path).status_code == 401
    assert client.post("/notes", json={"run": "plain-1", "text": "x"}).status_code == 401


def test_the_page_and_its_files(client: TestClient) -> None:
    page = client.get("/").text
    assert 'src="/assets/dashboard.js"' in page and "application/json" not in page
    for name, words in (("dashboard.js", "use strict"), ("dashboard.css", "table.runs")):
        assert words in client.get(f"/assets/{name}").text
    assert client.get("/assets/other.js").status_code == 404


def test_data_is_sent_when_it_has_changed(client: TestClient, runs: Path) -> None:
    answer = client.get("/data")
    assert {run["name"] for run in answer.json()["runs"]} >= {"plain-1", "plain-7"}
    assert answer.json()["author"] == "Kim" and len(answer.json()["verdicts"]) == 1
    known = {"if-none-match": answer.headers["etag"]}
    assert client.get("/data", headers=known).status_code == 304
    RunFolder(runs / "plain-1").add_note("from elsewhere", "Lee")
    assert client.get("/data", headers=known).status_code == 200


def test_a_note_is_that_of_the_command(client: TestClient, runs: Path) -> None:
    body = {"run": "plain-1", "text": "larger photos | worse | blurred faces"}
    assert client.post("/notes", json=body).status_code == 200
    (note,) = RunFolder(runs / "plain-1").notes()
    assert (note.author, note.text) == ("Kim", body["text"])
    (notes,) = [run["notes"] for run in client.get("/data").json()["runs"] if run["notes"]]
    assert notes[0]["parts"][2] == ["cause", "blurred faces"]
    for wrong, status in (({"text": " "}, 409), ({"run": "../plain-1"}, 409), ({"run": 3}, 422)):
        answer = client.post("/notes", json={**body, **wrong})
        assert answer.status_code == status and answer.json()["error"]
    assert len(RunFolder(runs / "plain-1").notes()) == 1


def test_a_folder_that_may_not_be_read_is_one_row(
    golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = server.create(server.Live(sources.read([str(golden)]), "Kim"), TOKEN, PORT)
    lock(monkeypatch, golden / "two")
    with TestClient(app, ADDRESS, raise_server_exceptions=False) as browser:
        browser.get(f"/?token={TOKEN}")
        states = {run["name"]: run["state"] for run in browser.get("/data").json()["runs"]}
        assert states == {"one": "finished", "two": "damaged"}
        assert browser.post("/notes", json={"run": "one", "text": "a"}).status_code == 200
        assert browser.post("/notes", json={"run": "two", "text": "a"}).status_code == 409
        lock(monkeypatch, golden)
        answer = browser.get("/data")
        assert answer.status_code >= 400 and "Permission denied" in answer.json()["error"]


@pytest.mark.parametrize("size", ["same", "other"])
@pytest.mark.parametrize("file", ["recipe.yaml", "history.csv", "oof.parquet", "photos.parquet"])
def test_a_repaired_run_is_no_longer_damaged(file: str, size: str, golden: Path) -> None:
    change(golden / "two", ("lr: 0.01", "lr: 0.02"))
    content = (golden / "two" / file).read_bytes()
    (golden / "two" / file).write_bytes(content.swapcase() + b"\n" * (size == "other"))
    live = server.Live(sources.read([str(golden)]), "Kim")
    faults = {run["name"]: run["fault"] for run in json.loads(live.content()[1])["runs"]}
    assert faults["one"] == "" and file in faults["two"]
    (golden / "two" / file).write_bytes(content)
    assert [run["fault"] for run in json.loads(live.content()[1])["runs"]] == ["", ""]
    assert live.compare("one", "two")["reference"] in ("one", "two")


def test_a_verdict_on_files_that_have_changed_is_forgotten(golden: Path) -> None:
    change(golden / "two", ("lr: 0.01", "lr: 0.02"))
    live = server.Live(sources.read([str(golden)]), "Kim")
    assert len(json.loads(live.content()[1])["verdicts"]) == 1
    content = (golden / "two" / "oof.parquet").read_bytes()
    (golden / "two" / "oof.parquet").write_bytes(content)
    assert json.loads(live.content()[1])["verdicts"] == []


def test_a_verdict_is_given_on_request(client: TestClient) -> None:
    groups = [group["id"] for group in client.get("/data").json()["groups"]]
    answer = client.post("/verdicts", json={"first": groups[0], "second": groups[1]})
    assert answer.json() == client.get("/data").json()["verdicts"][0]
    for second in (groups[0], "gone"):
        answer = client.post("/verdicts", json={"first": groups[0], "second": second})
        assert answer.status_code == 409


def test_a_report_is_kept_apart_from_the_page(client: TestClient) -> None:
    answer = client.get("/report?run=plain-1")
    assert "<h1" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "sandbox allow-scripts" in policy and "default-src 'none'" in policy
    assert "allow-same-origin" not in policy
    assert client.get("/report?run=../plain-1").status_code == 409
