"""Executors: how the graph's programs are run."""

from nettrain.errors import Error
from nettrain.execute.plan import Numpy
from nettrain.execute.program import (
    Cache,
    Definition,
    Executor,
    Program,
    Result,
    State,
    cut,
)
from nettrain.execute.reference import Reference

EXECUTORS: dict[str, type[Executor]] = {"numpy": Numpy, "reference": Reference}
"""By name, the fastest first: what `auto` means."""


def executor(name: str = "auto") -> Executor:
    """The executor of a name; `auto` is the fastest there is."""
    if name == "auto":
        name = next(iter(EXECUTORS))
    if name not in EXECUTORS:
        known = ", ".join(("auto", *EXECUTORS))
        raise Error("config-executor", f"no executor {name}", fix=f"known: {known}")
    return EXECUTORS[name]()


__all__ = [
    "EXECUTORS",
    "Cache",
    "Definition",
    "Executor",
    "Program",
    "Result",
    "State",
    "cut",
    "executor",
]
