"""Shares of GPUs, on a cluster that says that it has some: Ray counts them and uses none itself."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from maskgate import cluster
from maskgate.cluster import Cluster
from maskgate.errors import MaskgateError

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def gpu_node() -> Iterator[str]:
    """The address of a cluster of one node with four cores and one GPU."""
    pytest.importorskip("ray", reason="Ray is not installed")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # as in tests/conftest.py
    from ray.cluster_utils import Cluster as RayCluster

    nodes = RayCluster()
    nodes.add_node(num_cpus=4, num_gpus=1, object_store_memory=80 * 2**20, include_dashboard=False)
    yield nodes.address
    nodes.shutdown()


class Together:
    """How many tasks run at once, for tasks that each wait until `expected` do."""

    def __init__(self, folder: Path, expected: int) -> None:
        self.folder, self.expected = folder, expected

    def __call__(self, item: int) -> tuple[int, str]:
        mark = self.folder / f"{item}.running"
        mark.touch()
        most, until, stay = 0, time.monotonic() + 120, 2.0
        while time.monotonic() < until:
            most = max(most, len(list(self.folder.glob("*.running"))))
            if most >= self.expected or (self.folder / "met").exists():
                (self.folder / "met").touch()
                until = min(until, time.monotonic() + stay)  # for one too many to start
                stay = 1e9
            time.sleep(0.05)
        mark.unlink()
        return most, os.environ.get("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.slow
@pytest.mark.parametrize(("gpus", "at_once"), [(0.25, 4), (0.5, 2), (1.0, 1)])
def test_tasks_that_share_a_gpu_run_at_once(
    gpus: float, at_once: int, gpu_node: str, tmp_path: Path
) -> None:
    work = Together(tmp_path, at_once)
    results = dict(cluster.map_unordered(work, [0, 1, 2, 3], Cluster(gpu_node, gpus)))
    assert sorted(results) == [0, 1, 2, 3]
    assert max(most for most, _ in results.values()) == at_once
    assert {visible for _, visible in results.values()} == {"0"}


@pytest.mark.slow
def test_a_node_without_a_gpu_is_asked_for_none(nodes: str, tmp_path: Path) -> None:
    work = Together(tmp_path, 2)
    results = dict(cluster.map_unordered(work, [0, 1], Cluster(nodes, 0.25)))
    assert {most for most, _ in results.values()} == {2}
    assert {visible for _, visible in results.values()} == {""}


@pytest.mark.slow
def test_more_gpus_than_any_node_has_are_refused(gpu_node: str) -> None:
    with pytest.raises(MaskgateError, match="--gpus-per-task 2: no node of the Ray cluster has so"):
        list(cluster.map_unordered(str, [0], Cluster(gpu_node, 2)))


@pytest.mark.slow
def test_folds_are_trained_with_shares_of_a_gpu(
    gpu_node: str, call: Call, tiny: Path, people: Path, tmp_path: Path
) -> None:
    words = ["train", tiny, people, "--out", tmp_path / "run", "--cache", tmp_path / "cache"]
    code, _, err = call(*words, "--on", gpu_node, "--gpus-per-task", 2)
    assert (code, "no node of the Ray cluster has so many GPUs" in err) == (2, True)
    code, _, err = call(*words, "--on", gpu_node, "--gpus-per-task", 0.25)
    assert code == 0, err
    assert (tmp_path / "run" / "metrics.json").exists()


@pytest.mark.parametrize("gpus", ["0", "-1", "1.5", "0.001", "nan", "inf", "2000"])
def test_a_number_that_ray_cannot_give_is_refused(
    gpus: str, call: Call, tiny: Path, people: Path, tmp_path: Path
) -> None:
    words = ["train", tiny, people, "--out", tmp_path / "run", f"--gpus-per-task={gpus}"]
    code, _, err = call(*words)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{float(gpus):g} is neither a share of a GPU from 0.01 to 1 nor a whole number" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["train", "tune", "ablate", "predict"])
def test_gpus_without_a_cluster_are_refused(
    command: str, call: Call, tiny: Path, people: Path, tmp_path: Path
) -> None:
    words = [command, tiny, people, "--out", tmp_path / "out", "--gpus-per-task", "0.5"]
    code, _, err = call(*words)
    assert (code, err.count("\n"), "--gpus-per-task needs --on" in err) == (2, 1, True)
    assert not (tmp_path / "out").exists()
