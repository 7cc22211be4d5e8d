"""Values of graphs, by the reference executor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from nettrain.execute.reference import evaluate
from nettrain.graph import Leaf, Node, topological

Values = Callable[..., Any]


@pytest.fixture
def value() -> Values:
    """`value(node or list, {leaf: array})`; other leaves have their first values."""

    def compute(wanted: Any, leaves: Mapping[Node, Any] | None = None) -> Any:
        nodes = [wanted] if isinstance(wanted, Node) else list(wanted)
        given = {
            n: n.op.initial
            for n in topological(nodes)
            if isinstance(n.op, Leaf) and n.op.initial is not None
        }
        given |= {n: np.asarray(a) for n, a in (leaves or {}).items()}
        found = evaluate(nodes, given)
        arrays = [np.asarray(found[n]) for n in nodes]
        return arrays[0] if isinstance(wanted, Node) else arrays

    return compute
