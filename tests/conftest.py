"""Generated people for all tests; no real photo is needed."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Before torch is imported: the tests run side by side, one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test may use the user's cache: below a device not even root can make a folder.
os.environ["MASKGATE_CACHE"] = f"{os.devnull}/no-test-may-use-the-user's-cache"
# The folders that these name would stand in for those left out.
for name in ("CHANNEL_TRAIN", "CHANNEL_EVAL", "CHANNEL_MODEL", "MODEL_DIR", "OUTPUT_DATA_DIR"):
    os.environ.pop(f"SM_{name}", None)

Call = Callable[..., tuple[int, str, str]]
Kill = Callable[..., None]

TINY = """
photo: {height: 32, width: 24, margin: 0.25}
folds: {kind: kfold, count: 2}
augment: [{name: random_crop}, {name: horizontal_flip}]
model: {backbone: test_resnet}
optimizer: {lr: 3.0e-3}
training: {epochs: 2, batch_size: 32}
"""


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sample people: 30 and two twins to train on, 6 to be judged on, 64×48 pixels."""
    from maskgate.synthetic.people import sample_people

    root = tmp_path_factory.mktemp("people")
    sample_people.make(root, people=30, eval_people=6, size=(64, 48), twins=2, label_errors=3)
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that the tests share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe file that trains in seconds."""
    path = tmp_path_factory.mktemp("recipes") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def train(tiny: Path, people: Path, cache: Path) -> "Callable[..., Path]":
    """`train(out, *overrides)` trains the tiny recipe on the sample people; the run's folder."""
    from maskgate.config import recipe
    from maskgate.training import crossval
    from maskgate.training.options import TrainOptions

    def run(out: Path, *overrides: str, data: Path = people, **options: object) -> Path:
        resolved = recipe.load(tiny, list(overrides))
        place = TrainOptions("tiny", data, out, cache, **options)  # type: ignore[arg-type]
        return crossval.train(resolved, place).path

    return run


@pytest.fixture(scope="session")
def trained(train: "Callable[..., Path]", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the tiny recipe with two folds."""
    return train(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture
def packaged_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with weights of test_resnet, which `model.weights=imagenet` names; their file."""
    import hashlib
    from dataclasses import replace

    import timm
    import torch

    from maskgate.core import extras
    from maskgate.model import pretrained

    torch.manual_seed(5)
    state = timm.create_model("test_resnet", num_classes=1000).state_dict()
    names = [f"_layers.{number}.{key.rpartition('.')[2]}" for number, key in enumerate(state)]
    names[-2:] = ["_fc.weight", "_fc.bias"]
    file = tmp_path / "site" / "small_weights" / "weights.pth"
    file.parent.mkdir(parents=True)
    (file.parent / "__init__.py").write_text("raise ImportError('it is located, not imported')")
    torch.save(dict(zip(names, state.values(), strict=True)), file)
    monkeypatch.syspath_prepend(str(file.parents[1]))
    lite0 = pretrained.WEIGHTS["imagenet"]["tf_efficientnet_lite0"]
    assert isinstance(lite0, pretrained.PackagedWeights)
    weights = replace(
        lite0,
        package=file.parent.name,
        file=file.name,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
    )
    monkeypatch.setitem(extras.EXTRA_OF, weights.package, "imagenet")
    monkeypatch.setattr(pretrained, "WEIGHTS", {"imagenet": {"test_resnet": weights}})
    return file


@pytest.fixture(scope="session")
def export(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> "Callable[..., Path]":
    """`export(run)` exports a run, not calibrated unless `calibrate=True`, without thresholds
    unless `has_thresholds=True`; the bundle's folder, which no test may change."""
    from maskgate.export import exporter
    from maskgate.runs import open_run

    def write(run: Path, **options: object) -> Path:
        out = tmp_path_factory.mktemp("bundles") / run.name
        values = {"calibrate": False, "has_thresholds": False, **options}
        exporter.export(open_run(run), exporter.ExportOptions(out, cache=cache, **values))  # type: ignore[arg-type]
        return out

    return write


@pytest.fixture(scope="session")
def bundle(trained: Path, export: "Callable[..., Path]") -> Path:
    """The bundle of `trained`."""
    return export(trained)


@pytest.fixture(scope="session")
def face_run() -> Path:
    """A finished run with two folds, on the faces that MTCNN detects."""
    return Path(__file__).parent / "golden" / "faces"


@pytest.fixture(scope="session")
def face_bundle(face_run: Path, export: "Callable[..., Path]") -> Path:
    """The bundle of `face_run`."""
    return export(face_run)


@pytest.fixture(scope="session")
def nodes() -> Iterator[str]:
    """The address of a Ray cluster of two nodes with one core each, on this machine."""
    pytest.importorskip("ray", reason="Ray is not installed")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray lets all else on the machine go before its workers: beside other tests they would starve.
    os.environ.setdefault("RAY_worker_niceness", "0")
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}

    def started(attempts: int = 3) -> Cluster:
        cluster = Cluster()
        try:
            cluster.add_node(**small)
            cluster.add_node(**small)
        except Exception:  # Ray gives a node 30 seconds to start, however busy the machine is
            cluster.shutdown()
            if attempts == 1:
                raise
            return started(attempts - 1)
        return cluster

    cluster = started()
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def network_input() -> "Callable[..., object]":
    """`network_input(photo, view)` is what a model sees of a photo, (height, width, 3)."""
    from maskgate.faces import reader
    from maskgate.imaging import pixels

    return lambda photo, view: pixels.centre(
        reader.read_photo(photo, [view]).pictures[0][0], view.geometry
    )


@pytest.fixture(scope="session")
def kill() -> Kill:
    """`kill("package.module:function", at, "train", …)` runs the command line in a process of its
    own, which is killed at that call of the function."""

    def run(place: str, at: int, *words: object) -> None:
        command = [sys.executable, Path(__file__).parent / "killed.py", place, at, *words]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=500)
        assert done.returncode == -signal.SIGKILL, f"{place} {at}: {done.stderr}"

    return run


@pytest.fixture
def moments(request: pytest.FixtureRequest) -> random.Random:
    """Draws the moments of kills; a failed test prints the seed that repeats them."""
    seed = os.environ.get("MASKGATE_KILL_SEED", str(random.SystemRandom().randrange(10**6)))
    repeat = f"MASKGATE_KILL_SEED={seed} repeats the moments of this test"
    request.node.add_report_section("call", "seed", repeat)
    return random.Random(f"{seed} {request.node.name}")


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cache: Path
) -> Iterator[Call]:
    """`call("train", …)` runs the command line; exit code, stdout, stderr."""
    from maskgate import cli

    monkeypatch.setenv("MASKGATE_CACHE", str(cache))
    monkeypatch.setattr(sys, "path", sys.path.copy())

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["maskgate", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as error:
            code = int(error.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = signal.getsignal(signal.SIGINT)
    yield run
    signal.signal(signal.SIGINT, before)
