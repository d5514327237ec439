"""How much of the model's own speed real training keeps: photos a second, and their ratio.

    python benchmarks/training.py [DATA] [--models NAME …] [--photos 1024] [--rounds 5]
                                  [--precision bf16]
    python benchmarks/training.py [DATA] --recipes [NAME …]

The floor is the model step alone (forward, loss, backward, optimiser) on a batch that lies in
memory. Beside it, in every round and in turn: the step as torch comes (contiguous tensors, an
optimiser that is not fused, glibc's way with memory, threads that wait busily; a process of its
own), real training (`maskgate.training.trainer`, flip and crop, its checkpoint included) from a
warm cache, the same from an empty cache, the way of the competition's starting code (one worker
decodes each photo in each epoch), and real training with heavy augmentation.

`--precision` is that of training and of every step, as `training.precision` of a recipe.

With `--recipes`, it is the training of shipped recipes, with all that they do to photos and to the
network, beside the step alone of their network; without names, of all that suit a CPU.

A machine's speed drifts within seconds, so training is stopped after every few batches for as many
steps of the floor, and its ratio is to those; ways with workers, that would go on meanwhile, and
the step as torch comes have their ratio to the floor of their round. The photos of DATA, or drawn
people, are stored at 192×256 and at 384×512 first. Prints the median over the rounds of each rate
and ratio, with the ratio's extremes.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from maskgate import labels
from maskgate.config import shipped
from maskgate.config.recipe import Recipe
from maskgate.config.recipe import find as find_recipe
from maskgate.config.recipe import load as load_recipe
from maskgate.core import threads
from maskgate.core.progress import say, track
from maskgate.data import layouts
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.faces.view import View
from maskgate.imaging import pixels
from maskgate.model import losses, network, optim
from maskgate.pipeline import cache, target
from maskgate.pipeline.loader import Loader
from maskgate.pipeline.target import Target
from maskgate.pipeline.transforms import Augment
from maskgate.synthetic.people import sample_people
from maskgate.training import processes
from maskgate.training.batches import Task
from maskgate.training.fold_data import FoldData
from maskgate.training.trainer import Trainer

SIZES = ((192, 256), (384, 512))  # width, height of the photos as stored
BATCH = 64
Augments = list[dict[str, object]]
LIGHT: Augments = [{"name": "random_crop"}, {"name": "horizontal_flip"}]
HEAVY: Augments = [
    {"name": "affine", "degrees": 15, "scale": [0.85, 1.15], "shear": 5},
    *LIGHT,
    {"name": "color_jitter", "brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "hue": 0.05},
    {"name": "random_erasing", "p": 0.5},
]

FEW = 2  # photos that the trained network is tried on in the end, once in a training
PACE = 4  # updates of training, then as many of the floor


@dataclass(frozen=True)
class Measured:
    """Photos a second, and their ratio to the floor where that was measured alongside."""

    rate: float
    ratio: float | None = None


Results = dict[str, list[Measured]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, help="photos; without it people are drawn")
    parser.add_argument("--models", nargs="+", default=["mobilenetv4_conv_small", "resnet18"])
    parser.add_argument("--photos", type=int, default=1024, help="photos a measurement trains on")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--recipes", nargs="*", metavar="NAME", help="shipped recipes instead")
    parser.add_argument("--precision", choices=["fp32", "fp16", "bf16"], default="fp32")
    parser.add_argument("--plain-step", metavar="NAME", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.plain_step:
        print(_plain_step(arguments.plain_step, arguments.photos, arguments.precision))
        return
    if "GOMP_SPINCOUNT" not in os.environ:  # torch has read it: start anew
        threads.limit_spinning()
        os.execv(sys.executable, [sys.executable, *sys.argv])
    precision = arguments.precision
    try:
        accelerator = processes.start(precision)
    except MaskgateError as error:
        raise SystemExit(f"error: {error}") from error
    machine = f"{accelerator.device}, {torch.get_num_threads()} threads"
    print(f"{machine}, {precision}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as name:
        sets = _stored(arguments.data, arguments.photos, Path(name))
        if arguments.recipes is None:
            for model in arguments.models:
                bench = Bench(recipe_of(model, precision), sets, Path(name), accelerator)
                _print_table(model, _rounds(model, bench.ways(), arguments.rounds))
        else:
            chosen = arguments.recipes or _cpu_recipes()
            results: Results = {}
            for recipe in chosen:
                bench = Bench(_shipped(recipe, precision), sets, Path(name), accelerator)
                results |= _rounds(recipe, {recipe: bench.own_training}, arguments.rounds)
            _print_table("recipe", results)


def _rounds(name: str, ways: dict[str, Callable[[], Measured]], count: int) -> Results:
    results: Results = {}
    for number in range(count):
        for way, measure in ways.items():
            say(f"{name}, round {number + 1} of {count}: {way}")
            results.setdefault(way, []).append(measure())
    return results


def _cpu_recipes() -> list[str]:
    """Shipped recipes that need no GPU; of those that only differ in data or labels, the first."""
    names: dict[str, str] = {}
    for entry in shipped.all_shipped():
        if not entry.is_system and "a GPU" not in entry.needs:
            recipe = _shipped(entry.name, "fp32")
            names.setdefault(recipe.model_dump_json(exclude={"seed"}), entry.name)
    return list(names.values())


def _shipped(name: str, precision: str) -> Recipe:
    """A shipped recipe for an epoch of the benchmark's photos: their middle, every photo once."""
    recipe = load_recipe(find_recipe(name)).model_dump(mode="json")
    recipe["training"] |= {"epochs": 1, "freeze_epochs": 0, "validation_epochs": 0}
    recipe["training"] |= {"select": "last", "patience": None, "validation_batch_size": FEW}
    recipe["training"] |= {"precision": precision}
    recipe["photo"]["face"] = None
    rest: dict[str, object] = {"folds": {"kind": "all"}, "schedule": {"name": "constant"}}
    rest |= {"data": [], "pseudo": None, "labels": {}, "sampling": {}}
    return Recipe.model_validate(recipe | rest)


def _stored(data: Path | None, count: int, folder: Path) -> dict[str, Photos]:
    """The first `count` photos of the data, re-encoded at both sizes, by size."""
    if data is None:
        data = folder / "people"
        people = -(-count // 7)
        progress = track(range(people), "drawing people", people)

        def drawn() -> None:
            next(progress, None)

        sample_people.make(data, people, 0, (512, 384), twins=0, on_person=drawn)
    photos = layouts.read(data).take(np.arange(count))
    sets = {}
    for width, height in SIZES:
        root = folder / f"{width}x{height}"
        for name in track(photos.table["photo"], f"storing at {width}×{height}", count):
            path = (root / name).with_suffix(".jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            image = pixels.decode(photos.root / name)
            image.resize((width, height), Image.Resampling.LANCZOS).save(path, quality=92)
        table = photos.table.assign(
            photo=[str(Path(name).with_suffix(".jpg")) for name in photos.table["photo"]]
        )
        sets[f"{width}×{height}"] = Photos(root, table)
    return sets


class Bench:
    """One model's ways to be trained; each measurement gives photos a second.

    Without `stores`, the photos of the sets are decoded into a cache in the folder.
    """

    def __init__(
        self,
        recipe: Recipe,
        sets: dict[str, Photos],
        folder: Path,
        accelerator: Accelerator,
        stores: dict[str, cache.PhotoStore] | None = None,
    ) -> None:
        self.recipe = recipe
        self.sets, self.folder, self.accelerator = sets, folder, accelerator
        if stores is None:
            stores = {size: self._store(size, folder / "cache") for size in sets}
        self.stores = stores
        self.count = len(next(iter(sets.values())).table)
        step = _step(self._network(), self.recipe, accelerator)
        batch = _batch(self.recipe, accelerator.device)
        self.floor_step: Callable[[], None] = lambda: step(*batch)
        self.floor_step()

    def ways(self) -> dict[str, Callable[[], Measured]]:
        small, large = self.sets
        return {
            "floor": self.floor,
            "the step as torch comes": self.plain_step,
            f"training, warm cache, {small}": lambda: self.training(small),
            f"training, warm cache, {large}": lambda: self.training(large),
            f"first epoch, cold cache, {small}": lambda: self.cold(small),
            f"first epoch, cold cache, {large}": lambda: self.cold(large),
            f"starting code's way, {small}": lambda: self.starting_code(small),
            f"starting code's way, {large}": lambda: self.starting_code(large),
            f"heavy augmentation, {small}": lambda: self.training(small, HEAVY),
            f"heavy augmentation, 2 workers, {small}": lambda: self.training(small, HEAVY, 2),
        }

    def floor(self) -> Measured:
        """The step alone, as maskgate has it."""
        return self._measured(
            lambda: [
                self.floor_step() for _ in range(self.count // self.recipe.training.batch_size)
            ]
        )

    def plain_step(self) -> Measured:
        """The step alone, as torch comes, in a process of its own."""
        model, photos = self.recipe.model.backbone, str(self.count)
        command = [sys.executable, __file__, "--plain-step", model, "--photos", photos]
        command += ["--precision", self.recipe.training.precision]
        environment = {name: os.environ[name] for name in os.environ if name != "GOMP_SPINCOUNT"}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        return Measured(float(done.stdout))

    def training(self, size: str, augment: Augments | None = None, workers: int = 0) -> Measured:
        """An epoch as `maskgate train` runs it, without validation, from a warm cache."""
        model = self._network()
        store = self.stores[size]
        return self._measured(lambda: self._epoch(model, store, size, augment, workers))

    def own_training(self) -> Measured:
        """`training` with the recipe's own augmentation."""
        return self.training(next(iter(self.sets)))

    def cold(self, size: str) -> Measured:
        """The photos are decoded into an empty cache, then trained on for an epoch."""
        with tempfile.TemporaryDirectory(dir=self.folder) as empty:
            model, place = self._network(), Path(empty)
            return self._measured(
                lambda: self._epoch(model, self._store(size, place), size, None, 0)
            )

    def starting_code(self, size: str) -> Measured:
        """One worker decodes, resizes and flips every photo anew; the step is the floor's."""
        photos = self.sets[size]
        decoded = _DecodedEachTime(photos, self.recipe.photo.height, self.recipe.photo.width)
        step = _step(self._network(), self.recipe, self.accelerator)

        def epoch() -> None:
            for batch, targets in DataLoader(decoded, BATCH, shuffle=True, num_workers=1):
                device = self.accelerator.device
                step(batch.to(device), Target(*(part.to(device) for part in targets)))

        return self._measured(epoch)

    def _epoch(
        self,
        model: network.Network,
        store: cache.PhotoStore,
        size: str,
        augment: Augments | None,
        workers: int,
    ) -> float | None:
        """Train, with other augmentation than the recipe's if it is given; seconds that the floor
        took of it, None where workers forbid to stop for it."""
        changed = {} if augment is None else {"augment": augment}
        recipe = Recipe.model_validate(self.recipe.model_dump() | changed)
        table, geometry = self.sets[size].table, recipe.photo.geometry
        augmented = Augment(recipe.augment, geometry)
        arguments = (store, table, geometry, augmented, workers, self.accelerator.device)
        paced = _Paced(self.floor_step, *arguments)
        rows = np.arange(len(table))
        data = FoldData(fold=0, table=table, train=rows, validation=rows[:0], truth=table[:0])
        task = Task(data, Loader(*arguments) if workers else paced)
        with tempfile.TemporaryDirectory(dir=self.folder) as run:
            fit = Trainer(
                recipe,
                model,
                task,
                path=Path(run, "checkpoint.pt"),
                accelerator=self.accelerator,
                checkpoint_seconds=60,
            )
            fit.run()
        return None if workers else paced.seconds

    def _measured(self, work: Callable[[], object]) -> Measured:
        """Times the work; what it returns, if a number, are seconds of the floor among it."""
        self.floor_step()  # the memory that a step needs stays with the process
        since = _seconds(self.accelerator.device)
        floor = work()
        seconds = _seconds(self.accelerator.device) - since
        if not isinstance(floor, float):
            return Measured(self.count / seconds)
        return Measured(self.count / (seconds - floor), floor / (seconds - floor))

    def _store(self, size: str, folder: Path) -> cache.PhotoStore:
        store, problems = cache.build(self.sets[size], View(self.recipe.photo.geometry), folder)
        assert not problems
        return store

    def _network(self) -> network.Network:
        self.accelerator.free_memory()  # as a training has it, with no other network
        torch.manual_seed(7)
        model = network.create(self.recipe, with_weights=False)
        return model.to(self.accelerator.device).train()


class _Paced(Loader):
    """Training stops after every PACE batches for as many steps of the floor."""

    def __init__(self, floor_step: Callable[[], None], *arguments: Any) -> None:
        super().__init__(*arguments)
        self.floor_step, self.seconds = floor_step, 0.0

    def training(self, batches: Any, **arguments: Any) -> Any:
        loaded = super().training(batches, **arguments)
        for number, batch in enumerate(loaded, 1):
            yield batch
            if number % PACE == 0:
                since = _seconds(self._device)
                for _ in range(PACE):
                    self.floor_step()
                self.seconds += _seconds(self._device) - since


def recipe_of(model: str, precision: str = "fp32", **optimizer: object) -> Recipe:
    training = {"epochs": 1, "batch_size": BATCH, "validation_batch_size": FEW}
    return Recipe.model_validate(
        {
            "model": {"backbone": model},
            "augment": LIGHT,
            "folds": {"kind": "all"},
            "optimizer": optimizer,
            "training": training | {"precision": precision},
        }
    )


def _batch(recipe: Recipe, device: torch.device) -> tuple[Tensor, Target]:
    """Random photos of random classes."""
    random = torch.Generator().manual_seed(7)
    count = recipe.training.batch_size
    size = (count, recipe.photo.height, recipe.photo.width, 3)
    photos = torch.randint(0, 256, size, dtype=torch.uint8, generator=random)
    classes = torch.randint(0, labels.COUNT, (count,), generator=random)
    one_hot = torch.nn.functional.one_hot(classes, labels.COUNT).bool()
    ages = torch.randint(18, 80, (count, 1), generator=random).float().repeat(1, 2)
    batch = Target(one_hot, ages, torch.empty(count, 0))
    return photos.to(device), Target(*(tensor.to(device) for tensor in batch))


def _step(
    bare: network.Network, recipe: Recipe, accelerator: Accelerator
) -> Callable[[Tensor, Target], None]:
    """The model step alone, in the accelerator's precision, as the trainer's."""
    loss_of = losses.create(recipe.loss, target.one_of_each(), bare.head)
    loss_of.to(accelerator.device)
    model, updater = accelerator.prepare(bare, optim.create(recipe.optimizer, bare))

    def step(photos: Tensor, targets: Target) -> None:
        accelerator.backward(loss_of(model(photos), targets))
        updater.step()
        updater.zero_grad()

    return step


def _plain_step(name: str, photos: int, precision: str) -> float:
    """Photos a second of the step with nothing of what maskgate does for its speed."""
    recipe = recipe_of(name, precision, arguments={"fused": False})
    model = network.create(recipe).to(memory_format=torch.contiguous_format).train()
    model.normalise.memory_format = torch.contiguous_format
    accelerator = processes.new_accelerator(precision)
    device = accelerator.device
    step = _step(model.to(device), recipe, accelerator)
    batch = _batch(recipe, device)
    step(*batch)
    since = _seconds(device)
    for _ in range(photos // BATCH):
        step(*batch)
    return photos / (_seconds(device) - since)


def _seconds(device: torch.device) -> float:
    """The time when the device has done all that it was given: a GPU works on after the call."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


class _DecodedEachTime(Dataset[tuple[Tensor, Target]]):
    def __init__(self, photos: Photos, height: int, width: int) -> None:
        self.paths = [photos.root / name for name in photos.table["photo"]]
        self.target = target.of_table(photos.table)
        self.size = (width, height)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[Tensor, Target]:
        with Image.open(self.paths[row]) as image:
            small = image.convert("RGB").resize(self.size, Image.Resampling.BILINEAR)
        if torch.rand(()) < 0.5:
            small = small.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(small)), self.target.take(row)


def _print_table(name: str, results: Results) -> None:
    floors = [measured.rate for measured in results.get("floor", [])]
    print(f"\n| {name} | photos/s | of the floor |\n|---|---|---|")
    for way, measurements in results.items():
        rates = [measured.rate for measured in measurements]
        ratios = [
            measured.rate / floors[number] if measured.ratio is None else measured.ratio
            for number, measured in enumerate(measurements)
        ]
        middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
        print(f"| {way} | {statistics.median(rates):.0f} | {middle:.2f} [{low:.2f}, {high:.2f}] |")


if __name__ == "__main__":
    main()
