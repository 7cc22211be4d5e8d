"""Every operation, on each of its samples."""

from __future__ import annotations

import inspect
from typing import Any

import array_api_strict
import numpy as np
import pytest

from nettrain.errors import Error
from nettrain.graph import (
    Leaf,
    Node,
    Operation,
    adjoints,
    constant,
    gradients,
    variables,
)
from nettrain.graph import operations as ops
from nettrain.graph.node import Constant, Sample, apply
from nettrain.graph.operations.elementwise import (
    Comparison,
    Elementwise,
    FloatElementwise,
    Logical,
)
from nettrain.graph.operations.reduce import Reduction

FAMILIES = {Elementwise, FloatElementwise, Comparison, Logical, Reduction}
WITHOUT_DERIVATIVE = {
    "equal",
    "greater",
    "greater_equal",
    "isfinite",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "not_equal",
    "random_bits",
    "sign",
    "step",
    "stop_gradient",
    "summary",
    "ties",
}
PUBLIC_NAME = {"slice": "getitem"}


def subclasses(cls: type[Operation]) -> set[type[Operation]]:
    found = set(cls.__subclasses__())
    return found.union(*map(subclasses, found))


OPERATIONS = sorted(
    (
        cls
        for cls in subclasses(Operation) - FAMILIES - {Leaf, Constant}
        if cls.__module__.startswith("nettrain.graph.")
    ),
    key=lambda cls: cls.name,
)
SAMPLES = [
    pytest.param(cls, sample, id=f"{cls.name}-{i}")
    for cls in OPERATIONS
    for i, sample in enumerate(cls.samples)
]
every_sample = pytest.mark.parametrize(("cls", "sample"), SAMPLES)


def dtypes(sample: Sample, dtype: str) -> list[str]:
    given = sample.dtypes or (None,) * len(sample.shapes)
    return [d or dtype for d in given]


def draw(sample: Sample, dtype: str = "float64", seed: int = 0) -> list[np.ndarray]:
    """Values as the sample wants them; read-only, so that a mutation raises."""
    generator = np.random.default_rng(seed)
    values = []
    for shape, kind in zip(sample.shapes, dtypes(sample, dtype), strict=True):
        drawn = generator.uniform(sample.low, sample.high, shape)
        array = np.asarray(drawn > 1.0 if kind == "bool" else drawn.astype(kind))
        array.setflags(write=False)
        values.append(array)
    return values


def make(
    cls: type[Operation], sample: Sample, dtype: str = "float64"
) -> tuple[Node, list[Node]]:
    kinds = dtypes(sample, dtype)
    inputs = [
        variables(f"x{i}", shape, kind)
        for i, (shape, kind) in enumerate(zip(sample.shapes, kinds, strict=True))
    ]
    return apply(cls(*sample.attributes), *inputs), inputs


def test_every_operation_has_samples_a_name_and_a_public_function() -> None:
    assert len(OPERATIONS) >= 43
    names = [cls.name for cls in OPERATIONS]
    assert len(set(names)) == len(names)
    for cls in OPERATIONS:
        assert cls.samples, cls
        assert cls.__doc__, cls
        public = PUBLIC_NAME.get(cls.name, cls.name)
        assert public in ops.__all__, cls
        assert callable(getattr(ops, public))


def test_what_is_public_is_documented_and_sorted() -> None:
    assert ops.__all__ == sorted(ops.__all__)
    for name in ops.__all__:
        assert inspect.getdoc(getattr(ops, name)), name


@every_sample
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_value_has_the_shape_and_dtype_of_the_spec(
    cls: type[Operation], sample: Sample, dtype: str, namespace: Any
) -> None:
    y, _ = make(cls, sample, dtype)
    value = y.op.forward(namespace(np), *draw(sample, dtype))
    assert (value.shape, value.dtype.name) == (y.shape, y.dtype)
    if y.spec.is_float and cls.name not in ("summary", "cast", "scan"):
        assert y.dtype == dtype


@every_sample
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_array_api_computes_the_same(
    cls: type[Operation], sample: Sample, dtype: str, namespace: Any
) -> None:
    y, _ = make(cls, sample, dtype)
    values = draw(sample, dtype)
    strict = [array_api_strict.asarray(v) for v in values]
    expected = y.op.forward(namespace(np), *values)
    computed = y.op.forward(namespace(array_api_strict), *strict)
    assert computed.shape == y.shape
    assert computed.dtype == getattr(array_api_strict, y.dtype)
    np.testing.assert_allclose(np.asarray(computed), expected, rtol=1e-6)


def test_only_these_go_beyond_the_standard(namespace: Any) -> None:
    strict = namespace(array_api_strict)
    for cls in OPERATIONS:
        for sample in cls.samples:
            values = [array_api_strict.asarray(v) for v in draw(sample)]
            cls(*sample.attributes).forward(strict, *values)
    assert strict.beyond == {"erf", "fold", "pad", "scatter_add", "unfold"}


def test_the_operations_without_a_derivative_are_these() -> None:
    silent = {cls.name for cls in OPERATIONS if cls.vjp is Operation.vjp}
    assert silent == WITHOUT_DERIVATIVE


def differentiable(y: Node, inputs: list[Node]) -> list[Node]:
    """The float inputs, if the operation has a derivative."""
    if type(y.op).name in WITHOUT_DERIVATIVE:
        return []
    return [x for x in inputs if x.spec.is_float]


DERIVATIVES = [
    p
    for p in SAMPLES
    if p.values[0].name not in WITHOUT_DERIVATIVE
    and None in (p.values[1].dtypes or (None,))
]
every_derivative = pytest.mark.parametrize(("cls", "sample"), DERIVATIVES)


def project(y: Node, seed: int) -> Node:
    """A scalar: the sum of y with random weights."""
    weights = np.random.default_rng(seed).normal(size=y.shape)
    return ops.sum(y * constant(weights, y.dtype))


def slope(
    cost: Node, leaves: list[Node], values: dict[Node, Any], evaluate: Any, seed: int
) -> tuple[float, float]:
    """The derivative of a scalar along a random direction: asked and measured."""
    generator = np.random.default_rng(seed)
    ways = {x: generator.normal(size=x.shape) for x in leaves}
    found = adjoints(cost, leaves)
    reached = [x for x in leaves if x in found]
    values_of = evaluate([found[x] for x in reached], values)
    asked = sum(
        float(np.sum(g * ways[x])) for x, g in zip(reached, values_of, strict=True)
    )
    h = 1e-5
    ends = []
    for sign in (1, -1):
        moved = {
            x: v + sign * h * ways[x] if x in ways else v for x, v in values.items()
        }
        ends.append(float(evaluate([cost], moved)[0]))
    return asked, (ends[0] - ends[1]) / (2 * h)


@every_derivative
@pytest.mark.parametrize("seed", [1, 2])
def test_first_derivative_is_the_slope(
    cls: type[Operation], sample: Sample, seed: int, evaluate: Any
) -> None:
    y, inputs = make(cls, sample)
    values = dict(zip(inputs, draw(sample, seed=seed), strict=True))
    asked, measured = slope(
        project(y, seed), differentiable(y, inputs), values, evaluate, seed + 10
    )
    assert asked == pytest.approx(measured, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize(
    ("cls", "sample"), [p for p in DERIVATIVES if p.values[0].smooth]
)
def test_second_derivative_is_the_slope_of_the_first(
    cls: type[Operation], sample: Sample, evaluate: Any
) -> None:
    y, inputs = make(cls, sample)
    leaves = differentiable(y, inputs)
    values = dict(zip(inputs, draw(sample, seed=3), strict=True))
    # The square gives linear operations a second derivative too.
    cost = project(y, 4)
    first = gradients(cost + ops.square(cost), leaves)
    total = project(first[0], 5)
    for i, g in enumerate(first[1:]):
        total = total + project(g, 6 + i)
    asked, measured = slope(total, leaves, values, evaluate, 20)
    assert asked == pytest.approx(measured, rel=1e-6, abs=1e-7)


@every_derivative
def test_gradient_has_the_dtype_and_shape_of_its_node(
    cls: type[Operation], sample: Sample, evaluate: Any
) -> None:
    y, inputs = make(cls, sample, "float32")
    leaves = differentiable(y, inputs)
    found = gradients(project(y, 1), leaves)
    values = dict(zip(inputs, draw(sample, "float32"), strict=True))
    for x, g, value in zip(leaves, found, evaluate(found, values), strict=True):
        assert g.spec == x.spec
        assert (value.shape, value.dtype) == (x.shape, np.float32)


@pytest.mark.parametrize("name", sorted(WITHOUT_DERIVATIVE))
def test_operations_without_derivative_say_so(name: str) -> None:
    (cls,) = [c for c in OPERATIONS if c.name == name]
    sample = cls.samples[0]
    kinds = dtypes(sample, "float64")
    x = variables("x")
    made = []
    for shape, kind in zip(sample.shapes, kinds, strict=True):
        spread = ops.broadcast_to(ops.reshape(x, (1,) * len(shape)), shape)
        made.append(spread if kind == "float64" else _unlike(spread, kind))
    y = apply(cls(*sample.attributes), *made)
    cost = ops.sum(ops.cast(y, "float64"))
    with pytest.raises(Error, match="has no derivative") as caught:
        gradients(cost, [x])
    assert caught.value.code == "graph-not-differentiable"
    blamed = {"bool": "greater", "uint32": "cast"}.get(kinds[0], name)
    assert f"only through {blamed}, which" in caught.value.message
    assert repr(x) in caught.value.message


def _unlike(x: Node, kind: str) -> Node:
    return ops.greater(x, 0.0) if kind == "bool" else ops.cast(x, kind)
