"""Targets of photo tables: classes, ages and age groups."""

import numpy as np
import torch

from maskgate.data import table as photo_table
from maskgate.pipeline import target


def test_ages_are_exact_or_groups_or_unknown() -> None:
    nan = np.nan
    table = photo_table.build(
        [*"abcd"], [*"abcd"], [0] * 4, gender=[0] * 4, age=[34, nan, nan, 61], age_band=[1, 0, 2, 2]
    )
    exact = target.of_table(table)
    expected = torch.tensor([[34, 34], [nan, nan], [nan, nan], [61, 61]])
    torch.testing.assert_close(exact.ages, expected, equal_nan=True)
    torch.testing.assert_close(exact.age, expected[:, 0], equal_nan=True)

    table = table.assign(age_from=[nan, 20, nan, 60], age_to=[nan, 29, nan, 120])
    groups = target.of_table(table)
    expected[1] = torch.tensor([20, 29])
    torch.testing.assert_close(groups.ages, expected, equal_nan=True)
    torch.testing.assert_close(groups.age, exact.age, equal_nan=True)
    assert groups.take(1).ages.tolist() == [20, 29]
