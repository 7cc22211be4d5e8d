"""What an optimizer is, and how it is applied to all parameters of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from nettrain.component import Component
from nettrain.errors import Error
from nettrain.graph import Leaf, Node, scope
from nettrain.graph import operations as ops
from nettrain.optim.schedules import Rate, Schedule, schedule


class Slots:
    """What an optimizer remembers of one parameter, by name.

    Reading `slots["momentum"]` gives the value before the step, all zeros at first, of
    the parameter's shape and dtype; assigning to it says what the value is afterwards.

    Attributes:
        leaves: every slot read so far, by name; the path of one is such as
            `optimizer/momentum/model/dense1/weight`.
        updates: the new value of each leaf that was assigned to.
    """

    def __init__(self, parameter: Node) -> None:
        self._parameter = parameter
        self.leaves: dict[str, Node] = {}
        self.updates: dict[Node, Node] = {}

    def __getitem__(self, name: str) -> Node:
        if name not in self.leaves:
            owner = self._parameter
            self.leaves[name] = Node(
                Leaf("state", owner.spec, owner.spec.filled(0)),
                name=owner.name,
                scope="/".join(filter(None, ("optimizer", name, owner.scope))),
                role="slot",
            )
        return self.leaves[name]

    def __setitem__(self, name: str, value: Node) -> None:
        self.updates[self[name]] = value


@dataclass(frozen=True)
class Optimizer(Component):
    """Base of all optimizers.

    Attributes:
        learning_rate: a number, or a schedule.
        maximize: climb instead of descend: the sign of every gradient is turned.
    """

    kind = "optimizer"
    decouples: ClassVar[bool] = False
    """Whether `weight_decay`, where there is one, passes by the gradient."""
    learning_rate: Rate
    maximize: bool = field(default=False, kw_only=True)

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        """The parameter after one step.

        Elementwise in nodes of the parameter's shape and in scalars alone, so that an
        executor can update all parameters as one vector. Factors are worked out in the
        scalars' float64 and converted last: every array operation counts.

        Args:
            parameter: before the step.
            gradient: of the cost, of the same shape and dtype.
            slots: what the optimizer remembers of this parameter.
            rate: learning rate of this step, float64 ().
            step: number of this step, from 1, float64 ().
        """
        raise NotImplementedError

    @property
    def coupled(self) -> float:
        """λ of a weight decay that is part of the gradient, g + λ w; 0 for none."""
        return 0.0 if self.decouples else float(getattr(self, "weight_decay", 0.0))

    @property
    def decoupled(self) -> float:
        """λ of a weight decay beside the gradient, w (1 - rate · λ); 0 for none."""
        return float(getattr(self, "weight_decay", 0.0)) if self.decouples else 0.0

    def kept(self, rate: Node) -> Node | None:
        """The share of a weight that a decoupled decay leaves it, float64 ()."""
        return 1.0 - rate * self.decoupled if self.decoupled else None

    @property
    def schedule(self) -> Schedule:
        """The learning rate of each step."""
        return schedule(self.learning_rate)


@dataclass(frozen=True)
class Updates:
    """One optimizer step.

    Attributes:
        updates: the new value of each parameter and slot.
        slots: the leaves that the optimizer added.
    """

    updates: dict[Node, Node]
    slots: list[Node]


def optimize(
    optimizer: Optimizer, gradients: Mapping[Node, Node], rate: Node, step: Node
) -> Updates:
    """One step of the optimizer for every parameter.

    Args:
        optimizer: the rule.
        gradients: of the cost, by parameter.
        rate, step: see `Optimizer.update`.
    """
    updates: dict[Node, Node] = {}
    leaves: list[Node] = []
    for parameter, gradient in gradients.items():
        slots = Slots(parameter)
        with scope(f"optimizer/{parameter.path}", parameter.origin):
            g = ops.negative(gradient) if optimizer.maximize else gradient
            new = optimizer.update(parameter, g, slots, rate, step)
        for old, value in {parameter: new, **slots.updates}.items():
            _check(optimizer, old, value)
            updates[old] = value
        leaves.extend(slots.leaves.values())
    return Updates(updates, leaves)


def _check(optimizer: Optimizer, old: Node, new: Node) -> None:
    if new.spec != old.spec:
        raise Error(
            "graph-update",
            f"{optimizer.registered_name} would make {new.spec} of {old!r}",
            fix="convert with cast(x, parameter.dtype), and keep the shape",
        )


def decayed(gradient: Node, parameter: Node, weight_decay: float) -> Node:
    """g + weight_decay · w: the gradient of the cost plus weight_decay / 2 · ‖w‖²."""
    return gradient + parameter * weight_decay if weight_decay else gradient
