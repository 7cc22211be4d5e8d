"""A finding as a row of findings.json."""

from __future__ import annotations

import json
from collections.abc import Callable

from nettrain.diagnose import Edit, Evidence, Finding, Remedy, diagnose

FINDING = Finding(
    "G1",
    "vanishing-gradient",
    "error",
    "little arrives",
    primary=True,
    node="model/dense2/pre_activation",
    layer="dense2",
    config_line=14,
    epoch=2,
    step=88,
    measured=3.1e-6,
    threshold=1e-3,
    healthy=(0.02, 1.0),
    remedy=Remedy("use relu", (Edit("model.dense2.activation", "relu"),)),
)


def test_the_row_has_the_documented_keys_in_their_order() -> None:
    assert FINDING.to_json() == {
        "id": "G1",
        "name": "vanishing-gradient",
        "severity": "error",
        "primary": True,
        "node": "model/dense2/pre_activation",
        "layer": "dense2",
        "units": None,
        "config_line": 14,
        "epoch": 2,
        "step": 88,
        "measured": 3.1e-06,
        "threshold": 0.001,
        "healthy": [0.02, 1.0],
        "why": "little arrives",
        "remedy": {
            "text": "use relu",
            "patch": [
                {"do": "set", "path": "model.dense2.activation", "value": "relu"}
            ],
        },
        "consequence_of": None,
    }
    documented = (
        "id name severity primary node layer units config_line epoch step measured "
        "threshold healthy why remedy consequence_of"
    )
    assert " ".join(FINDING.to_json()) == documented


def test_a_row_is_read_back() -> None:
    units = Finding("A1", "dead-neurons", "note", "", units=(1, 2), healthy=(0.0, 0.25))
    for finding in (FINDING, units):
        text = json.dumps(finding.to_json(), allow_nan=False)
        assert Finding.from_json(json.loads(text)) == finding


def test_what_a_measurement_may_replace_is_no_part_of_the_row() -> None:
    """A remedy is the same before and after it was written and read."""
    other = Remedy("use leaky_relu")
    guess = Remedy("lower it", measure=True, otherwise=other)
    assert guess.to_json() == {"text": "lower it", "patch": []}
    assert Remedy.from_json(guess.to_json()) == guess


def test_every_finding_has_all_that_a_message_tells(
    profile: Callable[..., Evidence],
) -> None:
    low, high = (1e-5, 0.1, 1.0), (1e5, 10.0, 1.0)
    for evidence in (profile(low, low, activation="sigmoid"), profile(high)):
        (found,) = diagnose(evidence)
        row = found.to_json()
        unknown = {key for key in row if row[key] is None}
        assert unknown == {"units", "consequence_of"}
        assert row["why"] and row["remedy"]["text"] and row["remedy"]["patch"]
