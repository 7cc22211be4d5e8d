"""Patches are tried in rounds, and only those that help are kept."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nettrain as nt
from nettrain.diagnose.finding import Edit, Finding, Remedy
from nettrain.errors import Error
from nettrain.experiment import verify as verifying
from nettrain.experiment.doctor import RESOLVED
from nettrain.experiment.load import Run
from nettrain.experiment.setup import set_up
from nettrain.experiment.verify import Trained, accepted, verify
from tests.experiment.conftest import SMALL

RATE = "optimizer.adam.learning_rate"
Losses = Sequence[float]


def sick(id_: str, *edits: Edit, severity: str = "error") -> Finding:
    remedy = Remedy("x", edits) if edits else None
    return Finding(id_, "name", severity, "why", remedy=remedy)  # type: ignore[arg-type]


def rate(value: float) -> Edit:
    return Edit(RATE, value)


def trained(losses: Losses = (1.0,), *findings: Finding, **changes: Any) -> Trained:
    """A training of an epoch for each validation loss, as shares of guessing."""
    setup = changes.pop("setup", None) or set_up(SMALL)
    first = Trained((), setup, {}, findings, 24, len(losses), False)
    values = np.array(losses) * first.prior
    rows = np.arange(1, len(losses) + 1)
    metrics = {"step": rows, "train/epoch_loss": 2 * values, "validation/loss": values}
    return dataclasses.replace(first, metrics=metrics, **changes)


# ---------------------------------------------------------------- the final model


def test_the_loss_is_a_share_of_guessing() -> None:
    assert trained((2.0, 0.5)).loss() == pytest.approx(0.5)
    alone = trained((2.0, 0.5))
    del alone.metrics["validation/loss"]  # type: ignore[attr-defined]
    assert alone.loss() == pytest.approx(1.0)  # the training loss is twice that


def test_it_is_that_of_the_weights_that_are_kept() -> None:
    assert trained((0.3, 0.2, 0.5)).loss() == pytest.approx(0.5)
    stop = {"monitor": "validation/loss", "patience": 2, "restore_best": True}
    restored = set_up({**SMALL, "train": {"epochs": 4, "stop": stop}})
    assert trained((0.3, 0.2, 0.5), setup=restored).loss() == pytest.approx(0.2)
    holes = trained((math.nan, 0.2, math.nan), setup=restored)
    assert holes.loss() == pytest.approx(0.2)


def test_it_can_be_that_of_an_earlier_moment() -> None:
    assert trained((0.3, 0.2, 0.5)).loss(until=2) == pytest.approx(0.2)
    assert trained((0.3, 0.2, 0.5)).loss(until=0) == math.inf


def test_a_run_that_diverged_has_an_infinite_loss() -> None:
    broken = trained((0.3, 0.2), diverged=True)
    assert broken.loss() == math.inf
    assert broken.loss(until=1) == pytest.approx(0.3)
    assert dataclasses.replace(trained(), metrics={}).loss() == math.inf


def test_scores_have_no_loss_of_a_single_batch() -> None:
    found = trained((0.3, 0.2)).scores()
    assert set(found) == {"train/loss", "validation/loss"}
    assert found["train/loss"] == pytest.approx(2 * found["validation/loss"])


@pytest.mark.parametrize(
    ("planned", "most"), [(100, 100), (2000, 2000), (6000, 2000), (10_000, 2500)]
)
def test_long_trainings_are_shortened(planned: int, most: int) -> None:
    assert verifying.limit(planned) == most
    made = dataclasses.replace(trained(), planned=planned, steps=most)
    assert made.shortened == (most < planned)
    stopped = dataclasses.replace(trained(), planned=planned, steps=most - 10)
    assert not stopped.shortened  # by its own early stopping


# ---------------------------------------------------------------- rounds


@pytest.fixture
def said() -> list[str]:
    """What is told while it goes on."""
    return []


@pytest.fixture
def rounds(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> Callable[..., list[verifying.Round]]:
    """Verify with trainings that come to what a table says, by the rates tried."""

    def rounds(
        before: Trained, outcomes: dict[tuple[Any, ...], Trained]
    ) -> list[verifying.Round]:
        def train(patch: tuple[Edit, ...], base: str) -> Trained:
            made = outcomes[tuple(edit.value for edit in patch)]
            return dataclasses.replace(made, patch=patch)

        monkeypatch.setattr(verifying, "original", lambda run: before)
        monkeypatch.setattr(verifying, "_trained", train)
        return verify(None, "config.yaml", said.append)  # type: ignore[arg-type]

    return rounds


def test_it_ends_when_healthy(rounds: Any) -> None:
    made = rounds(trained((1.0,), sick("L1", rate(1))), {(1,): trained((0.1,))})
    assert [r.accepted for r in made] == [True]
    assert (made[0].why, made[0].losses) == ("healthy", pytest.approx((1.0, 0.1)))
    assert accepted(made) == (rate(1),)


def test_accepted_patches_add_up(rounds: Any) -> None:
    second = trained((0.5,), sick("L2", rate(2)))
    made = rounds(
        trained((1.0,), sick("D1", rate(1))), {(1,): second, (1, 2): trained((0.1,))}
    )
    assert [r.accepted for r in made] == [True, True]
    assert accepted(made) == (rate(1), rate(2))
    assert made[1].before.findings == second.findings


@pytest.mark.parametrize(("after", "kept"), [(0.99, True), (1.0, False), (1.01, False)])
def test_a_patch_has_to_lower_the_loss(rounds: Any, after: float, kept: bool) -> None:
    before = trained((1.0,), sick("L1", rate(1)))
    (made,) = rounds(before, {(1,): trained((after,))})
    assert made.accepted == kept
    assert accepted([made]) == ((rate(1),) if kept else ())


def test_other_validation_rows_prove_nothing(rounds: Any, said: list[str]) -> None:
    """What judges is not trained with; the next finding has its turn."""
    split = Edit("data.split.by", "random")
    before = trained((1.0,), sick("D6", split), sick("O1", rate(1)))
    first, second = rounds(before, {(1,): trained((0.9,))})
    assert (first.accepted, first.after) == (False, None)
    assert "other validation rows" in first.why
    assert second.accepted and accepted([first, second]) == (rate(1),)
    assert len(said) == 1 and said[0].startswith("round 2: O1")


def test_nor_may_a_new_error_stand_before_what_it_cures(rounds: Any) -> None:
    before = trained((1.0,), sick("G1", rate(1)))
    (made,) = rounds(before, {(1,): trained((0.1,), sick("L1"))})
    assert not made.accepted
    assert made.why == "L1 comes up, which stands before G1"
    for harmless in (sick("L3"), sick("L1", severity="warning")):
        (made,) = rounds(before, {(1,): trained((0.1,), harmless)})
        assert made.accepted
    known = trained((1.0,), sick("G1", rate(1)), sick("L1"))
    (made,) = rounds(known, {(1,): trained((0.1,), sick("L1"))})
    assert made.accepted


@pytest.mark.parametrize(
    ("after", "left", "kept"),
    [(1.25, "O3", False), (1.0, "O3", False), (0.99, "O3", True), (1.25, "O2", True)],
)
def test_less_confidence_alone_is_no_cure(
    rounds: Any, after: float, left: str, kept: bool
) -> None:
    """Above guessing the finding has to go; what is below it is something learned."""
    before = trained((2.0,), sick("O3", rate(1), severity="warning"), sick("O2"))
    outcome = trained((after,), sick(left, severity="warning"))
    (made,) = rounds(before, {(1,): outcome})
    assert made.accepted is kept
    remains = "O3 remains, at a loss no better than guessing"
    assert made.why == ("the loss is lower" if kept else remains)


def test_the_next_finding_has_its_turn(rounds: Any) -> None:
    before = trained((1.0,), sick("L1", rate(1)), sick("A1"), sick("G1", rate(2)))
    made = rounds(before, {(1,): trained((2.0,)), (2,): trained((0.5,))})
    assert [(r.finding.id, r.accepted) for r in made] == [("L1", False), ("G1", True)]
    assert accepted(made) == (rate(2),)


def test_what_is_in_the_way_of_a_patch_is_tried_with_it(rounds: Any) -> None:
    """Standardized targets need another rate; the second try has both."""
    before = trained((1.0,), sick("D3", rate(1)), sick("O1", rate(9)))
    made = rounds(
        before,
        {
            (1,): trained((2.0,), sick("L2", rate(2))),
            (1, 2): trained((0.5,)),
            (1, 2, 9): trained((0.6,)),
        },
    )
    assert [(r.finding.id, r.accepted) for r in made] == [("D3", False), ("D3", True)]
    assert accepted(made) == (rate(1), rate(2))


def test_only_one_such_try_is_made(rounds: Any) -> None:
    before = trained((1.0,), sick("D3", rate(1)), sick("O1", rate(9)))
    worse = trained((2.0,), sick("L2", rate(2)))
    made = rounds(before, {(1,): worse, (1, 2): worse, (9,): trained((0.5,))})
    assert [len(r.patch) for r in made] == [1, 2, 1]
    assert accepted(made) == (rate(9),)


def test_no_patch_is_tried_twice_and_four_rounds_are_enough(rounds: Any) -> None:
    again = trained((0.5,), sick("L1", rate(1)))
    made = rounds(trained((1.0,), sick("L1", rate(1))), {(1,): again})
    assert len(made) == 1
    chain = {
        tuple(range(1, n + 1)): trained((1 / (n + 1),), sick("L1", rate(n + 1)))
        for n in range(1, 6)
    }
    made = rounds(trained((1.0,), sick("L1", rate(1))), chain)
    assert [r.accepted for r in made] == [True] * 4


def test_notes_are_not_treated(rounds: Any) -> None:
    assert rounds(trained((1.0,), sick("O3", rate(1), severity="note")), {}) == []


def test_losses_are_compared_at_the_same_moment(rounds: Any) -> None:
    """The run went on to 0.2, but had 0.9 when the mended one was ended."""
    losses = np.concatenate([np.full(2000, 0.9), np.full(2000, 0.2)])
    before = trained(tuple(losses), sick("L1", rate(1)), planned=4000)
    after = trained((0.5,), planned=4000, steps=2000)
    (made,) = rounds(before, {(1,): after})
    assert made.losses == pytest.approx((0.9, 0.5))
    assert made.accepted


# ---------------------------------------------------------------- the real thing


@pytest.fixture
def slow(tmp_path: Path, only_graphs: None) -> Run:
    optimizer = {"sgd": {"learning_rate": 1e-6}}
    config = {**SMALL, "optimizer": optimizer, "train": {"epochs": 60}}
    return nt.train(config, out=tmp_path / "run")


def test_a_run_is_mended(slow: Run) -> None:
    said: list[str] = []
    made = verify(slow, str(slow.path / RESOLVED), said.append)
    assert made[0].finding.id == "L2" and made[0].accepted
    (edit, *_) = accepted(made)
    assert edit.path == "optimizer.sgd.learning_rate"
    before, after = made[0].losses
    assert after < 0.5 < 0.8 < before
    assert said[0] == f"round 1: L2, {edit.path}: {edit.value:g}"
    first = verifying.curves(made[0].before)
    assert first["train"][0].tolist() == [*range(6, 361, 6)]
    assert first["validation"][1][-1] == pytest.approx(before)


def test_a_patch_that_does_not_fit_is_not_accepted(slow: Run) -> None:
    wrong = sick("L2", Edit("model.dense9.units", 3))
    slow.__dict__["findings"] = [wrong]
    (made,) = verify(slow, str(slow.path / RESOLVED))
    assert not made.accepted and made.after is None
    assert "dense9" in made.why
    assert all(map(math.isnan, made.losses))


def test_other_data_prove_nothing(slow: Run) -> None:
    slow.facts = {**slow.facts, "data_sha256": "0"}
    with pytest.raises(Error) as caught:
        verify(slow, str(slow.path / RESOLVED))
    assert caught.value.code == "run-data-changed"
