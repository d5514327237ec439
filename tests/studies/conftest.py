"""Searches of the tiny recipe, and a PostgreSQL server of the tests' own."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from maskgate.studies.study import Search

SPACE = """
optimizer.lr: {low: 1e-4, high: 1e-2, log: true}
training.batch_size: [32, 64]
"""
QUICK = ["training.epochs=1"]


@pytest.fixture
def plan(tiny: Path, people: Path, cache: Path, tmp_path: Path) -> Callable[..., Search]:
    """`plan(out, *changes, space=…, trials=…)` is a search of the tiny recipe, ready to start."""
    from maskgate.studies import tune
    from maskgate.training.options import TrainOptions

    def make(
        out: Path, *changes: str, space: str = SPACE, trials: int = 2, seed: int = 7,
        prune_after: int = 5, storage: str | None = None, recipe: Path = tiny,
    ) -> Search:  # fmt: skip
        file = tmp_path / "space.yaml"
        file.write_text(space)
        options = TrainOptions("tiny", people, out, cache, checkpoint_seconds=0)
        search = Search(
            str(recipe), recipe, [*QUICK, *changes], options, trials, seed, prune_after, storage
        )
        return tune.plan(search, file)

    return make


def _binaries() -> Path | None:
    """The folder of a PostgreSQL server's programs."""
    initdb = shutil.which("initdb")
    places = [Path(initdb).parent] if initdb else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "postgres").exists()), None)


def _unprivileged() -> dict[str, object]:
    """For `subprocess`: somebody else than root, as whom PostgreSQL does not run."""
    if os.geteuid() != 0:
        return {}
    known = {each.pw_name: each for each in pwd.getpwall()}
    who = known.get("postgres") or known["nobody"]
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URL of an empty database on a real PostgreSQL: `$MASKGATE_POSTGRESQL`, or one of its own."""
    if url := os.environ.get("MASKGATE_POSTGRESQL"):
        yield url
        return
    programs = _binaries()
    if programs is None:
        pytest.skip("no PostgreSQL: neither $MASKGATE_POSTGRESQL nor initdb and postgres")
    who = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="maskgate-pg-", dir="/tmp"))  # a socket's path is short
    if who:
        os.chown(folder, who["user"], who["group"])  # type: ignore[arg-type]
    data = folder / "data"
    command = [programs / "initdb", "-D", data, "-U", "maskgate", "-A", "trust", "--no-sync"]
    settings = {"listen_addresses": "", "unix_socket_directories": folder, "fsync": "off"}
    server = [programs / "postgres", "-D", data]
    server += [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    running = None
    try:
        subprocess.run(command, check=True, capture_output=True, cwd="/", **who)  # type: ignore[call-overload]
        with (folder.parent / f"{folder.name}.log").open("wb") as log:
            running = subprocess.Popen(server, stdout=log, stderr=log, cwd="/", **who)  # type: ignore[call-overload]
        url = f"postgresql://maskgate@/postgres?host={folder}"
        _wait(url)
        yield url
    finally:
        if running is not None:
            running.terminate()
            running.wait(30)
        shutil.rmtree(folder)
        (folder.parent / f"{folder.name}.log").unlink(missing_ok=True)


def _wait(url: str) -> None:
    import psycopg

    for left in reversed(range(60)):
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            if not left:
                raise
            time.sleep(0.5)
