"""Tasks on a Ray cluster: the same as here, whatever is killed meanwhile."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from maskgate import cluster
from maskgate.cluster import Cluster, ray_cluster
from maskgate.errors import MaskgateError

Call = Callable[..., tuple[int, str, str]]


@pytest.mark.slow
def test_a_killed_worker_is_retried_with_the_same_result(nodes: str, tmp_path: Path) -> None:
    def work(item: int) -> int:
        began = tmp_path / f"{item}.{time.monotonic_ns()}"
        began.touch()
        if item == 2 and len(list(tmp_path.glob("2.*"))) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return item * item

    results = dict(cluster.map_unordered(work, [1, 2, 3], on=Cluster(nodes)))
    assert len(list(tmp_path.glob("2.*"))) == 2
    assert results == {0: 1, 1: 4, 2: 9}


@pytest.mark.slow
def test_both_nodes_work_at_once_as_this_process_would(
    nodes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for the other; both in the driver's folder, on one thread."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS")

    def work(item: int) -> tuple[str, str, int]:
        import ray
        import torch

        Path(f"{item}").touch()  # a relative path
        until = time.monotonic() + 120
        while not Path(f"{1 - item}").exists() and time.monotonic() < until:
            time.sleep(0.05)
        node = ray.get_runtime_context().get_node_id()
        return node, str(Path.cwd()), torch.get_num_threads()

    results = [
        result for _, result in sorted(cluster.map_unordered(work, [0, 1], on=Cluster(nodes)))
    ]
    assert len({node for node, _, _ in results}) == 2
    assert [result[1:] for result in results] == [(str(tmp_path), 1)] * 2


@pytest.mark.slow
def test_a_fault_is_the_one_sentence_and_no_reason_to_retry(nodes: str, tmp_path: Path) -> None:
    def work(item: int) -> None:
        (tmp_path / f"{time.monotonic_ns()}").touch()
        raise MaskgateError(f"photo {item} is upside down; turn it")

    with pytest.raises(MaskgateError) as error:
        list(cluster.map_unordered(work, [7], on=Cluster(nodes)))
    assert str(error.value) == "photo 7 is upside down; turn it"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_whoever_stops_listening_leaves_nothing_running(nodes: str, tmp_path: Path) -> None:
    def work(item: int) -> None:
        while item:
            (tmp_path / "alive").write_text(str(time.monotonic_ns()))
            time.sleep(0.05)

    for _ in cluster.map_unordered(work, [0, 1], on=Cluster(nodes)):
        while not (tmp_path / "alive").exists():
            time.sleep(0.05)
        break
    time.sleep(3)
    before = (tmp_path / "alive").read_text()
    time.sleep(1)
    assert (tmp_path / "alive").read_text() == before


@pytest.mark.slow
def test_a_worker_that_dies_every_time_is_told(nodes: str) -> None:
    def work(item: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(MaskgateError, match="part 1: its worker was lost 4 times"):
        list(cluster.map_unordered(work, [0], on=Cluster(nodes)))


def test_without_ray_one_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MaskgateError, match=r'pip install "maskgate\[cluster\]"'):
        list(cluster.map_unordered(str, [1], on=Cluster("ray")))


@pytest.mark.parametrize("command", ["train", "tune", "ablate", "predict"])
def test_without_a_cluster_no_folder_is_made(
    command: str, call: Call, tiny: Path, people: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    words = [command, tiny, people, "--out", out]
    code, _, err = call(*words, "--on", "127.0.0.1:1")
    assert (code, err.count("\n"), "no Ray cluster answers" in err) == (2, 1, True)
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, err = call(*words, "--on", "ray")
    assert (code, err.count("\n"), 'pip install "maskgate[cluster]"' in err) == (2, 1, True)
    assert not out.exists()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "no Ray cluster answers there"),
        ("ray://127.0.0.1:10001", "not the address of a Ray cluster"),
        ("somewhere", "not the address of a Ray cluster"),
    ],
)
def test_an_address_without_a_cluster_is_told_at_once(address: str, message: str) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    with pytest.raises(MaskgateError, match=message):
        list(cluster.map_unordered(str, [1], on=Cluster(address)))


class Nodes:
    """Of `ray`, what tells of the cluster's nodes."""

    def __init__(self, *resources: dict[str, float]) -> None:
        self.resources = resources

    def nodes(self) -> list[dict[str, object]]:
        return [{"Alive": True, "Resources": each} for each in self.resources]


@pytest.mark.parametrize(
    ("resources", "gpus", "parts", "threads", "expected"),
    [
        ([{"CPU": 16}, {"CPU": 16}], 1, 5, "", (6, 0, 4)),
        ([{"CPU": 16}, {"CPU": 16}], 1, 1, "", (16, 0, 2)),  # no more than a node has
        ([{"CPU": 2}], 1, 5, "", (1, 0, 2)),
        ([{"CPU": 16}], 1, 5, "4", (4, 0, 4)),
        ([{"CPU": 4}], 1, 5, "32", (4, 0, 1)),  # else it would wait for ever
        ([{"CPU": 16, "GPU": 2}, {"CPU": 64}], 1, 5, "", (8, 1, 2)),
        ([{"CPU": 16}], 1, None, "", (1, 0, 16)),
        ([{"CPU": 16}], 0.25, 5, "", (3, 0, 5)),  # no GPU of a cluster without one
        ([{"CPU": 16, "GPU": 1}, {"CPU": 64}], 0.25, 5, "", (4, 0.25, 4)),
        ([{"CPU": 16, "GPU": 1}], 0.25, 2, "", (8, 0.25, 2)),
        ([{"CPU": 16, "GPU": 2}, {"CPU": 16, "GPU": 1}], 0.5, 9, "", (5, 0.5, 5)),
        ([{"CPU": 12, "GPU": 3}], 0.3, 20, "", (1, 0.3, 9)),  # three on a GPU, not ten on three
        ([{"CPU": 12, "GPU": 1}], 1 / 3, 3, "", (4, 1 / 3, 3)),
        ([{"CPU": 16, "GPU": 4}, {"CPU": 16, "GPU": 1}], 2, 5, "", (8, 2, 2)),
        ([{"CPU": 64, "GPU": 1}, {"CPU": 8, "GPU": 2}], 2, 1, "", (8, 2, 1)),
        ([{"CPU": 1, "GPU": 2}, {"CPU": 64, "GPU": 1}], 2, 5, "", (1, 2, 1)),
        ([{"CPU": 2, "GPU": 1}], 0.1, 10, "", (1, 0.1, 2)),  # no more than there are cores
    ],
)
def test_a_task_takes_its_share(
    resources: list[dict[str, float]],
    gpus: float,
    parts: int | None,
    threads: str,
    expected: tuple[int, int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    share = ray_cluster.share(Nodes(*resources), gpus, parts)
    assert (share.cores, share.gpus, share.room) == expected


def test_a_cluster_without_cores_is_told() -> None:
    with pytest.raises(MaskgateError, match="no cores"):
        ray_cluster.share(Nodes({"CPU": 0}), 1.0, 2)


@pytest.mark.parametrize("kind", ["MaskgateError", "DiskFullError"])
def test_a_sentence_is_read_from_a_traceback_that_has_lost_its_cause(kind: str) -> None:
    text = f"ray::map()\n  File x, line 3\n    maskgate.errors.{kind}: a.csv: the disk is full\n"
    error = ray_cluster.fault_of(RuntimeError(text))
    assert isinstance(error, MaskgateError)
    assert str(error) == "a.csv: the disk is full"
    other = RuntimeError("ValueError: no sentence")
    assert ray_cluster.fault_of(other) is other
