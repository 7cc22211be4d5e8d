"""Deciding what the columns mean: kinds, target, task and classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nettrain.component import suggest
from nettrain.data.schema import Class, Column, Schema
from nettrain.data.settings import DataConfig, Kind, Policy
from nettrain.data.sources import Loaded, Placer, Task
from nettrain.data.table import Table
from nettrain.errors import Error, Place, raise_all

FEW = 20
"""Integers with at most so many different values are taken for classes."""


def decide(
    config: DataConfig, loaded: Loaded, place: Placer, task: Task | None
) -> Schema:
    """The schema of the training table, or all contradictions of the config to it.

    Args:
        task: what the loss asks for, where the config does not say it.
    """
    table = loaded.tables["train"]
    targets = _target_names(config, loaded)
    raise_all(list(_contradictions(config, table, targets, place)))
    features = tuple(
        Column(name, _kind(config, table, name), _policy(config, name))
        for name in table.names
        if name not in targets and config.columns.get(name) != "ignore"
    )
    columns = tuple(
        Column(name, _kind(config, table, name), _target_policy(config, name))
        for name in targets
    )
    decided = config.task or task or loaded.task or _infer_task(table, columns)
    schema = Schema(features, columns, decided)
    raise_all(list(_misfits(config, loaded, schema, place)))
    if decided == "regression":
        return schema
    classes = _classes(table, schema, place)
    return Schema(features, columns, decided, classes)


def _target_names(config: DataConfig, loaded: Loaded) -> tuple[str, ...]:
    if config.target is None:
        return loaded.targets
    return (config.target,) if isinstance(config.target, str) else config.target


def _kind(config: DataConfig, table: Table, name: str) -> Kind:
    declared = config.columns.get(name)
    if declared in ("numeric", "categorical"):
        return declared
    return "numeric" if table.kind(name) == "numeric" else "categorical"


def _policy(config: DataConfig, name: str) -> Policy:
    if isinstance(config.missing, dict):
        return config.missing.get(name, "error")
    return config.missing


def _target_policy(config: DataConfig, name: str) -> Policy:
    """Targets are never made up: filling in concerns the inputs alone."""
    return "drop" if _policy(config, name) == "drop" else "error"


# ---------------------------------------------------------------- what can be wrong


def _contradictions(
    config: DataConfig, table: Table, targets: tuple[str, ...], place: Placer
) -> Iterator[Error]:
    """Names that the table lacks, and settings that contradict each other."""
    at_target = place(("data", "target"))
    if not targets:
        yield Error(
            "config-missing-key",
            "data: the target is not said",
            place=place(("data",)),
            fix=f"add target: {table.names[-1]}, or another of {_listed(table.names)}",
        )
    for position, name in enumerate(targets):
        if name in targets[:position]:
            message = f'the target "{name}" is named twice'
            yield Error("config-value", message, place=at_target)
        elif name not in table.names:
            yield _unknown(name, table, at_target)
        elif config.columns.get(name) == "ignore":
            message = f'the target "{name}" is ignored'
            where = place(("data", "columns", name))
            yield Error("config-columns", message, place=where)
    keys = [("columns", name) for name in config.columns]
    if isinstance(config.missing, dict):
        keys += [("missing", name) for name in config.missing]
    for key, name in keys:
        if name not in table.names:
            yield _unknown(name, table, place(("data", key, name)))
    used = set(table.names) - set(targets)
    if targets and used <= {
        n for n, kind in config.columns.items() if kind == "ignore"
    }:
        message = f"{table.label} has no column left to learn from"
        yield Error("config-columns", message, place=place(("data", "columns")))


def _unknown(name: str, table: Table, where: Place | None) -> Error:
    fix = suggest(name, table.names) or f"the columns are: {_listed(table.names)}"
    if len(table.names) == 1 and ";" in table.names[0]:
        fix = f'say source: {{file: {{path: {table.label}, delimiter: ";"}}}}'
    message = f'{table.label} has no column "{name}"'
    return Error("config-unknown-column", message, place=where, fix=fix)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "")


def _misfits(
    config: DataConfig, loaded: Loaded, schema: Schema, place: Placer
) -> Iterator[Error]:
    """A task that the targets do not allow, a filling that the column does not."""
    table, task = loaded.tables["train"], schema.task
    key = ("data", "task") if config.task else ("data", "target")
    where = place(key) or place(("data", "source"))
    names = ", ".join(f'"{column.name}"' for column in schema.targets)
    if task == "classification" and len(schema.targets) > 1:
        message = f"a classification has one target, not {names}"
        yield Error("config-task", message, place=where)
    elif task == "classification" and loaded.task == "regression":
        message = f"{table.label} is a regression: its target is a quantity"
        yield Error("config-task", message, place=place(("data", "source")))
    for column in schema.targets:
        if task == "regression" and column.kind == "categorical":
            message = f'the target "{column.name}" is text, a regression needs numbers'
            fix = "say task: classification, with the loss cross_entropy"
            yield Error("config-task", message, place=where, fix=fix)
    if task == "regression" and config.split.stratify is True:
        message = f"stratify: true needs classes, and {names} is a regression target"
        fix = "remove stratify, or say task: classification"
        at = place(("data", "split", "stratify"))
        yield Error("config-stratify", message, place=at, fix=fix)
    yield from _bad_policies(config, schema, table, place)


def _bad_policies(
    config: DataConfig, schema: Schema, table: Table, place: Placer
) -> Iterator[Error]:
    for column in schema.features:
        if column.kind == "categorical" and column.missing in ("mean", "median"):
            single = isinstance(config.missing, dict)
            if not single and "" not in table.texts(column.name):
                continue
            key = ("data", "missing", column.name) if single else ("data", "missing")
            message = f'column "{column.name}" is text and has no {column.missing}'
            fix = f"say missing: {{{column.name}: most_frequent}}"
            yield Error("config-missing", message, place=place(key), fix=fix)
        elif column.kind == "numeric" and not _any_cell(table, column.name):
            message = f'column "{column.name}" is empty'
            fix = f"leave it out with data.columns: {{{column.name}: ignore}}"
            top = Place(table.label, 1 if table.locate else None)
            yield Error("data-empty-column", message, place=top, fix=fix)
    for column in schema.targets:
        policy = _policy(config, column.name)
        if isinstance(config.missing, dict) and policy not in ("error", "drop"):
            message = f'the target "{column.name}" cannot be filled in with a {policy}'
            fix = f"say missing: {{{column.name}: drop}}"
            at = place(("data", "missing", column.name))
            yield Error("config-missing", message, place=at, fix=fix)


# ---------------------------------------------------------------- task and classes


def _any_cell(table: Table, name: str) -> bool:
    values, invalid = table.numbers(name)
    return bool((invalid | ~np.isnan(values)).any())


def _infer_task(table: Table, targets: tuple[Column, ...]) -> Task:
    """Texts, booleans or few integers: classification; else regression."""
    if len(targets) > 1:
        return "regression"
    if targets[0].kind == "categorical":
        return "classification"
    values = np.unique(_present(table, targets[0].name))
    whole = bool((values == np.floor(values)).all())
    few = len(values) <= min(FEW, max(2, len(table) // 2))
    return "classification" if whole and few else "regression"


def _present(table: Table, name: str) -> np.ndarray:
    values = table.numbers(name).values
    present: np.ndarray = values[np.isfinite(values)]
    return present


def _classes(table: Table, schema: Schema, place: Placer) -> tuple[Class, ...]:
    (column,) = schema.targets
    classes: list[Class]
    if column.kind == "categorical":
        classes = sorted(set(table.texts(column.name).tolist()) - {""})
    else:
        values = np.unique(_present(table, column.name))
        broken = values[values != np.floor(values)]
        if len(broken):
            raise Error(
                "config-task",
                f'{broken[0]:g} in the target "{column.name}" is no class: '
                "classes are integers or texts",
                place=place(("data", "target")) or place(("data", "source")),
                fix="say task: regression, with the loss mse",
            )
        classes = [int(value) for value in values]
    if len(classes) < 2:
        raise Error(
            "data-one-class",
            f'the target "{column.name}" of {table.label} has fewer than two classes',
            place=place(("data", "target")) or place(("data", "source")),
        )
    return tuple(classes)
