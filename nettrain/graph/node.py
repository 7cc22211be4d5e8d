"""Nodes and operations: what the one graph is made of.

A node says *what* is computed: an operation applied to other nodes. It holds no value and
no gradient; executors give values to nodes, and gradients are nodes themselves. Nodes are
immutable and point only to their inputs, so a graph cannot have a cycle.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nettrain.errors import Error
from nettrain.graph.spec import DTYPES, FLOATS, Shape, Spec

Array = Any
"""An array of whatever namespace an executor computes with."""
Scalar = bool | int | float


@dataclass(frozen=True, eq=False)
class Operation:
    """One primitive. Its fields are its attributes (an axis, a shape); see `operations`.

    A subclass states, on one screen, the formula, the shapes (`spec`), the value
    (`forward`, in array-API names of the namespace `xp`) and the local derivative (`vjp`,
    in operations on nodes, so that it can be differentiated again).
    """

    name: ClassVar[str] = "operation"
    symbol: ClassVar[str] = ""
    """How an expression writes it between its operands, such as `+`."""
    samples: ClassVar[tuple[Sample, ...]] = ()
    """Arguments from which this operation's tests are generated."""
    smooth: ClassVar[bool] = True
    """Whether the second derivative is tested too."""

    def spec(self, *inputs: Spec) -> Spec:
        """Shape and dtype of the result; an `Error` of family `graph` if inputs misfit."""
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
        return tuple(
            getattr(self, f) for f in getattr(self, "__dataclass_fields__", {})
        )


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


@dataclass(frozen=True)
class _Scope:
    path: str = ""
    origin: str = ""


_SCOPE: contextvars.ContextVar[_Scope] = contextvars.ContextVar(
    "scope", default=_Scope()
)


@contextlib.contextmanager
def scope(path: str, origin: str = "") -> Iterator[None]:
    """Nodes made inside belong to `path` (such as `model/dense1`) and come from `origin`.

    Args:
        path: absolute; an inner scope replaces an outer one.
        origin: the config line, where there is one; otherwise each node remembers the
            line of source that made it.
    """
    token = _SCOPE.set(_Scope(path, origin))
    try:
        yield
    finally:
        _SCOPE.reset(token)


class Node:
    """An operation applied to nodes.

    Attributes:
        op: the operation, with its attributes.
        inputs: the nodes it is applied to.
        spec: shape and dtype of the value.
        name: short name, unique within its scope if a person gave it, else empty.
        scope: path of the layer it belongs to, such as `model/dense1`.
        role: what it is to a network: `pre_activation`, `activation`, `cost`, …, or empty.
        unit_axis: which axis counts a layer's units, where it has any.
        origin: `file:line` of the source or of the config that made it.
        adjoint_of: the node this one is the gradient of, or None.
    """

    __slots__ = (
        "__weakref__",
        "adjoint_of",
        "inputs",
        "name",
        "op",
        "origin",
        "role",
        "scope",
        "spec",
        "unit_axis",
    )
    __array_ufunc__ = None
    """`array + node` asks the node first."""

    op: Operation
    inputs: tuple[Node, ...]
    spec: Spec
    name: str
    scope: str
    role: str
    unit_axis: int | None
    origin: str
    adjoint_of: Node | None

    def __init__(
        self,
        op: Operation,
        inputs: tuple[Node, ...] = (),
        spec: Spec | None = None,
        name: str = "",
        scope: str | None = None,
        role: str = "",
        unit_axis: int | None = None,
        origin: str = "",
        adjoint_of: Node | None = None,
    ) -> None:
        context = _SCOPE.get()
        put = functools.partial(object.__setattr__, self)
        put("op", op)
        put("inputs", inputs)
        put("spec", op.spec(*[x.spec for x in inputs]) if spec is None else spec)
        put("name", name)
        put("scope", context.path if scope is None else scope)
        put("role", role)
        put("unit_axis", unit_axis)
        put("origin", origin or context.origin)
        put("adjoint_of", adjoint_of)

    def __setattr__(self, name: str, value: object) -> None:
        raise Error("graph-immutable", f"a node cannot be changed ({name})")

    __delattr__ = __setattr__  # type: ignore[assignment]

    @property
    def shape(self) -> Shape:
        return self.spec.shape

    @property
    def dtype(self) -> str:
        return self.spec.dtype

    @property
    def path(self) -> str:
        """`scope/name`, or empty where nobody named the node."""
        if not self.name:
            return ""
        return f"{self.scope}/{self.name}" if self.scope else self.name

    @property
    def kind(self) -> str:
        """What a picture writes in its box: the operation's name or the kind of leaf."""
        return self.op.kind if isinstance(self.op, Leaf) else self.op.name

    def replace(self, **changes: Any) -> Node:
        """A copy with other fields; the value is the same unless op or inputs change."""
        fields = {f: getattr(self, f) for f in self.__slots__ if f != "__weakref__"}
        if "op" in changes or "inputs" in changes:
            fields["spec"] = None
        return Node(**{**fields, **changes})

    def named(self, name: str, *, role: str = "", unit_axis: int | None = None) -> Node:
        """The same value under a name, within the current scope."""
        return self.replace(
            name=name,
            scope=_SCOPE.get().path,
            role=role or self.role,
            unit_axis=self.unit_axis if unit_axis is None else unit_axis,
        )

    def __repr__(self) -> str:
        label = self.path or self.kind
        return f"<{label}: {self.spec}>"

    def __str__(self) -> str:
        from nettrain.graph.expression import write

        return write(self)

    def __bool__(self) -> bool:
        raise Error(
            "graph-branch",
            f"{self!r} has no value yet, so Python cannot branch on it{made_at(self)}",
            fix="choose between values with where(condition, a, b)",
        )

    def __iter__(self) -> Iterator[Node]:
        if not self.shape:
            raise Error("graph-shape", f"{self!r} is a scalar and cannot be iterated")
        return (self[i] for i in range(self.shape[0]))

    def __len__(self) -> int:
        if not self.shape:
            raise Error("graph-shape", f"{self!r} is a scalar and has no length")
        return self.shape[0]

    def __setitem__(self, index: object, value: object) -> None:
        raise Error(
            "graph-assignment",
            f"{self!r} cannot be assigned to: nodes are immutable",
            fix="choose elements with where(condition, value, node)",
        )

    def __getitem__(self, index: Any) -> Node:
        return _operations().getitem(self, index)

    def __neg__(self) -> Node:
        return _operations().negative(self)

    def __abs__(self) -> Node:
        return _operations().absolute(self)

    def __add__(self, other: Node | Scalar | np.ndarray) -> Node:
        return _operations().add(self, other)

    def __radd__(self, other: Node | Scalar | np.ndarray) -> Node:
        return _operations().add(other, self)

    def __sub__(self, other: Node | Scalar | np.ndarray) -> Node:
        return _operations().subtract(self, other)

    def __rsub__(self, other: Node | Scalar | np.ndarray) -> Node:
        return _operations().subtract(other, self)

    def __mul__(self, other: Node | Scalar | np.ndarray) -> Node:
        return _operations().multiply(self, other)

    def __rmul__(self, other: Node | Scalar | np.ndarray) -> Node:
        return _operations().multiply(other, self)

    def __truediv__(self, other: Node | Scalar | np.ndarray) -> Node:
        return _operations().divide(self, other)

    def __rtruediv__(self, other: Node | Scalar | np.ndarray) -> Node:
        return _operations().divide(other, self)

    def __pow__(self, other: Node | Scalar | np.ndarray) -> Node:
        return _operations().power(self, other)

    def __rpow__(self, other: Node | Scalar | np.ndarray) -> Node:
        return _operations().power(other, self)

    def __matmul__(self, other: Node | np.ndarray) -> Node:
        return _operations().matmul(self, other)

    def __rmatmul__(self, other: Node | np.ndarray) -> Node:
        return _operations().matmul(other, self)

    def __lt__(self, other: Node | Scalar | np.ndarray) -> Node:
        return _operations().less(self, other)

    def __le__(self, other: Node | Scalar | np.ndarray) -> Node:
        return _operations().less_equal(self, other)

    def __gt__(self, other: Node | Scalar | np.ndarray) -> Node:
        return _operations().greater(self, other)

    def __ge__(self, other: Node | Scalar | np.ndarray) -> Node:
        return _operations().greater_equal(self, other)


def _operations() -> Any:
    """The operations, looked up late: they are made of nodes themselves."""
    return sys.modules["nettrain.graph.operations"]


def made_at(node: Node) -> str:
    """` (made at file:line)`, for messages, where it is known."""
    return f" (made at {node.origin})" if node.origin else ""


def _caller() -> str:
    """`file:line` of the nearest frame outside this package."""
    frame: Any = sys._getframe(2)
    while frame and frame.f_globals.get("__name__", "").startswith("nettrain."):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else ""


def apply(op: Operation, *inputs: Node) -> Node:
    """The node of an operation on nodes; a misfit names the operation and its inputs."""
    origin = _SCOPE.get().origin or _caller()
    try:
        return Node(op, inputs, origin=origin)
    except Error as error:
        listed = ", ".join(repr(x) for x in inputs)
        where = f" in {_SCOPE.get().path}" if _SCOPE.get().path else ""
        raise Error(
            error.code, f"{op.name}({listed}){where}: {error.message}", fix=error.fix
        ) from None


def leaf(kind: str, name: str, shape: Shape, dtype: str, **fields: Any) -> Node:
    """A leaf node of kind `variable`, `input`, `parameter` or `state`."""
    if dtype not in DTYPES:
        raise Error("graph-dtype", f"unknown dtype {dtype}", fix=f"one of {DTYPES}")
    return Node(Leaf(kind, Spec(tuple(shape), dtype)), name=name, **fields)


def variables(names: str, shape: Shape = (), dtype: str = "float64") -> Any:
    """Leaf nodes for the names in `names`, separated by blanks.

    Returns:
        One node for one name, else a tuple of nodes, all of the same shape and dtype.

    >>> x, y = variables("x y")
    >>> str(x + y)
    'x + y'
    """
    made = tuple(leaf("variable", name, shape, dtype) for name in names.split())
    return made[0] if len(made) == 1 else made


def constant(array: Any, dtype: str | None = None) -> Node:
    """A node with a fixed value; the array is copied."""
    value = np.array(array, dtype=dtype)
    value.setflags(write=False)
    return Node(Constant(value))


def parameter(name: str, array: Any) -> Node:
    """A leaf that training changes, starting with `array`, of its shape and dtype."""
    value = np.array(array)
    return Node(
        Leaf("parameter", Spec(value.shape, value.dtype.name), value), name=name
    )


def as_nodes(*values: Any) -> tuple[Node, ...]:
    """Operands as nodes. Python numbers are weak: they take the nodes' dtype.

    >>> x = variables("x", dtype="float32")
    >>> as_nodes(x, 2.0)[1].dtype
    'float32'
    """
    dtypes = [v.dtype for v in values if isinstance(v, Node)]
    dtypes += [v.dtype.name for v in values if isinstance(v, np.ndarray) and v.ndim]
    if not dtypes:
        raise Error("graph-operand", f"expected a node among {values!r}")
    weak = next((d for d in dtypes if d in FLOATS), dtypes[0])
    return tuple(v if isinstance(v, Node) else _weak(v, weak) for v in values)


def _weak(value: Any, dtype: str) -> Node:
    if isinstance(value, np.ndarray) and value.ndim:
        return constant(value)
    if not isinstance(value, (bool, int, float, np.generic, np.ndarray)):
        raise Error(
            "graph-operand", f"expected a node, an array or a number, got {value!r}"
        )
    number = value.item() if isinstance(value, (np.generic, np.ndarray)) else value
    if dtype not in FLOATS and isinstance(number, float):
        raise Error(
            "graph-dtype",
            f"the number {number} does not fit an array of {dtype}",
            fix='convert the array first: cast(x, "float32")',
        )
    return constant(number, dtype)


def topological(outputs: Iterable[Node]) -> list[Node]:
    """Every node that the outputs need, inputs before users; iterative, any depth."""
    order: list[Node] = []
    state: dict[Node, bool] = {}  # False: entered, True: finished
    stack = list(outputs)[::-1]
    while stack:
        node = stack[-1]
        if node in state:
            stack.pop()
            if not state[node]:
                state[node] = True
                order.append(node)
            continue
        state[node] = False
        stack.extend(x for x in reversed(node.inputs) if x not in state)
    return order
