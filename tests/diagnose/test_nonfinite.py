"""N1, and the replay that blames a node."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from nettrain.diagnose import Blame, DiagnoseConfig, Evidence, Units, diagnose
from nettrain.diagnose.blame import FirstBad
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
