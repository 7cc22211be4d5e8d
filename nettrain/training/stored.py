"""Whether the tensors of a checkpoint are those of a state.

A right hash proves bytes, not sense: a file made elsewhere, or by another config, must
be refused here and not be met as a strange shape somewhere in training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from nettrain.diagnose.evidence import Evidence
from nettrain.diagnose.statistics import Watch
from nettrain.errors import Error

Tensors = Mapping[str, np.ndarray]


class Spec(Protocol):
    """What says of an array which one is expected: another one, or a node."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype | str: ...


def check(found: Tensors, wanted: Mapping[str, Spec]) -> None:
    """Refuse tensors of which one is missing, or is of another shape or dtype.

    Raises:
        Error: `checkpoint-mismatch`.
    """
    for path, own in wanted.items():
        if path not in found:
            message = f"the checkpoint has no {path}: it is of another config"
            raise Error("checkpoint-mismatch", message)
        tensor = found[path]
        if tensor.shape != own.shape or tensor.dtype != own.dtype:
            message = (
                f"{path} is {tensor.dtype} {tensor.shape} in the checkpoint, "
                f"and does not fit this model: {own.dtype} {own.shape}"
            )
            raise Error("checkpoint-mismatch", message)


def check_counts(name: str, found: np.ndarray) -> None:
    """Refuse counts below 0, and what is no count at all.

    Raises:
        Error: `checkpoint-mismatch`.
    """
    if not np.all((found >= 0) & (found < 2**53)):
        message = f"{name} is {found.tolist()} in the checkpoint: no run comes to that"
        raise Error("checkpoint-mismatch", message)


def check_step(found: int, stated: int) -> None:
    """Refuse a state of another step than its file is said to be of.

    Raises:
        Error: `checkpoint-mismatch`.
    """
    if found != stated:
        message = f"the checkpoint of step {stated} holds the state of step {found}"
        raise Error("checkpoint-mismatch", message)


_PREFIX = "diagnosis/evidence/"
_LATEST = ("losses", "gradient_norms")
"""Of the latest updates, however many there were; other series are of the checks."""
_PER_NODE = ("delta_rms", "std")
_PER_PARAMETER = ("update_ratio", "update_norm", "gradient_norm", "weight_norm")


def check_evidence(found: Tensors, own: Evidence, watch: Watch, classes: int) -> None:
    """Refuse a diagnosis that is not of this network.

    Args:
        found: the tensors of a checkpoint.
        own: any evidence of this network.
        watch: the statistics that are taken of it.
        classes: whose recall is known.

    Raises:
        Error: `checkpoint-mismatch`.
    """
    wanted = dict(_of_checks(found, own, classes))
    epochs = found.get(f"{_PREFIX}epochs", np.zeros(0))
    per_unit = dict(_of_units(watch, epochs.size)) if epochs.size else {}
    check(found, {**wanted, **per_unit, **dict(_of_the_epoch(found, watch))})
    check_counts("diagnosis/moments", found["diagnosis/moments"])
    for name in found:
        kind = name.removeprefix(_PREFIX).partition("/")[0]
        if name.startswith(_PREFIX) and kind in _UNITS and name not in per_unit:
            message = f"{name} in the checkpoint is of no layer of this network"
            raise Error("checkpoint-mismatch", message)
    for name in ("epochs", "steps"):
        series = found[f"{_PREFIX}{name}"]
        if np.any(np.diff(series, prepend=0) <= 0):
            message = f"the diagnosis in the checkpoint has its {name} in no order"
            raise Error("checkpoint-mismatch", message)


def _of_checks(
    found: Tensors, own: Evidence, classes: int
) -> Iterator[tuple[str, Spec]]:
    """What is expected under the names of `Evidence.tensors`."""
    widths: dict[str, tuple[int, ...]] = {
        **dict.fromkeys(_PER_NODE, (len(own.nodes),)),
        **dict.fromkeys(_PER_PARAMETER, (len(own.parameters),)),
        "recall": (classes,),
        "spike": (4,),
        "spike_rows": (10,),
    }
    checks = found.get(f"{_PREFIX}epochs", np.zeros(0)).size
    for path, blank in own.tensors().items():
        name = path.removeprefix(_PREFIX)
        if not path.startswith(_PREFIX) or "/" in name or path not in found:
            shape = blank.shape
        elif name in _LATEST:
            shape = (found[path].size,)
        elif not checks and blank.ndim:  # there was nothing to decide the others
            shape = (0, *found[path].shape[1:]) if blank.ndim > 1 else (0,)
        else:
            shape = (checks, *widths.get(name, ())) if blank.ndim else ()
        if "/" not in name and name != "survived":
            yield path, _spec(shape, blank.dtype)


_UNITS = ("arrived", "passed", "positive", "slopes")


def _of_units(watch: Watch, checks: int) -> Iterator[tuple[str, Spec]]:
    """What each check says of the units of each layer."""
    for leaf in watch.counters:
        kind, _, path = leaf.path.removeprefix("diagnosis/").partition("/")
        shape = (checks, *leaf.shape)
        if kind == "arrive":
            yield f"{_PREFIX}arrived/{path}", _spec(shape, np.bool_)
            yield f"{_PREFIX}positive/{path}", _spec(shape, np.float32)
        else:
            yield f"{_PREFIX}passed/{path}", _spec(shape, np.bool_)
    for name, node in watch.observers.items():
        kind, _, path = name.partition("/")
        if kind == "slope":
            shape = (checks, *node.shape)
            yield f"{_PREFIX}slopes/{path}", _spec(shape, np.float64)


def _of_the_epoch(found: Tensors, watch: Watch) -> Iterator[tuple[str, Spec]]:
    """What was gathered since the epoch began."""
    moments, norms = (found.get(f"diagnosis/{n}") for n in ("moments", "norms"))
    size = sum(node.spec.size for node in watch.observers.values())
    measured = moments is not None and bool(np.any(moments))
    yield "diagnosis/moments", _spec((), np.int64)
    yield "diagnosis/means", _spec((size if measured else 0,), np.float64)
    yield "diagnosis/norms", _spec((0 if norms is None else norms.size,), np.float64)


def _spec(shape: tuple[int, ...], dtype: Any) -> Spec:
    """An array of no memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)
