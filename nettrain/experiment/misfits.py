"""What does not fit the data: found by tracing the model for batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nettrain.component import Fix, Instead, Path, show
from nettrain.config import Resolved
from nettrain.data.dataset import Dataset
from nettrain.errors import Error, Place
from nettrain.experiment.consistency import last_layer
from nettrain.experiment.schema import Experiment
from nettrain.graph import leaf
from nettrain.nn import Dense, Layer, Linear, Trace, walk
from nettrain.optim import unmatched
from nettrain.training.programs import Recipe
from nettrain.training.settings import Stop, TrainConfig

LARGEST = 2**62
"""Bytes of the largest array that NumPy can speak of."""


def placed(error: Error, place: Place) -> Error:
    """The same error at a place of the config, which is what it is about now."""
    family, _, kind = error.code.partition("-")
    code = error.code if family == "memory" else f"config-{kind}"
    return Error(code, error.message, place=error.place or place, fix=error.fix)


def needs_validation(stop: Stop) -> bool:
    """Whether the metric that is watched is one of the validation part."""
    return stop.monitor.startswith("validation/")


def unmonitored(
    train: TrainConfig, resolved: Resolved, dataset: Dataset
) -> Iterator[Error]:
    """A metric of the validation part is watched, and there is no such part."""
    stop = train.stop
    if not stop or not needs_validation(stop) or "validation" in dataset.parts:
        return
    written = resolved.source(("train", "stop", "monitor")) != "default"
    wanted = stop.patience is not None or stop.target is not None or stop.restore_best
    if written or wanted:
        yield Error(
            "config-monitor",
            f"{show(stop.monitor)} is monitored, but no rows are kept for validation",
            place=resolved.place(("train", "stop", "monitor")),
            fix="say data.split: {validation: 0.15}, or monitor: train/loss",
        )


def misfits(
    experiment: Experiment, resolved: Resolved, dataset: Dataset, recipe: Recipe
) -> Iterator[Error]:
    """Trace full and last batches: do the layers fit each other, data and loss?"""
    rows = len(dataset.parts["train"])
    size = min(experiment.data.batch_size, rows)
    last = rows % size
    for batch in (size, last) if last else (size,):
        trace = Trace(
            dtype=recipe.dtype,
            outputs=recipe.outputs,
            symbols=recipe.symbols,
            begin=recipe.begin,
        )
        x = leaf("input", "inputs", (batch, *recipe.inputs), recipe.dtype)
        try:
            outputs = trace.call(recipe.model, x, "model")
        except Error as error:
            if batch == last:
                message = f"{error.message}: of {rows} rows the last batch has {last}"
                error = Error(error.code, message, fix=error.fix)
            yield placed(error, _place_of(trace.failed, experiment, resolved))
            return
    yield from _too_large(trace, experiment, resolved)
    trained = [path for path, made in trace.parameters.items() if made.trainable]
    for where, error in unmatched(experiment.optimizer, trained):
        yield placed(error, resolved.place(("optimizer", *where)))
    if outputs.shape[1:] != (*recipe.positions, recipe.outputs):
        yield _head_misfit(outputs.shape[1:], experiment, resolved, recipe)


def _too_large(
    trace: Trace, experiment: Experiment, resolved: Resolved
) -> Iterator[Error]:
    for path, parameter in trace.parameters.items():
        if parameter.node.spec.nbytes > LARGEST:
            shape = " × ".join(map(str, parameter.node.shape))
            yield Error(
                "memory-full",
                f"{path} of {shape} numbers is larger than any array can be",
                place=_place_of(parameter.layer_path, experiment, resolved),
                fix="give the layer fewer units",
            )


def _place_of(path: str, experiment: Experiment, resolved: Resolved) -> Place:
    """The config line of a layer, by its path."""
    for name, where, layer in walk(experiment.model, "model", ("model",)):
        if name == path:
            return resolved.place((*where, layer.registered_name), key=True)
    return resolved.place(("model",))


def _head_misfit(
    shape: tuple[int, ...], experiment: Experiment, resolved: Resolved, recipe: Recipe
) -> Error:
    """The model gives another number of outputs than the loss needs."""
    path, last = _head(experiment.model)
    needed, loss = recipe.outputs, experiment.loss
    given = " × ".join(map(str, shape))
    if recipe.positions and len(shape) == 1:
        fix = "let recurrent layers give what every step has: outputs: all"
    elif len(shape) > 1 and not recipe.positions:
        fix = "put `flatten` before the last dense layer"
    elif hasattr(last, "units"):
        path = (*path, last.registered_name, "units")
        fix = f"end the model with `dense: {needed}`, or `dense: auto`"
        # With an activation it may be that another was to follow; one output, or one
        # that is needed, may be right for another loss.
        linear = isinstance(last, Dense) and isinstance(last.activation, Linear)
        if linear and loss.task == "classification" and 1 not in (needed, last.units):
            fix = Fix(fix, Instead("auto"))
    else:
        fix = f"add `dense: {needed}`, or `dense: auto`, at the end"
    each = "each row"
    if recipe.positions:
        each = f"each of {recipe.positions[0]} positions"
    what = f"the loss {loss.registered_name} needs {needed} for {each}"
    if loss.task == "regression":
        what += ", one for each target"
    elif needed > 1:
        what += ", one for each class"
    outputs = "1 output" if given == "1" else f"{given} outputs"
    message = f"the model gives {outputs}, {what}"
    return Error("config-head", message, place=resolved.place(path), fix=fix)


def _head(model: Sequence[Layer]) -> tuple[Path, Layer]:
    """The last layer that has a say in the number of outputs, and its place."""
    for end in range(len(model), 0, -1):
        path, layer = last_layer(model[:end])
        if hasattr(layer, "units") or next(layer.children(), None):
            return path, layer
    return last_layer(model)
