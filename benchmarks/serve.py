"""How many photos a second `maskgate serve` judges, how long an answer takes, and its memory.

    python benchmarks/serve.py BUNDLE PHOTOS [--seconds 20] [--requests 10000]

BUNDLE is an export of a model with a face detector, PHOTOS a folder of photos, of which 32 are
used. Prints the photos a second of the engine alone, in one thread from the bytes of a photo, and
those of the service at saturation; then the median and the 99th percentile of the time of an answer
at half that rate, for 1, 8 and 64 clients; then the service's memory over `--requests` requests.

Clients and service share the machine: with fewer than two free cores, the clients take time from
the service, and its rate is a lower bound.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before anything starts threads

import argparse
import http.client
import itertools
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from maskgate.door.engine import Engine
from maskgate.imaging import photo_files

PHOTOS: Final = 32
CLIENTS: Final = (1, 8, 64)
SATURATING: Final = 16  # clients
KEEP_ALIVE: Final = 3  # seconds; the service closes connections that are idle for 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--requests", type=int, default=10_000)
    options = parser.parse_args()
    paths = photo_files.list_photos([options.photos])
    photos = [path.read_bytes() for path in paths[:: max(1, len(paths) // PHOTOS)][:PHOTOS]]
    alone = engine_rate(Engine(options.bundle), photos, options.seconds)
    print(f"engine alone: {alone:.1f} photos a second")
    with service(options.bundle) as (port, process):
        closed_loop(port, photos, 4, 2.0)
        rate = len(closed_loop(port, photos, SATURATING, options.seconds)) / options.seconds
        print(
            f"service at saturation: {rate:.1f} photos a second, {rate / alone:.0%} of the engine\n"
        )
        print("| clients | requests a second | median ms | 99% ms |")
        print("|---|---|---|---|")
        for clients in CLIENTS:
            times = open_loop(port, photos, clients, (rate / 2, options.seconds))
            median, late = np.quantile(times, [0.5, 0.99]) * 1000
            print(f"| {clients} | {len(times) / options.seconds:.1f} | {median:.1f} | {late:.1f} |")
        print(f"\nmemory over {options.requests:,} requests, MB:", end=" ", flush=True)
        for _ in range(10):
            requests(port, photos, 8, options.requests // 10)
            print(f"{memory(process.pid) / 1e6:.0f}", end=" ", flush=True)
        print()


@contextmanager
def service(bundle: Path) -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    command = [sys.executable, "-m", "maskgate", "serve", str(bundle), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            port = re.search(r"127\.0\.0\.1:(\d+)", process.stderr.readline())
            assert port, process.stderr.read()
            yield int(port[1]), process
        finally:
            process.terminate()


def engine_rate(engine: Engine, photos: Sequence[bytes], seconds: float) -> float:
    engine(photos[0])
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        engine(photos[count % len(photos)])
        count += 1
    return count / (time.perf_counter() - start)


def in_threads(count: int, client: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=client, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def post(connection: http.client.HTTPConnection, photo: bytes) -> None:
    connection.request("POST", "/v1/verdict", photo, {"Content-Type": "image/jpeg"})
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == 200, content


def closed_loop(port: int, photos: Sequence[bytes], clients: int, seconds: float) -> list[float]:
    """Times of answers in seconds, each client sending the next photo when it has an answer."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for index in itertools.count(number):
            start = time.perf_counter()
            if start > end:
                break
            post(connection, photos[index % len(photos)])
            times.append(time.perf_counter() - start)
        connection.close()

    in_threads(clients, client)
    return times


def open_loop(
    port: int, photos: Sequence[bytes], clients: int, load: tuple[float, float]
) -> list[float]:
    """Times of answers in seconds at a `load` of photos a second for so many seconds, counted from
    when each photo was due, so that a late client does not hide a slow answer."""
    rate, seconds = load
    times: list[float] = []
    begin = time.perf_counter()

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for index in range(number, int(rate * seconds), clients):
            due = begin + index / rate
            wait = due - time.perf_counter()
            if wait > KEEP_ALIVE:
                connection.close()  # before the service does; the next photo opens it again
            time.sleep(max(0.0, wait))
            post(connection, photos[index % len(photos)])
            times.append(time.perf_counter() - due)
        connection.close()

    in_threads(clients, client)
    return times


def requests(port: int, photos: Sequence[bytes], clients: int, count: int) -> None:
    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for index in range(number, count, clients):
            post(connection, photos[index % len(photos)])
        connection.close()

    in_threads(clients, client)


def memory(process: int) -> int:
    """Bytes of resident memory."""
    status = Path(f"/proc/{process}/status").read_text("utf-8")
    kilobytes = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert kilobytes
    return int(kilobytes[1]) * 1024


if __name__ == "__main__":
    main()
