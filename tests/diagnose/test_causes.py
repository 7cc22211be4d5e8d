"""The order of causes, one primary, and severities that depend on the rest."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nettrain.component import registered
from nettrain.diagnose import (
    DiagnoseConfig,
    Evidence,
    Finding,
    FirstWeights,
    Units,
    diagnose,
)
from nettrain.diagnose.causes import ORDER, TABLE, ordered
from nettrain.diagnose.detector import Detector
from nettrain.diagnose.finding import Severity

Profile = Callable[..., Evidence]
PRIOR = 2.0


DOCUMENTED = """D1 → D3 (target) → I1 → I3 → I5 (bias) → I5 (width) → I4 → P3 → P2 → P1
→ R1 → L1 → N1 → A1 (died) → G1 (below threshold from step 1) → A2 → G2
→ L2 → G1 (over time) → B2 → L3 → D2 → D4 → D6 → O2 → I1 (apart) → U1 → L4 → O1"""


def finding(id_: str, severity: Severity = "error", place: str = "") -> Finding:
    return Finding(id_, id_.lower(), severity, "", place=place)


def order(*findings: Finding) -> list[str]:
    return [found.id for found in ordered(findings)]


def test_the_documented_order_decides_whatever_came_first() -> None:
    assert [place.split()[0] for place in ORDER] == [
        part.split()[0] for part in DOCUMENTED.split("→")
    ]
    chain = [
        finding(place.split()[0], place=place if " " in place else "")
        for place in ORDER
        if place != "I4"
    ]
    assert [f.place or f.id for f in ordered(chain[::-1])] == [
        place for place in ORDER if place != "I4"
    ]


def test_every_pair_has_one_primary() -> None:
    for a, b in itertools.permutations(TABLE, 2):
        found = ordered([finding(a), finding(b, "warning")])
        assert [f.primary for f in found].count(True) == 1
        assert found[0].primary
        assert found[1].consequence_of in (None, found[0].id)


def test_causes_come_before_other_errors_and_those_before_other_warnings() -> None:
    found = order(finding("D3", "warning"), finding("G3"), finding("O1", "warning"))
    assert found == ["O1", "G3", "D3"]


def test_others_keep_the_order_of_the_table() -> None:
    assert order(finding("A1"), finding("G3"), finding("D3")) == ["D3", "G3", "A1"]


def test_a_gradient_that_vanished_later_is_no_early_cause() -> None:
    early = finding("G1", place="G1 from the start")
    assert order(finding("G2"), early) == ["G1", "G2"]
    assert order(finding("G2"), finding("G1")) == ["G2", "G1"]


def test_a_risk_is_a_cause_only_with_what_came_of_it() -> None:
    assert order(finding("D2"), finding("I4", "warning")) == ["D2", "I4"]
    alone = order(finding("D2"), finding("I4", "warning"), finding("A1"))
    assert alone == ["I4", "D2", "A1"]


def test_a_note_is_never_primary_and_follows_from_nothing() -> None:
    (only,) = ordered([finding("G1", "note")])
    assert not only.primary
    first, note = ordered([finding("D1", "note"), finding("G3", "warning")])
    assert (first.id, first.primary) == ("G3", True)
    assert (note.primary, note.consequence_of) == (False, None)


def test_the_rest_follows_from_the_primary() -> None:
    found = ordered([finding("G1"), finding("N1"), finding("A1")])
    assert [f.consequence_of for f in found] == [None, "N1", "N1"]


def test_some_warnings_become_errors_with_their_consequences() -> None:
    def severity(id_: str, *others: Finding) -> str:
        found = ordered([finding(id_, "warning"), *others])
        return next(f.severity for f in found if f.id == id_)

    assert severity("I3", finding("G1")) == "error"
    assert severity("I3", finding("G1", "note")) == "warning"
    assert severity("I3", finding("D2")) == "warning"
    assert severity("D1", finding("D2")) == "error"
    assert severity("D1") == "warning"
    assert severity("D4", finding("G1")) == "warning"


def test_outcomes_are_judged_once_training_is_over(
    healthy: Callable[..., Evidence],
) -> None:
    stuck = {
        "loss": np.full(6, PRIOR),
        "planned_steps": 400,
        "steps": 50 * np.arange(1, 7),
    }
    assert "L4" in [f.id for f in diagnose(healthy(**stuck))]
    assert "L4" not in [f.id for f in diagnose(healthy(**stuck, finished=False))]
    late = {id_ for id_, d in registered(Detector).items() if d.at_end}
    expected = "D6 O0 O1 O2 O3 C1 X1 U1 B1 B2 L4 L5 L6"
    assert sorted(late) == sorted(expected.split())


def test_a_dead_layer_comes_before_the_gradient_it_cuts_off(profile: Profile) -> None:
    path = "model/dense2/pre_activation"
    units = Units(np.ones((3, 4), bool), np.zeros((3, 4), bool), np.zeros((3, 4)))
    cut = (0.0, 0.0, 1.0)
    found = diagnose(profile(cut, cut, cut, units={path: units}))
    assert [(f.id, f.primary) for f in found] == [("A1", True), ("G1", False)]


def test_silenced_findings_are_left_out(profile: Profile) -> None:
    row = (1e-5, 1.0)
    config = DiagnoseConfig(silence=("G1",))
    assert diagnose(profile(row, row), config) == []


def test_every_detector_has_its_row_in_the_table() -> None:
    assert set(registered(Detector)) <= set(TABLE)
    assert {place.split()[0] for place in ORDER} <= set(TABLE)


# ---------------------------------------------------------------- what was learned


def large(healthy: Callable[..., Evidence], **changes: Any) -> list[Finding]:
    """Findings of first weights four times too large, which came to nothing bad."""
    plain = healthy()
    layers = {
        name: dataclasses.replace(layer, first=FirstWeights(1.0, 16, 16))
        if name == "dense2" else layer
        for name, layer in plain.layers.items()
    }  # fmt: skip
    return [f for f in diagnose(healthy(layers=layers, **changes)) if f.id == "I3"]


@pytest.mark.parametrize(
    ("own", "other", "more", "severity"),
    [
        (0.09, 0.09, {}, "note"),
        (0.11, 0.09, {}, "warning"),
        (0.09, 0.11, {}, "warning"),  # learned by heart
        (0.09, np.nan, {}, "note"),  # no validation rows
        (0.09, 0.09, {"finished": False}, "warning"),
        (0.5, 0.6, {"unexplained": 0.04}, "note"),
        (0.5, 0.6, {"unexplained": 0.06}, "warning"),
    ],
)
def test_a_bad_start_is_a_note_where_all_was_learned(
    healthy: Callable[..., Evidence],
    own: float,
    other: float,
    more: dict[str, Any],
    severity: str,
) -> None:
    falls = np.linspace(0.9, 1.0, 6)[::-1] / 0.9
    losses = {"loss": own * PRIOR * falls, "validation_loss": other * PRIOR * falls}
    moved = np.full((6, 3), 1e-2)
    (found,) = large(healthy, **losses, update_ratio=moved, **more)
    assert found.severity == severity


def test_other_warnings_do_not_become_notes() -> None:
    learned = [finding("I3", "warning"), finding("I4", "warning"), finding("D1")]
    found = ordered([*learned, finding("D2", "warning")], learned=True)
    assert [(f.id, f.severity) for f in found] == [
        ("D1", "error"),
        ("D2", "warning"),
        ("I3", "note"),
        ("I4", "note"),
    ]
