"""Deciding what the columns mean: kinds, target, task and classes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from nettrain.component import listed, suggest
from nettrain.data.schema import Class, Column, Schema
from nettrain.data.settings import DataConfig, Kind, Policy
from nettrain.data.sources import Loaded, Placer, Task
from nettrain.data.table import Table, quoted
from nettrain.errors import Error, Place, raise_all

_REGRESSION = "a regression takes such a target: say loss: mse"
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
    classes = _classes(config, table, schema, place)
    return Schema(features, columns, decided, classes)


def _target_names(config: DataConfig, loaded: Loaded) -> tuple[str, ...]:
    if config.target is None:
        return loaded.targets
    return (config.target,) if isinstance(config.target, str) else config.target


def _at_target(config: DataConfig, place: Placer) -> Place | None:
    """Where the target is named, or the source that knows its own."""
    return place(("data", "source" if config.target is None else "target"))


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
    if not targets:
        yield _no_target(config, table, place)
    for position, name in enumerate(targets):
        path: tuple[str | int, ...] = ("data", "target")
        at_target = place(path if isinstance(config.target, str) else (*path, position))
        if name in targets[:position]:
            message = f'the target "{name}" is named twice'
            yield Error("config-value", message, place=at_target, fix="name it once")
        elif name not in table:
            yield _unknown(name, table, at_target)
        elif config.columns.get(name) == "ignore":
            message = f'the target "{name}" is ignored'
            where = place(("data", "columns", name))
            fix = f"remove {name} from columns, or choose another target"
            yield Error("config-columns", message, place=where, fix=fix)
    keys = [("columns", name) for name in config.columns]
    if isinstance(config.missing, dict):
        keys += [("missing", name) for name in config.missing]
    for key, name in keys:
        if name not in table:
            yield _unknown(name, table, place(("data", key, name), key=True))
    used = set(table.names) - set(targets)
    if targets and used <= {
        n for n, kind in config.columns.items() if kind == "ignore"
    }:
        message = f"{table.label} has no column left to learn from"
        yield Error("config-columns", message, place=place(("data", "columns")))


def _no_target(config: DataConfig, table: Table, place: Placer) -> Error:
    message = f"{table.label}: the column to predict is not said"
    fix = f"add target: with one of {listed(table.names)}"
    if table.shape is not None:
        message = f"{table.label} holds inputs x and no targets y"
        fix = "add the array y, one target for each row of x"
    where = ("data", "target") if config.target is not None else ("data",)
    return Error(
        "config-missing-key",
        message,
        place=place(where, config.target is None),
        fix=fix,
    )


_OTHER_DELIMITERS = {";": ";", "\t": "\\t", "|": "|"}
"""Characters between cells that a .csv file may have, as YAML writes them."""


def _unknown(name: str, table: Table, where: Place | None) -> Error:
    fix = suggest(name, table.names) or f"the columns are: {listed(table.names)}"
    for delimiter, written in _OTHER_DELIMITERS.items():
        if len(table.names) == 1 and delimiter in table.names[0]:
            fix = (
                f'say source: {{file: {{path: {table.label}, delimiter: "{written}"}}}}'
            )
    message = f'{table.label} has no column "{name}"'
    return Error("config-unknown-column", message, place=where, fix=fix)


def _misfits(
    config: DataConfig, loaded: Loaded, schema: Schema, place: Placer
) -> Iterator[Error]:
    """A task that the targets do not allow, a filling that the column does not."""
    table, task = loaded.tables["train"], schema.task
    where = place(("data", "task")) if config.task else _at_target(config, place)
    names = ", ".join(f'"{column.name}"' for column in schema.targets)
    if task == "classification" and len(schema.targets) > 1:
        message = f"a classification has one target, not {names}"
        fix = f"{_REGRESSION}; classes stand in one column, as texts or integers"
        yield Error("config-task", message, place=where, fix=fix)
    elif task == "classification" and loaded.task == "regression":
        message = f"{table.label} is a regression: its target is a quantity"
        at = place(("data", "source"))
        yield Error("config-task", message, place=at, fix=_REGRESSION)
    for column in schema.targets:
        if task == "regression" and column.kind == "categorical":
            message = f'the target "{column.name}" is text, a regression needs numbers'
            fix = "a classification takes such a target: say loss: cross_entropy"
            yield Error("config-task", message, place=where, fix=fix)
    if task == "regression" and config.split.stratify is True:
        message = f"stratify: true needs classes, and {names} is a regression target"
        fix = "remove stratify"
        at = place(("data", "split", "stratify"))
        yield Error("config-stratify", message, place=at, fix=fix)
    yield from _bad_policies(config, schema, table, place)
    yield from _decimal_commas(config, schema, table)


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


_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)


def _decimal_commas(
    config: DataConfig, schema: Schema, table: Table
) -> Iterator[Error]:
    """Numbers that would pass for as many categories, as they are no numbers here."""
    for column in schema.features:
        name = column.name
        if column.kind == "numeric" or name in config.columns:
            continue
        cells = table.texts(name).tolist()
        written = [i for i, cell in enumerate(cells) if _DECIMAL_COMMA.fullmatch(cell)]
        if 2 * len(written) > len(cells) - cells.count(""):
            (found,) = table.find([(written[0], table.position(name))])
            yield Error(
                "data-not-a-number",
                f'{quoted(found.text)} in column "{name}" has a decimal comma',
                place=found.place,
                fix="write numbers with a point, "
                f"or allow it with data.columns: {{{name}: categorical}}",
            )


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


def _one(classes: Sequence[Class]) -> str:
    return f'no class but "{classes[0]}"' if classes else "no classes"


def _classes(
    config: DataConfig, table: Table, schema: Schema, place: Placer
) -> tuple[Class, ...]:
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
                place=_at_target(config, place),
                fix=_REGRESSION,
            )
        classes = [int(value) for value in values]
    if len(classes) < 2:
        raise Error(
            "data-one-class",
            f'the target "{column.name}" of {table.label} has {_one(classes)}, '
            "and a classification tells two or more apart",
            place=_at_target(config, place),
            fix="choose another target, or add rows of other classes",
        )
    return tuple(classes)
