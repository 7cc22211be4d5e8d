"""Train neural networks from one YAML file, and see why they do not learn.

The public names; each is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "errors": ("Error",),
    "graph": (
        "Node",
        "Operation",
        "constant",
        "gradients",
        "parameter",
        "scope",
        "variables",
    ),
    "graph.operations": (
        "absolute", "add", "broadcast_to", "cast", "clip", "concat", "cos", "divide",
        "equal", "erf", "exp", "expand_dims", "expm1", "greater", "greater_equal",
        "less", "less_equal", "log", "log1p", "logical_and", "logical_not",
        "logical_or", "logsumexp", "matmul", "max", "maximum", "mean", "min", "minimum",
        "multiply", "negative", "not_equal", "pad", "permute_dims", "power", "relu",
        "reshape", "sigmoid", "sign", "sin", "softplus", "sqrt", "square", "squeeze",
        "stack", "step", "stop_gradient", "subtract", "sum", "tanh", "transpose", "var",
        "where",
    ),
    "explore": ("check_gradients", "compile", "evaluate"),
    "experiment.api": ("fit", "load_run", "train"),
}  # fmt: skip
_MODULES = ("nn", "optim")
_PUBLIC = {name: home for home, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"nettrain.{name}")
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"nettrain.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'nettrain' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(("__version__", *_PUBLIC, *_MODULES))
