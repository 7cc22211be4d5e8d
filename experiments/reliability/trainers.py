"""The trainers that are tried: how each is started, goes on, and shows how it ended."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.reliability import digits

HERE = Path(__file__).parent
State = list[np.ndarray]


@dataclass(frozen=True)
class Ended:
    """How training ended.

    Attributes:
        start: epochs that were done when the last process began to train.
        updates: how many the final state is said to have had.
        sha256: of the final weights.
    """

    start: float
    updates: int
    sha256: str


@dataclass(frozen=True)
class Trainer:
    """A trainer and what its own pages say of going on.

    Attributes:
        packages: whose versions count.
        opening: what a call looks like that is made once before each save.
        between: one that is made between two saves, with updates that no save has yet.
        begin, go_on: the commands, given the folder of a trial.
        ended: how training ended in that folder, or None if it did not.
        newest: the files of the newest checkpoint.
        restorer: makes what loads a checkpoint as going on does.
        drop: removes the newest checkpoint and gives True, if there is an older one.
        settings, promise, pages: for the report.
    """

    name: str
    packages: tuple[str, ...]
    opening: str
    between: str
    begin: Callable[[Path], list[str]]
    go_on: Callable[[Path], list[str]]
    ended: Callable[[Path], Ended | None]
    newest: Callable[[Path], list[Path]]
    restorer: Callable[[], Callable[[Path], State]]
    drop: Callable[[Path], bool]
    settings: str
    promise: str
    pages: tuple[str, ...]

    def missing(self) -> list[str]:
        """The packages that are not installed."""
        return [p for p in self.packages if importlib.util.find_spec(p) is None]

    def versions(self) -> dict[str, str]:
        return {p: importlib.metadata.version(p) for p in self.packages}


# ---------------------------------------------------------------- nettrain

_STEPS = (digits.EPOCHS * digits.ROWS) // digits.BATCH


def _config(trial: Path) -> Path:
    """The same rows and network, a save at the end of every epoch."""
    pixels, labels = digits.rows()
    np.savez(trial / "digits.npz", x=pixels, y=labels)
    layers: list[Any] = [
        {"dense": {"units": digits.HIDDEN[0], "activation": "relu"}},
        {"dropout": digits.DROPOUT},
        {"dense": {"units": digits.HIDDEN[1], "activation": "relu"}},
        {"dense": 10},
    ]
    config = {
        "name": "digits",
        "seed": digits.SEED,
        "data": {
            "source": str(trial / "digits.npz"),
            "split": {"validation": 0, "test": 0},
            "batch_size": digits.BATCH,
        },
        "model": layers,
        "loss": "cross_entropy",
        "optimizer": {"adam": {"learning_rate": digits.RATE}},
        "train": {"epochs": digits.EPOCHS},
    }
    path = trial / "config.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def _nettrain(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "nettrain", *map(str, words)]


def _nettrain_ended(trial: Path) -> Ended | None:
    from nettrain.record.checkpoint import decode

    run = trial / "run"
    path = run / "run.json"
    status = json.loads(path.read_text()) if path.exists() else {}
    if status.get("status") != "finished":
        return None
    checkpoint = decode(max((run / "checkpoints").glob("step-*")).read_bytes())
    tensors = sorted(checkpoint.tensors.items())
    weights = [array for path, array in tensors if path.startswith("parameter/")]
    rows = (run / "events.jsonl").read_text().splitlines()
    starts = [row["step"] for row in map(json.loads, rows) if row["event"] == "resume"]
    epochs = starts[-1] / _STEPS * digits.EPOCHS if starts else 0
    return Ended(epochs, checkpoint.meta.step, digits.digest(weights))


def _nettrain_newest(trial: Path) -> list[Path]:
    return [max((trial / "run" / "checkpoints").glob("step-*"))]


def _nettrain_restorer() -> Callable[[Path], State]:
    from nettrain.disk import Disk
    from nettrain.record.folder import RunFolder
    from nettrain.record.store import recover

    def restore(trial: Path) -> State:
        folder = RunFolder.open(trial / "run", disk=Disk())
        with folder.lock():
            found = recover(folder).checkpoint
        if found is None:
            return []
        tensors = found.tensors
        return [*(tensors[p] for p in sorted(tensors)), np.array(found.meta.step)]

    return restore


def _nettrain_drop(trial: Path) -> bool:
    _nettrain_newest(trial)[0].unlink()
    return True


NETTRAIN = Trainer(
    "nettrain",
    ("nettrain", "numpy"),
    opening=r"write\(.*metrics\.jsonl",
    between=r"write\(.*metrics\.jsonl",
    begin=lambda trial: _nettrain("run", _config(trial), "--out", trial / "run"),
    go_on=lambda trial: _nettrain("resume", trial / "run"),
    ended=_nettrain_ended,
    newest=_nettrain_newest,
    restorer=_nettrain_restorer,
    drop=_nettrain_drop,
    settings="defaults (a checkpoint an epoch, three kept); `nettrain resume RUN`",
    promise="resumes after any crash, and ends bit-identically; damage is detected",
    pages=("nettrain resume --help",),
)


# ---------------------------------------------------------------- scripts


def _script(name: str, *words: str) -> Callable[[Path], list[str]]:
    """Begins and goes on alike: the same command again."""
    return lambda trial: [sys.executable, str(HERE / name), str(trial), *words]


def _script_ended(trial: Path) -> Ended | None:
    path = trial / "final.json"
    return Ended(**json.loads(path.read_text())) if path.exists() else None


def _keras_files(trial: Path) -> list[Path]:
    backup = trial / "run" / "backup"
    return [backup / "latest.weights.h5", backup / "training_metadata.json"]


def _keras_restorer(double: bool) -> Callable[[], Callable[[Path], State]]:
    def make() -> Callable[[Path], State]:
        from experiments.reliability.with_keras import Restorer

        return Restorer(double)

    return make


def _keras_drop(trial: Path) -> bool:
    """Put the state before in its place, where there is one."""
    before = [path.with_name(f"{path.name}.bkp") for path in _keras_files(trial)]
    if not all(path.exists() for path in before):
        return False
    for old, new in zip(before, _keras_files(trial), strict=True):
        shutil.copy(old, new)
    return True


def _keras(name: str, settings: str, *words: str) -> Trainer:
    command = _script("with_keras.py", *words)
    return Trainer(
        name,
        ("keras", "torch", "h5py"),
        opening=r"mkdir\(.*marks/epoch-",
        between=r"mkdir\(.*marks/middle-",
        begin=command,
        go_on=command,
        ended=_script_ended,
        newest=_keras_files,
        restorer=_keras_restorer("--double" in words),
        drop=_keras_drop,
        settings=f"{settings}; the same `fit` again",
        promise="“recover training from an interruption”; at the most recent backup",
        pages=("https://keras.io/api/callbacks/backup_and_restore/",),
    )


_BACKUP = "`BackupAndRestore(backup_dir)`, PyTorch backend"
KERAS = _keras("keras", _BACKUP)
KERAS_DOUBLE = _keras(
    "keras-double",
    "`BackupAndRestore(backup_dir, double_checkpoint=True)`, PyTorch backend",
    "--double",
)


def _lightning_restorer() -> Callable[[Path], State]:
    from experiments.reliability.with_lightning import Restorer

    return Restorer()


def _lightning(name: str, settings: str, *words: str) -> Trainer:
    command = _script("with_lightning.py", *words)
    return Trainer(
        name,
        ("lightning", "torch", "fsspec"),
        opening=r"mkdir\(.*marks/epoch-",
        between=r"mkdir\(.*marks/middle-",
        begin=command,
        go_on=command,
        ended=_script_ended,
        newest=lambda trial: [trial / "run" / "last.ckpt"],
        restorer=_lightning_restorer,
        drop=lambda trial: False,
        settings=f"{settings}; `fit(…, ckpt_path='last')` again",
        promise="resumes training from the checkpoint; saves local files atomically",
        pages=(
            "https://lightning.ai/docs/pytorch/stable/common/checkpointing_basic.html",
            "https://lightning.ai/docs/pytorch/stable/api/"
            "lightning.pytorch.callbacks.ModelCheckpoint.html",
        ),
    )


_LAST = "`ModelCheckpoint(dirpath, save_last=True)`"
_STILL = ", no dropout, no shuffling"
LIGHTNING = _lightning("lightning", _LAST)

DEFAULT = (NETTRAIN, KERAS, KERAS_DOUBLE, LIGHTNING)
STILL = (
    _keras("keras-still", _BACKUP + _STILL, "--still"),
    _lightning("lightning-still", _LAST + _STILL, "--still"),
)
"""The same with nothing random left after the first weights."""

TRAINERS = {t.name: t for t in (*DEFAULT, *STILL)}


def chosen(names: Sequence[str]) -> tuple[list[Trainer], list[str]]:
    """The trainers of these names that are installed, and a line for each other one."""
    found, lacking = [], []
    for name in names:
        trainer = TRAINERS[name]
        if missing := trainer.missing():
            lacking.append(f"{name} left out: {', '.join(missing)} not installed")
        else:
            found.append(trainer)
    return found, lacking
