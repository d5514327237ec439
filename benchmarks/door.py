"""How long the door takes from a decoded frame to a verdict, and what of that the networks take.

    python benchmarks/door.py BUNDLE DATA [--run RUN] [--int8 BUNDLE] [--photos 60] [--seed 0]

BUNDLE is an export of a model with a face detector; DATA a folder of labelled photos, of which
`--photos` are drawn and brought to each size of frame. With `--run`, the run that BUNDLE was
exported from, the network is also run by torch; with `--int8`, that bundle's network too.

Everything runs in one thread and in turn, frame by frame, so that what else the machine does hits
all alike. Times are medians of processor time, which others on the machine lengthen less than
clock time. Prints three Markdown tables: the engine against its ONNX calls alone, detectors, and
networks.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before anything starts threads

import argparse
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from maskgate.config.settings import Component
from maskgate.core import files
from maskgate.data import layouts
from maskgate.door.engine import Engine
from maskgate.faces import detectors
from maskgate.faces.yunet import YuNet
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels
from maskgate.inference.backends.onnx import OnnxBackend
from maskgate.inference.classifier import SingleModel

SIZES: Final = ((512, 384), (720, 1280))  # height and width of frames
SIDES: Final = (128, 192, 256)
REPEATS: Final = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path, help="a folder of labelled photos")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--int8", type=Path)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=files.cache_folder())
    options = parser.parse_args()
    labelled = layouts.read(options.data)
    rng = np.random.default_rng(options.seed)
    rows = rng.permutation(len(labelled.table))[: options.photos]
    photos = [pixels.decode(labelled.root / labelled.table["photo"].iloc[row]) for row in rows]
    print(f"{processor()}, one thread, {len(photos)} photos, median ms of processor time\n")
    show_engine(options.bundle, photos)
    show_detectors(photos, options.cache)
    show_networks(options.bundle, options.int8, options.run)


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    wide = [each for each in ("avx2", "avx512_vnni", "avx_vnni") if each in flags]
    return f"{names[0] if names else platform.processor()} ({', '.join(wide)})"


def frames_of(photos: Sequence[Image.Image], height: int, width: int) -> list[Pixels]:
    """The photos on a grey frame, as high as it is."""
    frames = []
    for photo in photos:
        frame = Image.new("RGB", (width, height), (128, 128, 128))
        scale = min(height / photo.height, width / photo.width)
        size = round(photo.width * scale), round(photo.height * scale)
        frame.paste(photo.resize(size, Image.Resampling.LANCZOS), ((width - size[0]) // 2, 0))
        frames.append(np.asarray(frame))
    return frames


def show_engine(bundle: Path, photos: Sequence[Image.Image]) -> None:
    print("| frame | smallest face | detector gets | detector, ONNX | network, ONNX | engine |"
          " overhead |\n|---|---:|---:|---:|---:|---:|---:|")  # fmt: skip
    for height, width in SIZES:
        for smallest in (None, 100.0) if width > height else (None,):
            engine = Engine(bundle, smallest_face=smallest)
            frames = frames_of(photos, height, width)
            frames = [frame for frame in frames if len(engine(frame)) == 1]
            detector_calls, network_calls = record_calls(engine, frames)
            detector, classifier = engine._detector(frames[0]), engine._classifier
            assert isinstance(detector, YuNet) and isinstance(classifier, SingleModel)
            repeated = {
                "engine": partial(call_on, engine, frames),
                "detector": partial(call_again, detector_calls),
                "network": partial(call_again, network_calls),
            }
            times = measure(repeated, len(frames))
            calls = times["detector"] + times["network"]
            print(
                f"| {width}×{height} | {smallest or '–'} | {detector.side} |"
                f" {times['detector']:.2f} | {times['network']:.2f} | {times['engine']:.2f} |"
                f" {times['engine'] / calls - 1:.0%} |",
                flush=True,
            )


Calls = list[list[tuple[Callable[..., Any], tuple[Any, ...]]]]


def record_calls(engine: Engine, frames: Sequence[Pixels]) -> tuple[Calls, Calls]:
    """The calls of ONNX Runtime that the engine makes for each frame: the detector's and the
    networks', to be made again alone."""
    detector, classifier = engine._detector(frames[0]), engine._classifier
    assert isinstance(detector, YuNet) and isinstance(classifier, SingleModel)
    backends = [each for each in classifier.networks if isinstance(each, OnnxBackend)]
    of_detector, of_networks = Recorder(detector._network), [Recorder(b._session) for b in backends]
    sessions = [(detector, "_network", of_detector)]
    sessions += [(b, "_session", r) for b, r in zip(backends, of_networks, strict=True)]  # type: ignore[misc]
    for holder, name, recorder in sessions:
        setattr(holder, name, recorder)
    detector_calls: Calls = []
    network_calls: Calls = []
    for frame in frames:
        engine(frame)
        detector_calls.append(of_detector.take())
        network_calls.append([call for recorder in of_networks for call in recorder.take()])
    for holder, name, recorder in sessions:
        setattr(holder, name, recorder.session)
    return detector_calls, network_calls


class Recorder:
    """A session that keeps the calls made of it."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []

    def run(self, *args: Any) -> Any:
        self.calls.append((self.session.run, args))
        return self.session.run(*args)

    def take(self) -> list[tuple[Callable[..., Any], tuple[Any, ...]]]:
        """The calls since this was last asked for."""
        calls, self.calls = self.calls, []
        return calls


def show_detectors(photos: Sequence[Image.Image], cache: Path) -> None:
    print("\n| detector | 384×512 | 1280×720 |\n|---|---:|---:|")
    components = {f"YuNet, {side}": Component(name="yunet", side=side) for side in SIDES}
    components["MTCNN"] = Component(name="mtcnn")
    by_title = {title: detectors.create(each, cache) for title, each in components.items()}
    columns = []
    for height, width in SIZES:
        frames = frames_of(photos, height, width)
        calls = {title: partial(call_on, find, frames) for title, find in by_title.items()}
        columns.append(measure(calls, len(frames)))
    for title in components:
        print(f"| {title} | {' | '.join(f'{times[title]:.2f}' for times in columns)} |")


def show_networks(bundle: Path, int8: Path | None, run: Path | None) -> None:
    print("\n| network, one picture | ms | of fp32 |\n|---|---:|---:|")
    engine = Engine(bundle)
    geometry = engine._views[0].geometry
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (1, geometry.height, geometry.width, 3), dtype=np.uint8)
    backends: dict[str, Any] = {"ONNX Runtime": network_of(engine)}
    if int8 is not None:
        backends["ONNX Runtime, int8"] = network_of(Engine(int8))
    if run is not None:
        import torch

        from maskgate.inference.backends.torch import TorchBackend, restore
        from maskgate.runs import open_run

        torch.set_num_threads(1)
        opened = open_run(run)
        backends["torch"] = TorchBackend(restore(opened, opened.folds[0]))
    pictures = [picture] * 100
    calls = {name: partial(call_on, backend, pictures) for name, backend in backends.items()}
    times = measure(calls, len(pictures))
    for name, each in times.items():
        print(f"| {name} | {each:.2f} | ×{each / times['ONNX Runtime']:.2f} |")


def network_of(engine: Engine) -> Any:
    classifier = engine._classifier
    assert isinstance(classifier, SingleModel)
    return classifier.networks[0]


def call_on(function: Callable[[Pixels], object], arrays: Sequence[Pixels], number: int) -> None:
    function(arrays[number])


def call_again(calls: Calls, number: int) -> None:
    for run, arguments in calls[number]:
        run(*arguments)


def measure(calls: Mapping[str, Callable[[int], object]], count: int) -> dict[str, float]:
    """Median milliseconds of processor time in this thread, all in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(REPEATS):
        for at in range(count):
            for name, call in calls.items():
                start = time.thread_time()
                call(at)
                if repeat:  # the first is for the caches
                    seconds[name].append(time.thread_time() - start)
    return {name: float(np.median(each)) * 1e3 for name, each in seconds.items()}


if __name__ == "__main__":
    main()
