"""Averages of weights, beyond what training shows (tests/training/test_trainer.py)."""

import pytest
import torch
from torch import nn

from maskgate.errors import MaskgateError
from maskgate.model.averages import WiseFT


def moved(network: nn.Module, by: float) -> None:
    with torch.no_grad():
        for each in network.parameters():
            each.add_(by)


def test_wise_ft_goes_on_from_its_state() -> None:
    network = nn.Linear(2, 1)
    before = network.weight.detach().clone()
    average = WiseFT(network, alpha=0.25, decay=0.0)
    assert average.averaged is None
    moved(network, 4.0)
    average.after_update()
    average.after_epoch(share_done=0.5)
    again = WiseFT(nn.Linear(2, 1), alpha=0.25, decay=0.0)
    again.load_state_dict(average.state_dict())
    assert again.averaged is not None
    torch.testing.assert_close(again.averaged.weight, before + 1)
    moved(network, 4.0)
    again.network = network
    again.after_update()
    again.after_epoch(share_done=1.0)
    torch.testing.assert_close(again.averaged.weight, before + 2)


@pytest.mark.parametrize("alpha", [0.0, 1.1])
def test_no_share_of_the_weights_is_refused(alpha: float) -> None:
    with pytest.raises(MaskgateError, match="alpha must be in"):
        WiseFT(nn.Linear(1, 1), alpha=alpha)
