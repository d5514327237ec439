import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from maskgate.config import recipe
from maskgate.errors import MaskgateError
from maskgate.training import lr_finder
from maskgate.training.lr_finder import Sweep
from maskgate.training.options import TrainOptions

Call = Callable[..., tuple[int, str, str]]


def quadratic(curvature: float) -> Callable[[int, float], float]:
    """Gradient descent on curvature · w² / 2 + 1, which diverges above a rate of 2 / curvature."""
    weight = torch.tensor(3.0, requires_grad=True)

    def update(_: int, rate: float) -> float:
        loss = curvature * weight.square() / 2 + 1
        (gradient,) = torch.autograd.grad(loss, weight)
        with torch.no_grad():
            weight.sub_(rate * gradient)
        return loss.item()

    return update


@pytest.mark.parametrize("curvature", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("updates", [60, 100, 300])
def test_the_suggestion_lies_between_too_low_and_diverging(curvature: float, updates: int) -> None:
    sweep = lr_finder.run_sweep(1e-7, 1000.0, updates, quadratic(curvature))
    assert sweep.diverged
    assert len(sweep.rates) < updates
    assert sweep.suggestion is not None
    assert 1e-3 / curvature < sweep.suggestion < 2 / curvature


def test_rates_rise_by_a_factor_and_losses_are_smoothed() -> None:
    losses = np.random.default_rng(0).random(50) + 1
    calls: list[tuple[int, float]] = []

    def update(number: int, rate: float) -> float:
        calls.append((number, rate))
        return float(losses[number])

    sweep = lr_finder.run_sweep(1e-3, 10.0, 50, update)
    assert [number for number, _ in calls] == list(range(50))
    assert [rate for _, rate in calls] == sweep.rates.tolist()
    assert sweep.rates[0] == pytest.approx(1e-3)
    assert sweep.rates[-1] == pytest.approx(10)
    np.testing.assert_allclose(sweep.rates[1:] / sweep.rates[:-1], 1e4 ** (1 / 49))
    np.testing.assert_array_equal(sweep.losses, losses)
    for last in range(50):
        weights = 0.9 ** np.arange(last, -1, -1)
        assert sweep.smoothed[last] == pytest.approx(
            np.average(losses[: last + 1], weights=weights)
        )
    assert not sweep.diverged


def test_it_stops_over_four_times_the_smallest_smoothed_loss() -> None:
    losses = [1.0] * 20 + [2.0, 5.0, 9.0, 14.0, 20.0, 30.0, 40.0]
    sweep = lr_finder.run_sweep(1e-3, 1.0, len(losses), lambda number, _: losses[number])
    assert sweep.diverged
    assert (sweep.smoothed[:-1] <= 4).all()
    assert sweep.smoothed[-1] > 4
    exploded = lr_finder.run_sweep(1e-3, 1.0, 30, lambda n, _: [2 - n / 30, math.nan][n == 25])
    assert exploded.diverged
    assert len(exploded.losses) == 25


def test_the_suggestion_is_the_steepest_fall_before_the_lowest_point() -> None:
    rates = np.geomspace(1e-6, 1, 61)
    power = np.log10(rates)
    fall = 3 - 1 / (1 + np.exp(-4 * (power + 3))) + np.where(power > -1, 8 * (power + 1), 0)
    fall[:3] = [9, 5, 4]  # left out: the first of them are not to be relied on
    fall[-2:] = [9, 3]
    sweep = Sweep(rates, fall, fall, False)
    assert sweep.suggestion == pytest.approx(1e-3)


def test_a_loss_that_never_falls_gives_no_suggestion(tmp_path: Path) -> None:
    sweep = lr_finder.run_sweep(1e-3, 1.0, 40, lambda number, _: 1 + number / 40)
    assert sweep.suggestion is None
    assert lr_finder.sentence(sweep).startswith("no suggestion: the loss never falls")
    page = lr_finder.write(sweep, tmp_path, "a", [])
    assert "None: the loss never falls." in page.read_text()


BEFORE = [3.0] * 20  # of the rates before the loss falls
FALLING = np.linspace(3, 2, 40).tolist()


@pytest.mark.parametrize(
    ("losses", "course"),
    [
        (FALLING, r"it still falls at 1, the highest rate, where it is 2\.\d+$"),
        (
            [*BEFORE, *FALLING, *np.linspace(2, 3.7, 20).tolist()],
            r"it is lowest, 2\.\d+, at 0\.\d+, and has risen to 3\.\d+ at 1$",
        ),
        (
            [*BEFORE, *FALLING, *np.linspace(2, 2.6, 40).tolist()],
            r"it is lowest, 2\.\d+, at 0\.\d+, and has risen to 2\.\d+ at 1$",
        ),
        (
            [*BEFORE, *FALLING, *np.geomspace(2, 200, 20).tolist()],
            r"it is lowest, 2\.\d+, at 0\.\d+, and diverges at 0\.\d+$",
        ),
        (
            [*BEFORE, *FALLING, math.nan],
            r"it is lowest, 2\.\d+, at 0\.\d+, and diverges at 0\.\d+$",
        ),
    ],
)
def test_the_sentence_follows_from_the_curve(losses: list[float], course: str) -> None:
    sweep = lr_finder.run_sweep(1e-3, 1.0, len(losses), lambda number, _: losses[number])
    sentence = lr_finder.sentence(sweep)
    assert re.search(course, sentence), sentence
    if number := re.search(r"has risen to (\S+) at", sentence):
        assert float(number[1]) == pytest.approx(sweep.smoothed[-1], abs=0.005)
    if number := re.search(r"it is lowest, (\S+),", sentence):
        assert float(number[1]) == pytest.approx(sweep.smoothed.min(), abs=0.005)


def test_a_loss_that_stays_low_is_not_called_risen() -> None:
    rates = np.geomspace(1e-6, 1, 61)
    losses = np.r_[np.full(20, 3.0), np.linspace(3, 2, 20), np.full(21, 2.001)]
    sentence = lr_finder.sentence(Sweep(rates, losses, losses, False))
    assert sentence.endswith("it is lowest, 2, at 0.0079, and as low at 1")


def test_a_loss_that_is_no_number_at_once_is_a_fault() -> None:
    with pytest.raises(MaskgateError, match=r"not finite from a learning rate of 0\.001 on"):
        lr_finder.run_sweep(1e-3, 1.0, 40, lambda *_: math.nan)


@pytest.fixture
def find(tiny: Path, people: Path, cache: Path) -> Callable[..., Sweep]:
    def run(*changes: str, low: float = 1e-5, high: float = 10.0, updates: int = 24) -> Sweep:
        options = TrainOptions("tiny", people, cache=cache)
        return lr_finder.find(recipe.load(tiny, list(changes)), options, low, high, updates)

    return run


def test_a_sweep_is_deterministic_and_learns(find: Callable[..., Sweep]) -> None:
    first, again = find(), find()
    np.testing.assert_array_equal(first.losses, again.losses)
    np.testing.assert_array_equal(first.rates, again.rates)
    assert first.losses[0] == pytest.approx(math.log(18), rel=0.3)
    assert first.suggestion == again.suggestion
    assert first.suggestion is not None
    assert 1e-4 < first.suggestion < 1


@pytest.mark.parametrize(
    ("change", "from_the_first"),
    [
        ("seed=9", True),
        ("loss.name=label_smoothing", True),
        ("augment=[]", True),
        ("mixing=[{name: mixup}]", True),
        ("training.batch_size=16", True),
        ("optimizer.name=sgd", False),
        ("optimizer.layer_decay=0.5", False),
        ("optimizer.weight_decay=0.9", False),
        ("training.clip_norm=0.01", False),
    ],
)
def test_all_of_the_recipes_step_counts(
    find: Callable[..., Sweep], change: str, from_the_first: bool
) -> None:
    plain, changed = find(updates=6, low=1e-3), find(change, updates=6, low=1e-3)
    assert (plain.losses[0] != changed.losses[0]) == from_the_first
    assert plain.losses[-1] != changed.losses[-1]


def test_what_is_of_the_loop_alone_does_not_count(find: Callable[..., Sweep]) -> None:
    plain = find(updates=5)
    for change in ("optimizer.lr=0.5", "schedule.name=none", "training.average=ema"):
        np.testing.assert_array_equal(plain.losses, find(change, updates=5).losses)


def test_the_command_leaves_a_page_and_a_table(
    call: Call, tiny: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--updates", 30, "--low", "1e-5", "--high", 5)
    code, out, err = call("lr", tiny, people, "optimizer.weight_decay=0.01", *options)
    assert code == 0, err
    suggestion, page = out.splitlines()
    assert suggestion.startswith("optimizer.lr=")
    assert page == str(Path("lr", "lr.html"))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["lr", "lr.csv", "lr.html"]
    table = pd.read_csv("lr/lr.csv")
    assert list(table) == ["update", "lr", "loss", "smoothed"]
    assert table["update"].tolist() == list(range(1, len(table) + 1))
    assert table["lr"].iloc[0] == pytest.approx(1e-5)
    text = Path(page).read_text()
    assert "optimizer.weight_decay=0.01" in text
    assert text.count("<polyline") == 2
    assert text.count('class="ring"') == 1
    assert suggestion.partition("=")[2].partition(":")[0] in text
