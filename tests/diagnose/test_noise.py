"""B1 and B2: gradients of mere noise, and predictions unlike the training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nettrain.diagnose import Evidence, Finding, LayerFacts, Modes, Setting
from nettrain.diagnose.detectors import BatchNoise, ModeMismatch

Make = Callable[..., Evidence]


def noisy(healthy: Make, noise: float, loss: float = 1.5, **more: Any) -> Evidence:
    """Batches of 32 rows; H0 = 2."""
    modes = Modes(loss, loss, noise)
    return healthy(modes=modes, loss=np.full(6, loss), **more)


def noise_in(evidence: Evidence, **thresholds: Any) -> list[Finding]:
    return list(BatchNoise(**thresholds).detect(evidence))


def mismatch_in(evidence: Evidence, **thresholds: Any) -> list[Finding]:
    return list(ModeMismatch(**thresholds).detect(evidence))


def patch(found: Finding) -> list[tuple[str, Any]]:
    assert found.remedy is not None and found.remedy.text
    return [(edit.path, edit.value) for edit in found.remedy.patch]


def test_a_healthy_run_has_neither(healthy: Make) -> None:
    assert not noise_in(healthy()) and not mismatch_in(healthy())
    unmeasured = healthy(modes=None)
    assert not noise_in(unmeasured) and not mismatch_in(unmeasured)


# ---------------------------------------------------------------- B1


def test_a_gradient_of_noise(healthy: Make) -> None:
    (found,) = noise_in(noisy(healthy, 960.0))
    assert (found.id, found.severity) == ("B1", "note")
    assert (found.measured, found.threshold) == (30.0, 20.0)
    assert (found.epoch, found.step) == (6, 60)
    assert "30 times the batch of 32" in found.why
    assert patch(found) == [("data.batch_size", 128)]


@pytest.mark.parametrize("noise", [0.0, -700.0, 32.0, 639.0, np.inf, np.nan])
def test_noise_that_a_batch_averages_out_or_that_is_unknown(
    healthy: Make, noise: float
) -> None:
    """Large batches are no fault; an estimate of |G|² can be below 0."""
    assert not noise_in(noisy(healthy, noise))


def test_where_noise_begins(healthy: Make) -> None:
    """20 batches of 32 rows."""
    assert noise_in(noisy(healthy, 641.0))
    assert noise_in(noisy(healthy, 639.0), times=19.0)


def test_a_net_that_has_learned_may_have_any_noise(healthy: Make) -> None:
    assert not noise_in(noisy(healthy, 1e6, loss=0.99))
    assert noise_in(noisy(healthy, 1e6, loss=1.01))
    assert noise_in(noisy(healthy, 1e6, loss=0.99), unlearned=0.4)


def test_a_batch_cannot_have_more_rows_than_there_are(healthy: Make) -> None:
    evidence = noisy(healthy, 1e6)
    assert evidence.targets is not None
    for rows, value in ((100, [("data.batch_size", 100)]), (32, [])):
        targets = replace(evidence.targets, rows=rows)
        (found,) = noise_in(replace(evidence, targets=targets))
        assert patch(found) == value
    assert not noise_in(replace(evidence, batch_size=0))


def test_an_update_of_several_batches_is_given_more_of_them(healthy: Make) -> None:
    evidence = noisy(healthy, 1e6)
    several = {"accumulate": Setting("train.accumulate", 2)}
    (found,) = noise_in(replace(evidence, settings=evidence.settings | several))
    assert patch(found) == [("train.accumulate", 8)]
    assert evidence.targets is not None and found.remedy is not None
    assert found.remedy.text.startswith("accumulate more batches, or ")


# ---------------------------------------------------------------- B2


@pytest.mark.parametrize(
    ("training", "prediction", "found"),
    [
        (0.5, 1.1, True),
        (0.5, 0.9, False),
        (1.1, 0.5, False),
        (0.01, 0.19, False),
        (0.01, 0.21, True),
        (0.0, 0.5, True),
        (0.5, np.nan, False),
        (np.nan, 0.5, False),
    ],
)
def test_the_same_rows_in_both_modes(
    healthy: Make, training: float, prediction: float, found: bool
) -> None:
    """Twice the loss and a tenth of H0 = 2; dropout does it the other way round."""
    evidence = healthy(modes=Modes(training, prediction))
    assert [f.severity for f in mismatch_in(evidence)] == ["warning"] * found


def test_thresholds_of_the_mismatch(healthy: Make) -> None:
    (found,) = mismatch_in(healthy(modes=Modes(0.5, 1.5)))
    assert (found.id, found.measured, found.threshold) == ("B2", 3.0, 2.0)
    assert mismatch_in(healthy(modes=Modes(0.5, 0.9)), times=1.5)
    assert mismatch_in(healthy(modes=Modes(0.01, 0.19)), least=0.05)


def test_running_averages_are_done_without(healthy: Make) -> None:
    evidence = healthy(modes=Modes(0.5, 1.5))
    assert patch(mismatch_in(evidence)[0]) == []
    norms = {
        name: LayerFacts(name, f"model.{name}", kind="batch_norm")
        for name in ("batch_norm1", "batch_norm2")
    }
    # A second round of the same block.
    norms["2/batch_norm2"] = norms["batch_norm2"]
    evidence = replace(evidence, layers={**evidence.layers, **norms})
    assert patch(mismatch_in(evidence)[0]) == [
        ("model.batch_norm2", "layer_norm"),
        ("model.batch_norm1", "layer_norm"),
    ]
