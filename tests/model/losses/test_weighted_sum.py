"""Sums of losses, and what is refused as a part of one."""

import math

import pytest
import torch

from maskgate.errors import MaskgateError
from tests.model.losses.naive_losses import F, create_head, create_loss, drawn


def test_a_sum_is_weighted_and_may_hold_sums() -> None:
    network = create_head({"name": "factored", "regress_age": True})
    target, known = drawn("partial")
    output = network(torch.randn(len(known), F))
    parts = [
        {"name": "sum", "weight": 0.5, "parts": ["f1", {"name": "triplet", "weight": 3}]},
        {"name": "age_regression", "weight": 0.001},
        "cross_entropy",
    ]
    f1, near, age, classes = (
        create_loss(name, network)(output, target)
        for name in ("f1", "triplet", "age_regression", "cross_entropy")
    )
    loss = create_loss("sum", network, parts=parts)
    expected = 0.5 * (f1 + 3 * near) + 0.001 * age + classes
    torch.testing.assert_close(loss(output, target), expected)
    assert loss.needs == {"age"}
    assert parts[1] == {"name": "age_regression", "weight": 0.001}  # a recipe stays as it is


@pytest.mark.parametrize("weight", [-1, -0.001, math.nan, math.inf, "0.5", None, [1]], ids=str)
def test_a_weight_that_is_none_is_refused(weight) -> None:
    with pytest.raises(MaskgateError, match=r"loss\.parts\.1\.weight is a number") as error:
        create_loss("sum", create_head(), parts=["f1", {"name": "focal", "weight": weight}])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "parts",
    [[], None, "f1", {"name": "f1"}, [3], [None], [["f1"]], [{"weight": 1}], [{"name": 3}]],
    ids=str,
)
def test_parts_that_are_none_are_refused(parts) -> None:
    with pytest.raises(MaskgateError, match="loss") as error:
        create_loss("sum", create_head(), parts=parts)
    assert "\n" not in str(error.value)
