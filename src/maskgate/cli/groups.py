"""The groups in which `maskgate --help` lists commands, and an example of each command."""

from typing import Final

from maskgate.cli.app import app

_START, _PHOTOS, _TRAIN = "Start here", "Photos", "Train"
_PREDICT, _RUNS, _DOOR = "Predict", "Runs: list, compare, explain", "At the door"

COMMANDS: Final = {
    "inspect": (_START, "maskgate inspect PEOPLE --out page"),
    "compare-data": (_START, "maskgate compare-data PEOPLE OTHER_PEOPLE --out differences.html"),
    "recipes": (_START, "maskgate recipes face"),
    "demo": (_START, "maskgate demo --out demo"),
    "faces": (_PHOTOS, "maskgate faces PEOPLE --detector mtcnn -o boxes.parquet"),
    "wear": (_PHOTOS, "maskgate wear FACES DRESSED --worn 3 --incorrect 2"),
    "uncover": (_PHOTOS, "maskgate uncover PHOTOS UNCOVERED --incorrect 4"),
    "train": (_TRAIN, "maskgate train default PEOPLE training.epochs=5 --out runs/five-epochs"),
    "lr": (_TRAIN, "maskgate lr default PEOPLE --low 1e-5 --high 1"),
    "tune": (_TRAIN, "maskgate tune default PEOPLE --space finetune --trials 30"),
    "ablate": (_TRAIN, "maskgate ablate default PEOPLE --seeds 2 --change loss=focal"),
    "pseudo": (_TRAIN, "maskgate pseudo default PEOPLE MORE_PHOTOS --rounds 2"),
    "distill": (_TRAIN, "maskgate distill runs/ensemble default PEOPLE --out runs/student"),
    "predict": (_PREDICT, "maskgate predict runs/default photo.jpg more-photos"),
    "combine": (_PREDICT, "maskgate combine runs/one runs/two --combine weights --out runs/both"),
    "submit": (_PREDICT, "maskgate submit runs/default PEOPLE --tta flip -o submission.csv"),
    "runs": (_RUNS, "maskgate runs --sort score --filter focal"),
    "compare": (_RUNS, "maskgate compare runs/one runs/two --power 0.02"),
    "dashboard": (_RUNS, "maskgate dashboard kim=runs lee=/home/lee/runs --out dashboard.html"),
    "note": (_RUNS, "maskgate note runs/default 'larger photos | worse | blurred faces'"),
    "report": (_RUNS, "maskgate report runs/default --no-photos"),
    "explain": (_RUNS, "maskgate explain runs/default --out explain"),
    "embed": (_RUNS, "maskgate embed runs/default PHOTOS -o features.parquet"),
    "suspects": (_RUNS, "maskgate suspects runs/default --out suspects"),
    "review": (_RUNS, "maskgate review runs/default --author Kim"),
    "export": (_DOOR, "maskgate export runs/default bundles/entrance.zip --precision fp16"),
    "serve": (_DOOR, "maskgate serve bundles/entrance.zip --port 8000"),
    "watch": (_DOOR, "maskgate watch --camera front=rtsp://10.0.0.5/stream --policy worn"),
    "accept": (_DOOR, "maskgate accept http://127.0.0.1:8000 --site entrance"),
    "door-report": (_DOOR, "maskgate door-report events.jsonl --time-zone Asia/Seoul"),
    "thresholds": (_DOOR, "maskgate thresholds bundles/entrance.zip PHOTOS --error mask=0.02"),
}


def name_groups() -> None:
    """Give every command its group and its example, once all are registered."""
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        if name in COMMANDS:
            command.rich_help_panel, example = COMMANDS[name]
            command.epilog = f"Example: {example}"
