"""What an operation is, and the two whose value is given: leaf and constant."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nettrain.graph.spec import Shape, Spec

if TYPE_CHECKING:
    from nettrain.graph.node import Node

Array = Any
"""An array of whatever namespace an executor computes with."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One primitive. Its fields are its attributes: an axis, a shape.

    A subclass states, on one screen, the formula, the shapes (`spec`), the value
    (`forward`, in array-API names of the namespace `xp`) and the local derivative
    (`vjp`, in operations on nodes, so that it can be differentiated again).
    """

    name: ClassVar[str] = "operation"
    symbol: ClassVar[str] = ""
    """How an expression writes it between its operands, such as `+`."""
    samples: ClassVar[tuple[Sample, ...]] = ()
    """Arguments from which this operation's tests are generated."""
    smooth: ClassVar[bool] = True
    """Whether the second derivative is tested too."""

    def spec(self, *inputs: Spec) -> Spec:
        """Shape and dtype of the result; an `Error` of family `graph` on a misfit."""
        raise NotImplementedError

    def forward(self, xp: Any, *inputs: Array) -> Array:
        """The value, from the values of the inputs; never changes them."""
        raise NotImplementedError

    def vjp(self, g: Node, y: Node, *inputs: Node) -> Sequence[Node | None]:
        """For each input x, g · dy/dx; None where nothing can be differentiated.

        Args:
            g: gradient of the cost with respect to the result, of the result's spec.
            y: the node of this operation.
            inputs: its inputs. A result may have the broadcast shape of an input:
                `gradients` sums it back and converts it to the input's dtype.
        """
        return [None] * len(inputs)

    def attributes(self) -> tuple[Any, ...]:
        """The fields, hashable, to tell whether two nodes compute the same."""
        return tuple([getattr(self, field.name) for field in dataclasses.fields(self)])


@dataclass(frozen=True)
class Sample:
    """Inputs on which an operation is tested: shapes, and how to draw their values.

    Attributes:
        shapes: one for each input.
        attributes: fields of the operation.
        low, high: values are drawn from U(low, high); samples stay away from kinks.
        dtypes: of each input where they are not the float dtype under test.
    """

    shapes: tuple[Shape, ...]
    attributes: tuple[Any, ...] = ()
    low: float = 0.3
    high: float = 1.7
    dtypes: tuple[str | None, ...] = ()


@dataclass(frozen=True, eq=False)
class Leaf(Operation):
    """A node without inputs whose value is given from outside.

    Attributes:
        kind: `variable`, `input`, `parameter` or `state` (running averages, optimizer
            slots, counters).
        value: shape and dtype.
        initial: the array a parameter or state starts with, where one was given.
    """

    name = "leaf"
    kind: str
    value: Spec
    initial: np.ndarray | None = None

    def spec(self, *inputs: Spec) -> Spec:
        return self.value


@dataclass(frozen=True, eq=False)
class Constant(Operation):
    """A node whose value never changes."""

    name = "constant"
    array: np.ndarray

    def spec(self, *inputs: Spec) -> Spec:
        return Spec(self.array.shape, self.array.dtype.name)

    def forward(self, xp: Any, *inputs: Array) -> Array:
        return xp.asarray(self.array)

    def attributes(self) -> tuple[Any, ...]:
        return (self.array.shape, self.array.dtype.name, self.array.tobytes())
