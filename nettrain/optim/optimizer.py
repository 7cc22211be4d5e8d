"""What an optimizer is, and how it is applied to all parameters of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nettrain.component import Component, listed, show
from nettrain.errors import Error
from nettrain.graph import Leaf, Node, Spec, scope
from nettrain.graph import operations as ops
from nettrain.optim.groups import Group, name, settings_of
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

    def __init__(self, parameter: Node, shared: dict[str, Node] | None = None) -> None:
        self._parameter, self._shared = parameter, {} if shared is None else shared
        self.leaves: dict[str, Node] = {}
        self.updates: dict[Node, Node] = {}

    def __getitem__(self, name: str) -> Node:
        if name not in self.leaves:
            owner = self._parameter
            self.leaves[name] = _slot(
                owner.spec, owner.name, "optimizer", name, owner.scope
            )
        return self.leaves[name]

    def __setitem__(self, name: str, value: Node) -> None:
        self.updates[self[name]] = value

    def common(self, name: str) -> Node:
        """A number, float64 (), that all parameters have in common, 0 at first.

        Its path is such as `optimizer/lost`; `self.updates` takes its new value.
        """
        if name not in self._shared:
            self._shared[name] = _slot(Spec((), "float64"), name, "optimizer")
        self.leaves[name] = self._shared[name]
        return self.leaves[name]


def _slot(spec: Spec, name: str, *path: str) -> Node:
    return Node(
        Leaf("state", spec, spec.filled(0)),
        name=name,
        scope="/".join(filter(None, path)),
        role="slot",
    )


class Optimizer(Component):
    """Base of all optimizers: rules, and wrappers of other optimizers."""

    kind = "optimizer"

    def update(
        self, parameter: Node, gradient: Node, slots: Slots, rate: Node, step: Node
    ) -> Node:
        """The parameter after one step.

        Elementwise in nodes of the parameter's shape and in scalars alone where the
        rule allows it, so that an executor can update all parameters as one vector.
        Factors are worked out in the scalars' float64 and converted last: every array
        operation counts.

        Args:
            parameter: before the step.
            gradient: of the cost, of the same shape and dtype.
            slots: what the optimizer remembers of this parameter.
            rate: learning rate of this step, float64 ().
            step: number of this step, from 1, float64 ().
        """
        raise NotImplementedError

    @property
    def rule(self) -> Rule:
        """What changes parameters: this optimizer, or the innermost one it wraps."""
        raise NotImplementedError

    @property
    def place(self) -> tuple[str, ...]:
        """Keys of a config from `optimizer` on that lead to the rule's settings."""
        return (self.registered_name,)

    def of(self, path: str) -> Optimizer:
        """This optimizer with the settings that it has for a parameter."""
        raise NotImplementedError

    def rate_at(self, path: str, rate: Node) -> Node:
        """The learning rate of a parameter in a step of this rate, both float64 ()."""
        factor = settings_of(self.rule.groups, path).get("rate", 1.0)
        return rate if factor == 1 else rate * factor

    @property
    def lag(self) -> str:
        """The slot that holds by how much predictions' weights differ; "" for none."""
        return ""

    @property
    def coupled(self) -> float:
        """λ of a weight decay that is part of the gradient, g + λ w; 0 for none."""
        return self.rule.coupled

    @property
    def decoupled(self) -> float:
        """λ of a weight decay beside the gradient, w (1 - rate · λ); 0 for none."""
        return self.rule.decoupled

    def kept(self, rate: Node) -> Node | None:
        """The share of a weight that a decoupled decay leaves it, float64 ()."""
        return self.rule.kept(rate)

    @property
    def schedule(self) -> Schedule:
        """The learning rate of each step."""
        return schedule(self.rule.learning_rate)


@dataclass(frozen=True)
class Rule(Optimizer):
    """Base of optimizers that turn a gradient into a change.

    Attributes:
        learning_rate: a number, or a schedule.
        maximize: climb instead of descend: the sign of every gradient is turned.
        groups: settings of some parameters: `match`, their names, such as `dense1/*` or
            `*/bias`, where `*` stands for any text; `rate`, what their learning rate is
            multiplied by; `weight_decay`. Of several groups that match a parameter a
            later one goes before an earlier one, setting by setting.
    """

    learning_rate: Rate
    maximize: bool = field(default=False, kw_only=True)
    groups: list[Group] = field(default_factory=list, kw_only=True)

    @property
    def rule(self) -> Rule:
        return self

    def of(self, path: str) -> Rule:
        found = settings_of(self.groups, path)
        found.pop("rate", None)
        changes: dict[str, Any] = {**found, "groups": []}
        return replace(self, **changes) if self.groups else self

    @property
    def decouples(self) -> bool:
        """Whether `weight_decay` passes by the gradient."""
        return False

    @property
    def coupled(self) -> float:
        return 0.0 if self.decouples else float(getattr(self, "weight_decay", 0.0))

    @property
    def decoupled(self) -> float:
        return float(getattr(self, "weight_decay", 0.0)) if self.decouples else 0.0

    def kept(self, rate: Node) -> Node | None:
        return 1.0 - rate * self.decoupled if self.decoupled else None

    def decayed(self, gradient: Node, parameter: Node) -> Node:
        """g + λ w of a coupled decay: the cost has λ/2 ‖w‖² more; else g."""
        return gradient + parameter * self.coupled if self.coupled else gradient

    def changed(self, parameter: Node, change: Node, rate: Node) -> Node:
        """w - change, of a decoupled decay w (1 - rate · λ) - change."""
        kept = self.kept(rate)
        if kept is not None:
            parameter = parameter * ops.cast(kept, parameter.dtype)
        return parameter - change


@dataclass(frozen=True)
class Updates:
    """One optimizer step.

    Attributes:
        updates: the new value of each parameter and slot.
        slots: the leaves that the optimizer added.
        lags: by path of a parameter, the slot that is added to it for predictions.
    """

    updates: dict[Node, Node]
    slots: list[Node]
    lags: dict[str, Node]


def optimize(
    optimizer: Optimizer, gradients: Mapping[Node, Node], rate: Node, step: Node
) -> Updates:
    """One step of the optimizer for every parameter.

    Args:
        optimizer: the rule.
        gradients: of the cost, by parameter.
        rate, step: see `Optimizer.update`.

    Raises:
        Error: `graph-optimizer-groups` where a group matches no parameter.
    """
    for _, error in unmatched(optimizer, [p.path for p in gradients]):
        raise error
    updates: dict[Node, Node] = {}
    leaves: dict[Node, None] = {}
    lags: dict[str, Node] = {}
    shared: dict[str, Node] = {}
    for parameter, gradient in gradients.items():
        path = parameter.path
        slots, own = Slots(parameter, shared), optimizer.of(path)
        with scope(f"optimizer/{path}", parameter.origin):
            g = ops.negative(gradient) if own.rule.maximize else gradient
            new = own.update(parameter, g, slots, optimizer.rate_at(path, rate), step)
        for old, value in {parameter: new, **slots.updates}.items():
            _check(own.rule, old, value)
            updates[old] = value
        leaves.update(dict.fromkeys(slots.leaves.values()))
        if own.lag:
            lags[path] = slots[own.lag]
    return Updates(updates, list(leaves), lags)


def unmatched(
    optimizer: Optimizer, paths: Sequence[str]
) -> Iterator[tuple[tuple[str | int, ...], Error]]:
    """Groups that match no parameter: keys from `optimizer` on, and what to say.

    Args:
        optimizer: whose groups.
        paths: of the trained parameters.
    """
    known = listed(list(map(name, paths)), 12)
    for i, group in enumerate(optimizer.rule.groups):
        if not any(map(group.matches, paths)):
            yield (
                (*optimizer.place, "groups", i, "match"),
                Error(
                    "graph-optimizer-groups",
                    f"match: {show(group.match)} is no trained parameter",
                    fix=f"there are: {known}",
                ),
            )


def _check(rule: Rule, old: Node, new: Node) -> None:
    if new.spec != old.spec:
        raise Error(
            "graph-update",
            f"{rule.registered_name} would make {new.spec} of {old!r}",
            fix="convert with cast(x, parameter.dtype), and keep the shape",
        )
