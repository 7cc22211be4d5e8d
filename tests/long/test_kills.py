"""Every kill, error and signal there is room for; about ten minutes on four cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from nettrain.cli.main import main
from nettrain.selftest import kills
from nettrain.selftest.faulty_disk import KILLS
from nettrain.selftest.score import Score
from tests.selftest.test_kills import check, in_memory
from tests.test_configs import CONFIGS, name

pytestmark = pytest.mark.long
WORKERS = os.cpu_count() or 1
room = pytest.fixture(name="room")(in_memory)

NASTY = {
    "dead.yaml": """\
data:
  source: {classification: {samples: 90, features: 8, informative: 4, classes: 3}}
  split: {validation: 0.2, test: 0.2, stratify: true}
  preprocess: [min_max]
  batch_size: 8
model:
  - dense: {units: 8, activation: relu, bias_init: {constant: -30.0}}
  - dense: auto
loss: cross_entropy
metrics: [accuracy, confusion]
optimizer: {adamw: {learning_rate: {cosine: {peak: 0.01, warmup: 10 %}}}}
train: {steps: 20, clip_norm: 1.0, checkpoint: {every: 3 steps, keep: 2}}
""",
    "rollback.yaml": """\
data:
  source: {regression: {samples: 80, targets: 2}}
  preprocess: [standardize]
  standardize_target: true
  batch_size: 8
dtype: float64
model: [{dense: {units: 6, activation: selu}}, {dropout: 0.3}, {dense: auto}]
loss: mse
metrics: [r2]
optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9, nesterov: true}}
train:
  epochs: 4
  on_nonfinite: rollback
  stop: {monitor: validation/r2, patience: 1, restore_best: true}
  checkpoint: {every: 2 steps, keep: 2}
diagnose: {every: 3}
""",
    "selftest.yaml": kills.CONFIG,
}
SHORT = ["train.epochs=3", "train.checkpoint={every: 7 steps, keep: 2}"]


@pytest.mark.parametrize(
    "attempt", [kills.at_calls, kills.with_errors, kills.with_signals]
)
def test_every_disk_call(room: Path, attempt: Callable[..., Score]) -> None:
    check(attempt(main, room, workers=WORKERS), 400)


def test_every_disk_call_while_pictures_are_drawn(room: Path) -> None:
    made = kills.subject(main, room, short=False)
    rows = [(call, path.endswith("metrics.jsonl")) for call, path in made.calls]
    trained = max(n for n, row in enumerate(rows) if row == ("write", True))
    mishaps = kills._mishaps(KILLS[:2], made.calls, None)
    late = [mishap for mishap in mishaps if mishap.at >= trained]
    assert len(late) > 60
    attempt = partial(kills._tried, made, room, kills._killed)
    wrong = kills._mapped(attempt, list(enumerate(late)), WORKERS)
    assert [told for told in wrong if told] == []


def subjects(room: Path) -> Iterator[kills.Subject]:
    """Shortened configs of the project and nastier ones, as processes of their own."""
    for config in CONFIGS:
        if config.parent.name == "configs":
            overrides = SHORT
            yield kills.subject(
                kills.anew, room / name(config), config, overrides, short=False
            )
    for called, text in NASTY.items():
        config = room / called
        config.write_text(text)
        yield kills.subject(kills.anew, room / config.stem, config, short=False)


def test_a_thousand_kills_at_random_moments(room: Path) -> None:
    made = list(subjects(room))
    assert len(made) >= 7
    check(kills.killed_at_random(made, room, kills=1000, workers=WORKERS), 1000)
