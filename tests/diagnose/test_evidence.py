"""Evidence grows check by check, and goes through a checkpoint unchanged."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nettrain.diagnose import Check, Evidence, Modes, PreActivation, Signals, Units
from nettrain.diagnose.evidence import comparable

NODES = tuple(PreActivation(f"{i}", f"dense{i}") for i in range(3))


def check(epoch: int) -> Check:
    seen = np.arange(4) >= epoch
    units = {"0": Units(~seen, seen, np.full(4, 0.5, np.float32))}
    return Check(
        epoch=epoch,
        step=10 * epoch,
        loss=2.0 / epoch,
        validation_loss=2.5 / epoch,
        score=0.5,
        validation_score=0.4,
        score_error=0.02,
        recall=np.full(2, 0.5),
        delta_rms=np.full(3, epoch),
        std=np.ones(3),
        update_ratio=np.zeros(2),
        update_norm=np.zeros(2),
        gradient_norm=np.ones(2),
        weight_norm=np.ones(2),
        spike=np.full(4, np.nan),
        spike_rows=np.full(10, -1),
        units=units,
        slopes={"1": np.full(5, 0.5 / epoch)},
    )


def grown() -> Evidence:
    start = Evidence(nodes=NODES, losses=np.ones(5), gradient_norms=np.zeros(5))
    return start.after(check(1)).after(check(2))


def test_checks_are_appended() -> None:
    evidence = grown()
    assert evidence.epochs.tolist() == [1, 2] and evidence.steps.tolist() == [10, 20]
    assert evidence.loss.tolist() == [2.0, 1.0]
    assert evidence.delta_rms.tolist() == [[1.0] * 3, [2.0] * 3]
    assert evidence.update_ratio.shape == (2, 2)
    units = evidence.units["0"]
    assert units.dead.tolist() == [
        [True, False, False, False],
        [True, True, False, False],
    ]
    np.testing.assert_array_equal(evidence.slopes["1"], [[0.5] * 5, [0.25] * 5])
    assert units.positive.dtype == np.float32 and units.arrived.dtype == bool


def test_checks_before_a_step() -> None:
    before = grown().before(20)
    assert before.epochs.tolist() == [1]
    assert before.delta_rms.shape == (1, 3)
    assert before.units["0"].dead.shape == (1, 4)
    assert before.slopes["1"].shape == (1, 5)


def test_what_a_trainer_leaves_out_is_no_series() -> None:
    some = Evidence(epochs=np.array([1, 2]), steps=np.array([5, 10]), loss=np.ones(2))
    assert some.has("loss") and not some.has("loss", "validation_loss")
    assert some.before(10).loss.shape == (1,)
    assert not Evidence().has("loss")


def test_tensors_hold_all_that_grew() -> None:
    evidence = grown()
    tensors = evidence.tensors()
    assert all(name.startswith("diagnosis/evidence/") for name in tensors)
    other = {"diagnosis/positive/0": np.zeros(4), "loop/position": np.zeros(2)}
    again = Evidence(nodes=NODES).restored({**tensors, **other})
    for name, value in again.tensors().items():
        np.testing.assert_array_equal(value, tensors[name])
        assert value.dtype == tensors[name].dtype
    assert again.tensors().keys() == tensors.keys()


def test_layers_stay_in_forward_order_whatever_that_of_a_file() -> None:
    both = check(1)
    again = dataclasses.replace(both, units={"2": both.units["0"], **both.units})
    tensors = Evidence(nodes=NODES[::-1]).after(again).tensors()
    backwards = dict(reversed(tensors.items()))
    assert list(Evidence(nodes=NODES).restored(backwards).units) == ["0", "2"]
    assert list(Evidence(nodes=NODES[::-1]).restored(tensors).units) == ["2", "0"]


def test_the_beginning_goes_through_a_checkpoint_too() -> None:
    start = Evidence(nodes=NODES)
    again = start.restored(start.tensors()).after(check(1))
    assert again.delta_rms.shape == (1, 3)


def test_hidden_layers_end_before_the_output() -> None:
    assert Evidence(nodes=NODES).output == 2
    marked = (NODES[0], PreActivation("1", "dense1", output=True), NODES[2])
    assert Evidence(nodes=marked).output == 1
    assert Evidence().hidden() == []


# ---------------------------------------------------------------- losses below 0


def test_losses_that_begin_at_0_are_compared_as_they_are() -> None:
    found, prior = comparable([0.0, 0.5, np.inf], 0.7, bounded=True)
    assert found.tolist() == [0.0, 0.5, np.inf] and prior == 0.7
    evidence = grown()
    assert evidence.comparable() is evidence


@pytest.mark.parametrize("variance", [1e-6, 1.0, 1e6])
def test_a_likelihood_becomes_the_share_of_the_variance_that_is_left(
    variance: float,
) -> None:
    def loss(share: float) -> float:
        return (np.log(variance * share) + 1) / 2

    shares = [1e-3, 0.1, 0.5, 1.0]
    found, prior = comparable([*map(loss, shares)], loss(1.0), bounded=False)
    assert prior == 1.0
    np.testing.assert_allclose(found, shares)


def test_far_above_guessing_a_likelihood_remains_a_number() -> None:
    found, _ = comparable([-2.0, -1.5, 1e6, np.inf, np.nan], -2.0, bounded=False)
    assert found.tolist()[:3] == [1.0, 2.0, 1 + 2 * (1e6 + 2)]
    assert np.isposinf(found[3]) and np.isnan(found[4])


def test_all_losses_become_comparable() -> None:
    each = np.ones(3)
    evidence = dataclasses.replace(
        grown(), prior=-1.0, validation_prior=0.5, bounded=False,
        loss=np.array([-1.0, -2.0]),
        validation_loss=np.array([-1.0, 0.0]), losses=np.array([-1.0]),
        signals=Signals(8, 4.0, each, each, each),
        modes=Modes(training=-1.0, prediction=-0.5, noise=3.0),
    )  # fmt: skip
    found = evidence.comparable()
    assert (found.prior, found.validation_prior) == (1.0, 4.0)
    assert found.comparable() is found
    np.testing.assert_allclose(found.loss, [1.0, np.exp(-2)])
    assert found.validation_loss.tolist() == [1.0, 3.0]
    assert found.losses.tolist() == [1.0]
    assert found.signals is not None and found.signals.loss == 11.0
    assert found.modes == Modes(training=1.0, prediction=2.0, noise=3.0)
    assert found.epochs.tolist() == [1, 2]
