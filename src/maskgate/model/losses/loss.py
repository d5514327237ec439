"""What all losses of a network's output share."""

from torch import nn


class Loss(nn.Module):
    """(Output of N photos, Target of them) to a scalar.

    It asks the head for the outputs that `needs` names (`heads.Head.gives`). `teaches` is false
    where the head's classes learn nothing by it.
    """

    needs: frozenset[str] = frozenset()
    teaches: bool = True
