"""The command in this process: what it prints, and its exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nettrain.cli.main import main

ROOT = Path(__file__).parents[2]
THREADS = ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR")

CONFIG = """\
name: flowers
data:
  source: table.csv
  target: kind
  preprocess: [standardize]
  split: {validation: 0.2, test: 0.2}
  batch_size: 16
model:
  - dense: {units: 6, activation: relu}
  - dense: auto
loss: cross_entropy
metrics: [accuracy]
train: {epochs: 2}
"""


@dataclass(frozen=True)
class Answer:
    """What a command came to."""

    code: int
    out: str
    err: str


Call = Callable[..., Answer]


def rows() -> list[str]:
    """Sixty rows of three kinds, which the two lengths tell apart."""
    found = []
    for i in range(60):
        kind = i % 3
        length, width = 4 + kind + (i * 7 % 11) / 10, 9 - 2 * kind + (i * 5 % 13) / 10
        found.append(f"{length:.2f},{width:.2f},{'abc'[kind]}")
    return found


def write_project(folder: Path) -> None:
    """A config and its table."""
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "table.csv").write_text("\n".join(["length,width,kind", *rows(), ""]))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a config and its table."""
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo afterwards what the command sets; no terminal is asked for its width."""
    for name in THREADS:
        monkeypatch.setenv(f"{name}_NUM_THREADS", "1")
    monkeypatch.setenv("VECLIB_MAXIMUM_THREADS", "1")
    monkeypatch.setenv("COLUMNS", "88")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command line, word by word."""

    def run(*words: object) -> Answer:
        capsys.readouterr()
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return Answer(code, printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished run, for reading only; its project is the folder above it."""
    folder = tmp_path_factory.mktemp("trained")
    write_project(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["run", "config.yaml", "--out", "run"]) == 0
    yield folder / "run"
