"""The verbs that put a trained model to use: evaluate, predict."""

from __future__ import annotations

import csv
import io
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nettrain.cli import plugin
from nettrain.cli.terminal import print_json, table
from nettrain.data import Kept
from nettrain.data.kept import named
from nettrain.disk import Disk
from nettrain.errors import Error, visible
from nettrain.experiment.load import Run, load_run
from nettrain.experiment.setup import set_up
from nettrain.experiment.threads import limited
from nettrain.experiment.writing import written
from nettrain.training.evaluate import evaluate as evaluate_part
from nettrain.training.metrics import predicted_classes


def evaluate(arguments: Namespace) -> int:
    """`nettrain evaluate RUN`."""
    plugin.load(arguments.plugin)
    run = _loaded(arguments.run)
    with limited(run.experiment.threads):
        if arguments.data:
            rows = run.model.preparation.read(arguments.data, need_target=True)
            _require_rows(len(rows), arguments.data)
            counts = {"data": len(rows)}
            metrics = run.model.evaluate(rows, "data")
        else:
            counts, metrics = _own_parts(run)
    if arguments.json:
        document = {"run": arguments.run, "data": arguments.data}
        print_json({**document, "rows": counts, "metrics": metrics})
    else:
        print(_told(counts, metrics, run.model.preparation))
    return 0


def _loaded(path: str) -> Run:
    """The run, after saying which damaged checkpoints are passed over."""
    run = load_run(path)
    for line in run.skipped:
        print(visible(line), file=sys.stderr)
    return run


def _own_parts(run: Run) -> tuple[dict[str, int], dict[str, Any]]:
    """Rows and metrics of each part of the data that the run itself had."""
    model = run.model
    dataset = set_up(run.path / "config.resolved.yaml").dataset
    if dataset.sha256 != run.facts["data_sha256"]:
        raise Error(
            "run-data-changed",
            f"the data of {run.path} are not what they were when it was trained",
            fix="put them back, or name others with --data",
        )
    metrics: dict[str, Any] = {}
    for name, part in dataset.parts.items():
        metrics |= evaluate_part(model.network, part, model.metrics, model.batch, name)
    return {name: len(part) for name, part in dataset.parts.items()}, metrics


def _require_rows(count: int, file: str) -> None:
    if not count:
        raise Error("data-no-rows", f'"{file}" has no rows to evaluate')


def _told(
    counts: Mapping[str, int], metrics: Mapping[str, Any], preparation: Kept
) -> str:
    """A row per metric and a column per part; confusion tables below."""
    names = list(dict.fromkeys(name.partition("/")[2] for name in metrics))
    numbers = [
        name
        for name in names
        if not any(isinstance(metrics.get(f"{part}/{name}"), list) for part in counts)
    ]
    rows = [["", *counts], ["rows", *(f"{count:,}" for count in counts.values())]]
    for name in numbers:
        rows.append([name, *(f"{metrics[f'{part}/{name}']:.4g}" for part in counts)])
    tables = [
        f"{name} of {part}, true class down, predicted across\n"
        + _matrix(metrics[f"{part}/{name}"], preparation.classes)
        for name in names
        if name not in numbers
        for part in counts
    ]
    return "\n\n".join([table(rows), *tables])


def _matrix(counts: Sequence[Sequence[int]], classes: Sequence[Any]) -> str:
    heads = list(map(named, classes))
    rows = [[head, *map(str, row)] for head, row in zip(heads, counts, strict=True)]
    return table([["", *heads], *rows])


# ---------------------------------------------------------------- predict


def predict(arguments: Namespace) -> int:
    """`nettrain predict RUN --data FILE`, or `--sample N`."""
    plugin.load(arguments.plugin)
    run = _loaded(arguments.run)
    with limited(run.experiment.threads):
        if arguments.sample:
            count, unit, seed = arguments.sample, "characters", run.experiment.seed
            text = written(run.model, count, arguments.prompt, seed) + "\n"
        else:
            rows = run.model.preparation.read(arguments.data)
            count, unit = len(rows), "predictions"
            text = _csv(run.model.predict(rows), run.model.preparation)
    if arguments.out:
        Disk().replace(Path(arguments.out), text.encode(), durable=False)
        print(f"{count:,} {unit} written to {arguments.out}")
    else:
        sys.stdout.write(visible(text) if sys.stdout.isatty() else text)
    return 0


def _csv(predictions: np.ndarray, preparation: Kept) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(_rows(predictions, preparation))
    return text.getvalue()


def _rows(predictions: np.ndarray, preparation: Kept) -> Iterator[list[str]]:
    """The head, then a row for each of predictions (n, K).

    Of (n, T, K) there is one for each position, after the numbers of row and position.
    """
    if preparation.task == "regression":
        yield list(preparation.target_names)
        for values in predictions:
            yield list(map(str, values))
        return
    where = [[str(i) for i in at] for at in np.ndindex(predictions.shape[:-1])]
    predictions = predictions.reshape(-1, predictions.shape[-1])
    heads = ["row", "position"] if preparation.positions else []
    names = list(map(str, preparation.classes))
    best = predicted_classes(predictions)
    if predictions.shape[1] == 1:  # the probability of the second class alone
        predictions = np.concatenate([1 - predictions, predictions], axis=1)
    yield [*heads, "predicted", *(f"p({name})" for name in names)]
    for at, label, values in zip(where, best, predictions, strict=True):
        # str of a NumPy scalar: the fewest digits that give it back exactly.
        yield [*at[: len(heads)], names[label], *map(str, values)]
