"""From a recipe and a folder of people to a run: table → folds → fits → scores → report."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from accelerate import Accelerator
from filelock import FileLock, Timeout
from safetensors.torch import save as serialised

import maskgate
from maskgate import files, labels, metrics, runs
from maskgate.config import lookup
from maskgate.data import folds
from maskgate.errors import MaskgateError
from maskgate.images import cache, sampling
from maskgate.images.loader import Loader
from maskgate.images.mixing import Mixing
from maskgate.images.transforms import Augment
from maskgate.model import backbone, heads, losses, network, optim
from maskgate.model.network import Network
from maskgate.progress import say
from maskgate.randomness import derive
from maskgate.recipe import Recipe
from maskgate.reports import run as run_report
from maskgate.runs import Run
from maskgate.training import averages, processes, start
from maskgate.training.fit import Fit, Fitted, Task
from maskgate.training.prepare import Order, Prepared, prepare


def train(recipe: Recipe, order: Order) -> Run:
    """Train every fold of a recipe on a data set; returns the finished run.

    An unfinished folder is resumed, a finished one left as it is. Raises MaskgateError.
    """
    recipe = smoked(recipe) if order.smoke else start.epochs(recipe)
    accelerator = processes.start(recipe.training.precision)
    try:
        _try(recipe, order.name)
        prepared = prepare(recipe, order)
        _check(recipe, prepared, accelerator.num_processes)
        digest = recipe.digest(prepared.digest, *start.contents(recipe.model))
        run = Run(processes.on_main(accelerator, lambda: _folder(order, digest)))
        if processes.on_main(accelerator, lambda: _is_finished(run)):
            if accelerator.is_main_process:
                say(f"{run.path}: this run is finished; to train it anew, remove the folder")
            return run
        lock = FileLock(run.path / ".lock", timeout=0)
        processes.on_main(accelerator, lambda: _take(lock, run))
        try:
            if accelerator.is_main_process:
                _describe(run, recipe, order, prepared, digest)
            accelerator.wait_for_everyone()
            for number in prepared.folds:
                _fold(number, recipe, order, prepared, run, accelerator)
            if accelerator.is_main_process:
                _conclude(run, recipe, prepared)
            accelerator.wait_for_everyone()
        finally:
            lock.release()
        return run
    finally:
        processes.stop(accelerator)


def smoked(recipe: Recipe) -> Recipe:
    """The recipe with every step it has, once: two folds, one update, the smallest photos.

    Nothing is downloaded.
    """
    changed = recipe.model_dump()
    changed["model"]["pretrained"] = False
    height, width = backbone.smallest_size(Recipe.model_validate(changed).model)
    if height * width < recipe.photo.height * recipe.photo.width:
        changed["photo"] |= {"height": height, "width": width}
    changed["folds"] |= {"count": 2}
    changed["training"] |= {
        "epochs": 1,
        "epochs_from": None,
        "batch_size": min(16, recipe.training.batch_size),
        "validation_epochs": min(1, recipe.training.validation_epochs),
        "precision": "fp32",
    }
    changed["schedule"]["warmup_epochs"] = 0.0
    return Recipe.model_validate(changed)


def _try(recipe: Recipe, name: str) -> None:
    """Make all that a recipe names once, so that a fault is told before a photo is read."""
    try:
        Augment(recipe.augment, recipe.photo.geometry)
        Mixing(recipe.mixing)
        lookup("sampling", recipe.sampling.name, sampling.SAMPLERS)
        model = network.create(recipe)
        ones = {name: np.ones(len(v), dtype=np.int64) for name, v in labels.ATTRIBUTES.items()}
        counts = ones | {losses.CLASSES: np.ones(labels.COUNT, dtype=np.int64)}
        losses.check_use(losses.create(recipe.loss, counts, model.head), model.head)
        if recipe.training.average is not None:
            averages.create(recipe.training.average, model)
        optimizer = optim.create_optimizer(recipe.optimizer, model)
        optim.create_schedule(recipe.schedule, optimizer, recipe.training.epochs, 1)
    except MaskgateError as error:
        raise MaskgateError(f"recipe {name}: {error}") from error


def _check(recipe: Recipe, prepared: Prepared, processes: int) -> None:
    """Try what the data has a say in, before a folder is made."""
    for number in prepared.folds:
        count = len(prepared.split(number)[0])
        if count < 2 * processes:
            ages = ", or shorten labels.leave_out_ages" if prepared.left_out.any() else ""
            raise MaskgateError(
                f"{prepared.photos.root.resolve()}: fold {number} leaves {count} photos to train"
                f" on; add photos, or lower folds.count or folds.fraction{ages}"
            )
    rows, _ = prepared.split(prepared.folds[0])
    sampling.epoch_order(recipe.sampling, rows, prepared.taught, recipe.seed)
    for number in prepared.folds if recipe.model.init is not None else []:
        _network(number, recipe, prepared)


def _network(number: int, recipe: Recipe, prepared: Prepared) -> Network:
    """A fold's network before its first update."""
    training, validation = prepared.split(number)
    torch.manual_seed(derive(recipe.seed, number, "weights"))
    by_data = recipe.model.normalise == "data"
    model = network.create(recipe, cache.statistics(prepared.store, training) if by_data else None)
    if recipe.model.init is not None:
        seen = prepared.digests_of_people(validation)
        start.from_run(model, Path(recipe.model.init), seen, number)
    return model


# ------------------------------------------------------------------------- the run folder


def _folder(order: Order, digest: str) -> Path:
    """The folder to train into, made where it is new. Raises MaskgateError for another run's."""
    smoke = "-smoke" if order.smoke else ""
    path = order.out or order.runs / f"{order.name}{smoke}-{digest}"
    run = Run(path)
    if run.status_file.exists():
        status = run.status()
        if order.smoke and status.get("smoke"):
            shutil.rmtree(path)
        elif status["digest"] != digest:
            raise MaskgateError(
                f"{path}: holds a run of {status['recipe']} with another recipe or other data;"
                " give another --out, or remove the folder"
            )
    elif path.is_dir() and any(file.name != ".lock" for file in path.iterdir()):
        raise MaskgateError(f"{path}: not empty and no run; give another --out")
    elif path.is_file():
        raise MaskgateError(f"{path}: is a file; give another --out")
    path.mkdir(parents=True, exist_ok=True)
    return path


def _is_finished(run: Run) -> bool:
    return run.status_file.exists() and bool(run.status().get("finished"))


def _take(lock: FileLock, run: Run) -> None:
    try:
        lock.acquire()
    except Timeout as error:
        raise MaskgateError(
            f"{run.path}: another process is training this run; let it end"
        ) from error


def _describe(run: Run, recipe: Recipe, order: Order, prepared: Prepared, digest: str) -> None:
    for left in run.path.rglob(".*.part"):  # of a run that was killed while writing
        left.unlink()
    table = prepared.photos.table.assign(
        cluster=prepared.cluster,
        fold=prepared.fold,
        digest=prepared.store.digests[: len(prepared.fold)],
    )
    more = prepared.more()
    if not run.status_file.exists():  # first of all: by it the folder is known as a run's
        pairs = {
            tuple(sorted(map(_person_of(prepared.taught), pair))) for pair in prepared.twins.pairs
        }
        run.tell(
            recipe=order.name,
            digest=digest,
            data=str(order.data),
            root=str(prepared.photos.root.resolve()),
            smoke=order.smoke,
            command=order.command,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            versions={"maskgate": maskgate.__version__, "torch": str(torch.__version__)},
            truth=prepared.labels.truth,
            photos=len(table),
            people=int(table["person"].nunique()),
            more=len(more),
            corrected=prepared.labels.changed,
            left_out=int(prepared.left_out.sum()),
            largest_cluster=prepared.twins.largest,
            twins=sorted(pairs),
            warnings=prepared.warnings,
        )
    recipe.write(run.recipe_file)
    folds.write(run.folds_file, prepared.photos, prepared.cluster, prepared.fold)
    files.replace(run.photos_file, lambda beside: table.to_parquet(beside, index=False))
    if len(more):
        files.replace(run.more_file, lambda beside: more.to_parquet(beside, index=False))
    say(
        f"{run.path}: {len(table)} photos of {table['person'].nunique()} people; near-duplicates"
        f" join people in clusters of at most {prepared.twins.largest}"
        + _changes(prepared, len(more))
    )
    for warning in prepared.warnings:
        say(f"warning: {warning}")


def _changes(prepared: Prepared, more: int) -> str:
    """How training differs from the photos as read, where it does."""
    counts = {
        "photos of further data": more,
        "photos with corrected labels": prepared.labels.changed,
        "photos left out for their age": int(prepared.left_out.sum()),
    }
    told = [f"{count} {what}" for what, count in counts.items() if count]
    return f"; in training {', '.join(told)}" if told else ""


def _person_of(table: pd.DataFrame) -> Any:
    return dict(zip(table["photo"], table["person"], strict=True)).__getitem__


# -------------------------------------------------------------------------------- a fold


def _fold(
    number: int,
    recipe: Recipe,
    order: Order,
    prepared: Prepared,
    run: Run,
    accelerator: Accelerator,
) -> None:
    checkpoint = run.fold(number) / "checkpoint.pt"
    if processes.on_main(accelerator, lambda: (run.fold(number) / "fold.json").exists()):
        if accelerator.is_main_process:
            checkpoint.unlink(missing_ok=True)
        return
    training, validation = prepared.split(number)
    table, geometry = prepared.photos.table, recipe.photo.geometry
    loader = Loader(
        prepared.store,
        prepared.taught,
        geometry,
        Augment(recipe.augment, geometry),
        order.workers,
        pin_memory=accelerator.device.type == "cuda",
    )
    model = _network(number, recipe, prepared)
    run.fold(number).mkdir(exist_ok=True)
    most = 1 if order.smoke else None
    task = Task(number, table, prepared.taught, loader, training, validation, most)
    fitted = Fit(recipe, model, task, checkpoint, accelerator, order.checkpoint_seconds).run()
    if accelerator.is_main_process:
        if recipe.model.init is not None:
            seen = start.seen(
                Path(recipe.model.init), prepared.digests_of_people(validation), number
            )
            files.replace_text(run.inherited_file(number), "\n".join(sorted(seen)))
        _keep(run, number, recipe, fitted, table.iloc[validation], len(training))
        checkpoint.unlink()
    accelerator.wait_for_everyone()


def _keep(
    run: Run, number: int, recipe: Recipe, fitted: Fitted, table: pd.DataFrame, trained_on: int
) -> None:
    folder, weights = run.fold(number), run.weights_file(number)
    # Not `save_file`: it hides a full disk, and lets nobody but the owner read the file.
    files.replace(weights, lambda beside: beside.write_bytes(serialised(fitted.weights)))
    told = table[["photo", "person", "label"]].assign(fold=number)
    runs.write_probabilities(folder / "oof.parquet", told, fitted.probabilities)
    if recipe.training.select == "best":
        runs.write_probabilities(folder / "oof-last.parquet", told, fitted.last_probabilities)
    history = pd.DataFrame(fitted.history)
    files.replace(folder / "history.csv", lambda beside: history.to_csv(beside, index=False))
    photos = len(fitted.history) * trained_on
    files.replace_text(
        folder / "fold.json", json.dumps({"seconds": fitted.seconds, "photos": photos}) + "\n"
    )


# --------------------------------------------------------------------------- the results


def _conclude(run: Run, recipe: Recipe, prepared: Prepared) -> None:
    told = [json.loads((run.fold(k) / "fold.json").read_text()) for k in run.folds]
    history = pd.concat([pd.read_csv(run.fold(k) / "history.csv") for k in run.folds])
    files.replace(run.history_file, lambda beside: history.to_csv(beside, index=False))
    results: dict[str, Any] = {"validated": bool((prepared.fold != folds.NEVER).any())}
    if recipe.training.validation_epochs:
        results["unvalidated_epochs"] = recipe.training.validation_epochs
    if results["validated"]:
        table, probabilities = _pooled(run, "oof.parquet")
        runs.write_probabilities(run.oof_file, table, probabilities)
        truth = prepared.photos.table.set_index("photo").loc[table["photo"]].reset_index()
        knows = heads.knows(recipe.model.head)
        results |= metrics.evaluate(probabilities, truth, knows=knows) | {"knows": knows}
        results["selection"] = recipe.training.select
        if recipe.training.select == "best":
            _, last = _pooled(run, "oof-last.parquet")
            last_epoch = metrics.evaluate(last, truth, knows=knows)
            results["last_epoch"] = last_epoch["score"]
    files.replace_text(run.metrics_file, json.dumps(results, indent=2) + "\n")
    seconds = sum(part["seconds"] for part in told)
    reduced = sorted(set(history["accumulate"]) - {recipe.training.accumulate})
    warnings = prepared.warnings + [
        f"out of memory: batches ran in {parts} parts instead of {recipe.training.accumulate}"
        for parts in reduced
    ]
    run.tell(
        seconds=round(seconds, 1),
        photos_per_second=round(sum(part["photos"] for part in told) / max(seconds, 1e-9), 1),
        warnings=warnings,
    )
    run_report.write(run)
    run.tell(finished=datetime.now(UTC).isoformat(timespec="seconds"))


def _pooled(run: Run, name: str) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    parts = [runs.read_probabilities(run.fold(fold) / name) for fold in run.folds]
    return pd.concat([table for table, _ in parts], ignore_index=True), np.concatenate(
        [probabilities for _, probabilities in parts]
    )


def told(run: Run) -> str:
    """A finished run in two lines: where it is, and its score."""
    status, results = run.status(), run.metrics()
    where = f"{run.path}: {status['seconds'] / 60:.1f} minutes, report in {run.report_file}"
    if not results["validated"]:
        return f"{where}\ntrained on all photos: there is no validation"
    score = metrics.read_score(results["score"])
    return f"{where}\nout-of-fold {results['score_of']} {score} on {results['people']} people"
