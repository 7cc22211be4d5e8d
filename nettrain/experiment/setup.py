"""From a resolved config to everything a run needs, with every mistake at its line."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nettrain.component import dump
from nettrain.config import Resolved, resolve, write_resolved
from nettrain.data.dataset import Dataset, prepare
from nettrain.diagnose import DiagnoseConfig
from nettrain.diagnose.statistics import interval
from nettrain.errors import Error, Place, raise_all
from nettrain.execute import EXECUTORS
from nettrain.experiment.schema import Experiment
from nettrain.graph import leaf
from nettrain.nn import Activation, Layer, Loss, Sequential, Trace, walk
from nettrain.training.loop import Plan
from nettrain.training.network import Recipe, trace_step

Source = str | os.PathLike[str] | Mapping[str, Any]


@dataclass(frozen=True)
class Setup:
    """One experiment, ready to run.

    Attributes:
        resolved: the config and its places.
        experiment: its components, with executor decided and paths absolute.
        dataset: prepared data.
        recipe: what to train.
    """

    resolved: Resolved
    experiment: Experiment
    dataset: Dataset
    recipe: Recipe

    def plan(self, **changes: Any) -> Plan:
        """How to train it."""
        experiment = self.experiment
        return Plan(
            parts=self.dataset.parts,
            config=experiment.train,
            schedule=experiment.optimizer.schedule,
            metrics=experiment.metrics,
            seed=experiment.seed,
            batch_size=experiment.data.batch_size,
            evaluation_batch_size=experiment.data.evaluation_batch_size,
            shuffle=experiment.data.shuffle,
            **changes,
        )

    def resolved_yaml(self) -> str:
        """`config.resolved.yaml`: every value, with where it came from."""
        return write_resolved(dump(self.experiment), self.resolved.source)

    @property
    def config_sha256(self) -> str:
        """Of every value of the config, wherever it came from."""
        plain = write_resolved(dump(self.experiment), lambda path: "")
        return hashlib.sha256(plain.encode()).hexdigest()


def set_up(source: Source, overrides: Sequence[str] = ()) -> Setup:
    """Read a config, build its components, read its data, and check that all fits.

    Raises:
        Error: with every mistake found, each with its place.
    """
    resolved = resolve(source, overrides, schema=Experiment)
    experiment = _decided(resolved.build(), resolved)
    raise_all(list(_inconsistencies(experiment, resolved)))
    dataset = prepare(
        experiment.data,
        seed=experiment.seed,
        dtype=experiment.dtype,
        place=resolved.place,
        task=experiment.loss.task,
    )
    recipe = _recipe(experiment, resolved, dataset)
    raise_all(list(_misfits(experiment, resolved, dataset, recipe)))
    experiment = _with_interval(experiment, resolved, dataset, recipe)
    return Setup(resolved, experiment, dataset, recipe)


def _decided(experiment: Experiment, resolved: Resolved) -> Experiment:
    """Nothing left to the machine: absolute paths, and an executor by name."""

    def locate(path: tuple[str | int, ...], name: str) -> str:
        return os.path.abspath(Path(resolved.base(path)) / name)

    executor = experiment.executor
    if executor == "auto":
        executor = next(iter(EXECUTORS))  # type: ignore[assignment]
    data = experiment.data.located(locate)
    diagnose = experiment.diagnose
    if diagnose is True:
        diagnose = DiagnoseConfig()
    return replace(experiment, data=data, executor=executor, diagnose=diagnose)


def _with_interval(
    experiment: Experiment, resolved: Resolved, dataset: Dataset, recipe: Recipe
) -> Experiment:
    """Decide how often all statistics are taken: by the graph, not by a clock."""
    batch = min(experiment.data.batch_size, len(dataset.parts["train"]))
    try:
        step = trace_step(recipe, batch)
    except Error as error:
        raise _at(error, resolved.place(("model",))) from None
    diagnose = experiment.diagnose
    if isinstance(diagnose, bool) or step.watch is None or diagnose.every != "auto":
        return experiment
    every = interval(step.definition.roots(), step.watch.observers.values())
    return replace(experiment, diagnose=replace(diagnose, every=every))


def _recipe(experiment: Experiment, resolved: Resolved, dataset: Dataset) -> Recipe:
    train, preparation = dataset.parts["train"], dataset.preparation
    try:
        outputs = experiment.loss.outputs_for(
            len(preparation.classes), len(preparation.target_names)
        )
        loss: Loss = experiment.loss.fitted(train.targets, len(preparation.classes))
    except Error as error:
        raise _at(error, resolved.place(("loss",))) from None
    return Recipe(
        model=Sequential(list(experiment.model)),
        loss=loss,
        optimizer=experiment.optimizer,
        inputs=train.inputs.shape[1:],
        targets=train.targets.shape[1:],
        targets_dtype=train.targets.dtype.name,
        outputs=outputs,
        seed=experiment.seed,
        dtype=experiment.dtype,
        origins=dict(_origins(experiment.model, resolved)),
        clip_norm=experiment.train.clip_norm,
        clip_value=experiment.train.clip_value,
        diagnose=experiment.diagnose is not False,
    )


def _origins(model: Sequence[Layer], resolved: Resolved) -> Iterator[tuple[str, str]]:
    """For each layer's path the `file:line` of its config."""
    for path, where, _ in walk(model, "model", ("model",)):
        place = resolved.place(where)
        if place.line is not None:
            yield path, f"{place.file}:{place.line}"


def _at(error: Error, place: Place) -> Error:
    """The same error at a place of the config."""
    code = "config-" + error.code.partition("-")[2]
    return Error(code, error.message, place=error.place or place, fix=error.fix)


# ---------------------------------------------------------------- checks


def _inconsistencies(experiment: Experiment, resolved: Resolved) -> Iterator[Error]:
    """What is wrong whatever the data are."""
    if not experiment.model:
        message = "the model has no layers"
        yield Error("config-model", message, place=resolved.place(("model",)))
    yield from _activation_before_loss(experiment, resolved)
    yield from _metrics_of_another_task(experiment, resolved)
    task = experiment.data.task
    if task is not None and task != experiment.loss.task:
        yield Error(
            "config-task",
            f"the loss {experiment.loss.registered_name} is for "
            f"{experiment.loss.task}, the data say {task}",
            place=resolved.place(("loss",)),
            fix="choose another loss, or leave data.task out",
        )
    stop = experiment.train.stop
    if stop is not None and (message := _unknown_monitor(experiment, stop.monitor)):
        place = resolved.place(("train", "stop", "monitor"))
        yield Error("config-monitor", message, place=place, fix=_monitors(experiment))


def _activation_before_loss(
    experiment: Experiment, resolved: Resolved
) -> Iterator[Error]:
    """A softmax before a loss that applies it is applied twice."""
    if not experiment.model:
        return
    last = experiment.model[-1]
    index = len(experiment.model) - 1
    path: tuple[str | int, ...] = ("model", index)
    activation: Layer = last
    if not isinstance(last, Activation):
        activation = getattr(last, "activation", last)
        path = (*path, last.registered_name, "activation")
    applied = experiment.loss.applies
    own = activation.registered_name
    if applied and own in (applied, f"log_{applied}"):
        loss = experiment.loss.registered_name
        yield Error(
            "config-double-activation",
            f"the last layer applies {own}, and the loss {loss} applies {applied} "
            "itself",
            place=resolved.place(path),
            fix=f"remove {own} from the last layer",
        )


def _metrics_of_another_task(
    experiment: Experiment, resolved: Resolved
) -> Iterator[Error]:
    for i, metric in enumerate(experiment.metrics):
        if metric.task != experiment.loss.task:
            yield Error(
                "config-metric",
                f"the metric {metric.registered_name} is for {metric.task}, the loss "
                f"{experiment.loss.registered_name} for {experiment.loss.task}",
                place=resolved.place(("metrics", i)),
                fix="remove it, or choose one of the same task",
            )


def _known_monitors(experiment: Experiment) -> list[str]:
    names = ["loss", *(m.registered_name for m in experiment.metrics if not m.is_table)]
    return [f"{part}/{name}" for part in ("validation", "train") for name in names]


def _unknown_monitor(experiment: Experiment, monitor: str) -> str:
    if monitor in _known_monitors(experiment):
        return ""
    return f'"{monitor}" is monitored but not computed'


def _monitors(experiment: Experiment) -> str:
    return "computed are: " + ", ".join(_known_monitors(experiment))


def _misfits(
    experiment: Experiment, resolved: Resolved, dataset: Dataset, recipe: Recipe
) -> Iterator[Error]:
    """What does not fit the data."""
    stop = experiment.train.stop
    validated = "validation" in dataset.parts
    if stop and stop.monitor.startswith("validation/") and not validated:
        yield Error(
            "config-monitor",
            f'"{stop.monitor}" is monitored, but no rows are kept for validation',
            place=resolved.place(("train", "stop", "monitor")),
            fix="say data.split: {validation: 0.15}, or monitor train/loss",
        )
    yield from _untraceable(experiment, resolved, recipe)


def _untraceable(
    experiment: Experiment, resolved: Resolved, recipe: Recipe
) -> Iterator[Error]:
    """Trace the model on two rows: do its layers fit each other and the targets?"""
    trace = Trace(training=True, seed=0, dtype=recipe.dtype, outputs=recipe.outputs)
    x = leaf("input", "inputs", (2, *recipe.inputs), recipe.dtype)
    try:
        outputs = trace.call(recipe.model, x, "model")
    except Error as error:
        yield _at(error, _place_of(trace.failed, experiment, resolved))
        return
    if outputs.shape != (2, recipe.outputs):
        yield _head_misfit(outputs.shape, experiment, resolved, recipe)


def _place_of(path: str, experiment: Experiment, resolved: Resolved) -> Place:
    """The config line of a layer, by its path."""
    for layer, where, _ in walk(experiment.model, "model", ("model",)):
        if layer == path:
            return resolved.place(where)
    return resolved.place(("model",))


def _head_misfit(
    shape: tuple[int, ...], experiment: Experiment, resolved: Resolved, recipe: Recipe
) -> Error:
    last = experiment.model[-1]
    path: tuple[str | int, ...] = ("model", len(experiment.model) - 1)
    if hasattr(last, "units"):
        path = (*path, last.registered_name, "units")
    needed = recipe.outputs
    what = "classes" if experiment.loss.task == "classification" else "targets"
    if experiment.loss.registered_name == "binary_cross_entropy":
        what = "output that tells two classes apart"
    return Error(
        "config-head",
        f"the model gives {shape[1:]} for each row, but the data need {needed} {what}",
        place=resolved.place(path),
        fix=f"end the model with `dense: {needed}`, or `dense: auto`",
    )
