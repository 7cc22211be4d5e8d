"""A run read back: its numbers, its verdict, and its model for new data."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nettrain.component import INVALID, Problem, build
from nettrain.config import resolve
from nettrain.data import Kept, part_of
from nettrain.data.blocks import BlockPreparation
from nettrain.data.preparation import Preparation
from nettrain.data.series import SeriesPreparation
from nettrain.diagnose.finding import Finding
from nettrain.errors import Error, visible
from nettrain.execute import executor
from nettrain.experiment.found import has_end, read_found
from nettrain.experiment.schema import Experiment
from nettrain.experiment.status import open_run, told_of
from nettrain.experiment.threads import limited
from nettrain.nn import Loss, Sequential
from nettrain.record import json_text
from nettrain.record.folder import RUN, RunFolder
from nettrain.record.metrics import columns, read_metrics
from nettrain.record.statistics import read_statistics
from nettrain.record.store import Found, newest
from nettrain.training.evaluate import evaluate, predictions
from nettrain.training.metrics import Metric
from nettrain.training.network import Predictor
from nettrain.training.programs import Recipe, forward


@dataclass(frozen=True)
class Model:
    """A trained model with its own preprocessing.

    Attributes:
        network: with the trained weights.
        preparation: from raw rows to inputs.
        batch: rows predicted at a time.
        metrics: of the config.
        threads: of the linear algebra; last bits depend on them.
    """

    network: Predictor
    preparation: Kept
    batch: int
    metrics: tuple[Metric, ...]
    threads: int = 1

    def predict(self, rows: Any) -> np.ndarray:
        """Predictions for raw rows: an array (n, …), or rows read by the preparation.

        Returns:
            Probabilities of the classes (n, K), the probability of the second class
            (n, 1), or values (n, T) in the targets' own units. Of sequences with a
            class at each of T positions (n, T, K).
        """
        inputs = self.preparation.transform(self.preparation.rows(rows))
        with limited(self.threads):
            found = predictions(self.network, inputs, self.batch)
        return self.preparation.restore_target(found)

    def evaluate(self, rows: Any, name: str) -> dict[str, Any]:
        """Loss and metrics of raw rows that have targets."""
        part = part_of(self.preparation, rows)
        with limited(self.threads):
            return evaluate(self.network, part, self.metrics, self.batch, name)


class Run:
    """A run folder, read.

    Attributes:
        path: of the folder.
        facts: `run.json`; of a run without an end, step and epoch as they are now.
        status: finished, interrupted, diverged, failed or running; killed where
            `run.json` says running, and no process holds the folder.
        summary: test metrics, and the best and last of the others.
        metrics: `metrics.jsonl` as columns.
        statistics: `statistics.csv` as columns.
        findings: what the diagnosis found; before the end, what it told so far.
    """

    def __init__(self, path: Path | str) -> None:
        self._folder, facts = open_run(path)
        self.path = Path(path)
        self.facts: Mapping[str, Any] = told_of(self._folder, facts)
        self.status: str = self.facts["status"]
        self.summary: Mapping[str, Any] = self.facts.get("summary", {})

    def __repr__(self) -> str:
        try:
            told = brief(self.told, self.summary, self.findings)
        except Error:  # to be looked at it need not be whole
            told = self.told
        return visible(f"<Run {self.path}: {told}>")

    @property
    def told(self) -> str:
        """Its status, and where it stands that has not come to its end."""
        if self.status in ("finished", "diverged"):
            return self.status
        return "{} at epoch {epoch}, step {step}".format(self.status, **self.facts)

    @cached_property
    def metrics(self) -> Mapping[str, np.ndarray]:
        return columns(read_metrics(self._folder.disk, self._folder.metrics))

    @cached_property
    def statistics(self) -> Mapping[str, np.ndarray]:
        return read_statistics(self._folder.disk, self._folder.statistics)

    @cached_property
    def findings(self) -> list[Finding]:
        rows = read_found(self._folder, self.facts)
        if has_end(self.facts):
            return [Finding.from_json(row) for row in rows]
        return [Finding(**row, why="") for row in rows]

    @property
    def config_text(self) -> str:
        """The config as it was given."""
        return self._folder.read_text("config.yaml")

    @property
    def pictures(self) -> list[str]:
        """The files in `plots/`."""
        return self._folder.pictures()

    @cached_property
    def experiment(self) -> Experiment:
        self._folder.read_text("config.resolved.yaml")  # missing, it is the run's fault
        path = self.path / "config.resolved.yaml"
        built: Experiment = resolve(path, schema=Experiment).build()
        return built

    @cached_property
    def _found(self) -> Found:
        return newest(self._folder)

    @property
    def skipped(self) -> list[str]:
        """Of each newer checkpoint that cannot be used, why, and which one is used."""
        return self._found.told

    @cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """By path: the best where the config restores them, else the last."""
        found = self._found
        if found.checkpoint is None:
            raise Error(
                "checkpoint-missing",
                f"{self.path} has no checkpoint that can be used",
                fix=f"nettrain resume {self.path}",
            )
        return weights(found.checkpoint.tensors)

    @cached_property
    def model(self) -> Model:
        """The trained model: the best weights where the config restores them."""
        preparation = read_preparation(self._folder)
        experiment, recipe = self.experiment, self._recipe(preparation)
        made = forward(recipe, rows=1)[1].outputs["outputs"].shape[1:]
        if made != (*preparation.positions, recipe.outputs):
            message = f"{self.path / 'data.json'} is not of this model: "
            message += f"it wants {recipe.outputs} outputs, and there are {made}"
            raise Error("run-damaged", message)
        network = Predictor.trained(recipe, executor(experiment.executor), self.weights)
        batch = experiment.data.evaluation_batch_size
        return Model(
            network, preparation, batch, experiment.metrics, experiment.threads
        )

    def _recipe(self, preparation: Kept) -> Recipe:
        experiment = self.experiment
        problems: list[Problem] = []
        loss: Loss = build(Loss, self.facts["loss"], (), problems)
        if loss is INVALID:
            raise Error("run-damaged", f"{self.path / RUN}: {problems[0].message}")
        classification = preparation.task == "classification"
        targets = len(preparation.target_names)
        return Recipe(
            model=Sequential(list(experiment.model)),
            loss=loss,
            optimizer=experiment.optimizer,
            inputs=preparation.input_shape,
            targets=preparation.positions if classification else (targets,),
            targets_dtype="int64" if classification else experiment.dtype,
            outputs=loss.outputs_for(len(preparation.classes), targets),
            symbols=preparation.symbols,
            seed=experiment.seed,
            dtype=experiment.dtype,
            diagnose=False,
        )

    def predict(self, rows: Any) -> np.ndarray:
        """Predictions for raw rows (n, …); see `Model.predict`."""
        return self.model.predict(rows)


def brief(status: str, summary: Mapping[str, Any], findings: Sequence[Finding]) -> str:
    """A run in a line: `finished, test loss 0.11, test accuracy 0.97, no findings`.

    The numbers are those of the rows that were trained on least.
    """
    numbers = {**summary.get("last", {}), **summary}
    for part in ("test/", "validation/", "train/"):
        names = [n for n in numbers if n.startswith(part) and n != "test/step"]
        if names:
            break
    told = [status]
    for name in names:
        value = numbers[name]
        if not isinstance(value, list):  # a confusion is a table
            number = value if isinstance(value, str) else f"{value:.4g}"
            told.append(f"{name.replace('/', ' ')} {number}")
    ids = " ".join(dict.fromkeys(finding.id for finding in findings))
    return ", ".join([*told, f"findings {ids}" if ids else "no findings"])


def weights(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a prediction needs of a checkpoint: the best values, else the last."""
    found: dict[str, np.ndarray] = {}
    for prefix in ("parameter/", "state/", "best/"):
        for name, tensor in tensors.items():
            if name.startswith(prefix):
                found[name.removeprefix(prefix)] = tensor
    return found


# ---------------------------------------------------------------- files of a run


_COLUMN = {"name": str, "kind": str, "missing": str}
_DATA = {
    "task": ("classification", "regression"),
    "classes": [(str, bool, json_text.finite)],
    "targets": [_COLUMN],
    "columns": [
        {**_COLUMN, "fill": (None, str, json_text.finite), "categories?": [str]}
    ],
    "ignored?": [str],
    "input_shape": [json_text.count],
    "dtype": ("float32", "float64"),
    "reading": {str: (str, [str])},
    "preprocess": [{"step": json_text.anything, "learned": {str: json_text.anything}}],
    "one_hot?": {str: json_text.anything},
    "codes?": {str: json_text.anything},
    "target_scale": (
        None,
        {"mean": [json_text.number], "std": [json_text.number]},
    ),
}

_ARRAYS = {
    "source": {str: json_text.anything},
    "task": ("classification", "regression"),
    "classes": [(str, json_text.finite)],
    "targets": [str],
    "features": [str],
    "axis": (0, -1),
    "input_shape": [json_text.count],
    "positions": [json_text.count],
    "symbols": json_text.count,
    "dtype": _DATA["dtype"],
    "preprocess": _DATA["preprocess"],
    "target_scale": _DATA["target_scale"],
}
_KINDS: Mapping[Any, tuple[Any, type[Any]]] = {
    None: (_DATA, Preparation),
    "arrays": (_ARRAYS, BlockPreparation),
    "series": ({**_DATA, "source": {str: json_text.anything}}, SeriesPreparation),
}
"""The form of `data.json` and what it makes, by the kind that it says; tables none."""


def read_preparation(folder: RunFolder) -> Kept:
    """What `data.json` says, and predictions need.

    Raises:
        Error: `run-damaged` or `run-data` where it is not what a preparation writes.
    """
    plain, path = folder.read_json("data.json"), folder.path / "data.json"
    json_text.check(plain, {"kind?": tuple(k for k in _KINDS if k)}, path)
    form, made = _KINDS[plain.get("kind")]
    json_text.check(plain, form, path)
    preparation: Kept = made.from_json(plain)
    return preparation


def load_run(path: str | os.PathLike[str]) -> Run:
    """The run in a folder."""
    return Run(Path(path))
