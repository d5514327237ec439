"""What all losses of a network's output share."""

from torch import nn


class Loss(nn.Module):
    """(Output of N photos, Target of them) to a scalar.

    It asks the head for the outputs that `needs` names (`heads.Head.provides`).
    `trains_classes` is false where it gives the head's classes no gradient.
    """

    needs: frozenset[str] = frozenset()
    trains_classes: bool = True
