"""The text after a run: the table, and findings in the form that is acted upon."""

from __future__ import annotations

from typing import Any

import pytest

from nettrain.show.summary import (
    command,
    grouped,
    line,
    measured,
    message,
    patch,
    summary,
)

METRICS = {
    "test/accuracy": 0.975,
    "test/loss": 0.09,
    "test/step": 1240,
    "best": {"validation/accuracy": {"value": 0.98, "step": 961, "epoch": 31}},
    "last": {"train/loss": 0.01, "validation/loss": 0.1, "train/accuracy": 1.0},
}


def finding(**changes: Any) -> dict[str, Any]:
    return {
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
        "measured": 3.1e-6,
        "threshold": 1e-3,
        "healthy": [0.02, 1.0],
        "why": "Each sigmoid multiplies the gradient by at most 1/4.",
        "remedy": {
            "text": "Use relu.",
            "patch": [
                {"do": "set", "path": "model.dense2.activation", "value": "relu"}
            ],
        },
        "consequence_of": None,
    } | changes


def text(*findings: dict[str, Any], **given: Any) -> str:
    usual = {"seconds": 2.4, "folder": "runs/mlp/1", "config": "mlp.yaml"}
    return summary(METRICS, findings=findings, **usual | given)


def test_the_table_of_metrics() -> None:
    rows = text().splitlines()
    assert rows[0].split() == ["train", "validation", "test", "best"]
    assert rows[1].split() == ["loss", "0.01", "0.1", "0.09"]
    assert rows[2].split() == ["accuracy", "1", "0.975", "0.98", "(epoch", "31)"]
    assert not any("step" in row for row in rows)
    assert rows[1].index("0.1 ") > rows[0].index("train")


def test_the_training_loss_is_that_of_the_epochs_end() -> None:
    last = {"train/loss": 0.5, "train/epoch_loss": 0.25}
    found = summary({"last": last}, seconds=1, folder="a").splitlines()
    assert found[1].split() == ["loss", "0.25"]
    assert not any("epoch_loss" in row for row in found)


def test_a_row_is_of_one_model_and_says_of_which() -> None:
    kept = {"train/loss": 0.3, "validation/loss": 0.2, "step": 40, "epoch": 2}
    found = summary(METRICS | {"kept": kept}, seconds=1, folder="a").splitlines()
    assert found[1].split() == ["loss", "0.3", "0.2", "0.09"]
    assert found[3] == "of the weights kept, those of epoch 2"
    assert "kept" not in text()


def test_columns_that_are_empty_are_left_out() -> None:
    found = summary({"last": {"train/loss": 1.0}}, seconds=1, folder="a")
    assert found.splitlines()[0].split() == ["train"]


def test_duration_folder_and_no_findings() -> None:
    assert "2.4 s, written to runs/mlp/1" in text()
    assert text().endswith("No findings.\n")


def test_a_message_has_all_its_parts_in_order() -> None:
    found = message(
        finding(),
        [finding(id="A1", name="dead-neurons")],
        config="mlp.yaml",
        excerpt="     14 |   - dense: 8\n        |     ^^^^^^^^",
        picture="run/plots/gradient-waterfall.svg",
        trial="nettrain run mlp.yaml model.dense2.activation=relu",
    )
    parts = [
        "error[G1] vanishing gradient: the primary cause",
        "model/dense2/pre_activation, epoch 2, step 88",
        "mlp.yaml:14",
        "14 |   - dense: 8",
        "^^^^",
        "3.1e-06, threshold 0.001, healthy 0.02 … 1",
        "Each sigmoid multiplies",
        "picture   run/plots/gradient-waterfall.svg",
        "Use relu.",
        "- {do: set, path: model.dense2.activation, value: relu}",
        "nettrain run mlp.yaml model.dense2.activation=relu",
        "A1 dead neurons",
    ]
    places = [found.index(part) for part in parts]
    assert places == sorted(places)


def test_a_patch_that_is_no_setting_goes_into_a_config() -> None:
    edit = {"do": "insert", "path": "model.1", "value": {"batch_norm": {}}}
    found = text(finding(remedy={"text": "x", "patch": [edit]}))
    assert "try       nettrain doctor runs/mlp/1 --apply mended.yaml" in found
    assert "- {do: insert, path: model.1, value: {batch_norm: {}}}" in found


def test_a_run_with_overrides_is_mended_by_the_doctor() -> None:
    """The config alone is another run."""
    assert "nettrain run mlp.yaml model.dense2.activation=relu" in text(finding())
    found = text(finding(), as_given=False)
    assert "nettrain run" not in found
    assert "nettrain doctor runs/mlp/1 --apply" in found
    assert "mlp.yaml:14" in found


def test_so_is_a_run_without_a_file() -> None:
    assert "nettrain doctor runs/mlp/1 --apply" in text(finding(), config="")


def test_values_with_blanks_are_quoted_for_the_shell() -> None:
    edit = {"do": "set", "path": "optimizer", "value": {"sgd": {"learning_rate": 0.1}}}
    found = command([edit], "mlp.yaml")
    assert found == "nettrain run mlp.yaml 'optimizer={sgd: {learning_rate: 0.1}}'"
    insert = {"do": "insert", "path": "model.0", "value": "layer_norm"}
    found = command([insert], "mlp.yaml", "my runs/1")
    assert found == "nettrain doctor 'my runs/1' --apply mended.yaml"


def test_words_that_yaml_takes_for_something_else_are_quoted() -> None:
    edit = {"do": "set", "path": "name", "value": "true"}
    found = text(finding(remedy={"patch": [edit]}), config="my run.yaml")
    assert '- {do: set, path: name, value: "true"}' in found
    assert "nettrain run 'my run.yaml' 'name=\"true\"'" in found


def test_without_a_patch_there_is_no_command() -> None:
    found = text(finding(remedy={"text": "Wait.", "patch": []}), config="a.yaml")
    assert "Wait." in found and "nettrain" not in found
    assert command([], "a.yaml", "runs/1") == ""
    assert patch(finding(remedy=None)) == ()


def test_what_is_unknown_is_left_out() -> None:
    bare = dict.fromkeys(finding()) | {"id": "O0", "name": "note", "severity": "note"}
    assert message(bare) == "note[O0] note\n  where     the whole network"


def test_the_primary_cause_comes_first_and_holds_its_consequences() -> None:
    late = finding(id="L4", name="guessing", primary=False, severity="warning")
    follows = finding(id="A1", name="dead-neurons", primary=False, consequence_of="G1")
    found = text(late, follows, finding())
    assert found.index("error[G1]") < found.index("warning[L4]")
    assert "error[A1]" not in found
    assert "follows   A1 dead neurons" in found


def test_a_consequence_names_its_cause() -> None:
    assert message(finding(consequence_of="D1")).endswith("cause     D1")


def test_units_are_counted_and_some_named() -> None:
    assert "12 units (0, 1, 2, 3, 4, 5, 6, 7, …)" in message(
        finding(units=[*range(12)])
    )
    assert "1 unit (3)" in message(finding(units=[3]))


def test_colour_only_on_a_terminal() -> None:
    assert "\033" not in text(finding())
    assert "\033[1;31merror[G1]\033[0m" in text(finding(), colour=True)


def test_long_reasons_are_wrapped() -> None:
    found = message(finding(why="word " * 60))
    assert max(map(len, found.splitlines())) <= 88


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    changed = {"changed": ["word " * 30]}
    found = text(finding(why="word " * 60), diagnosis=changed)
    prose = [
        row for row in found.splitlines() if row.startswith((" " * 12 + "word", "jud"))
    ]
    assert 50 < max(map(len, prose)) <= 60
    inner = message(finding(why="word " * 60), indent=8).splitlines()
    assert max(map(len, [row for row in inner if " word" in row])) <= 52
    assert len(line(finding(measured=None, why="17, " * 200))) < 150


@pytest.mark.parametrize("value", [1.02e13, 3.12e-6, 0.25, 40.0, 1234.0, 0.0])
def test_a_measured_number_is_written_as_in_the_words_beside_it(value: float) -> None:
    (told,) = measured({"measured": value})
    assert told == {1234.0: "1234"}.get(value, f"{value:.2g}")


def test_one_line_while_training() -> None:
    expected = (
        "error[G1] vanishing gradient at model/dense2/pre_activation, epoch 2, "
        "step 88: 3.1e-06, threshold 0.001"
    )
    assert line(finding()) == expected
    why = "exp: input 743 > 88.7; losses before: 1 2 3"
    bare = dict.fromkeys(finding()) | {"id": "N1", "name": "non-finite", "why": why}
    assert line(bare | {"severity": "error", "step": 3}) == (
        "error[N1] non finite at the whole network, step 3: exp: input 743 > 88.7"
    )


def test_findings_of_one_name_stand_once_each() -> None:
    """A note beside the primary one claims nothing that follows from that."""
    many = [
        finding(id="D3", name="data-defect", node=None, why=why, **changes)
        for why, changes in (
            ("no row is whole", {}),
            ("rows are shared", {"primary": False, "consequence_of": "D3"}),
            ("x is constant", {"primary": False, "severity": "note"}),
        )
    ]
    (first, follows), (note, nothing) = grouped(many)
    assert (first, follows) == (many[0], [many[1]])
    assert (note, nothing) == (many[2], [])
    found = text(*many)
    assert found.count("follows") == 1
    assert found.count("no row is whole") == found.count("x is constant") == 1


def test_data_are_not_the_network() -> None:
    found = line(finding(id="D3", name="data-defect", node=None, layer=None))
    assert "data defect at the data" in found


def test_a_very_long_why_begins_a_line_with_each_clause() -> None:
    losses = " ".join(f"{2 + i / 7:.3g}" for i in range(20))
    why = f"exp: input 743 > 88.7; losses before: {losses}; gradient norms: {losses}"
    rows = message(finding(why=why, remedy=None)).splitlines()
    heads = [row.strip() for row in rows]
    assert "why       exp: input 743 > 88.7" in heads
    for clause in ("losses before: 2 2.14", "gradient norms: 2 2.14"):
        assert any(head.startswith(clause) for head in heads)
    assert max(map(len, rows)) <= 88
    short = message(finding(why="one; two", remedy=None))
    assert "why       one; two" in short


def test_a_finding_stays_one_short_line_when_it_arises() -> None:
    found = line(finding(measured=None, why="rows " + "17, " * 200))
    assert "\n" not in found and len(found) < 200 and found.endswith(" …")
