"""Every bit and every end of a checkpoint; and that the one who looks can see."""

from __future__ import annotations

from pathlib import Path

import pytest

from nettrain.record import append, checkpoint, store
from nettrain.selftest import damage


def test_every_bit_and_every_end(tmp_path: Path) -> None:
    score = damage.damage(tmp_path)
    assert score.failures == ()
    assert score.passed == score.total
    run = tmp_path / "run"
    size = (run / "checkpoints/step-000000000002.safetensors").stat().st_size
    rows = (run / "metrics.jsonl").stat().st_size
    rows += (run / "statistics.csv").stat().st_size
    resumed = score.total - (9 * size + 2) - (9 * rows + 2)
    assert resumed >= 16
    assert size > 1000 and rows > 400


class TestTheTrial:
    """With a fault planted in the product the trial has to see it."""

    EVERY = 97

    def test_is_passed(self, tmp_path: Path) -> None:
        score = damage.damage(tmp_path, self.EVERY)
        assert (score.failures, score.passed) == ((), score.total)
        assert score.total > 100

    def test_sees_a_hash_that_is_not_looked_at(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(checkpoint, "_verify", lambda data: None)
        score = damage.damage(tmp_path, self.EVERY)
        assert score.passed < score.total - 20
        assert "the checkpoint of step 2 is used" in score.failures[0]

    def test_sees_rows_of_which_only_the_length_counts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def begins(prefix: append.Prefix, data: bytes) -> bool:
            return len(data) >= prefix.length

        monkeypatch.setattr(append.Prefix, "begins", begins)
        score = damage.damage(tmp_path, self.EVERY)
        assert 0 < score.passed < score.total
        assert score.failures[0].startswith("metrics.jsonl, bit")

    def test_sees_a_fallback_that_is_not_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = property(lambda found: [str(skipped) for skipped in found.skipped])
        monkeypatch.setattr(store.Found, "told", told)
        score = damage.damage(tmp_path, self.EVERY)
        assert "is used instead" in score.failures[0]
