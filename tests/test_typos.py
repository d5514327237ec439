"""What is wrong with the words of a command is told before torch and pandas are imported.

Every command is called with a wrong word for each that names something.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from maskgate.cli import app

GOLDEN = Path(__file__).parent / "golden"
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
RUN, FOLDER = str(GOLDEN / "plain"), str(GOLDEN)

Words = list[str]
NO_RECIPE = (["baselin"], "baselin: no such recipe; did you mean baseline?")
NO_DATA = (["/gone"], "/gone: no such file or folder; give the folder of photos or its CSV")
NO_RUN = (["/gone"], "/gone: no run; give a folder written by `maskgate train`, or a bundle")
NEITHER = "no such run, system or bundle, and no such photo or folder"
NO_PHOTO = (["/gone.jpg"], "/gone.jpg: no such photo or folder; fix the path")
UNKNOWN_KEY = (["training.epoch=2"], "unknown key training.epoch, did you mean epochs?")
WRONG_VALUE = (["seed=three"], "seed: Input should be a valid integer, not three")
NO_CHANGE = (["epochs"], "epochs: an override is written key.sub=value")
NO_DETECTOR = "unknown detector yunett; did you mean yunet?"
NO_FLIP = "unknown test-time augmentation flp; did you mean flip?"
NO_OUT = (["/dev/null/out"], "/dev/null/out: ")
# Names and paths that a recipe holds, each with what is told of it.
IN_RECIPE: list[tuple[Words, str]] = [
    (["tta=[flp]"], f"recipe baseline: {NO_FLIP}"),
    (["photo.face.detector=yunett"], f"recipe baseline: {NO_DETECTOR}"),
    (["photo.face.detector={name: yunet, scor: 1}"],
     "recipe baseline: detector yunet: no argument scor"),
    (["photo.face.detector={name: yunet, file: /gone}"],
     "recipe baseline: /gone: no such file, named by file of detector yunet"),
    (["loss=focl"], "recipe baseline: unknown loss focl; did you mean focal?"),
    (["model.head=factord"], "recipe baseline: unknown head factord; did you mean factored?"),
    (["model.backbone=resnt18"], "baseline: unknown backbone resnt18; did you mean resnet18?"),
    (["optimizer.name=adamv"], "recipe baseline: unknown optimizer adamv; did you mean adam"),
    (["model.weights=/gone"], "recipe baseline: /gone: no such file of weights"),
    (["model.weights=imagnet"],
     "recipe baseline: imagnet: no such file of weights; did you mean imagenet?"),
    (["model.weights=imagenet"],
     "recipe baseline: model.weights=imagenet: there are no such weights for the backbone resnet1"),
    (["teacher=/gone"], f"recipe baseline: {NO_RUN[1]}"),
    (["model.init=/gone"], NO_RUN[1]),
    (["folds.file=/gone"], "/gone: not a fold file with columns person,fold (cannot be read"),
    (["labels.map.gender={M: mail}"], "recipe baseline: gender 'M' is mapped to 'mail', which is"),
    (["labels.corrections=competitoin"], "competitoin: no such file of corrections; did you mean"),
    (["data=[{path: /gone}]"], "/gone: no such file or folder, but the recipe's data names it"),
    (["folds.kind=all", "training.epochs_from=/gone"], NO_RUN[1]),
]  # fmt: skip
PSEUDO: list[tuple[Words, str]] = [
    ([f"pseudo={{photos: {FOLDER}, run: /gone}}"], f"recipe baseline: {NO_RUN[1]}"),
    ([f"pseudo={{photos: /gone, run: {RUN}}}"],
     "/gone: no such folder, but pseudo.photos names it"),
]  # fmt: skip

# Of each argument, by its metavar, right words; and wrong ones with what is told of them.
ARGUMENTS: dict[str, tuple[Words, list[tuple[Words, str]]]] = {
    "RECIPE": (["baseline"], [NO_RECIPE]),
    "DATA": ([FOLDER], [NO_DATA]),
    "FACES": ([FOLDER], [NO_DATA]),
    "PHOTOS": ([FOLDER], [NO_PHOTO]),
    "PHOTOS...": ([FOLDER], [NO_PHOTO]),
    "[PHOTOS]...": ([], [NO_PHOTO]),
    "[TEXT]...": ([], [(["arcfase"], "arcfase: no recipe or system has this in its name or")]),
    "[MODEL] PHOTOS...": ([RUN, FOLDER], [
        ([RUN], f"{RUN}: a model, but nothing to predict"),
        (["/gone", FOLDER], f"/gone: {NEITHER}; correct the path"),
        (["/gone.jpg"], NO_PHOTO[1]), ([RUN, "/gone"], "/gone: no such photo or folder"),
        ([".", "/gone.jpg"], ".: no run or bundle, and no photo in it")]),
    "RUN": ([RUN], [NO_RUN, (["."], ".: no run;")]),
    "RUNS": ([RUN, RUN], [([RUN, "/gone"], NO_RUN[1])]),
    "RUN|SYSTEM": ([RUN], [NO_RUN, (["."], ".: no run;")]),
    "RUN|SYSTEM...": ([RUN], [([RUN, "/gone"], NO_RUN[1])]),
    "RUN|SYSTEM|BUNDLE... EVAL": ([RUN, FOLDER], [
        (["/gone", FOLDER], NO_RUN[1]),
        ([RUN, "/gone"], "/gone: no such photo or folder; fix the path")]),
    "FOLDER": ([FOLDER], [(["/gone"], "/gone: contains no runs; `maskgate train` makes them")]),
    "[RUNS]...": ([FOLDER], [
        (["/gone"], "/gone: contains no runs; `maskgate train` makes them"),
        ([FOLDER, FOLDER], f"{FOLDER}: is given twice; give every folder once"),
        (["=x"], "=x: write a folder as NAME=FOLDER, such as kim=/home/kim/runs")]),
    "OUT": (["out"], [NO_OUT]),
    "[RUN|SUSPECTS]": ([RUN], [
        NO_RUN, (["."], ".: no run;"), ([], "nothing to review; give a run, or a CSV of suspects"),
        (["/gone.csv"], "/gone.csv: cannot be read (No such file or directory)")]),
    "[TEXT]": ([], [([" "], "the note is empty; write it as"),
                    (["x" * 2001], "the note has 2,001 characters, more than 2,000; shorten it")]),
    "[MODEL]": ([], [NO_RUN, (["."], ".: no run;")]),
    "URL": ([], [
        (["ftp://door"], "ftp://door: not the URL of a service, such as https://"),
        (["http://127.0.0.1:9"], "http://127.0.0.1:9: no service answers (Connection refused)")]),
    "[MODEL] DATA": ([FOLDER], [
        NO_DATA, (["/gone", FOLDER], NO_RUN[1]), ([RUN, "/gone"], NO_DATA[1]),
        ([RUN, FOLDER, FOLDER], f"{FOLDER}: one word too many; give MODEL and DATA, or DATA")]),
    "A": ([FOLDER], [NO_DATA]),
    "B": ([FOLDER], [NO_DATA]),
    "EVENTS...": ([__file__], [(["/gone"], "/gone: no such file of events; fix the path")]),
    "[KEY.SUB=VALUE]...": ([], [UNKNOWN_KEY, WRONG_VALUE, NO_CHANGE, *IN_RECIPE]),
    "[ARGUMENT=VALUE]...": ([], [(["scor=1"], "detector auto: "), NO_CHANGE]),
}  # fmt: skip
OPTIONS: dict[str, list[tuple[Words, str]]] = {
    "--recipe": [NO_RECIPE],
    "--data": [NO_DATA],
    "--author": [([" "], "--author: is empty; give a name")],
    "--tier": [(["shure"], "'shure' is not one of 'sure', 'likely', 'doubtful'")],
    "--compare": [(["/gone", "/gone"], "--compare needs nothing but --settled and --out")],
    "--settled": [(["/gone"], "--settled belongs to --compare; give both, or neither")],
    "--page": [(["page.pdf"], "page.pdf: a page ends in .html; name such a file"),
               (["page.html"], "corrections.csv: cannot be read (No such file or directory)")],
    "--run": [NO_RUN],
    "--single": [NO_RUN],
    "--space": [(["finetun"], "finetun: no such search space; did you mean finetune?")],
    "--changes": [(["/gone"], "/gone: not a list of changes")],
    "--combine": [(["wieghts"], "unknown combination wieghts; did you mean weights?"),
                  (["{name: soft_vote, power: 2}"], "combine soft_vote takes no arguments")],
    "--adjust": [(["ofsets"], "unknown adjustment ofsets; did you mean offsets?")],
    "--tta": [(["flp"], NO_FLIP)],
    "--detector": [(["yunett"], NO_DETECTOR)],
    "--method": [(["grad_cm"], "'grad_cm' is not one of 'grad_cam', 'grad_cam_plus_plus', 'occl")],
    "--with": [NO_RUN],
    "--out": [NO_OUT],
    "--error": [
        (["mask"], "--error mask: nothing is not a number"),
        (["age=.2"], "--error age=.2: write a share such as mask=0.1, for one of mask, gender"),
        (["mask=2"], "--error mask: give a share above 0 and below 1, like 0.02"),
        (["mask=.1", "--error", "mask=.2"], "--error mask=.2: mask is given twice; give it once")],
    "--cost": [
        (["let_in=2"], "--cost: stopped is missing; give let_in, stopped and look"),
        (["stay=2"], "--cost stay=2: write a cost such as let_in=0.1, for one of let_in, stopped"),
        (["let_in=1", "--cost", "stopped=0", "--cost", "look=1"],
         "--cost: the cost stopped is not a number above 0")],
    "--opinion": [(["/gone"], "/gone: no such opinion; give a CSV, a run, a bundle, or default")],
    "--unlabelled": [(["/gone"], "/gone: no such folder; give a folder of photos without labels")],
    "--precision": [(["fp8"], "'fp8' is not one of 'fp32', 'fp16', 'int8'")],
    "--held-out": [(["/gone"], "/gone: cannot be read (No such file or directory)")],
    "--detector-file": [(["/gone"], "/gone: no such file, named by --detector-file")],
    "--certificate": [(["/gone"], "--certificate and --key go together; give both")],
    "--key": [(["/gone"], "--certificate and --key go together; give both")],
    "--host": [(["0.0.0.0"], "--host 0.0.0.0: beyond this machine the door needs HTTPS"),
               (["300.0.0.1", "--plain-http"], "--host 300.0.0.1: no such host")],
    "--gender-and-age": [([" "], "--gender-and-age: state the purpose, which pages show")],
    "--language": [(["kr"], "--language kr: no such language; give en, ko, or a JSON file"),
                   (["/gone.json"], "/gone.json: cannot be read (No such file or directory)")],
    "--camera": [
        (["/gone"], "--camera /gone: no such file or folder; give the number of a camera, a URL"),
        (["ftp://door"], "--camera …: not a URL of a camera; give one that starts with rtsp://"),
        (["@/gone"], "/gone: cannot be read (No such file or directory)"),
        (["0", "--camera", "0"], "--camera: two cameras are called camera-0; name them")],
    "--relay-fail": [(["closed"], "'closed' is not one of 'shut', 'open'")],
    "--policy": [(["wear"], "'wear' is not one of 'worn', 'bare'")],
    "--state": [(["/dev/null", "--make-certificate"], "/dev/null: is a file; name a folder")],
    "--token-file": [
        (["/gone"], "--token-file is for a door beyond this machine; drop it"),
        (["/gone", "--host", "0.0.0.0", "--plain-http"],
         "/gone: cannot be read (No such file or directory); give the token that can")],
    "--from": [(["today"], "--from today: not a time such as 2026-11-27 or 2026-11-27T08:30")],
    "--to": [(["2026-13-01"], "--to 2026-13-01: not a time such as"),
             (["2026-11-26", "--from", "2026-11-27"], "--to 2026-11-26: is not after --from")],
    "--time-zone": [(["Seoul"], "--time-zone Seoul: no such time zone; give a name such as Asia")],
    "--model": [(["/gone"], "/gone: not a bundle; give a folder or zip from `maskgate export`")],
    "--map": [
        (["gender"], "--map gender: write it as gender:M=male,F=female"),
        (["gendr:M=male"], "unknown column of --map gendr; did you mean gender?"),
        (["gender:M"], "--map gender:M: 'M' is not a pair such as M=male"),
        (["gender:M=mail"], "--map: gender 'M' is mapped to 'mail', which is none; write male or")],
    "--gpus-per-task": [(["1.5"], "1.5 is neither a share of a GPU from 0.01 to 1 nor a whole"),
                        (["0.5"], "--gpus-per-task needs --on; give both, or neither")],
    "--door": [(["North"], "--door North: no such name of a door; give small letters")],
    "--sort": [(["best"], "'best' is not one of 'date', 'score', 'name'")],
    "--csv": [(["/dev/null/runs.csv"], "/dev/null/runs.csv: the folder /dev/null does not exist")],
    "--date": [(["today"], "today is not a date such as 2026-11-27")],
    "--change": [
        (UNKNOWN_KEY[0], f"change {UNKNOWN_KEY[0][0]}: "), NO_CHANGE,
        (["loss=focl"], "change loss=focl: unknown loss focl; did you mean focal?")],
}  # fmt: skip
# These name nothing that is there already, or what only a heavy package knows.
OTHERS = {
    "--cache", "--filter", "--json", "--runs", "--storage", "--on", "--all-faces", "--calibrate",
    "--checkpoint-seconds", "--each-kind", "--fold", "--high", "--sample",
    "--incorrect", "--keep-going", "--list", "--low", "--max-loss", "--part", "--people",
    "--photos", "--power", "--prune-after", "--rounds", "--seed", "--seeds", "--skip-faulty",
    "--smoke", "--terms", "--trials", "--trust", "--updates", "--workers", "--worn",
    "--make-certificate", "--max-megabytes", "--max-megapixels", "--new-token", "--plain-http",
    "--alert-after", "--contact", "--near", "--override-key", "--sound", "--speech",
    "--let-through", "--median", "--out-of-fold", "--temperature", "--weight",
    "--partial", "--site", "--slowest", "--stopped", "--token",
    "--photo-column", "--person-column", "--mask-column", "--gender-column", "--age-column",
    "--age-group-column", "--class-column",
    "--open", "--port", "--serve", "--queue", "--smallest-face", "--threads", "--unsure-below",
    "--fps", "--rotate-megabytes", "--rotate-keep", "--relay-pulse",
    # Only with a camera: see "watch" in ALSO.
    "--events", "--webhook", "--webhook-secret-file", "--mqtt", "--mqtt-password-file", "--mqtt-ca",
    "--no-discovery", "--mqtt-override", "--relay-command", "--relay-url", "--metrics",
}  # fmt: skip
# Of some commands, a word is another thing than of the others.
ALSO: dict[str, list[tuple[Words, str]]] = {
    "train": [
        (["systems/s1-smal", FOLDER], "s1-smal: no such system; did you mean s1-small?"),
        (["systems/s1-small", FOLDER, *UNKNOWN_KEY[0]], UNKNOWN_KEY[1]),
        (["systems/s1-small", FOLDER, *WRONG_VALUE[0]], WRONG_VALUE[1]),
        (["systems/s1-small", FOLDER, "combine=sofd_vote"], "unknown combination sofd_vote"),
        (["systems/s1-small", FOLDER, "tta=[flp]"], "recipe s1-small, member "),
        (["systems/s1-small", FOLDER, "model.init=/gone"], NO_RUN[1]),
        (["baseline", FOLDER, "--runs", "/dev/null/runs"], "/dev/null/runs: "),
        *((["baseline", FOLDER, *words], sentence) for words, sentence in PSEUDO),
    ],
    "serve": [
        (["--from", "ftp://door"], "--from …: not a URL of a camera; give one that starts with"),
        (["--from", "browser=0"], "--from: browser is the name of the browser's own camera"),
        (["--events", "."], "--events .: is no file; give another"),
        (["--events", "/dev/null/events"], "/dev/null/events: "),
    ],
    "watch": [
        ([], "no camera to watch; give --camera 0, or a URL such as rtsp://"),
        *(
            (["--camera", "0", *words], sentence)
            for words, sentence in [
                (["--events", "/gone/events"], "the folder /gone does not exist; make it first"),
                (["--webhook", "hooks.example"], "--webhook: no such address; write one as http:"),
                (["--webhook-secret-file", "/gone"], "--webhook-secret-file is for --webhook"),
                (
                    ["--webhook", "http://h", "--webhook-secret-file", "/gone"],
                    "/gone: cannot be read",
                ),
                (["--mqtt", "broker"], "--mqtt: no such address; write one as mqtt://host:1883"),
                (["--mqtt-password-file", "/gone"], "--mqtt-password-file is for --mqtt"),
                (["--mqtt", "mqtts://h", "--mqtt-ca", "/gone"], "/gone: cannot be used as --mqtt"),
                (["--no-discovery"], "--no-discovery is for --mqtt; give that too"),
                (["--mqtt-override"], "--mqtt-override is for --mqtt; give that too"),
                (["--relay-command", "gone-program"], "gone-program: no such program"),
                (["--relay-url", "relay"], "--relay-url: no such address"),
                (["--metrics", "here"], "--metrics here: write HOST:PORT, such as 127.0.0.1:9100"),
                (["--queue", "queue"], "--queue is for --webhook and --mqtt; give one of them"),
            ]
        ),
    ],
    "suspects": [([RUN, "--opinion", "/dev/null"], "/dev/null: no CSV, run or bundle")],
    "wear": [
        (
            [FOLDER, "out", "--each-kind", "--worn", "0"],
            "--each-kind draws one photo of each kind;",
        ),
    ],
    "compare-data": [
        (
            [FOLDER, FOLDER, "--run", RUN, "--model", RUN],
            "both --run and --model are given; give one of them",
        ),
        ([FOLDER, FOLDER, "--out", "page.pdf"], "page.pdf: a page ends in .html; name such a file"),
    ],
    "door-report": [([__file__, "--out", "page.pdf"], "page.pdf: a page ends in .html;")],
    "dashboard": [
        ([FOLDER, "--out", "page.pdf"], "page.pdf: a page ends in .html; name such a file"),
        ([FOLDER, "--open"], "--author, --port and --open belong to --serve; give it, or drop"),
        ([FOLDER, "--serve", "--out", "a.html"], "--out is for a page that is written; drop it"),
    ],
    "review": [
        ([RUN, "--run", RUN], "both a RUN and --run are given; give one of them"),
        (["--compare", "/gone", "/gone"], "/gone: cannot be read (No such file or directory)"),
    ],
}
INSTEAD = {
    ("serve", "--from", "today"): "--from today: no such file or folder; give the number of a ca",
    ("dashboard", "--out", "/dev/null/out"): "/dev/null/out: a page ends in .html; name such a",
    ("review", "--opinion", "/gone"): "/gone: cannot be read (No such file or directory)",
    ("pseudo", *NO_PHOTO[0]): "/gone.jpg: no such folder; give a folder of photos without",
    ("accept", "--token-file", "/gone"): "/gone: cannot be read (No such file or directory)",
    ("accept", "--token-file", "/gone", "--host", "0.0.0.0", "--plain-http"): "no such option",
    ("accept", "--certificate", "/gone"): "http://127.0.0.1:8000: has no certificate; leave out",
}

# Each line is a command; what came of it goes into the file.
SCRIPT = """
import io, json, pathlib, sys
from maskgate import cli
done = []
for words in json.loads(sys.argv[1]):
    sys.argv[1:], sys.stderr, code = words, io.StringIO(), 0
    try:
        cli.main()
    except SystemExit as end:
        code = end.code
    heavy = {"torch", "pandas", "scipy", "pyarrow"} & set(sys.modules)
    done.append([code, sys.stderr.getvalue(), sorted(heavy)])
pathlib.Path("done.json").write_text(json.dumps(done))
"""


def calls(command: str) -> Iterator[tuple[Words, str]]:
    """Words with one fault among them, and what is told of it."""
    names = [
        each.metavar for each in COMMANDS[command].params if each.param_type_name == "argument"
    ]
    missing = [name for name in names if name not in ARGUMENTS]
    assert not missing, f"tell this test of right and wrong words for {missing}"
    right_words = {name: ARGUMENTS[name][0] for name in names}
    right = [word for words in right_words.values() for word in words]
    for name in names:
        for wrong, sentence in ARGUMENTS[name][1]:
            words = [word for words in (right_words | {name: wrong}).values() for word in words]
            yield words, INSTEAD.get((command, *wrong), sentence)
    for option in COMMANDS[command].params:
        if option.param_type_name == "option":
            name = option.opts[0]
            assert name in OPTIONS or name in OTHERS, f"tell this test of wrong words for {name}"
            for wrong, sentence in OPTIONS.get(name, []):
                yield [*right, name, *wrong], INSTEAD.get((command, name, *wrong), sentence)
    yield from ALSO.get(command, [])


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_words_are_told_before_anything_heavy_is_imported(
    command: str, tmp_path: Path
) -> None:
    faults = list(calls(command))
    required = [
        word
        for each in COMMANDS[command].params
        if each.required and each.param_type_name == "option"
        for word in (each.opts[0], "out")
    ]
    lines = [[command, *required, *words] for words, _ in faults] + [[command, "--help"]]
    words = [sys.executable, "-c", SCRIPT, json.dumps(lines)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *outcomes, helped = json.loads((tmp_path / "done.json").read_text())
    for line, (_, sentence), (code, err, heavy) in zip(lines, faults, outcomes, strict=False):
        assert (code, sentence in err, heavy) == (2, True, []), (line, err, heavy)
    assert helped == [0, "", []]
    assert {path.name for path in tmp_path.iterdir()} == {"done.json"}
