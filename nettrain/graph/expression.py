"""Expressions as text: `f = (x + y) * z` to nodes and back.

Text is parsed with Python's own grammar but never run: only names, numbers, `+ - * / ** @`,
comparisons and calls of the public operations are understood.
"""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Mapping

from nettrain.errors import Error, Place
from nettrain.graph import operations
from nettrain.graph.node import Constant, Leaf, Node, topological

_LIMIT = 10_000
_BINARY = {
    ast.Add: operations.add,
    ast.Sub: operations.subtract,
    ast.Mult: operations.multiply,
    ast.Div: operations.divide,
    ast.Pow: operations.power,
    ast.MatMult: operations.matmul,
}
_PRECEDENCE = {"<": 0, "<=": 0, ">": 0, ">=": 0, "+": 1, "-": 1, "*": 2, "/": 2, "@": 2}
_PRECEDENCE |= {"-x": 3, "**": 4}
_ATOM = 5


def parse(text: str, leaves: Mapping[str, Node]) -> list[Node]:
    """The nodes of `name = expression; …`; the last one is the result.

    Args:
        text: statements separated by `;`; a later one may use earlier names.
        leaves: the node of every name that no statement defines.

    Raises:
        Error: `usage-expression`, with the column of what is not understood.
    """
    reader = _Reader(text, dict(leaves))
    return [reader.statement(s) for s in _statements(text)]


def free_names(text: str) -> list[str]:
    """The names that an expression uses without defining them, in order of appearance."""
    defined: set[str] = set()
    free: dict[str, None] = {}
    for statement in _statements(text):
        calls = {id(n.func) for n in ast.walk(statement) if isinstance(n, ast.Call)}
        names = [
            n
            for n in ast.walk(statement)
            if isinstance(n, ast.Name)
            and isinstance(n.ctx, ast.Load)
            and id(n) not in calls
        ]
        for name in sorted(names, key=lambda n: (n.lineno, n.col_offset)):
            if name.id not in defined:
                free[name.id] = None
        if isinstance(statement, ast.Assign) and isinstance(
            statement.targets[0], ast.Name
        ):
            defined.add(statement.targets[0].id)
    return list(free)


def _statements(text: str) -> list[ast.stmt]:
    if len(text) > _LIMIT:
        raise Error(
            "usage-expression", f"an expression has at most {_LIMIT} characters"
        )
    try:
        body = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = getattr(error, "offset", None)
        reason = getattr(error, "msg", None) or "it is nested too deeply"
        raise _error(text, f"cannot read the expression: {reason}", column) from None
    if not body:
        raise _error(text, "the expression is empty", None)
    return body


def _error(
    text: str, message: str, column: int | None, fix: str | None = None
) -> Error:
    place = (
        Place("expression", 1, column or 1, text.strip().splitlines()[0])
        if (text.strip())
        else None
    )
    return Error("usage-expression", message, place=place, fix=fix)


class _Reader:
    """Turns syntax into nodes, knowing the names defined so far."""

    def __init__(self, text: str, names: dict[str, Node]) -> None:
        self.text, self.names = text, names

    def statement(self, statement: ast.stmt) -> Node:
        if isinstance(statement, ast.Expr):
            return self.node(statement.value)
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if not isinstance(statement, ast.Assign) or not isinstance(target, ast.Name):
            raise self.error(statement, "expected `name = expression`")
        if len(statement.targets) > 1 or target.id in self.names:
            raise self.error(target, f"{target.id} is defined twice")
        node = self.node(statement.value)
        self.names[target.id] = node.named(target.id)
        return self.names[target.id]

    def node(self, syntax: ast.expr) -> Node:
        value = self.value(syntax)
        if isinstance(value, Node):
            return value
        raise self.error(syntax, "an expression needs at least one variable")

    def value(self, syntax: ast.expr) -> Node | float:
        """The node of a piece of syntax, or its number."""
        if isinstance(syntax, ast.Constant) and type(syntax.value) in (int, float):
            return float(syntax.value)  # type: ignore[arg-type]
        if isinstance(syntax, ast.Name) and syntax.id in self.names:
            return self.names[syntax.id]
        if isinstance(syntax, ast.UnaryOp) and isinstance(syntax.op, ast.USub):
            inner = self.value(syntax.operand)
            return -inner
        if isinstance(syntax, ast.BinOp) and type(syntax.op) in _BINARY:
            return self.binary(syntax)
        if isinstance(syntax, ast.Call) and isinstance(syntax.func, ast.Name):
            return self.call(syntax, syntax.func.id)
        raise self.error(syntax, f"cannot use {ast.unparse(syntax)!r} in an expression")

    def binary(self, syntax: ast.BinOp) -> Node | float:
        left, right = self.value(syntax.left), self.value(syntax.right)
        if isinstance(left, Node) or isinstance(right, Node):
            return _BINARY[type(syntax.op)](left, right)  # type: ignore[operator, no-any-return]
        try:
            folded = {
                ast.Add: lambda: left + right,
                ast.Sub: lambda: left - right,
                ast.Mult: lambda: left * right,
                ast.Div: lambda: left / right,
                ast.Pow: lambda: math.pow(left, right),
            }[type(syntax.op)]()
        except (KeyError, ArithmeticError, ValueError):
            raise self.error(syntax, "these numbers cannot be combined") from None
        return float(folded)

    def call(self, syntax: ast.Call, name: str) -> Node:
        public = [n for n in operations.__all__ if n not in ("getitem", "random_bits")]
        if name not in public:
            close = difflib.get_close_matches(name, public, 1)
            fix = (
                f'did you mean "{close[0]}"?'
                if close
                else "known: " + ", ".join(public)
            )
            raise self.error(syntax, f"unknown operation {name}", fix)
        if syntax.keywords and any(k.arg != "axis" for k in syntax.keywords):
            raise self.error(syntax, f"{name} takes nodes and axis=number here")
        arguments = [self.value(a) for a in syntax.args]
        options = {}
        for keyword in syntax.keywords:
            axis = self.value(keyword.value)
            if isinstance(axis, Node) or axis != int(axis):
                raise self.error(keyword.value, "an axis is an integer")
            options["axis"] = int(axis)
        try:
            return getattr(operations, name)(*arguments, **options)  # type: ignore[no-any-return]
        except (TypeError, AttributeError):
            raise self.error(syntax, f"{name} does not take these arguments") from None

    def error(self, syntax: ast.AST, message: str, fix: str | None = None) -> Error:
        return _error(self.text, message, getattr(syntax, "col_offset", 0) + 1, fix)


def write(node: Node) -> str:
    """A node as an expression of its nearest named nodes, with no more brackets than needed.

    >>> from nettrain.graph.node import variables
    >>> x, y, z = variables("x y z")
    >>> write((x + y) * z)
    '(x + y) * z'
    """
    return labels([node], whole=True)[node]


def labels(outputs: list[Node], whole: bool = False) -> dict[Node, str]:
    """A short text for every node: its path, else its expression.

    Args:
        outputs: whose graph is labelled.
        whole: write outputs themselves as expressions even where they have a name.
    """
    texts: dict[Node, tuple[str, int]] = {}
    for node in topological(outputs):
        if node.path and not (whole and node in outputs and node.inputs):
            texts[node] = (node.path, _ATOM)
        else:
            texts[node] = _text(node, [texts[x] for x in node.inputs])
    return {node: text for node, (text, _) in texts.items()}


def _text(node: Node, inputs: list[tuple[str, int]]) -> tuple[str, int]:
    if isinstance(node.op, Constant):
        array = node.op.array
        return (f"{array:g}" if array.ndim == 0 else f"constant{array.shape}"), _ATOM
    if isinstance(node.op, Leaf):
        return node.op.kind, _ATOM
    symbol = node.op.symbol
    if symbol:
        own = _PRECEDENCE[symbol]
        (left, a), (right, b) = inputs
        tight = symbol in ("-", "/", "@", "**")
        left = f"({left})" if a < own or (symbol == "**" and a <= own) else left
        right = f"({right})" if b < own or (tight and b <= own) else right
        return f"{left} {symbol} {right}", own
    if node.op.name == "negative":
        text, inner = inputs[0]
        return (f"-{text}" if inner > _PRECEDENCE["-x"] else f"-({text})"), 3
    attributes = [str(a) for a in node.op.attributes()]
    return f"{node.op.name}({', '.join([t for t, _ in inputs] + attributes)})", _ATOM
