"""N1, and the replay that blames a node."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from nettrain.diagnose import (
    Blame,
    DiagnoseConfig,
    Evidence,
    Setting,
    Signals,
    Targets,
    Units,
    diagnose,
)
from nettrain.diagnose.blame import FirstBad
from nettrain.diagnose.detectors import NonFinite
from nettrain.execute.reference import evaluate
from nettrain.graph import Node, gradients, leaf, scope
from nettrain.graph import operations as ops

Profile = Callable[..., Evidence]
SHRINKS = (1e-5, 1e-3, 1.0)

BLAME = Blame(
    step=15,
    epoch=2,
    node="model/dense2/exp",
    operation="exp",
    layer="dense2",
    inputs="exp: input 743 > 88.7",
    rows=(3, 17),
)


def test_a_blamed_step_is_told(profile: Profile) -> None:
    evidence = profile((1.0, 1.0, 1.0), blame=BLAME, losses=np.arange(30.0))
    (found,) = diagnose(evidence)
    assert (found.id, found.severity, found.primary) == ("N1", "error", True)
    assert (found.node, found.layer, found.config_line) == (BLAME.node, "dense2", 12)
    assert (found.epoch, found.step) == (2, 15)
    for text in ("exp: input 743 > 88.7 (forward)", "data rows 3, 17", "10 11 12"):
        assert text in found.why
    assert " 9 10" not in found.why, "only the last 20 losses"


def test_a_finite_run_has_none(profile: Profile) -> None:
    assert diagnose(profile((1.0, 1.0), (1.0, 1.0))) == []


def test_a_replay_that_was_finite_says_so(profile: Profile) -> None:
    evidence = profile((1.0, 1.0), blame=Blame(15, 2, reproduced=False))
    (found,) = diagnose(evidence)
    assert "not reproduced" in found.why and found.node is None


def test_nothing_else_fires_on_numbers_that_are_not_finite(profile: Profile) -> None:
    nan = np.full((2, 3), np.nan)
    path = "model/dense1/pre_activation"
    dead = Units(np.ones((2, 4), bool), np.zeros((2, 4), bool), np.zeros((2, 4)))
    evidence = profile(*nan, loss=np.nan, units={path: dead})
    (found,) = diagnose(evidence)
    assert (found.id, found.epoch, found.step) == ("N1", 1, 10)
    blamed = profile(SHRINKS, SHRINKS, blame=Blame(10, 1), units={path: dead})
    assert [f.id for f in diagnose(blamed)] == ["N1"]


def test_what_was_found_before_is_kept_behind_it(profile: Profile) -> None:
    evidence = profile(SHRINKS, SHRINKS, SHRINKS, blame=Blame(35, 4))
    found = diagnose(evidence)
    assert [(f.id, f.primary, f.consequence_of) for f in found] == [
        ("N1", True, None),
        ("G1", False, "N1"),
    ]


def test_a_gate_holds_though_its_finding_is_silenced(profile: Profile) -> None:
    evidence = profile(SHRINKS, SHRINKS, blame=Blame(10, 1))
    assert diagnose(evidence, DiagnoseConfig(silence=("N1",))) == []


# ---------------------------------------------------------------- the replay


def model(function: Callable[[Node], Node]) -> tuple[Node, Node, Node, Node]:
    """x (3, 3), w (3, 3), z = x w, and a cost of f(z)."""
    x = leaf("input", "x", (3, 3), "float32")
    with scope("model/dense1"):
        w = leaf("parameter", "weight", (3, 3), "float32", scope="model/dense1")
        z = (x @ w).named("pre_activation", role="pre_activation")
    with scope("model/bend1"):
        h = function(z)
    return x, w, z, ops.mean(h).named("loss", role="cost")


def replay(function: Callable[[Node], Node], x_value: object, w_value: object) -> Blame:
    x, w, z, cost = model(function)
    found = gradients(cost, [w, z])
    first = FirstBad(cost, found, rows=np.array([7, 8, 9]))
    leaves = {x: np.array(x_value), w: np.array(w_value)}
    evaluate([cost, *found], leaves, check=first)
    return first.blame(step=4, epoch=1)


ONES = np.ones((3, 3))


def test_an_overflow_forward_names_operation_layer_and_rows() -> None:
    blame = replay(ops.exp, [[1, 1, 0], [90, 1, 0], [1, 2, 0]], np.eye(3))
    assert (blame.operation, blame.direction, blame.layer) == (
        "exp",
        "forward",
        "bend1",
    )
    assert blame.inputs == "exp: input 90 > 88.7"
    assert blame.rows == (8,)
    assert (blame.step, blame.epoch, blame.reproduced) == (4, 1, True)
    assert blame.origin.rpartition(":")[0] == __file__, "the line that made it"


def test_the_first_bad_node_is_blamed_not_what_it_infects() -> None:
    blame = replay(ops.exp, ONES * 1e30, np.eye(3) * 1e30)
    assert blame.node == "model/dense1/pre_activation"
    assert blame.operation == "matmul"
    assert blame.inputs == "matmul: inputs 1e+30, 0 … 1e+30"


def test_a_cause_in_the_backward_pass() -> None:
    blame = replay(ops.sqrt, ONES * 0, np.eye(3))
    assert (blame.direction, blame.layer) == ("backward", "bend1")
    assert blame.node == "gradient of model/dense1/pre_activation"
    assert blame.operation == "divide"
    assert blame.inputs.startswith("gradient of sqrt: divide: ")
    assert blame.inputs.endswith("which holds 0")


def test_data_and_weights_that_are_bad_themselves() -> None:
    rows = ONES.copy()
    rows[2, 0] = np.nan
    assert replay(ops.tanh, rows, np.eye(3)).rows == (9,)
    assert replay(ops.tanh, rows, np.eye(3)).operation == "input"
    weight = replay(ops.tanh, ONES, np.full((3, 3), np.inf))
    assert (weight.node, weight.rows) == ("model/dense1/weight", ())
    assert weight.direction == "update", "at step 4 it was one before that"


def test_as_many_weights_as_rows_are_no_rows() -> None:
    """The gradient of a weight (3, 3), and a batch of 3 rows."""
    x, w, _, cost = model(ops.tanh)
    (found,) = gradients(cost, [w])
    first = FirstBad(cost, [found], rows=np.array([7, 8, 9]))
    first(found, np.full((3, 3), np.inf, np.float32), [np.ones((3, 3))] * 2)
    blame = first.blame(step=4, epoch=1)
    assert (blame.node, blame.rows) == (f"gradient of {w.path}", ())
    (of_data,) = gradients(cost, [x])
    first = FirstBad(cost, [of_data], rows=np.array([7, 8, 9]))
    first(of_data, np.full((3, 3), np.inf, np.float32), [np.ones((3, 3))] * 2)
    assert first.blame(step=4, epoch=1).rows == (7, 8, 9)


def test_roots_and_logarithms_say_what_they_were_given() -> None:
    assert replay(ops.log, -ONES, np.eye(3)).inputs == "log: smallest input -1"


def test_a_finite_replay_is_not_reproduced() -> None:
    blame = replay(ops.tanh, ONES, np.eye(3))
    assert (blame.reproduced, blame.node) == (False, None)


@pytest.mark.parametrize(
    ("blame", "norms", "path"),
    [
        (Blame(1, 1, operation="matmul"), [], "data.preprocess"),
        (Blame(50, 2, operation="exp"), [1.0] * 30, "optimizer.adam.learning_rate"),
        (Blame(50, 2, operation="exp"), [2.0] * 29 + [30.0], "train.clip_norm"),
        (Blame(50, 2, operation="exp"), [2.0] * 10 + [30.0], "optimizer.adam"),
    ],
)
def test_remedies_go_by_what_was_blamed(
    profile: Profile, blame: Blame, norms: list[float], path: str
) -> None:
    evidence = profile((1.0, 1.0), blame=blame, gradient_norms=np.array(norms))
    (found,) = diagnose(evidence)
    assert found.remedy is not None
    (edit,) = found.remedy.patch
    assert edit.path.startswith(path)
    if path == "train.clip_norm":
        assert edit.value == 10.0, "5 times the median"


def test_bad_data_has_no_patch(profile: Profile) -> None:
    evidence = profile((1.0, 1.0), blame=Blame(3, 1, operation="input"))
    (found,) = diagnose(evidence)
    assert found.remedy is not None and "data" in found.remedy.text
    assert found.remedy.patch == ()


# ---------------------------------------------------------------- rows of data


ROWS = Blame(12, 1, operation="square", rows=(40,))


def of_data(evidence: Evidence) -> bool:
    (found,) = NonFinite().detect(evidence)
    assert found.remedy is not None
    said = "look at data row" in found.remedy.text
    assert said == (found.remedy.patch == ()), "no setting mends a row"
    assert said != found.remedy.measure
    return said


@pytest.fixture
def batch(profile: Profile) -> Callable[..., Evidence]:
    """A run that broke off in its first epoch, in batches of 16 rows; H0 is 2."""

    def make(blame: Blame, **changes: object) -> Evidence:
        given = {"batch_size": 16, "losses": np.full(11, 3.0)} | changes
        return profile((1.0, 1.0), blame=blame, **given)

    return make


def test_a_bad_row_is_named(batch: Profile) -> None:
    (found,) = diagnose(batch(ROWS))
    assert found.remedy is not None
    assert found.remedy.text == (
        "look at data row 40: its values are beyond what the network can compute with"
    )
    (found,) = diagnose(batch(dataclasses.replace(ROWS, rows=(3, 40))))
    assert found.remedy is not None
    assert found.remedy.text.startswith("look at data rows 3, 40: their values")
    many = dataclasses.replace(ROWS, rows=tuple(range(12)))
    (found,) = diagnose(batch(many, batch_size=64))
    assert found.remedy is not None and "8, 9 …: their" in found.remedy.text


@pytest.mark.parametrize(
    ("rows", "size", "data"),
    [(0, 16, False), (4, 16, True), (5, 16, False), (1, 1, True), (2, 2, False)],
)
def test_few_rows_are_a_quarter_of_the_batch(
    batch: Profile, rows: int, size: int, data: bool
) -> None:
    blame = dataclasses.replace(ROWS, rows=tuple(range(rows)))
    assert of_data(batch(blame, batch_size=size)) is data


@pytest.mark.parametrize(("count", "data"), [(2, True), (3, False)])
def test_bad_rows_are_of_one_of_several_batches(
    batch: Profile, count: int, data: bool
) -> None:
    blame = dataclasses.replace(ROWS, rows=tuple(range(count)))
    evidence = batch(blame)
    several = {"accumulate": Setting("train.accumulate", 2)}
    evidence = dataclasses.replace(evidence, settings=evidence.settings | several)
    assert of_data(evidence) is data


@pytest.mark.parametrize(("rows", "data"), [(192, True), (188, True), (187, False)])
def test_the_last_batch_may_be_smaller(batch: Profile, rows: int, data: bool) -> None:
    """Step 12 begins at row 176: three of eleven rows are too many."""
    blame = dataclasses.replace(ROWS, rows=(1, 2, 3))
    assert of_data(batch(blame, targets=Targets("regression", rows))) is data


def test_a_likelihood_below_0_has_not_grown(batch: Profile) -> None:
    """From -3.5 to .5 where guessing has -4: 2 and 10 times guessing."""
    losses = np.array([-3.5, 0.5])
    evidence = dataclasses.replace(
        batch(ROWS, losses=losses), prior=-4.0, bounded=False
    )
    assert of_data(evidence)
    assert not of_data(dataclasses.replace(evidence, losses=losses + 1e4))


@pytest.mark.parametrize(
    ("changes", "data"),
    [
        ({"epoch": 1, "step": 1}, True),
        ({"epoch": 2, "step": 12}, False),
    ],
)
def test_rows_that_were_fine_before_are_not_to_blame(
    batch: Profile, changes: dict[str, int], data: bool
) -> None:
    assert of_data(batch(dataclasses.replace(ROWS, **changes))) is data


@pytest.mark.parametrize(
    ("loss", "first", "data"),
    [
        (1999.0, 1.0, True),
        (2001.0, 1.0, False),
        (2001.0, 3.0, True),
        (1e30, np.inf, True),
        (1999.0, np.nan, True),
    ],
)
def test_a_loss_that_has_grown_is_the_updates_doing(
    batch: Profile, loss: float, first: float, data: bool
) -> None:
    """Over 1,000 times H0 or the first loss, at any time; it may be 0 in the end."""
    losses = np.array([1.0, loss, 0.0])
    none = np.zeros(0)
    signals = Signals(256, first, none, none, none)
    assert of_data(batch(ROWS, losses=losses, signals=signals)) is data
    if first == 1:
        assert of_data(batch(ROWS, losses=losses)) is data, "signals are not known"


@pytest.mark.parametrize(("ratio", "data"), [(0.99, True), (1.01, False)])
def test_a_step_beyond_the_weights_themselves_is_the_rate(
    batch: Profile, ratio: float, data: bool
) -> None:
    evidence = batch(ROWS)
    evidence.update_ratio[-1] = np.nan, ratio
    assert of_data(evidence) is data


def test_a_rate_that_is_right_leaves_the_clip(profile: Profile) -> None:
    blame = Blame(50, 2, operation="exp")
    (found,) = diagnose(profile((1.0, 1.0), blame=blame, gradient_norms=np.full(30, 2)))
    assert found.remedy is not None and found.remedy.otherwise is not None
    (edit,) = found.remedy.otherwise.patch
    assert (edit.path, edit.value) == ("train.clip_norm", 10.0)


def test_weights_without_scale_are_mended_first(profile: Profile) -> None:
    wild = {"weight_init": {"normal": {"std": 100.0}}}
    evidence = profile((1.0, 1.0, 1.0), settings=wild, blame=Blame(1, 1))
    (found,) = diagnose(dataclasses.replace(evidence, finished=True))
    assert found.remedy is not None
    assert [(e.path, e.value) for e in found.remedy.patch] == [
        ("model.dense2.weight_init", "auto"),
        ("model.dense1.weight_init", "auto"),
    ]


def test_a_norm_that_overflows_is_blamed_on_the_largest_gradient() -> None:
    x, w, z, cost = model(ops.tanh)
    found = gradients(cost, [w, z])
    norm = ops.sum_of_squares(*found)
    first = FirstBad(cost, [norm], rows=np.array([7, 8, 9]))
    leaves = {x: np.full((3, 3), 1e25, np.float32), w: np.zeros((3, 3), np.float32)}
    evaluate([cost, norm], leaves, check=first)
    blame = first.blame(step=4, epoch=1)
    assert blame.node == f"gradient of {w.path}"
    assert "whose squares are beyond float32" in blame.inputs
    assert blame.direction == "backward"
