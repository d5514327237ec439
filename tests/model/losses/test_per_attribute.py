"""One class loss an attribute."""

import torch

from maskgate.model.losses.class_losses import CLASS_LOSSES
from tests.model.losses.naive_losses import (
    BATCHES_AND_SOFT,
    COUNTS,
    SIZES,
    F,
    create_head,
    create_loss,
    drawn,
    marginals,
)

FOCAL = {"name": "focal", "gamma": 1.5}


def test_per_attribute_takes_a_loss_for_each() -> None:
    network, (target, known) = create_head(), drawn("partial")
    output = network(torch.randn(len(known), F))
    arguments = {"mask": "f1", "gender": FOCAL, "age_band": {"name": "ldam", "max_margin": 1.0}}
    parts = {
        "mask": CLASS_LOSSES["f1"](COUNTS["mask"]),
        "gender": CLASS_LOSSES["focal"](COUNTS["gender"], gamma=1.5),
        "age_band": CLASS_LOSSES["ldam"](COUNTS["age_band"], max_margin=1.0),
    }
    expected = 0.0
    for name, part in parts.items():
        p = torch.stack([torch.stack(marginals(row)[name]) for row in output.log_probabilities])
        class_targets = [[photo[name] in (None, k) for k in range(SIZES[name])] for photo in known]
        expected = expected + part(p.float().log(), torch.tensor(class_targets))
    torch.testing.assert_close(
        create_loss("per_attribute", network, **arguments)(output, target), expected
    )


def test_factored_cross_entropy_is_that_of_the_known_attributes() -> None:
    network = create_head({"name": "factored"})
    for batch in BATCHES_AND_SOFT:
        target, known = drawn(batch)
        output = network(torch.randn(len(known), F))
        both = [
            create_loss(name, network)(output, target)
            for name in ("cross_entropy", "per_attribute")
        ]
        torch.testing.assert_close(*both)
