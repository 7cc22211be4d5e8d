"""Train with Keras and its BackupAndRestore; started again, it goes on.

    python experiments/reliability/with_keras.py FOLDER [--double] [--still]

The callback is used as its page shows it: given to `fit`, everything else by default.
With --double it keeps two states, which its page offers as the more tolerant way. With
--still nothing is random but the first weights: no dropout, no shuffling.
"""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import keras
import numpy as np
import torch

from experiments.reliability import digits

torch.set_num_threads(1)


def network(dropout: float = digits.DROPOUT) -> Any:
    """The compiled model, its random numbers seeded as Keras' guide says."""
    keras.utils.set_random_seed(digits.SEED)
    first, second = digits.HIDDEN
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(first, activation="relu"),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(second, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(digits.RATE), loss)
    return model


def backup(folder: Path, double: bool) -> Any:
    more = {"double_checkpoint": True} if double else {}
    return keras.callbacks.BackupAndRestore(str(folder / "run" / "backup"), **more)


class Marks(keras.callbacks.Callback):
    """Marks where an epoch begins and its middle; remembers the first."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.start, self.epoch = folder, -1, 0

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.start = epoch if self.start < 0 else self.start
        self.epoch = epoch + 1
        digits.mark(self.folder, f"epoch-{self.epoch}")

    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
        if batch == digits.ROWS // digits.BATCH // 2:
            digits.mark(self.folder, f"middle-{self.epoch}")


def train(folder: Path, double: bool, still: bool) -> None:
    model, marks = network(0.0 if still else digits.DROPOUT), Marks(folder)
    model.fit(
        *digits.rows(),
        batch_size=digits.BATCH,
        epochs=digits.EPOCHS,
        verbose=0,
        shuffle=not still,
        callbacks=[backup(folder, double), marks],
    )
    updates = int(model.optimizer.iterations.numpy())
    start = marks.start if marks.start >= 0 else digits.EPOCHS
    digits.finish(folder, start, updates, model.get_weights())


class Restorer:
    """Loads what a damaged backup holds, as `fit` does at its beginning."""

    def __init__(self, double: bool) -> None:
        self.model, self.double = network(), double
        self.model.optimizer.build(self.model.trainable_variables)
        self.fresh = [np.array(v.numpy()) for v in self._variables()]

    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def __call__(self, folder: Path) -> list[np.ndarray]:
        """The restored state: weights, the optimizer's, and the epoch."""
        for variable, value in zip(self._variables(), self.fresh, strict=True):
            variable.assign(value)
        self.model._initial_epoch = 0
        callback = backup(folder, self.double)
        callback.set_model(self.model)
        callback.on_train_begin()
        state = [np.array(v.numpy()) for v in self._variables()]
        return [*state, np.array(self.model._initial_epoch)]


if __name__ == "__main__":
    train(Path(sys.argv[1]), "--double" in sys.argv, "--still" in sys.argv)
