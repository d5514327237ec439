"""The command predict."""

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from maskgate.cli.app import Cache, DetectorFile, SkipFaulty, Trust, app, check_runs
from maskgate.cli.cluster_options import GpusPerTask, On, cluster_of
from maskgate.core import terminal
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.inference.predictor import Predictor

_SYSTEM_SUFFIXES: Final = (".yaml", ".yml")


@app.command()
def predict(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL] PHOTOS...",
            help="A run folder, a system file whose members are runs, or a bundle, by default the"
            " model that is part of maskgate; then photos, or folders of photos; with --on also"
            " URLs such as s3://BUCKET/FOLDER.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="CSV to write, or with --on a folder of parquet files.",
            show_default="standard output",
        ),
    ] = None,
    cache: Cache = None,
    skip_faulty: SkipFaulty = False,
    all_faces: Annotated[
        bool,
        typer.Option(
            "--all-faces",
            help="One row per face, not only for the main one; a photo without a face keeps a row.",
        ),
    ] = False,
    on: On = None,
    gpus_per_task: GpusPerTask = None,
    part: Annotated[
        int | None,
        typer.Option(
            min=1, max=1_000_000, help="Photos per parquet file, with --on.", show_default="10240"
        ),
    ] = None,
    detector_file: DetectorFile = None,
    trust: Trust = False,
) -> None:
    """Predict mask, gender and age band of photos, with the 18 probabilities, as CSV.

    If the first word is a run, a system or a bundle, it is the MODEL; else it is a photo, and the
    default model is used.

    With --on, for millions of photos, as parquet files. Repeat the command to resume.
    """
    from maskgate.core import default_model, files
    from maskgate.imaging import photo_files

    cluster = cluster_of(on, gpus_per_task)
    model, photos = _model_and_photos(words)
    if cluster is None:
        if part is not None:
            raise MaskgateError("--part needs --on; give both, or neither")
        if urls := [place for place in photos if photo_files.is_address(place)]:
            raise MaskgateError(f"{urls[0]}: photos at a URL need --on ray")
        if out is not None:
            files.check_target(out)
    photo_files.check_photos(photos)
    if model is None:
        default_model.folder()
    if cluster is not None:
        if detector_file is not None:
            raise MaskgateError(
                "--detector-file is a file on this machine; with --on, set $MASKGATE_YUNET on every"
                " machine"
            )
        if out is None:
            raise MaskgateError("--on writes a folder of parquet files; name it with --out")
        if model is not None and _is_system(model):
            raise MaskgateError(
                f"{model}: a cluster predicts with a run or a bundle; turn the system into a run"
                " with maskgate combine, and give that"
            )

        from maskgate.cluster import bulk

        options = bulk.BulkJob(
            model,
            photos,
            out,
            part or bulk.PART,
            all_faces=all_faces,
            cache=cache,
            trust=trust,
        )
        report = bulk.predict(options, cluster)
        terminal.show(report.sentence())
        if not skip_faulty:
            report.refuse_faults()
        return

    from maskgate.core.progress import say
    from maskgate.inference.resume_cache import ResumeCache

    predictor = _predictor(model, cache, trust, detector_file=detector_file)
    paths = photo_files.list_photos([Path(place) for place in photos])
    if out is None:
        terminal.write(predictor.predict(paths, skip_faulty, all_faces).to_csv())
        return
    resume = ResumeCache(out, f"{predictor.digest}, all faces: {all_faces}")
    predictions = predictor.predict(paths, skip_faulty, all_faces, resume)
    files.replace_text(out, predictions.to_csv())
    resume.delete()
    say(f"{out}: {len(predictions)} rows")


def _predictor(
    model: Path | None, cache: Path | None, trust: bool, *, detector_file: Path | None
) -> "Predictor":
    from maskgate.evaluation import ensemble_options
    from maskgate.inference import loading

    file = None if model is None or not _is_system(model) else ensemble_options.system_file([model])

    if model is None or file is None:
        return loading.load(model, cache, trust=trust, detector_file=detector_file)
    if detector_file is not None:
        raise loading.detector_file_error(model)

    from maskgate.ensemble.combining import EnsembleSpec
    from maskgate.evaluation import ensemble

    system, _ = ensemble_options.requested_system([model], file, {})
    members = ensemble.open_members(system, trust)
    return ensemble.fit(members, EnsembleSpec.from_system(system), cache).predictor(cache)


def _model_and_photos(words: list[str]) -> tuple[Path | None, list[str]]:
    """MODEL, None for the default model, and the photos, of which there is at least one. Raises
    MaskgateError for a first word that is neither."""
    first, *others = words
    if not _is_model(first):
        return None, words
    check_runs([Path(first)])
    if not others:
        raise MaskgateError(f"{first}: a model, but nothing to predict; name photos after it")
    return Path(first), others


def _is_model(word: str) -> bool:
    """Whether a word names a model and not photos. Raises MaskgateError where it is neither."""
    from maskgate import runs
    from maskgate.imaging import photo_files

    path = Path(word)
    if photo_files.is_address(word):
        return False
    if not path.exists():
        if photo_files.has_photo_suffix(word):
            return False
        raise MaskgateError(
            f"{word}: no such run, system or bundle, and no such photo or folder{_near(path)};"
            " correct the path"
        )
    if not path.is_dir():
        return runs.is_bundle(path) or _is_system(path) or path.suffix.lower() == ".zip"
    if runs.is_run(path):
        return True
    if any(map(photo_files.is_photo, path.iterdir())):  # even beside a manifest.json
        return False
    if runs.is_bundle(path) or any(path.glob("*/run.json")):
        return True
    # Most folders are not read to their end, which would take long for millions of photos.
    if not (
        any(map(photo_files.is_photo, path.rglob("*"))) or photo_files.find_photos(path).photos
    ):
        raise MaskgateError(
            f"{word}: no run or bundle, and no photo in it; give a folder written by `maskgate"
            " train` or `maskgate export`, or one with photos"
        )
    return False


def _is_system(path: Path) -> bool:
    return path.suffix.lower() in _SYSTEM_SUFFIXES and path.is_file()


def _near(path: Path) -> str:
    """The nearest name beside a missing path, as a hint; empty if none is near."""
    try:
        names = [each.name for each in path.parent.iterdir()]
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, names, 1)
    return f", did you mean {path.parent / near[0]}?" if near else ""
