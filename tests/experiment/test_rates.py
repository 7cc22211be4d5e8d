"""The measured learning rate: what is tried, what is chosen, and what it replaces."""

from __future__ import annotations

import dataclasses
import json
import math
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nettrain as nt
from nettrain.diagnose.finding import Edit, Finding, Remedy
from nettrain.experiment import rates
from nettrain.experiment.api import fitted
from nettrain.experiment.recorder import Nobody
from nettrain.experiment.run import run
from nettrain.experiment.setup import Setup, set_up
from tests.experiment.conftest import SMALL

PATH = "optimizer.adam.learning_rate"


def setup(**changes: Any) -> Setup:
    return set_up({**SMALL, **changes})


def swept(*losses: float, **changes: Any) -> rates.Sweep:
    """A sweep of as many rates, with H0 = 1."""
    given = {"steps": 160, "prior": 1.0, "path": PATH, "current": 1.0}
    return rates.Sweep(rates.RATES[: len(losses)], losses, **given | changes)


def finding(**changes: Any) -> Finding:
    guess = Remedy("lower the learning rate", (Edit(PATH, 0.1),), measure=True)
    first = Finding("L1", "rate", "error", "why", primary=True, remedy=guess)
    return dataclasses.replace(first, **changes)


# ---------------------------------------------------------------- the grid


def test_ten_rates_by_equal_steps() -> None:
    tried = rates.RATES
    assert (len(tried), tried[0], tried[-1]) == (10, 1e-4, 3.0)
    steps = np.diff(np.log(tried))
    np.testing.assert_allclose(steps, math.log(rates.STEP), atol=0.05)


@pytest.mark.parametrize(
    ("epochs", "rows", "steps"),
    [
        (4, 96, 24),  # 6 updates an epoch: four epochs are less than 200 updates
        (12, 240, 60),  # likewise 15 updates an epoch
        (4, 192, 48),  # the whole plan
        (2, 96, 24),  # four epochs, though the plan has two
        (60, 16, 50),  # one batch: four epochs would be 4 updates
        (60, 192, 50),  # 12 updates an epoch: they would be 48
        (30, 16, 30),  # one batch, and the whole plan
        (4, 1600, 200),  # four epochs would be 400, and a tenth of 400 is 40
        (30, 1600, 300),  # a tenth of 3,000
        (100, 1600, 400),  # a tenth would be 1,000: four epochs are enough
    ],
)
def test_the_length_is_bounded(epochs: int, rows: int, steps: int) -> None:
    source = {"blobs": {"samples": rows}}
    data = {"source": source, "split": {}, "batch_size": 16}
    plan = setup(data=data, train={"epochs": epochs}).plan()
    assert rates.length(plan) == steps


# ---------------------------------------------------------------- measuring


def test_a_sweep_is_a_function_of_config_and_data() -> None:
    found = rates.sweep(setup())
    assert found == rates.sweep(setup())
    assert found.losses != rates.sweep(setup(seed=1)).losses
    assert len(found.losses) == 10
    assert (found.path, found.current, found.steps) == (PATH, 0.01, 24)
    assert found.prior == pytest.approx(math.log(3), rel=0.02)
    assert min(found.losses) < 0.3 * found.prior


def test_each_rate_begins_with_the_same_weights_and_rows() -> None:
    """The loss at a rate is that of a run of four epochs at this rate."""
    found = rates.sweep(setup())
    for index in (3, 6):
        optimizer = {"adam": {"learning_rate": rates.RATES[index]}}
        run = nt.fit(
            [nt.nn.Dense(8, activation="relu"), nt.nn.Dense(3)],
            *iris_rows(), optimizer=optimizer, epochs=4, batch_size=16,
        )  # fmt: skip
        assert found.losses[index] == run.summary["last"]["train/loss"]


def iris_rows() -> tuple[np.ndarray, np.ndarray]:
    part = setup().dataset.parts["train"]
    return part.inputs, part.targets


def test_a_schedule_is_not_followed_and_its_highest_rate_is_what_changes() -> None:
    schedule = {"cosine": {"peak": 0.01, "warmup": "50 %"}}
    found = rates.sweep(setup(optimizer={"adam": {"learning_rate": schedule}}))
    assert found.losses == rates.sweep(setup()).losses
    assert (found.path, found.current) == (f"{PATH}.cosine.peak", 0.01)


def test_rates_that_diverge_are_infinite() -> None:
    data = {
        "source": "diabetes",
        "split": {},
        "preprocess": ["standardize"],
        "standardize_target": True,
    }
    model = [{"dense": 64}, {"dense": 64}, {"dense": 1}]
    optimizer = {"sgd": {"learning_rate": 1}}
    deep = setup(data=data, loss="mse", metrics=[], optimizer=optimizer, model=model)
    found = rates.sweep(deep)
    assert found.losses[-1] == math.inf
    assert math.isfinite(found.losses[0])


def test_the_watcher_sees_every_update() -> None:
    seen: list[tuple[int, float]] = []

    class Eyes(Nobody):
        def step(
            self, step: int, epoch: int, loss: float, learning_rate: float
        ) -> None:
            seen.append((step, learning_rate))

    rates.sweep(setup(), Eyes())
    assert [step for step, _ in seen] == list(range(1, 241))
    assert [rate for _, rate in seen[::24]] == list(rates.RATES)


# ---------------------------------------------------------------- choosing


def test_one_step_below_the_best() -> None:
    found = swept(0.9, 0.8, 0.5, 0.2, 0.4, math.inf)
    assert found.best == 3
    assert found.chosen == rates.RATES[2]
    assert (
        found.told()
        == "6 rates, 160 updates each; best 0.0031, one step below: 0.00099"
    )


def test_within_noise_the_lowest_rate_is_the_best() -> None:
    assert swept(0.9, 0.5, 0.2095, 0.2, 0.205).best == 2
    assert swept(0.9, 0.5, 0.2105, 0.2, 0.205).best == 3
    assert swept(9.0, 2.0, 2.05, 5.0, prior=10.0).best == 1  # a share of guessing


def test_below_the_lowest_rate_there_is_one_more_step() -> None:
    assert swept(0.1, 0.5, 0.9).chosen == pytest.approx(1e-4 / rates.STEP, rel=0.02)


@pytest.mark.parametrize(("loss", "helps"), [(0.969, True), (0.971, False)])
def test_a_rate_has_to_do_better_than_guessing(loss: float, helps: bool) -> None:
    assert (swept(1.0, loss, 1.0).chosen is not None) == helps


def test_nothing_is_better_than_a_loss_of_0() -> None:
    assert swept(0.0, 0.0, prior=0.0).chosen is None
    assert swept(math.inf, math.inf).chosen is None


# ---------------------------------------------------------------- remedies


def test_the_guess_is_replaced() -> None:
    found = swept(0.9, 0.8, 0.5, 0.2, 0.4, current=1.0)
    (after,) = rates.measured([finding()], found)
    assert after.remedy is not None
    assert after.remedy.patch == (Edit(PATH, rates.RATES[2]),)
    assert after.remedy.text == (
        "lower the learning rate to 0.00099; measured: 5 rates, 160 updates each; "
        "best 0.0031, one step below: 0.00099"
    )
    assert not after.remedy.measure
    slow = dataclasses.replace(found, current=1e-7)
    (after,) = rates.measured([finding()], slow)
    assert after.remedy is not None and after.remedy.text.startswith("raise")


def test_other_edits_stay() -> None:
    both = Remedy("x", (Edit("train.clip_norm", 1.0), Edit(PATH, 0.1)), measure=True)
    (after,) = rates.measured([finding(remedy=both)], swept(0.9, 0.5, 0.2, 0.9))
    assert after.remedy is not None
    assert after.remedy.patch == (Edit("train.clip_norm", 1.0), Edit(PATH, 0.00031))


@pytest.mark.parametrize(
    ("current", "settled"),
    [(0.00099, True), (0.00145, True), (0.0007, True), (0.0016, False), (6e-4, False)],
)
def test_a_rate_that_is_right_is_said_to_be(current: float, settled: bool) -> None:
    found = swept(0.9, 0.8, 0.5, 0.2, 0.4, current=current)
    to = 2 * current if current < 0.00099 else current / 2
    guess = Remedy("change it", (Edit(PATH, to),), measure=True)
    (after,) = rates.measured([finding(remedy=guess)], found)
    assert after.remedy is not None
    assert (after.remedy.patch == ()) == settled
    assert ("is right" in after.remedy.text) == settled
    assert "measured:" in after.remedy.text


def test_a_measurement_may_refute_what_was_found() -> None:
    """A rate that is right, or wrong the other way, is no fault; dead units are."""
    right = swept(0.9, 0.8, 0.5, 0.2, 0.4, current=0.00099)
    lower, higher = (
        Remedy("", (Edit(PATH, rate),), measure=True) for rate in (1e-6, 1e-2)
    )
    too_high = finding(id="L1", remedy=lower)
    dead = finding(id="A1", remedy=lower)
    first, note = rates.measured([too_high, dead], right)
    assert (first.id, first.severity, first.primary) == ("A1", "error", True)
    assert (note.id, note.severity, note.consequence_of) == ("L1", "note", None)
    too_low = swept(0.9, 0.8, 0.5, 0.2, 0.4, current=1e-5)
    assert rates.measured([too_high], too_low)[0].severity == "note"
    raised = finding(id="L2", remedy=higher)
    assert rates.measured([raised], too_low)[0].severity == "error"


def test_where_no_rate_helps_there_is_no_patch() -> None:
    (after,) = rates.measured([finding()], swept(1.0, 0.99, math.inf))
    assert after.remedy is not None
    assert after.remedy.patch == ()
    assert "no learning rate helps" in after.remedy.text
    assert "none comes below 97% of guessing" in after.remedy.text


@pytest.mark.parametrize(
    ("losses", "current", "text"),
    [
        ((0.9, 0.8, 0.5, 0.2, 0.4), 0.00099, "the learning rate 0.00099 is right"),
        ((1.0, 0.99, math.inf), 0.1, "no learning rate helps"),
    ],
)
def test_what_else_there_is_to_change(
    losses: tuple[float, ...], current: float, text: str
) -> None:
    leaky = Remedy("use leaky_relu", (Edit("model.dense1.activation", "leaky_relu"),))
    guess = Remedy("lower it", (Edit(PATH, 0.1),), measure=True, otherwise=leaky)
    found = swept(*losses, current=current)
    (after,) = rates.measured([finding(remedy=guess)], found)
    assert after.remedy is not None
    assert after.remedy.text == f"{text}: use leaky_relu; measured: {found.told()}"
    assert after.remedy.patch == leaky.patch
    assert "otherwise" not in guess.to_json()
    # Where another rate is better, it alone is the remedy.
    better = swept(0.9, 0.8, 0.5, 0.2, 0.4, current=1.0)
    (after,) = rates.measured([finding(remedy=guess)], better)
    assert after.remedy is not None and [e.path for e in after.remedy.patch] == [PATH]


@pytest.mark.parametrize(
    "changes",
    [
        {"severity": "note", "primary": False},
        {"remedy": None},
        {"remedy": Remedy("x", (Edit(PATH, 0.1),))},
    ],
)
def test_what_is_not_measured(changes: dict[str, Any]) -> None:
    """Notes, and what is no guess."""
    kept = finding(**changes)
    assert not rates.guessed([kept])
    assert rates.measured([kept], swept(0.9, 0.2, 0.9)) == [kept]
    assert rates.guessed([kept, finding()])


def test_a_consequence_is_measured_only_with_its_cause() -> None:
    """Alone it waits for another change; else two rates would be told."""
    later = finding(id="A2", primary=False, consequence_of="L1")
    assert not rates.guessed([later])
    first, second = rates.measured([finding(), later], swept(0.9, 0.5, 0.2, 0.9))
    assert first.remedy is not None and first.remedy == second.remedy
    assert first.remedy.patch == (Edit(PATH, 0.00031),)


# ---------------------------------------------------------------- in a run


SLOW = {
    **SMALL,
    "optimizer": {"sgd": {"learning_rate": 1e-6}},
    "train": {"epochs": 60},
}


def test_a_run_measures_once_it_is_over(tmp_path: Path, only_graphs: None) -> None:
    run = nt.train(SLOW, out=tmp_path / "run")
    (cause,) = [f for f in run.findings if f.primary]
    assert cause.id == "L2"
    assert cause.remedy is not None
    chosen = rates.sweep(set_up(SLOW)).chosen
    assert cause.remedy.patch == (Edit("optimizer.sgd.learning_rate", chosen),)
    assert "learning-rate.svg" in run.pictures
    events = (tmp_path / "run/events.jsonl").read_text().splitlines()
    told = [e for e in map(json.loads, events) if e["event"] == "learning rates"]
    assert [e["text"] for e in told] == ["measuring learning rates …"]


def test_so_does_fit() -> None:
    optimizer = {"sgd": {"learning_rate": 1e-6}}
    model = [nt.nn.Dense(8, activation="relu"), nt.nn.Dense(3)]
    fitted = nt.fit(model, *iris_rows(), optimizer=optimizer, epochs=60, batch_size=16)
    (cause,) = [f for f in fitted.findings if f.primary]
    assert cause.remedy is not None and "measured:" in cause.remedy.text


def test_a_net_that_died_is_given_a_rate_that_does_not_kill() -> None:
    sick = Path(__file__).parents[2] / "configs/sick/dead.yaml"
    died = fitted(set_up(sick))
    (cause,) = [f for f in died.findings if f.primary]
    assert (cause.id, cause.place) == ("A1", "A1 died")
    assert cause.remedy is not None
    (edit,) = cause.remedy.patch
    assert edit.path == "optimizer.sgd.learning_rate" and edit.value < 0.1
    patch = [edit.to_json()]
    mended = fitted(set_up({"extends": str(sick), "patch": patch}))
    assert mended.summary["last"]["train/loss"] < 0.15
    assert [f.id for f in mended.findings if f.severity != "note"] == []


def broken(rate: float, **cells: float) -> nt.Fit:
    """A regression of one batch row after the other, with a cell replaced."""
    x = np.random.default_rng(0).normal(size=(96, 4))
    y = 2 * x[:, 0]
    for name, value in cells.items():
        {"x": x[:, 2], "y": y}[name][40] = value
    model = [nt.nn.Dense(8, activation="relu"), nt.nn.Dense(1)]
    optimizer = {"sgd": {"learning_rate": rate}}
    return nt.fit(model, x, y, loss="mse", optimizer=optimizer, epochs=2, batch_size=8)


@pytest.mark.parametrize("cell", [{"x": 3e38}, {"y": 1e38}])
def test_a_cell_that_overflows_is_no_matter_of_rates(
    cell: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "sweep", lambda setup: pytest.fail("measured"))
    fit = broken(0.01, **cell)
    (found,) = [f for f in fit.findings if f.id == "N1"]
    assert found.remedy is not None and found.remedy.patch == ()
    assert found.remedy.text.startswith("look at data row 40: its values are beyond")


def test_a_rate_that_overflows_is_one() -> None:
    fit = broken(1e6)
    assert fit.status == "diverged"
    for found in (f for f in fit.findings if f.severity == "error"):
        assert found.remedy is not None
        assert found.remedy.text.startswith("lower the learning rate to ")
    assert "N1" in [f.id for f in fit.findings]


@pytest.mark.parametrize("config", [SMALL, {**SLOW, "diagnose": False}])
def test_a_run_without_such_a_finding_measures_nothing(
    config: dict[str, Any],
    tmp_path: Path,
    only_graphs: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rates, "sweep", lambda setup: pytest.fail("measured"))
    run = nt.train(config, out=tmp_path / "run")
    assert run.status == "finished"
    assert "learning-rate.svg" not in run.pictures


def test_a_run_that_is_interrupted_measures_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on, and its verdict is not the last."""
    monkeypatch.setattr(rates, "guessed", lambda findings: True)
    monkeypatch.setattr(rates, "sweep", lambda setup: pytest.fail("measured"))

    class Signal(Nobody):
        def step(self, *seen: object) -> None:
            signal.raise_signal(signal.SIGTERM)

    ended = run(SLOW, out=tmp_path / "run", watch=lambda setup, steps: Signal())
    assert ended.outcome is not None
    assert ended.outcome.status == "interrupted"
