"""A config for a table of somebody's: every choice with what was seen in the data."""

from __future__ import annotations

import math
import os
import shlex
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nettrain.component import escaped, show
from nettrain.config.reader import parse
from nettrain.config.tree import Source
from nettrain.config.writer import inline
from nettrain.data.split import sizes, stratified
from nettrain.data.table import PLAIN, is_number
from nettrain.experiment.columns import Column, rows, share, shortened
from nettrain.experiment.doubts import Doubt
from nettrain.experiment.seen import (
    TOLD,
    Seen,
    lacks,
    look,
    shares,
    tells,
    without_telling,
)
from nettrain.experiment.setup import Setup, set_up
from nettrain.randomness import key

_WIDTH = 88
_UNEVEN, _RARE = 3, 5
"""Rows of the commonest class to one of the rarest: from here on the accuracy says
little, and from here on classes are weighed."""
_ENOUGH = 5
"""Rows of a class to which a weight may be given."""
_SIZES = {500: (16, 1, 16), 5_000: (32, 2, 32), 50_000: (64, 2, 64)}
_LARGEST = (128, 2, 256)
"""Rows, and the units, layers and batch that go with fewer than so many."""
_UPDATES = 3_000
"""About so many updates are made."""
_FAR, _APART = 12, 30
"""Standard deviations beyond which a target's value is an outlier: of all values, which
the farthest of n makes large itself, so that it is at most √(n - 1) of them away; and
of the others."""
_COUNTS = 1_000
"""Largest number of events that a loss of counts is named for."""
_DROWNED = 0.01
"""Smallest spread, as a share of the usual one, that `standardize` scales in full."""


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
        tell: is given a line for whatever may be meant otherwise, and for each column
            that is left out for the way in which it is written, or as the target in
            other words.

    Raises:
        Error: with what is wrong with the table, or with the target.
    """
    seen = look(path, targets)
    absolute = os.path.abspath(path)
    tried = Source(out, "mapping", Path.cwd())

    def trial() -> Setup:
        return set_up(parse(_page(seen, absolute, name, out), tried).value)

    seen, left = without_telling(seen, trial())
    if left:
        trial()
    if not os.path.isabs(path):
        path = os.path.relpath(path, os.path.dirname(out) or os.curdir)
    for doubt in seen.doubts:
        tell(f"is it meant so? {_asked(doubt, seen, path)}")
    for column in seen.columns:
        if column.unread:
            tell(f"left out: {shortened(column.name)}: {column.why}")
    for column in left:
        what = f"left out: {shortened(column.name)} {column.why}"
        tell(f"{what}\n  if so, take it out of data.columns")
    return _page(seen, path, name, out)


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
    said = seen.source.said
    source = {"file": {"path": path, **said}} if said else path
    why = f"{rows(len(seen.table))}, {len(seen.table.names):,} columns"
    if seen.marks:
        told = "; ".join(f"{show(m)} in {where}" for m, where in seen.marks.items())
        why += f". Taken for missing: {told}"
    why += _about_reading(seen)
    page.put(f"  source: {inline(source)}", why)
    for doubt in seen.doubts:
        page.say(_asked(doubt, seen, path), 2)
    if seen.loaded.targets:
        return
    names = [column.name for column in seen.schema.targets]
    written = inline(names[0] if len(names) == 1 else names)
    page.put(f"  target: {written}", _about_target(seen))


def _asked(doubt: Doubt, seen: Seen, path: str) -> str:
    """What there is to judge, with what a config would say."""
    words = doubt.words
    if doubt.reading:
        file = {"path": path, **seen.source.said, **doubt.reading}
        words += f" source: {inline({'file': file})}"
    if doubt.missing:
        words += f" and missing: {inline(dict(doubt.missing))}"
    return words


def _about_reading(seen: Seen) -> str:
    """What shows whether the file is read as it was meant."""
    table, source, told = seen.table, seen.source, ""
    if "encoding" in source.said:
        texts = (t for n in table.names for t in (n, *table.texts(n).tolist()))
        if strange := next((text for text in texts if not text.isascii()), ""):
            told += f". If {shortened(strange)} is wrong, say its encoding"
    how = table.notation
    if how != PLAIN:
        numbers = (n for n in table.names if table.kind(n) == "numeric")
        cells = (cell for name in numbers for cell in table.texts(name).tolist())
        read = (c for c in cells if how.pointed(c) != c and is_number(c, how))
        if cell := next(read, ""):
            told += f". {show(cell)} is read as {float(how.pointed(cell)):.15g}"
    return told


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
        if name not in _left_out(seen):
            several = ", with several values for one of it" * (told.how == "several")
            words = f"{shortened(name)} {tells(told)}{several}"
            page.say(f"{words}: is it known beforehand?", 2)
    lacking = [(c.name, c.policy, c.missing) for c in seen.columns if c.missing]
    for target in seen.schema.targets:
        if missing := lacks(seen.table, target.name):
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
    held = shares(seen)
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
        about = f"{', '.join(scaled[:TOLD])}{' …' if len(scaled) > TOLD else ''} "
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
        far = max(map(_farthest, seen.targets.T))
        why = f"a target is {far:,.0f} standard deviations of the others from their "
        why += "mean: an outlier"
        loss = "huber" if far else "mse"
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
    count = sizes(len(seen.targets), shares(seen))["train"]
    epochs = min(100, max(10, round(_UPDATES / math.ceil(count / _size(seen)[2]))))
    stop = {"monitor": "validation/loss", "patience": max(5, epochs // 5)}
    page.put("train:")
    page.put(f"  epochs: {epochs}", "at most")
    page.put(f"  stop: {inline({**stop, 'restore_best': True})}")


def _farthest(values: np.ndarray) -> float:
    """How far an outlier of values (n,) is, in deviations of the others; 0 if none."""
    off = np.abs(values - values.mean())
    at = int(off.argmax())
    others = np.delete(values, at)
    std = float(others.std())
    apart = abs(float(values[at] - others.mean())) / std if std else 0.0
    return apart if off[at] > _FAR * values.std() or apart > _APART else 0.0


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
