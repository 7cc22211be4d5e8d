"""init: what in a table is perhaps not meant as it is read, and the likely targets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nettrain.config import read
from tests.cli.conftest import ROOT, Call
from tests.cli.test_init import Cell, X, kind, noise, on, write, x


class Written(NamedTuple):
    said: str
    text: str
    data: Any


@pytest.fixture
def init(call: Call, folder: Path) -> Any:
    """Write a config for `t.csv`: what is said, its text, and its section `data`."""

    def make(target: str = "y") -> Written:
        Path("t.yaml").unlink(missing_ok=True)
        answer = call("init", "t.csv", "--target", target)
        assert (answer.code, answer.err) == (0, "")
        assert call("check", "t.yaml").code == 0
        text = " ".join(Path("t.yaml").read_text("utf-8").replace("#", " ").split())
        said, _, _ = answer.out.partition("written to")
        return Written(said, text, read("t.yaml").value["data"])

    return make


def rounded(i: int) -> str:
    return f"{3 * X[i]:.2f}"


# ---------------------------------------------------------------- texts among numbers


@pytest.mark.parametrize("limit", ["<0.1", "> 5", "10+", "≥3", "unter 2", "7 or more"])
def test_a_limit_is_no_missing_value(init: Any, limit: str) -> None:
    few = [limit, "1", "2", "3", "4"]
    write(
        {
            "a": lambda i: limit if i % 9 == 0 else x(i),
            "b": lambda i: few[i % 5],
            "c": lambda i: "?" if i % 9 == 0 else limit if i % 9 == 1 else noise(i),
            "d": lambda i: limit if i % 9 == 0 else i % 31,
            "x": x,
            "y": rounded,
        }
    )
    said, text, data = init()
    columns = {"a": "ignore", "b": "categorical", "c": "ignore", "d": "ignore"}
    assert data["columns"] == columns
    assert data["source"]["file"]["missing_values"][-1] == "?"
    assert "missing" not in data
    why = f'limits in the place of numbers, "{limit}" in 14 rows: write a number that '
    assert f"left out: `a`: {why}may stand for each\n" in said
    assert why in text
    assert (
        f'"{limit}" in 24 rows: write a number that may stand for each; until' in text
    )
    assert "`b`" not in said


def test_many_limits_are_told_as_such(init: Any) -> None:
    write({"a": lambda i: f"<0.{i % 5}" if i % 3 == 0 else x(i), "x": x, "y": rounded})
    assert "`a`: limits in the place of numbers, " in init().said


@pytest.mark.parametrize("word", ["Total", "SUM", "Summe:", "gesamt", "Mittelwert"])
def test_a_word_for_a_total_is_no_missing_value(init: Any, word: str) -> None:
    write({"a": lambda i: word if i == 119 else i % 5, "x": x, "y": rounded})
    said, _, data = init()
    assert data["columns"] == {"a": "ignore"}
    assert data["source"] == "t.csv"
    told = f'`a`: a total among numbers, "{word}" in 1 row: take that line out'
    assert told in said


def test_a_letter_among_codes_is_no_missing_value(init: Any) -> None:
    codes = ["10", "20", "30", "40", "N1", "A"]
    write({"a": lambda i: codes[i % 6], "x": x, "y": rounded})
    said, text, data = init()
    assert data["columns"] == {"a": "categorical"}
    assert data["source"] == "t.csv"
    assert 'texts among numbers, "N1" in 20 rows, "A" in 20 rows: write' in text
    assert said == ""


@pytest.mark.parametrize(
    ("odd", "said", "fix"),
    [
        ("<0.1", "limits in the place of numbers", "write a number that may stand for"),
        ("Total", "a total among numbers", "take that line out of the file"),
        ("1O5", "texts among numbers", "write numbers, or nothing"),
    ],
)
def test_a_target_of_numbers_has_no_others(
    call: Call, folder: Path, odd: str, said: str, fix: str
) -> None:
    write({"x": x, "y": lambda i: odd if i == 5 else rounded(i)})
    answer = call("init", "t.csv", "--target", "y")
    assert answer.code == 3
    assert f't.csv:7:8: the target "y" has {said}, "{odd}" in 1 row\n' in answer.err
    assert answer.err.endswith(f"{fix}{' each' * (odd[0] == '<')}\n")


# ---------------------------------------------------------------- totals


def amount(i: int) -> int:
    return 3 + i * i % 17


def price(i: int) -> str:
    return f"{2.5 + i * 7 % 11:.1f}"


AMOUNTS, PRICES = (sum(float(f(i)) for i in range(120)) for f in (amount, price))


@pytest.mark.parametrize(
    ("last", "told"),
    [
        ([["", AMOUNTS, f"{PRICES:.1f}"]], {122: "sum"}),
        ([["all", round(AMOUNTS), ""], ["", "", ""]], {122: "sum"}),
        ([["all", "", f"{PRICES:.2f}"]], {122: "sum"}),
        ([["all", f"{AMOUNTS / 120:.3f}", f"{PRICES / 120:.4f}"]], {122: "mean"}),
        (
            [["all", AMOUNTS, PRICES], ["all", f"{AMOUNTS / 120}", f"{PRICES / 120}"]],
            {122: "sum", 123: "mean"},
        ),
        ([["all", AMOUNTS + 1, f"{PRICES + 0.2:.1f}"]], {}),
        ([["all", AMOUNTS, 3.5]], {}),
        ([["all", round(AMOUNTS / 120), f"{PRICES / 120:.1f}"]], {}),
        ([], {}),
    ],
)
def test_a_line_of_sums_or_means(
    init: Any, last: list[list[object]], told: dict[int, str]
) -> None:
    """One that is nearly a sum is told neither, nor a row that may be a mean's."""
    write({"region": lambda i: "nsew"[i % 4], "amount": amount, "y": price})
    with Path("t.csv").open("a") as file:
        file.writelines(",".join(map(str, row)) + "\n" for row in last)
    said, text, _ = init()
    found = re.findall(r"line (\d+) seems to hold each column's (\w+) of", said)
    assert {int(line): what for line, what in found} == told
    assert ("if so, take it out of the file" in text) == bool(told)


def test_a_row_that_happens_to_be_a_sum(init: Any) -> None:
    """As one may where numbers have both signs."""
    signed = [i * 37 % 101 - 49 for i in range(119)]
    signed.append(sum(signed))
    assert signed[-1] == 32
    write({"a": lambda i: "nsew"[i * i % 7 % 4], "y": lambda i: signed[i]})
    assert init().said == ""


# ---------------------------------------------------------------- numbers for nothing


@pytest.mark.parametrize("mark", ["999", "-9999", "-99.9", "-999.0", "-1"])
def test_a_number_that_may_stand_for_none(init: Any, call: Call, mark: str) -> None:
    def a(i: int) -> object:
        return mark if i % 20 == 3 else f"{20 + X[i]:.1f}"

    write({"a": a, "x": x, "y": lambda i: mark if i % 30 == 7 else rounded(i)})
    said, text, data = init()
    assert f'"{mark}" lies far beyond the rest, in 6 rows of `a` (else ' in said
    if mark == "-1":  # which lies among the numbers of y
        assert "were it no value, in `y` neither, say" in said
    else:
        assert "), 4 rows of `y` (else " in said
    assert "were it no value" in text
    assert data["source"] == "t.csv"
    assert "missing" not in data
    told = re.search(r"say source: (\{.*?\}\}) and missing: (\{.*?\})\n", said)
    assert told
    words = [f"data.source={told[1]}", f"data.missing={told[2]}"]
    answer = call("run", "t.yaml", *words, "train={steps: 3}", "--out", "run")
    assert answer.code == 0
    resolved = read("run/config.resolved.yaml").value["data"]
    assert resolved["source"]["file"]["missing_values"][-1] == mark
    assert resolved["missing"] == {"a": "median", "y": "drop"}


def test_a_number_that_stands_for_none_in_one_column_only(init: Any) -> None:
    write(
        {
            "id": lambda i: i,
            "a": lambda i: 99 if i % 9 == 0 else i % 7,
            "b": lambda i: i * i % 113,
            "x": x,
            "y": rounded,
        }
    )
    said = init().said
    assert "were it no value, in `b` neither, say source" in said
    assert said.endswith("and missing: {a: median, b: median}\n")


@pytest.mark.parametrize(
    "usual",
    [
        lambda i: 999 if i == 3 else f"{20 + X[i]:.1f}",  # it does not come again
        lambda i: 99 if i % 9 == 0 else i % 98,
        lambda i: -1 if i % 9 == 0 else i % 4,
        lambda i: 9 if i % 9 == 0 else i % 2,
        lambda i: 998 if i % 9 == 0 else i % 7,
        lambda i: 999,
    ],
)
def test_a_number_that_stands_for_itself(init: Any, usual: Cell) -> None:
    write({"a": usual, "x": x, "y": rounded})
    assert init().said == ""


# ---------------------------------------------------------------- codes and dates


def test_codes_that_begin_with_a_nought(init: Any) -> None:
    write({"plz": lambda i: f"{1067 * (1 + i % 11):05}", "x": x, "y": rounded})
    said, text, data = init()
    assert data["columns"] == {"plz": "categorical"}
    assert (said, 'codes such as "0' in text) == ("", True)
    file = Path("t.csv")
    file.write_text(re.sub(r"(?m)^(\d+)", r'"\1"', file.read_text()))
    assert init().data["columns"] == {"plz": "categorical"}
    write({"n": lambda i: f"{i * 7919 % 10007:06}", "x": x, "y": rounded})
    said, text, data = init()
    assert data["columns"] == {"n": "ignore"}
    told = ", 120 different in 120 rows; were they quantities, numeric"
    assert told in said and told in text
    for code in (lambda i: f"0{1 + i % 9}", lambda i: f"0{10 + i % 9}" if i % 7 else 0):
        write({"n": code, "x": x, "y": rounded})
        assert init().data["columns"] == {"n": "categorical"}
    for plain in (lambda i: i % 30, lambda i: f"0.{1 + i % 7}", lambda i: 10 + i % 7):
        write({"n": plain, "x": x, "y": rounded})
        assert "columns" not in init().data


@pytest.mark.parametrize("name", ["n", "Datum", "fecha"])
def test_days_of_eight_digits(init: Any, name: str) -> None:
    write({name: lambda i: on(i, "%Y%m%d"), "x": x, "y": rounded})
    _, text, data = init()
    assert data["columns"] == {name: "ignore"}
    assert "dates: to learn from them, write year, month" in text
    assert data["split"]["by"] == "order"
    write({name: lambda i: on(i * 7 % 120, "%Y%m%d"), "x": x, "y": rounded})
    data = init().data
    assert (data["columns"], "by" in data["split"]) == ({name: "ignore"}, False)


@pytest.mark.parametrize(
    "number",
    [
        lambda i: 2022_02_20 + i % 12,  # there is no 30th of February
        lambda i: 2022_13_01 + i % 12,
        lambda i: 2022_12_00 + i % 12,
        lambda i: 3022_12_01 + i % 12,
        lambda i: 2022_12_01 + i % 4,
        lambda i: 2022_12_01 + i % 12 + 0.5,
    ],
)
def test_eight_digits_that_are_no_days(init: Any, number: Cell) -> None:
    write({"n": number, "x": x, "y": rounded})
    assert "columns" not in init().data


@pytest.mark.parametrize(
    ("name", "order"),
    [("Jahr", True), ("Bestelldatum", True), ("année", True), ("Fecha", True),
     ("Alter", False)],
)  # fmt: skip
def test_years_in_other_languages(init: Any, name: str, order: bool) -> None:
    write({name: lambda i: 2000 + i // 9, "x": x, "y": rounded})
    assert (init().data["split"].get("by") == "order") == order


# ---------------------------------------------------------------- points


def thousands(i: int) -> str:
    return f"{2 + i % 83}.{100 + i}"


def test_points_that_may_stand_between_thousands(init: Any, call: Call) -> None:
    write({"n": lambda i: i % 9, "y": thousands}, delimiter=";")
    said, text, data = init()
    told = '"2.100" is read as 2.1; were it 2100, say source: {file: {path: t.csv, '
    told += 'delimiter: ";", decimal: ",", thousands: "."}}'
    assert told in said
    assert told in text
    assert data["source"] == {"file": {"path": "t.csv", "delimiter": ";"}}
    other = told.partition("say source: ")[2]
    answer = call("check", "t.yaml", f"data.source={other}")
    assert answer.code == 0
    assert re.search(r"train: 72 rows, y \S+e\+04 ±", answer.out)


@pytest.mark.parametrize(
    ("delimiter", "other"),
    [
        (",", lambda i: i % 9),
        (";", lambda i: f"{X[i]:.2f}"),
        (";", lambda i: f"0.{100 + i}"),
        (";", lambda i: f"{i % 9}.0"),
        (";", lambda i: f"{1000 + i}.125"),
    ],
)
def test_points_that_stand_before_decimals(
    init: Any, delimiter: str, other: Cell
) -> None:
    write({"n": lambda i: i % 9, "o": other, "y": thousands}, delimiter=delimiter)
    assert init().said == ""


# ---------------------------------------------------------------- targets


def listed(call: Call, file: str | Path) -> list[str]:
    answer = call("init", file, "--out", "x.yaml")
    assert answer.code == 3
    return answer.err.splitlines()[-1].partition("one of ")[2].split(", ")


def test_likely_targets_come_first(call: Call, folder: Path) -> None:
    columns: dict[str, Cell] = {f"m{n}": lambda i, n=n: X[i] + n for n in range(20)}
    tables: list[tuple[dict[str, Cell], list[str]]] = [
        (
            {"id": lambda i: i, "diag": kind, **columns},
            ["diag", "m19", "m18", "m17", "m0"],
        ),
        ({**columns, "outcome": x, "town": kind}, ["outcome", "town", "m0", "m1"]),
        ({**columns, "n": lambda i: i % 7, "z": x}, ["z", "n", "m0", "m1"]),
        ({**columns, "day": on, "code": lambda i: f"c{i}"}, ["m0", "m1", "m19"]),
    ]
    for table, first in tables:
        write(table)
        assert listed(call, "t.csv")[: len(first)] == first


@pytest.mark.parametrize("name", ["wine", "diabetes", "pumps", "load", "filled"])
def test_nothing_is_asked_of_a_sound_table(call: Call, folder: Path, name: str) -> None:
    data = ROOT / "data" / f"{name}.csv"
    answer = call("init", data, "--target", listed(call, data)[0])
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("written to")
