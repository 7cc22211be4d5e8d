"""Passes keep every value, and verification finds the pass that was wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain.errors import Error
from nettrain.graph import Node, constant, gradients, scope, topological, variables
from nettrain.graph import operations as ops
from nettrain.graph.operation import Constant
from nettrain.graph.rewrite import folding, rewrite, sharing, simplify, substitute
from nettrain.graph.verify import verify


def network() -> tuple[list[Node], list[Node]]:
    """Leaves and outputs: a small network, its cost and all gradients."""
    x, w, v = variables("x", (5, 4)), variables("w", (4, 3)), variables("v", (3, 2))
    h = ops.tanh(x @ w + constant(np.arange(3.0)))
    logits = (h * 1.0 + 0.0) @ v
    cost = ops.mean(ops.logsumexp(logits, axis=1) - ops.max(logits, axis=1))
    return [x, w, v], [cost, *gradients(cost, [x, w, v]), h * ops.tanh(x @ w)]


def folds() -> Any:
    return folding(np)


PASSES = {
    "nothing": lambda: (),
    "sharing": lambda: (sharing(),),
    "simplify": lambda: (simplify,),
    "folding": lambda: (folds(),),
    "all": lambda: (simplify, folds(), sharing()),
}


@pytest.mark.parametrize("name", PASSES)
def test_passes_keep_every_value(name: str, evaluate: Any) -> None:
    leaves, outputs = network()
    generator = np.random.default_rng(0)
    values = {x: generator.normal(size=x.shape) for x in leaves}
    old = topological(outputs)
    new = rewrite(outputs, *PASSES[name]())
    assert list(new) == old
    before, after = evaluate(old, values), evaluate([new[n] for n in old], values)
    for node, a, b in zip(old, before, after, strict=True):
        assert new[node].spec == node.spec
        np.testing.assert_array_equal(a, b)
    smaller = len(topological([new[node] for node in outputs]))
    assert smaller == len(old) if name == "nothing" else smaller < len(old)


def test_nothing_to_do_gives_the_same_nodes() -> None:
    _, outputs = network()
    assert all(old is new for old, new in rewrite(outputs).items())


def test_sharing_makes_equal_nodes_one() -> None:
    x, y = variables("x", (2,)), variables("y", (2,))
    square = variables("square", (3, 3))
    outputs = [
        ops.sum(square, axis=0),
        ops.sum(square, axis=1),
        square[:1],
        square[1:2],
        ops.tanh(x) * constant([1.0, 2.0]),
        ops.tanh(x) * constant([1.0, 2.0]),
        ops.tanh(y) * constant([1.0, 2.0]),
        ops.tanh(x) * constant([1.0, 3.0]),
        ops.sum(x, axis=0),
        ops.sum(x, axis=0, keepdims=True),
    ]
    new = rewrite(outputs, sharing())
    made = [new[node] for node in outputs]
    assert made[4] is made[5]
    assert len(set(made)) == len(made) - 1


def test_sharing_tells_zeros_and_dtypes_apart() -> None:
    outputs = [constant(0.0), constant(-0.0), constant(0), constant(0.0, "float32")]
    assert len(set(rewrite(outputs, sharing()).values())) == 4


def test_simplify_drops_what_does_nothing() -> None:
    x = variables("x", (2, 3))
    for node in (
        x * 1.0,
        1.0 * x,
        x + 0.0,
        0 + x,
        x / 1.0,
        x * np.ones((1, 3)),
        ops.reshape(ops.reshape(x, (6,)), (2, 3)),
        ops.cast(x, "float32").replace(op=type(ops.cast(x, "int32").op)("float64")),
        (x * 1.0 + 0.0) / 1.0,
    ):
        assert rewrite([node], simplify)[node] is x


def test_simplify_keeps_what_does_something() -> None:
    x = variables("x", (2, 3))
    for node in (
        x * 0.0,
        x + 1.0,
        1.0 / x,
        x - 1.0,
        x * np.ones((4, 2, 3)),
        ops.cast(x, "float32"),
        ops.reshape(x, (6,)),
    ):
        assert rewrite([node], simplify)[node] is node
    once = ops.reshape(ops.reshape(x, (6,)), (3, 2))
    assert rewrite([once], simplify)[once].inputs == (x,)


def test_folding_computes_what_is_constant_once() -> None:
    x = variables("x", (3,))
    with scope("model", origin="c.yaml:1"):
        node = (constant([1.0, 2.0, 3.0]) * 2.0).named("doubled", role="activation")
    y = x + node
    new = rewrite([y], folds())
    folded = new[node]
    assert isinstance(folded.op, Constant)
    assert folded.inputs == ()
    np.testing.assert_array_equal(folded.op.array, [2.0, 4.0, 6.0])
    assert (folded.path, folded.role) == ("model/doubled", "activation")
    assert new[y].inputs == (x, folded)


def test_folding_does_not_fill_the_memory() -> None:
    wide = ops.broadcast_to(constant(1.0), (1000, 1000))
    assert rewrite([wide], folds())[wide] is wide
    total = ops.sum(constant(np.ones((1000, 10))))
    assert isinstance(rewrite([total], folds())[total].op, Constant)


def test_folding_is_silent_about_infinities() -> None:
    node = ops.log(constant(0.0))
    folded = rewrite([node], folds())[node].op
    assert isinstance(folded, Constant)
    assert folded.array == -np.inf


def test_folding_leaves_random_bits_alone() -> None:
    node = ops.random_bits(constant([1, 2], "uint32"), constant(3, "uint32"), (4,))
    assert rewrite([node], folds())[node] is node


def test_substitute_exchanges_leaves_and_inner_nodes(evaluate: Any) -> None:
    x, y, z = variables("x y z")
    h = x * y
    f = h + x
    new = substitute([f], {x: z * 2.0, h: z})
    assert evaluate([new[f]], {z: 3.0}) == [3.0 + 6.0]
    assert new[y] is y
    assert evaluate([f], {x: 1.0, y: 2.0}) == [3.0]  # The old graph is as it was.


def test_a_substitute_has_the_same_spec() -> None:
    x, wide = variables("x"), variables("wide", (2,))
    for outputs in ([x], [x * 2.0]):
        with pytest.raises(Error, match="cannot replace") as caught:
            substitute(outputs, {x: wide})
        assert caught.value.code == "graph-verify"


def test_a_pass_that_breaks_the_graph_is_caught() -> None:
    x, wide = variables("x", (3,)), variables("wide", (4,))

    def broken(node: Node) -> Node:
        if node.kind == "tanh":
            return node.replace(inputs=(wide,), spec=node.spec)
        return node

    with pytest.raises(Error, match=r"should be float64 \(4,\)") as caught:
        rewrite([ops.tanh(x) * 2.0], broken)
    assert caught.value.code == "graph-verify"
    assert f"made at {__file__}:" in caught.value.message


def test_verification_finds_a_wrong_spec_anywhere() -> None:
    x = variables("x", (3,))
    wrong = (-x).replace(spec=variables("y", (5,)).spec)
    with pytest.raises(Error) as caught:
        verify([wrong * 2.0])
    assert caught.value.code == "graph-verify"


def test_two_leaves_cannot_share_a_path() -> None:
    with scope("model"):
        a, b = variables("w"), variables("w")
    with pytest.raises(
        Error, match="two different leaves are called model/w"
    ) as caught:
        verify([a + b])
    assert caught.value.code == "graph-name"
    with scope("other"):
        c = variables("w")
    assert len(verify([a + a, a + c])) == 4
    assert verify([variables("x").replace(name="") + variables("x").replace(name="")])


def test_a_deep_graph_is_rewritten() -> None:
    x = variables("x")
    y = x
    for _ in range(10_000):
        y = (y + 0.0) * -1.0
    new = rewrite([y], simplify, sharing())
    assert len(topological([new[y]])) == 10_000 + 2
