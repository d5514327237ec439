"""Claims on trials: one owner each, which outlive nobody and are taken from no one alive."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from maskgate.studies import leases
from maskgate.studies.leases import Claims

# Takes two numbers, says so, and waits to be killed.
DRIVER = """
import sys, time
from pathlib import Path
from sqlalchemy import create_engine
from maskgate.studies.leases import Claims
with Claims(create_engine(sys.argv[1]), "study", Path(sys.argv[2])) as mine:
    print(mine.take(1), mine.take(2), flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'claims.db'}"
        return
    url = request.getfixturevalue("postgresql").replace("postgresql:", "postgresql+psycopg:")
    yield url
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS maskgate_claims"))
    engine.dispose()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def other(url: str, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds 1 and 2."""
    folder = tmp_path / "other"
    words = [sys.executable, "-c", DRIVER, url, str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "True True\n"
        yield started
        started.kill()


def test_a_number_has_one_owner(engine: Engine, tmp_path: Path) -> None:
    with (
        Claims(engine, "study", tmp_path) as claims,
        Claims(engine, "study", tmp_path) as other_claims,
    ):
        assert claims.take(1)
        assert not other_claims.take(1)
        assert other_claims.take(2)
        other_claims.remove_dead_claims()  # nobody is
        assert claims.holds(1)
        assert not other_claims.holds(1)
        other_claims.free(1)  # not its to give
        assert not other_claims.take(1)
        claims.free(1)
        assert other_claims.take(1)
        with Claims(engine, "another", tmp_path) as others:
            assert others.take(1)
    assert not list(tmp_path.glob(".*.lock"))


def test_leaving_gives_all_back(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Claims(engine, "study", tmp_path) as claims:
        claims.take(1)
        raise KeyboardInterrupt
    with Claims(engine, "study", tmp_path) as other_claims:
        assert other_claims.take(1)


def test_a_killed_process_is_dead_at_once_a_stopped_one_is_not(
    engine: Engine, other: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    with Claims(engine, "study", tmp_path) as claims:
        other.send_signal(signal.SIGSTOP)
        claims.remove_dead_claims()
        assert not claims.take(1)
        other.kill()
        other.wait()
        claims.remove_dead_claims()
        assert claims.take(1)
        assert claims.take(2)


def test_on_another_machine_it_is_dead_once_its_heart_stands_still(
    engine: Engine,
    other: "subprocess.Popen[str]",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leases, "machine", lambda: "another")
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with Claims(engine, "study", tmp_path) as claims:

        def later(seconds: float) -> bool:
            clock[0] += seconds
            claims.remove_dead_claims()
            return claims.take(1)

        assert not later(0)
        assert not later(leases.GRACE - 1)
        with engine.begin() as connection:
            connection.execute(text("UPDATE maskgate_claims SET beat = beat + 1"))
        assert not later(2)
        assert not later(leases.GRACE - 1)
        assert later(2)


def test_a_heart_beats(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "EVERY", 0.02)
    with Claims(engine, "study", tmp_path) as claims:
        claims.take(1)
        for _ in range(500):
            with engine.begin() as connection:
                beat = connection.execute(text("SELECT beat FROM maskgate_claims")).scalar_one()
            if beat > 2:
                return
            claims.ended.wait(0.01)
    pytest.fail("no beat")


def test_who_was_taken_for_dead_knows(engine: Engine, tmp_path: Path) -> None:
    with Claims(engine, "study", tmp_path) as claims:
        claims.take(1)
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM maskgate_claims"))
        assert not claims.holds(1)
        assert claims.path.exists()
