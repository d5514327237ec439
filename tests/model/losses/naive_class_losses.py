"""The formulas of class losses, photo by photo and class by class, and batches to try them on."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

# What is known of a photo: the classes that agree, or the probability of every class.
Photo = set[int] | list[float]

RANDOM = np.random.default_rng(3)

COUNTS = {  # classes without a training photo, and rare ones
    18: np.array([300, 200, 30, 250, 260, 0, 60, 40, 5, 50, 70, 1, 55, 45, 0, 61, 48, 9]),
    3: np.array([50, 0, 7]),
}


def agreeing(mask: int, gender: int, band: int) -> set[int]:
    """Classes that agree with three codes, -1 where one is unknown."""
    classes = set()
    for number, parts in enumerate(itertools.product(range(3), range(2), range(3))):
        if all(a in (-1, b) for a, b in zip((mask, gender, band), parts, strict=True)):
            classes.add(number)
    return classes


def drawn(count: int, classes: int) -> list[Photo]:
    return [list(row) for row in RANDOM.dirichlet(np.full(classes, 0.3), count)]


EVERY = {18: set(range(18)), 3: {0, 1, 2}}

BATCHES: dict[str, tuple[int, list[Photo]]] = {
    "full": (18, [{0}, {17}, {7}, {7}, {0}]),
    "of classes without a training photo": (18, [{5}, {14}, {0}]),
    "partial": (18, [agreeing(0, -1, -1), agreeing(-1, 1, 2), {7}, agreeing(-1, -1, 2)]),
    "all partial": (18, [agreeing(-1, 1, -1), agreeing(2, -1, -1), agreeing(1, 0, -1)]),
    "partly of nothing": (18, [{3}, EVERY[18], agreeing(1, -1, 0), EVERY[18]]),
    "of nothing": (18, [EVERY[18], EVERY[18]]),
    "one photo": (18, [{4}]),
    "one photo of nothing": (18, [EVERY[18]]),
    "one photo, partial": (18, [agreeing(2, -1, 0)]),
    "soft": (18, drawn(5, 18)),
    "cut and mixed": (18, [[0.7 * (c == 2) + 0.3 * (c == 16) for c in range(18)]]),
    "one attribute": (3, [{0}, {2}, {0}, {0}]),
    "one attribute, absent from training": (3, [{1}, {1}]),
    "one attribute, two of three": (3, [{0, 1}, {1}, {1, 2}, EVERY[3]]),
    "one attribute, soft": (3, drawn(4, 3)),
}


def tensor(photos: list[Photo], classes: int, dtype: torch.dtype = torch.float64) -> Tensor:
    if isinstance(photos[0], list):
        return torch.tensor(photos, dtype=dtype)
    rows = [[c in photo for c in range(classes)] for photo in photos]
    return torch.tensor(rows)


def naive_weights(counts: np.ndarray, how: str | None, beta: float) -> list[float]:
    raw = []
    for n in counts.tolist():
        n = max(n, 1)
        effective = (1 - beta**n) / (1 - beta)
        raw.append({None: 1.0, "inverse": 1 / n, "effective": 1 / effective}[how])
    photos = [raw[c] for c, n in enumerate(counts) for _ in range(n)]
    mean = sum(photos) / len(photos) if photos else 1.0
    return [weight / mean for weight in raw]


def photo_weight(weights: list[float], counts: np.ndarray, photo: Photo) -> float:
    if isinstance(photo, list):
        return sum(t * w for t, w in zip(photo, weights, strict=True))
    class_weights = [weights[c] for c in photo for _ in range(counts[c])]
    class_weights = class_weights or [weights[c] for c in photo]
    return sum(class_weights) / len(class_weights)


def nothing(photo: Photo, p: Tensor) -> bool:
    return isinstance(photo, set) and len(photo) == p.shape[1]


def by_class(
    p: Tensor,
    photos: list[Photo],
    counts: np.ndarray,
    term: Callable[[Tensor], Tensor],
    weights: str | None = None,
    beta: float = 0.999,
) -> Tensor:
    """Mean over photos of a term of the probability that what is known is so."""
    each = naive_weights(counts, weights, beta)
    total = p.sum() * 0
    for row, photo in zip(p, photos, strict=True):
        if isinstance(photo, list):
            for c, share in enumerate(photo):
                total = total + share * each[c] * term(row[c])
        elif not nothing(photo, p):
            probability = sum((row[c] for c in photo), start=torch.zeros((), dtype=p.dtype))
            total = total + photo_weight(each, counts, photo) * term(probability)
    return total / len(photos)


def cross_entropy(p, photos, counts, **arguments):
    return by_class(p, photos, counts, lambda q: -q.log(), **arguments)


def focal(p, photos, counts, gamma=2.0, **arguments):
    return by_class(p, photos, counts, lambda q: -((1 - q) ** gamma) * q.log(), **arguments)


def label_smoothing(p, photos, counts, smoothing=0.1, weights=None, beta=0.999):
    each = naive_weights(counts, weights, beta)
    kept = by_class(p, photos, counts, lambda q: -q.log(), weights, beta)
    spread = p.sum() * 0
    for row, photo in zip(p, photos, strict=True):
        if not nothing(photo, p):
            for q in row:
                spread = spread - photo_weight(each, counts, photo) * q.log() / len(row)
    return (1 - smoothing) * kept + smoothing * spread / len(photos)


def truth(row: Tensor, photo: Photo) -> list[float]:
    """The target of each class; where several agree, the network's own belief among them."""
    if isinstance(photo, list):
        return photo
    belief = row.detach().tolist()
    total = sum(belief[c] for c in photo)
    return [belief[c] / total if c in photo else 0.0 for c in range(len(row))]


def f1(p, photos, counts):
    scores = []
    for c in range(p.shape[1]):
        hits, false, missed, occurs = (torch.zeros((), dtype=p.dtype) for _ in range(4))
        for row, photo in zip(p, photos, strict=True):
            if nothing(photo, p):
                continue
            true = truth(row, photo)[c]
            hits, occurs = hits + true * row[c], occurs + true
            false, missed = false + (1 - true) * row[c], missed + true * (1 - row[c])
        if occurs > 0:
            precision, recall = hits / (hits + false), hits / (hits + missed)
            scores.append(2 * precision * recall / (precision + recall))
    return 1 - sum(scores) / len(scores) if scores else p.sum() * 0


def ldam(p, photos, counts, max_margin=0.5, scale=1.0, defer=0.8, beta=0.9999, done=0.0):
    margins = [1 / math.sqrt(math.sqrt(max(n, 1))) for n in counts.tolist()]
    margins = [margin * max_margin / max(margins) for margin in margins]
    each = naive_weights(counts, "effective" if done >= defer else None, beta)
    total = p.sum() * 0
    for row, photo in zip(p, photos, strict=True):
        target = truth(row, photo)
        odds = [
            ((q.log() - m * t) * scale).exp() for q, m, t in zip(row, margins, target, strict=True)
        ]
        among = sum(odds, start=torch.zeros((), dtype=p.dtype))
        if isinstance(photo, list):
            for c, share in enumerate(photo):
                total = total - share * each[c] * (odds[c] / among).log()
        elif not nothing(photo, p):
            right = sum((odds[c] for c in photo), start=torch.zeros((), dtype=p.dtype))
            total = total - photo_weight(each, counts, photo) * (right / among).log()
    return total / len(photos)


def logit_adjusted(p, photos, counts, tau=1.0):
    shares = [max(n, 1) / sum(max(m, 1) for m in counts.tolist()) for n in counts.tolist()]
    rows = []
    for row in p:
        adjusted = [q * share**tau for q, share in zip(row, shares, strict=True)]
        among = sum(adjusted, start=torch.zeros((), dtype=p.dtype))
        rows.append(torch.stack([q / among for q in adjusted]))
    return cross_entropy(torch.stack(rows), photos, counts)


NAIVE: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "label_smoothing": label_smoothing,
    "focal": focal,
    "f1": f1,
    "ldam": ldam,
    "logit_adjusted": logit_adjusted,
}
