"""One graph: nodes, operations, and gradients as a function from graph to graph."""

from nettrain.graph.gradient import adjoints, gradients
from nettrain.graph.node import (
    Constant,
    Leaf,
    Node,
    Operation,
    constant,
    leaf,
    parameter,
    scope,
    topological,
    variables,
)
from nettrain.graph.spec import Spec

__all__ = [
    "Constant",
    "Leaf",
    "Node",
    "Operation",
    "Spec",
    "adjoints",
    "constant",
    "gradients",
    "leaf",
    "parameter",
    "scope",
    "topological",
    "variables",
]
