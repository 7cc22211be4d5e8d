"""A run read back: its numbers, its verdict, and its model for new data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nettrain.component import INVALID, Problem, build
from nettrain.config import resolve
from nettrain.data import Preparation, Rows, part_of
from nettrain.diagnose.finding import Finding
from nettrain.errors import Error
from nettrain.execute import executor
from nettrain.experiment.schema import Experiment
from nettrain.experiment.threads import limited
from nettrain.nn import Loss, Sequential
from nettrain.record.folder import RUN, RunFolder
from nettrain.record.metrics import columns, read_metrics
from nettrain.record.statistics import read_statistics
from nettrain.record.store import Found, newest
from nettrain.training.evaluate import evaluate
from nettrain.training.metrics import Metric
from nettrain.training.network import Predictor, Recipe


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
    preparation: Preparation
    batch: int
    metrics: tuple[Metric, ...]
    threads: int = 1

    def predict(self, rows: Any) -> np.ndarray:
        """Predictions for raw rows: an array (n, …), or rows read by the preparation.

        Returns:
            Probabilities of the classes (n, K), the probability of the second class
            (n, 1), or values (n, T) in the targets' own units.
        """
        if not isinstance(rows, Rows):
            rows = self.preparation.rows(rows)
        inputs = self.preparation.transform(rows)
        with limited(self.threads):
            outputs = self.network.outputs(inputs, self.batch)
            predictions = self.network.predictions(outputs)
        return self.preparation.restore_target(predictions)

    def evaluate(self, rows: Any, name: str) -> dict[str, Any]:
        """Loss and metrics of raw rows that have targets."""
        part = part_of(self.preparation, rows)
        with limited(self.threads):
            return evaluate(self.network, part, self.metrics, self.batch, name)


class Run:
    """A run folder, read.

    Attributes:
        path: of the folder.
        status: finished, interrupted, diverged, failed or running.
        summary: test metrics, and the best and last of the others.
        metrics: `metrics.jsonl` as columns.
        statistics: `statistics.csv` as columns.
        findings: what the diagnosis found.
    """

    def __init__(self, path: Path | str) -> None:
        self._folder = RunFolder.open(path)
        self.path = Path(path)
        self.facts: Mapping[str, Any] = self._folder.read_json(RUN)
        self.status: str = self.facts["status"]
        self.summary: Mapping[str, Any] = self.facts.get("summary", {})

    @cached_property
    def metrics(self) -> Mapping[str, np.ndarray]:
        return columns(read_metrics(self._folder.disk, self._folder.metrics))

    @cached_property
    def statistics(self) -> Mapping[str, np.ndarray]:
        return read_statistics(self._folder.disk, self._folder.statistics)

    @cached_property
    def findings(self) -> list[Finding]:
        if not self._folder.disk.exists(self.path / "findings.json"):
            return []
        return [Finding.from_json(r) for r in self._folder.read_json("findings.json")]

    @property
    def config_text(self) -> str:
        """The config as it was given."""
        return self._folder.read_text("config.yaml")

    @property
    def pictures(self) -> list[str]:
        """The files in `plots/`."""
        plots = self.path / "plots"
        disk = self._folder.disk
        return sorted(disk.list(plots)) if disk.is_folder(plots) else []

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
        """Of each newer checkpoint that cannot be used, why."""
        return [str(skipped) for skipped in self._found.skipped]

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
        preparation = Preparation.from_json(self._folder.read_json("data.json"))
        experiment = self.experiment
        network = Predictor.trained(
            self._recipe(preparation), executor(experiment.executor), self.weights
        )
        batch = experiment.data.evaluation_batch_size
        return Model(
            network, preparation, batch, experiment.metrics, experiment.threads
        )

    def _recipe(self, preparation: Preparation) -> Recipe:
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
            targets=() if classification else (targets,),
            targets_dtype="int64" if classification else experiment.dtype,
            outputs=loss.outputs_for(len(preparation.classes), targets),
            seed=experiment.seed,
            dtype=experiment.dtype,
            diagnose=False,
        )

    def predict(self, rows: Any) -> np.ndarray:
        """Predictions for raw rows (n, …); see `Model.predict`."""
        return self.model.predict(rows)


def weights(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a prediction needs of a checkpoint: the best values, else the last."""
    found: dict[str, np.ndarray] = {}
    for prefix in ("parameter/", "state/", "best/"):
        for name, tensor in tensors.items():
            if name.startswith(prefix):
                found[name.removeprefix(prefix)] = tensor
    return found


def load_run(path: str | os.PathLike[str]) -> Run:
    """The run in a folder."""
    return Run(Path(path))
