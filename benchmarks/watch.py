"""How fast `maskgate watch` is, how soon it reports a person, and what it needs.

    python benchmarks/watch.py [--cameras 4] [--minutes 2] [--threads 1] [--height 720]

Films of drawn people are sent as cameras would, as H.264 in MPEG-TS over HTTP, 25 frames a second
of 16:9 and `--height` lines: nobody for six seconds, then one person for four. The command runs in
a process of its own and is measured from outside. Prints for one camera, and for `--cameras`, the
frames judged per second (fewer are while nobody is there), the cores used, and the seconds from the
first frame with a person to the events `seen` and `verdict` (which needs half a second of frames;
`inf` where none came while the person was in view).
Then, for `--cameras`, how many frames can be judged where somebody always is, the cores used where
nobody is, and the memory over `--minutes`.
"""

import argparse
import io
import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.error import FFmpegError
from av.video.stream import VideoStream
from PIL import Image, ImageDraw

from maskgate import labels
from maskgate.door.engine import Engine
from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.people.drawing import photo
from maskgate.synthetic.people.sample_people import person

FPS: Final = 25
EMPTY, PRESENT = 6.0, 4.0  # seconds
CANDIDATES: Final = 8  # portraits, of which the one that the model is surest of is shown
TICKS: Final = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--height", type=int, default=720)
    options = parser.parse_args()
    size = options.height * 16 // 9 // 2 * 2, options.height
    face = portrait(size[1])
    with_people, empty = film(size, face), film(size, None)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before it starts,"
          f" {size[0]}×{size[1]}, {FPS} frames a second sent\n")  # fmt: skip
    print("| cameras | asked | judged per second and camera | s behind | cores | s to seen, 95% |"
          " s to verdict, 95% |\n|---:|---:|---:|---:|---:|---:|---:|")  # fmt: skip
    for count in sorted({1, options.cameras}):
        for rate in (10, FPS):
            show(measure(count, rate, with_people, (75.0, options.threads)))
    busy = measure(options.cameras, FPS, film(size, face, 0), (75.0, options.threads))
    by_core = busy.judged * options.cameras / busy.cores
    print(
        f"\nsomebody always before {options.cameras} cameras, {FPS} frames a second asked for:"
        f" {busy.judged:.1f} judged per camera, {by_core:.0f} per second of a core,"
        f" {busy.behind:.2f} s behind, {busy.cores:.2f} cores"
    )
    idle = measure(options.cameras, 10, empty, (40.0, options.threads))
    print(f"nobody before {options.cameras} cameras: {idle.cores:.2f} cores")
    long = measure(options.cameras, 10, with_people, (60 * options.minutes, options.threads))
    memory = " ".join(f"{each / 1e6:.0f}" for each in long.memory)
    print(f"memory of {options.cameras} cameras over {options.minutes:g} minutes, MB: {memory}")


def portrait(height: int) -> Image.Image:
    """A masked person, two thirds as high as the frame, of whom the default model is sure."""
    size = height * 2 // 3, height // 2
    engine, code = Engine(), labels.MASKS.index("wear")

    def sureness(image: Image.Image) -> float:
        verdicts = engine(np.asarray(image))
        if len(verdicts) != 1:
            return 0.0
        masks = labels.marginals(verdicts[0].probabilities[None])["mask"]
        return float(masks[0, code]) * verdicts[0].score

    drawn = [
        photo(person(np.random.default_rng(each), each % 2, 40), "wear", size,
              np.random.default_rng(each + 100))
        for each in range(CANDIDATES)
    ]  # fmt: skip
    return max(drawn, key=sureness)


def pictures(size: tuple[int, int], face: Image.Image | None, empty: float) -> Iterator[Pixels]:
    """The frames of ten seconds, the first `empty` without the face, with a camera's noise."""
    width, height = size
    room = Image.new("RGB", size, (150, 155, 160))
    draw = ImageDraw.Draw(room)
    draw.rectangle((0, height * 5 // 6, width, height), fill=(90, 84, 80))
    draw.rectangle((width // 30, height // 6, width // 5, height * 5 // 6), fill=(120, 90, 70))
    for shelf in range(4):
        top = height * (1 + 2 * shelf) // 10
        draw.rectangle((width * 4 // 5, top, width - 9, top + 12), fill=(70, 75, 90))
    scenes = [np.asarray(room)]
    if face is not None:
        room.paste(face, ((width - face.width) // 2, (height - face.height) // 2))
    scenes.append(np.asarray(room))
    rng = np.random.default_rng(0)
    noises = [rng.integers(-3, 4, (height, width, 3), np.int8) for _ in range(7)]
    for number in range(round((EMPTY + PRESENT) * FPS)):
        clean = scenes[number >= empty * FPS].astype(np.int16)
        yield np.clip(clean + noises[number % len(noises)], 0, 255).astype(np.uint8)


def film(size: tuple[int, int], face: Image.Image | None, empty: float = EMPTY) -> bytes:
    """Ten seconds in MPEG-TS."""
    out = io.BytesIO()
    with av.open(out, "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=FPS)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.gop_size = FPS
        stream.options = {"preset": "ultrafast", "crf": "26", "tune": "zerolatency"}
        for picture in pictures(size, face, empty):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return out.getvalue()


class Server:
    """Sends the film again and again with times that go on, as a camera does, each camera's a
    little later than the one before. `came` has the times at which a person came, by camera."""

    def __init__(self, content: bytes) -> None:
        self.came: list[tuple[str, float]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "video/mp2t")
                self.end_headers()
                try:
                    server._send(content, self.path.strip("/"), self.wfile)
                except (OSError, FFmpegError):
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _send(self, content: bytes, camera: str, file: Any) -> None:
        options = {"flush_packets": "1"}
        with (
            av.open(io.BytesIO(content), "r") as film,
            av.open(file, "w", format="mpegts", options=options) as container,
        ):
            packets = [each for each in film.demux(video=0) if each.size]
            stream = container.add_stream_from_template(film.streams.video[0])
            begin, start = 25 * int(camera) % len(packets), time.monotonic()  # at a key frame
            for number in itertools.count():
                place = (begin + number) % len(packets)
                if place == EMPTY * FPS:
                    self.came.append((camera, time.monotonic()))
                packet = av.Packet(bytes(packets[place]))
                packet.stream, packet.time_base = stream, Fraction(1, FPS)
                packet.pts = packet.dts = number
                packet.is_keyframe = packets[place].is_keyframe
                container.mux(packet)
                time.sleep(max(0.0, start + (number + 1) / FPS - time.monotonic()))

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass(frozen=True)
class Measured:
    cameras: int
    target: int  # frames per second and camera
    judged: float  # frames per second and camera
    behind: float  # seconds
    cores: float
    to_seen: Sequence[float]  # seconds from the first frame with a person
    to_verdict: Sequence[float]
    memory: Sequence[int]  # bytes


def measure(count: int, rate: int, content: bytes, run: tuple[float, int]) -> Measured:
    """Watch so many cameras; `run` is for how many seconds, and how many threads a network has."""
    seconds, threads = run
    server = Server(content)
    words = [f"--camera={each}={server.url}/{each}" for each in range(count)]
    words += ["--fps", str(rate), "--threads", str(threads)]
    with watching(words) as (process, events, lines):
        while not any(event["event"] == "door" for event in events):
            time.sleep(0.05)
        used, start, memory = cpu(process.pid), time.monotonic(), []
        while time.monotonic() - start < seconds:
            time.sleep(min(10.0, seconds / 6))
            memory.append(resident(process.pid))
        end = time.monotonic()
        cores = (cpu(process.pid) - used) / (end - start)
    server.stop()
    matches = [re.findall(r"([\d.]+) frames/s judged.*?([\d.]+) s behind", line) for line in lines]
    rates = np.array([pair for line in matches for pair in line], float).reshape(-1, 2)
    judged, behind = rates.mean(0) if len(rates) else (np.nan, np.nan)
    came = [each for each in server.came if start < each[1] < end - PRESENT]
    return Measured(count, rate, judged=judged, behind=behind, cores=cores, memory=memory,
                    to_seen=delays(came, events, "seen"),
                    to_verdict=delays(came, events, "verdict"))  # fmt: skip


@contextmanager
def watching(words: Sequence[str]) -> Iterator[tuple["subprocess.Popen[str]", Any, Any]]:
    """A running command, its events with the time at which each arrived, and its other lines."""
    command = [sys.executable, "-m", "maskgate", "watch", *words]
    events: list[dict[str, Any]] = []
    lines: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:

        def read_events() -> None:
            for line in process.stdout or ():
                events.append(json.loads(line) | {"arrived": time.monotonic()})

        def read_lines() -> None:
            lines.extend(process.stderr or ())

        threads = [threading.Thread(target=read) for read in (read_events, read_lines)]
        for thread in threads:
            thread.start()
        try:
            yield process, events, lines
        finally:
            process.terminate()
            for thread in threads:
                thread.join(20)


def delays(
    came: Sequence[tuple[str, float]], events: Sequence[dict[str, Any]], kind: str
) -> list[float]:
    """Seconds from each person's first frame to the event; infinite where none came while they were
    in view."""
    delays = []
    for camera, start in came:
        times = [
            event["arrived"] - start
            for event in events
            if event["event"] == kind and event["camera"] == camera
        ]
        delays.append(min((each for each in times if 0 < each < PRESENT), default=np.inf))
    return delays


def show(measured: Measured) -> None:
    def both(delays: Sequence[float]) -> str:
        if not delays:
            return "none"
        median, late = np.quantile(delays, [0.5, 0.95], method="higher")
        return f"{median:.2f}, {late:.2f} (n = {len(delays)})"

    print(
        f"| {measured.cameras} | {measured.target} | {measured.judged:.1f} |"
        f" {measured.behind:.2f} | {measured.cores:.2f} |"
        f" {both(measured.to_seen)} | {both(measured.to_verdict)} |",
        flush=True,
    )


def cpu(process: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(process: int) -> int:
    """Bytes of resident memory."""
    status = Path(f"/proc/{process}/status").read_text("utf-8")
    kilobytes = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert kilobytes
    return int(kilobytes[1]) * 1024


if __name__ == "__main__":
    main()
