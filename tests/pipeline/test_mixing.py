"""Mixed batches: every pixel is derived a second time, one by one, and the share from them."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from maskgate import labels
from maskgate.config.recipe import Mix
from maskgate.errors import MaskgateError
from maskgate.pipeline.mixing import MIXES, Mixed, Mixing
from maskgate.pipeline.target import Target

HEIGHT, WIDTH = 9, 50


def batch(count: int, seed: int = 0) -> Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.integers(0, 256, (count, HEIGHT, WIDTH, 3), dtype=np.uint8))


def target(mask: list[int], gender: list[int], band: list[int]) -> Target:
    codes = [np.array(each, dtype=np.int8) for each in (mask, gender, band)]
    return Target(
        torch.from_numpy(labels.agrees(*codes)),
        torch.full((len(mask), 2), torch.nan),
        torch.empty(len(mask), 0),
    )


def unknown(count: int) -> Target:
    return target([-1] * count, [-1] * count, [-1] * count)


def mixing(name: str, probability: float = 1.0, **arguments: Any) -> Mixing:
    return Mixing([Mix(name=name, probability=probability, **arguments)])


def partner_of(mixed: Mixed, count: int) -> list[int]:
    assert mixed.partner is not None
    assert mixed.partner.dtype == torch.int64
    assert sorted(mixed.partner.tolist()) == list(range(count)), "everybody is one partner"
    return mixed.partner.tolist()


def sources(photos: Tensor, mixed: Mixed) -> np.ndarray:
    """(N, H, W), 1 where a pixel is the photo's own and 0 where it is its partner's."""
    is_original = np.empty(photos.shape[:3], dtype=int)
    partner = partner_of(mixed, len(photos))
    for number, y, x in np.ndindex(*is_original.shape):
        pixel = mixed.photos[number, y, x].tolist()
        original = photos[number, y, x].tolist()
        assert pixel in (original, photos[partner[number], y, x].tolist())
        is_original[number, y, x] = pixel == original
    return is_original


def several(count: int, name: str, **arguments: Any) -> list[tuple[Tensor, Mixed]]:
    mix, pairs = mixing(name, **arguments), []
    torch.manual_seed(5)
    for seed in range(count):
        photos = batch(4, seed)
        before = photos.clone()
        pairs.append((photos, mix(photos, unknown(4))))
        assert torch.equal(photos, before), "the batch itself is left as it was"
    return pairs


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup_fades_every_pixel_by_the_share(alpha: float) -> None:
    shares = set()
    for photos, mixed in several(5, "mixup", alpha=alpha):
        assert mixed.photos.dtype == torch.float32
        partner = partner_of(mixed, 4)
        for place in np.ndindex(4, HEIGHT, WIDTH, 3):
            original, other = photos[place].item(), photos[(partner[place[0]], *place[1:])].item()
            expected = mixed.share * original + (1 - mixed.share) * other
            assert mixed.photos[place].item() == pytest.approx(expected, abs=1e-4)
        shares.add(mixed.share)
    assert len(shares) == 5
    assert all(0 <= share <= 1 for share in shares)


@pytest.mark.parametrize(("name", "alpha"), [("mixup", 0.4), ("mixup", 1.0), ("mixup", 5.0)])
def test_shares_are_drawn_from_beta(name: str, alpha: float) -> None:
    torch.manual_seed(1)
    mix, count, photos = mixing(name, alpha=alpha), 2000, torch.zeros(1, 1, 1, 3, dtype=torch.uint8)
    shares = np.array([mix(photos, unknown(1)).share for _ in range(count)])
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(shares.mean() - 0.5) < 3 * (variance / count) ** 0.5
    of_square = (shares - 0.5) ** 2
    assert abs(of_square.mean() - variance) < 3 * of_square.std() / count**0.5


def test_a_tiny_alpha_leaves_photos_whole() -> None:
    torch.manual_seed(1)
    mix, photos = mixing("mixup", alpha=1e-6), torch.zeros(1, 1, 1, 3, dtype=torch.uint8)
    shares = np.array([mix(photos, unknown(1)).share for _ in range(400)])
    assert ((shares < 0.01) | (shares > 0.99)).all()
    assert abs(shares.mean() - 0.5) < 3 * 0.5 / 20


def test_cutmix_pastes_one_box_and_its_share_is_counted() -> None:
    clipped = unclipped = 0
    for photos, mixed in several(80, "cutmix"):
        assert mixed.photos.dtype == torch.uint8
        partner = partner_of(mixed, 4)
        moved = [number for number in range(4) if partner[number] != number]
        is_original = sources(photos, mixed)[moved]
        if not len(is_original):
            continue
        # Where both photos have the same colour a pixel counts as own: none of 256³ here.
        assert (is_original == is_original[0]).all(), "the box lies at one place"
        rows, columns = np.nonzero(is_original[0] == 0)
        assert mixed.share == pytest.approx(is_original[0].mean(), abs=1e-12)
        if len(rows):
            box = is_original[0][rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert (box == 0).all(), "it is a box"
            at_rim = rows.min() == 0 or columns.min() == 0
            at_rim |= rows.max() == HEIGHT - 1 or columns.max() == WIDTH - 1
            clipped += at_rim
            unclipped += not at_rim
    assert clipped > 5
    assert unclipped > 3


def test_a_box_covers_what_beta_left_over_and_lies_anywhere() -> None:
    torch.manual_seed(3)
    mix, size, count = mixing("cutmix", alpha=1.0), 64, 1500
    photos = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    photos[1] = 1
    pasted, shares = np.zeros((size, size)), []
    for _ in range(count):
        mixed = mix(photos, unknown(2))
        shares.append(mixed.share)
        if partner_of(mixed, 2)[0] == 1:
            pasted += mixed.photos[0, :, :, 0].numpy()
    # Each pixel is covered with the probability that the box, clipped, reaches it.
    random, expected = np.random.default_rng(0), []
    for _ in range(40_000):
        side = size * np.sqrt(random.uniform())
        spans = []
        for middle in random.integers(size, size=2):
            spans.append(min(size, middle + side / 2) - max(0, middle - side / 2))
        expected.append(1 - spans[0] * spans[1] / size**2)
    spread = float(np.std(expected))
    assert abs(np.mean(shares) - np.mean(expected)) < 3 * spread / count**0.5 + 0.005
    assert pasted[0, 0] > 0 < pasted[-1, -1]
    np.testing.assert_allclose(pasted[:32].sum(), pasted[32:].sum(), rtol=0.1)


@pytest.mark.parametrize("name", ["half_cutmix", "intra_class_cutmix"])
def test_halves_are_cut_at_one_place_in_the_middle(name: str) -> None:
    cuts: Counter[int] = Counter()
    for photos, mixed in several(60, name):
        assert mixed.photos.dtype == torch.uint8
        cut = round(mixed.share * WIDTH)
        assert mixed.share == cut / WIDTH
        partner = partner_of(mixed, 4)
        for number in range(4):
            for x in range(WIDTH):
                source = number if x < cut else partner[number]
                assert torch.equal(mixed.photos[number, :, x], photos[source, :, x])
        cuts[cut] += 1
    assert set(cuts) == {23, 24, 25, 26, 27}  # 46% to 54% of 50


def test_the_cut_lies_evenly_between_low_and_high() -> None:
    torch.manual_seed(2)
    mix, count = mixing("half_cutmix", low=0.2, high=0.6), 2000
    photos = torch.zeros(1, 1, 1000, 3, dtype=torch.uint8)
    shares = np.array([mix(photos, unknown(1)).share for _ in range(count)])
    assert shares.min() >= 0.2
    assert shares.max() <= 0.6
    assert abs(shares.mean() - 0.4) < 3 * 0.4 / 12**0.5 / count**0.5
    fixed = mixing("half_cutmix", low=0.5, high=0.5)
    assert fixed(photos, unknown(1)).share == 0.5
    assert mixing("half_cutmix", low=1, high=1)(photos, unknown(1)).share == 1.0


def test_partners_within_a_class() -> None:
    # Two photos of a class, one alone, three of whom only the gender is known, one unknown.
    known = target(
        [0, 0, 2, -1, -1, -1, -1, 0], [1, 1, 0, 0, 0, 0, -1, 1], [2, 2, 1, -1, -1, -1, -1, -1]
    )
    mix, partners = mixing("intra_class_cutmix"), [Counter[int]() for _ in range(8)]
    torch.manual_seed(0)
    for _ in range(400):
        for number, partner in enumerate(partner_of(mix(batch(8), known), 8)):
            assert torch.equal(known.classes[number], known.classes[partner])
            partners[number][partner] += 1
    assert [set(each) for each in partners] == [{1}, {0}, {2}, {4, 5}, {3, 5}, {3, 4}, {6}, {7}]
    assert all(abs(count - 200) < 3 * 10 for each in partners[3:6] for count in each.values())


def test_classes_may_be_probabilities() -> None:
    soft = torch.zeros(4, labels.COUNT)
    soft[[0, 2], 3] = 0.75
    soft[[0, 2], 4] = 0.25
    soft[[1, 3], 3] = 1.0
    mixed = mixing("intra_class_cutmix")(
        batch(4), Target(soft, torch.full((4, 2), torch.nan), torch.empty(4, 0))
    )
    assert partner_of(mixed, 4) == [2, 3, 0, 1]


@pytest.mark.parametrize("name", list(MIXES))
def test_a_batch_of_one_photo_stays_as_it_is(name: str) -> None:
    photos = batch(1)
    mixed = mixing(name)(photos, unknown(1))
    assert partner_of(mixed, 1) == [0]
    torch.testing.assert_close(mixed.photos.float(), photos.float())


def test_one_mix_a_batch_by_the_probabilities() -> None:
    mix = Mixing([Mix(name="mixup", probability=0.35), Mix(name="half_cutmix", probability=0.35)])
    torch.manual_seed(4)
    photos, count = batch(2)[:, :2, :8], 3000
    frequency: Counter[str] = Counter()
    for _ in range(count):
        mixed = mix(photos, unknown(2))
        if mixed.partner is None:
            assert mixed.photos is photos
            assert mixed.share == 1.0
            frequency["plain"] += 1
        else:
            frequency["mixup" if mixed.photos.dtype == torch.float32 else "half_cutmix"] += 1
    for name, share in {"mixup": 0.35, "half_cutmix": 0.35, "plain": 0.3}.items():
        assert abs(frequency[name] - count * share) < 3 * (count * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("name", list(MIXES))
def test_torchs_seed_alone_decides(name: str) -> None:
    def drawn(seed: int) -> Mixed:
        torch.manual_seed(seed)
        np.random.default_rng().random()
        return mixing(name, probability=1.0)(batch(6), unknown(6))

    first, again, other = drawn(1), drawn(1), drawn(2)
    assert torch.equal(first.photos, again.photos)
    assert first.share == again.share
    assert not torch.equal(first.photos, other.photos)


def test_without_mixes_nothing_is_drawn() -> None:
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    photos = batch(3)
    mixed = Mixing([])(photos, unknown(3))
    assert mixed.photos is photos
    assert (mixed.partner, mixed.share) == (None, 1.0)
    assert torch.equal(torch.rand(3), expected)


def test_the_loss_is_that_of_the_pixels_shares() -> None:
    """The rule in the module's docstring, for a linear model whose loss is a plain mean."""
    known = target([0, 1, 2, 0], [0, 1, 0, 1], [0, 1, 2, 2])
    mixed = mixing("half_cutmix")(batch(4), known)
    assert mixed.partner is not None
    both = mixed.share * known.classes.float()
    both += (1 - mixed.share) * known.take(mixed.partner).classes.float()
    assert torch.allclose(both.sum(1), torch.ones(4))


def refused(mixes: Callable[[], Mixing], message: str) -> None:
    with pytest.raises(MaskgateError, match=message):
        mixes()


def test_faults_are_told() -> None:
    refused(lambda: mixing("mixpu"), r"unknown mixing mixpu; did you mean mixup\?")
    for alpha in (0, -1, float("nan")):
        refused(lambda: mixing("mixup", alpha=alpha), "mixing mixup: alpha is .*, not above 0; see")  # noqa: B023
    refused(lambda: mixing("cutmix", alpha=0), "mixing cutmix: alpha is 0, not above 0")
    refused(lambda: mixing("cutmix", alpha="much"), "mixing cutmix: ")
    refused(lambda: mixing("mixup", beta=1), "mixing mixup: .*beta")
    for name in ("half_cutmix", "intra_class_cutmix"):
        refused(lambda: mixing(name, low=0.6, high=0.4), f"mixing {name}: low is 0.6 and high 0.4")  # noqa: B023
        refused(lambda: mixing(name, high=1.4), f"mixing {name}: low is 0.46 and high 1.4")  # noqa: B023
        refused(lambda: mixing(name, low=-0.1), f"mixing {name}: low is -0.1")  # noqa: B023
