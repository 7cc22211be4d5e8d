"""PyTorch's own samples of its operations, given to ours: values and derivatives.

`torch.testing._internal` holds, for each operation of PyTorch, the arguments that its
developers test it with (an `OpInfo`). A rule (in the files `opinfo_…` beside this)
writes such a call with nettrain's operations and layers; what they cannot say it
refuses. Of the others the value, the gradient of a random weighted sum of it, and the
gradient of a random weighted sum of that one must be PyTorch's, in float64.

`opinfo.txt` lists the samples that our side can express, by the operation's name and
the sample's number. The list may only grow; this writes it, after comparing them all:

    python -m tests.parity.opinfo --write [NAME…]

It refuses to leave out a sample that is listed.
"""

from __future__ import annotations

import argparse
import inspect
import itertools
import random
import sys
import types
import unittest
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from nettrain.errors import Error
from nettrain.execute import Definition
from nettrain.execute.plan import Numpy
from nettrain.graph import Leaf, Node, Spec, adjoints, constant
from nettrain.graph import operations as ops
from nettrain.graph.spec import DTYPES
from tests.parity import (
    opinfo_layers,
    opinfo_losses,
    opinfo_operations,
    opinfo_shapes,
)
from tests.parity.opinfo_operations import Rule, Unsupported

LIST = Path(__file__).with_name("opinfo.txt")
RULES: dict[str, Rule] = {
    **opinfo_operations.RULES,
    **opinfo_shapes.RULES,
    **opinfo_layers.RULES,
    **opinfo_losses.RULES,
}
MOVED = 1e-3
_HALF = "ties and kinks pass half of the gradient; in PyTorch all of it, or nothing"
_EQUAL = "elements that tie share the gradient; in PyTorch the first takes it all"
DIFFERENCES: dict[str, str] = {
    "clamp": _HALF,
    "nn_functional_adaptive_max_pool1d": _EQUAL,
    "nn_functional_adaptive_max_pool2d": _EQUAL,
    "nn_functional_adaptive_max_pool3d": _EQUAL,
    "nn_functional_hardsigmoid": _HALF,
    "nn_functional_hardswish": _HALF,
    "nn_functional_hardtanh": _HALF,
    "nn_functional_max_pool1d": _EQUAL,
    "nn_functional_max_pool2d": _EQUAL,
    "nn_functional_relu6": _HALF,
}
"""Where derivatives differ on purpose, at single points. There the values are compared
as they are, and derivatives with all of them moved by up to `MOVED`, off those points.
"""
ROUGH: dict[str, tuple[float, str]] = {
    "nn_functional_hardsigmoid": (1e-7, "1/6 is a float32 in PyTorch's derivative"),
}
"""Relative tolerances where PyTorch is less exact than float64, and why."""
FIRST_ONLY: dict[str, str] = {
    "nn_functional_scaled_dot_product_attention": "PyTorch has no second derivative",
}


@cache
def operations() -> dict[str, Any]:
    """PyTorch's descriptions of its operations, by the names of its own tests."""
    # A package that PyTorch's test classes inherit from, and nothing here needs.
    inherited = types.ModuleType("expecttest")
    vars(inherited)["TestCase"] = unittest.TestCase
    sys.modules.setdefault("expecttest", inherited)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of PyTorch's own making.
        from torch.testing._internal.common_methods_invocations import op_db
    return {op.formatted_name: op for op in op_db}


def samples(name: str, count: int | None = None) -> list[Any]:
    """The first samples of an operation, or all: the same ones in every process."""
    import torch

    op, others = operations()[name], (random.getstate(), np.random.get_state())
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            random.seed(0)
            np.random.seed(0)
            # Not op.sample_inputs, which looks through the stack at every sample.
            function, slopes = op.sample_inputs_func, op.supports_autograd
            made = function(op, "cpu", torch.float64, requires_grad=slopes)
            return list(itertools.islice(made, count))
    finally:
        random.setstate(others[0])
        np.random.set_state(others[1])


# ------------------------------------------------------------------ both sides


class Call:
    """One sample: PyTorch's call with tensors of its own, and ours with nodes."""

    def __init__(self, name: str, sample: Any) -> None:
        import torch

        self.name, self.torch, self.op = name, torch, operations()[name]
        self._sample = sample.input, sample.args, sample.kwargs
        self.tensors: dict[int, Any] = {}
        self.nodes: dict[int, Node] = {}
        self._arguments = _replaced(self._sample, self._tensor)

    def _tensor(self, value: Any) -> Any:
        """A leaf of PyTorch's graph for a tensor, the same one for the same tensor."""
        if not isinstance(value, self.torch.Tensor):
            return value
        if id(value) not in self.tensors:
            made = value.detach().clone().requires_grad_(value.requires_grad)
            self.tensors[id(value)] = made
        return self.tensors[id(value)]

    def _node(self, value: Any) -> Any:
        """Our input for a tensor, which holds its value; the name of anything else."""
        if isinstance(value, self.torch.dtype):
            return _dtype(value)
        if isinstance(value, self.torch.memory_format):
            return str(value)
        if not isinstance(value, self.torch.Tensor):
            raise Unsupported(type(value).__name__)
        if id(value) not in self.nodes:
            array = self.tensors[id(value)].numpy(force=True)
            op = Leaf("input", Spec(array.shape, _dtype(value.dtype)), array)
            self.nodes[id(value)] = Node(op, name=f"x{len(self.nodes)}")
        return self.nodes[id(value)]

    def ours(self) -> list[Node]:
        """The results as nodes; `Unsupported` where they cannot be expressed."""
        rule = RULES[self.name]
        first, args, kwargs = _replaced(self._sample, self._node)
        try:
            inspect.signature(rule).bind(first, *args, **kwargs)
        except TypeError as error:
            raise Unsupported(str(error)) from None
        try:
            return _listed(rule(first, *args, **kwargs))
        except Error as error:
            raise Unsupported(error.code) from None

    def theirs(self) -> list[Any]:
        """The results as tensors."""
        first, args, kwargs = self._arguments
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _listed(self.op(first, *args, **kwargs))

    def move(self, rng: np.random.Generator) -> None:
        """Add a little to every float, on both sides."""
        for tensor in self.tensors.values():
            if tensor.dtype.is_floating_point:
                noise = rng.uniform(0.0, MOVED, tuple(tensor.shape))
                tensor.data += self.torch.tensor(noise)
        self.nodes.clear()

    def variables(self) -> list[tuple[Node, Any]]:
        """What derivatives are taken by: our nodes and PyTorch's tensors."""
        pairs = [(self.nodes[k], tensor) for k, tensor in self.tensors.items()]
        return [(node, tensor) for node, tensor in pairs if tensor.requires_grad]


def _replaced(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Nested arguments with everything replaced that is not Python's own."""
    if isinstance(value, dict):
        return {k: _replaced(v, leaf) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        made = [_replaced(v, leaf) for v in value]
        return made if isinstance(value, list) else tuple(made)
    plain = (bool, int, float, str, slice, types.NoneType, types.EllipsisType)
    return value if isinstance(value, plain) else leaf(value)


def _dtype(theirs: Any) -> str:
    name = str(theirs).removeprefix("torch.")
    if name not in DTYPES:
        raise Unsupported(name)
    return name


def _listed(results: Any) -> list[Any]:
    return list(results) if isinstance(results, (list, tuple)) else [results]


# ------------------------------------------------------------------ comparison


def compare(name: str, sample: Any) -> None:
    """Compare a sample's values and derivatives, ours and PyTorch's.

    Raises:
        Unsupported: if our operations cannot express it.
        AssertionError: if a number differs.
    """
    call, rng = Call(name, sample), np.random.default_rng(zlib.crc32(name.encode()))
    if name in DIFFERENCES:
        _compare(call, rng, orders=0)
        call.move(rng)
    twice = call.op.supports_gradgrad and name not in FIRST_ONLY
    _compare(call, rng, orders=2 if twice else 1)


def _compare(call: Call, rng: np.random.Generator, orders: int) -> None:
    """Values and derivatives up to an order."""
    nodes, tensors = call.ours(), call.theirs()
    pairs = call.variables()
    mine, theirs = list(nodes), list(tensors)
    assert len(mine) == len(theirs), (call.name, len(mine), len(theirs))
    for _ in range(orders if pairs else 0):
        weights = [rng.normal(size=tuple(y.shape)) for y in tensors]
        nodes = _slopes(nodes, weights, [node for node, _ in pairs])
        tensors = _their_slopes(call.torch, tensors, weights, [t for _, t in pairs])
        mine, theirs = [*mine, *nodes], [*theirs, *tensors]
    definition = Definition({f"{i}": node for i, node in enumerate(mine)})
    executor = Numpy(poison=True)
    program = executor.program(definition, executor.allocate(definition, {}))
    inputs = {n: n.op.initial for n in call.nodes.values() if isinstance(n.op, Leaf)}
    found = program(inputs).outputs
    tolerance, _ = ROUGH.get(call.name, (1e-9, ""))
    for i, tensor in enumerate(theirs):
        what = f"{call.name}, result {i}: values come first, then their slopes"
        close(found[f"{i}"], tensor.numpy(force=True), tolerance, what)


def _slopes(
    nodes: Sequence[Node], weights: Sequence[np.ndarray], variables: Sequence[Node]
) -> list[Node]:
    """d Σ w y / d x for each x; 0 where nothing depends on it."""
    cost = constant(0.0)
    for y, weight in zip(nodes, weights, strict=True):
        if y.spec.is_float:
            cost = cost + ops.sum(ops.cast(y, "float64") * weight)
    found = adjoints(cost, variables)
    return [found.get(x, constant(np.zeros(x.shape))) for x in variables]


def _their_slopes(
    torch: Any, results: Sequence[Any], weights: Sequence[np.ndarray], xs: Sequence[Any]
) -> list[Any]:
    """The same of PyTorch's results."""
    cost = torch.zeros((), requires_grad=True) * 1.0
    for y, weight in zip(results, weights, strict=True):
        if y.requires_grad:
            cost = cost + (y * torch.tensor(weight)).sum()
    found = torch.autograd.grad(cost, xs, create_graph=True, materialize_grads=True)
    return list(found)


def close(mine: np.ndarray, theirs: np.ndarray, tolerance: float, what: str) -> None:
    """The same shape, dtype, infinities and NaN, and numbers but for rounding."""
    assert mine.shape == theirs.shape and mine.dtype == theirs.dtype, what
    if theirs.dtype.kind != "f":
        np.testing.assert_array_equal(mine, theirs, what)
        return
    finite = np.abs(theirs[np.isfinite(theirs)])
    least = tolerance / 100 * max(1.0, finite.max(initial=0.0))
    np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=least, err_msg=what)


# ------------------------------------------------------------------ the list


def title() -> str:
    """The list's first line: which PyTorch it is of."""
    import torch

    version = torch.__version__.partition("+")[0]
    return f"# Samples of PyTorch {version}'s OpInfo that nettrain expresses: opinfo.py"


def outcomes(name: str) -> list[str]:
    """For each sample nothing, or why it cannot be expressed."""
    found = []
    for i, sample in enumerate(samples(name)):
        try:
            compare(name, sample)
        except Unsupported as reason:
            found.append(str(reason) or "unsupported")
        except AssertionError as error:
            raise AssertionError(f"{name} {i}: {error}") from None
        else:
            found.append("")
    return found


def listed() -> dict[str, list[int]]:
    """The samples of each operation that are listed as supported."""
    found = {}
    for text in LIST.read_text(encoding="utf-8").splitlines():
        if not text.startswith("#"):
            name, _, *runs = text.partition("#")[0].split()
            found[name] = [i for run in runs for i in _numbers(run)]
    return found


def line(name: str, found: Sequence[str]) -> str:
    """An operation's line: name, supported/all, their numbers, why the others not."""
    numbers = [i for i, reason in enumerate(found) if not reason]
    reasons = Counter(reason for reason in found if reason)
    why = "; ".join(f"{n} {reason}" for reason, n in reasons.items())
    text = f"{name} {len(numbers)}/{len(found)} {' '.join(_runs(numbers))}".rstrip()
    return f"{text}  # {why}" if why else text


def _runs(numbers: Sequence[int]) -> Iterator[str]:
    """`7 9-12 20-30/2`: those that follow each other at one distance as one."""
    at = 0
    while at < len(numbers):
        step = numbers[at + 1] - numbers[at] if at + 1 < len(numbers) else 1
        end = at
        while end + 1 < len(numbers) and numbers[end + 1] - numbers[end] == step:
            end += 1
        if step > 1 and end == at + 1:
            end = at
        first, last = numbers[at], numbers[end]
        every = f"/{step}" if step > 1 else ""
        yield f"{first}-{last}{every}" if end > at else f"{first}"
        at = end + 1


def _numbers(run: str) -> range:
    """The numbers of a run."""
    ends, _, step = run.partition("/")
    first, _, last = ends.partition("-")
    return range(int(first), int(last or first) + 1, int(step or 1))


def write(names: Sequence[str]) -> None:
    """Write the list anew for some operations, all if none are given."""
    old = LIST.read_text(encoding="utf-8").splitlines()[1:] if LIST.exists() else []
    lines = {kept.split()[0]: kept for kept in old}
    before = listed() if LIST.exists() else {}
    for name in names or RULES:
        found = outcomes(name)
        lost = [i for i in before.get(name, []) if i >= len(found) or found[i]]
        if lost:
            raise SystemExit(f"{name}: samples {lost} were supported; mend that first")
        lines[name] = line(name, found)
        print(lines[name])
    text = "\n".join([title(), *sorted(lines.values())])
    LIST.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="operations; all with a rule if none")
    parser.add_argument("--write", action="store_true", help="write opinfo.txt")
    options = parser.parse_args()
    if options.write:
        write(options.names)
        return
    for name in options.names or RULES:
        print(line(name, outcomes(name)))


if __name__ == "__main__":
    main()
