"""Nodes: an operation applied to nodes is a node, and a graph is nothing more.

A node says *what* is computed. It holds no value and no gradient; executors give values
to nodes, and gradients are nodes themselves. Nodes are immutable and point only to
their inputs, so a graph cannot have a cycle.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from nettrain.errors import Error
from nettrain.graph.operation import Array as Array
from nettrain.graph.operation import Constant as Constant
from nettrain.graph.operation import Leaf as Leaf
from nettrain.graph.operation import Operation as Operation
from nettrain.graph.operation import Sample as Sample
from nettrain.graph.scope import CURRENT
from nettrain.graph.scope import scope as scope
from nettrain.graph.spec import DTYPES, FLOATS, INTEGERS, Shape, Spec

Scalar = bool | int | float
Operand = Any
"""A node, or an array or number that becomes a constant."""

_FIELDS = (
    "op",
    "inputs",
    "spec",
    "name",
    "scope",
    "role",
    "unit_axis",
    "origin",
    "adjoint_of",
)


class Node:
    """An operation applied to nodes.

    Attributes:
        op: the operation, with its attributes.
        inputs: the nodes it is applied to.
        spec: shape and dtype of the value.
        name: short name, unique within its scope if a person gave it, else empty.
        scope: path of the layer it belongs to, such as `model/dense1`.
        role: what it is to a network, such as `pre_activation`, or empty.
        unit_axis: which axis counts a layer's units, where it has any.
        origin: `file:line` of the source or of the config that made it.
        adjoint_of: the node this one is the gradient of, or None.
    """

    __slots__ = (*_FIELDS, "__weakref__")
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
        path, line = CURRENT.get()
        if spec is None:
            spec = op.spec(*[x.spec for x in inputs])
        _put_op(self, op)
        _put_inputs(self, inputs)
        _put_spec(self, spec)
        _put_name(self, name)
        _put_scope(self, path if scope is None else scope)
        _put_role(self, role)
        _put_unit_axis(self, unit_axis)
        _put_origin(self, origin or line)
        _put_adjoint_of(self, adjoint_of)

    def __setattr__(self, name: str, value: object) -> None:
        raise Error("graph-immutable", f"a node cannot be changed ({name})")

    def __delattr__(self, name: str) -> None:
        raise Error("graph-immutable", f"a node cannot be changed ({name})")

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
        """What a picture writes in its box: the operation or the kind of leaf."""
        return self.op.kind if isinstance(self.op, Leaf) else self.op.name

    def replace(self, **changes: Any) -> Node:
        """A copy with other fields; its spec is worked out anew with op or inputs."""
        fields = {field: getattr(self, field) for field in _FIELDS}
        if "op" in changes or "inputs" in changes:
            fields["spec"] = None
        return Node(**{**fields, **changes})

    def named(self, name: str, *, role: str = "", unit_axis: int | None = None) -> Node:
        """The same value under a name, within the current scope."""
        return self.replace(
            name=name,
            scope=CURRENT.get()[0],
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
        return operations.getitem(self, index)

    def __neg__(self) -> Node:
        return operations.negative(self)

    def __abs__(self) -> Node:
        return operations.absolute(self)

    def __add__(self, other: Operand) -> Node:
        return operations.add(self, other)

    def __radd__(self, other: Operand) -> Node:
        return operations.add(other, self)

    def __sub__(self, other: Operand) -> Node:
        return operations.subtract(self, other)

    def __rsub__(self, other: Operand) -> Node:
        return operations.subtract(other, self)

    def __mul__(self, other: Operand) -> Node:
        return operations.multiply(self, other)

    def __rmul__(self, other: Operand) -> Node:
        return operations.multiply(other, self)

    def __truediv__(self, other: Operand) -> Node:
        return operations.divide(self, other)

    def __rtruediv__(self, other: Operand) -> Node:
        return operations.divide(other, self)

    def __pow__(self, other: Operand) -> Node:
        return operations.power(self, other)

    def __rpow__(self, other: Operand) -> Node:
        return operations.power(other, self)

    def __matmul__(self, other: Operand) -> Node:
        return operations.matmul(self, other)

    def __rmatmul__(self, other: Operand) -> Node:
        return operations.matmul(other, self)

    def __lt__(self, other: Operand) -> Node:
        return operations.less(self, other)

    def __le__(self, other: Operand) -> Node:
        return operations.less_equal(self, other)

    def __gt__(self, other: Operand) -> Node:
        return operations.greater(self, other)

    def __ge__(self, other: Operand) -> Node:
        return operations.greater_equal(self, other)


# Slots are written through their descriptors: nodes are immutable for everyone else,
# and this costs half of what `object.__setattr__` does.
(
    _put_op,
    _put_inputs,
    _put_spec,
    _put_name,
    _put_scope,
    _put_role,
    _put_unit_axis,
    _put_origin,
    _put_adjoint_of,
) = (vars(Node)[field].__set__ for field in _FIELDS)


def made_at(node: Node) -> str:
    """` (made at file:line)`, for messages, where it is known."""
    return f" (made at {node.origin})" if node.origin else ""


def _caller() -> str:
    """`file:line` of the nearest frame outside this package."""
    frame = sys._getframe(2)
    while frame.f_globals.get("__name__", "").startswith("nettrain."):
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def apply(op: Operation, *inputs: Node) -> Node:
    """The node of an operation on nodes; a misfit names the operation and inputs."""
    path, origin = CURRENT.get()
    try:
        spec = op.spec(*[x.spec for x in inputs])
    except Error as error:
        listed = ", ".join(map(repr, inputs))
        where = f" in {path}" if path else ""
        message = f"{op.name}({listed}){where}: {error.message}"
        raise Error(error.code, message, fix=error.fix) from None
    return Node(op, inputs, spec, "", path, "", None, origin or _caller())


def leaf(kind: str, name: str, shape: Shape, dtype: str, **fields: Any) -> Node:
    """A leaf node of kind `variable`, `input`, `parameter` or `state`."""
    if dtype not in DTYPES:
        raise Error("graph-dtype", f"unknown dtype {dtype}", fix=f"one of {DTYPES}")
    sizes = tuple(map(operator.index, shape))
    if min(sizes, default=0) < 0:
        raise Error("graph-shape", f"{name}: {sizes} is no shape")
    return Node(Leaf(kind, Spec(sizes, dtype)), name=name, **fields)


def variables(names: str, shape: Shape = (), dtype: str = "float64") -> Any:
    """Leaf nodes for the names in `names`, separated by blanks.

    Returns:
        One node for one name, else a tuple of nodes, all of the same shape and dtype.

    >>> x, y = variables("x y")
    >>> str(x + y)
    'x + y'
    """
    origin = CURRENT.get()[1] or _caller()
    made = tuple(
        [leaf("variable", n, shape, dtype, origin=origin) for n in names.split()]
    )
    return made[0] if len(made) == 1 else made


def constant(array: Any, dtype: str | None = None) -> Node:
    """A node with a fixed value; the array is copied."""
    value = _array(array, dtype)
    value.setflags(write=False)
    return Node(Constant(value), (), Spec(value.shape, _NAMES[value.dtype]))


def parameter(name: str, array: Any) -> Node:
    """A leaf that training changes, starting with `array`, of its shape and dtype."""
    value = _array(array, None)
    spec = Spec(value.shape, _NAMES[value.dtype])
    origin = CURRENT.get()[1] or _caller()
    return Node(Leaf("parameter", spec, value), (), spec, name, origin=origin)


def _array(values: Any, dtype: str | None) -> np.ndarray:
    """A copy as an array of a dtype that nodes have."""
    try:
        made = np.array(values, dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise Error("graph-operand", f"cannot make an array: {error}") from None
    if made.dtype not in _NAMES:
        raise Error(
            "graph-dtype",
            f"arrays of {made.dtype.name} cannot be used",
            fix=f"convert to one of {', '.join(DTYPES)}",
        )
    return made


# Asking NumPy each time would take as long as making the node.
_NAMES = {np.dtype(name): name for name in DTYPES}
_SCALARS = {name: Spec((), name) for name in DTYPES}
_RANGES: dict[str, tuple[float, float]] = {"bool": (0, -1)}
_RANGES |= {d: (int(np.iinfo(d).min), int(np.iinfo(d).max)) for d in INTEGERS}
_RANGES |= {d: (float(np.finfo(d).min), float(np.finfo(d).max)) for d in FLOATS}


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
    return tuple([v if isinstance(v, Node) else _weak(v, weak) for v in values])


def _weak(value: Any, dtype: str) -> Node:
    if isinstance(value, np.ndarray) and value.ndim:
        return constant(value)
    number = value.item() if isinstance(value, (np.generic, np.ndarray)) else value
    if not isinstance(number, (bool, int, float)):
        raise Error(
            "graph-operand", f"expected a node, an array or a number, got {value!r}"
        )
    if not _holds(dtype, number):
        raise Error(
            "graph-dtype",
            f"the number {number} does not fit an array of {dtype}",
            fix='convert the array first: cast(x, "float32")',
        )
    array = np.array(number, dtype)
    array.setflags(write=False)
    return Node(Constant(array), (), _SCALARS[dtype])


def _holds(dtype: str, number: Scalar) -> bool:
    """Whether an array of the dtype can hold a number, up to rounding."""
    if isinstance(number, bool):
        return True
    low, high = _RANGES[dtype]
    if dtype in FLOATS:
        return not abs(number) > high or number in (math.inf, -math.inf)
    return isinstance(number, int) and low <= number <= high


def topological(outputs: Iterable[Node]) -> list[Node]:
    """Every node that the outputs need, inputs before users; iterative, any depth."""
    order: list[Node] = []
    done: set[Node] = set()
    stack = list(outputs)[::-1]
    while stack:
        node = stack[-1]
        if node not in done:
            waiting = [x for x in node.inputs if x not in done]
            if waiting:
                stack += waiting[::-1]
                continue
            done.add(node)
            order.append(node)
        stack.pop()
    return order


# Operations are made of nodes, and nodes' operators are made of operations.
from nettrain.graph import operations  # noqa: E402
