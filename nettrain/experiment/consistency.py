"""What is wrong in a config whatever the data are: settings that contradict each other.

Only the sections that could be built are looked at, so that these mistakes are told
together with those that kept the others from being built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nettrain.component import (
    Fix,
    Instead,
    Path,
    listed,
    registered,
    show,
    suggest,
)
from nettrain.config import Resolved
from nettrain.errors import Error
from nettrain.nn import Activation, Layer, Loss, Repeat, Sequential, names, walk
from nettrain.training.metrics import Metric

Sections = Mapping[str, Any]
"""The sections of an experiment that could be built, by name."""


def inconsistencies(given: Sections, resolved: Resolved) -> Iterator[Error]:
    """Everything that is wrong whatever the data are, apart from the model alone."""
    loss, metrics = given.get("loss"), given.get("metrics")
    if given.get("model") and loss:
        yield from _activation_before_loss(given["model"], loss, resolved)
    if metrics:
        yield from _metrics(metrics, loss, resolved)
    if isinstance(weights := getattr(loss, "class_weights", None), list | tuple):
        yield from _weightless(weights, loss.registered_name, resolved)
    if "data" in given and loss and contradictory(given):
        yield Error(
            "config-task",
            f"the loss {loss.registered_name} is for {loss.task}, "
            f"and data.task says {given['data'].task}",
            place=resolved.place(("loss",)),
            fix=f"{_losses(given['data'].task)}, or leave data.task out",
        )
    if metrics is not None and given.get("train") and given["train"].stop:
        yield from _monitor(given["train"].stop.monitor, metrics, resolved)


def _weightless(
    weights: Sequence[float], name: str, resolved: Resolved
) -> Iterator[Error]:
    if weights and not any(weights):
        yield Error(
            "config-class-weights",
            "class_weights are all 0, so that no row counts",
            place=resolved.place(("loss", name, "class_weights")),
            fix="give the classes that are to be learned a weight above 0",
        )


def contradictory(given: Sections) -> bool:
    """Whether loss and data are for different tasks, so that neither can be trusted."""
    return given["data"].task not in (None, given["loss"].task)


def _losses(task: str) -> str:
    fitting = [name for name, loss in registered(Loss).items() if loss.task == task]
    return f"losses for {task}: {listed(fitting)}"


# ---------------------------------------------------------------- the model


LAYERS = 10_000
"""Layers of the largest model, those inside others counted too."""


def _layers(layers: Iterable[Layer]) -> int:
    """How many layers there are, without writing repeats out."""
    return sum(
        1 + layer.times * _layers(layer.block)
        if isinstance(layer, Repeat)
        else 1 + _layers(child for _, _, child in layer.children())
        for layer in layers
    )


def flaws(model: Sequence[Layer], resolved: Resolved) -> Iterator[Error]:
    """What is wrong with the layers alone; such a model cannot be traced."""
    if (many := _layers(model)) > LAYERS:
        message = (
            f"{many:,} layers, repeats written out; the most there are is {LAYERS:,}"
        )
        yield Error("config-limit", message, place=resolved.place(("model",)))
        return
    if not model:
        message, place = "the model has no layers", resolved.place(("model",))
        fix = "the simplest is model: [dense: auto]"
        yield Error("config-model", message, place=place, fix=fix)
    yield from _name_clashes(model, resolved)
    for path, where, layer in walk(model, "model", ("model",)):
        block = [getattr(layer, field, None) for field in ("layers", "blocks", "block")]
        if [] in block or () in block:
            yield Error(
                "config-model",
                f"{path.rpartition('/')[2]} holds no layers",
                place=resolved.place((*where, layer.registered_name), key=True),
                fix="list the layers that it is made of, or remove it",
            )


def _name_clashes(model: Sequence[Layer], resolved: Resolved) -> Iterator[Error]:
    """Two layers of one name; in blocks the blocks themselves refuse them."""
    owners: dict[str, int] = {}
    for i, name in enumerate(names(model)):
        first = owners.setdefault(name, i)
        if model[first] is model[i]:
            continue
        named = i if model[i].name else first
        path = ("model", named, model[named].registered_name, "name")
        yield Error(
            "config-name",
            f'two layers are called "{name}"',
            place=resolved.place(path),
            fix="give one of them another name",
        )


def last_layer(model: Sequence[Layer]) -> tuple[Path, Layer]:
    """The layer that the model's outputs come from, and its place in the config."""
    return _last(("model", len(model) - 1), model[-1])


def _last(path: Path, layer: Layer) -> tuple[Path, Layer]:
    inside = list(layer.children()) if isinstance(layer, (Sequential, Repeat)) else []
    if not inside:
        return path, layer
    _, where, child = inside[-1]
    return _last((*path, layer.registered_name, *where), child)


def _activation_before_loss(
    model: Sequence[Layer], loss: Loss, resolved: Resolved
) -> Iterator[Error]:
    """A softmax before a loss that applies it is applied twice."""
    path, last = last_layer(model)
    activation = last
    if not isinstance(last, Activation):
        activation = getattr(last, "activation", last)
        path = (*path, last.registered_name, "activation")
    applied, own = loss.applies, activation.registered_name
    if applied and own in (applied, f"log_{applied}"):
        yield Error(
            "config-double-activation",
            f"the last layer applies {own}, and the loss {loss.registered_name} "
            f"applies {applied} itself",
            place=resolved.place(path),
            fix=f"remove {own} from the last layer",
        )


# ---------------------------------------------------------------- metrics


def _metrics(
    metrics: Sequence[Metric], loss: Loss | None, resolved: Resolved
) -> Iterator[Error]:
    """Metrics of another task than the loss, and metrics of one name."""
    before: set[str] = set()
    for i, metric in enumerate(metrics):
        name, place = metric.registered_name, resolved.place(("metrics", i))
        if name in before:
            message = f"the metric {name} stands twice, and its numbers have one name"
            yield Error("config-metric", message, place=place, fix="remove one of them")
        before.add(name)
        if loss and not loss.comparable:
            message = f"the outputs of {loss.registered_name} are no guess at the "
            message += f"targets, so that {name} says nothing"
            yield Error("config-metric", message, place=place, fix="remove it")
        elif loss and metric.task != loss.task:
            message = (
                f"the metric {name} is for {metric.task}, "
                f"the loss {loss.registered_name} for {loss.task}"
            )
            fitting = [n for n, m in registered(Metric).items() if m.task == loss.task]
            fix = f"metrics for {loss.task}: {listed(fitting)}"
            yield Error("config-metric", message, place=place, fix=fix)


_PARTS = ("validation", "train")
_MONITORED = re.compile(r"(?:(?P<part>[a-z]+) *[/_.: -] *)?(?P<name>\w+)", re.I)


def _monitor(
    monitor: str, metrics: Sequence[Metric], resolved: Resolved
) -> Iterator[Error]:
    numbers = ["loss", *(m.registered_name for m in metrics if not m.is_table)]
    known = [f"{part}/{name}" for part in _PARTS for name in numbers]
    if monitor in known:
        return
    fix: str = _meant(monitor, numbers) or f"computed are: {listed(known)}"
    found = _MONITORED.fullmatch(monitor)
    metric = registered(Metric).get(found["name"]) if found else None
    if found and metric and not metric.is_table and found["name"] not in numbers:
        fix = f"add {found['name']} to metrics"
    yield Error(
        "config-monitor",
        f"{show(monitor)} is monitored but not computed",
        place=resolved.place(("train", "stop", "monitor")),
        fix=fix,
    )


def _meant(monitor: str, numbers: Sequence[str]) -> Fix | None:
    """What `val_loss` and `validation/acc` mean; without its part one is supposed."""
    found = _MONITORED.fullmatch(monitor)
    part = suggest(found["part"], _PARTS) if found and found["part"] else None
    parted = found and (part or "/" in monitor)
    name = suggest(found["name"] if found and parted else monitor, numbers)
    if not name or not isinstance(name.edit, Instead):
        return None
    chosen = part.edit if part else None
    supposed = chosen.value if isinstance(chosen, Instead) else _PARTS[0]
    meant = f"{supposed}/{name.edit.value}"
    edit = Instead(meant) if chosen else None
    return Fix(f'did you mean "{meant}"?', edit)
