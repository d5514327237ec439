"""What all losses of a network's output share."""

from torch import nn


class Loss(nn.Module):
    """A loss: from the Output and the Target of N photos to a scalar.

    `needs` names the outputs that the head must provide (`heads.Head.provides`). `trains_classes`
    is false if the head's classes get no gradient from it. `needs_teacher` if it uses the soft
    labels of the recipe's `teacher`.
    """

    needs: frozenset[str] = frozenset()
    trains_classes: bool = True
    needs_teacher: bool = False
