"""From a resolved config to everything a run needs, with every mistake at its line."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nettrain.component import Problem, build, dump, field_types, show
from nettrain.config import Resolved, is_path, resolve, write_resolved
from nettrain.data.dataset import Dataset, prepare
from nettrain.data.settings import DataConfig
from nettrain.diagnose import DiagnoseConfig
from nettrain.diagnose.statistics import interval
from nettrain.errors import Error, raise_all
from nettrain.execute import EXECUTORS
from nettrain.experiment import available, tuning
from nettrain.experiment.available import size
from nettrain.experiment.consistency import (
    contradictory,
    flaws,
    inconsistencies,
)
from nettrain.experiment.kind import refuse_sweep
from nettrain.experiment.misfits import (
    misfits,
    needs_validation,
    placed,
    unmonitored,
)
from nettrain.experiment.schema import Experiment, Trained, Tuned
from nettrain.experiment.tunable import tunable
from nettrain.nn import Loss, Sequential, walk
from nettrain.training.loop import Plan
from nettrain.training.programs import Recipe, Step, trace_step

Source = str | os.PathLike[str] | Mapping[str, Any]

FEWER_ROWS = "train on fewer rows, or on a machine with more memory"
RESOLVED = tuning.RESOLVED
"""The file of a run that it can be set up from again."""
CONFIG = "config"
"""Where `Recipe.origins` has the config's own first line."""


@dataclass(frozen=True)
class Setup:
    """One experiment, ready to run.

    Attributes:
        resolved: the config and its places.
        experiment: its components, with executor decided and paths absolute.
        dataset: prepared data.
        recipe: what to train.
        step: its training step, traced for a full batch.
        begin: what it begins with of another run, if it does.
        notes: what there is to say of that.
    """

    resolved: Resolved
    experiment: Experiment
    dataset: Dataset
    recipe: Recipe
    step: Step
    begin: tuning.Source | None = None
    notes: tuple[str, ...] = ()

    def plan(self, **changes: Any) -> Plan:
        """How to train it."""
        experiment, train = self.experiment, self.experiment.train
        rows = experiment.data.batch_size * train.accumulate
        return Plan(
            parts=self.dataset.parts,
            config=train,
            schedule=experiment.optimizer.schedule,
            metrics=experiment.metrics,
            seed=experiment.seed,
            batch_size=min(rows, len(self.dataset.parts["train"])),
            evaluation_batch_size=experiment.data.evaluation_batch_size,
            shuffle=experiment.data.shuffle,
            augment=experiment.data.augment,
            **changes,
        )

    def resolved_yaml(self) -> str:
        """`config.resolved.yaml`: every value, with where it came from."""
        return write_resolved(dump(self.experiment), self.resolved.source)

    def begin_file(self) -> bytes:
        """`first.safetensors`: what it begins with, so that it can be set up again."""
        assert self.begin is not None
        made_from = self.config_sha256, self.dataset.sha256
        return self.begin.file(self.experiment.seed, *made_from)

    @property
    def config_sha256(self) -> str:
        """Of every value of the config, wherever it came from."""
        plain = write_resolved(dump(self.experiment), lambda path: "")
        return hashlib.sha256(plain.encode()).hexdigest()


def set_up(
    source: Source, overrides: Sequence[str] = (), known: Setup | None = None
) -> Setup:
    """Read a config, build its components, read its data, and check that all fits.

    Args:
        known: another experiment, whose data are taken where they are the same.

    Raises:
        Error: with every mistake found, each with its place.
    """
    return _set_up(resolve(source, overrides, schema=Experiment), known)


def mistakes(resolved: Resolved) -> Sequence[Error]:
    """Whatever is wrong with a config; its data are read for that."""
    try:
        if resolved.schema is Experiment:
            _set_up(resolved)
    except Error as error:
        return getattr(error, "errors", (error,))
    return ()


def _set_up(resolved: Resolved, known: Setup | None = None) -> Setup:
    refuse_sweep(resolved)
    experiment, problems = resolved.built()
    given = _sections(resolved) if problems else dict(vars(experiment))
    errors = [*resolved.errors(problems), *inconsistencies(given, resolved)]
    if isinstance(given.get("model"), Tuned) and not tuning.has_layers(resolved):
        del given["model"]  # the run's own cannot be had, as one of the errors says
    if "model" in given and (flawed := list(flaws(given["model"], resolved))):
        errors += flawed
        del given["model"]
    begin = None
    if isinstance(given.get("model"), Tuned):
        with _gathered(errors):
            begin = tuning.source(given["model"], resolved)
    dataset = recipe = None
    if given.keys() >= {"data", "loss"} and not contradictory(given):
        with _gathered(errors):
            dataset = _dataset(Experiment(**{"model": (), **given}), resolved, known)
    if dataset and "model" in given:
        with _gathered(errors):
            recipe = _recipe(Experiment(**given), resolved, dataset)
            recipe = replace(recipe, begin=begin.begin) if begin else recipe
    if dataset and given.get("train"):
        errors += unmonitored(given["train"], resolved, dataset)
    if dataset and recipe:
        errors += misfits(Experiment(**given), resolved, dataset, recipe)
    raise_all(resolved.ordered(errors))
    assert dataset and recipe
    step = _traced(experiment, resolved, dataset, recipe)
    notes = _notes(begin, resolved, dataset, recipe, step)
    experiment = replace(experiment, model=begin.model) if begin else experiment
    experiment = _with_interval(_decided(experiment, resolved, dataset), step)
    return Setup(resolved, experiment, dataset, recipe, step, begin, notes)


def _notes(
    begin: tuning.Source | None,
    resolved: Resolved,
    dataset: Dataset,
    recipe: Recipe,
    step: Step,
) -> tuple[str, ...]:
    if begin is None:
        return ()
    try:
        classes = dataset.preparation.classes
        return tuning.notes(begin, recipe, step.trace, classes)
    except Error as error:
        path = ("model", "freeze") if error.code == "config-freeze" else tuning.FROM
        raise placed(error, resolved.place(path)) from None


def _sections(resolved: Resolved) -> dict[str, Any]:
    """Each section of the config that can be built, whatever is wrong with others."""
    given: dict[str, Any] = {}
    for field in dataclasses.fields(Experiment):
        if field.name in resolved.value:
            problems: list[Problem] = []
            annotation = field_types(Experiment)[field.name]
            built = build(annotation, resolved.value[field.name], (), problems)
            if not problems:
                given[field.name] = built
        elif field.default_factory is not dataclasses.MISSING:
            given[field.name] = field.default_factory()
        elif field.default is not dataclasses.MISSING:
            given[field.name] = field.default
    return given


@contextlib.contextmanager
def _gathered(errors: list[Error]) -> Iterator[None]:
    """Add what is raised inside to the errors found so far."""
    try:
        yield
    except Error as error:
        errors += getattr(error, "errors", (error,))


OF_BATCHES = ("batch_size", "evaluation_batch_size", "shuffle")
"""Settings of the data that say nothing of what is read and prepared."""


def _dataset(
    experiment: Experiment, resolved: Resolved, known: Setup | None
) -> Dataset:
    data = _located(experiment.data, resolved)
    experiment = replace(experiment, data=data)
    if known and _asked(known.experiment) == _asked(experiment):
        return known.dataset
    _refuse_too_large(data, resolved)
    return prepare(
        data,
        seed=experiment.seed,
        dtype=experiment.dtype,
        place=resolved.place,
        task=experiment.loss.task,
    )


def _asked(experiment: Experiment) -> str:
    """All that decides what the prepared data are."""
    data = {k: v for k, v in dump(experiment.data).items() if k not in OF_BATCHES}
    return repr((data, experiment.seed, experiment.dtype, experiment.loss.task))


def _refuse_too_large(data: DataConfig, resolved: Resolved) -> None:
    """Refuse data that cannot fit into memory before any of them is read or made."""
    needed, limit, held = data.nbytes, available.limit(), available.held()
    if needed and limit and held + needed > limit.nbytes:
        message = (
            f"the data need {size(needed)} of memory at least, and "
            f"{size(max(0, limit.nbytes - held))} are available ({limit.name})"
        )
        place = resolved.place(("data", "source"))
        raise Error("memory-needed", message, place=place, fix=FEWER_ROWS)


def located(experiment: Experiment, resolved: Resolved) -> Experiment:
    """The same with absolute paths, so that it can be written anywhere."""
    model = experiment.model
    if isinstance(model, Tuned):
        path = os.path.abspath(resolved.base(tuning.FROM) / model.from_)
        model = replace(model, from_=Trained(path))
    data = _located(experiment.data, resolved)
    return replace(experiment, data=data, model=model)


def _located(data: DataConfig, resolved: Resolved) -> DataConfig:
    """The data with absolute paths."""

    def locate(path: tuple[str | int, ...], name: str) -> str:
        if not is_path(name):
            message = f"no file can be called {show(name)}"
            raise Error("config-type", message, place=resolved.place(path))
        return os.path.abspath(Path(resolved.base(path)) / name)

    return data.located(locate)


def _decided(
    experiment: Experiment, resolved: Resolved, dataset: Dataset
) -> Experiment:
    """Nothing left to the machine: absolute paths, an executor by name."""
    executor: Any = experiment.executor
    if executor == "auto":
        executor = next(iter(EXECUTORS))
    diagnose = experiment.diagnose
    if diagnose is True:
        diagnose = DiagnoseConfig()
    train, stop = experiment.train, experiment.train.stop
    if stop and needs_validation(stop) and "validation" not in dataset.parts:
        # No row is kept to validate on, and nothing that was asked for depends on it.
        train = replace(train, stop=replace(stop, monitor="train/loss"))
    data = _located(experiment.data, resolved)
    return replace(
        experiment, data=data, executor=executor, diagnose=diagnose, train=train
    )


def _traced(
    experiment: Experiment, resolved: Resolved, dataset: Dataset, recipe: Recipe
) -> Step:
    """The training step for a full batch, with its gradients and updates."""
    try:
        batch = min(experiment.data.batch_size, len(dataset.parts["train"]))
        return trace_step(recipe, batch)
    except Error as error:
        raise placed(error, resolved.place(("model",))) from None


def _with_interval(experiment: Experiment, step: Step) -> Experiment:
    """Decide how often all statistics are taken: by the graph, not by a clock."""
    diagnose = experiment.diagnose
    if isinstance(diagnose, bool) or step.watch is None or diagnose.every != "auto":
        return experiment
    computed = [*step.definition.roots(), *(step.ending.roots() if step.ending else ())]
    every = interval(computed, step.watch.observers.values())
    # They are taken of one of an update's batches, and the interval is of updates.
    every = -(-every // experiment.train.accumulate)
    return replace(experiment, diagnose=replace(diagnose, every=every))


def _recipe(experiment: Experiment, resolved: Resolved, dataset: Dataset) -> Recipe:
    train, preparation = dataset.parts["train"], dataset.preparation
    try:
        outputs = experiment.loss.outputs_for(
            len(preparation.classes), len(preparation.target_names)
        )
        loss: Loss = experiment.loss.fitted(train.targets, len(preparation.classes))
    except Error as error:
        path = ("loss", experiment.loss.registered_name, "class_weights")
        weights = error.code == "config-class-weights"
        place = resolved.place(path if weights else ("loss",))
        raise placed(error, place) from None
    return Recipe(
        model=Sequential(list(experiment.model)),
        loss=loss,
        optimizer=experiment.optimizer,
        inputs=train.inputs.shape[1:],
        targets=train.targets.shape[1:],
        targets_dtype=train.targets.dtype.name,
        outputs=outputs,
        symbols=preparation.symbols,
        seed=experiment.seed,
        dtype=experiment.dtype,
        origins=dict(_origins(experiment, resolved)),
        clip_norm=experiment.train.clip_norm,
        clip_value=experiment.train.clip_value,
        accumulate=experiment.train.accumulate,
        diagnose=experiment.diagnose is not False,
    )


def _origins(experiment: Experiment, resolved: Resolved) -> Iterator[tuple[str, str]]:
    """`file:line` by path of each layer and setting; of the config itself at CONFIG."""
    places = {
        path: resolved.place(where)
        for path, where, _ in walk(experiment.model, "model", ("model",))
    }
    for setting in tunable(experiment).values():
        try:
            keys = resolved.find(setting.path)
        except Error:  # of a section that could not be built, and told of elsewhere
            continue
        if keys[0] in resolved.value:
            places[setting.path] = resolved.place(keys)
    places[CONFIG] = resolved.place(())
    for path, place in places.items():
        if place.line is not None:
            yield path, f"{place.file}:{place.line}"
