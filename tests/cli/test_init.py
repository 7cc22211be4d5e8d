"""init: configs that run as they are, of each kind and for tables of every sort."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nettrain as nt
from nettrain.cli.arguments import KINDS
from nettrain.cli.init import TEMPLATES
from nettrain.cli.main import main
from nettrain.cli.manual import schema
from nettrain.config import read
from nettrain.experiment.columns import share
from tests.cli.conftest import ROOT, Call

# ---------------------------------------------------------------- kinds

GENERATED = ("friedman1", "adding", "copy")


def test_every_kind_has_its_template() -> None:
    assert sorted(KINDS) == sorted(path.stem for path in TEMPLATES.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_checked_and_runs(call: Call, folder: Path, kind: str) -> None:
    answer = call("init", kind)
    assert (answer.code, answer.out, answer.err) == (
        0,
        f"written to {kind}.yaml\n  nettrain run {kind}.yaml\n",
        "",
    )
    assert call("check", f"{kind}.yaml").code == 0
    source = read(f"{kind}.yaml").value["data"]["source"]
    few = [f"data.source.{name}.samples=100" for name in source if name in GENERATED]
    short = ["train={steps: 5}", "diagnose=false", "--out", "run"]
    assert call("run", f"{kind}.yaml", *few, *short).code == 0


@pytest.mark.parametrize(
    "kind",
    [k if k == "mlp" else pytest.param(k, marks=pytest.mark.long) for k in KINDS],
)
def test_a_kind_keeps_its_promise(call: Call, folder: Path, kind: str) -> None:
    assert call("init", kind).code == 0
    text = Path(f"{kind}.yaml").read_text()
    promise = re.search(r"Expected: (\S+) (above|below) (\S+)\.\n", text)
    assert promise
    run = nt.train(f"{kind}.yaml", out=folder / "run")
    got, said = run.summary[promise[1]], float(promise[3])
    assert got >= said if promise[2] == "above" else got <= said
    assert [f for f in run.findings if f.severity != "note"] == []


def test_commands_and_name_are_those_of_the_file(call: Call, folder: Path) -> None:
    assert call("init", "transformer", "--out", "my net.yaml").code == 0
    text = Path("my net.yaml").read_text()
    assert "\n#     nettrain run 'my net.yaml'\n" in text
    assert "runs/my-net/1" in text
    assert read("my net.yaml").value["name"] == "my-net"
    assert "transformer.yaml" not in text


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["mpl"], 2, 'unknown kind of config "mpl"\n  did you mean "mlp"?'),
        (["zzzz"], 2, "known: mlp, cnn, lstm, transformer, autoencoder, regression"),
        (["mlp", "--target", "y"], 2, "mlp has its own data"),
        (["mlp", "--out", "config.yaml"], 4, "config.yaml exists already"),
        (["table.csv", "--target", "kind"], 4, "table.yaml exists already"),
        (
            ["table.csv", "--out", "x.yaml"],
            3,
            "--target with one of kind, length, width",
        ),
        (["gone.csv"], 3, 'there is no file "gone.csv"'),
        (["gone.txt"], 3, 'there is no file "gone.txt"'),
        (["notes.txt"], 3, "init transformer, and in it say source: {text: {path: not"),
        (["photos"], 3, "init cnn, and in it say source: {images: {path: photos"),
        (
            ["t10k-images-idx3-ubyte"],
            3,
            "init cnn, and in it say source: {idx: {images",
        ),
        (["book.xlsx"], 3, "save it as .csv"),
    ],
)
def test_what_cannot_be_written(
    call: Call, folder: Path, words: list[str], code: int, said: str
) -> None:
    for name in ("notes.txt", "t10k-images-idx3-ubyte", "book.xlsx", "table.yaml"):
        Path(name).write_text("as it was")
    Path("photos").mkdir()
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    answer = call("init", *words)
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err
    after = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert after == before


def test_an_editor_is_shown_the_schema(call: Call, folder: Path) -> None:
    Path("nets").mkdir()
    assert call("init", "mlp", "--schema", "--out", "nets/a.yaml").code == 0
    first = Path("nets/a.yaml").read_text().splitlines()[0]
    file = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert file
    written = (Path("nets") / file[1]).read_text()
    assert json.loads(written) == json.loads(json.dumps(schema()))
    assert call("check", "nets/a.yaml").code == 0
    (Path("nets") / file[1]).write_text(
        '{"properties": {"data": 1, "model": 1, "loss": 1}}'
    )
    assert call("init", "mlp", "--schema", "--out", "nets/b.yaml").code == 0
    assert (Path("nets") / file[1]).read_text() == written
    for other in ("mine", "{}", "[]", '{"properties": {"data": 1}}'):
        (Path("nets") / file[1]).write_text(other)
        answer = call("init", "mlp", "--schema", "--out", "nets/c.yaml")
        assert answer.code == 4
        assert "is not the schema of nettrain's configs" in answer.err
        assert (Path("nets") / file[1]).read_text() == other
        assert not Path("nets/c.yaml").exists()


# ---------------------------------------------------------------- tables

Cell = Callable[[int], object]
_RANDOM = random.Random(0)
X = [_RANDOM.gauss(0, 1) for _ in range(500)]
OTHER = [_RANDOM.random() for _ in range(500)]


def x(i: int) -> str:
    return f"{X[i]:.3f}"


def noise(i: int) -> str:
    return f"{OTHER[i]:.3f}"


def kind(i: int) -> str:
    return "yes" if X[i] > 0 else "no"


def write(columns: dict[str, Cell], rows: int = 120, delimiter: str = ",") -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(i) for cell in columns.values()] for i in range(rows))
    Path("t.csv").write_text(out.getvalue(), encoding="utf-8")


Init = Callable[..., Any]


@pytest.fixture
def init(call: Call, folder: Path) -> Init:
    """Write a config for `t.csv`; its text and its value."""

    def make(target: str = "y") -> tuple[str, Any]:
        answer = call("init", "t.csv", "--target", target)
        assert (answer.code, answer.err) == (0, "")
        return Path("t.yaml").read_text("utf-8"), read("t.yaml").value

    return make


def test_columns_that_tell_nothing_are_left_out(init: Init, call: Call) -> None:
    write(
        {
            "PassengerId": lambda i: i + 1,
            "turn": lambda i: 200 - i,
            "order_id": lambda i: 7 * i + i % 2,
            "x": x,
            "code": lambda i: f"u{i * 7919 % 1000}",
            "one": lambda i: 3,
            "void": lambda i: "",
            "single": lambda i: "a" if i % 2 else "",
            "when": lambda i: f"2024-01-{1 + i % 28:02d} {i}:00",
            "sparse": lambda i: "" if i % 10 else i % 3,
            "y": kind,
        }
    )
    text, value = init()
    names = [
        "PassengerId",
        "turn",
        "order_id",
        "code",
        "one",
        "void",
        "single",
        "when",
        "sparse",
    ]
    assert value["data"]["columns"] == dict.fromkeys(names, "ignore")
    for said in (
        "PassengerId: ignore  +# numbers the rows",
        "code: ignore  +# 120 different texts in 120 rows",
        "one: ignore  +# is the same in every row",
        "void: ignore  +# is empty",
        "single: ignore  +# has one value only",
        "when: ignore  +# dates: ",
        "sparse: ignore  +# 90 % is missing",
    ):
        assert re.search(said, text)
    assert call("check", "t.yaml").code == 0


def on(i: int, form: str = "%Y-%m-%d") -> str:
    return (date(2023, 11, 3) + timedelta(days=i)).strftime(form)


@pytest.mark.parametrize(
    ("when", "order"),
    [
        (lambda i: on(i), True),
        (lambda i: on(i // 9), True),
        (lambda i: "" if i % 7 == 0 else on(i, "%d.%m.%Y"), True),
        (lambda i: on(i, "%m/%d/%y"), True),
        (lambda i: f"{on(i // 24)}T{i % 24}:05", True),
        (lambda i: 1_700_000_000 + 3600 * i + i % 2, True),
        (lambda i: 2000 + i // 40, True),
        (lambda i: on(-i), False),
        (lambda i: on(i * 7 % 120), False),
        (lambda i: on(0), False),
        (lambda i: 2000 + i % 40, False),
    ],
)
def test_rows_in_the_order_of_time(
    init: Init, call: Call, when: Cell, order: bool
) -> None:
    write({"sale_date": when, "x": x, "y": kind})
    text, value = init()
    split = value["data"]["split"]
    assert (split.get("by") == "order") == order
    assert ("stratify" in split) != order
    assert ("what is tested comes after what has trained" in text) == order
    assert ("the newest stand first" in text) == (when(1) == on(-1))
    assert call("check", "t.yaml").code == 0


def test_rows_stay_mixed_where_the_first_lack_a_class(init: Init) -> None:
    write({"day": lambda i: on(i), "x": x, "y": lambda i: "ab"[i > 100]})
    assert "by" not in init()[1]["data"]["split"]


@pytest.mark.parametrize(
    ("told", "target"),
    [
        (kind, kind),
        (lambda i: int(kind(i) == "yes"), kind),
        (lambda i: "" if i % 5 == 0 else kind(i), kind),
        (lambda i: f"{X[i] * 100 - 3:.6f}", lambda i: f"{X[i]:.8f}"),
    ],
)
def test_a_column_that_tells_the_target(
    call: Call, folder: Path, told: Cell, target: Cell
) -> None:
    write({"outcome": told, "x": lambda i: f"{X[i] + OTHER[i]:.2f}", "y": target})
    answer = call("init", "t.csv", "--target", "y")
    assert (answer.code, answer.err) == (0, "")
    why = "is `y` in other words in every training row; is it known beforehand?"
    assert answer.out.splitlines()[:2] == [
        f"left out: `outcome` {why}",
        "  if so, take it out of data.columns",
    ]
    text, value = Path("t.yaml").read_text(), read("t.yaml").value
    assert value["data"]["columns"] == {"outcome": "ignore"}
    assert why in text


@pytest.mark.parametrize(
    "near",
    [
        lambda i: "maybe" if X[i] > 2.5 else kind(i),
        lambda i: f"{X[i]:.2f}",
        lambda i: "ab"[i % 2],
    ],
)
def test_a_column_that_nearly_tells_the_target(init: Init, near: Cell) -> None:
    write({"near": near, "x": noise, "y": lambda i: f"{X[i] + OTHER[i] / 99:.5f}"})
    assert "columns" not in init()[1]["data"]


def test_what_follows_from_the_target_stays(folder: Path, init: Init) -> None:
    columns: dict[str, Cell] = {
        "x": lambda i: f"{X[i]:.1f}",
        "e": lambda i: f"{math.exp(X[i]):.1f}",
    }
    columns["y"] = lambda i: f"{3 * X[i]:.2f}"
    write(columns)
    text, value = init()
    assert "columns" not in value["data"]
    for name in ("x", "e"):
        told = f"`{name}` follows from `y` in every training row: is it known before"
        assert told in text
    Path("t.yaml").unlink()
    write({**columns, "n": noise})
    assert "columns" not in init()[1]["data"]


def test_a_column_of_more_values_than_classes_stays(call: Call, folder: Path) -> None:
    """A city tells its country, and may be the best that there is to learn from."""
    write({"city": lambda i: f"{kind(i)}{i % 3}", "x": noise, "y": kind})
    answer = call("init", "t.csv", "--target", "y")
    assert answer.out.startswith("written to")
    text = " ".join(line.strip(" #") for line in Path("t.yaml").read_text().split("\n"))
    assert "`city` alone tells `y` in every training row, with several values" in text
    assert "columns" not in read("t.yaml").value["data"]


@pytest.mark.parametrize(
    ("wrong", "rows", "tells"),
    [(0, 120, True), (1, 120, False), (9, 120, False), (1, 400, True)],
)
def test_init_and_the_diagnosis_have_one_rule(
    call: Call, folder: Path, wrong: int, rows: int, tells: bool
) -> None:
    """What init leaves out the diagnosis warns of, by the same training rows."""
    write(
        {
            "code": lambda i: "no" if i < wrong else kind(i),
            "city": lambda i: f"{kind(i)}{i % 3}",
            "x": noise,
            "y": kind,
        },
        rows,
    )
    told = call("init", "t.csv", "--target", "y").out
    ignored = read("t.yaml").value["data"].get("columns", {})
    words = ["train={steps: 1}"]
    own = nt.train("t.yaml", out="own", overrides=words)
    all_of = nt.train("t.yaml", out="all", overrides=[*words, "data.columns={}"])
    found = [
        [f.severity for f in run.findings if f.id == "D5"] for run in (own, all_of)
    ]
    assert ("left out: `code`" in told) == (ignored == {"code": "ignore"}) == tells
    assert found == [["note"], ["warning", "note"] if tells else ["note"]]


def test_counts_have_a_loss_of_their_own(init: Init, call: Call) -> None:
    write({"x": x, "y": lambda i: int(math.exp(2 + X[i]))}, 300)
    text, value = init()
    assert value["loss"] == "mse"
    told = "# whole numbers: were they counts, loss: poisson, standardize_target: false"
    assert told in text
    words = ["loss=poisson", "data.standardize_target=false", "train.epochs=20"]
    run = nt.train("t.yaml", out="run", overrides=[*words, "diagnose=false"])
    assert run.summary["test/r2"] > 0.5
    write({"x": x, "y": lambda i: int(1e4 * math.exp(X[i]))}, 300)
    Path("t.yaml").unlink()
    assert "counts" not in init()[0]


def test_quantities_that_look_like_classes(init: Init, call: Call) -> None:
    write({"x": x, "y": lambda i: max(1, min(9, round(5 + 2 * X[i])))}, 300)
    text, _ = init()
    told = "Were they quantities: here task: regression, standardize_target: true and "
    told += (
        "stratify: false, and below loss: mse, metrics: [r2]; were they counts, the "
    )
    told += "same with loss: poisson and standardize_target: false"
    assert told in " ".join(line.strip(" #") for line in text.splitlines())
    words = ["metrics=[r2]", "data.task=regression", "data.split.stratify=false"]
    for loss, scaled in (("mse", "true"), ("poisson", "false")):
        own = [f"loss={loss}", f"data.standardize_target={scaled}"]
        answer = call("check", "t.yaml", *words, *own)
        assert answer.code == 0 and "[D" not in answer.out
    write({"x": x, "y": lambda i: round(2 * X[i])}, 300)
    Path("t.yaml").unlink()
    assert "counts" not in init()[0]


def test_numbers_with_signs(init: Init) -> None:
    write({"a": lambda i: f"$ {50 + X[i]:.2f}", "b": lambda i: f"{i}.5 %", "x": x,
           "y": kind})  # fmt: skip
    text, value = init()
    assert value["data"]["columns"] == {"a": "ignore", "b": "ignore"}
    assert 'numbers like "$ 50.' in text
    assert 'numbers like "0.5 %", write them plainly' in text


def test_an_example_is_one_of_the_cells_that_are_no_numbers(
    call: Call, folder: Path
) -> None:
    def amount(i: int) -> str:
        return f"2.{367 + i},32 €" if i % 4 == 3 else f"{300 + i},52"

    write({"Betrag": amount, "x": lambda i: x(i).replace(".", ","), "y": kind},
          delimiter=";")  # fmt: skip
    assert call("init", "t.csv", "--target", "y").code == 0
    text = " ".join(line.strip(" #") for line in Path("t.yaml").read_text().split("\n"))
    told = '25 % of its cells are no numbers; to learn from numbers like "2.370,32 €"'
    assert told in text


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (0.0, "0 %"),
        (5e-4, "less than 0.1 %"),
        (0.003, "0.3 %"),
        (0.07, "7 %"),
        (0.99, "99 %"),
        (897 / 900, "99.7 %"),
        (0.9999, "more than 99.9 %"),
        (1.0, "100 %"),
    ],
)
def test_a_share_is_none_or_all_only_where_it_is(part: float, said: str) -> None:
    assert share(part) == said


def test_names_that_yaml_misreads(init: Init, call: Call) -> None:
    write(
        {
            "yes": x,
            "1": lambda i: "ab"[i % 2],
            "a: b": lambda i: "" if i % 9 == 0 else noise(i),
            'été"quote': lambda i: "" if i % 5 == 0 else ["ä", "true", "~"][i % 3],
            "null": lambda i: 7,
            "# c": noise,
            "- d\ne": lambda i: "" if i % 2 else noise(i),
            "true": kind,
        }
    )
    text, value = init("true")
    assert value["data"]["target"] == "true"
    assert value["data"]["columns"] == {"null": "ignore"}
    assert value["data"]["missing"] == {
        "a: b": "median",
        'été"quote': "most_frequent",
        "- d\ne": "median",
    }
    assert re.search(r'"a: b": median +# 12 % is missing', text)
    assert call("check", "t.yaml").code == 0


def test_marks_of_missing_values(init: Init) -> None:
    write(
        {
            "a": lambda i: "?" if i % 10 == 0 else x(i),
            "b": lambda i: "inf" if i == 5 else noise(i),
            "c": lambda i: "9.97e36" if i % 50 == 0 else noise(i),
            "y": lambda i: "-" if i % 40 == 1 else f"{3 * X[i] + i % 3 / 9:.2f}",
        }
    )
    text, value = init()
    source = value["data"]["source"]["file"]
    assert source["missing_values"][-4:] == ["?", "inf", "9.97e36", "-"]
    assert '"?" in 12 rows of "a"' in text
    assert value["data"]["missing"] == {
        "a": "median", "b": "median", "c": "median", "y": "drop",
    }  # fmt: skip
    assert value["loss"] == "mse"
    run = nt.train("t.yaml", out="run", overrides=["train.epochs=30"])
    assert run.summary["test/r2"] > 0.7


def test_many_odd_texts_make_no_marks(init: Init) -> None:
    write({"a": lambda i: f"t{i}" if i % 3 == 0 else noise(i), "x": x, "y": kind})
    text, value = init()
    assert value["data"]["columns"] == {"a": "ignore"}
    assert "33 % of its cells are no numbers; 115 different texts in 120 rows" in text


def test_codes_with_letters_among_them_are_declared(init: Init) -> None:
    zones = ["10", "20", "30", "N1", "N2", "X3", "X4", "40", "50"]
    write({"zone": lambda i: zones[i % 9], "x": x, "y": kind})
    text, value = init()
    assert value["data"]["columns"] == {"zone": "categorical"}
    assert re.search("zone: categorical +# 43 % of its cells are no numbers", text)


@pytest.mark.parametrize(
    ("rare", "weights", "recall"),
    [(2, False, False), (4, False, True), (10, True, True)],
)
def test_classes_of_different_size(
    init: Init, rare: int, weights: bool, recall: bool
) -> None:
    write({"x": x, "y": lambda i: "rare" if i % rare == 0 else "usual"}, 400)
    text, value = init()
    balanced = {"cross_entropy": {"class_weights": "balanced"}}
    assert value["loss"] == (balanced if weights else "cross_entropy")
    assert ("recall" in value["metrics"]) == recall
    assert ("roc_auc" in value["metrics"]) == recall
    assert "average_precision" not in value["metrics"], "the first class is rare"
    assert ("who always says `usual` is right in" in text) == recall
    assert value["data"]["split"]["stratify"] is True


def test_a_rare_class_that_is_to_be_found(init: Init, call: Call) -> None:
    write({"x": x, "y": lambda i: int(i % 10 == 0)}, 400)
    text, value = init()
    assert value["metrics"] == [
        "accuracy", "recall", "f1", "roc_auc", "average_precision", "confusion",
    ]  # fmt: skip
    said = " ".join(text.replace("#", " ").split())
    assert "average_precision is 10 % by guessing" in said
    assert "Where probabilities count, or the order of the rows, leave it out" in said
    run = nt.train("t.yaml", out="run", overrides=["train.epochs=2"])
    assert 0 < run.summary["test/average_precision"] <= 1
    assert 0 < run.summary["test/roc_auc"] <= 1


def test_a_class_of_one_row_gets_no_weight(init: Init) -> None:
    write({"x": x, "y": lambda i: "odd" if i == 3 else kind(i)}, 300)
    assert init()[1]["loss"] == "cross_entropy"


def test_units_and_outliers(init: Init) -> None:
    columns: dict[str, Cell] = {
        "a": lambda i: X[i] * 1e-6,
        "b": lambda i: OTHER[i] * 1e4,
        "c": noise,
        "y": lambda i: 1e5 if i == 7 else X[i],
    }
    for rows in (400, 60):  # of n values none is further than √(n - 1) deviations
        write(columns, rows)
        text, value = init()
        assert value["data"]["preprocess"] == [{"standardize": {"floor": 0}}]
        assert value["loss"] == "huber"
        told = re.search(r"a target is (\S+) standard deviations of the others", text)
        assert told
        assert 8e4 < float(told[1].replace(",", "")) < 1.2e5
        Path("t.yaml").unlink()
    write({**columns, "y": lambda i: 9 if i == 7 else X[i]}, 60)
    assert init()[1]["loss"] == "mse"


def test_rare_categories_may_come_later(init: Init, call: Call) -> None:
    write({"c": lambda i: "ab"[i % 2] if i % 30 else f"r{i}", "x": x, "y": kind})
    assert init()[1]["data"]["preprocess"][1] == {"one_hot": {"unknown": "ignore"}}
    assert call("check", "t.yaml").code == 0


def test_other_delimiters_and_folders(call: Call, folder: Path) -> None:
    write({"x": x, "n": noise, "y": kind}, delimiter=";")
    Path("deep").mkdir()
    words = ["t.csv", "--target", "y", "--out", "deep/c.yaml"]
    assert call("init", *words).code == 0
    source = read("deep/c.yaml").value["data"]["source"]["file"]
    assert (source["path"], source["delimiter"]) == ("../t.csv", ";")
    run = nt.train("deep/c.yaml", out="run", overrides=["train.epochs=20"])
    assert run.summary["test/accuracy"] > 0.85


def test_tables_from_a_spreadsheet(call: Call, folder: Path, init: Init) -> None:
    def comma(i: int) -> str:
        return x(i).replace(".", ",")

    columns: dict[str, Cell] = {
        "a": lambda i: f"{i % 7},5" if i % 3 == 0 else i,
        "x": comma,
        "y": kind,
    }
    for delimiter, least in ((";", 1), (",", 0)):
        write(columns, delimiter=delimiter)
        own = {"delimiter": delimiter} if least else {}
        file = {"path": "t.csv", **own, "decimal": ","}
        assert init()[1]["data"]["source"] == {"file": file}
        assert call("check", "t.yaml").code == 0
        Path("t.yaml").unlink()
    write({**columns, "n": noise})  # with decimal points in another column
    text, value = init()
    assert value["data"]["source"] == "t.csv"
    assert value["data"]["columns"]["x"] == "ignore"
    assert re.search(r'numbers like "-?\d,\d+", write them plainly', text)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8"])
def test_a_table_in_another_encoding(
    call: Call, folder: Path, init: Init, encoding: str
) -> None:
    write({"größe": x, "a": lambda i: "äöü"[i % 3], "y": kind}, delimiter=";")
    file = Path("t.csv")
    file.write_text(file.read_text("utf-8"), encoding)
    text, value = init()
    own = {} if encoding == "utf-8" else {"encoding": encoding}
    said = {"path": "t.csv", **own, "delimiter": ";"}
    assert value["data"]["source"] == {"file": said}
    assert ("If `größe` is wrong, say its encoding" in text) == bool(own)
    assert call("check", "t.yaml").code == 0


def test_a_table_in_an_unknown_encoding(call: Call, folder: Path) -> None:
    Path("t.csv").write_bytes(b"\xe4,y\n" + b"\x81,0\n" * 30)
    answer = call("init", "t.csv", "--target", "y")
    assert answer.code == 3
    assert "t.csv:1:1: not UTF-8 text: the byte 0xE4" in answer.err


@pytest.mark.parametrize(
    ("form", "other", "said", "delimiter"),
    [
        ("{:,.2f}", "{:.1f}", ",", ","),
        ("{:,}", "{:.1f}", ",", ";"),
        ("{:,}", "{:,}", ",", ","),
        ("{:_.2f}", "{:.1f}", ".", ";"),
        ("{:_}", "{:.1f}", ".", ";"),
        ("{:_.2f}", "{:.1f}", " ", ";"),
        ("{:_}", "{:.1f}", "'", ","),
    ],
)
def test_thousands_that_stand_apart(
    call: Call,
    folder: Path,
    init: Init,
    form: str,
    other: str,
    said: str,
    delimiter: str,
) -> None:
    decimal = "." if said in ",'" else ","

    def written(form: str, number: int) -> str:
        text = form.format(number).replace("_", ",")
        return text.translate(str.maketrans({",": said, ".": decimal}))

    def large(i: int) -> str:
        return written(form, 2357 * (i + 1) ** 2 if "f" in form else 2357 + i * i)

    write({"a": large,
           "b": lambda i: written(other, 1001 + 7 * (i * i % 97)), "y": kind},
          delimiter=delimiter)  # fmt: skip
    text, value = init()
    own = {} if delimiter == "," else {"delimiter": ";"}
    file = {**own, "thousands": said}
    file |= {} if decimal == "." else {"decimal": ","}
    assert value["data"]["source"] == {"file": {"path": "t.csv", **file}}
    assert "is read as 2357" in text
    assert "columns" not in value["data"]
    assert call("check", "t.yaml").code == 0


def test_a_comma_before_three_digits(folder: Path, init: Init) -> None:
    """Between semicolons it stands before decimals."""
    write({"a": lambda i: f"2,{100 + i}", "n": lambda i: i % 9, "y": kind},
          delimiter=";")  # fmt: skip
    text, value = init()
    file = {"path": "t.csv", "delimiter": ";", "decimal": ","}
    assert value["data"]["source"] == {"file": file}
    assert '"2,100" is read as 2.1' in text
    Path("t.yaml").unlink()
    write({"a": lambda i: "1,234" if i % 9 == 0 else i % 7, "n": x, "y": kind})
    assert init()[1]["data"]["source"]["file"] == {"path": "t.csv", "thousands": ","}


def test_an_index_that_was_saved(call: Call, folder: Path, init: Init) -> None:
    write({"": lambda i: f"row {i % 3}", "x": x, "y": kind})
    assert init()[1]["data"]["columns"] == {"unnamed": "ignore"}
    nt.train("t.yaml", out="run", overrides=["train.epochs=1"])
    assert call("predict", "run", "--data", "t.csv").code == 0


def test_amounts_are_left_out(call: Call, folder: Path, init: Init) -> None:
    """However often each comes: they are no categories."""
    write({"a": lambda i: f"{i % 30} %", "x": x, "y": kind})
    text, value = init()
    assert value["data"]["columns"] == {"a": "ignore"}
    assert 'numbers like "0 %", write them plainly' in text


def test_what_is_said_of_parts_and_targets(folder: Path, init: Init) -> None:
    write({"x": x, "n": noise, "y": lambda i: "odd" if i == 7 else kind(i)})
    text = " ".join(init()[0].replace("#", " ").split())
    assert "each class has its share in every part, but for those of too few" in text
    Path("t.yaml").unlink()
    write({"x": x, "n": noise, "y": kind})
    assert "but for those" not in " ".join(init()[0].replace("#", " ").split())


def test_arrays(call: Call, folder: Path) -> None:
    images = np.random.default_rng(0).normal(size=(90, 1, 3, 3))
    labels = (images.sum((1, 2, 3)) > 0).astype(int)
    np.savez("a.npz", x=images, y=labels, x_other=images)
    assert call("init", "a.npz").code == 0
    value = read("a.yaml").value
    assert value["model"][0] == "flatten"
    assert "target" not in value["data"]
    assert call("check", "a.yaml").code == 0
    np.savez("b.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    assert call("init", "b.npz").code == 0
    assert "test" not in read("b.yaml").value["data"]["split"]
    np.savez("c.npz", x=images)
    assert "no targets y\n  add the array y" in call("init", "c.npz").err
    np.savez("c.npz", x=images, labels=labels)
    assert "there is labels" in call("init", "c.npz").err


def test_several_targets(call: Call, folder: Path) -> None:
    write({"x": x, "n": noise, "u": lambda i: X[i] + 1, "v": lambda i: -X[i]})
    assert call("init", "t.csv", "--target", "u", "--target", "v").code == 0
    assert read("t.yaml").value["data"]["target"] == ["u", "v"]
    said = " ".join(Path("t.yaml").read_text().replace("#", " ").split())
    assert re.search(r"  ?0\.\d+ ± \d.*, .* ± \d.* becomes 0 ± 1", said)
    assert "rmse and mae mix what these are measured in" in said
    assert call("check", "t.yaml").code == 0


@pytest.mark.parametrize(
    ("columns", "rows", "said"),
    [
        ({"a": x, "y": lambda i: "same"}, 120, 'no class but "same"'),
        ({"a": x, "y": lambda i: f"n{i}"}, 120, "most of them come once"),
        ({"a": x, "y": lambda i: f"{i},5"}, 120, "has a decimal comma"),
        ({"a": x, "y": lambda i: f"${i + 1},050"}, 120, "a number with a sign or"),
        (
            {"a": kind, "b": lambda i: "+-"[kind(i) == "no"], "y": kind},
            120,
            "learn from: `a` (is `y` in other words in every training row",
        ),
        ({"a": x, "y": lambda i: ""}, 120, "no classes"),
        (
            {"id": lambda i: i, "y": kind},
            120,
            "no column is left to learn from: `id` (",
        ),
        ({"y": kind}, 120, "no column is left to learn from: there is no other"),
        ({"a": x, "y": kind}, 3, "3 rows are too few: none is left for the test part"),
        (
            {f"t{n}": lambda i: f"text {i}" for n in range(9)} | {"y": kind},
            120,
            "`t4` (120 different texts in 120 rows), and 4 more",
        ),
        ({"a": x, "z": kind}, 120, 'no column "y"\n  the columns are: a, z'),
        ({"a": x, "Y": kind}, 120, 'no column "y"\n  did you mean "Y"?'),
    ],
)
def test_tables_that_cannot_be_learned(
    call: Call, folder: Path, columns: dict[str, Cell], rows: int, said: str
) -> None:
    write(columns, rows)
    answer = call("init", "t.csv", "--target", "y")
    assert answer.code in (2, 3)
    assert " ".join(said.split()) in " ".join(answer.err.split())
    assert not Path("t.yaml").exists()


TABLES = {
    "wine": ("cultivar", "test/accuracy", 0.9),
    "pumps": ("state", "test/recall", 0.75),
    "filled": ("flow", "test/r2", 0.8),
    "diabetes": ("progression", "test/r2", 0.1),
    "imbalanced": ("kind", "test/recall", 0.8),
    "cafes": ("cups", "test/r2", 0.8),
    "load": ("load", "test/r2", 0.8),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_ours_is_learned(call: Call, folder: Path, name: str) -> None:
    target, metric, least = TABLES[name]
    data = ROOT / "data" / f"{name}.csv"
    assert call("init", data, "--target", target).code == 0
    short = [] if name in ("wine", "filled") else ["train.epochs=6"]
    run = nt.train(f"{name}.yaml", out="run", overrides=[*short, "diagnose=false"])
    assert run.summary[metric] > least


NAMES = st.one_of(
    st.sampled_from(
        ["id", "yes", "1", "a: b", "~", "[x]", "é", "x #y", "'", '"', "&a"]
    ),
    st.text(
        st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t"),
        min_size=1,
        max_size=8,
    ),
)
CELLS = st.sampled_from(
    [
        lambda i: x(i),
        lambda i: i,
        lambda i: "",
        lambda i: 5,
        lambda i: "ab"[i % 2],
        lambda i: "" if i % 3 else "é: #",
        lambda i: "?" if i % 7 == 0 else noise(i),
        lambda i: f"{X[i] * 1e300:.3e}",
        lambda i: f"{X[i] * 1e-300:.3e}",
        lambda i: f"t{i % 40}",
        lambda i: "inf" if i % 9 == 0 else i % 4,
        lambda i: ["1", "x", "2024-01-31", "0,5"][i % 4],
        lambda i: i % 25,
        lambda i: f'a\n"{i % 2}"',
    ]
)


@given(
    columns=st.dictionaries(NAMES, CELLS, min_size=2, max_size=6),
    rows=st.sampled_from([1, 2, 9, 40, 100]),
)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_table_is_refused_or_gets_a_config_that_sets_up(
    folder: Path, columns: dict[str, Cell], rows: int
) -> None:
    write(columns, rows)
    Path("t.yaml").unlink(missing_ok=True)
    code = main(["init", "t.csv", f"--target={next(iter(columns))}"])
    assert code in (0, 2, 3)
    if code == 0:
        assert main(["check", "t.yaml"]) == 0
    assert Path("t.yaml").exists() == (code == 0)


TARGETS: list[Cell] = [
    kind,
    lambda i: int(X[i] > 0),
    lambda i: "abc"[(X[i] > 0) + (X[i] > 1)],
    lambda i: f"{3 * X[i]:.2f}",
    lambda i: int(math.exp(1 + X[i])),
    lambda i: f"{math.exp(3 * X[i]):.3f}",
    lambda i: "" if i % 9 == 0 else f"{X[i]:.2f}",
    lambda i: round(5 + 2 * X[i]),
]
INPUTS: list[Cell] = [
    x,
    noise,
    kind,
    lambda i: i + 1,
    lambda i: "" if i % 4 == 0 else noise(i),
    lambda i: on(i),
    lambda i: on(-i, "%d.%m.%Y"),
    lambda i: 1_700_000_000 + 60 * i,
    lambda i: f"{OTHER[i]:.2f} €",
    lambda i: f"town {i % 40}",
    lambda i: "?" if i % 7 == 0 else x(i),
    lambda i: f"{X[i] * 1e9:.3e}",
    lambda i: str(X[i] > 0.3),
    lambda i: "" if i % 3 == 0 else "uvw"[i % 3],
]


@pytest.mark.long
@pytest.mark.parametrize("made", range(40))
def test_a_written_config_runs_as_it_is(call: Call, folder: Path, made: int) -> None:
    chance = random.Random(made)
    cells = chance.sample(INPUTS, chance.randint(1, 5))
    columns = {f"c{i}": cell for i, cell in enumerate([x, *cells])}
    write({**columns, "y": TARGETS[made % len(TARGETS)]}, chance.choice([60, 200, 500]))
    assert call("init", "t.csv", "--target", "y").code == 0
    assert call("check", "t.yaml").code == 0
    assert call("run", "t.yaml", "train.epochs=2", "--out", "run").code == 0
