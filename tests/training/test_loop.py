"""The loop: how long it runs, what it emits, and that it can go on exactly."""

from __future__ import annotations

import numpy as np
import pytest

from nettrain.diagnose.finding import Finding
from nettrain.errors import Error
from nettrain.nn import BatchNorm, Dense, Dropout
from nettrain.optim import SGD, Adam, AdamW, Cosine, Plateau
from nettrain.span import Span
from nettrain.training.events import EpochEnded, Found, Measured, SaveDue, Stepped
from nettrain.training.settings import Checkpoint, Stop
from tests.training.conftest import Start, Started, parts


def rows(started: Started) -> list[dict]:
    return [dict(e.row) for e in started.events if isinstance(e, Stepped)]


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype
        and a[k].shape == b[k].shape
        and a[k].tobytes() == b[k].tobytes()
        for k in a
    )


def test_a_row_for_every_update_and_an_evaluation_for_every_epoch(start: Start) -> None:
    run = start(epochs=3)
    outcome = run.loop.run()
    found = rows(run)
    assert [row["step"] for row in found] == list(range(1, 13))  # 30 rows, 8 a batch
    assert [row["epoch"] for row in found] == [1] * 4 + [2] * 4 + [3] * 4
    evaluated = [row["step"] for row in found if "validation/loss" in row]
    assert evaluated == [4, 8, 12]
    assert [r["step"] for r in found if "test/loss" in r] == [12]
    assert outcome.status == "finished"
    assert outcome.reason == "all 3 epochs are done"
    assert start(epochs=1).loop.run().reason == "its one epoch is done"


def test_training_lowers_the_loss(start: Start) -> None:
    run = start(epochs=30)
    outcome = run.loop.run()
    losses = [row["train/epoch_loss"] for row in rows(run) if "train/epoch_loss" in row]
    assert losses[-1] < 0.3 * losses[0]
    assert outcome.summary["last"]["train/loss"] == losses[-1]
    assert outcome.summary["test/step"] == 120


def test_one_row_at_a_time(start: Start) -> None:
    run = start(batch_size=1, steps=45)
    run.loop.run()
    assert [row["epoch"] for row in rows(run)] == [1] * 30 + [2] * 15
    assert rows(run)[-1]["test/loss"] > 0


def test_a_batch_larger_than_the_data(start: Start) -> None:
    run = start(batch_size=30, epochs=2)
    run.loop.run()
    assert len(rows(run)) == 2


def _all_done(steps: int) -> str:
    return f"all {steps} steps are done" if steps > 1 else "its one step is done"


@pytest.mark.parametrize("steps", [1, 5, 8, 11])
def test_so_many_steps(start: Start, steps: int) -> None:
    run = start(steps=steps)
    outcome = run.loop.run()
    assert outcome.step == len(rows(run)) == steps
    assert "test/loss" in rows(run)[-1]
    assert outcome.reason == _all_done(steps)


def test_stops_at_the_target(start: Start) -> None:
    run = start(epochs=100, stop=Stop(target=0.4))
    outcome = run.loop.run()
    values = [r["validation/loss"] for r in rows(run) if "validation/loss" in r]
    assert outcome.reason == "validation/loss reached 0.4"
    assert values[-1] <= 0.4 < min(values[:-1])


def test_patience_restores_the_best_weights(start: Start) -> None:
    stop = Stop(patience=2, restore_best=True)
    run = start(epochs=400, optimizer=SGD(2.0), stop=stop)
    outcome = run.loop.run()
    values = [r["validation/loss"] for r in rows(run) if "validation/loss" in r]
    best = int(np.argmin(values))
    assert len(values) == best + 3  # two epochs were waited for
    assert outcome.summary["test/step"] == 4 * (best + 1)
    assert outcome.summary["best"]["validation/loss"]["value"] == values[best]
    # The test row is that of the best weights.
    again = start(epochs=best + 1, optimizer=SGD(2.0))
    again.loop.run()
    assert rows(run)[-1]["test/loss"] == rows(again)[-1]["test/loss"]
    saved = run.loop.tensors()
    for path, weight in again.weights().items():
        assert np.array_equal(saved[f"best/{path}"], weight)


def test_minutes_end_at_a_step_that_a_replay_repeats(start: Start) -> None:
    run = start(epochs=50, stop=Stop(minutes=1e-9))
    outcome = run.loop.run()
    assert (outcome.step, outcome.stopped_at) == (1, 1)
    assert outcome.reason == "the time was up"
    replay = start(epochs=50, stop=Stop(minutes=1000.0), plan={"stopped_at": 7})
    assert replay.loop.run().step == 7


def test_checkpoints_fall_due_as_asked(start: Start) -> None:
    run = start(epochs=3, checkpoint=Checkpoint(Span(5, "steps")))
    run.loop.run()
    saves = [e.step for e in run.events if isinstance(e, SaveDue)]
    assert saves == [5, 10, 12]  # and one at the last step


def test_metrics_come_before_the_checkpoint_that_counts_them(start: Start) -> None:
    run = start(epochs=2)
    run.loop.run()
    kinds = [type(e) for e in run.events]
    for i, kind in enumerate(kinds):
        if kind is SaveDue:
            assert EpochEnded in kinds[:i] and kinds[i - 1] is not Measured
    last = max(i for i, kind in enumerate(kinds) if kind is Stepped)
    assert kinds[last + 1 :].count(SaveDue) == 1


LAYERS = {
    "plain": lambda: [Dense(6, activation="relu"), Dense(2)],
    "dropout": lambda: [Dense(6, activation="relu"), Dropout(0.5), Dense(2)],
    "batch_norm": lambda: [Dense(6), BatchNorm(), Dense(2)],
    "penalty": lambda: [Dense(6, activation="tanh", weight_l2=0.3), Dense(2)],
}
OPTIMIZERS = {
    "adam": lambda: Adam(0.01),
    "adamw": lambda: AdamW(0.01, weight_decay=3.0),
    "momentum": lambda: SGD(0.05, momentum=0.9),
    "cosine": lambda: Adam(Cosine(0.02, warmup=Span(10, "%"))),
    "plateau": lambda: SGD(Plateau(1.5, patience=0)),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("layers", LAYERS)
def test_stopped_anywhere_and_gone_on_is_the_same_run(
    start: Start, layers: str, optimizer: str
) -> None:
    def fresh(**plan: object) -> Started:
        stop = Stop(patience=50, restore_best=True)
        return start(
            LAYERS[layers](),
            optimizer=OPTIMIZERS[optimizer](),
            epochs=4,
            stop=stop,
            plan=plan,
        )

    whole = fresh()
    whole.loop.run()
    expected = whole.loop.tensors()
    pieces: list[dict] = []
    measured: list[dict] = []
    tensors = None
    for _ in range(40):
        calls = iter(range(100))
        part = fresh(interrupted=lambda calls=calls: next(calls) == 2)  # every 3 steps
        if tensors is not None:
            part.loop.restore({k: v.copy() for k, v in tensors.items()})
        outcome = part.loop.run(pieces)
        pieces += rows(part)
        measured += [r for e in part.events if isinstance(e, Measured) for r in e.rows]
        tensors = {k: v.copy() for k, v in part.loop.tensors().items()}
        if outcome.status == "finished":
            break
    assert outcome.status == "finished"
    assert pieces == rows(whole)
    assert measured == [
        r for e in whole.events if isinstance(e, Measured) for r in e.rows
    ]
    assert same(tensors, expected)


@pytest.mark.parametrize("optimizer", ["adamw", "momentum"])
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("runner", ["numpy", "reference"])
def test_diagnosis_changes_no_bit(
    start: Start, layers: str, runner: str, optimizer: str
) -> None:
    given = {"epochs": 5, "runner": runner, "optimizer": OPTIMIZERS[optimizer]()}
    seen = start(LAYERS[layers](), **given)
    blind = start(LAYERS[layers](), **given, diagnosed=False)
    seen.loop.run()
    blind.loop.run()
    assert rows(seen) == rows(blind)
    assert same(seen.weights(), blind.weights())


def test_another_seed_is_another_run(start: Start) -> None:
    one, two = start(epochs=1), start(epochs=1, seed=1)
    one.loop.run()
    two.loop.run()
    assert not same(one.weights(), two.weights())


def test_executors_agree(start: Start) -> None:
    fast, slow = start(epochs=5), start(epochs=5, runner="reference")
    fast.loop.run()
    slow.loop.run()
    for path, weight in fast.weights().items():
        np.testing.assert_allclose(weight, slow.weights()[path], rtol=2e-4, atol=1e-6)


def test_a_step_that_is_not_finite_harms_nothing_and_is_blamed(start: Start) -> None:
    data = parts()
    bad = data["train"].inputs.copy()
    bad[17, 2] = np.inf
    data["train"] = type(data["train"])(bad, data["train"].targets, data["train"].rows)
    run = start(epochs=3, data=data)
    outcome = run.loop.run()
    assert outcome.status == "diverged"
    finding = outcome.findings[0]
    assert (finding.id, finding.primary) == ("N1", True)
    assert "17" in finding.why
    assert all(np.isfinite(weight).all() for weight in run.weights().values())
    assert outcome.step == len(rows(run))
    assert outcome.step + 1 == finding.step


def test_a_rate_that_explodes_is_blamed_on_an_operation(start: Start) -> None:
    run = start(epochs=50, optimizer=SGD(1e20))
    outcome = run.loop.run()
    assert outcome.status == "diverged"
    assert outcome.findings[0].id == "N1"
    assert outcome.findings[0].node is not None


# ---------------------------------------------------------------- going on


def copied(started: Started) -> dict[str, np.ndarray]:
    return {k: v.copy() for k, v in started.loop.tensors().items()}


def test_a_restored_run_that_is_over_writes_nothing_more(start: Start) -> None:
    stop = Stop(patience=2, restore_best=True)
    whole = start(epochs=400, optimizer=SGD(2.0), stop=stop)
    outcome = whole.loop.run()
    again = start(epochs=400, optimizer=SGD(2.0), stop=stop)
    again.loop.restore(copied(whole))
    repeated = again.loop.run(rows(whole))
    assert repeated == outcome
    assert not any(isinstance(e, (Stepped, SaveDue)) for e in again.events)


def test_a_run_that_diverges_again_is_not_saved_again(start: Start) -> None:
    first = start(epochs=50, optimizer=SGD(1e20))
    first.loop.run()
    again = start(epochs=50, optimizer=SGD(1e20))
    again.loop.restore(copied(first))
    assert again.loop.run(rows(first)).status == "diverged"
    assert not any(isinstance(e, SaveDue) for e in again.events)


def test_another_limit_of_time_lets_it_go_on(start: Start) -> None:
    timed = start(epochs=3, stop=Stop(minutes=1e-9))
    timed.loop.run()
    same_limit = start(epochs=3, stop=Stop(minutes=1e-9))
    same_limit.loop.restore(copied(timed))
    outcome = same_limit.loop.run(rows(timed))
    assert (outcome.step, outcome.reason) == (1, "the time was up")
    longer = start(epochs=3, stop=Stop(minutes=60.0))
    longer.loop.restore(copied(timed))
    assert longer.loop.run(rows(timed)).reason == "all 3 epochs are done"


def test_a_shorter_plan_than_what_is_done_is_refused(start: Start) -> None:
    done = start(steps=6)
    done.loop.run()
    with pytest.raises(Error) as caught:
        start(steps=5).loop.restore(copied(done))
    assert caught.value.code == "config-length"


@pytest.mark.parametrize("name", ["loop/position", "diagnosis/moments"])
def test_a_checkpoint_that_lacks_something(start: Start, name: str) -> None:
    done = start(steps=2)
    done.loop.run()
    tensors = copied(done)
    del tensors[name]
    with pytest.raises(Error, match=name) as caught:
        start(steps=9).loop.restore(tensors)
    assert caught.value.code == "checkpoint-mismatch"


def test_nothing_is_saved_twice(start: Start) -> None:
    """Due at an epoch's end and interrupted there: one checkpoint."""
    run = start(epochs=3, plan={"interrupted": lambda: True})
    run.loop.run()
    save_every = start(
        steps=4, checkpoint=Checkpoint(Span(1, "steps")), plan={"interrupted": bool}
    )
    save_every.loop.run()
    for started in (run, save_every):
        saves = [e.step for e in started.events if isinstance(e, SaveDue)]
        assert saves == sorted(set(saves)) and saves


def test_an_interruption_says_what_is_known(start: Start) -> None:
    calls = iter(range(100))
    run = start(epochs=9, plan={"interrupted": lambda: next(calls) == 9})
    outcome = run.loop.run()
    assert (outcome.status, outcome.step, outcome.epoch) == ("interrupted", 10, 3)
    best = outcome.summary["best"]["validation/loss"]
    evaluated = {
        r["step"]: r["validation/loss"] for r in rows(run) if r["step"] % 4 == 0
    }
    assert best["value"] == min(evaluated.values())
    assert outcome.summary["last"]["validation/loss"] == evaluated[8]


def test_the_loss_of_a_bad_step_is_not_one_before_it(start: Start) -> None:
    run = start(epochs=50, optimizer=SGD(1e20))
    outcome = run.loop.run()
    assert outcome.status == "diverged"
    losses = run.loop.tensors()["diagnosis/evidence/losses"]
    assert list(losses) == [row["train/loss"] for row in rows(run)]


def test_a_goal_that_is_said_goes_before_the_metric_s_own(start: Start) -> None:
    """Nobody wants the highest loss, but who says so gets it."""
    run = start(epochs=4, stop=Stop(goal="max", restore_best=True))
    outcome = run.loop.run()
    values = {r["step"]: r["validation/loss"] for r in rows(run) if r["step"] % 4 == 0}
    assert outcome.summary["test/step"] == max(values, key=values.__getitem__)


def test_a_finding_is_told_again_when_it_is_more_severe(start: Start) -> None:
    run = start(epochs=4)
    said = iter(["note", "note", "error", "error", "error"])

    def judge(evidence: object) -> list[Finding]:
        return [Finding("A1", "dead-neurons", next(said), "why", node="a")]  # type: ignore[arg-type]

    run.loop._probe._judge = judge  # type: ignore[union-attr]
    run.loop.run()
    told = [e.finding.severity for e in run.events if isinstance(e, Found)]
    assert told == ["note", "error"]


def test_best_weights_bring_their_running_averages(start: Start) -> None:
    stop = Stop(patience=2, restore_best=True)
    layers = [Dense(6), BatchNorm(), Dense(2)]
    run = start(layers, epochs=400, optimizer=SGD(2.0), stop=stop)
    outcome = run.loop.run()
    best = outcome.summary["test/step"] // 4
    assert best * 4 < outcome.step
    again = start([Dense(6), BatchNorm(), Dense(2)], epochs=best, optimizer=SGD(2.0))
    again.loop.run()
    assert rows(run)[-1]["test/loss"] == rows(again)[-1]["test/loss"]
    saved = run.loop.tensors()
    averages = "model/batch_norm1/running_mean"
    assert np.array_equal(saved[f"best/{averages}"], again.state[averages])
    # The checkpoint itself holds the weights to go on with.
    assert not np.array_equal(saved[f"state/{averages}"], again.state[averages])
