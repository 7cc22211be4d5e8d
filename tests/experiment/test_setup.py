"""Every way in which a readable config does not work, each with its place and words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nettrain.errors import Error
from nettrain.experiment.run import run
from nettrain.experiment.setup import set_up

Write = Callable[..., Path]

GOOD = """\
data: {source: iris, batch_size: 16}
model:
  - dense: {units: 8, activation: relu}
  - dense: 3
loss: cross_entropy
metrics: [accuracy]
train: {epochs: 1}
"""
HEAD = "  - dense: 3\n"
TABLE = "a,b,zone,y\n" + "".join(
    f"{i / 4},{i % 7},{['north', 'south'][i % 2]},{['no', 'yes'][i // 3 % 2]}\n"
    for i in range(24)
)
QUANTITY = "a,y\n" + "".join(f"{i},{i / 3:.2f}\n" for i in range(24))

# What is replaced in GOOD, and by what; code, line and column; part of what is said.
BAD: list[tuple[str, str, str, int, int, str]] = [
    # layers that do not fit
    (HEAD, "  - dense: 4\n", "config-head", 4, 12, "gives 4 outputs, the loss"),
    (HEAD, "  - dense: {units: 1}\n", "config-head", 4, 20, "gives 1 output, the loss"),
    (HEAD, "  - dense: 4\n  - relu\n", "config-head", 4, 12, "`dense: auto`"),
    (HEAD, "  - sequential: [dense: 4]\n", "config-head", 4, 25, "needs 3 for each"),
    (HEAD, "  - repeat: {times: 2, block: [dense: 4]}\n",
     "config-head", 4, 39, "needs 3"),
    (HEAD, "  - residual: [dense: 8]\n", "config-head", 4, 5, "add `dense: 3`"),
    (HEAD, "", "config-head", 3, 20, "gives 8 outputs"),
    ("batch_size: 16", "shape: [1, 2, 2]", "config-head", 4, 5, "put `flatten` before"),
    (HEAD, "  - residual: [dense: 8, dense: 5]\n  - dense: 3\n",
     "config-residual", 4, 5, "have 8 units"),
    (HEAD, "  - repeat:\n      times: 2\n      block:\n        - residual:\n"
     "            - dense: 5\n  - dense: 3\n", "config-residual", 7, 11, "repeat1/1/"),
    (HEAD, "  - residual: []\n  - dense: 3\n", "config-model", 4, 5, "holds no layers"),
    (HEAD, "  - repeat: {times: 2, block: []}\n  - dense: 3\n",
     "config-model", 4, 5, "repeat1 holds no layers"),
    # names
    ("units: 8", "units: 8, name: dense2", "config-name", 3, 29, 'called "dense2"'),
    (HEAD, "  - dense: {units: 3, name: a}\n  - dense: {units: 3, name: a}\n",
     "config-name", 5, 29, "another name"),
    # a loss that applies the activation itself
    (HEAD, "  - dense: {units: 3, activation: softmax}\n",
     "config-double-activation", 4, 35, "applies softmax itself"),
    (HEAD, "  - dense: 3\n  - log_softmax\n",
     "config-double-activation", 5, 5, "remove log_softmax"),
    (HEAD, "  - sequential:\n      - sequential: [dense: 3, softmax]\n",
     "config-double-activation", 5, 32, "remove softmax"),
    # losses and metrics
    ("cross_entropy", "binary_cross_entropy", "config-loss", 5, 7, "two classes apart"),
    ("cross_entropy", "{cross_entropy: {class_weights: [1, 2]}}",
     "config-class-weights", 5, 39, "2 numbers for 3 classes"),
    ("accuracy", "rmse", "config-metric", 6, 11, "for classification: accuracy, "),
    ("accuracy", "accuracy, {f1: macro}, {f1: micro}",
     "config-metric", 6, 34, "the metric f1 stands twice"),
    ("source: iris", "source: iris, task: regression",
     "config-task", 5, 7, "losses for regression: cosine, gaussian_nll, huber"),
    ("iris", "diabetes", "config-task", 1, 16, "say loss: mse"),
    # what is monitored
    ("epochs: 1", "epochs: 1, stop: {monitor: validation/los}",
     "config-monitor", 7, 36, 'did you mean "validation/loss"?'),
    ("epochs: 1", "epochs: 1, stop: {monitor: accuracy}",
     "config-monitor", 7, 36, 'did you mean "validation/accuracy"?'),
    ("epochs: 1", "epochs: 1, stop: {monitor: train/f1}",
     "config-monitor", 7, 36, "add f1 to metrics"),
    ("epochs: 1", "epochs: 1, stop: {monitor: x}",
     "config-monitor", 7, 36, "computed are: validation/loss, validation/accuracy"),
    # the data
    ("batch_size: 16", "split: {validation: 0.6, test: 0.4}",
     "config-split", 1, 22, "must be below 1"),
    ("batch_size: 16", "split: {validation: 15 %}", "config-type", 1, 42, "write 0.15"),
    ("batch_size: 16", "split: {train: 0.8}", "config-unknown-key", 1, 30, "its keys"),
    ("batch_size: 16", "split: {validation: 0.001}",
     "config-split", 1, 42, "none is left for validation"),
    ("batch_size: 16", "shape: [1, 8, 8]", "config-shape", 1, 29, "a row has 4"),
    ("batch_size: 16", "preprocess: [one_hot]",
     "config-preprocess", 1, 35, "no categorical column"),
    ("batch_size: 16", "columns: {x: ignore}",
     "config-unknown-column", 1, 32, 'no column "x"'),
    ("iris", "absent.csv", "data-missing-file", 1, 16, 'no file "absent.csv"'),
    ("iris", "folder.csv", "data-unreadable-file", 1, 16, "directory"),
    ("iris", "table.xlsx", "config-type", 1, 16, "does not end in .csv"),
    ("iris", "table.csv", "config-missing-key", 1, 1, "one of a, b, zone, y"),
    ("iris", "table.csv, target: [zz, y]", "config-unknown-column", 1, 36, "zz"),
    ("iris", "table.csv, target: [y, zone]", "config-task", 1, 35, "one target"),
    ("iris", "quantity.csv, target: y", "config-task", 1, 38, "say loss: mse"),
    ("iris", "one.csv, target: y", "data-one-class", 1, 33, 'no class but "u"'),
    # nothing at all
    ("model:\n  - dense: {units: 8, activation: relu}\n  - dense: 3", "model: []",
     "config-model", 2, 8, "no layers"),
]  # fmt: skip


@pytest.fixture
def folder(write: Write) -> Write:
    """A working folder with a few tables."""
    write(TABLE, "table.csv")
    write(QUANTITY, "quantity.csv")
    write("a,y\n1,u\n2,u\n3,u\n", "one.csv")
    write("").parent.joinpath("folder.csv").mkdir()
    return write


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def raised(config: Path) -> list[Error]:
    """Every error of a run, which must leave nothing behind."""
    before = sorted(config.parent.iterdir())
    with pytest.raises(Error) as caught:
        run(config.name)
    assert sorted(config.parent.iterdir()) == before
    assert caught.value.exit_code == (3 if caught.value.code[:4] == "data" else 2)
    return list(getattr(caught.value, "errors", (caught.value,)))


def told(errors: list[Error]) -> list[tuple[str, int | None, int | None]]:
    return [(e.code, e.place.line, e.place.column) for e in errors if e.place]


@pytest.mark.parametrize(("old", "new", "code", "line", "column", "said"), BAD)
def test_one_error_at_its_place(
    old: str, new: str, code: str, line: int, column: int, said: str, folder: Write
) -> None:
    errors = raised(folder(changed(old, new)))
    assert told(errors) == [(code, line, column)]
    assert said in str(errors[0])
    assert errors[0].place and errors[0].place.text


def test_batch_norm_needs_two_rows_in_the_last_batch_too(folder: Write) -> None:
    text = changed(HEAD, "  - batch_norm\n  - dense: 3\n")
    assert set_up(folder(text))
    for size, said in [(1, "a batch of shape (1, 8) has 1"), (149, "the last batch")]:
        sized = text.replace("batch_size: 16", f"split: {{}}, batch_size: {size}")
        (error,) = raised(folder(sized))
        assert told([error]) == [("config-batch-norm", 4, 5)]
        assert said in error.message


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "said"),
    [
        ("units: 8", f"units: {10**18}", "memory-full", 3, "larger than any array"),
        ("iris", f"{{moons: {10**18}}}", "memory-needed", 1, "data need"),
    ],
)
def test_what_no_memory_holds(
    old: str, new: str, code: str, line: int, said: str, folder: Write
) -> None:
    with pytest.raises(Error) as caught:
        set_up(folder(changed(old, new)))
    error = getattr(caught.value, "errors", [caught.value])[0]
    assert (error.code, error.exit_code) == (code, 8)
    assert (error.place.line, said in error.message) == (line, True), error


@pytest.mark.parametrize(
    ("loss", "head", "said"),
    [
        ("mse", 2, "needs 1 for each row, one for each target"),
        ("mae", 3, "needs 1 for each row"),
    ],
)
def test_heads_of_regressions(loss: str, head: int, said: str, folder: Write) -> None:
    text = f"data: {{source: quantity.csv, target: y}}\nmodel: [dense: {head}]\n"
    (error,) = raised(folder(text + f"loss: {loss}\n"))
    assert told([error]) == [("config-head", 2, 16)]
    assert said in error.message


def test_settings_of_a_classification_on_a_regression(folder: Write) -> None:
    text = """\
data: {source: quantity.csv, target: y, split: {validation: 0.2, stratify: true}}
model: [dense: 1]
loss: mse
metrics: [r2, accuracy]
"""
    errors = raised(folder(text))
    assert told(errors) == [("config-stratify", 1, 76), ("config-metric", 4, 15)]


# ---------------------------------------------------------------- all at once


def test_mistakes_of_every_stage_are_told_together(folder: Write) -> None:
    text = """\
nmae: t
data: {source: table.csv, target: y}
model:
  - dense: {units: 8, activation: relu}
  - dense: {units: 5, activation: softmax}
loss: cross_entropy
metrics: [rmse]
optimizer: {Adam: {learning_rate: fast}}
train: {epochs: 1, stop: {monitor: validation/accuracy}}
"""
    assert told(raised(folder(text))) == [
        ("config-unknown-key", 1, 1),
        ("config-head", 5, 20),
        ("config-double-activation", 5, 35),
        ("config-metric", 7, 11),
        ("config-unknown-component", 8, 13),
        ("config-unknown-component", 8, 35),
        ("config-monitor", 9, 36),
    ]


def test_bad_cells_are_told_after_the_config(folder: Write) -> None:
    folder(TABLE.replace("0.25,1", "0.25x,1"), "table.csv")
    text = "data: {source: table.csv, target: y}\nmodel: [dense: 2, softmax]\n"
    errors = raised(folder(text + "loss: cross_entropy\n"))
    assert [str(error.place) for error in errors] == [
        "config.yaml:2:19",
        "table.csv:3:1",
    ]


def test_what_was_not_understood_is_not_held_against_the_rest(folder: Write) -> None:
    """A misspelt metric may be the one that is monitored."""
    text = changed("accuracy", "acuracy").replace(
        "epochs: 1", "epochs: 1, stop: {monitor: validation/accuracy}"
    )
    assert told(raised(folder(text))) == [("config-unknown-component", 6, 11)]


def test_a_required_key_misspelt_is_one_error(folder: Write) -> None:
    for old, new, line, column in [
        ("model:", "modle:", 2, 1),
        ("loss:", "los:", 5, 1),
        ("data:", "dat:", 1, 1),
        ("source:", "sorce:", 1, 8),
        ("units:", "unit:", 3, 13),
    ]:
        (error,) = raised(folder(changed(old, new)))
        assert told([error]) == [("config-unknown-key", line, column)]
        assert "did you mean" in (error.fix or "")


def test_mistakes_on_the_command_line_are_told_with_those_of_the_file(
    folder: Write,
) -> None:
    config = folder(changed("dense: 3", "dense: 4"))
    with pytest.raises(Error) as caught:
        set_up(config.name, ["metrics=[rmse]", "sed=1"])
    places = [str(error.place) for error in caught.value.errors]  # type: ignore[attr-defined]
    assert places == [
        "config.yaml:4:12",
        "command line: metrics=[rmse]",
        "command line: sed=1",
    ]


def test_a_mapping_has_paths_for_places() -> None:
    config: dict[str, Any] = {
        "data": {"source": "iris"},
        "model": [{"dense": {"units": 8}}, {"dense": {"unit": 3}}],
        "loss": "mse",
        "metrics": ["accuracy"],
    }
    with pytest.raises(Error) as caught:
        set_up(config)
    assert {str(error.place) for error in caught.value.errors} == {  # type: ignore[attr-defined]
        "mapping: data.source",
        "mapping: metrics.0",
        "mapping: model.1.dense.unit",
    }


# ---------------------------------------------------------------- what has to work


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        changed("epochs: 1", "epochs: 1, stop: {patience: 2}"),
        changed("dense: 3", "dense: auto"),
        changed(HEAD, "  - residual: [dense: 8, relu]\n  - dense: 3\n  - layer_norm\n"),
        changed("batch_size: 16", "shape: [1, 2, 2]").replace(
            "model:\n", "model:\n  - flatten\n"
        ),
    ],
)
def test_unusual_configs_that_work(text: str, folder: Write) -> None:
    setup = set_up(folder(text))
    assert setup.recipe.outputs == 3


def test_a_time_limit_needs_no_validation_rows(folder: Write) -> None:
    text = changed("batch_size: 16", "split: {}")
    timed = text.replace("epochs: 1", "epochs: 1, stop: {minutes: 5}")
    setup = set_up(folder(timed))
    assert setup.experiment.train.stop is not None
    assert setup.experiment.train.stop.monitor == "train/loss"
    for stop in ("patience: 2", "restore_best: true", "target: 0.1", "monitor: "):
        words = stop + ("validation/loss" if stop.endswith(": ") else "")
        patient = text.replace("epochs: 1", f"epochs: 1, stop: {{{words}}}")
        (error,) = raised(folder(patient))
        assert error.code == "config-monitor"
        assert "no rows are kept for validation" in error.message


def test_labels_may_be_any_two_values(folder: Write) -> None:
    for no, yes in [("1", "2"), ("-1", "+1"), ("0.0", "1.0"), ("true", "false")]:
        table = TABLE.replace(",no", f",{no}").replace(",yes", f",{yes}")
        folder(table, "table.csv")
        text = "data: {source: table.csv, target: [y]}\nmodel: [dense: auto]\n"
        setup = set_up(folder(text + "loss: binary_cross_entropy\n"))
        assert setup.recipe.outputs == 1
        assert set(setup.dataset.parts["train"].targets.tolist()) == {0, 1}
