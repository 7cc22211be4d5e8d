"""Deciding what the columns mean: kinds, target, task and classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np

from nettrain.component import listed, show, suggest
from nettrain.data.faults import raise_first
from nettrain.data.odd import AMOUNT, Odd, advice, changes, odd_numbers
from nettrain.data.schema import Class, Column, Schema
from nettrain.data.settings import DataConfig, Kind, Policy
from nettrain.data.sources import FileSource, Loaded, Placer, Task
from nettrain.data.table import PLAIN, Notation, Table, is_number, names_of, setting
from nettrain.errors import Error, Place

_Wrong = Iterator[Callable[[], Error]]
"""What is wrong, told only when it is called: there may be a hundred thousand."""

_REGRESSION = "a regression takes such a target: say loss: mse"
ITSELF = "inputs"
"""The target of an autoencoder."""
FEW = 20
"""Integers with at most so many different values are taken for classes."""
_THOUSANDS = "has thousands that stand apart"
_ODD: dict[Odd, str] = {
    "amounts": "is a number with a sign or commas",
    (PLAIN,): "has a decimal point",
    (Notation(","),): "has a decimal comma",
    (Notation(".", ","), Notation(",")): "has a comma before three digits",
}


def decide(
    config: DataConfig, loaded: Loaded, place: Placer, task: Task | None
) -> Schema:
    """The schema of the training table, or all contradictions of the config to it.

    Args:
        task: what the loss asks for, where the config does not say it.
    """
    table = loaded.tables["train"]
    itself = config.target == ITSELF and ITSELF not in table
    targets = () if itself else _target_names(config, loaded)
    table.refuse_nameless((*config.columns, *targets))
    raise_first(_contradictions(config, loaded, targets, place, itself))
    apart = loaded.targets if itself else targets
    features = tuple(
        Column(name, _kind(config, table, name), _policy(config, name))
        for name in table.names
        if name not in apart and config.columns.get(name) != "ignore"
    )
    columns = tuple(
        Column(name, _kind(config, table, name), _target_policy(config, name))
        for name in targets
    )
    known = "regression" if itself else loaded.task
    decided = config.task or task or known or _infer_task(table, columns)
    ignored = tuple(n for n in table.names if config.columns.get(n) == "ignore")
    schema = Schema(features, columns, decided, ignored=ignored)
    raise_first(_misfits(config, loaded, schema, place))
    if decided == "regression":
        return schema
    classes = _classes(config, table, schema, place)
    return replace(schema, classes=classes)


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
    config: DataConfig,
    loaded: Loaded,
    targets: tuple[str, ...],
    place: Placer,
    itself: bool,
) -> _Wrong:
    """Names that the table lacks, and settings that contradict each other."""
    table = loaded.tables["train"]
    if not targets and not itself:
        yield partial(_no_target, config, loaded, place)
    named: set[str] = set()
    for position, name in enumerate(targets):
        path: tuple[str | int, ...] = ("data", "target")
        path = path if isinstance(config.target, str) else (*path, position)
        if name in named:
            yield partial(_named_twice, name, place, path)
        elif name not in table:
            yield partial(_unknown, name, table, place, path)
        elif config.columns.get(name) == "ignore":
            yield partial(_ignored_target, name, place)
        named.add(name)
    keys = [("columns", name) for name in config.columns]
    if isinstance(config.missing, dict):
        keys += [("missing", name) for name in config.missing]
    for key, name in keys:
        if name not in table:
            yield partial(_unknown, name, table, place, ("data", key, name), key=True)
    ignored = {n for n, kind in config.columns.items() if kind == "ignore"}
    if (targets or itself) and set(table.names) - named <= ignored:
        message = f"{table.label} has no column left to learn from"
        at = place(("data", "columns"))
        yield partial(Error, "config-columns", message, place=at)


def _named_twice(name: str, place: Placer, path: tuple[str | int, ...]) -> Error:
    message = f"the target {show(name)} is named twice"
    return Error("config-value", message, place=place(path), fix="name it once")


def _ignored_target(name: str, place: Placer) -> Error:
    return Error(
        "config-columns",
        f"the target {show(name)} is ignored",
        place=place(("data", "columns", name)),
        fix=f"remove {names_of([name])} from columns, or choose another target",
    )


def _no_target(config: DataConfig, loaded: Loaded, place: Placer) -> Error:
    table = loaded.tables["train"]
    message = f"{table.label}: the column to predict is not said"
    fix = f"add target: with one of {names_of(table.names)}"
    if table.shape is not None:
        message = f"{table.label} holds inputs x and no targets y"
        fix = loaded.lacking
    where = ("data", "target") if config.target is not None else ("data",)
    return Error(
        "config-missing-key",
        message,
        place=place(where, config.target is None),
        fix=fix,
    )


_LOOKED_AT = 10_000
"""Columns among which one is looked for that was perhaps meant."""


def _unknown(
    name: str,
    table: Table,
    place: Placer,
    path: tuple[str | int, ...],
    key: bool = False,
) -> Error:
    near = suggest(name, islice(table.names, _LOOKED_AT))
    fix = near or f"the columns are: {names_of(table.names)}"
    message = f"{table.label} has no column {show(name)}"
    return Error("config-unknown-column", message, place=place(path, key), fix=fix)


def _misfits(
    config: DataConfig, loaded: Loaded, schema: Schema, place: Placer
) -> _Wrong:
    """A task that the targets do not allow, a filling that the column does not."""
    table, task = loaded.tables["train"], schema.task
    where = place(("data", "task")) if config.task else _at_target(config, place)
    names = listed(show(column.name) for column in schema.targets) or "the inputs"
    if task == "classification" and len(schema.targets) != 1:
        message = f"a classification has one target, not {names}"
        fix = f"{_REGRESSION}; classes stand in one column, as texts or integers"
        yield partial(Error, "config-task", message, place=where, fix=fix)
    elif task == "classification" and loaded.task == "regression":
        message = f"{table.label} is a regression: its target is a quantity"
        at = place(("data", "source"))
        yield partial(Error, "config-task", message, place=at, fix=_REGRESSION)
    odd = _odd_columns(config, schema, table)
    otherwise = {name for names in odd.values() for name in names}
    for column in schema.targets:
        if column.name in otherwise:
            continue  # which is told below, and is no text then
        if task == "regression" and column.kind == "categorical":
            message = f"the target {show(column.name)} is text"
            message += ", a regression needs numbers"
            fix = "a classification takes such a target: say loss: cross_entropy"
            yield partial(Error, "config-task", message, place=where, fix=fix)
    if task == "regression" and config.split.stratify is True:
        message = f"stratify: true needs classes, and {names} is a regression target"
        fix = "remove stratify"
        at = place(("data", "split", "stratify"))
        yield partial(Error, "config-stratify", message, place=at, fix=fix)
    yield from _bad_policies(config, schema, table, place)
    source = config.source if isinstance(config.source, FileSource) else None
    at = place(("data", "source"))
    for how, written in odd.items():
        yield partial(written_otherwise, table, how, written, source, at)


def _bad_policies(
    config: DataConfig, schema: Schema, table: Table, place: Placer
) -> _Wrong:
    for column in schema.features:
        name = show(column.name)
        if column.kind == "categorical" and column.missing in ("mean", "median"):
            single = isinstance(config.missing, dict)
            if not single and "" not in table.texts(column.name):
                continue
            key = ("data", "missing", column.name) if single else ("data", "missing")
            message = f"column {name} is text and has no {column.missing}"
            fix = f"say {setting('missing', column.name, 'most_frequent')}"
            at = place(key)
            yield partial(Error, "config-missing", message, place=at, fix=fix)
        elif column.kind == "numeric" and not _any_cell(table, column.name):
            message = f"column {name} is empty"
            fix = f"leave it out with {setting('columns', column.name, 'ignore')}"
            at = Place(table.label, 1 if table.locate else None)
            yield partial(Error, "data-empty-column", message, place=at, fix=fix)
    for column in schema.targets:
        policy = _policy(config, column.name)
        if isinstance(config.missing, dict) and policy not in ("error", "drop"):
            name = show(column.name)
            message = f"the target {name} cannot be filled in with a {policy}"
            fix = f"say {setting('missing', column.name, 'drop')}"
            at = place(("data", "missing", column.name))
            yield partial(Error, "config-missing", message, place=at, fix=fix)


def _odd_columns(
    config: DataConfig, schema: Schema, table: Table
) -> dict[Odd, list[str]]:
    """Columns of numbers that would pass for as many categories, by their notation."""
    found: dict[Odd, list[str]] = {}
    for column in (*schema.features, *schema.targets):
        if column.kind == "numeric" or column.name in config.columns:
            continue
        if odd := odd_numbers(table.texts(column.name).tolist(), table.notation):
            found.setdefault(odd, []).append(column.name)
    return found


def written_otherwise(
    table: Table,
    odd: Odd,
    names: Sequence[str],
    source: FileSource | None = None,
    where: Place | None = None,
) -> Error:
    """That columns have odd numbers, and are taken for texts.

    Args:
        source: of the table, if a config names it, and where it does.
    """
    name, now = names[0], table.notation
    cells = table.texts(name).tolist()
    row = next(i for i, cell in enumerate(cells) if _is_odd(cell, odd, now))
    (found,) = table.find([(row, table.position(name))])
    message = f"{show(found.text)} in column {show(name)} {_ODD.get(odd, _THOUSANDS)}"
    if len(names) > 1:
        message += f", as there are in {names_of(names[1:])}"
    allowed = setting("columns", name, "categorical")
    fix = f"write plain numbers, or say that these are categories: {allowed}"
    if odd != "amounts":
        fix = f"say {advice(odd, now)}"
        if source is not None:
            fix += f": {source.saying(where, **changes(odd[0], now))}"
        if odd not in ((PLAIN,), (Notation(","),)):
            fix += f"; or, if these are categories, {allowed}"
    return Error("data-not-a-number", message, place=found.place, fix=fix)


def _is_odd(cell: str, odd: Odd, now: Notation) -> bool:
    if odd == "amounts":
        return AMOUNT.fullmatch(cell) is not None
    return is_number(cell, odd[0]) and bool(cell) and not is_number(cell, now)


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
                f"{broken[0]:g} in the target {show(column.name)} is no class: "
                "classes are integers or texts",
                place=_at_target(config, place),
                fix=_REGRESSION,
            )
        classes = [int(value) for value in values]
    if len(classes) < 2:
        message = f"the target {show(column.name)} of {table.label} has "
        if classes and column.kind == "numeric":
            message += f"the value {classes[0]} in every row"
        else:
            alone = f"class but {show(str(classes[0]))}" if classes else "classes"
            message += f"no {alone}, and a classification tells two or more apart"
        raise Error(
            "data-one-class",
            message,
            place=_at_target(config, place),
            fix="choose another target, or add rows of other classes",
        )
    return tuple(classes)
