"""The formulas of losses of a network's output, photo by photo, and batches to try them on."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from maskgate import labels
from maskgate.config.settings import Component
from maskgate.model import heads, losses
from maskgate.model.heads import Head, Output
from maskgate.model.losses.class_losses import CLASS_LOSSES
from maskgate.model.losses.loss import Loss
from maskgate.pipeline.target import Target

F = 6

SIZES = {"mask": 3, "gender": 2, "age_band": 3}

COUNTS = {
    "classes": np.array([300, 200, 30, 250, 260, 0, 60, 40, 5, 50, 70, 1, 55, 45, 0, 61, 48, 9]),
    "mask": np.array([1000, 200, 210]),
    "gender": np.array([700, 0]),
    "age_band": np.array([600, 700, 50]),
}

# Mask, gender, age in years; None where unknown. An age may be unknown of a known band (0, 1, 2) or
# group (first and last year).
Age = float | str | tuple[int, int] | None
Photo = tuple[int | None, int | None, Age]

BATCHES: dict[str, list[Photo]] = {
    "full": [(0, 0, 20.0), (0, 0, 29.9), (2, 1, 60.0), (1, 0, 30.0), (2, 1, 75.0), (0, 1, 59.0)],
    "partial": [(0, None, None), (None, 1, 61.0), (1, 0, 31.0), (1, 0, "1"), (2, 1, None)],
    "all partial": [(None, 1, None), (2, None, None), (None, None, 59.9)],
    "partly of nothing": [(0, 0, 25.0), (None, None, None), (0, 0, 29.0), (1, 1, 55.0)],
    "of nothing": [(None, None, None), (None, None, None)],
    "groups": [(0, 0, (20, 29)), (None, None, (30, 39)), (1, 1, (60, 120)), (None, 1, 59.5)],
    "one photo": [(1, 1, 44.0)],
    "one photo of nothing": [(None, None, None)],
    "one class": [(0, 0, 25.0), (0, 0, 26.0), (0, 0, 27.0)],
    "all different": [(0, 0, 25.0), (1, 0, 26.0), (2, 0, 27.0)],
}

BATCHES_AND_SOFT = [*BATCHES, "soft"]


def band_of(age: Age) -> int | None:
    if age is None or isinstance(age, str):
        return None if age is None else int(age)
    if isinstance(age, tuple):
        return band_of(float(age[0]))
    return 0 if age < 30 else 1 if age < 60 else 2


def codes(photo: Photo) -> tuple[int | None, ...]:
    return photo[0], photo[1], band_of(photo[2])


def soft_labels(photos: int) -> Tensor:
    """A teacher's probabilities, some of them 0."""
    rows = np.random.default_rng(6).dirichlet(np.full(18, 0.3), photos).astype(np.float32)
    rows[:, 4] = 0
    return torch.from_numpy(rows)


def drawn(batch: str) -> tuple[Target, list[dict[str, Any]]]:
    """A target, and of each photo per attribute: a code, None, or the values' probabilities."""
    if batch == "soft":
        soft = np.random.default_rng(5).dirichlet(np.full(18, 0.2), 5).astype(np.float32)
        truths = []
        for row in soft:
            parts = {name: [0.0] * size for name, size in SIZES.items()}
            for c, p in enumerate(row.tolist()):
                for name, code in zip(SIZES, (c // 6, c // 3 % 2, c % 3), strict=True):
                    parts[name][code] += p
            truths.append(parts | {"class": int(row.argmax())})
        return Target(torch.from_numpy(soft), torch.full((5, 2), torch.nan), soft_labels(5)), truths
    rows: list[Any] = [codes(photo) for photo in BATCHES[batch]]
    numbers = np.array([[-1 if c is None else c for c in row] for row in rows], dtype=np.int8)
    ages = [
        p[2] if isinstance(p[2], tuple) else [p[2] if isinstance(p[2], float) else math.nan] * 2
        for p in BATCHES[batch]
    ]
    target = Target(
        torch.from_numpy(labels.agrees(*numbers.T)),
        torch.tensor(ages),
        soft_labels(len(rows)),
    )
    known = []
    for row in rows:
        class_code = None if None in row else row[0] * 6 + row[1] * 3 + row[2]
        known.append(dict(zip(SIZES, row, strict=True)) | {"class": class_code})
    return target, known


def zero(output: Output) -> Tensor:
    return output.log_probabilities.double().sum() * 0


def marginals(log_p: Tensor) -> dict[str, list[Tensor]]:
    """One photo's probabilities (18,) of each value of each attribute."""
    probabilities = {name: [torch.zeros((), dtype=torch.float64)] * k for name, k in SIZES.items()}
    for c in range(18):
        for name, code in zip(SIZES, (c // 6, c // 3 % 2, c % 3), strict=True):
            probabilities[name][code] = probabilities[name][code] + log_p[c].double().exp()
    return probabilities


def per_attribute(output, target, known, of=tuple(SIZES), gamma=0.0):
    """The sum of cross-entropies of marginals; focal ones with a `gamma`."""
    total = zero(output)
    for log_p, photo in zip(output.log_probabilities, known, strict=True):
        for name, p in marginals(log_p).items():
            shares = photo[name]
            if name not in of or shares is None:
                continue
            if isinstance(shares, int):
                shares = [float(k == shares) for k in range(len(p))]
            for q, share in zip(p, shares, strict=True):
                total = total - share * (1 - q) ** gamma * q.log()
    return total / len(known)


def f1_and_focal(output, target, known):
    """0.4 F1 + 0.6 focal of the 18 classes, both as tested beside class losses, as made here."""
    parts = {}
    for name in ("f1", "focal"):
        loss = CLASS_LOSSES[name](COUNTS["classes"])
        parts[name] = loss(output.log_probabilities, target.classes).double()
    return 0.4 * parts["f1"] + 0.6 * parts["focal"]


def binary_cross_entropy(output, target, known):
    total = zero(output)
    for logits, photo in zip(output.loss_inputs["logits"].double(), known, strict=True):
        number = 0
        for name, size in SIZES.items():
            for value in range(size):
                yes = 1 / (1 + (-logits[number]).exp())
                number += 1
                truth = photo[name]
                if truth is None:
                    continue
                share = float(truth == value) if isinstance(truth, int) else truth[value]
                total = total - share * yes.log() - (1 - share) * (1 - yes).log()
    return total / len(known)


def arcface(output, target, known, margin=0.3, of=tuple(SIZES)):
    total, scale = zero(output), output.loss_inputs["scale"].item()
    for cosines, photo in zip(output.loss_inputs["cosines"].double(), known, strict=True):
        first = 0
        for name, size in SIZES.items():
            part, first = cosines[first : first + size], first + size
            truth = photo[name]
            if name not in of or truth is None:
                continue
            shares = truth if isinstance(truth, list) else [float(k == truth) for k in range(size)]
            powers = []
            for cosine, share in zip(part, shares, strict=True):
                angle = cosine.acos() + margin * share
                beyond = cosine - 1 + math.cos(margin * share)
                powers.append((scale * (angle.cos() if angle < math.pi else beyond)).exp())
            for power, share in zip(powers, shares, strict=True):
                total = total - share * (power / sum(powers)).log()
    return total / len(known)


def age_regression(output, target, known):
    errors = [
        (guess - age) ** 2
        for guess, age in zip(output.loss_inputs["age"].double(), target.age.tolist(), strict=True)
        if not math.isnan(age)
    ]
    return sum(errors) / len(errors) if errors else zero(output)


def fine_age(output, target, known):
    terms = []
    for log_p, age in zip(
        output.loss_inputs["fine_age"].double(), target.age.tolist(), strict=True
    ):
        if not math.isnan(age):
            age = round(age, 3)  # 59.9 in 32 bits
            terms.append(-log_p[sum(age >= start for start in (25, 30, 40, 50, 55, 60))])
    return sum(terms) / len(terms) if terms else zero(output)


def years_of(output: Output) -> list[list[Tensor]]:
    return [list(row) for row in output.loss_inputs["age_distribution"].double().exp()]


def label_distribution(output, target, known, sigma=2.0):
    total = zero(output)
    ages = zip(years_of(output), target.ages.tolist(), known, strict=True)
    for p, (first, last), photo in ages:
        bands = [sum(p[:30]), sum(p[30:60]), sum(p[60:])]
        if first == last:
            powers = [math.exp(-((year - first) ** 2) / (2 * sigma**2)) for year in range(101)]
            for power, each in zip(powers, p, strict=True):
                share = power / sum(powers)
                if share > 1e-300:
                    total = total + share * (math.log(share) - each.log())
        elif not math.isnan(first):
            total = total - sum(p[int(first) : int(last) + 1]).log()
        elif isinstance(photo["age_band"], list):
            for share, band in zip(photo["age_band"], bands, strict=True):
                total = total - share * band.log()
        elif photo["age_band"] is not None:
            total = total - bands[photo["age_band"]].log()
    return total / len(known)


def distillation(output, target, known, temperature=2.0):
    total = zero(output)
    rows = zip(output.log_probabilities.double(), target.soft_labels.tolist(), strict=True)
    for log_p, taught in rows:
        soft_p = [(each / temperature).exp() for each in log_p]
        soft_q = [max(each, 1e-8) ** (1 / temperature) for each in taught]
        for p, q in zip(soft_p, soft_q, strict=True):
            share = q / sum(soft_q)
            total = total + temperature**2 * share * (math.log(share) - (p / sum(soft_p)).log())
    return total / len(known)


def mean_variance(output, target, known, mean=0.2, variance=0.05):
    total = zero(output)
    for p, age in zip(years_of(output), target.age.tolist(), strict=True):
        if not math.isnan(age):
            center = sum(year * each for year, each in enumerate(p))
            spread = sum(each * (year - center) ** 2 for year, each in enumerate(p))
            total = total + mean * (center - age) ** 2 / 2 + variance * spread
    return total / len(known)


def clear(output: Output, known, of: str) -> list[tuple[Tensor, int]]:
    """Features of length 1 and class of the photos whose class is known."""
    pairs = []
    for feature, photo in zip(output.loss_inputs["features"].double(), known, strict=True):
        truth = photo["class" if of == "classes" else of]
        if isinstance(truth, list):
            truth = max(range(len(truth)), key=truth.__getitem__)
        if truth is not None:
            pairs.append((feature / feature.square().sum().sqrt(), truth))
    return pairs


def supervised_contrastive(output, target, known, of="classes", temperature=0.1):
    """Khosla et al. 2020, equation 2 (L_out), over anchors that have a positive."""
    photos, terms = clear(output, known, of), []
    for i, (anchor, label) in enumerate(photos):
        others = [j for j in range(len(photos)) if j != i]
        among = sum(((anchor @ photos[a][0]) / temperature).exp() for a in others)
        positives = [j for j in others if photos[j][1] == label]
        if positives:
            each = [((anchor @ photos[p][0]) / temperature).exp() / among for p in positives]
            terms.append(-sum(term.log() for term in each) / len(positives))
    return sum(terms) / len(terms) if terms else zero(output)


def triplet(output, target, known, of="classes", margin=0.2):
    """Hermans et al. 2017, equation 5 (batch hard), over anchors that have both."""
    photos, terms = clear(output, known, of), []
    for i, (anchor, label) in enumerate(photos):
        near = [
            (j, (anchor - other).square().sum().sqrt())
            for j, (other, _) in enumerate(photos)
            if j != i
        ]
        same = [d for j, d in near if photos[j][1] == label]
        different = [d for j, d in near if photos[j][1] != label]
        if same and different:
            hinge = max(same) - min(different) + margin
            terms.append(hinge if hinge > 0 else hinge * 0)
    return sum(terms) / len(terms) if terms else zero(output)


def create_loss(name: str, head: Head, **arguments: object) -> Loss:
    return losses.create(Component(name=name, **arguments), COUNTS, head)


def create_head(head: dict[str, Any] | None = None) -> Head:
    torch.manual_seed(6)
    return heads.create(Component(**(head or {"name": "joint"})), F)
