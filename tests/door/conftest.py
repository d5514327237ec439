"""A bundle of a model that looks for faces, and drawn people of whom the default model is sure."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskgate import labels
from maskgate.door.engine import Engine
from maskgate.synthetic.people.drawing import photo
from maskgate.synthetic.people.sample_people import person
from tests.door import films


@pytest.fixture(scope="session")
def bundle(
    train: Callable[..., Path], cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The bundle of a model that looks for faces; beside it is its run."""
    from maskgate.export import exporter
    from maskgate.export.exporter import ExportOptions
    from maskgate.runs import RunFolder

    folder = tmp_path_factory.mktemp("door")
    run = train(
        folder / "run", "training.epochs=1", "photo.face={detector: mtcnn}", "folds.kind=holdout"
    )
    exporter.export(RunFolder(run), ExportOptions(folder / "bundle", cache=cache))
    return folder / "bundle"


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The default model, with the face detector that it contains."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MASKGATE_YUNET", raising=False)
        return Engine()


@pytest.fixture(scope="session")
def portraits(engine: Engine) -> dict[str, Image.Image]:
    """For each mask state the portrait, of some, of which the model is surest."""
    height, width = films.PORTRAIT[1], films.PORTRAIT[0]

    def draw(state: str, seed: int) -> Image.Image:
        face = person(np.random.default_rng(seed), seed % 2, 20 + 5 * seed)
        return photo(face, state, (height, width), np.random.default_rng(100 + seed))

    def sureness(portrait: Image.Image, state: str) -> float:
        """The least of its probability and the detector's score, with noise and compressed."""
        least = 1.0
        for frame in films.frames([films.Scene(0.3, [("it", 200)])], {"it": portrait}):
            compressed = io.BytesIO()
            Image.fromarray(frame).save(compressed, "JPEG", quality=60)
            verdicts = engine(compressed.getvalue())
            if len(verdicts) != 1:
                return 0.0
            masks = labels.marginals(verdicts[0].probabilities[None])["mask"][0]
            least = min(least, verdicts[0].score, float(masks[labels.MASKS.index(state)]))
        return least

    surest = {}
    for state in labels.MASKS:
        drawn = [draw(state, seed) for seed in range(12)]
        surest[state] = max(drawn, key=lambda each: sureness(each, state))
        assert sureness(surest[state], state) > 0.8
    return surest
