"""Train with Lightning and its ModelCheckpoint; started again, it goes on.

    python experiments/reliability/with_lightning.py FOLDER [--still]

As its pages show it: `ModelCheckpoint(save_last=True)`, by default once an epoch, and
`fit(…, ckpt_path="last")`, which begins anew where there is no checkpoint yet. With
--still nothing is random but the first weights: no dropout, no shuffling.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import nn

from experiments.reliability import digits

torch.set_num_threads(1)
warnings.filterwarnings("ignore", ".*num_workers.*|.*no last checkpoint.*")


class Network(lightning.LightningModule):
    """The same perceptron, trained by Adam."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        first, second = digits.HIDDEN
        self.layers = nn.Sequential(
            nn.Linear(64, first),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Linear(second, 10),
        )

    def training_step(self, batch: Any, number: int) -> Any:
        pixels, labels = batch
        return nn.functional.cross_entropy(self.layers(pixels), labels)

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), digits.RATE)


class Marks(Callback):
    """Marks where an epoch begins and its middle; remembers the first."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.start = folder, digits.EPOCHS

    def on_train_start(self, trainer: Any, module: Any) -> None:
        self.start = trainer.current_epoch

    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
        digits.mark(self.folder, f"epoch-{trainer.current_epoch + 1}")

    def on_train_batch_start(
        self, trainer: Any, module: Any, batch: Any, number: int
    ) -> None:
        if number == digits.ROWS // digits.BATCH // 2:
            digits.mark(self.folder, f"middle-{trainer.current_epoch + 1}")


def fit(folder: Path, *callbacks: Callback, still: bool = False) -> Any:
    """Train on from the last checkpoint in `folder/run`; the trainer."""
    lightning.seed_everything(digits.SEED, workers=True, verbose=False)
    tensors = (torch.from_numpy(part) for part in digits.rows())
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(*tensors), digits.BATCH, shuffle=not still
    )
    trainer = lightning.Trainer(
        max_epochs=digits.EPOCHS,
        deterministic=True,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ModelCheckpoint(folder / "run", save_last=True), *callbacks],
    )
    module = Network(0.0 if still else digits.DROPOUT)
    trainer.fit(module, loader, ckpt_path="last")
    return trainer


def train(folder: Path, still: bool) -> None:
    marks = Marks(folder)
    trainer = fit(folder, marks, still=still)
    weights = [w.detach().numpy() for w in trainer.lightning_module.parameters()]
    digits.finish(folder, marks.start, trainer.global_step, weights)


class _Restored(Exception):
    """Everything is loaded: no need to train."""


class _Capture(Callback):
    """Takes the state at the moment at which training would go on."""

    def on_train_start(self, trainer: Any, module: Any) -> None:
        state = [w.detach().numpy().copy() for w in module.parameters()]
        for slots in trainer.optimizers[0].state_dict()["state"].values():
            state += [np.array(slot) for slot in slots.values()]
        counters = [trainer.current_epoch, trainer.global_step]
        self.state = [*state, np.array(counters)]
        raise _Restored


class Restorer:
    """Loads what a damaged checkpoint holds, as `fit` does at its beginning."""

    def __call__(self, folder: Path) -> list[np.ndarray]:
        """The restored state: weights, the optimizer's, and the counters."""
        capture = _Capture()
        try:
            fit(folder, capture)
        except _Restored:
            return capture.state
        # Nothing was left to train: the counters say that it was over.
        raise RuntimeError("training was over before it began")


if __name__ == "__main__":
    train(Path(sys.argv[1]), "--still" in sys.argv)
