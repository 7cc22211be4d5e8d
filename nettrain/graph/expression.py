"""Expressions as text: `f = (x + y) * z` to nodes.

Text is parsed with Python's own grammar but never run: only names, numbers,
`+ - * / ** @`, comparisons and calls of the public operations are understood.
"""

from __future__ import annotations

import ast
import difflib
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from nettrain.errors import Error, Place
from nettrain.graph import operations
from nettrain.graph.node import Node
from nettrain.graph.writing import labels as labels
from nettrain.graph.writing import write as write

_LIMIT = 10_000
_BINARY: dict[type, Callable[[Any, Any], Node]] = {
    ast.Add: operations.add,
    ast.Sub: operations.subtract,
    ast.Mult: operations.multiply,
    ast.Div: operations.divide,
    ast.Pow: operations.power,
    ast.MatMult: operations.matmul,
    ast.Lt: operations.less,
    ast.LtE: operations.less_equal,
    ast.Gt: operations.greater,
    ast.GtE: operations.greater_equal,
}
_NUMBERS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
}
_CALLS = [n for n in operations.__all__ if n not in ("getitem", "random_bits")]


def parse(text: str, leaves: Mapping[str, Node]) -> list[Node]:
    """The nodes of `name = expression; …`; the last one is the result.

    Args:
        text: statements separated by `;`; a later one may use earlier names.
        leaves: the node of every name that no statement defines.

    Raises:
        Error: `usage-expression`, with the column of what is not understood; or why an
            operation cannot be applied, with the column.
    """
    statements = _statements(text)
    reader = _Reader(text, dict(leaves))
    try:
        return [reader.statement(s) for s in statements]
    except RecursionError:
        raise _error(text, "the expression is nested too deeply") from None


def free_names(text: str) -> list[str]:
    """The names an expression uses without defining them, in order of appearance."""
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice on Python programs.
            body = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or "it is nested too deeply"
        message = f"cannot read the expression: {reason}"
        line, column = getattr(error, "lineno", 1), getattr(error, "offset", 1)
        raise _error(text, message, line, column) from None
    if not body:
        raise _error(text, "the expression is empty")
    return body


def _error(
    text: str,
    message: str,
    line: int | None = 1,
    column: int | None = 1,
    fix: str | None = None,
    code: str = "usage-expression",
) -> Error:
    lines = text.strip().splitlines() or [""]
    number = min(line or 1, len(lines))
    place = Place("expression", number, max(column or 1, 1), lines[number - 1])
    return Error(code, message, place=place if text.strip() else None, fix=fix)


class _Reader:
    """Turns syntax into nodes, knowing the names defined so far."""

    def __init__(self, text: str, names: dict[str, Node]) -> None:
        self.text, self.names = text, names

    def statement(self, statement: ast.stmt) -> Node:
        if isinstance(statement, ast.Expr):
            return self.node(statement.value)
        if not isinstance(statement, ast.Assign) or len(statement.targets) > 1:
            raise self.error(statement, "expected `name = expression`")
        (target,) = statement.targets
        if not isinstance(target, ast.Name):
            raise self.error(target, "expected `name = expression`")
        if target.id in self.names:
            raise self.error(target, f"{target.id} is defined twice")
        node = self.node(statement.value)
        # `f = x` is another name for x: a renamed copy would be another variable.
        self.names[target.id] = node if node.name else node.named(target.id)
        return self.names[target.id]

    def node(self, syntax: ast.expr) -> Node:
        value = self.value(syntax)
        if isinstance(value, Node):
            return value
        raise self.error(syntax, "an expression needs at least one variable")

    def value(self, syntax: ast.expr) -> Node | float:
        """The node of a piece of syntax, or its number."""
        if isinstance(syntax, ast.Constant) and type(syntax.value) in (int, float):
            return self.number(syntax, lambda: float(syntax.value))  # type: ignore[arg-type]
        if isinstance(syntax, ast.Name):
            if syntax.id not in self.names:
                raise self.unknown(syntax, "name", syntax.id, list(self.names))
            return self.names[syntax.id]
        if isinstance(syntax, ast.UnaryOp) and isinstance(syntax.op, ast.USub):
            inner = self.value(syntax.operand)
            negated: Node | float = self.apply(syntax, operator.neg, inner)
            return negated
        if isinstance(syntax, ast.BinOp) and type(syntax.op) in _BINARY:
            return self.binary(syntax, syntax.op, syntax.left, syntax.right)
        if isinstance(syntax, ast.Compare) and len(syntax.ops) == 1:
            return self.binary(
                syntax, syntax.ops[0], syntax.left, syntax.comparators[0]
            )
        if isinstance(syntax, ast.Call) and isinstance(syntax.func, ast.Name):
            return self.call(syntax, syntax.func.id)
        raise self.not_understood(syntax)

    def binary(
        self,
        syntax: ast.expr,
        op: ast.operator | ast.cmpop,
        left: ast.expr,
        right: ast.expr,
    ) -> Node | float:
        if type(op) not in _BINARY:
            raise self.not_understood(syntax)
        a, b = self.value(left), self.value(right)
        if isinstance(a, Node) or isinstance(b, Node):
            made: Node = self.apply(syntax, _BINARY[type(op)], a, b)
            return made
        if type(op) not in _NUMBERS:
            raise self.error(syntax, "these numbers cannot be combined")
        return self.number(syntax, lambda: _NUMBERS[type(op)](a, b))

    def number(self, syntax: ast.expr, compute: Callable[[], float]) -> float:
        try:
            value = compute()
        except (ArithmeticError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise self.error(syntax, "these numbers have no finite result")
        return value

    def call(self, syntax: ast.Call, name: str) -> Node:
        if name not in _CALLS:
            raise self.unknown(syntax, "operation", name, _CALLS)
        if any(keyword.arg != "axis" for keyword in syntax.keywords):
            raise self.error(syntax, f"{name} takes nodes and axis=number here")
        arguments = [self.value(a) for a in syntax.args]
        options = {}
        for keyword in syntax.keywords:
            axis = self.value(keyword.value)
            if isinstance(axis, Node) or axis != int(axis):
                raise self.error(keyword.value, "an axis is an integer")
            options["axis"] = int(axis)
        try:
            made: Node = self.apply(
                syntax, getattr(operations, name), *arguments, **options
            )
        except (TypeError, AttributeError):
            raise self.error(syntax, f"{name} does not take these arguments") from None
        return made

    def apply(
        self, syntax: ast.expr, function: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        """What a function of nodes makes; its misfits get the place in the text."""
        try:
            return function(*args, **options)
        except Error as error:
            raise self.error(
                syntax, error.message, error.fix, code=error.code
            ) from None

    def unknown(
        self, syntax: ast.expr, what: str, name: str, known: list[str]
    ) -> Error:
        close = difflib.get_close_matches(name, known, 1)
        listed = "known: " + ", ".join(known) if known else None
        fix = f'did you mean "{close[0]}"?' if close else listed
        return self.error(syntax, f"unknown {what} {name}", fix)

    def not_understood(self, syntax: ast.expr) -> Error:
        written = ast.unparse(syntax)
        short = written if len(written) <= 60 else written[:57] + "…"
        return self.error(syntax, f"cannot use {short!r} in an expression")

    def error(
        self,
        syntax: ast.expr | ast.stmt,
        message: str,
        fix: str | None = None,
        code: str = "usage-expression",
    ) -> Error:
        line = self.text.strip().splitlines()[syntax.lineno - 1]
        # Python counts bytes, people count characters.
        column = len(line.encode()[: syntax.col_offset].decode()) + 1
        return _error(self.text, message, syntax.lineno, column, fix, code)
