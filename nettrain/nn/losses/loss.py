"""What a loss is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np

from nettrain.component import Component
from nettrain.errors import Error
from nettrain.graph import Node
from nettrain.graph import operations as ops


class Loss(Component):
    """Base of all losses."""

    kind = "loss"
    task: ClassVar[Literal["classification", "regression"]]
    """Which kind of targets it is for."""
    applies: ClassVar[str] = ""
    """The activation it applies to the outputs itself; a model must not end in it."""
    comparable: ClassVar[bool] = True
    """Whether predictions are what targets are, so that metrics say something."""
    bounded: ClassVar[bool] = True
    """Whether 0 is the least it can be; see `nettrain.diagnose.evidence.comparable`."""
    ignore: int | None = None
    """An integer label that does not count; None where all do."""

    def formula(self, outputs: Node, targets: Node) -> Node:
        """The scalar mean over the batch."""
        raise NotImplementedError

    def cost(self, outputs: Node, targets: Node) -> Node:
        """The formula as a node named `cost`."""
        return self.formula(outputs, targets).named("cost", role="cost")

    def predictions(self, outputs: Node) -> Node:
        """What the outputs say: probabilities, or the values themselves."""
        return outputs

    def outputs_for(self, classes: int, targets: int) -> int:
        """How many outputs a model needs.

        Args:
            classes: how many the targets have; 0 for a regression.
            targets: how many columns are to be predicted.
        """
        raise NotImplementedError

    def fitted(self, targets: np.ndarray, classes: int) -> Loss:
        """This loss with everything resolved that depends on the training targets."""
        return self

    def chunks(self, rows: int, most: int) -> Iterator[Any]:
        """Indices of rows, about `most` at a time, that may be looked at apart.

        The loss of all rows is the mean of the chunks', by their `weight`.
        """
        for start in range(0, max(rows, 1), most):
            yield slice(start, start + most)

    def weight(self, targets: np.ndarray) -> float:
        """What the mean over these targets is divided by, up to a constant factor."""
        return float(targets.size)

    def prior(self, targets: np.ndarray) -> float:
        """H0: this loss of the best constant outputs, which know only the targets."""
        raise NotImplementedError


def paired(loss: Loss, outputs: Node, targets: Node, each: int = 1) -> Node:
    """The targets in the outputs' dtype, after making sure that the shapes fit.

    Args:
        each: outputs of one target: the last axis is so many times as long.
    """
    shape = targets.shape
    wanted = (*shape[:-1], shape[-1] * each) if each > 1 and shape else shape
    if outputs.shape != wanted:
        need = "must be equal" if each == 1 else f"must fit, {each} outputs a target"
        raise Error(
            "graph-loss-shape",
            f"{loss.registered_name} compares outputs {outputs.shape} with targets "
            f"{targets.shape}: the shapes {need}",
            fix="reshape the targets, or give the last layer other units",
        )
    return ops.cast(targets, outputs.dtype)


def x_log_x(t: Node) -> Node:
    """t ln t, 0 at t = 0."""
    return t * ops.log(ops.where(ops.greater(t, 0.0), t, 1.0))
