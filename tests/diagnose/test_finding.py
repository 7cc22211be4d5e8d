"""A finding as a row of findings.json and as text."""

from __future__ import annotations

import json
from collections.abc import Callable

from nettrain.diagnose import Edit, Evidence, Finding, Remedy, diagnose, full, message

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


def test_one_line() -> None:
    assert message(FINDING) == (
        "error G1: vanishing gradient in dense2, epoch 2: 3.1e-06 < 0.001, "
        "healthy 0.02 to 1"
    )
    bare = Finding("N1", "non-finite", "error", "exp: input 743 > 88.7")
    assert message(bare) == "error N1: non finite: exp: input 743 > 88.7"


def test_everything() -> None:
    follows = Finding(
        "A1", "dead-neurons", "warning", "", layer="dense1", consequence_of="G1"
    )
    text = full(FINDING, [FINDING, follows], config="configs/deep.yaml")
    assert [" ".join(line.split()) for line in text] == [
        "error G1: vanishing gradient (the primary cause)",
        "where model/dense2/pre_activation, layer dense2, config line 14, epoch 2, "
        "step 88",
        "measured 3.1e-06 < 0.001, healthy 0.02 to 1",
        "why little arrives",
        "change use relu",
        "set model.dense2.activation: relu",
        "try it nettrain run configs/deep.yaml model.dense2.activation=relu",
        "leads to A1 dead neurons in dense1",
    ]
    assert full(follows)[-1].split() == ["follows", "from", "G1"]


def test_an_insertion_has_no_command() -> None:
    remedy = Remedy("", (Edit("model.dense2", "layer_norm", do="insert"),))
    assert remedy.command("a.yaml") is None
    assert Remedy("").command("a.yaml") is None


def test_values_are_written_as_yaml_and_quoted_for_the_shell() -> None:
    remedy = Remedy("", (Edit("a", {"leaky_relu": {"slope": 0.1}}), Edit("b", 0.5)))
    assert remedy.command("my run.yaml") == (
        "nettrain run 'my run.yaml' 'a={\"leaky_relu\": {\"slope\": 0.1}}' b=0.5"
    )


def test_many_units_are_cut_short() -> None:
    finding = Finding("A1", "dead-neurons", "note", "", units=tuple(range(100)))
    assert full(finding)[1].split(maxsplit=1)[1] == (
        "100 units (0, 1, 2, 3, 4, 5, 6, 7 and 92 more)"
    )


def test_every_finding_has_all_of_the_message(
    profile: Callable[..., Evidence],
) -> None:
    low, high = (1e-5, 0.1, 1.0), (1e5, 10.0, 1.0)
    for evidence in (profile(low, low, activation="sigmoid"), profile(high)):
        (found,) = diagnose(evidence)
        labels = [line.split()[0] for line in full(found, [found], "c.yaml")[1:]]
        assert labels[:4] == ["where", "measured", "why", "change"]
        assert "try" in labels
