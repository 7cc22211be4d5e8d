"""A config for a table of somebody's: every choice with what was seen in the data."""

from __future__ import annotations

import math
import os
import shlex
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nettrain.component import dump, escaped, show, suggest
from nettrain.config.reader import parse
from nettrain.config.tree import Source
from nettrain.config.writer import inline
from nettrain.data.decide import decide, odd_numbers, written_otherwise
from nettrain.data.schema import Schema, read_rows
from nettrain.data.settings import HELD, DataConfig
from nettrain.data.sources import FileSource, Loaded, nowhere
from nettrain.data.split import sizes, stratified
from nettrain.data.table import Table, names_of
from nettrain.diagnose.detectors import TellingColumn
from nettrain.diagnose.facts import Told
from nettrain.errors import Error, Place
from nettrain.experiment import columns
from nettrain.experiment.columns import Column, rows, share, shortened
from nettrain.experiment.setup import Setup, set_up
from nettrain.experiment.telling import telling
from nettrain.randomness import key

_WIDTH = 88
_UNEVEN, _RARE = 3, 5
"""Rows of the commonest class to one of the rarest: from here on the accuracy says
little, and from here on classes are weighed."""
_ENOUGH = 5
"""Rows of a class to which a weight may be given."""
_SMALL, _LARGE = 500, 50_000
"""Rows below which more are kept from training, and above which fewer are."""
_SIZES = {500: (16, 1, 16), 5_000: (32, 2, 32), 50_000: (64, 2, 64)}
_LARGEST = (128, 2, 256)
"""Rows, and the units, layers and batch that go with fewer than so many."""
_UPDATES = 3_000
"""About so many updates are made."""
_FAR = 12
"""Standard deviations from the mean beyond which a target's values are outliers."""
_TOLD = 5
"""Columns or targets of which something is told one by one."""
_COUNTS = 1_000
"""Largest number of events that a loss of counts is named for."""
_DROWNED = 0.01
"""Smallest spread, as a share of the usual one, that `standardize` scales in full."""


@dataclass(frozen=True)
class Seen:
    """A table, and what was seen in it.

    Attributes:
        source: how it is read.
        loaded: what was read.
        marks: cells that stand for missing values, and where they were seen.
        columns: the inputs.
        schema: targets, task and classes.
        targets: of the rows that have one: labels (n,) or values (n, T).
        telling: by name, what a column alone tells of a target.
    """

    source: FileSource
    loaded: Loaded
    marks: Mapping[str, str]
    columns: Sequence[Column]
    schema: Schema
    targets: np.ndarray
    telling: Mapping[str, Told] = field(default_factory=dict)

    @property
    def table(self) -> Table:
        return self.loaded.tables["train"]

    @property
    def classification(self) -> bool:
        return self.schema.task == "classification"

    def used(self, kind: str) -> list[Column]:
        return [column for column in self.columns if column.kind == kind]

    def counts(self) -> np.ndarray:
        """Rows of each class."""
        counts: np.ndarray = np.bincount(
            self.targets, minlength=len(self.schema.classes)
        )
        return counts


def config_of(
    path: str,
    targets: Sequence[str],
    out: str,
    name: str,
    tell: Callable[[str], None] = print,
) -> str:
    """The text of a config that trains on a table, after trying that it sets up.

    Args:
        path: of a .csv, .tsv or .npz file.
        targets: the columns to predict; an npz file knows its own.
        out: where the config will stand, as its paths start from there.
        name: of the run.
        tell: is given a line for each column that is left out as the target in other
            words.

    Raises:
        Error: with what is wrong with the table, or with the target.
    """
    seen = look(path, targets)
    absolute = os.path.abspath(path)
    tried = Source(out, "mapping", Path.cwd())

    def trial() -> Setup:
        return set_up(parse(_page(seen, absolute, name, out), tried).value)

    seen, left = _without_telling(seen, trial())
    if left:
        trial()
    for column in left:
        what = f"left out: {shortened(column.name)} {column.why}"
        tell(f"{what}\n  if so, take it out of data.columns")
    if not os.path.isabs(path):
        path = os.path.relpath(path, os.path.dirname(out) or os.curdir)
    return _page(seen, path, name, out)


# ---------------------------------------------------------------- looking


def look(path: str, targets: Sequence[str]) -> Seen:
    """Read a table, and decide what is made of its columns."""
    source, loaded = columns.opened(path)
    found = columns.marks(loaded.tables["train"])
    if found:
        source, loaded = columns.marked(source, list(found))
    table = loaded.tables["train"]
    _check_targets(loaded, targets or loaded.targets)
    apart = {*targets, *loaded.targets}
    inputs = [columns.column(table, name) for name in table.names if name not in apart]
    if all(column.kind == "ignore" for column in inputs):
        raise _nothing_left(table, inputs)
    config = _data(source, targets, table, inputs)
    schema = decide(config, loaded, nowhere, None)
    read = read_rows(schema, table, targets=True)
    _check_classes(table, schema, read.targets)
    assert read.targets is not None
    seen = Seen(source, loaded, found, inputs, schema, read.targets)
    _check_rows(table, _shares(seen), len(seen.targets))
    return seen


def _without_telling(seen: Seen, setup: Setup) -> tuple[Seen, list[Column]]:
    """Without columns that are the target in other words, by the rule of D5; and those.

    Those that tell it and have more values may do so by nature, and stay.
    """
    if not seen.table.locate:
        return seen, []
    at = setup.dataset.parts["train"].rows
    filled = {c.name: _empty(seen.table, c.name)[at] for c in seen.columns if c.missing}
    told = telling(setup.dataset, filled)
    told = {n: t for n, t in told.items() if t.share >= TellingColumn.threshold}
    left = {
        column.name: replace(
            column,
            kind="ignore",
            why=f"{_tells(told[column.name])}; is it known beforehand?",
            declared=True,
        )
        for column in seen.columns
        if column.name in told and told[column.name].same
    }
    inputs = [left.get(column.name, column) for column in seen.columns]
    if left and all(column.kind == "ignore" for column in inputs):
        raise _nothing_left(seen.table, inputs)
    return replace(seen, columns=inputs, telling=told), [*left.values()]


def _tells(told: Told) -> str:
    rows = "every training row"
    if told.share < 1:
        rows = f"{100 * told.share:.4g} % of the training rows"
    if told.same:
        return f"is {shortened(told.target)} in other words in {rows}"
    return f"alone tells {shortened(told.target)} in {rows}"


def _nothing_left(table: Table, inputs: Sequence[Column]) -> Error:
    told = [f"{shortened(column.name)} ({column.why})" for column in inputs[:_TOLD]]
    told += [f"and {len(inputs) - _TOLD:,} more"] if len(inputs) > _TOLD else []
    message = "no column is left to learn from: "
    message += ", ".join(told) or "there is no other"
    fix = "give the table columns of numbers, or of texts that come again; or write a "
    fix += (
        "config by hand, with columns: {NAME: numeric} for numbers that count all the "
    )
    fix += "same, and {NAME: categorical} for texts"
    return Error("data-no-columns", message, place=Place(table.label), fix=fix)


def _check_rows(table: Table, held: dict[str, float], count: int) -> None:
    """Refuse a table of so few rows that a part gets none."""
    empty = [part for part, taken in sizes(count, held).items() if not taken]
    if empty:
        message = f"{rows(count)} are too few: none is left for the {empty[0]} part"
        fix = "add rows; a config by hand can do without, with data.split: {}"
        raise Error("data-no-rows", message, place=Place(table.label), fix=fix)


def _check_targets(loaded: Loaded, targets: Sequence[str]) -> None:
    table = loaded.tables["train"]
    place = Place(table.label, 1 if table.locate else None)
    for name in targets:
        if name not in table:
            message = f"no column {show(name)}"
            there = f"the columns are: {names_of(table.names)}"
            fix: str = suggest(name, table.names) or there
            raise Error("data-missing-column", message, place=place, fix=fix)
        texts = table.texts(name).tolist() if table.kind(name) != "numeric" else []
        if odd := odd_numbers(texts):
            raise written_otherwise(table, odd, [name])
    if not targets:
        message = "the column to predict is not said"
        fix = f"add --target with one of {names_of(table.names)}"
        if table.shape is not None:
            message, fix = "the file has inputs x and no targets y", loaded.lacking
        raise Error("data-missing-column", message, place=place, fix=fix)


def _check_classes(table: Table, schema: Schema, targets: Any) -> None:
    """Refuse a target of texts in which hardly any comes twice."""
    if schema.task == "regression":
        return
    counts = np.bincount(targets, minlength=len(schema.classes))
    if 2 * int((counts == 1).sum()) > len(counts):
        name = schema.targets[0].name
        message = (
            f"{len(counts):,} different values in {rows(len(targets))} of the target "
            f"{show(name)}, and most of them come once: nothing can be learned of those"
        )
        fix = "choose another target; the columns are: " + names_of(table.names)
        raise Error("data-target", message, place=Place(table.label), fix=fix)


def _data(
    source: FileSource, targets: Sequence[str], table: Table, inputs: Sequence[Column]
) -> DataConfig:
    """What the columns ask of the section `data`."""
    missing: dict[str, Any] = {c.name: c.policy for c in inputs if c.missing}
    missing |= {name: "drop" for name in targets if _lacks(table, name)}
    return DataConfig(
        source,
        target=tuple(targets) or None,
        columns={c.name: c.kind for c in inputs if c.declared},
        missing=missing or "error",
    )


def _lacks(table: Table, name: str) -> float:
    """The share of a column's values that are missing."""
    return float(_empty(table, name).mean())


def _empty(table: Table, name: str) -> np.ndarray:
    """(n,) whether a column has no value."""
    if table.kind(name) != "numeric":
        return np.asarray(table.texts(name) == "")
    values, invalid = table.numbers(name)
    return np.asarray(np.isnan(values) & ~invalid)


# ---------------------------------------------------------------- writing


class _Page:
    """Lines of a config, each with what there is to say of it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, words: str, indent: int = 0) -> None:
        """A comment on lines of its own."""
        margin = " " * indent + "# "
        self.lines += textwrap.wrap(
            words,
            _WIDTH,
            initial_indent=margin,
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def put(self, line: str, why: str = "") -> None:
        """A line with a comment behind it, or above it where there is no room."""
        beside = f"{line:<38}  # {why}"
        if len(beside) > _WIDTH:
            beside = f"{line}  # {why}"
        if why and len(beside) > _WIDTH:
            self.say(why, len(line) - len(line.lstrip()))
            why = ""
        self.lines.append(beside if why else line)

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


@np.errstate(all="ignore")  # what is too large is refused when it is set up
def _page(seen: Seen, path: str, name: str, out: str) -> str:
    page = _Page()
    _head(page, seen, out)
    page.put(f"name: {inline(name)}")
    page.put("seed: 0", "everything random comes from it")
    page.put("")
    page.put("data:")
    _put_source(page, seen, path)
    _put_columns(page, seen)
    _put_rows(page, seen)
    page.put("")
    _put_model(page, seen)
    page.put("")
    _put_training(page, seen)
    return page.text()


def _head(page: _Page, seen: Seen, out: str) -> None:
    names = ", ".join(shortened(column.name) for column in seen.schema.targets[:3])
    kind = "a regression"
    if seen.classification:
        kind = f"one of {len(seen.schema.classes):,} classes"
    used = len(seen.columns) - len(seen.used("ignore"))
    page.say(
        f"{names} of {escaped(os.path.basename(seen.source.path))}, {kind}, from "
        f"{used:,} of {len(seen.columns):,} other columns in {rows(len(seen.table))}. "
        "nettrain init has written this, with what it saw in the table beside each "
        "choice."
    )
    page.put("#")
    file = shlex.quote(out)
    page.put(f"#     nettrain check {file}")
    page.put(f"#     nettrain run {file}")


def _put_source(page: _Page, seen: Seen, path: str) -> None:
    source, plain = dump(replace(seen.source, path=path)), FileSource(path).reading
    if isinstance(source, dict):  # without what need not be said
        own = {k: v for k, v in source["file"].items() if v != plain.get(k)}
        source = {"file": own}
    why = f"{rows(len(seen.table))}, {len(seen.table.names):,} columns"
    if seen.marks:
        told = "; ".join(f"{show(m)} in {where}" for m, where in seen.marks.items())
        why += f". Taken for missing: {told}"
    page.put(f"  source: {inline(source)}", why)
    if seen.loaded.targets:
        return
    names = [column.name for column in seen.schema.targets]
    written = inline(names[0] if len(names) == 1 else names)
    page.put(f"  target: {written}", _about_target(seen))


def _about_target(seen: Seen) -> str:
    if not seen.classification:
        return "numbers, so a regression"
    classes, counts = seen.schema.classes, seen.counts()
    kind = "texts" if seen.schema.targets[0].kind == "categorical" else "whole numbers"
    few, many = int(counts.argmin()), int(counts.argmax())
    told = f"{len(classes):,} different {kind}, so a classification: "
    most, least = int(counts[many]), int(counts[few])
    if most == least:
        told += f"{rows(most)} of each"
    else:
        told += f"{rows(most)} of {shortened(str(classes[many]))}"
        told += f" … {least:,} of {shortened(str(classes[few]))}"
    if kind == "texts" or len(classes) == 2:
        return told
    told += (
        ". Were they quantities: here task: regression, standardize_target: true and "
    )
    told += "stratify: false, and below loss: mse, metrics: [r2]"
    if not any(str(label).startswith("-") for label in classes):
        told += "; were they counts, the same with loss: poisson and "
        told += "standardize_target: false"
    return told


def _put_columns(page: _Page, seen: Seen) -> None:
    """`columns` and `missing`, only of what needs it."""
    declared = [column for column in seen.columns if column.declared]
    if declared:
        page.put("  columns:", "what the table does not say by itself")
    for column in declared:
        page.put(f"    {inline(column.name)}: {column.kind}", column.why)
    for name, told in seen.telling.items():
        if not told.same:
            words = f"{shortened(name)} {_tells(told)}, with several values for one"
            page.say(f"{words} of it: is it known beforehand?", 2)
    lacking = [(c.name, c.policy, c.missing) for c in seen.columns if c.missing]
    for target in seen.schema.targets:
        if missing := _lacks(seen.table, target.name):
            lacking.append((target.name, "drop", missing))
    lacking = [row for row in lacking if row[0] not in _left_out(seen)]
    if lacking:
        page.put("  missing:", "what is filled in comes from the training part")
    for name, policy, missing in lacking:
        why = f"{share(missing)} is missing"
        why += ": such rows are left out" if policy == "drop" else ""
        page.put(f"    {inline(name)}: {policy}", why)


def _left_out(seen: Seen) -> set[str]:
    return {column.name for column in seen.used("ignore")}


def _put_rows(page: _Page, seen: Seen) -> None:
    """The split, what becomes of the columns, and the rows of an update."""
    count = len(seen.targets)
    held = _shares(seen)
    split: dict[str, Any] = dict(held)
    parts = sizes(count, held)
    why = f"{rows(parts['train'])} train" if held else ""
    some = bool(held) and all(parts.values())
    if some and (time := _in_order(seen, parts["train"])):
        split["by"] = "order"
        why += f"; by {shortened(time)}: what is tested comes after what has trained"
    elif some and seen.classification:
        cut = stratified(seen.targets, parts, key(0, "data/split"))
        if cut:
            split["stratify"] = True
            why += "; each class has its share in every part"
            known = [len(np.unique(seen.targets[index])) for index in cut.values()]
            if min(known) < len(seen.schema.classes):
                why += ", but for those of too few rows"
    page.put(f"  split: {inline(split)}", why)
    steps, told = _steps(seen)
    if steps:
        page.put(f"  preprocess: {inline(steps)}", told)
    if not seen.classification:
        scales = zip(seen.targets.mean(axis=0), seen.targets.std(axis=0), strict=True)
        scaled = [f"{mean:.4g} ± {std:.4g}" for mean, std in scales]
        about = f"{', '.join(scaled[:_TOLD])}{' …' if len(scaled) > _TOLD else ''} "
        about += "becomes 0 ± 1; metrics stay as they are"
        page.put("  standardize_target: true", about)
    page.put(f"  batch_size: {_size(seen)[2]}")


def _in_order(seen: Seen, train: int) -> str | None:
    """The column by whose time the rows stand, if the first of them have all classes.

    With rows at random a model would learn from the days after those it is tried on.
    """
    times = [column.name for column in seen.columns if column.time == "forward"]
    known = len(np.unique(seen.targets[:train])) if seen.classification else 0
    return times[0] if times and known in (0, len(seen.schema.classes)) else None


def _shares(seen: Seen) -> dict[str, float]:
    """Of the parts that the file does not hold itself."""
    count = len(seen.targets)
    part = 0.2 if count < _SMALL else 0.1 if count > _LARGE else 0.15
    return {name: part for name in HELD if name not in seen.loaded.tables}


def _size(seen: Seen) -> tuple[int, int, int]:
    """Units of a layer, layers, and rows of a batch."""
    fitting = (size for most, size in _SIZES.items() if len(seen.targets) < most)
    return next(fitting, _LARGEST)


def _steps(seen: Seen) -> tuple[list[Any], str]:
    """Preprocessing, and why."""
    numbers, texts = seen.used("numeric"), seen.used("categorical")
    steps: list[Any] = []
    told = []
    if numbers:
        spreads = sorted(column.spread for column in numbers)
        usual = spreads[(len(spreads) - 1) // 2]
        uneven = spreads[0] < _DROWNED * usual
        steps.append({"standardize": {"floor": 0}} if uneven else "standardize")
        told.append(f"{_columns(numbers)} of numbers")
        if uneven:
            told[-1] += ", some in far smaller units than others"
    if texts:
        rare = min(column.rarest for column in texts) < 20
        steps.append({"one_hot": {"unknown": "ignore"}} if rare else "one_hot")
        told.append(f"{_columns(texts)} of texts, each category a column of 0 and 1")
        if rare:
            told[-1] += "; some are rare, and may not be in the training part"
    return steps, "; ".join(told)


def _columns(some: Sequence[Column]) -> str:
    return f"{len(some):,} column{'' if len(some) == 1 else 's'}"


def _put_model(page: _Page, seen: Seen) -> None:
    units, layers, _ = _size(seen)
    page.put("model:", f"as much as {rows(len(seen.targets))} may determine")
    shape = seen.table.shape or ()
    if len(shape) > 1:
        page.put("  - flatten", f"rows of {' × '.join(map(str, shape))} as they come")
    layer = {"dense": {"units": units, "activation": "relu", "weight_l2": 0.001}}
    for _ in range(layers):
        page.put(f"  - {inline(layer)[1:-1]}")
    each = "class" if seen.classification else "target"
    page.put("  - dense: auto", f"one unit for each {each}")


def _put_training(page: _Page, seen: Seen) -> None:
    if seen.classification:
        _put_loss_of_classes(page, seen)
    else:
        scaled = seen.targets - seen.targets.mean(axis=0)
        std = seen.targets.std(axis=0)
        far = float((np.abs(scaled) / np.where(std > 0, std, 1)).max())
        why = f"a target is {far:.0f} standard deviations from the mean: an outlier"
        loss = "huber" if far > _FAR else "mse"
        page.put(f"loss: {loss}", why if loss == "huber" else _about_counts(seen))
        about = "rmse and mae in the target's own units"
        if len(seen.schema.targets) > 1:
            about = (
                "means over the targets: rmse and mae mix what these are measured in"
            )
        page.put("metrics: [r2, rmse, mae]", about)
    rate = {"cosine": {"peak": 0.005, "warmup": "5 %", "final": 0}}
    page.put(f"optimizer: {inline({'adam': {'learning_rate': rate}})}")
    page.put("")
    count = sizes(len(seen.targets), _shares(seen))["train"]
    epochs = min(100, max(10, round(_UPDATES / math.ceil(count / _size(seen)[2]))))
    stop = {"monitor": "validation/loss", "patience": max(5, epochs // 5)}
    page.put("train:")
    page.put(f"  epochs: {epochs}", "at most")
    page.put(f"  stop: {inline({**stop, 'restore_best': True})}")


def _about_counts(seen: Seen) -> str:
    """Numbers of events have a loss of their own."""
    whole = bool((seen.targets == np.floor(seen.targets)).all())
    if not whole or seen.targets.min() < 0 or seen.targets.max() > _COUNTS:
        return ""
    return "whole numbers: were they counts, loss: poisson, standardize_target: false"


def _put_loss_of_classes(page: _Page, seen: Seen) -> None:
    counts = seen.counts()
    ratio = counts.max() / max(1, counts.min())
    loss, why = "cross_entropy", ""
    if ratio >= _RARE and counts.min() >= _ENOUGH:
        loss = "{cross_entropy: {class_weights: balanced}}"
        why = f"the commonest class has {ratio:.0f} times the rows of the rarest: each "
        why += (
            "weighs the same, and is found more often. Where probabilities count, or "
        )
        why += (
            "the order of the rows, leave it out: those of rare ones come out too high"
        )
    page.put(f"loss: {loss}", why)
    scores, why = "accuracy, f1", ""
    if ratio >= _UNEVEN:
        scores = "accuracy, recall, f1, roc_auc"
        most = shortened(str(seen.schema.classes[counts.argmax()]))
        why = f"who always says {most} is right in {share(counts.max() / counts.sum())}"
        why += ": look at recall, the balanced accuracy, at f1, and at roc_auc"
        if len(counts) == 2 and counts.argmin() == 1:  # the one that is to be found
            scores += ", average_precision"
            rare = share(counts.min() / counts.sum())
            why += f"; average_precision is {rare} by guessing"
    page.put(f"metrics: [{scores}, confusion]", why)
