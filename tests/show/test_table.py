"""Tables that are no wider than the terminal, and lose nothing by that."""

from __future__ import annotations

import pytest

from nettrain.show.table import breadth, table

SEEDS = [
    ["", "mean", "± 95 %", *(f"seed {n}" for n in range(7))],
    ["validation/loss", "0.4826", "± 0.084", *(f"0.52{n}5" for n in range(7))],
    ["validation/accuracy", "12,816.7", "all agree", *("0.75" for _ in range(7))],
]
KEYS = [
    ["key", "kind", "values", "of the base"],
    ["optimizer.adam.learning_rate", "list", "0.001, 0.01", "1.5"],
    ["model", "list", "[{dense: 10}], [{dense: 10}, {dense: 3}]", "a-long-" * 9],
]


def test_columns_stand_side_by_side() -> None:
    assert (
        table([["a", "b"], ["long", "1"], ["", "22"]]) == "a      b\nlong   1\n      22"
    )
    assert table([["a", "b"], ["long", "1"]], left=2).splitlines()[1] == "long  1"
    assert table(SEEDS, wide=200) == table(SEEDS)
    assert len(table(SEEDS).splitlines()) == 3


@pytest.mark.parametrize("rows", [SEEDS, KEYS])
@pytest.mark.parametrize("wide", [75, 60, 50, 40])
def test_none_is_wider_than_the_terminal_and_nothing_is_lost(
    rows: list[list[str]], wide: int
) -> None:
    told = table(rows, wide=wide)
    assert 0.6 * wide < max(map(len, told.splitlines())) <= wide
    for cell in (cell for row in rows[1:] for cell in row):
        if not any(map(str.isalpha, cell)):
            assert cell in told  # numbers stay whole
        assert all(word[:7] in told for word in cell.replace(".", " ").split())
    every = "".join(cell for row in rows[1:] for cell in row)
    assert all(told.count(c) >= every.count(c) for c in set(every) - {" "})


def test_texts_are_wrapped_at_blanks_and_inside_paths() -> None:
    rows = [["", "", "told"]]
    rows += [["model.dense1.units", "1", "not ranked: the losses differ"]]
    rows += [["runs/digits/trials/1", "-1.5", "0.1 ± 0.1 → 3"]]
    assert table(rows, wide=50).splitlines() == [
        "                                              told",
        "model.dense1.units       1  not ranked: the losses",
        "                                            differ",
        "runs/digits/trials/1  -1.5           0.1 ± 0.1 → 3",
    ]
    narrow = [["", "told"], ["a/b/" * 10, "0.1 ± 0.1 → 3 × 2, 5 and so on, and so on"]]
    assert table(narrow, wide=40).splitlines()[1:] == [
        "a/b/a/b/a/b/a/b/a/    0.1 ± 0.1 → 3 × 2,",
        "b/a/b/a/b/a/b/a/b/   5 and so on, and so",
        "a/b/                                  on",
    ]


def test_columns_without_room_stand_below_beside_the_keys() -> None:
    blocks = table(SEEDS, wide=60).split("\n\n")
    assert [block.split("\n")[0].split() for block in blocks] == [
        ["mean", "±", "95", "%", "seed", "0", "seed", "1"],
        ["seed", "2", "seed", "3", "seed", "4", "seed", "5", "seed", "6"],
    ]
    assert all("validation/loss " in block for block in blocks)
    told = [["point", "", *SEEDS[0]], *(["1", "2", *row] for row in SEEDS[1:])]
    for block in table(told, keys=2, wide=50).split("\n\n"):
        assert block.splitlines()[-1].startswith("1") and " 2 " in block


def test_heads_are_marked_line_by_line_and_what_is_none_is_left_out() -> None:
    told = table(SEEDS, wide=40, head=lambda line: f"<{line}>").splitlines()
    marked = [line for line in told if "<" in line]
    assert len(marked) > 2 and all("mean" in s or "seed" in s for s in marked)
    blank = [["", "mean", *[""] * 8], ["a" * 18, *["0.12345"] * 9]]
    assert "\n\n" in table(blank, wide=40) and "\n\n\n" not in table(blank, wide=40)


@pytest.mark.parametrize(
    "number", ["-1.234567890123456e-101", "12,345,678,901.2345678"]
)
def test_a_long_number_stays_whole(number: str) -> None:
    told = table([["", "x"], ["a-long-word-" * 3, number]], wide=40)
    assert number in told and max(map(len, told.splitlines())) == 40


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("± 0.5 → ä …", 11),
        ("实验", 4),
        ("ﾊﾝｶｸ", 4),  # half as wide
        ("ＡＢ", 4),
        ("e\u0301te\u0301", 3),  # as a disk of Apple's has it
        ("🙂", 2),
    ],
)
def test_columns_of_a_terminal(text: str, columns: int) -> None:
    assert breadth(text) == columns


@pytest.mark.parametrize("wide", [None, 60, 41, 40])
def test_wide_characters_take_two_columns(wide: int | None) -> None:
    rows = [
        ["", "値", "n"],
        ["实验" * 15, "深層学習", "0.5"],
        ["cafe\u0301/b", "x", "10"],
    ]
    told = table(rows, left=2, wide=wide)
    for line in told.splitlines():
        assert breadth(line) <= (wide or 75)
    assert all(told.count(c) >= 15 for c in "实验")
    ends = {breadth(line) for line in told.splitlines() if line[-1] in "n50"}
    assert len(ends) == 1  # numbers stand below each other
    rows = [["", *"abcdef"], ["k", *["深層学習"] * 6]]
    assert table(rows, wide=wide).count("深層学習") == 6  # none is broken
