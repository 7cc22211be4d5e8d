"""Expressions: text to nodes and back, and every refusal with its column."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nettrain.errors import Error
from nettrain.graph import Node, constant, gradients, scope, topological, variables
from nettrain.graph import operations as ops
from nettrain.graph.expression import free_names, labels, parse, write

X, Y, Z = variables("x y z")
M = variables("m", (2, 3))
LEAVES = {"x": X, "y": Y, "z": Z, "m": M}
POINT = {X: 2.0, Y: 3.0, Z: -4.0, M: np.arange(6.0).reshape(2, 3)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(x + y) * z", -20.0),
        ("f = (x + y) * z", -20.0),
        ("q = x + y; f = q * z", -20.0),
        ("q = x + y\nf = q * z", -20.0),
        ("x - y - z", 3.0),
        ("x - (y - z)", -5.0),
        ("-x ** 2", -4.0),
        ("(-x) ** 2", 4.0),
        ("2 ** -x", 0.25),
        ("x / y * z", -8 / 3),
        ("x + 2 * 3 ** 2", 20.0),
        ("x * -(1 - 3)", 4.0),
        ("tanh(x) * 0 + maximum(y, z)", 3.0),
        ("clip(x, 0, 1)", 1.0),
        ("sum(m)", 15.0),
        ("max(sum(m, axis=-1))", 12.0),
        ("sum(m @ transpose(m))", 83.0),
        ("x < y", True),
        ("x >= y", False),
        ("where(x <= y, z, 1)", -4.0),
        ("a = x; b = a * a; b", 4.0),
        ("x + 1e3", 1002.0),
    ],
)
def test_expressions_mean_what_python_says(
    text: str, value: Any, evaluate: Any
) -> None:
    assert evaluate([parse(text, LEAVES)[-1]], POINT) == [pytest.approx(value)]


def test_statements_name_their_nodes(evaluate: Any) -> None:
    q, f = parse("q = x + y; f = q * z", LEAVES)
    assert (q.path, f.path) == ("q", "f")
    assert f.inputs[0] is q
    assert evaluate(gradients(f, [q, Z]), POINT) == [-4.0, 5.0]


def test_another_name_for_a_leaf_is_that_leaf() -> None:
    assert parse("a = x; a * y", LEAVES)[0] is X


def test_free_names_are_those_that_nothing_defines() -> None:
    assert free_names("q = b + a; f = tanh(q) * c + a") == ["b", "a", "c"]
    assert free_names("f = f + tanh") == ["f", "tanh"]


# ------------------------------------------------------------------ and back

NUMBERS = st.one_of(
    st.integers(-9, 9).map(float),
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda v: v + 0.0),
    st.sampled_from([1e-7, 1e20, 0.1, 1 / 3, -0.5]),
)


def grown(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    def binary(op: str, a: Any, b: Any) -> Node:
        return {
            "+": lambda: a + b,
            "-": lambda: a - b,
            "*": lambda: a * b,
            "/": lambda: a / b,
            "**": lambda: a**b,
            "max": lambda: ops.maximum(a, b),
        }[op]()

    symbols = st.sampled_from(["+", "-", "*", "/", "**", "max"])
    functions = st.sampled_from([ops.negative, ops.tanh, ops.square, abs, ops.relu])
    return st.one_of(
        st.builds(binary, symbols, nodes, nodes),
        st.builds(binary, symbols, nodes, NUMBERS),
        st.builds(binary, symbols, NUMBERS, nodes),
        st.builds(lambda f, a: f(a), functions, nodes),
    )


NODES = st.recursive(st.sampled_from([X, Y, Z]), grown, max_leaves=12)


def structure(node: Node) -> Any:
    """The node as nested tuples, so that two can be compared."""
    own = (type(node.op), node.op.attributes()) if node.inputs else node.op.attributes()
    return own, [structure(x) for x in node.inputs]


@settings(max_examples=200, deadline=None)
@given(NODES)
def test_what_is_written_reads_back_as_the_same_graph(node: Node) -> None:
    text = write(node)
    again = parse(text, LEAVES)[-1]
    assert structure(again) == structure(node), text
    assert write(again) == text


@settings(max_examples=30, deadline=None)
@given(NODES, NODES, st.sampled_from(["<", "<=", ">", ">="]))
def test_comparisons_read_back(a: Node, b: Node, symbol: str) -> None:
    node = parse(f"({write(a)}) {symbol} ({write(b)})", LEAVES)[-1]
    assert node.dtype == "bool"
    assert structure(parse(write(node), LEAVES)[-1]) == structure(node)


@pytest.mark.parametrize(
    "text",
    [
        "x + y + z",
        "x + (y + z)",
        "x * (y / z)",
        "(x - y) * -z",
        "-x ** 3",
        "(-x) ** 3",
        "(x ** y) ** z",
        "x ** (y ** z)",
        "-(x + y)",
        "-(-x)",
        "(-2) ** x",
        "x - -2",
        "tanh(x * 0.5)",
        "x + 0.1",
        "sum(m)",
        "logsumexp(m, axis=1)",
        "m @ (m @ m)",
    ],
)
def test_no_more_brackets_than_needed(text: str) -> None:
    if "m @" in text:
        square = variables("m", (3, 3))
        assert write(parse(text, {"m": square})[0]) == text
    else:
        assert write(parse(text, LEAVES)[0]) == text


def test_labels_stop_at_named_nodes() -> None:
    with scope("model/dense1"):
        h = (X * 2.0).named("h")
    f = ops.tanh(h + Y).named("f")
    made = labels([f])
    assert made[f] == "f"
    assert made[h] == "model/dense1/h"
    assert made[f.inputs[0]] == "model/dense1/h + y"
    assert write(f) == "tanh(model/dense1/h + y)"
    assert str(X) == "x"


def test_labels_of_numbers_are_short_and_expressions_exact() -> None:
    third = X * (1 / 3)
    assert labels([third])[third] == "x * 0.333333"
    assert write(third) == f"x * {1 / 3!r}"
    assert write(ops.cast(X, "float32") * 0.1).endswith(" * 0.1")
    assert write(constant(np.ones((2, 3))) * M) == "constant(2, 3) * m"


def test_texts_do_not_grow_without_end() -> None:
    y = X
    for _ in range(60):
        y = y + y
    assert len(write(y)) < 2000
    assert "…" in write(y)
    deep = X
    for _ in range(3000):
        deep = ops.sin(deep)
    assert max(map(len, labels([deep]).values())) <= 1000
    assert len(topological([deep])) == 3001


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("x + foo(y)", 5, "unknown operation foo"),
        ("x + w", 5, "unknown name w"),
        ("x +", 4, "cannot read"),
        ("  x + w", 5, "unknown name w"),
        ("f = x + w", 9, "unknown name w"),
        ("x < y < z", 1, "cannot use 'x < y < z'"),
        ("x == y", 1, "cannot use 'x == y'"),
        ("x = y; y", 1, "x is defined twice"),
        ("f = x; f = y", 8, "f is defined twice"),
        ("a = b = x", 1, "expected `name = expression`"),
        ("x += y", 1, "expected `name = expression`"),
        ("f[0] = x", 1, "expected `name = expression`"),
        ("a: int = x", 1, "expected `name = expression`"),
        ("x * (2 / 0)", 6, "no finite result"),
        ("x + 1e999", 5, "no finite result"),
        ("x * 9 ** 9 ** 9", 5, "no finite result"),
        ("x * (-8) ** 0.5", 5, "no finite result"),
        ("x * (2 @ 3)", 6, "cannot be combined"),
        ("1 + 2", 1, "at least one variable"),
        ("sum(m, keepdims=1)", 1, "takes nodes and axis=number"),
        ("sum(m, axis=0.5)", 13, "an axis is an integer"),
        ("sum(m, axis=x)", 13, "an axis is an integer"),
        ("tanh(x, axis=0)", 1, "tanh does not take these arguments"),
        ("tanh(x, y)", 1, "tanh does not take these arguments"),
        ("tanh()", 1, "tanh does not take these arguments"),
        ("sum(m, 0)", 1, "sum does not take these arguments"),
        ("reshape(m, 6)", 1, "reshape does not take these arguments"),
        ("x + (y or z)", 6, "cannot use 'y or z'"),
    ],
)
def test_refusals_name_the_column(text: str, column: int, message: str) -> None:
    with pytest.raises(Error) as caught:
        parse(text, LEAVES)
    error = caught.value
    assert error.code == "usage-expression"
    assert message in error.message
    assert error.place is not None
    assert error.place.column == column
    assert error.place.text == text.strip()
    assert "^" in str(error)


def test_columns_count_characters_and_lines() -> None:
    é = variables("é")
    with pytest.raises(Error) as caught:
        parse("q = é + é\né * w", {"é": é})
    place = caught.value.place
    assert place is not None
    assert (place.line, place.column, place.text) == (2, 5, "é * w")


def test_a_misfit_of_shapes_has_its_column_too() -> None:
    n = variables("n", (4,))
    with pytest.raises(Error, match=r"add\(<m: .*do not broadcast") as caught:
        parse("x * (m + n)", LEAVES | {"n": n})
    assert caught.value.code == "graph-shape"
    assert caught.value.place is not None
    assert caught.value.place.column == 6


@pytest.mark.parametrize(
    ("text", "fix"), [("tanhh(x)", '"tanh"'), ("yy2 + x", "known: x, y, z, m")]
)
def test_near_names_are_suggested(text: str, fix: str) -> None:
    with pytest.raises(Error) as caught:
        parse(text, LEAVES)
    assert fix in (caught.value.fix or "")


HOSTILE = [
    "",
    "   ",
    "# nothing",
    "(" * 3000 + "x" + ")" * 3000,
    "-" * 4000 + "x",
    "x" + "+x" * 4000,
    "tanh(" * 90 + "x" + ")" * 89,
    "not " * 2000 + "x",
    "x.__class__",
    "x.__class__.__mro__[1].__subclasses__()",
    "__import__('os').system('true')",
    "().__class__",
    "eval('1')",
    "open('/etc/passwd')",
    "getattr(x, y)",
    "getitem(x, 0)",
    "random_bits(x, y, 3)",
    "ops.tanh(x)",
    "tanh(*x)",
    "tanh(**x)",
    "tanh(x=1)",
    "lambda: x",
    "[x for x in y]",
    "x if y else z",
    "x[0]",
    "(x := y)",
    "await x",
    "yield x",
    "import os",
    "del x",
    "def f(): pass",
    "class x: pass",
    "while x: pass",
    "for x in y: pass",
    "assert x",
    "return x",
    "f'{x}'",
    "'x'",
    "x + 'y'",
    "x + None",
    "x + True",
    "x + 1j",
    "x + ...",
    "x + " + "9" * 400,
    "x + " + "9" * 5000,
    "x ** " + "9" * 400,
    "10 ** 10 ** 10 * x",
    "x ** 10 ** 400",
    "x // y",
    "x % y",
    "x & y",
    "x << 1000000000",
    "~x",
    "+x",
    "x, y",
    "x is y",
    "x in y",
    "x\x00y",
    "\ud800",
    "x\\",
    "x\n  + y",
    "1if x else y",
    "sum(m, axis=1e400)",
    "sum(m, axis=None)",
    "stack()",
    "concat(3)",
    "cast(x)",
    "where(1, x, y)",
    "x = ",
    "lambda = x",
    "x" * 20_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda t: ascii(t[:25]))
def test_hostile_text_is_refused(text: str) -> None:
    for read in (lambda: parse(text, LEAVES), lambda: free_names(text)):
        try:
            made = read()
        except Error as error:
            assert error.code.split("-")[0] in ("usage", "graph")
            assert len(str(error)) < 25_000
        else:
            assert not isinstance(made[-1] if made else "", Node), made


def test_hostile_text_is_a_usage_error() -> None:
    codes = {}
    for text in HOSTILE:
        with pytest.raises(Error) as caught:
            parse(text, LEAVES)
        codes[text] = caught.value.code
    others = {t for t, code in codes.items() if code != "usage-expression"}
    assert others == {"where(1, x, y)"}


def test_pythons_advice_on_programs_is_not_passed_on() -> None:
    with warnings.catch_warnings(record=True) as advice:
        warnings.simplefilter("always")
        with pytest.raises(Error):
            parse("1if x else y", LEAVES)
    assert advice == []


@settings(max_examples=300, deadline=None)
@given(st.text("xyz+-*/()<>=,;.@ 019e_#'\\\n[]{}:é", max_size=25))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        free_names(text)
        parse(text, LEAVES)
    except Error as error:
        assert error.exit_code == 2
